package sr400

import (
	"bytes"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

const (
	maxLine = 256
	// notReady is what QA and QB say of a point that is not there (yet). It is no count.
	notReady = -1
	// mostCount is what a counter can hold at most: its display has nine digits, and
	// some room is left for those that nobody has seen.
	mostCount = 1e12
	maxPoints = 2000 // of the scan buffer
)

// Bits of the status byte.
const (
	statusPanel     = 1 << 0 // a parameter was changed on the front panel
	statusReady     = 1 << 1
	statusFinished  = 1 << 2 // of the scan
	statusOverflow  = 1 << 3 // of a counter; which one is not said
	statusRate      = 1 << 4 // gates came faster than the instrument can
	statusRecall    = 1 << 5 // stored settings were lost
	statusCommand   = 1 << 7 // a command was illegal
	statusCommandNo = 7
)

// numberPattern is how the instrument writes numbers: plain integers, and real
// ones in a float form that is not known exactly.
var numberPattern = regexp.MustCompile(`^[+-]?\d{1,13}(\.\d{0,12})?([eE][+-]?\d{1,2})?$`)

// parseReal reads a line that is one number.
func parseReal(line []byte) (float64, bool) {
	if !numberPattern.Match(line) {
		return 0, false
	}
	v, err := strconv.ParseFloat(string(line), 64)
	return v, err == nil && !math.IsInf(v, 0)
}

// parseWhole reads a line that is one whole number, in whatever form. It is the one
// judgement of counts: identification, reading and showing use it.
func parseWhole(line []byte) (int64, bool) {
	v, ok := parseReal(line)
	if !ok || v != math.Trunc(v) || math.Abs(v) > mostCount {
		return 0, false
	}
	return int64(v), true
}

// fits reports whether a whole number can be the answer to a question.
func fits(question string, v int64) bool {
	switch question {
	case "SS", startCommand:
		return v >= 0 && v <= 255
	case "SS 1", countingQuestion:
		return v == 0 || v == 1
	}
	return true
}

// cutLine splits received bytes at the first line end: CR, as the instrument ends
// its answers by itself, LF or both, and any of the codes SE may have set instead
// that are control characters. Line ends before it are left out; size is all that.
func cutLine(received []byte) (line []byte, size int, ok bool) {
	isEnd := func(c byte) bool { return c == '\r' || c == '\n' }
	from := 0
	for from < len(received) && isEnd(received[from]) {
		from++
	}
	for i := from; i < len(received); i++ {
		if isEnd(received[i]) {
			return bytes.Trim(received[from:i], " \t"), i + 1, true
		}
	}
	return nil, 0, false
}

// normal writes a command as the instrument reads it: without blanks, in capitals.
func normal(command string) string {
	return strings.ToUpper(strings.ReplaceAll(command, " ", ""))
}

// isEcho reports whether a line is the command that was sent, or the end of it.
func isEcho(line []byte, command string) bool {
	l, c := normal(string(line)), normal(command)
	return l == c || len(l) > 1 && strings.HasSuffix(c, l) && strings.ContainsFunc(l, unicode.IsLetter)
}

// oneDigit reports whether a number has one significant digit: presets and dwell
// times have no more, 12 becomes 10.
func oneDigit(v float64) bool {
	if v == 0 {
		return true
	}
	mantissa := v / math.Pow(10, math.Floor(math.Log10(v)+1e-9))
	return math.Abs(mantissa-math.Round(mantissa)) < 1e-6
}

// preset writes a number of one significant digit: 1E7.
func preset(v float64) string {
	e := math.Floor(math.Log10(v) + 1e-9)
	return fmt.Sprintf("%.0fE%.0f", v/math.Pow(10, e), e)
}
