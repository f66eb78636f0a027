package usb

import (
	"slices"
	"time"
)

// Requests of USB 2.0, table 9-4.
const (
	requestGetStatus        = 0
	requestClearFeature     = 1
	requestSetFeature       = 3
	requestSetAddress       = 5
	requestGetDescriptor    = 6
	requestGetConfiguration = 8
	requestSetConfiguration = 9
	requestGetInterface     = 10
	requestSetInterface     = 11

	kindMask      = 0x60 // of the request type: 0 is standard
	recipientMask = 0x1F
	toEndpoint    = 2
	featureHalt   = 0
	theOnlyOne    = 1 // configuration
)

// control answers a control request at once, unless the answer is lost on its way.
func (b *Bus) control(at time.Time, t *Transfer) {
	var data []byte
	if !t.Setup.In() {
		data = t.Data
	}
	standard := t.Setup.Type&kindMask == 0
	var answer []byte
	var said Answer
	if standard {
		answer, said = b.standard(t.Setup)
	} else {
		answer, said = b.device.Control(at, t.Setup, data, b)
	}
	if said != ACK {
		b.complete(t, Stalled)
		return
	}
	if !t.Setup.In() {
		t.Moved = len(data)
		b.complete(t, Done)
		return
	}
	answer = answer[:min(len(answer), int(t.Setup.Length), len(t.Data))]
	if line, ok := b.line.(passer); ok && !standard && len(answer) > 0 {
		passed := line.Pass(at, slices.Clip(answer))
		if len(passed.Bytes) == 0 || passed.Held > 0 {
			// A request is answered while the host waits, or not at all.
			b.lost = append(b.lost, t)
			return
		}
		answer = passed.Bytes
	}
	t.Moved = copy(t.Data, answer)
	b.complete(t, Done)
}

// standard answers what every device does.
func (b *Bus) standard(s Setup) ([]byte, Answer) {
	switch s.Request {
	case requestGetDescriptor:
		var d []byte
		switch s.Value >> 8 {
		case typeDevice:
			d = b.facts.device()
		case typeConfiguration:
			d = b.facts.configuration()
		case typeString:
			d = b.facts.text(uint8(s.Value))
		}
		if d == nil {
			return nil, Stall
		}
		return d, ACK
	case requestGetStatus:
		return []byte{b.halted(s), 0}, ACK
	case requestGetConfiguration:
		return []byte{b.configured}, ACK
	case requestGetInterface:
		return []byte{0}, ACK
	case requestSetConfiguration:
		if s.Value > theOnlyOne {
			return nil, Stall
		}
		b.configured = uint8(s.Value)
		b.unhalt(func(*pipe) bool { return true })
		return nil, ACK
	case requestSetInterface:
		if s.Value != 0 || s.Index != 0 {
			return nil, Stall
		}
		b.unhalt(func(*pipe) bool { return true })
		return nil, ACK
	case requestClearFeature:
		if s.Type&recipientMask == toEndpoint && s.Value == featureHalt {
			b.unhalt(func(p *pipe) bool { return uint16(p.Address) == s.Index })
		}
		return nil, ACK
	case requestSetFeature, requestSetAddress:
		return nil, ACK
	}
	return nil, Stall
}

// halted is 1 when the request is to an endpoint that is stalled.
func (b *Bus) halted(s Setup) byte {
	for _, p := range b.pipes {
		if s.Type&recipientMask == toEndpoint && uint16(p.Address) == s.Index && p.halted {
			return 1
		}
	}
	return 0
}

// unhalt lets the endpoints of which is true go on.
func (b *Bus) unhalt(which func(*pipe) bool) {
	for _, p := range b.pipes {
		if which(p) {
			p.halted = false
		}
	}
}
