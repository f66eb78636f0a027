package protocol

import "fmt"

// Type says what a frame is (SPEC.md, section 4), without bit 7 of its byte.
type Type uint8

// Stored frames.
const (
	TypeDescriptor Type = 1
	TypeCounts     Type = 2
	TypeTags       Type = 3
	TypeGap        Type = 4
	TypeEvent      Type = 5
	TypeClock      Type = 6
	TypeEnd        Type = 7
	TypeHole       Type = 15
)

// Session frames.
const (
	TypeHello Type = 32 + iota
	TypeProof
	TypeRefuse
	TypeSubscribe
	TypeSubscribed
	TypeTurn
	TypeCopy
	TypeCredit
	TypeAck
	TypeHeartbeat
	TypeSkip
	TypeBad
	TypeFinished
	TypeBye
	TypeRequest
	TypeReply
)

const (
	lastStored  Type = 31
	lastSession Type = 47
)

// String is the name of the type as SPEC.md gives it, or "type N".
func (t Type) String() string {
	switch t {
	case TypeDescriptor:
		return "descriptor"
	case TypeCounts:
		return "counts"
	case TypeTags:
		return "tags"
	case TypeGap:
		return "gap"
	case TypeEvent:
		return "event"
	case TypeClock:
		return "clock"
	case TypeEnd:
		return "end"
	case TypeHole:
		return "hole"
	}
	if t >= TypeHello && t <= TypeReply {
		return [...]string{"hello", "proof", "refuse", "subscribe", "subscribed", "turn", "copy",
			"credit", "ack", "heartbeat", "skip", "bad", "finished", "bye", "request", "reply"}[t-TypeHello]
	}
	return fmt.Sprintf("type %d", uint8(t))
}

// Known reports whether this version can decode the type.
func (t Type) Known() bool {
	switch t {
	case TypeDescriptor, TypeCounts, TypeTags, TypeGap, TypeEvent, TypeClock, TypeEnd, TypeHole:
		return true
	}
	return t >= TypeHello && t <= TypeReply
}

// Stored reports whether frames of the type may stand in files: types 1 to 31,
// unknown ones included.
func (t Type) Stored() bool { return t >= 1 && t <= lastStored }

// Numbered reports whether a frame of the type takes the next sequence of its
// epoch: all stored ones but holes.
func (t Type) Numbered() bool { return t.Stored() && t != TypeHole }

// Session reports whether the type belongs to a session and is never stored:
// types 32 to 47, unknown ones included.
func (t Type) Session() bool { return t > lastStored && t <= lastSession }

// maxPayload is the longest payload that section 10 allows the type, in bytes.
func (t Type) maxPayload() int {
	switch t {
	case TypeCounts, TypeTags, TypeCopy:
		return MaxFrame - HeaderSize
	case TypeHello, TypeProof:
		return MaxHello - HeaderSize
	case TypeDescriptor, TypeGap, TypeEvent, TypeClock, TypeEnd, TypeHole:
		return MaxJSON
	}
	if t.Session() {
		return MaxJSON
	}
	return MaxFrame - HeaderSize
}
