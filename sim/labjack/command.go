package labjack

import (
	"encoding/binary"
	"time"

	"photongate/sim/usb"
)

// Commands, all of the extended form: [0] checksum of 8 bits, [1] F8, [2] words behind
// byte 5, [3] command, [4,5] checksum of 16 bits, [6...] data.
const (
	extended = 0xF8
	headLen  = 6

	commandFeedback = 0x00
	commandConfig   = 0x08 // ConfigU3, ConfigU6
	commandConfigIO = 0x0B
	commandReadCal  = 0x2D

	ioCounter = 0x36 // and 37 for counter 1

	errBlock     = 22
	errTimer     = 66
	errPinAnalog = 97
	errIOType    = 101
)

// badChecksum is what is said to a packet whose checksum is wrong.
var badChecksum = []byte{0xB8, 0xB8}

// checksum16 is the sum of the bytes of the data.
func checksum16(data []byte) uint16 {
	var sum uint16
	for _, c := range data {
		sum += uint16(c)
	}
	return sum
}

// checksum8 is the sum of bytes 1 to 5, its high byte added to the low one twice.
func checksum8(head []byte) byte {
	sum := checksum16(head[1:headLen])
	for range 2 {
		sum = sum>>8 + sum&0xFF
	}
	return byte(sum)
}

// seal makes a packet of data, which it pads to full words.
func seal(command byte, data []byte) []byte {
	if len(data)%2 != 0 {
		data = append(data, 0)
	}
	p := append(make([]byte, headLen, headLen+len(data)), data...)
	p[1], p[2], p[3] = extended, byte(len(data)/2), command
	binary.LittleEndian.PutUint16(p[4:], checksum16(data))
	p[0] = checksum8(p)
	return p
}

// obey does one command and returns the answer; nil: there is none.
func (b *Box) obey(at time.Time, p []byte, wire usb.Wire) []byte {
	if len(p) < headLen || p[1] != extended {
		return nil
	}
	data := p[headLen:]
	if checksum8(p) != p[0] || checksum16(data) != binary.LittleEndian.Uint16(p[4:]) {
		return badChecksum
	}
	if len(data) != 2*int(p[2]) {
		return nil
	}
	switch {
	case p[3] == commandFeedback && len(data) > 0:
		return seal(commandFeedback, b.feedback(at, data, wire))
	case p[3] == commandConfig && len(data) == 20:
		return seal(commandConfig, b.identity())
	case p[3] == commandConfigIO && b.options.Model == U3 && len(data) == 6:
		return seal(commandConfigIO, b.configureU3(at, data))
	case p[3] == commandConfigIO && b.options.Model == U6 && len(data) == 10:
		return seal(commandConfigIO, b.configureU6(at, data))
	case p[3] == commandReadCal && len(data) == 2:
		return seal(commandReadCal, b.calibration(data[1]))
	}
	return nil
}

// refused reports whether this command is to be refused.
func (b *Box) refused() bool {
	refuse := b.refuse
	b.refuse = false
	return refuse
}

// feedback reads counters: data are an echo and one part for each. The answer is error,
// number of the part with the error, echo, values.
func (b *Box) feedback(at time.Time, data []byte, wire usb.Wire) []byte {
	out := []byte{0, 0, data[0]}
	if b.refused() {
		return []byte{errTimer, 1, data[0]}
	}
	held := b.read(at)
	counted := false
	for part, rest := byte(1), data[1:]; len(rest) > 0; part++ {
		if len(rest) == 1 && rest[0] == 0 {
			break // padding
		}
		n := int(rest[0]) - ioCounter
		if n < 0 || n >= counters || len(rest) < 2 {
			out[0], out[1] = errIOType, part
			break
		}
		out = binary.LittleEndian.AppendUint32(out, held[n])
		if rest[1]&1 != 0 {
			b.base[n] = b.scaler.Totals(at)[n]
		}
		rest, counted = rest[2:], true
	}
	if counted {
		wire.Latched(at, []uint64{uint64(held[0]), uint64(held[1])})
		b.rows++
	}
	return out
}

// configureU3 is ConfigIO of a U3: write mask, pins of timers and counters, analog pins.
func (b *Box) configureU3(at time.Time, data []byte) []byte {
	const writeTimers, writeAnalog, writeEAnalog = 1, 4, 8
	mask, pins, analog, eAnalog := data[0], data[2], b.analog, b.eAnalog
	if mask&writeAnalog != 0 {
		analog = data[4]
		if b.options.HV {
			analog |= 0x0F
		}
	}
	if mask&writeEAnalog != 0 {
		eAnalog = data[5]
	}
	failed := byte(0)
	if mask&writeTimers != 0 {
		failed = b.checkPins(pins, analog, eAnalog)
	}
	if b.refused() {
		failed = errTimer
	}
	if failed == 0 {
		b.analog, b.eAnalog = analog, eAnalog
		if mask&writeTimers != 0 {
			b.timers, b.offset = pins&3, pins>>4
			b.enable(at, pins&4 != 0, pins&8 != 0)
		}
	}
	return []byte{failed, 0, b.pins(), 0, b.analog, b.eAnalog}
}

// checkPins refuses pins that timers and counters cannot use.
func (b *Box) checkPins(pins, analog, eAnalog uint8) byte {
	first := pins >> 4
	if first < firstPin || first > lastPin {
		return errTimer
	}
	used := pins & 3 // timers come first
	for _, counter := range []uint8{4, 8} {
		if pins&counter != 0 {
			used++
		}
	}
	for pin := first; pin < first+used; pin++ {
		if (uint16(analog)|uint16(eAnalog)<<8)>>pin&1 != 0 {
			return errPinAnalog
		}
	}
	return 0
}

// pins is the offset, the counters and the timers as ConfigIO tells them.
func (b *Box) pins() byte {
	p := b.offset<<4 | b.timers
	if b.enabled[0] {
		p |= 4
	}
	if b.enabled[1] {
		p |= 8
	}
	return p
}

// configureU6 is ConfigIO of a U6: write, timers, counters, pin offset. It answers them a
// byte further on.
func (b *Box) configureU6(at time.Time, data []byte) []byte {
	failed := byte(0)
	if b.refused() {
		failed = errTimer
	}
	if failed == 0 && data[0]&1 != 0 {
		b.timers, b.offset = data[1], data[3]
		b.enable(at, data[2]&1 != 0, data[2]&2 != 0)
	}
	out := make([]byte, 10)
	out[0], out[2], out[3], out[4] = failed, b.timers, b.pins()>>2&3, b.offset // [1] is reserved
	return out
}

// enable lets counters count, those that begin from 0.
func (b *Box) enable(at time.Time, enabled ...bool) {
	totals := b.scaler.Totals(at)
	for i, on := range enabled {
		if on && !b.enabled[i] {
			b.base[i] = totals[i]
		}
		b.enabled[i] = on
	}
}

// identity is what ConfigU3 answers; it changes nothing here.
func (b *Box) identity() []byte {
	const firmwareMinor, firmwareMajor, hardwareMinor, hardwareMajor = 46, 1, 30, 1
	const versionLV, versionHV, versionU6 = 2, 18, 4
	out := make([]byte, 32)
	out[3], out[4] = firmwareMinor, firmwareMajor // byte 9 of the packet, and so on
	out[7], out[8] = hardwareMinor, hardwareMajor
	binary.LittleEndian.PutUint32(out[9:], b.options.Serial)
	product, info := uint16(productU3), byte(versionLV)
	switch {
	case b.options.Model == U6:
		product, info = productU6, versionU6
	case b.options.HV:
		info = versionHV
	}
	binary.LittleEndian.PutUint16(out[13:], product)
	const localID = 1
	out[15], out[16], out[17] = localID, b.pins(), b.analog
	out[31] = info
	return out
}

// calibration is a block of four numbers of 32 bits and as many behind the point, all 1.
func (b *Box) calibration(block byte) []byte {
	blocks := byte(5)
	if b.options.Model == U6 {
		blocks = 10
	}
	out := make([]byte, 34)
	if block >= blocks {
		out[0] = errBlock
		return out
	}
	for i := 2; i < len(out); i += 8 {
		out[i+4] = 1
	}
	return out
}
