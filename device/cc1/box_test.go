package cc1

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"photongate/device"
	"photongate/device/devicetest"
)

// box is a CC1 as its description has it, for tests.
type box struct {
	version string        // what FIRM? answers
	old     bool          // the old command set
	acks    bool          // commands are sent back
	pause   time.Duration // between that and an answer
	unknown int           // so many questions for the firmware are answered "Unknown Command" first
	units   bool          // numbers carry a unit
	end     string        // of a line; "\n" when empty
	latency time.Duration
	junk    string                      // lines before each count
	answer  func(command string) string // takes the place of an answer, when it is not empty
	stray   string                      // said to each third CLEA
	deaf    string                      // commands that begin so have no effect
	dark    bool                        // no counts
	endless bool                        // totals are never cleared, nor stand still
	coun    bool                        // a gate is begun by :COUN:ON only

	mu       sync.Mutex // held but while it waits for bytes
	dwell    time.Duration
	stop     bool
	gate     bool
	subtract bool
	window   int
	delay    int

	begun    time.Time // of the running gate
	n        uint64    // of the gate
	triple   []uint64  // totals said in the running gate since C1
	last     []uint64  // the last three of them
	port     *devicetest.End
	truth    *devicetest.Truth
	commands []string
	edges    []int64 // when gates were begun
}

func newBox() *box {
	return &box{version: "v2.010", dwell: 100 * time.Millisecond, window: 3, latency: time.Millisecond}
}

// play runs the box until its port ends.
func (x *box) play(end *devicetest.End, truth *devicetest.Truth) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.port, x.truth = end, truth
	x.begun = time.Now()
	if x.stop {
		x.begun = x.begun.Add(-time.Hour)
	}
	buf, text := make([]byte, 256), ""
	for {
		x.mu.Unlock()
		n, err := end.Read(buf, time.Hour)
		x.mu.Lock()
		if errors.Is(err, device.ErrClosed) {
			return
		}
		text += string(buf[:n])
		for {
			line, rest, found := strings.Cut(text, "\n")
			if !found {
				break
			}
			text = rest
			if x.latency > 0 && !x.wait(x.latency) {
				return
			}
			x.command(line)
		}
	}
}

// wait lets time pass, in which the box may be changed.
func (x *box) wait(d time.Duration) bool {
	x.mu.Unlock()
	defer x.mu.Lock()
	return x.port.Wait(d)
}

// by has the box changed while it plays.
func (x *box) by(change func(*box)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	change(x)
}

func (x *box) say(lines ...string) {
	end := x.end
	if end == "" {
		end = "\n"
	}
	for _, l := range lines {
		x.port.Write([]byte(l + end))
	}
}

// command carries out one.
func (x *box) command(c string) {
	x.commands = append(x.commands, c)
	if x.acks && c != ":ACKN ON" {
		x.say(c)
		if x.pause > 0 && !x.wait(x.pause) {
			return
		}
	}
	if x.answer != nil {
		if text := x.answer(c); text != "" {
			if text != "silence" {
				x.say(text)
			}
			return
		}
	}
	question, asks := strings.CutSuffix(c, "?")
	switch {
	case x.deaf != "" && strings.HasPrefix(c, x.deaf):
	case asks:
		x.ask(question)
	case c == "CLEA":
		if x.stray != "" && x.n%3 == 2 {
			x.say(x.stray)
		}
		if !x.coun {
			x.start()
		}
	case c == ":COUN:ON":
		x.start()
	case strings.HasPrefix(c, ":ACKN") && x.old:
		x.say("Unknown Command")
	case strings.HasPrefix(c, ":ACKN "):
		x.acks = c == ":ACKN ON"
	default:
		if !x.set(strings.TrimPrefix(c, ":")) {
			x.say("Unknown Command")
		}
	}
}

func (x *box) set(c string) bool {
	words := map[string]func(string) bool{
		"DWEL ": func(v string) bool {
			s, err := strconv.ParseFloat(v, 64)
			x.dwell = time.Duration(s * 1e9)
			return err == nil
		},
		"WIND ": func(v string) (ok bool) { x.window, ok = number(v); return ok },
		"DELA ": func(v string) (ok bool) { x.delay, ok = number(v); return ok },
	}
	onOff := func(to *bool, on, off string) func(string) bool {
		return func(v string) bool { *to = v == on; return v == on || v == off }
	}
	if x.old {
		words["GATE "], words["SUBT "], words["TRIG "] = onOff(&x.gate, "1", "0"), onOff(&x.subtract, "1", "0"), onOff(&x.stop, "1", "0")
	} else {
		words["GATE:"], words["SUBT:"], words["TRIG:MODE "] = onOff(&x.gate, "ON", "OFF"), onOff(&x.subtract, "ON", "OFF"), onOff(&x.stop, "STOP", "CONT")
	}
	for word, do := range words {
		if v, is := strings.CutPrefix(c, word); is {
			return do(v)
		}
	}
	return false
}

func number(v string) (int, bool) {
	n, err := strconv.Atoi(v)
	return n, err == nil
}

func (x *box) ask(question string) {
	onOff := func(on bool, yes, no string) {
		if x.old {
			yes, no = "1", "0"
		}
		x.say(map[bool]string{false: no, true: yes}[on])
	}
	unit := func(u string) string { return map[bool]string{true: u}[x.units] }
	switch question {
	case "FIRM":
		if x.unknown > 0 {
			x.unknown--
			x.say("Unknown Command")
			return
		}
		x.say("Firmware " + x.version)
	case "DWEL":
		v := x.dwell.Seconds()
		if x.old {
			v *= 1000
		}
		x.say(strconv.FormatFloat(v, 'f', -1, 64) + unit(" s"))
	case "GATE":
		onOff(x.gate, "ON", "OFF")
	case "SUBT":
		onOff(x.subtract, "ON", "OFF")
	case "TRIG":
		onOff(x.stop, "MODE STOP", "MODE CONT")
	case "WIND":
		x.say(strconv.Itoa(x.window) + unit(" ns"))
	case "DELA":
		x.say(strconv.Itoa(x.delay) + unit("ns"))
	case "COUN:C1", "COUN:C2", "COUN:CO":
		x.count(strings.Index("C1C2CO", question[5:]) / 2)
	default:
		x.say("Unknown Command")
	}
}

// start begins a gate; the one before was a reading when all was asked for.
func (x *box) start() {
	x.next(time.Now())
	x.edges = append(x.edges, devicetest.Clock())
}

func (x *box) next(begun time.Time) {
	x.begun = begun
	x.n++
	x.triple = nil
}

// count says a total. In continuous mode the last three that were said before it
// is cleared are the reading.
func (x *box) count(c int) {
	for !x.stop && !x.endless && time.Since(x.begun) >= x.dwell {
		if x.last != nil {
			x.truth.Add(x.last...)
			x.last = nil
		}
		x.next(x.begun.Add(x.dwell))
	}
	part := float64(time.Since(x.begun)) / float64(x.dwell)
	if !x.endless {
		part = min(part, 1)
	}
	v := uint64(part * float64([]uint64{57012 + 977*x.n, 27003 + 331*x.n, 3007 + 101*x.n}[c]))
	if x.dark {
		v = 0
	}
	if c == 0 {
		x.triple = nil
	}
	if x.triple = append(x.triple, v); len(x.triple) == channels {
		if x.stop && !slices.Equal(x.triple, x.last) { // asked for again after trouble on the way
			x.truth.Add(x.triple...)
		}
		x.last, x.triple = x.triple, nil
	}
	if x.junk != "" {
		x.say(strings.Split(x.junk, "|")...)
	}
	x.say(fmt.Sprint(v))
}
