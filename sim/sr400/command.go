package sr400

import (
	"strconv"
	"strings"
	"time"

	"photongate/sim"
)

// The status byte (manual page 45); bits 4 and 5 are rate and recall error.
const (
	statusPanel        = 1 << 0
	statusDataReady    = 1 << 1
	statusScanFinished = 1 << 2
	statusOverflow     = 1 << 3
	statusRecall       = 1 << 5
	statusService      = 1 << 6
	statusCommand      = 1 << 7
)

// The secondary status byte.
const (
	secondaryTriggered = 1 << 0
	secondaryCounting  = 1 << 2
)

// maxCommand bounds a command; a longer one is wrong.
const maxCommand = 80

// feed takes one byte. Blanks count for nothing, wherever they stand.
func (u *Unit) feed(now time.Time, c byte, line sim.Line) {
	if u.options.Echo {
		u.echoByte(c)
	}
	switch c {
	case ' ', '\t':
	case '\r', '\n', ';':
		command, tooLong := strings.ToUpper(string(u.command)), u.tooLong
		u.command, u.tooLong = u.command[:0], false
		u.flushEcho(now, line)
		if command == "" && !tooLong {
			return
		}
		u.run(now, line)
		if u.refuse || tooLong || !u.obey(now, command, line) {
			u.status |= statusCommand
			u.refuse = false
		}
	default:
		if len(u.command) == maxCommand {
			u.tooLong = true
			return
		}
		u.command = append(u.command, c)
	}
}

// echoByte keeps a received byte for flushEcho: a line end is told as \r\n, however it came.
func (u *Unit) echoByte(c byte) {
	switch c {
	case '\r':
		u.echo = append(u.echo, "\r\n"...)
	case '\n':
	default:
		u.echo = append(u.echo, c)
	}
}

// obey does one command and reports whether it was a right one.
func (u *Unit) obey(now time.Time, command string, line sim.Line) bool {
	if len(command) < 2 {
		return false
	}
	name, rest := command[:2], command[2:]
	if name == "MS" {
		return true // a text for the front panel
	}
	arguments, ok := parseArguments(rest)
	if !ok {
		return false
	}
	if i, k, found := findKnob(name); found {
		return u.turn(now, i, k, arguments, line)
	}
	switch name {
	case "QA", "QB", "EA", "EB", "ET", "FA", "FB", "FT", "XA", "XB":
		return u.tell(now, name, arguments, line)
	case "SE":
		return u.setEnding(arguments)
	}
	switch len(arguments) {
	case 0:
		return u.plain(now, name, line)
	case 1:
		return u.withNumber(now, name, arguments[0], line)
	}
	return false
}

// parseArguments reads the numbers behind a command.
func parseArguments(text string) ([]float64, bool) {
	if text == "" {
		return nil, true
	}
	var arguments []float64
	for word := range strings.SplitSeq(text, ",") {
		if strings.Trim(word, "0123456789.+-E") != "" {
			return nil, false // neither NaN nor hexadecimals nor underscores
		}
		value, err := strconv.ParseFloat(word, 64)
		if err != nil {
			return nil, false
		}
		arguments = append(arguments, value)
	}
	return arguments, true
}

// turn sets or tells a setting.
func (u *Unit) turn(now time.Time, i int, k knob, arguments []float64, line sim.Line) bool {
	index, value, asks, ok := k.split(arguments)
	if !ok {
		return false
	}
	if asks {
		text := u.number(u.knobs[i][index])
		if k.whole {
			text = strconv.FormatFloat(u.knobs[i][index], 'f', -1, 64)
		}
		u.say(now, text, line)
		return true
	}
	if value, ok = k.accept(value); !ok || !possible(i, index, value) {
		return false
	}
	u.knobs[i][index] = value
	switch {
	case i == knobCM:
		u.reset(now, line)
	case i == knobCP && u.scan.state == isCounting:
		u.stop(now, line)
	}
	return true
}

// plain does a command without a number.
func (u *Unit) plain(now time.Time, name string, line sim.Line) bool {
	switch name {
	case "CS":
		u.start(now, line)
	case "CH":
		u.stop(now, line)
	case "CR":
		u.reset(now, line)
	case "CL":
		u.recall(now, defaultKnobs(), line)
	case "SS":
		u.say(now, strconv.Itoa(int(u.serviced())), line)
		u.status = 0
	case "SI":
		u.say(now, strconv.Itoa(int(u.secondary())), line)
	case "NN":
		u.say(now, strconv.Itoa(u.periodNumber()), line)
	default:
		return false
	}
	return true
}

// withNumber does a command with one number.
func (u *Unit) withNumber(now time.Time, name string, value float64, line sim.Line) bool {
	n := int(value)
	switch name {
	case "SS":
		if !whole(value, 0, 7) {
			return false
		}
		u.say(now, strconv.Itoa(int(u.serviced()>>n&1)), line)
		u.status &^= 1 << n
	case "SI":
		if !whole(value, 0, 7) {
			return false
		}
		u.say(now, strconv.Itoa(int(u.secondary()>>n&1)), line)
	case "ST":
		if !whole(value, 1, 9) {
			return false
		}
		stored := u.knobs
		u.stored[n] = &stored
	case "RC":
		if !whole(value, 0, 9) {
			return false
		}
		switch {
		case n == 0:
			u.recall(now, defaultKnobs(), line)
		case u.stored[n] == nil:
			u.status |= statusRecall
		default:
			u.recall(now, *u.stored[n], line)
		}
	case "DZ", "GZ", "PZ":
		return u.positionNow(now, name, value, line)
	default:
		return false
	}
	return true
}

// recall takes other settings, but for those of the interface, and resets the
// counters.
func (u *Unit) recall(now time.Time, k knobs, line sim.Line) {
	for i, knob := range knobTable() {
		if !knob.own {
			u.knobs[i] = k[i]
		}
	}
	u.reset(now, line)
}

// serviced is the status byte with the bit of a service request (SV).
func (u *Unit) serviced() byte {
	if u.status&byte(u.knobs[knobSV][0]) != 0 {
		return u.status | statusService
	}
	return u.status
}

func (u *Unit) secondary() byte {
	var b byte
	if u.options.TriggerHz > 0 {
		b |= secondaryTriggered
	}
	if u.scan.state == isCounting {
		b |= secondaryCounting
	}
	return b
}

// periodNumber is the answer to NN.
func (u *Unit) periodNumber() int {
	over := len(u.scan.points)
	if u.options.FinishedNN || over >= int(u.knobs[knobNP][0]) {
		return max(over, 1)
	}
	return over + 1
}

// setEnding is SE: up to four ASCII codes that end replies.
func (u *Unit) setEnding(codes []float64) bool {
	if len(codes) > 4 {
		return false
	}
	var ending []byte
	for _, code := range codes {
		if !whole(code, 0, 127) {
			return false
		}
		ending = append(ending, byte(code))
	}
	u.ending = ending
	return true
}

// positionNow tells where a level, gate or port that is scanned has got to.
func (u *Unit) positionNow(now time.Time, name string, value float64, line sim.Line) bool {
	kinds := map[string][3]int{
		"DZ": {knobDM, knobDL, knobDY}, "GZ": {knobGM, knobGD, knobGY}, "PZ": {knobPM, knobPL, knobPY},
	}
	mode, at, step := kinds[name][0], kinds[name][1], kinds[name][2]
	k := knobTable()[mode]
	if !whole(value, k.first, k.last) {
		return false
	}
	i := int(value)
	position := u.knobs[at][i]
	if u.knobs[mode][i] == k.max { // the last mode of each is to scan
		position += float64(u.periodNumber()-1) * u.knobs[step][i]
	}
	u.say(now, u.number(position), line)
	return true
}
