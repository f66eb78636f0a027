package cc1

import (
	"math"
	"strconv"
	"strings"
	"time"

	"photongate/sim"
)

// The error texts (InstrumentKit, K).
const (
	unknownCommand = "Unknown Command"
	unableToComply = "Unable to comply"
)

// maxLine bounds a command; the rest of a longer line is thrown away and the line
// is unknown.
const maxLine = 128

// Limits of settings (K; the delay by InstrumentKit).
const (
	minDwell  = 100 * time.Millisecond
	maxDwell  = 30 * time.Second
	maxWindow = 8
	maxDelay  = 14
)

// feed takes one byte and answers the line that is complete by it.
func (u *Unit) feed(now time.Time, c byte, line sim.Line) {
	if c != '\n' {
		if len(u.line) < maxLine {
			u.line = append(u.line, c)
		} else {
			u.skip = true
		}
		return
	}
	command := strings.TrimSpace(string(u.line))
	tooLong := u.skip
	u.line, u.skip = u.line[:0], false
	say := func(text string) {
		end := "\n"
		if u.options.CRLF {
			end = "\r\n"
		}
		line.Send(now.Add(u.options.ReplyDelay), []byte(text+end))
	}
	switch {
	case tooLong:
		say(unknownCommand)
	case command != "":
		u.answer(now, command, line, say)
	}
}

// answer does one command and says what there is to say: with acks on, the
// command comes first (InstrumentKit: all but :ACKN ON).
func (u *Unit) answer(now time.Time, command string, line sim.Line, say func(string)) {
	if command == ":ACKN OF" {
		u.ackOff(say)
		return
	}
	if u.settings.Acks && command != ":ACKN ON" {
		say(command)
	}
	switch {
	case u.refuse:
		u.refuse = false
		say(unableToComply)
	case strings.HasSuffix(command, "?"):
		say(u.query(now, command, line))
	default:
		if trouble := u.obey(now, command); trouble != "" {
			say(trouble)
		}
	}
}

// ackOff switches acks off and answers in one of the ways that have been seen: with
// acks on the command still comes back.
func (u *Unit) ackOff(say func(string)) {
	reply := u.options.AckOff
	switch {
	case u.settings.Acks:
		reply = ReplyEcho
	case u.old && (reply == "" || reply == ReplyAuto):
		reply = ReplyUnknown
	}
	u.settings.Acks = false
	switch reply {
	case ReplyEcho:
		say(":ACKN OF")
	case ReplyEmpty:
		say("")
	case ReplyUnknown:
		say(unknownCommand)
	}
}

// query is the answer to a command that ends in a question mark.
func (u *Unit) query(now time.Time, command string, line sim.Line) string {
	switch command {
	case "FIRM?":
		if u.unknown > 0 {
			u.unknown--
			return unknownCommand
		}
		return "Firmware v" + u.options.Firmware
	case "COUN:C1?":
		return strconv.FormatUint(u.latch(now, 0, line), 10)
	case "COUN:C2?":
		return strconv.FormatUint(u.latch(now, 1, line), 10)
	case "COUN:CO?":
		return strconv.FormatUint(u.latch(now, 2, line), 10)
	case "DWEL?":
		return u.dwell()
	case "WIND?":
		return u.withUnit(u.settings.WindowNs)
	case "DELA?":
		return u.withUnit(u.settings.DelayNs)
	case "GATE?":
		return u.state(u.settings.Gate)
	case "SUBT?":
		return u.state(u.settings.Subtract)
	case "TRIG?":
		return u.trigger()
	}
	return unknownCommand
}

// dwell is the answer to DWEL?: seconds, from old firmware milliseconds.
func (u *Unit) dwell() string {
	number := strconv.FormatFloat(u.settings.Dwell.Seconds(), 'g', -1, 64)
	if u.old || u.options.Units == UnitsMs {
		number = strconv.FormatInt(u.settings.Dwell.Milliseconds(), 10)
	}
	if u.options.Units == UnitsNone {
		return number
	}
	return number + " " + string(u.options.Units)
}

func (u *Unit) withUnit(ns int) string {
	if u.options.Units == UnitsNone {
		return strconv.Itoa(ns)
	}
	return strconv.Itoa(ns) + " ns"
}

// state is how a switch is told.
func (u *Unit) state(on bool) string {
	switch {
	case u.old && on:
		return "1"
	case u.old:
		return "0"
	case on:
		return "ON"
	}
	return "OFF"
}

func (u *Unit) trigger() string {
	switch {
	case u.old:
		return u.state(u.settings.StartStop)
	case u.settings.StartStop:
		return "MODE STOP"
	}
	return "MODE CONT"
}

// obey does a command that sets something and returns what there is to complain of.
func (u *Unit) obey(now time.Time, command string) string {
	u.count(now) // what came before counts by the old settings
	if on, ok := u.switched(command); ok {
		u.turn(now, command, on)
		return ""
	}
	name, argument, _ := strings.Cut(command, " ")
	argument = strings.TrimSpace(argument)
	switch name {
	case "CLEA":
		u.begin(now)
		return ""
	case ":COUN:ON", ":COUN:OFF":
		u.settings.CountingOn = name == ":COUN:ON"
		if u.settings.CountingOn {
			u.begin(now)
		}
		return ""
	case ":ACKN":
		if u.old || argument != "ON" {
			return unknownCommand
		}
		u.settings.Acks = true
		return ""
	case ":DWEL":
		return u.setDwell(argument)
	case ":WIND":
		return set(&u.settings.WindowNs, argument, maxWindow, 1)
	case ":DELA":
		return set(&u.settings.DelayNs, argument, maxDelay, 2)
	}
	return unknownCommand
}

// switched says whether a command turns something on or off in the words of this
// generation, and which.
func (u *Unit) switched(command string) (on, ok bool) {
	if u.old {
		switch command {
		case ":GATE 1", ":SUBT 1", ":TRIG 1":
			return true, true
		case ":GATE 0", ":SUBT 0", ":TRIG 0":
			return false, true
		}
		return false, false
	}
	switch command {
	case ":GATE:ON", ":SUBT:ON", ":TRIG:MODE STOP":
		return true, true
	case ":GATE:OFF", ":SUBT:OFF", ":TRIG:MODE CONT":
		return false, true
	}
	return false, false
}

// turn does what switched recognised.
func (u *Unit) turn(now time.Time, command string, on bool) {
	switch command[:len(":GATE")] {
	case ":GATE":
		u.settings.Gate = on
	case ":SUBT":
		u.settings.Subtract = on
	case ":TRIG":
		u.settings.StartStop = on
		u.begin(now)
	}
}

// setDwell takes seconds, such as 2, 2.0 or 0.5.
func (u *Unit) setDwell(argument string) string {
	seconds, ok := decimal(argument)
	dwell := time.Duration(math.Round(seconds * float64(time.Second)))
	if !ok || dwell < minDwell || dwell > maxDwell {
		return unableToComply
	}
	u.settings.Dwell = dwell
	return ""
}

// set takes a whole number of ns from 0 to most that is a multiple of step;
// clients also write it as 4.0.
func set(to *int, argument string, most, step int) string {
	value, ok := decimal(argument)
	n := int(value)
	if !ok || value < 0 || value > float64(most) || float64(n) != value || n%step != 0 {
		return unableToComply
	}
	*to = n
	return ""
}

// decimal reads digits with at most one point among them.
func decimal(text string) (float64, bool) {
	if text == "" || strings.Trim(text, "0123456789.") != "" {
		return 0, false
	}
	value, err := strconv.ParseFloat(text, 64)
	return value, err == nil && value < 1e9
}
