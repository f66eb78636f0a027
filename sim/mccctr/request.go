package mccctr

import (
	"encoding/binary"
	"time"

	"photongate/sim/usb"
)

// Requests of the maker's own.
const (
	typeSet, typeAsk = 0x40, 0xC0

	requestCounter   = 0x10
	requestMode      = 0x11
	requestOptions   = 0x12
	requestDebounce  = 0x13
	requestGate      = 0x14
	requestOutput    = 0x15
	requestOutValues = 0x16
	requestLimits    = 0x17
	requestAll       = 0x18
	requestList      = 0x20
	requestStart     = 0x21
	requestStop      = 0x22
	requestClear     = 0x23
	requestFlush     = 0x24
	requestStatus    = 0x40
	requestReset     = 0x42
	requestSerial    = 0x48
	requestUnlock    = 0x50
	requestImage     = 0x51
	requestVersion   = 0x52

	unlockByte  = 0xAD
	imageBlock  = 64 // bytes at most
	counterSize = 8
	serialBytes = 8
	fpgaVersion = 0x0103 // BCD
)

// Bits of the status.
const (
	statusRunning    = 1 << 1
	statusOverrun    = 1 << 2
	statusDone       = 1 << 5
	statusConfigured = 1 << 8
	statusLoading    = 1 << 9
)

// Control implements [usb.Device].
func (b *Box) Control(at time.Time, s usb.Setup, data []byte, wire usb.Wire) ([]byte, usb.Answer) {
	refuse := b.refuse
	b.refuse = false
	if refuse || s.Type != typeSet && s.Type != typeAsk || int(s.Length) != len(data) && s.Type == typeSet {
		return nil, usb.Stall
	}
	switch {
	case s.Type == typeAsk && s.Request == requestStatus:
		return binary.LittleEndian.AppendUint16(nil, b.status()), usb.ACK
	case s.Type == typeAsk && s.Request == requestSerial:
		return []byte(b.options.Serial), usb.ACK
	case s.Type == typeSet && s.Request == requestReset:
		wire.Leave(away)
		return nil, usb.ACK
	case s.Type == typeSet && s.Request == requestUnlock:
		return nil, b.unlock(data)
	case s.Type == typeSet && s.Request == requestImage:
		return nil, b.load(data)
	case !b.configured:
		return nil, usb.Stall
	case s.Type == typeAsk:
		return b.ask(at, s, wire)
	case s.Request >= requestList:
		return nil, b.setScan(at, s, data)
	}
	return nil, b.setCounter(at, s, data)
}

// status tells the state; an image of unknown length ends with it.
func (b *Box) status() uint16 {
	if b.loading && b.options.ImageBytes == 0 && b.image > 0 {
		b.loaded()
	}
	var status uint16
	for _, bit := range []struct {
		on  bool
		bit uint16
	}{
		{b.scan.running, statusRunning}, {b.scan.overrun, statusOverrun}, {b.scan.done, statusDone},
		{b.configured, statusConfigured}, {b.loading, statusLoading},
	} {
		if bit.on {
			status |= bit.bit
		}
	}
	return status
}

// unlock makes the FPGA wait for its image.
func (b *Box) unlock(data []byte) usb.Answer {
	if len(data) != 1 || data[0] != unlockByte {
		return usb.Stall
	}
	b.loading, b.configured, b.image = true, false, 0
	return usb.ACK
}

// load takes a block of the image.
func (b *Box) load(data []byte) usb.Answer {
	if !b.loading || len(data) == 0 || len(data) > imageBlock {
		return usb.Stall
	}
	b.image += len(data)
	if b.options.ImageBytes > 0 && b.image >= b.options.ImageBytes {
		b.loaded()
	}
	return usb.ACK
}

func (b *Box) loaded() { b.configured, b.loading = !b.options.BadImage, false }

// ask answers what is asked of a configured box.
func (b *Box) ask(at time.Time, s usb.Setup, wire usb.Wire) ([]byte, usb.Answer) {
	n := int(s.Index)
	switch s.Request {
	case requestVersion:
		return []byte{fpgaVersion & 0xFF, fpgaVersion >> 8}, usb.ACK
	case requestList:
		return b.scan.list[:], usb.ACK
	case requestCounter:
		if n >= b.counters {
			return nil, usb.Stall
		}
		held := b.read(at, wire, func(i int) bool { return i == n })
		return binary.LittleEndian.AppendUint64(nil, held[n]), usb.ACK
	case requestAll:
		if n >= b.counters {
			return nil, usb.Stall
		}
		p := b.parameters[n]
		return []byte{p.mode, p.options, p.gate, p.output, p.debounce}, usb.ACK
	}
	return nil, usb.Stall
}

// setCounter changes one counter.
func (b *Box) setCounter(at time.Time, s usb.Setup, data []byte) usb.Answer {
	n := int(s.Index)
	if n >= b.counters {
		return usb.Stall
	}
	p, value := &b.parameters[n], uint8(s.Value)
	// Nothing that did not count before a change counts after it.
	total := b.scaler.Totals(at)[n]
	switch s.Request {
	case requestCounter:
		if len(data) != counterSize {
			return usb.Stall
		}
		b.base[n] = total - binary.LittleEndian.Uint64(data)
	case requestMode:
		if p.mode&modeMask != 0 {
			b.base[n] = total
		}
		p.mode = value
	case requestOptions:
		p.options = value
	case requestDebounce:
		p.debounce = value
	case requestGate:
		p.gate = value
	case requestOutput:
		p.output = value
	case requestOutValues, requestLimits:
	default:
		return usb.Stall
	}
	return usb.ACK
}
