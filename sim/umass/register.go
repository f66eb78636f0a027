package umass

import (
	"encoding/binary"
	"time"

	"photongate/sim/usb"
)

const (
	commandBytes = 8
	commandMagic = 0xAA
	commandWrite = 1
	// maxReplies bounds the answers that nobody fetches; then commands wait.
	maxReplies = 64
)

// The registers.
const (
	regVersion = 1 + iota
	regClock
	regControl
	regStrobe
	regDelta
	regRecords
	regLost
	regFIFO
)

// Bits of the capture control, and of register 8.
const (
	capturing = 1 << iota
	counting
	resetting

	clearFIFO = 1
	inputBits = 1<<inputs - 1
)

// registers are those that hold something.
type registers struct {
	control       uint32
	strobe, delta uint32
	records, lost uint32
}

// Out implements [usb.Device].
func (t *Tagger) Out(at time.Time, endpoint uint8, packet []byte, wire usb.Wire) usb.Answer {
	if endpoint != commandAddress {
		return usb.Stall
	}
	if len(t.replies) >= maxReplies {
		return usb.NAK
	}
	for _, c := range packet {
		if len(t.command) == 0 && c != commandMagic {
			continue
		}
		if t.command = append(t.command, c); len(t.command) == commandBytes {
			t.obey(at, wire)
			t.command = t.command[:0]
		}
	}
	return usb.ACK
}

// obey does one command.
func (t *Tagger) obey(at time.Time, wire usb.Wire) {
	t.record(at, wire)
	write := t.command[1] == commandWrite
	reg, value := binary.LittleEndian.Uint16(t.command[2:]), binary.LittleEndian.Uint32(t.command[4:])
	if t.refuse { // it does not answer
		t.refuse = false
		return
	}
	if write {
		t.set(reg, value, wire)
		if t.options.SilentWrites {
			return
		}
	}
	t.replies = append(t.replies, binary.LittleEndian.AppendUint32(nil, t.get(reg)))
}

// set writes a register; those that tell something are not written.
func (t *Tagger) set(reg uint16, value uint32, wire usb.Wire) {
	switch reg {
	case regControl:
		began := !t.running()
		if value&resetting != 0 {
			t.resetTimer()
		}
		t.registers.control = value & (capturing | counting | resetting)
		if began && t.running() {
			t.light.Begin(t.drawn, t.tick)
		}
	case regStrobe:
		t.registers.strobe = value & inputBits
	case regDelta:
		t.registers.delta = value & inputBits
	case regFIFO:
		if value&clearFIFO != 0 {
			t.drop(wire, "cleared")
		}
	}
}

// get reads a register.
func (t *Tagger) get(reg uint16) uint32 {
	switch reg {
	case regVersion:
		return t.options.Version
	case regClock:
		return uint32(t.options.ClockHz)
	case regControl:
		return t.registers.control
	case regStrobe:
		return t.registers.strobe
	case regDelta:
		return t.registers.delta
	case regRecords:
		return t.registers.records
	case regLost:
		return t.registers.lost
	}
	return 0
}
