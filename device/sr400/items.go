package sr400

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// tick is what T counts when its input is the 10 MHz clock.
const tick = 100 * time.Nanosecond

// item is one setting of the instrument. The command without its last argument
// asks for it.
type item struct {
	key     string
	command string // "DL 0": discriminator level of A; the argument follows a comma or a blank
	unit    string
	always  bool // asked for at every opening
	say     func(v float64) string
	// argument writes a value as it is sent, and words as say would say it.
	argument func(v any) string
	words    func(v any) string
	near     float64 // relative difference that is the instrument's rounding
}

func (it item) query() string { return it.command }

func (it item) set(v any) string {
	between := " "
	if len(it.command) > 2 {
		between = ","
	}
	return it.command + between + it.argument(v)
}

// The words of enumerations, by their number.
var (
	modes   = []string{"ab", "a-b", "a+b", "a_for_b"}
	inputs  = []string{"10mhz", "input1", "input2", "trig"}
	ends    = []string{"stop", "again"}
	slopes  = []string{"rise", "fall"}
	gates   = []string{"open", "fixed", "scan"}
	remotes = []string{"local", "remote", "locked"}
)

// items in the order in which they are pushed: inputs before the presets that
// count them.
var items = []item{
	words("mode", "CM", true, modes),
	words("input_a", "CI 0", true, inputs),
	words("input_b", "CI 1", true, inputs),
	words("input_t", "CI 2", true, inputs),
	{
		key: "t_preset", command: "CP 2", always: true, say: plain,
		argument: func(v any) string { return preset(ticks(v)) },
		words:    func(v any) string { return plain(ticks(v)) },
	},
	{
		key: "b_preset", command: "CP 1", always: true, say: plain,
		argument: func(v any) string { return preset(number(v)) },
		words:    func(v any) string { return plain(number(v)) },
	},
	{
		key: "periods", command: "NP", always: true, say: plain,
		argument: func(v any) string { return fmt.Sprint(v) },
		words:    func(v any) string { return plain(number(v)) },
	},
	words("at_end", "NE", true, ends),
	seconds("dwell", "DT", true, 0),
	words("slope_a", "DS 0", true, slopes),
	words("slope_b", "DS 1", true, slopes),
	volts("threshold_a", "DL 0", true, 4),
	volts("threshold_b", "DL 1", true, 4),
	words("slope_t", "TS", false, slopes),
	volts("threshold_t", "TL", false, 3),
	words("gate_input_a", "GM 0", true, gates),
	words("gate_input_b", "GM 1", true, gates),
	seconds("gate_delay_a", "GD 0", false, 2e-3),
	seconds("gate_delay_b", "GD 1", false, 2e-3),
	seconds("gate_width_a", "GW 0", false, 2e-3),
	seconds("gate_width_b", "GW 1", false, 2e-3),
	volts("port_1", "PL 1", false, 3),
	volts("port_2", "PL 2", false, 3),
	words("panel", "MI", false, remotes),
}

// plain writes a whole number.
func plain(v float64) string { return strconv.FormatFloat(v, 'f', 0, 64) }

// number is an option's value as a number.
func number(v any) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	case time.Duration:
		return v.Seconds()
	}
	return 0
}

// ticks is a T preset, given as a gate or in counts.
func ticks(v any) float64 {
	if d, ok := v.(time.Duration); ok {
		return float64(d / tick)
	}
	return number(v)
}

// words is an item that is one of some words in a configuration and its number in
// the instrument.
func words(key, command string, always bool, list []string) item {
	return item{
		key: key, command: command, always: always,
		say: func(v float64) string {
			if i := int(v); float64(i) == v && i >= 0 && i < len(list) {
				return list[i]
			}
			return ""
		},
		argument: func(v any) string {
			for i, word := range list {
				if word == v {
					return strconv.Itoa(i)
				}
			}
			return ""
		},
		words: func(v any) string { return fmt.Sprint(v) },
	}
}

// seconds is an item that is a duration in a configuration and seconds in the
// instrument.
func seconds(key, command string, always bool, near float64) item {
	text := func(s float64) string { return time.Duration(math.Round(s * 1e9)).String() }
	return item{
		key: key, command: command, always: always, near: near,
		say: func(v float64) string {
			if v < 0 || v > 1e6 {
				return ""
			}
			return text(v)
		},
		argument: func(v any) string { return strconv.FormatFloat(number(v), 'E', -1, 64) },
		words:    func(v any) string { return text(number(v)) },
	}
}

// volts is an item in volts, told to so many decimals.
func volts(key, command string, always bool, decimals int) item {
	text := func(v float64) string { return strconv.FormatFloat(v+0, 'f', decimals, 64) }
	return item{
		key: key, command: command, unit: "V", always: always, say: text,
		argument: func(v any) string { return text(number(v)) },
		words:    func(v any) string { return text(number(v)) },
	}
}

// asked is what was asked for in the words of what the instrument says: the same
// where the difference is its rounding.
func (it item) asked(v any, says float64, known bool) string {
	if known && it.near > 0 && math.Abs(says-number(v)) <= it.near*number(v) {
		return it.say(says)
	}
	return it.words(v)
}
