package tdc1

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	inputs  = 4       // numbers of an answer in singles mode
	numbers = 8       // in pairs mode: the inputs, and four pairs
	maxLine = 4096    // a line longer than this is noise
	maxRate = 250e6   // counts per second of one input, by the specification
	maxWord = 1 << 40 // no count comes near it: 65.535 s at maxRate are below 2^34

	defaultTime = time.Second // where a unit has none
	maxTime     = 65535 * time.Millisecond
)

// mode is what MODE? answers.
type mode int

// The modes a unit has.
const (
	singles   mode = 0
	pairs     mode = 1
	timestamp mode = 3
)

// modes are the modes by their word in a configuration, which is also the command.
var modes = map[string]mode{"singles": singles, "pairs": pairs, "timestamp": timestamp}

// String returns the word of a mode.
func (m mode) String() string {
	switch m {
	case singles:
		return "singles"
	case pairs:
		return "pairs"
	case timestamp:
		return "timestamp"
	}
	return fmt.Sprintf("mode %d", int(m))
}

// size returns how many numbers an answer has in a counting mode.
func (m mode) size() int {
	if m == pairs {
		return numbers
	}
	return inputs
}

// counts is an answer to "counts?".
type counts struct {
	n     int // of them
	value [numbers]uint64
}

// parseCounts reads a line without its end: four or eight unsigned integers with
// blanks, tabs, commas or semicolons between them. It is the one judgement of
// lines: cutting, resynchronisation and reading all use it.
func parseCounts(line []byte) (c counts, ok bool) {
	digits := 0
	var v uint64
	for i := 0; i <= len(line); i++ {
		switch {
		case i < len(line) && '0' <= line[i] && line[i] <= '9':
			v = v*10 + uint64(line[i]-'0')
			if digits++; v >= maxWord {
				return counts{}, false
			}
		case i < len(line) && !isSeparator(line[i]):
			return counts{}, false
		case digits > 0:
			if c.n == numbers {
				return counts{}, false
			}
			c.value[c.n] = v
			c.n++
			v, digits = 0, 0
		}
	}
	if c.n != inputs && c.n != numbers {
		return counts{}, false
	}
	return c, true
}

func isSeparator(b byte) bool { return b == ' ' || b == '\t' || b == ',' || b == ';' }

// trimLine removes one trailing CR and outer blanks. It reports whether there
// was a CR.
func trimLine(line []byte) (trimmed []byte, cr bool) {
	trimmed, cr = bytes.CutSuffix(line, []byte{'\r'})
	return bytes.Trim(trimmed, " \t"), cr
}

// parseMode reads the answer to MODE?.
func parseMode(line string) (mode, bool) {
	m, err := strconv.Atoi(line)
	known := mode(m) == singles || mode(m) == pairs || mode(m) == timestamp
	return mode(m), err == nil && known
}

// parseTime reads the answer to TIME?: milliseconds as a signed number of 16
// bits, or as they are should a unit write them so.
func parseTime(line string) (time.Duration, bool) {
	ms, err := strconv.Atoi(line)
	if err != nil || ms < -1<<15 || ms >= 1<<16 {
		return 0, false
	}
	if ms < 0 {
		ms += 1 << 16
	}
	return time.Duration(ms) * time.Millisecond, true
}

// parseLevel reads the answer to LEVEL?: volts, and whatever follows.
func parseLevel(line string) (volt float64, ok bool) {
	f := strings.Fields(line)
	if len(f) == 0 {
		return 0, false
	}
	number := strings.TrimRight(f[0], "Vv,;")
	if strings.Trim(number, "+-.0123456789") != "" {
		return 0, false // no "inf", and no "0x"
	}
	volt, err := strconv.ParseFloat(number, 64)
	return volt, err == nil && volt >= -maxVolt && volt <= maxVolt
}

// clocks are the words of the option refclk, in the order of their numbers.
var clocks = []string{"auto", "external", "internal"}

// parseClock reads the answer to REFCLK?: a number, and whatever follows.
func parseClock(line string) (word string, ok bool) {
	f := strings.Fields(line)
	if len(f) == 0 {
		return "", false
	}
	n, err := strconv.Atoi(f[0])
	if err != nil || n < 0 || n >= len(clocks) {
		return "", false
	}
	return clocks[n], true
}

// isIdentity reports whether a line can answer *IDN?.
func isIdentity(line string) bool {
	return len(line) <= 200 && strings.Contains(strings.ToUpper(line), "TDC1") && printable(line)
}

func printable(line string) bool {
	return strings.IndexFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// timeCommand sets the integration time.
func timeCommand(gate time.Duration) string { return fmt.Sprintf("time %d", gate.Milliseconds()) }

// thresholdCommand sets the level and the slope at which inputs count.
func thresholdCommand(volt float64) string {
	word := "pos"
	if volt < 0 {
		word = "neg"
	}
	return word + " " + strconv.FormatFloat(volt, 'f', -1, 64)
}

// clockCommand chooses the reference clock.
func clockCommand(word string) string {
	for n, c := range clocks {
		if c == word {
			return fmt.Sprintf("refclk %d", n)
		}
	}
	return ""
}
