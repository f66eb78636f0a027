package sr400

import (
	"math"
	"strconv"
	"strings"
)

// The settings, by the commands that set and tell them.
const (
	knobCM = iota
	knobCI
	knobCP
	knobNP
	knobNE
	knobDT
	knobDS
	knobDL
	knobDM
	knobDY
	knobTS
	knobTL
	knobGM
	knobGD
	knobGW
	knobGY
	knobPM
	knobPL
	knobPY
	knobMI
	knobSW
	knobSV
	knobCount
)

// knobs holds all settings: up to three of a kind, by their index.
type knobs [knobCount][3]float64

// Counters and inputs by their numbers in commands.
const (
	counterA = 0
	counterB = 1
	counterT = 2

	input10MHz = 0
	inputTrig  = 3

	modeBPreset = 3 // CM 3: A for B preset
)

// knob describes one setting (manual pages 37 to 42).
type knob struct {
	name        string
	first, last int // its indexes; last -1: it has none
	min, max    float64
	whole       bool
	quantum     float64 // rounded to a multiple; 0 as it is
	digits      int     // cut to so many significant digits; 0 as it is
	own         bool    // belongs to the interface: not stored, not reset
}

const noIndex = -1

func knobTable() [knobCount]knob {
	return [knobCount]knob{
		knobCM: {name: "CM", last: noIndex, max: 3, whole: true},
		knobCI: {name: "CI", last: 2, max: 3, whole: true},
		knobCP: {name: "CP", first: 1, last: 2, min: 1, max: 9e11, digits: 1},
		knobNP: {name: "NP", last: noIndex, min: 1, max: maxPoints, whole: true},
		knobNE: {name: "NE", last: noIndex, max: 1, whole: true},
		knobDT: {name: "DT", last: noIndex, max: 60, digits: 1},
		knobDS: {name: "DS", last: 2, max: 1, whole: true},
		knobDL: {name: "DL", last: 2, min: -0.3, max: 0.3, quantum: 0.0002},
		knobDM: {name: "DM", last: 2, max: 1, whole: true},
		knobDY: {name: "DY", last: 2, min: -0.3, max: 0.3, quantum: 0.0002},
		knobTS: {name: "TS", last: noIndex, max: 1, whole: true},
		knobTL: {name: "TL", last: noIndex, min: -2, max: 2, quantum: 0.001},
		knobGM: {name: "GM", last: 1, max: 2, whole: true},
		knobGD: {name: "GD", last: 1, max: 0.9992, digits: 4},
		knobGW: {name: "GW", last: 1, min: 5e-9, max: 0.9992, digits: 4},
		knobGY: {name: "GY", last: 1, max: 0.09992, digits: 4},
		knobPM: {name: "PM", first: 1, last: 2, max: 1, whole: true},
		knobPL: {name: "PL", first: 1, last: 2, min: -10, max: 10, quantum: 0.001},
		knobPY: {name: "PY", first: 1, last: 2, min: -0.5, max: 0.5, quantum: 0.001},
		knobMI: {name: "MI", last: noIndex, max: 2, whole: true, own: true},
		knobSW: {name: "SW", last: noIndex, max: 25, whole: true, own: true},
		knobSV: {name: "SV", last: noIndex, max: 255, whole: true, own: true},
	}
}

// defaultKnobs are the settings after CL and RC 0.
func defaultKnobs() knobs {
	var k knobs
	k[knobCI] = [3]float64{1, 2, input10MHz}
	k[knobCP] = [3]float64{0, 1e3, 1e7}
	k[knobNP][0] = maxPoints
	k[knobDT][0] = 1
	k[knobDL] = [3]float64{-0.01, -0.01, -0.01}
	k[knobGW] = [3]float64{5e-9, 5e-9}
	return k
}

// findKnob is the number of the setting a command names.
func findKnob(name string) (int, knob, bool) {
	for i, k := range knobTable() {
		if k.name == name {
			return i, k, true
		}
	}
	return 0, knob{}, false
}

// split tells index and value of a command's arguments apart. Without the value
// it asks for it.
func (k knob) split(arguments []float64) (index int, value float64, asks, ok bool) {
	if k.last != noIndex {
		if len(arguments) == 0 || !whole(arguments[0], k.first, k.last) {
			return 0, 0, false, false
		}
		index, arguments = int(arguments[0]), arguments[1:]
	}
	switch len(arguments) {
	case 0:
		return index, 0, true, true
	case 1:
		return index, arguments[0], false, true
	}
	return 0, 0, false, false
}

// accept makes a value what the instrument takes it for.
func (k knob) accept(value float64) (float64, bool) {
	if value < k.min || value > k.max || k.whole && value != math.Trunc(value) {
		return 0, false
	}
	if k.quantum > 0 {
		steps := math.Round(value / k.quantum)
		value = steps / math.Round(1/k.quantum)
	}
	if k.digits > 0 {
		value = cut(value, k.digits)
	}
	return value, true
}

// cut leaves the first so many significant digits of a number and makes the
// others 0: 12 becomes 10, 500001.0 becomes 500000 (manual page 37).
func cut(value float64, digits int) float64 {
	// The decimal text is exact where powers of ten are not.
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(value, 'e', -1, 64), "e")
	if point := strings.IndexByte(mantissa, '.'); point >= 0 {
		mantissa = mantissa[:min(len(mantissa), point+digits)]
	}
	result, err := strconv.ParseFloat(strings.TrimSuffix(mantissa, ".")+"e"+exponent, 64)
	if err != nil {
		return value
	}
	return result
}

// whole reports whether a number is a whole one from first to last.
func whole(value float64, first, last int) bool {
	return value == math.Trunc(value) && value >= float64(first) && value <= float64(last)
}

// possible says what the table cannot: which counter may have which input, and
// that there is no dwell time below 2 ms but 0.
func possible(i, index int, value float64) bool {
	switch i {
	case knobCI:
		switch index {
		case counterA:
			return value <= 1
		case counterB:
			return value == 1 || value == 2
		}
		return value != 1
	case knobDT:
		return value == 0 || value >= 0.002
	}
	return true
}

// number writes a value that need not be whole.
func (u *Unit) number(value float64) string {
	if u.options.PlainNumbers {
		return strconv.FormatFloat(value, 'f', -1, 64)
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(value, 'E', -1, 64), "E")
	n, _ := strconv.Atoi(exponent) // as FormatFloat wrote it
	return mantissa + "E" + strconv.Itoa(n)
}
