package device

import "time"

// PieceKind says what a Piece is.
type PieceKind int

// The kinds of pieces.
const (
	Unfit   PieceKind = iota // nothing this instrument is documented to send
	Reading                  // the counts of all channels
	Other                    // documented, and no reading: an acknowledgement, an answer
	Single                   // one event: a reading counts those that came in its interval
)

// Piece is what received bytes begin with, as the instrument's format cuts
// them: one line or packet, or bytes that are none.
type Piece struct {
	Length int       // bytes of it; 0: more are needed to tell
	Kind   PieceKind // what it is
	What   string    // for people: "packet of 8 counters", "answer to v: 1.4"
	Values []uint64  // of a Reading: the counts, in the order of the channels
	// Passing says of a Reading that it may be none that counts: a total that is
	// asked for again before its gate has ended. The driver may leave it out.
	Passing bool
}

// Exchange is one read or write of a port.
type Exchange struct {
	Sent  bool          // to the instrument, not from it
	At    time.Duration // since the port was opened: when the read or write returned
	Bytes []byte
}

// Quirk is a peculiarity of an instrument that public sources warn of, or a
// choice they leave open and only a real unit can settle.
type Quirk struct {
	Name   string // "line end"
	Title  string // what is known, one line
	Source string // where that is written
	// Met says how it shows in a conversation, in words for people: "CR LF after
	// each of 52 lines". It is empty when it does not show.
	Met func(talk []Exchange) string
}

// Received joins what came from the instrument in a conversation.
func Received(talk []Exchange) []byte {
	var all []byte
	for _, e := range talk {
		if !e.Sent {
			all = append(all, e.Bytes...)
		}
	}
	return all
}

// Pieces cuts received bytes with a driver's Cut. What is left at the end is no
// piece yet. A driver on USB has none: there are no pieces then.
func Pieces(cut func([]byte) Piece, received []byte) []Piece {
	var list []Piece
	for cut != nil && len(received) > 0 {
		p := cut(received)
		if p.Length <= 0 || p.Length > len(received) {
			break
		}
		list = append(list, p)
		received = received[p.Length:]
	}
	return list
}

// Fit says how far received bytes are what a driver's Cut calls readings: how
// many there are, and which part of the bytes they make. The first piece is left
// out when it is none, since it may be torn, and so are the last bytes.
func Fit(cut func([]byte) Piece, received []byte) (readings int, part float64) {
	fit, all := 0, 0
	for i, p := range Pieces(cut, received) {
		if p.Kind == Reading {
			readings++
			fit += p.Length
		}
		if i > 0 || p.Kind == Reading {
			all += p.Length
		}
	}
	if readings == 0 {
		return 0, 0
	}
	return readings, float64(fit) / float64(all)
}
