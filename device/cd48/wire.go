package cd48

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	counters = 8
	maxLine  = 4096 // a line longer than this is noise

	width    = 24 // bits of counters 0 to 6
	width7   = 16 // of counter 7
	maxValue = 1<<32 - 1

	stepVolt = 0.016 // of threshold and DAC: 4.08 V / 255
	maxVolt  = 4.08
)

// counts is one line in machine form.
type counts struct {
	value  [counters]uint64
	status uint8 // bit n: counter n overflowed
}

// parseCounts reads a line without its end: exactly nine unsigned integers with
// single spaces between them, the last at most 255. It is the one judgement of
// lines: identification, resynchronisation and reading all use it.
func parseCounts(line []byte) (c counts, ok bool) {
	field, digits := 0, 0
	var v uint64
	for i := 0; ; i++ {
		if i < len(line) && '0' <= line[i] && line[i] <= '9' {
			v = v*10 + uint64(line[i]-'0')
			if digits++; v > maxValue {
				return counts{}, false
			}
			continue
		}
		if digits == 0 || i < len(line) && line[i] != ' ' {
			return counts{}, false
		}
		if field == counters {
			c.status = uint8(v)
			return c, i == len(line) && v <= 255
		}
		c.value[field] = v
		field++
		v, digits = 0, 0
		if i >= len(line) {
			return counts{}, false
		}
	}
}

// widthOf returns the bits of counter n.
func widthOf(n int) int {
	if n == counters-1 {
		return width7
	}
	return width
}

// limit returns the largest value counter n can hold.
func limit(n int) uint64 { return 1<<widthOf(n) - 1 }

// trimLine removes one trailing CR and outer spaces. It reports whether there
// was a CR.
func trimLine(line []byte) (trimmed []byte, cr bool) {
	trimmed, cr = bytes.CutSuffix(line, []byte{'\r'})
	return bytes.Trim(trimmed, " "), cr
}

// trimEcho removes an echo of the command before an answer.
func trimEcho(line []byte, command string) []byte {
	if command == "" {
		return line
	}
	rest, found := bytes.CutPrefix(line, []byte(command))
	if !found {
		return line
	}
	return bytes.TrimLeft(rest, "\r ")
}

// isAck reports whether a line is nothing but an acknowledgement: empty, "OK",
// or the echo of the command.
func isAck(line []byte, command string) bool {
	return len(line) == 0 || string(line) == "OK" || string(line) == command
}

// settings is the answer to "p".
type settings struct {
	masks     [counters]uint8 // A = 8, B = 4, C = 2, D = 1
	interval  time.Duration
	repeat    bool
	trigger   int    // 0..255
	impedance string // as the box says it; empty: it was set since it was asked
}

// parseSettings reads the answer to "p": eight masks, repeat time in ms, repeat
// status, trigger level, impedance. Fields may be separated by anything that is
// no letter or digit. Masks are four binary digits, or decimal.
func parseSettings(line []byte) (s settings, ok bool) {
	f := strings.FieldsFunc(string(line), func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
	if len(f) != 12 {
		return settings{}, false
	}
	base := 10
	if binaryMasks(f[:counters]) {
		base = 2
	}
	for n := range counters {
		m, err := strconv.ParseUint(f[n], base, 4)
		if err != nil {
			return settings{}, false
		}
		s.masks[n] = uint8(m)
	}
	if s.masks[0] == 1 && s.masks[1] == 2 && s.masks[2] == 4 && s.masks[3] == 8 {
		s.reverseMasks() // counters 0 to 3 are the singles A B C D
	}
	ms, err := strconv.ParseUint(f[8], 10, 16)
	if err != nil {
		return settings{}, false
	}
	s.interval = time.Duration(ms) * time.Millisecond
	switch strings.ToLower(f[9]) {
	case "1", "on":
		s.repeat = true
	case "0", "off":
	default:
		return settings{}, false
	}
	level, err := strconv.ParseUint(f[10], 10, 8)
	if err != nil {
		return settings{}, false
	}
	s.trigger, s.impedance = int(level), f[11]
	return s, true
}

func binaryMasks(fields []string) bool {
	for _, f := range fields {
		if len(f) != 4 || strings.Trim(f, "01") != "" {
			return false
		}
	}
	return true
}

// reverseMasks exchanges the order of bits in all masks.
func (s *settings) reverseMasks() {
	for n, m := range s.masks {
		s.masks[n] = m&1<<3 | m&2<<1 | m&4>>1 | m&8>>3
	}
}

// inputs returns the letters of a mask: 12 is "AB".
func inputs(mask uint8) string {
	s := ""
	for i, letter := range "ABCD" {
		if mask&(8>>i) != 0 {
			s += string(letter)
		}
	}
	return s
}

// parseCoincidences reads a list like "4=AB 5=ACD" into masks by counter.
func parseCoincidences(list string) (map[int]uint8, error) {
	masks := map[int]uint8{}
	for _, item := range strings.FieldsFunc(list, func(r rune) bool { return r == ' ' || r == ',' }) {
		number, letters, found := strings.Cut(item, "=")
		n, err := strconv.Atoi(number)
		if !found || err != nil || n < 0 || n >= counters {
			return nil, fmt.Errorf("%q: expected a counter 0 to 7 and its inputs, as in 4=AB", item)
		}
		if _, twice := masks[n]; twice {
			return nil, fmt.Errorf("counter %d is named twice", n)
		}
		var mask uint8
		for _, l := range letters {
			i := strings.IndexRune("ABCD", l)
			if i < 0 || mask&(8>>i) != 0 {
				return nil, fmt.Errorf("%q: inputs are A, B, C and D, each at most once", item)
			}
			mask |= 8 >> i
		}
		if mask == 0 {
			return nil, fmt.Errorf("%q names no input", item)
		}
		masks[n] = mask
	}
	if len(masks) == 0 {
		return nil, errors.New("the list is empty: expected something like \"4=AB 5=AC\"")
	}
	return masks, nil
}

// maskCommand returns the command that makes counter n count a mask: "S41100".
func maskCommand(n int, mask uint8) string { return fmt.Sprintf("S%d%04b", n, mask) }

// intervalCommand returns the command that sets the repeat interval: "r01000".
func intervalCommand(gate time.Duration) string { return fmt.Sprintf("r%05d", gate.Milliseconds()) }

// voltSteps converts volts to the box's 16 mV steps.
func voltSteps(volt float64) int { return min(255, int(volt/stepVolt+0.5)) }

// levels are the options that are one number or word in the box, in the order
// in which they are sent.
var levels = []string{"threshold", "impedance", "dac"}

// levelCommand returns the command for one of the levels; ok is false when v is
// no value of it.
func levelCommand(name string, v any) (command string, ok bool) {
	switch name {
	case "threshold":
		volt, ok := v.(float64)
		return fmt.Sprintf("L%03d", voltSteps(volt)), ok
	case "impedance":
		command, ok := map[any]string{"50": "z", "high": "Z"}[v]
		return command, ok
	case "dac":
		volt, ok := v.(float64)
		return fmt.Sprintf("V%03d", voltSteps(volt)), ok
	}
	return "", false
}

var versionPattern = regexp.MustCompile(`\d+\.\d+(\.\d+)?`)

// parseVersion pulls the version out of the answer to "v".
func parseVersion(line []byte) (string, bool) {
	v := versionPattern.Find(line)
	return string(v), v != nil
}
