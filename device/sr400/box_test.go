package sr400

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"photongate/device"
	"photongate/device/devicetest"
)

// box is an SR400 as its description has it, for tests.
type box struct {
	end     string        // of an answer; "\r" when empty
	echo    bool          // sends back what it receives
	latency time.Duration // of an answer
	garbage bool          // the first character after power-up is spoiled
	deaf    string        // commands that begin so have no effect
	mute    string        // questions that begin so get no answer
	adapter bool          // a Prologix-style adapter is between: ++ commands, nothing but LF ends a line
	extra   time.Duration // by how much a period is longer than documented
	rolls   bool          // an automatic new scan does not clear the buffer
	noCount int           // this point is -1 for ever
	resetAt string        // somebody resets the counters after this question
	dark    bool
	holdAt  int           // this answer, of all, and what follows it are held back
	holdFor time.Duration // so long; 0, with an adapter: until one more is read than asked for
	extraAt int           // ahead of this answer comes a line too many

	mu       sync.Mutex // held but while it waits for bytes
	set      map[string]float64
	bits     int // status
	counting bool
	ends     time.Time // of the running period
	left     time.Duration
	points   [][2]uint64 // of the scan
	cleared  [2]uint64   // the last point of the one before
	n        uint64      // of all points
	port     *devicetest.End
	truth    *devicetest.Truth
	commands []string
	starts   []int64
	periods  []int64 // when each ended
	auto     string  // of the adapter
	answers  int     // given
	release  time.Time
	held     []string
}

func newBox() *box {
	return &box{latency: time.Millisecond, set: map[string]float64{
		"CM": 0, "CI0": 1, "CI1": 2, "CI2": 0, "CP2": 1e6, "CP1": 1e3, "NP": 2000, "NE": 0, "DT": 2e-3,
		"DS0": 1, "DS1": 1, "DL0": -0.01, "DL1": -0.01, "TS": 0, "TL": 0, "GM0": 0, "GM1": 0,
		"GD0": 0, "GD1": 0, "GW0": 5e-9, "GW1": 5e-9, "PL1": 0, "PL2": 0, "MI": 0,
	}}
}

// play runs the box until its port ends.
func (x *box) play(end *devicetest.End, truth *devicetest.Truth) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.port, x.truth = end, truth
	if x.counting {
		x.counting = false
		x.start()
	}
	buf, text := make([]byte, 256), ""
	for {
		wait := time.Hour
		if x.counting {
			wait = time.Until(x.ends)
		}
		if len(x.held) > 0 && x.holdFor > 0 {
			wait = min(wait, time.Until(x.release))
		}
		n, err := 0, error(device.ErrTimeout)
		if wait > 0 {
			x.mu.Unlock()
			n, err = end.Read(buf, wait)
			x.mu.Lock()
		}
		if errors.Is(err, device.ErrClosed) {
			return
		}
		x.tick()
		if len(x.held) > 0 && x.holdFor > 0 && !time.Now().Before(x.release) {
			x.port.Write([]byte(strings.Join(x.held, "")))
			x.held = nil
		}
		text += string(buf[:n])
		if n > 0 && x.garbage {
			x.garbage = false
			text = "\x7f" + text[1:]
		}
		for {
			i := strings.IndexAny(text, "\r\n")
			if i < 0 || x.adapter && text[i] == '\r' {
				break
			}
			line := text[:i]
			text = text[i+1:]
			if line != "" && x.latency > 0 && !x.wait(x.latency) {
				return
			}
			x.tick()
			x.line(line)
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
	x.tick()
	change(x)
}

func (x *box) gate() time.Duration { return time.Duration(x.set["CP2"]) * 100 * time.Nanosecond }
func (x *box) dwell() time.Duration {
	return time.Duration(x.set["DT"]*1e9)*time.Nanosecond + x.extra
}

func (x *box) start() {
	if x.counting {
		return
	}
	x.counting = true
	x.starts = append(x.starts, devicetest.Clock())
	wait := x.gate()
	if x.left > 0 {
		wait, x.left = x.left, 0
	}
	x.ends = time.Now().Add(wait)
}

func (x *box) reset() { x.points, x.counting, x.left = nil, false, 0 }

// tick ends the periods that are over.
func (x *box) tick() {
	for x.counting && !time.Now().Before(x.ends) {
		x.n++
		v := [2]uint64{12345 + 7*x.n, 678 + x.n}
		if x.dark {
			v = [2]uint64{}
		}
		if len(x.points) >= int(x.set["NP"]) {
			x.points = nil
		}
		x.points = append(x.points, v)
		if len(x.points) != x.noCount {
			x.truth.Add(v[:x.channels()]...)
		}
		x.periods = append(x.periods, x.ends.UnixNano())
		x.bits |= 2
		x.ends = x.ends.Add(x.dwell() + x.gate())
		if len(x.points) == int(x.set["NP"]) {
			x.bits |= 4
			x.counting = x.set["NE"] == 1
			if x.counting && !x.rolls {
				x.cleared = x.points[len(x.points)-1]
				x.points = nil
			}
		}
	}
}

func (x *box) channels() int {
	if x.set["CM"] == 3 {
		return 1
	}
	return 2
}

func (x *box) line(line string) {
	if x.adapter && strings.HasPrefix(line, "++") {
		x.commands = append(x.commands, line)
		if v, is := strings.CutPrefix(line, "++auto "); is {
			x.auto = v
		}
		if strings.HasPrefix(line, "++read") && len(x.held) > 0 && x.holdFor == 0 {
			x.port.Write([]byte(x.held[0]))
			x.held = x.held[1:]
		}
		return
	}
	for c := range strings.SplitSeq(line, ";") {
		c = strings.ToUpper(strings.ReplaceAll(c, " ", ""))
		if c == "" {
			continue
		}
		x.commands = append(x.commands, c)
		if x.echo {
			x.port.Write([]byte(c + "\r\n"))
		}
		if x.deaf != "" && strings.HasPrefix(c, x.deaf) && strings.ContainsAny(c[2:], ",.") {
			continue
		}
		if x.mute != "" && strings.HasPrefix(c, x.mute) {
			x.bits |= 128
			continue
		}
		x.command(c)
		if c == x.resetAt {
			x.reset()
		}
	}
}

func (x *box) say(v string) {
	end := x.end
	if end == "" {
		end = "\r"
	}
	if x.echo || x.adapter {
		end = "\r\n"
	}
	if x.adapter && x.auto != "1" {
		return
	}
	if x.answers++; x.answers == x.extraAt {
		x.port.Write([]byte("680" + end))
	}
	if x.answers == x.holdAt {
		x.release, x.held = time.Now().Add(x.holdFor), []string{v + end}
		return
	}
	if len(x.held) == 0 {
		x.port.Write([]byte(v + end))
		return
	}
	x.held = append(x.held, v+end)
	if x.holdFor == 0 { // the adapter hears one, and that is an older one
		x.port.Write([]byte(x.held[0]))
		x.held = x.held[1:]
	}
}

func (x *box) command(c string) {
	switch {
	case c == "SS":
		x.say(strconv.Itoa(x.bits))
		x.bits = 0
	case strings.HasPrefix(c, "SS"):
		bit, _ := strconv.Atoi(c[2:])
		x.say(strconv.Itoa(x.bits >> bit & 1))
		x.bits &^= 1 << bit
	case c == "SI2":
		x.say(map[bool]string{false: "0", true: "1"}[x.counting])
	case strings.HasPrefix(c, "QA"), strings.HasPrefix(c, "QB"):
		x.point(c)
	case c == "CR":
		x.reset()
	case c == "CS":
		x.start()
	case c == "CH":
		if x.counting {
			x.counting, x.left = false, max(time.Until(x.ends), 1)
		}
	default:
		x.setting(c)
	}
}

func (x *box) point(c string) {
	b := 0
	if c[1] == 'B' {
		b = 1
	}
	if c == "QA" || c == "QB" {
		last := x.cleared
		if len(x.points) > 0 {
			last = x.points[len(x.points)-1]
		}
		x.say(fmt.Sprint(last[b]))
		return
	}
	m, err := strconv.Atoi(c[2:])
	if err != nil || m < 1 || m > 2000 {
		x.bits |= 128
		return
	}
	if m > len(x.points) || m == x.noCount || b == 1 && x.channels() == 1 {
		x.say("-1")
		return
	}
	x.say(fmt.Sprint(x.points[m-1][b]))
}

// setting asks for or sets one.
func (x *box) setting(c string) {
	if v, ok := x.set[c]; ok {
		text := strconv.FormatFloat(v, 'G', -1, 64)
		if v != math.Trunc(v) {
			text = strconv.FormatFloat(v, 'E', 4, 64)
		}
		x.say(text)
		return
	}
	for key := range x.set {
		rest, is := strings.CutPrefix(c, key)
		rest = strings.TrimPrefix(rest, ",")
		v, err := strconv.ParseFloat(rest, 64)
		if !is || err != nil {
			continue
		}
		if key == "CP2" || key == "CP1" || key == "DT" { // one significant digit
			unit := math.Pow(10, math.Floor(math.Log10(v)+1e-9))
			v = math.Floor(v/unit+1e-9) * unit
			if unit < 1 {
				v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'E', 0, 64), 64)
			}
		}
		x.set[key] = v
		if key == "CM" {
			x.reset()
		}
		if key[:2] == "CP" {
			x.command("CH")
		}
		return
	}
	x.bits |= 128
}
