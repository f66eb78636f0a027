package cc1

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	channels = 3
	maxLine  = 4096 // a line longer than this is noise
)

// names are the channels, as the box asks for them and as people call them.
var names = [channels]struct{ ask, name, input string }{
	{"C1", "C1", "input 1"},
	{"C2", "C2", "input 2"},
	{"CO", "C12", "coincidences: input 1+input 2"},
}

// countQuestion asks for the running total of a channel.
func countQuestion(channel int) string { return "COUN:" + names[channel].ask + "?" }

// trimLine removes one trailing CR and outer spaces.
func trimLine(line []byte) []byte {
	return bytes.Trim(bytes.TrimSuffix(line, []byte{'\r'}), " \t")
}

// parseCount reads a line that is a count: decimal digits and nothing else, of
// at most 63 bits. It is the one judgement of counts: reading and showing use it.
func parseCount(line []byte) (uint64, bool) {
	var v uint64
	for _, c := range line {
		if c < '0' || c > '9' || v > (1<<63-10)/10 {
			return 0, false
		}
		v = v*10 + uint64(c-'0')
	}
	return v, len(line) > 0
}

// firmware is what the box says of itself.
type firmware struct {
	text  string // "2.010.1"
	newer bool   // of the command set that says ON and OFF in words
}

var firmwarePattern = regexp.MustCompile(`^Firmware +v(\d{1,6})(?:\.(\d{1,6}))?(?:\.(\d{1,6}))?$`)

// parseFirmware reads the answer to FIRM?: "Firmware v2.010". The parts are
// numbers, so 2.010 is 2.10. Published clients take 2.2 and above for the new
// command set, and would take a 3.0 for an old one; here all above 2.1 is new.
func parseFirmware(line []byte) (firmware, bool) {
	m := firmwarePattern.FindSubmatch(line)
	if m == nil {
		return firmware{}, false
	}
	major, _ := strconv.Atoi(string(m[1]))
	minor, _ := strconv.Atoi(string(m[2])) // empty: 0
	text := strings.TrimPrefix(string(bytes.TrimLeft(line[len("Firmware"):], " ")), "v")
	return firmware{text: text, newer: major > 2 || major == 2 && minor >= 2}, true
}

// isRefusal reports whether the box did not do what it was told.
func isRefusal(line []byte) bool {
	return string(line) == "Unknown Command" || string(line) == "Unable to comply"
}

// quantity is a number, perhaps with a unit: "8", "2.0", "8000 ms", "8ns".
var quantity = regexp.MustCompile(`^(\d{1,9}(?:\.\d{1,9})?) *(s|sec|ms|us|ns)?$`)

func parseQuantity(line []byte) (value float64, unit string, ok bool) {
	m := quantity.FindSubmatch(line)
	if m == nil {
		return 0, "", false
	}
	value, err := strconv.ParseFloat(string(m[1]), 64)
	return value, string(m[2]), err == nil
}

// parseDwell reads the answer to DWEL?. The new firmware says seconds, the old
// one milliseconds, even where it prints "s" behind them; "ms" is always true.
func parseDwell(line []byte, newer bool) (time.Duration, bool) {
	v, unit, ok := parseQuantity(line)
	if !ok || unit == "ns" || unit == "us" {
		return 0, false
	}
	if unit == "ms" || !newer {
		v /= 1000
	}
	d := time.Duration(v*1e6+0.5) * time.Microsecond
	return d, d > 0 && v < 1e6
}

// parseNs reads the answer to WIND? or DELA?, in whole nanoseconds.
func parseNs(line []byte) (string, bool) {
	v, unit, ok := parseQuantity(line)
	if !ok || unit != "" && unit != "ns" || v != float64(int(v)) || v > 1000 {
		return "", false
	}
	return strconv.Itoa(int(v)), true
}

// parseSwitch reads the answer to GATE? or SUBT?: ON or OFF, old firmware 1 or 0.
func parseSwitch(line []byte) (string, bool) {
	word, ok := map[string]string{"ON": "true", "OFF": "false", "1": "true", "0": "false"}[string(line)]
	return word, ok
}

// parseTrigger reads the answer to TRIG?: MODE CONT or MODE STOP, old firmware 0
// or 1.
func parseTrigger(line []byte) (string, bool) {
	word, ok := map[string]string{"MODE CONT": continuous, "MODE STOP": startStop, "0": continuous, "1": startStop}[string(line)]
	return word, ok
}

// The words of the option trigger.
const (
	continuous = "continuous"
	startStop  = "stop"
)

// dwellQuestion asks for the dwell time.
const dwellQuestion = "DWEL?"

// item is one setting of the box.
type item struct {
	key, unit string
	query     string
	parse     func(line []byte, newer bool) (value string, ok bool)
	words     func(v any) string // what was asked for as parse would say it
	command   func(v any, newer bool) string
}

// items are all settings the box can be asked for. Answers that are numbers and
// such that are words follow each other, for whoever reads a conversation.
var items = []item{
	{
		key: "gate", query: dwellQuestion,
		parse: func(line []byte, newer bool) (string, bool) {
			d, ok := parseDwell(line, newer)
			return d.String(), ok
		},
		words: func(v any) string { return fmt.Sprint(v) },
		command: func(v any, _ bool) string {
			d, _ := v.(time.Duration)
			return ":DWEL " + strconv.FormatFloat(d.Seconds(), 'f', -1, 64)
		},
	},
	switchItem("gate_input", "GATE"),
	nsItem("window", "WIND"),
	switchItem("subtract", "SUBT"),
	nsItem("delay", "DELA"),
	{
		key: "trigger", query: "TRIG?",
		parse: func(line []byte, _ bool) (string, bool) { return parseTrigger(line) },
		words: func(v any) string { return fmt.Sprint(v) },
		command: func(v any, newer bool) string {
			stop := v == startStop
			if newer {
				return ":TRIG:MODE " + map[bool]string{false: "CONT", true: "STOP"}[stop]
			}
			return ":TRIG " + bit(stop)
		},
	},
}

func switchItem(key, word string) item {
	return item{
		key: key, query: word + "?",
		parse: func(line []byte, _ bool) (string, bool) { return parseSwitch(line) },
		words: func(v any) string { return fmt.Sprint(v) },
		command: func(v any, newer bool) string {
			if newer {
				return ":" + word + ":" + map[bool]string{false: "OFF", true: "ON"}[v == true]
			}
			return ":" + word + " " + bit(v == true)
		},
	}
}

func nsItem(key, word string) item {
	return item{
		key: key, unit: "ns", query: word + "?",
		parse:   func(line []byte, _ bool) (string, bool) { return parseNs(line) },
		words:   func(v any) string { return fmt.Sprint(v) },
		command: func(v any, _ bool) string { return fmt.Sprintf(":%s %v", word, v) },
	}
}

func bit(on bool) string { return map[bool]string{false: "0", true: "1"}[on] }

// echo matches commands, which the box sends back when acknowledgements are on.
var echo = regexp.MustCompile(`^(:?[A-Z]{4}(:[A-Z0-9]{2,4})?\??|:(ACKN|TRIG:MODE) [A-Z]+|:[A-Z]{4} [0-9.]+)$`)
