package labjack

import (
	"encoding/binary"
	"errors"
	"fmt"

	"photongate/device"
)

// Commands.
const (
	cmdFeedback = 0x00
	cmdConfig   = 0x08 // ConfigU3, ConfigU6
	cmdConfigIO = 0x0B
)

const (
	headBytes  = 6 // checksums, F8, length in words, command
	extended   = 0xF8
	badPacket  = 0xB8 // twice: the device saw a wrong checksum
	maxPacket  = 64
	productU3  = 0x0003
	productU6  = 0x0006
	counterLen = 4
	feedback0  = 9 // where the data of an answer to Feedback begin
)

// errResend says that the device received a damaged command and did not heed it.
var errResend = errors.New("the device received a command with a wrong checksum (b8 b8)")

// deviceCode is an error that the device reports.
type deviceCode struct {
	code  byte
	frame byte // which part of a Feedback
}

// Error names the code, as far as it is public.
func (e deviceCode) Error() string {
	what := ""
	switch {
	case e.code == 97:
		what = ": the pin is set to analog"
	case e.code >= 66 && e.code <= 72:
		what = ": trouble with a timer"
	}
	return fmt.Sprintf("the device reports error %d%s", e.code, what)
}

// seal puts length and checksums into a command of an even number of bytes.
func seal(p []byte) []byte {
	p[1], p[2] = extended, byte((len(p)-headBytes)/2)
	binary.LittleEndian.PutUint16(p[4:], sum16(p))
	p[0] = sum8(p)
	return p
}

// sum16 is the sum of all bytes behind the head.
func sum16(p []byte) uint16 {
	sum := uint16(0)
	for _, b := range p[headBytes:] {
		sum += uint16(b)
	}
	return sum
}

// sum8 is the sum of the head, folded twice.
func sum8(p []byte) byte {
	sum := 0
	for _, b := range p[1:headBytes] {
		sum += int(b)
	}
	sum = sum>>8 + sum&0xFF
	return byte(sum>>8 + sum&0xFF)
}

// parseAnswer judges an answer to a command. It returns errResend, a deviceCode, or
// an error that is device.ErrNonsense.
func parseAnswer(p []byte, command byte) error {
	if len(p) == 2 && p[0] == badPacket && p[1] == badPacket {
		return errResend
	}
	var wrong string
	switch {
	case len(p) <= headBytes || len(p)%2 != 0 || len(p) > maxPacket:
		wrong = "its length"
	case p[1] != extended || p[3] != command:
		wrong = fmt.Sprintf("expected f8 and command %02x", command)
	case int(p[2]) != (len(p)-headBytes)/2:
		wrong = fmt.Sprintf("it says %d words", p[2])
	case p[0] != sum8(p) || binary.LittleEndian.Uint16(p[4:]) != sum16(p):
		wrong = "a checksum"
	case p[6] != 0 && command == cmdFeedback && len(p) > 7:
		return deviceCode{p[6], p[7]}
	case p[6] != 0:
		return deviceCode{code: p[6]}
	default:
		return nil
	}
	return fmt.Errorf("%w: %s does not fit in %s", device.ErrNonsense, wrong, device.ShowBytes(p))
}

// configCommand asks a U3 or U6 what it is. It sets nothing.
func configCommand() []byte {
	p := make([]byte, 26)
	p[3] = cmdConfig
	return seal(p)
}

// about is what the device says of itself.
type about struct {
	firmware, hardware string
	serial             uint32
	product            uint16
	variant            byte
}

// parseAbout reads the answer to configCommand.
func parseAbout(p []byte) (about, error) {
	if err := parseAnswer(p, cmdConfig); err != nil {
		return about{}, err
	}
	if len(p) != 38 {
		return about{}, fmt.Errorf("%w: an answer of %d bytes to what it is, expected 38: %s", device.ErrNonsense, len(p), device.ShowBytes(p))
	}
	version := func(major, minor byte) string { return fmt.Sprintf("%d.%02d", major, minor) }
	return about{
		firmware: version(p[10], p[9]), hardware: version(p[14], p[13]),
		serial: binary.LittleEndian.Uint32(p[15:]), product: binary.LittleEndian.Uint16(p[19:]), variant: p[37],
	}, nil
}

// model names a device. Variants: u3.py for the U3, u6.py for the U6-Pro.
func (a about) model() string {
	switch {
	case a.product == productU3 && a.variant == 1:
		return "U3B"
	case a.product == productU3 && a.variant == 2:
		return "U3-LV"
	case a.product == productU3 && a.variant == 18:
		return "U3-HV"
	case a.product == productU6 && a.variant == 12:
		return "U6-Pro"
	}
	return modelName(a.product)
}

func modelName(product uint16) string {
	if product == productU6 {
		return "U6"
	}
	return "U3"
}

// pins is how the pins are used that counters may be on.
type pins struct {
	timers   int
	counters byte // bit 0: counter 0, bit 1: counter 1
	offset   int  // the pin of the first timer or counter, 0 is FIO0, 8 is EIO0
	fio, eio byte // U3 only: which of FIO0 to 7 and EIO0 to 7 are analog
}

// String tells the pins for people.
func (s pins) String() string {
	return fmt.Sprintf("%d timers, counters %s, first pin %s, analog FIO %02x EIO %02x", s.timers, counterWords[s.counters&3], pinName(s.offset), s.fio, s.eio)
}

// counterWords names sets of counters as the option counters does.
var counterWords = [4]string{"none", "0", "1", "both"}

// list are the counters that are enabled.
func (s pins) list() []int {
	return [4][]int{nil, {0}, {1}, {0, 1}}[s.counters&3]
}

// pin is the pin a counter is on.
func (s pins) pin(counter int) int {
	pin := s.offset + s.timers
	if counter == 1 && s.counters&1 != 0 {
		pin++
	}
	return pin
}

// pinName is a pin's name as it is printed on the box.
func pinName(pin int) string {
	return [3]string{"FIO", "EIO", "CIO"}[min(pin/8, 2)] + fmt.Sprint(pin%8)
}

// pinsCommand asks for the pins, and sets them when set is true.
func pinsCommand(product uint16, s pins, set bool) []byte {
	if product == productU6 {
		p := make([]byte, 16)
		p[3] = cmdConfigIO
		if set {
			p[6], p[7], p[8], p[9] = 1, byte(s.timers), s.counters, byte(s.offset)
		}
		return seal(p)
	}
	p := make([]byte, 12)
	p[3] = cmdConfigIO
	if set {
		p[6] = 1 | 1<<2
		p[8] = byte(s.offset)<<4 | s.counters<<2 | byte(s.timers)
		p[10] = s.fio
		if s.pin(1) > 7 || s.pin(0) > 7 {
			p[6], p[11] = p[6]|1<<3, s.eio
		}
	}
	return seal(p)
}

// parsePins reads the answer to pinsCommand. A U6 answers a byte further on than it is
// asked.
func parsePins(p []byte, product uint16) (pins, error) {
	if err := parseAnswer(p, cmdConfigIO); err != nil {
		return pins{}, err
	}
	size := map[bool]int{false: 12, true: 16}[product == productU6]
	if len(p) != size {
		return pins{}, fmt.Errorf("%w: an answer of %d bytes to ConfigIO, expected %d: %s", device.ErrNonsense, len(p), size, device.ShowBytes(p))
	}
	if product != productU6 {
		return pins{timers: int(p[8] & 3), counters: p[8] >> 2 & 3, offset: int(p[8] >> 4), fio: p[10], eio: p[11]}, nil
	}
	return pins{timers: int(p[8]), counters: p[9] & 3, offset: int(p[10])}, nil
}

// appendFeedback appends the question for counters to p[:0].
func appendFeedback(p []byte, echo byte, counters []int, clears bool) []byte {
	p = append(p[:0], 0, 0, 0, cmdFeedback, 0, 0, echo)
	for _, c := range counters {
		reset := byte(0)
		if clears {
			reset = 1
		}
		p = append(p, 0x36+byte(c), reset)
	}
	if len(p)%2 != 0 {
		p = append(p, 0)
	}
	return seal(p)
}

// parseFeedback reads the answer to appendFeedback into values. It reports false,
// without an error, for the answer to another question.
func parseFeedback(p []byte, echo byte, values []uint64) (bool, error) {
	err := parseAnswer(p, cmdFeedback)
	if _, reported := errors.AsType[deviceCode](err); err != nil && !reported {
		return true, err
	}
	if len(p) < feedback0 {
		return true, fmt.Errorf("%w: an answer of %d bytes to Feedback: %s", device.ErrNonsense, len(p), device.ShowBytes(p))
	}
	if p[8] != echo {
		return false, nil
	}
	if err != nil {
		return true, err
	}
	if size := feedback0 + counterLen*len(values); len(p) != size+size%2 {
		return true, fmt.Errorf("%w: %d bytes for %d counters, expected %d: %s", device.ErrNonsense, len(p), len(values), size+size%2, device.ShowBytes(p))
	}
	for i := range values {
		values[i] = uint64(binary.LittleEndian.Uint32(p[feedback0+counterLen*i:]))
	}
	return true, nil
}
