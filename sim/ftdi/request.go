package ftdi

import (
	"time"

	"photongate/sim/usb"
)

// Requests of the maker's own: 40 to set, C0 to ask.
const (
	requestReset      = 0x00
	requestModemLines = 0x01
	requestFlow       = 0x02
	requestBaud       = 0x03
	requestData       = 0x04
	requestStatus     = 0x05
	requestSetLatency = 0x09
	requestLatency    = 0x0A
	requestBitMode    = 0x0B
	requestEEPROM     = 0x90

	typeSet, typeAsk = 0x40, 0xC0

	resetAll = 0
	purgeIn  = 1 // what the host would read
	purgeOut = 2

	portMask = 0xFF // of wIndex: 0 or 1, the only port
)

// Control implements [usb.Device].
func (d *Device) Control(at time.Time, s usb.Setup, _ []byte, _ usb.Wire) ([]byte, usb.Answer) {
	baudIndex := s.Request == requestBaud || s.Request == requestEEPROM
	if !baudIndex && s.Index&portMask > 1 {
		return nil, usb.Stall
	}
	switch {
	case s.Type == typeSet && s.Length == 0:
		return nil, d.set(at, s)
	case s.Type != typeAsk:
	case s.Request == requestStatus:
		return []byte{modemLines, lineIdle}, usb.ACK
	case s.Request == requestLatency:
		return []byte{byte(d.latency / time.Millisecond)}, usb.ACK
	case s.Request == requestEEPROM:
		return []byte{0xFF, 0xFF}, usb.ACK // an empty one
	}
	return nil, usb.Stall
}

// set does a request without data.
func (d *Device) set(at time.Time, s usb.Setup) usb.Answer {
	switch s.Request {
	case requestReset:
		switch s.Value {
		case resetAll, purgeIn:
			d.behind.Purge(at)
		case purgeOut:
		default:
			return usb.Stall
		}
	case requestBaud:
		d.baud = baudOf(uint32(s.Index)<<16|uint32(s.Value), d.options.Chip == FT232H)
	case requestSetLatency:
		if s.Value < 1 || s.Value > 255 {
			return usb.Stall
		}
		d.latency = time.Duration(s.Value) * time.Millisecond
	case requestModemLines, requestFlow, requestData, requestBitMode:
	default:
		return usb.Stall
	}
	return usb.ACK
}

// eighths of a divisor by the three bits that name them.
var eighths = [8]int{0, 4, 2, 1, 3, 5, 6, 7}

// baudOf is the speed a divisor makes: 14 bits of whole divisor, 3 bits of eighths above
// them, and of an H chip bit 17 of the index for the faster clock.
func baudOf(word uint32, h bool) int {
	clock := 3_000_000
	if h && word>>16&0x0200 != 0 {
		clock = 12_000_000
	}
	switch word & 0x1FFFF {
	case 0:
		return clock
	case 1:
		return clock * 2 / 3
	}
	n := int(word&0x3FFF)*8 + eighths[word>>14&7]
	return clock * 8 / max(n, 1)
}
