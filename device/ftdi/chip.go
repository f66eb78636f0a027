package ftdi

import (
	"fmt"
	"math"

	"photongate/device"
)

// Requests to the chip; all are of type requestOut, without data, and have the
// port in their index.
const (
	requestOut = 0x40

	reqReset   = 0x00
	reqModem   = 0x01
	reqFlow    = 0x02
	reqBaud    = 0x03
	reqData    = 0x04
	reqLatency = 0x09
	reqBitMode = 0x0B

	resetAll = 0 // values of reqReset
	purgeIn  = 1
	purgeOut = 2

	modeOff  = 0x00 // of reqBitMode, in the high byte
	modeFIFO = 0x40

	flowNone   = 0x00 // of reqFlow, in the high byte of the index
	flowRTSCTS = 0x01

	breakOn = 1 << 14 // of reqData
)

// chip is what kind of chip a device has.
type chip struct {
	name string
	fast bool // 120 MHz clock, 480 Mbit/s
	fifo bool // has a synchronous FIFO
	port uint16
}

// chips by the release in the device descriptor.
var chips = map[uint16]chip{
	0x0200: {name: "FT232AM"}, 0x0400: {name: "FT232BM"}, 0x0500: {name: "FT2232C", port: 1}, 0x0600: {name: "FT232R"},
	0x0700: {"FT2232H", true, true, 1}, 0x0800: {"FT4232H", true, false, 1}, 0x0900: {"FT232H", true, true, 1}, 0x1000: {name: "FT-X"},
	0x2800: {"FT2233HP", true, true, 1}, 0x2900: {"FT4233HP", true, false, 1}, 0x3000: {"FT2232HP", true, true, 1},
	0x3100: {"FT4232HP", true, false, 1}, 0x3200: {"FT233HP", true, true, 1}, 0x3300: {"FT232HP", true, true, 1}, 0x3600: {"FT4232HA", true, false, 1},
}

// chipOf tells the chip of a device. One that is not known is taken for a plain
// one.
func chipOf(i device.USBInfo) chip {
	c, ok := chips[i.Release]
	if !ok {
		return chip{name: fmt.Sprintf("FTDI chip of release %x.%02x", i.Release>>8, i.Release&0xFF)}
	}
	if c.port != 0 {
		c.port += uint16(i.Interface)
	}
	return c
}

// Clocks that divisors divide, per second.
const (
	slowClock = 3_000_000  // 48 MHz / 16
	fastClock = 12_000_000 // 120 MHz / 10
	fastBit   = 1 << 17    // of the encoded divisor: the fast clock
	maxDiv    = 0x3FFF     // whole part
)

// eighths are the codes of the eighths of a divisor, from bit 14 on.
var eighths = [8]uint32{0, 3, 2, 4, 1, 5, 6, 7}

// baud returns value and index of the request that sets a rate, which the chip
// meets within 3 %.
func (c chip) baud(rate int) (value, index uint16, err error) {
	clock, flag := slowClock, uint32(0)
	if c.fast && rate > fastClock/maxDiv {
		clock, flag = fastClock, fastBit
	}
	n := 0 // eighths
	if rate > 0 {
		n = int(math.Round(8 * float64(clock) / float64(rate)))
	}
	n = min(n, 8*maxDiv+7)
	if n < 16 { // below 2 there are only 1 and 1.5
		n = nearest(rate, clock)
	}
	actual := 8 * clock / n
	if math.Abs(float64(actual-rate)) > 0.03*float64(rate) {
		return 0, 0, fmt.Errorf("%w: %d baud: the %s has %d to %d, and nearest to this %d", device.ErrSetting, rate, c.name, slowClock/maxDiv+1, c.fastest(), actual)
	}
	code := uint32(n>>3) | eighths[n&7]<<14
	switch n {
	case 8:
		code = 0
	case 12:
		code = 1
	}
	code |= flag
	if c.port != 0 {
		return uint16(code), uint16(code>>16)<<8 | c.port, nil
	}
	return uint16(code), uint16(code >> 16), nil
}

// fastest is the highest rate.
func (c chip) fastest() int {
	if c.fast {
		return fastClock
	}
	return slowClock
}

// nearest chooses among the divisors 1, 1.5 and 2, in eighths.
func nearest(rate, clock int) int {
	best := 8
	for _, n := range []int{12, 16} {
		off, least := math.Abs(float64(8*clock/n-rate)), math.Abs(float64(8*clock/best-rate))
		if off < least {
			best = n
		}
	}
	return best
}

// format returns the value that sets data bits, parity and stop bits.
func format(l device.Line) (uint16, error) {
	bits, stop := l.DataBits, l.StopBits
	if bits == 0 {
		bits = 8
	}
	if stop == 0 {
		stop = 1
	}
	if bits != 7 && bits != 8 {
		return 0, fmt.Errorf("%w: %d data bits: an FTDI chip has 7 or 8", device.ErrSetting, bits)
	}
	if stop != 1 && stop != 2 {
		return 0, fmt.Errorf("%w: %d stop bits: must be 1 or 2", device.ErrSetting, stop)
	}
	parity, ok := map[device.Parity]uint16{device.NoParity: 0, device.OddParity: 1, device.EvenParity: 2}[l.Parity]
	if !ok {
		return 0, fmt.Errorf("%w: parity %d is not known", device.ErrSetting, l.Parity)
	}
	value := uint16(bits) | parity<<8
	if stop == 2 {
		value |= 2 << 11
	}
	return value, nil
}
