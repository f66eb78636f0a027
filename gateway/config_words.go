package gateway

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Wrong words people use, with what to say to them.
var (
	wordsTop = map[string]string{
		"devices": "each device is a table of its own, [[device]]",
		"outputs": "each output is a table of its own, [[output]]",
		"options": headerHints["options"],
		"channel": headerHints["channel"],
		"server":  "the table is called [gateway]",
		"name":    "it belongs under [gateway]",
		"listen":  "it belongs under [gateway]",
		"journal": "it belongs under [gateway]",
	}
	wordsGateway = map[string]string{
		"address": `the key is "listen"`, "bind": `the key is "listen"`, "host": `the key is "listen"`,
		"port": `the port stands in "listen", as in "127.0.0.1:7310"`,
		"dial": `the key is "forward"`, "forward_to": `the key is "forward"`, "connect": `the key is "forward"`, "push": `the key is "forward"`,
		"receivers": `the key is "forward"`, "receiver": `the key is "forward"`, "workstation": `the key is "forward"`,
		"dir": `the key is "journal"`, "folder": `the key is "journal"`, "data": `the key is "journal"`,
		"spool": `the key is "journal"`, "log": `the key is "journal"`, "id": `the key is "name"`,
		"allow": "it belongs under the [[device]] whose settings may be changed",
		"alarm": `the key is "on_alarm"`, "alarm_command": `the key is "on_alarm"`, "hook": `the key is "on_alarm"`,
		"size": `the key is "quota"`, "max_size": `the key is "quota"`, "journal_size": `the key is "quota"`, "limit": `the key is "quota"`,
		"max_bytes": `the key is "quota"`, "disk_quota": `the key is "quota"`, "disk": `the key is "quota"`,
		"free": `the key is "keep_free"`, "min_free": `the key is "keep_free"`, "reserve": `the key is "keep_free"`, "leave_free": `the key is "keep_free"`,
		"retention": `what archives have not fetched is kept within "quota", for those that were seen within "forget_after"`,
		"max_age":   `what archives have not fetched is kept within "quota", however old it is`,
		"expire":    `the key is "forget_after"`, "archive_timeout": `the key is "forget_after"`, "forget": `the key is "forget_after"`,
		"share": "it belongs under a [[device]]",
	}
	wordsDevice = map[string]string{
		"address": `the key is "port"`, "tty": `the key is "port"`, "path": `the key is "port"`,
		"device": `the key is "port"`, "com": `the key is "port"`, "serial_port": `the key is "port"`,
		"type": `the key is "driver"`, "model": `the key is "driver"`, "instrument": `the key is "driver"`,
		"id": `the key is "name"`, "label": `the key is "name"`, "stream": `the key is "name"`,
		"baudrate": "the driver knows its line settings, leave it out",
		"baud":     "the driver knows its line settings, leave it out",
		"gate":     gateWord, "gate_time": gateWord, "dwell": gateWord, "dwell_time": gateWord, "integration_time": gateWord,
		"exposure": gateWord, "exposure_time": gateWord, "bin_width": gateWord, "interval": gateWord, "period": gateWord,
		"channels": "each channel is a table of its own, [[device.channel]]",
		"settings": `the table is called [device.options]`,
		"latency":  `the key is "batch"`,
		"control":  "it belongs under [gateway]",
		"quota":    `it belongs under [gateway]; what this device has of it is "share"`,
		"weight":   `the key is "share"`, "priority": `the key is "share"`,
		"keep_free": "it belongs under [gateway]",
	}
	wordsChannel = map[string]string{
		"channel": `the key is "input"`, "label": `the key is "name"`, "deadtime": `the key is "dead_time"`,
		"dark_counts": `the key is "dark"`, "dark_rate": `the key is "dark"`,
		"max": `the key is "warn_above"`, "limit": `the key is "warn_above"`, "alarm": `the key is "warn_above"`,
		"alarm_above": `the key is "warn_above"`, "min": `the key is "warn_below"`, "alarm_below": `the key is "warn_below"`,
		"warn_after": `the key is "warn_for"`, "coincidence_window": `the key is "window"`,
		"coincidence": `the key is "of", as in of = ["A", "B"]`, "inputs": `the key is "of", as in of = ["A", "B"]`,
		"on_alarm": "it belongs under [gateway]",
	}
	wordsCounts = map[string]string{
		"delays": `the key is "delay", as in delay = { B = "12.5ns" }`, "stream": `the key is "name"`, "gate_time": `the key is "gate"`, "dwell": `the key is "gate"`,
		"integration_time": `the key is "gate"`, "bin_width": `the key is "gate"`, "coincidence": `the key is "coincidences"`, "pairs": `the key is "coincidences"`,
		"window": `it belongs to each of "coincidences", as in coincidences = [{ of = ["A", "B"], window = "6ns" }]`,
	}
	wordsCoincidence = map[string]string{
		"channels": `the key is "of", as in of = ["A", "B"]`, "inputs": `the key is "of", as in of = ["A", "B"]`, "width": `the key is "window"`,
		"delay": `it belongs beside "coincidences", as in delay = { B = "12.5ns" }`,
	}
	// wordsOptions are other names of the gate, the one option most drivers have.
	wordsOptions = map[string]string{
		"gate_time": gateKey, "dwell": gateKey, "dwell_time": gateKey, "integration_time": gateKey, "exposure": gateKey,
		"exposure_time": gateKey, "bin_width": gateKey, "interval": gateKey, "period": gateKey,
	}
)

const (
	gateWord = `the time one count integrates is "gate", under [device.options]`
	gateKey  = `the time one count integrates is called "gate"`
)

// headerHints says how headers that people write wrong are written.
var headerHints = map[string]string{
	"device":                     "write [[device]] for each device",
	"output":                     "write [[output]] for each output",
	"options":                    "write [device.options] once below its [[device]]",
	"device.options":             "write [device.options] once below its [[device]]",
	"channel":                    "write [[device.channel]] for each channel, below its [[device]]",
	"counts":                     "write [[device.counts]] for each stream of counts, below its [[device]]",
	"device.counts":              "write [[device.counts]] for each stream of counts, below its [[device]]",
	"device.counts.coincidences": `write a list of them, as in coincidences = [{ of = ["A", "B"], window = "6ns" }]`,
	"device.channel":             "write [[device.channel]] for each channel, below its [[device]]",
}

var (
	headerLine   = regexp.MustCompile(`^\s*\[+\s*([a-z.]+)`)
	unquotedLine = regexp.MustCompile(`^\s*([A-Za-z0-9_.-]+)\s*[=:]\s*([^\s"'\[{#=][^"'#=]*?)\s*(?:#.*)?$`)
)

// lineHint says what was probably meant by a line that is no TOML, "" when
// nothing comes to mind.
func lineHint(line string) string {
	if m := headerLine.FindStringSubmatch(line); m != nil {
		return headerHints[m[1]]
	}
	m := unquotedLine.FindStringSubmatch(line)
	if m == nil {
		return ""
	}
	value := strconv.Quote(m[2])
	if _, err := strconv.ParseFloat(m[2], 64); err == nil {
		value = m[2]
	} else if b, err := strconv.ParseBool(m[2]); err == nil {
		value = strconv.FormatBool(b)
	}
	return fmt.Sprintf("write %s = %s", m[1], value)
}

// unknownKey says what is wrong with a key that does not exist; known are those
// that do, of is whose they are, empty where that is plain.
func unknownKey(key string, known []string, words map[string]string, of string) string {
	if hint := words[strings.ReplaceAll(strings.ToLower(key), "-", "_")]; hint != "" {
		return "unknown key (" + hint + ")"
	}
	if best := Nearest(key, known); best != "" {
		return fmt.Sprintf("unknown key (did you mean %q%s?)", best, of)
	}
	if len(known) == 0 {
		return "unknown key (nothing is expected here" + of + ")"
	}
	return "unknown key (expected one of " + strings.Join(known, ", ") + of + ")"
}

// Nearest returns the word that was probably meant, "" when none is near.
func Nearest(word string, known []string) string {
	best, bestDistance := "", len(word)/3+1
	for _, k := range known {
		if d := editDistance(strings.ToLower(word), strings.ToLower(k)); d <= min(bestDistance, 3) && (best == "" || d < bestDistance) {
			best, bestDistance = k, d
		}
	}
	return best
}

// editDistance is the number of letters to insert, delete, replace or swap
// with their neighbour to turn a into b (optimal string alignment).
func editDistance(a, b string) int {
	before, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}

// parseDuration reads a duration with its unit: "100ms", "1.5s".
func parseDuration(v any) (time.Duration, error) {
	const expected = `expected a duration with its unit, in quotes: "100ms", "1.5s"`
	s, ok := v.(string)
	if !ok {
		return 0, fmt.Errorf("%s is %s (%s)", shown(v), kindOf(v), expected)
	}
	d, err := time.ParseDuration(strings.ReplaceAll(s, " ", ""))
	if err != nil || s == "0" {
		return 0, fmt.Errorf("%q is no duration (%s)", s, expected)
	}
	return d, nil
}

var rateUnits = map[string]float64{
	"cps": 1, "kcps": 1e3, "Mcps": 1e6, "Gcps": 1e9, "Hz": 1, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9,
}

// parseRate reads counts per second with their unit: "250cps", "3Mcps".
func parseRate(v any) (float64, error) {
	const expected = `expected a rate with its unit, in quotes: "250cps", "3Mcps"`
	s, ok := v.(string)
	if !ok {
		return 0, fmt.Errorf("%s is %s (%s)", shown(v), kindOf(v), expected)
	}
	s = strings.TrimSpace(s)
	end := strings.LastIndexAny(s, "0123456789.") + 1
	unit, ok := rateUnits[strings.TrimSpace(s[end:])]
	number, err := strconv.ParseFloat(strings.TrimSpace(s[:end]), 64)
	if !ok || err != nil || number < 0 || math.IsInf(number*unit, 0) || math.IsNaN(number) {
		return 0, fmt.Errorf("%q is no rate (%s)", s, expected)
	}
	return number * unit, nil
}

// kindOf names the TOML type of a value.
func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "a text"
	case int64, int:
		return "a whole number"
	case float64:
		return "a number"
	case bool:
		return "true or false"
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	}
	return "a date or time"
}

// shown writes a value as it stood in the file, or nearly so.
func shown(v any) string {
	switch v := v.(type) {
	case string:
		return strconv.Quote(v)
	case []any:
		return "[...]"
	case map[string]any:
		return "{...}"
	}
	return fmt.Sprint(v)
}
