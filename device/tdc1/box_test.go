package tdc1

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"photongate/device"
	"photongate/device/devicetest"
)

// box is a TDC1 as its description has it, for tests.
type box struct {
	end     string // of a line
	blank   string // between counts
	latency time.Duration
	mute    []string // queries that are not answered
	deaf    []string // commands that have no effect
	mishear func(ms int) int
	streams bool // it is streaming
	busy    time.Duration
	late    int // the answer to every late-th question comes 1.5 s late
	rate    uint64

	changeAt uint64 // after so many measurements
	change   func(*box)
	lose     bool              // the next answer with counts
	slow     time.Duration     // that answer comes later
	wrongly  map[string]string // told in the next answer to a query

	light *light // what it sends in timestamp mode; nil: no more than dark

	mu       sync.Mutex // held but while it waits
	mode     int
	ms       int
	volt     float64
	refclk   int
	commands []string

	n      uint64 // measurements
	asked  int
	began  []int64 // when each measurement began
	port   *devicetest.End
	truth  *devicetest.Truth
	buffer string
}

func newBox() *box {
	return &box{end: "\r\n", blank: " ", ms: 100, volt: -0.5}
}

// dark is what a stream sends without events: the example of the description.
var dark = []byte{0x11, 0xEF, 0x01, 0x00, 0x11, 0xEF, 0x01, 0x80}

// play runs the box until its port ends.
func (x *box) play(end *devicetest.End, truth *devicetest.Truth) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.port, x.truth = end, truth
	if x.busy > 0 && !end.Wait(x.busy) {
		return
	}
	buf := make([]byte, 256)
	for {
		wait := time.Hour
		if x.streams {
			wait = 10 * time.Millisecond
		}
		if x.streams && x.light != nil {
			wait = x.light.wait()
		}
		x.mu.Unlock()
		n, err := end.Read(buf, wait)
		x.mu.Lock()
		if errors.Is(err, device.ErrClosed) {
			return
		}
		switch {
		case x.streams && x.light != nil:
			x.light.shine(end)
		case x.streams && n == 0:
			end.Write(dark)
		}
		x.buffer += string(buf[:n])
		for {
			i := strings.IndexAny(x.buffer, ";\n")
			if i < 0 {
				break
			}
			c := strings.ToLower(strings.TrimSpace(x.buffer[:i]))
			x.buffer = x.buffer[i+1:]
			if c != "" && !x.command(c) {
				return
			}
		}
	}
}

// command carries one out. It reports false when the port has ended.
func (x *box) command(c string) bool {
	x.commands = append(x.commands, c)
	word, _, _ := strings.Cut(c, " ")
	if slices.Contains(x.mute, word) || slices.Contains(x.deaf, word) {
		return true
	}
	if x.latency > 0 && !x.port.Wait(x.latency) {
		return false
	}
	if text, wrong := x.wrongly[word]; wrong {
		delete(x.wrongly, word)
		x.say(text)
		return true
	}
	switch word {
	case "*idn?":
		x.say("S-Fifteen TDC1 v2")
	case "mode?":
		x.say(fmt.Sprint(x.mode))
	case "time?":
		x.say(fmt.Sprint(int16(x.ms)))
	case "level?":
		x.say(fmt.Sprintf("%.4f V negative", x.volt))
	case "refclk?":
		x.say(fmt.Sprint(x.refclk))
	case "eclock?":
		x.say("0")
	case "counts?":
		return x.measure()
	default:
		x.set(c)
	}
	return true
}

func (x *box) set(c string) {
	switch word, arg, _ := strings.Cut(c, " "); word {
	case "abort":
		x.streams = false
	case "singles":
		x.mode = 0
	case "pairs":
		x.mode = 1
	case "timestamp":
		x.mode = 3
	case "time":
		_, _ = fmt.Sscan(arg, &x.ms)
		if x.mishear != nil {
			x.ms = x.mishear(x.ms)
		}
	case "pos", "neg":
		_, _ = fmt.Sscan(arg, &x.volt)
		x.volt = float64(int(x.volt*128)) / 128 // steps of its converter
	case "ttl":
		x.volt = 1.2
	case "nim":
		x.volt = -0.4
	case "refclk":
		_, _ = fmt.Sscan(arg, &x.refclk)
	}
}

// measure counts for its time and answers. No two answers are the same.
func (x *box) measure() bool {
	if x.mode == 3 {
		x.streams = true
		if x.light != nil {
			x.light.begin()
		}
		return true
	}
	if x.change != nil && x.n == x.changeAt {
		x.change(x)
		x.change = nil
	}
	x.began = append(x.began, devicetest.Clock())
	x.mu.Unlock()
	there := x.port.Wait(time.Duration(x.ms) * time.Millisecond)
	x.mu.Lock()
	if !there || x.latency > 0 && !x.port.Wait(x.latency) {
		return false
	}
	if x.asked++; x.late > 0 && x.asked%x.late == 0 && !x.port.Wait(1500*time.Millisecond) {
		return false
	}
	x.n++
	if x.slow > 0 && !x.port.Wait(x.slow) {
		return false
	}
	x.slow = 0
	if x.lose {
		x.lose = false
		return true
	}
	v := []uint64{81403 + x.n, 79218 + x.n, 40211 + x.n, 40007 + x.rate + x.n}
	if x.mode == 1 {
		v = append(v, 3102+x.n, 12+x.n, 9+x.n, 2988+x.n)
	}
	x.truth.Add(v...)
	var words []string
	for _, n := range v {
		words = append(words, fmt.Sprint(n))
	}
	x.say(strings.Join(words, x.blank))
	return true
}

func (x *box) say(line string) { x.port.Write([]byte(line + x.end)) }

// by has the box changed while it plays.
func (x *box) by(change func(*box)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	change(x)
}
