package cd48

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"photongate/device"
	"photongate/device/devicetest"
)

// box is a CD48 as its description has it, for tests. It parses commands by
// their fixed lengths, so that any terminator or none will do.
type box struct {
	acks     string // what set commands answer: nothing, "OK\r\n"
	echo     bool
	mute     string        // commands that are not answered, like "pP"
	latency  time.Duration // of an answer
	reversed bool          // "p" shows masks with A as bit 0
	end      string        // of a line; "\r\n" when empty
	deaf     string        // set commands that have no effect
	mishears bool          // the last digit of a threshold is lost
	late     int           // the answer to every late-th "c" comes 1.5 s late
	status   func(n uint64) uint8

	mu sync.Mutex // held but while it waits for bytes; see by

	masks    [counters]int
	interval int
	repeat   bool
	trigger  int
	high     int
	commands []string

	n      uint64 // readings given
	next   time.Time
	wrong  bool // the next repeat line is the first after enabling
	port   *devicetest.End
	truth  *devicetest.Truth
	asked  int
	clears []int64 // when each "c" was carried out
	buffer string
}

func newBox() *box {
	return &box{masks: [counters]int{8, 4, 2, 1, 12, 10, 9, 15}, interval: 1000, trigger: 50, high: 1}
}

// arguments is how many characters follow each letter.
var arguments = map[byte]int{'L': 3, 'V': 3, 'r': 5, 'S': 5}

// play runs the box until its port ends.
func (x *box) play(end *devicetest.End, truth *devicetest.Truth) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.port, x.truth = end, truth
	x.enable(x.repeat)
	x.wrong = false
	buf := make([]byte, 256)
	for {
		wait := time.Hour
		if x.repeat {
			wait = time.Until(x.next)
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
		if x.repeat && !time.Now().Before(x.next) {
			x.next = x.next.Add(time.Duration(x.interval) * time.Millisecond)
			x.line(x.wrong)
			x.wrong = false
		}
		x.buffer += string(buf[:n])
		for x.command() {
		}
	}
}

// by has the box changed while it plays.
func (x *box) by(change func(*box)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	change(x)
}

// command carries out the next complete command received.
func (x *box) command() bool {
	x.buffer = strings.TrimLeft(x.buffer, "\r\n")
	if x.buffer == "" {
		return false
	}
	size := 1 + arguments[x.buffer[0]]
	if len(x.buffer) < size {
		return false
	}
	c := x.buffer[:size]
	x.buffer = x.buffer[size:]
	x.commands = append(x.commands, c)
	if x.echo {
		x.send(c + "\r")
	}
	if x.latency > 0 && !x.port.Wait(x.latency) {
		return false
	}
	if strings.Contains(x.mute, c[:1]) {
		return true
	}
	switch c[0] {
	case 'c':
		if x.asked++; x.late > 0 && x.asked > 5 && x.asked%x.late == 0 {
			if !x.port.Wait(1500 * time.Millisecond) {
				return false
			}
		}
		x.clears = append(x.clears, devicetest.Clock())
		x.line(false)
	case 'E':
		x.send("0" + x.lineEnd())
	case 'v':
		x.send("CD48 v2.04" + x.lineEnd())
	case 'p':
		x.settings()
	case 'P':
		x.send("free text" + x.lineEnd())
	default:
		x.set(c)
		x.send(x.acks)
	}
	return true
}

func (x *box) set(c string) {
	if strings.Contains(x.deaf, c[:1]) {
		return
	}
	switch c[0] {
	case 'R':
		x.enable(!x.repeat)
	case 'r':
		_, _ = fmt.Sscanf(c[1:], "%d", &x.interval)
	case 'L':
		_, _ = fmt.Sscanf(c[1:], "%d", &x.trigger)
		if x.mishears {
			x.trigger /= 10
		}
	case 'S':
		_, _ = fmt.Sscanf(c[2:], "%b", &x.masks[c[1]-'0'])
	case 'Z':
		x.high = 1
	case 'z':
		x.high = 0
	}
}

func (x *box) enable(on bool) {
	x.repeat, x.wrong = on, on
	x.next = time.Now().Add(time.Duration(x.interval) * time.Millisecond)
}

func (x *box) settings() {
	var f []string
	for _, m := range x.masks {
		if x.reversed {
			m = m&1<<3 | m&2<<1 | m&4>>1 | m&8>>3
		}
		f = append(f, fmt.Sprint(m))
	}
	on := map[bool]int{true: 1}[x.repeat]
	x.send(fmt.Sprintf("%s %d %d %d %d%s", strings.Join(f, " "), x.interval, on, x.trigger, x.high, x.lineEnd()))
}

// line gives the next reading. Values differ from reading to reading, and
// coincidences stay below singles.
func (x *box) line(wrong bool) {
	x.n++
	v := []uint64{57012 + x.n, 47003 + x.n, 46944 + x.n, 41101 + x.n, 3007 + x.n, 2988 + x.n, 12 + x.n, 60 + x.n}
	var status uint8
	if x.status != nil {
		status = x.status(x.n)
	}
	if wrong {
		v = make([]uint64, counters)
	} else {
		x.truth.Add(v...)
	}
	x.send(fmt.Sprintf("%s %d%s", strings.Trim(fmt.Sprint(v), "[]"), status, x.lineEnd()))
}

func (x *box) lineEnd() string {
	if x.end != "" {
		return x.end
	}
	return "\r\n"
}

func (x *box) send(s string) {
	if s != "" {
		x.port.Write([]byte(s))
	}
}

// heldUp is a port of a computer that has no time now and then: for a while
// after each every-th Write, or before a Read returns.
type heldUp struct {
	device.Port
	every           int
	write, read     time.Duration
	writes          int
	readHeldAlready int
}

func (p *heldUp) Write(b []byte) (int64, error) {
	_, err := p.Port.Write(b)
	if p.writes++; p.writes%p.every == 0 {
		<-time.After(p.write)
	}
	return devicetest.Clock(), err
}

func (p *heldUp) Read(b []byte, timeout time.Duration) (int, int64, error) {
	n, at, err := p.Port.Read(b, timeout)
	if n > 0 && p.writes%p.every == 1 && p.writes != p.readHeldAlready {
		p.readHeldAlready = p.writes
		<-time.After(p.read)
		at = devicetest.Clock()
	}
	return n, at, err
}
