package gmc

import (
	"bytes"
	"fmt"
	"time"

	"photongate/device"
)

// cut implements device.Driver's Cut. Only the version is recognised by its bytes; what
// else the unit sends can be told in a conversation.
func cut(received []byte) device.Piece {
	at := bytes.Index(received, []byte("GMC-"))
	switch {
	case at > 0:
		return device.Piece{Length: at, What: fmt.Sprintf("%d bytes that only the conversation explains", at)}
	case at < 0:
		return device.Piece{Length: len(received), What: fmt.Sprintf("%d bytes that only the conversation explains", len(received))}
	}
	const longest = 16
	for n := longest; n > len("GMC-"); n-- {
		if n > len(received) || received[n-1] < '0' || received[n-1] > '9' {
			continue
		}
		if v, ok := parseVersion(received[:n]); ok {
			return device.Piece{Length: n, Kind: device.Other, What: "version: " + v.model + " " + v.firmware}
		}
	}
	return device.Piece{Length: len("GMC-"), What: "GMC- and no version after it"}
}

// cutting cuts a conversation.
type cutting struct {
	pieces []device.Piece
	spec   spec

	command string // sent last
	asked   time.Duration
	burst   []byte // received since, and since the last silence
	at      time.Duration
	ended   time.Duration // as beats has it
	first   bool
}

// cutTalk implements device.Driver's CutTalk.
func cutTalk(talk []device.Exchange, now time.Duration) []device.Piece {
	c := &cutting{}
	for _, e := range talk {
		if e.Sent {
			c.end()
			c.command, c.asked, c.ended, c.first = string(e.Bytes), e.At, e.At, true
			continue
		}
		pause := e.At - c.at
		if c.command == beatOn && !c.heartbeat(len(c.burst)).joins(len(c.burst), len(e.Bytes), pause) || c.command != beatOn && pause >= burstGap {
			c.end()
		}
		c.burst, c.at = append(c.burst, e.Bytes...), e.At
	}
	if now-c.at >= burstGap {
		c.end()
	}
	return c.pieces
}

// heartbeat is the protocol of a burst: by the model, or else by the first one.
func (c *cutting) heartbeat(burst int) spec {
	if c.spec == unknownSpec && burst > 0 {
		c.spec = rfc1201
		if burst%rfc1801.size() == 0 {
			c.spec = rfc1801
		}
	}
	return c.spec
}

// end makes pieces of the bytes that came together.
func (c *cutting) end() {
	if len(c.burst) == 0 {
		return
	}
	if c.command == beatOn {
		c.beats()
	} else {
		p := device.Piece{Length: len(c.burst), Kind: device.Other}
		p.Kind, p.What = c.answer()
		c.pieces = append(c.pieces, p)
	}
	c.ended, c.burst = c.at, nil
}

func (c *cutting) beats() {
	size, most := c.heartbeat(len(c.burst)).size(), due(c.at-c.ended, c.first)
	n, ok := c.spec.records(len(c.burst), most)
	if !ok {
		c.pieces = append(c.pieces, device.Piece{Length: len(c.burst), What: c.spec.wrong(len(c.burst), most)})
		return
	}
	for i := range n {
		v := c.spec.count(c.burst[i*size:])
		c.pieces = append(c.pieces, device.Piece{
			Length: size, Kind: device.Reading, What: fmt.Sprintf("heartbeat of %d bytes", size), Values: []uint64{v},
		})
	}
	c.first = false
}

// answer says what the bytes after a command are.
func (c *cutting) answer() (device.PieceKind, string) {
	switch v, isVersion := parseVersion(c.burst); c.command {
	case getVer:
		if isVersion {
			c.spec = v.protocol()
			return device.Other, "version: " + v.model + " " + v.firmware
		}
	case getSerial:
		if s, ok := parseSerial(c.burst); ok {
			return device.Other, "serial number " + s
		}
	case getVolt:
		p := rfc1201
		if len(c.burst) > 1 {
			p = rfc1801
		}
		if v, ok := p.parseVolt(c.burst); ok {
			return device.Other, "voltage: " + v + " V"
		}
	case "", beatOff:
		return device.Other, "bytes from before, as of a unit that was left beating"
	}
	return device.Unfit, fmt.Sprintf("no answer to %.20s: %d bytes", c.command, len(c.burst))
}
