package homebuilt

import (
	"slices"
	"strings"
	"time"

	"photongate/instrument"
	"photongate/sim"
)

// inboxBytes is what it can hold of what it is sent while it has no time to
// listen; more is lost, as in an Arduino.
const inboxBytes = 256

const (
	// digitWait is how long it waits for more digits of a number that nothing ends.
	digitWait = 50 * time.Millisecond
	// wordWait is how long it waits for the rest of what has begun.
	wordWait = time.Second
)

// hearing is what came from the host and is not understood yet.
type hearing struct {
	bytes []byte
	deaf  bool      // until something ends
	until time.Time // when it waits no more; zero: it does not wait
}

// receive takes bytes from the host.
func (c *Counter) receive(now time.Time, data []byte, line sim.Line) {
	if t := c.file.Text; t != nil && t.Echo {
		line.Send(now, data)
	}
	for len(data) > 0 && len(c.heard.bytes) < inboxBytes {
		n := min(len(data), inboxBytes-len(c.heard.bytes))
		c.heard.bytes = append(c.heard.bytes, data[:n]...)
		data = data[n:]
		c.obey(now, line)
	}
}

// obey does what is complete of what came.
func (c *Counter) obey(now time.Time, line sim.Line) {
	h := &c.heard
	h.until = time.Time{}
	for len(h.bytes) > 0 && !(c.asked && c.file.Gate.By == instrument.ByAnswer) {
		if h.deaf && !c.hearEnd() {
			h.until = now.Add(wordWait)
			return
		}
		if len(h.bytes) == 0 {
			return
		}
		w, n, values, wait := c.find()
		switch {
		case wait > 0:
			h.until = now.Add(wait)
			return
		case w == nil:
			c.misunderstand(now, line)
		default:
			h.bytes = h.bytes[n:]
			c.do(now, w, values, line)
		}
	}
}

// find is the longest thing it understands at the beginning of what came; wait is
// how long more of it may be awaited.
func (c *Counter) find() (best *word, length int, values map[string]any, wait time.Duration) {
	for i := range c.words {
		fit, n, v := match(c.file, c.words[i].to, c.heard.bytes)
		if fit == part || fit == open {
			wait = max(wait, wordWait)
		}
		if fit >= open && n > length {
			best, length, values = &c.words[i], n, v
		}
	}
	if best != nil && wait > 0 {
		wait = digitWait
	}
	return best, length, values, wait
}

// quiet takes what came for all that will come.
func (c *Counter) quiet(at time.Time, line sim.Line) {
	h := &c.heard
	h.until = time.Time{}
	if h.deaf {
		h.deaf, h.bytes = false, nil
		return
	}
	if w, n, values, _ := c.find(); w != nil {
		h.bytes = h.bytes[n:]
		c.do(at, w, values, line)
		c.obey(at, line)
		return
	}
	h.bytes = nil
}

// do does one thing that was understood.
func (c *Counter) do(now time.Time, w *word, values map[string]any, line sim.Line) {
	if c.refuse {
		c.refuse = false
		c.say(now, []byte(c.play.Unknown), line)
		return
	}
	taken := map[string]any{}
	for name, sent := range values {
		s := c.file.Setting(name)
		if s == nil {
			continue
		}
		v, ok := take(s, sent, c.play.Unknown == "")
		if !ok {
			c.say(now, []byte(c.play.Unknown), line)
			return
		}
		taken[name] = v
	}
	for name, v := range taken {
		changed := c.settings[name] != v
		c.settings[name] = v
		if changed && name == c.file.Gate.Setting && c.file.Poll == nil {
			c.count(now)
			clear(c.reading.counts)
			c.begin(now)
		}
	}
	w.does(now, line)
}

// reply says what a file says is said.
func (c *Counter) reply(now time.Time, r *instrument.Reply, line sim.Line) {
	delay := r.Delay
	if delay == 0 {
		delay = c.play.Delay
	}
	line.Send(now.Add(delay), c.fill(r.Say))
	if c.tagger != nil && r.Stream != "" {
		c.stream(now, r.Stream)
	}
}

// say answers.
func (c *Counter) say(now time.Time, text []byte, line sim.Line) {
	line.Send(now.Add(c.play.Delay), text)
}

// ends are the bytes by which what it understands ends, if that is more than a
// byte or a number; without any, each byte is taken for itself.
func (c *Counter) ends() string {
	var ends []byte
	for _, w := range c.words {
		last := w.to.Parts[len(w.to.Parts)-1]
		if len(last.Bytes) == 0 || len(last.Bytes) == 1 && len(w.to.Parts) == 1 {
			continue
		}
		b := last.Bytes[len(last.Bytes)-1]
		letter := b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9'
		if !letter {
			ends = append(ends, b)
		}
	}
	return string(ends)
}

// hearEnd throws away what came, with the first end in it; false says that there
// is none.
func (c *Counter) hearEnd() bool {
	h := &c.heard
	ends := c.ends()
	i := slices.IndexFunc(h.bytes, func(b byte) bool { return strings.IndexByte(ends, b) >= 0 })
	if i < 0 {
		h.bytes = h.bytes[:0]
		return false
	}
	h.bytes, h.deaf = h.bytes[i+1:], false
	return true
}

// misunderstand leaves out what it does not know and says so; an empty line is not
// worth it.
func (c *Counter) misunderstand(now time.Time, line sim.Line) {
	h := &c.heard
	blank := strings.ContainsRune(" \t\r\n", rune(h.bytes[0]))
	switch ends := c.ends(); {
	case ends == "" || blank:
		h.bytes = h.bytes[1:]
	default:
		h.deaf = true
	}
	if !blank {
		c.say(now, []byte(c.play.Unknown), line)
	}
}
