package homebuilt

import (
	"fmt"
	"strings"
	"time"

	"photongate/instrument"
	"photongate/sim"
)

// word is something the instrument understands.
type word struct {
	to    instrument.Template
	does  func(now time.Time, line sim.Line)
	reply *instrument.Reply // if it is one
}

// learn finds out what it understands and what it sends.
func (c *Counter) learn() (err error) {
	f := c.file
	c.places = make([]int, len(f.Channels))
	for i, ch := range f.Channels {
		c.places[i] = ch.Decimals
	}
	if c.tagger == nil {
		if c.message, err = c.newMessage(); err != nil {
			return err
		}
	}
	for i := range c.play.Replies {
		r := &c.play.Replies[i]
		c.words = append(c.words, word{r.To, func(now time.Time, line sim.Line) { c.reply(now, r, line) }, r})
	}
	c.understand(f.Open.Ask, func(now time.Time, line sim.Line) {
		answer := string(f.Open.Answer)
		if f.Text != nil {
			answer += c.lineEnd()
		}
		c.say(now, []byte(answer), line)
	})
	if f.Poll != nil {
		c.understand(f.Poll.Send, c.poll)
	}
	for _, t := range f.Open.Send {
		c.understand(t, nil)
	}
	if f.KeepAlive != nil {
		c.understand(f.KeepAlive.Send, nil)
	}
	for i := range f.Settings {
		if err := c.learnSetting(&f.Settings[i]); err != nil {
			return err
		}
	}
	return nil
}

// understand adds something that it understands and that has no reply of its own.
func (c *Counter) understand(t instrument.Template, does func(time.Time, sim.Line)) {
	if t.IsEmpty() {
		return
	}
	if does == nil {
		does = func(time.Time, sim.Line) {}
	}
	c.words = append(c.words, word{to: t, does: does})
}

// learnSetting adds the command and the question of a setting. Where the answer is
// not told by a reply, it is one that the file takes for an answer.
func (c *Counter) learnSetting(s *instrument.Setting) error {
	value := c.valueOf(s)
	command, read := always(""), value // where there is no pattern
	if s.Answer != nil {
		command = answering(s.Answer, value)
	}
	if s.ReadAnswer != nil {
		read = answering(s.ReadAnswer, value)
	}
	for _, way := range []struct {
		to     instrument.Template
		answer func() string
	}{{s.Command, command}, {s.Read, read}} {
		if way.to.IsEmpty() {
			continue
		}
		if way.answer == nil && !c.replies(way.to) {
			return fmt.Errorf("setting %s: it is not known what is answered to %s (expected a [[simulate.reply]] with that under \"to\", and with what it says)", s.Name, shown(way.to))
		}
		c.understand(way.to, func(now time.Time, line sim.Line) {
			if text := way.answer(); text != "" {
				c.say(now, []byte(text+c.lineEnd()), line)
			}
		})
	}
	return nil
}

// valueOf is what a setting is, written as its command has it.
func (c *Counter) valueOf(s *instrument.Setting) func() string {
	p := instrument.Part{Name: s.Name}
	for _, in := range s.Command.Parts {
		if width, _ := instrument.BinaryFormat(in.Format); in.Name == s.Name && width == 0 {
			p.Format = in.Format
		}
	}
	return func() string { return string(c.fill(instrument.Template{Parts: []instrument.Part{p}})) }
}

// answering finds an answer that fits a pattern: the value, or that all is well;
// nil when none of these does.
func answering(pattern *instrument.Pattern, value func() string) func() string {
	for _, answer := range []func() string{value, always("OK"), always("ok"), always("Ok"), always("done")} {
		if pattern.MatchString(answer()) {
			return answer
		}
	}
	return nil
}

// always is an answer that never changes.
func always(text string) func() string { return func() string { return text } }

// replies reports whether there is a reply to what a template sends.
func (c *Counter) replies(t instrument.Template) bool {
	sent := c.fill(t)
	for _, w := range c.words {
		if fit, n, _ := match(c.file, w.to, sent); w.reply != nil && fit >= open && n == len(sent) {
			return true
		}
	}
	return false
}

// shown writes a template as a file has it, nearly.
func shown(t instrument.Template) string {
	var b strings.Builder
	for _, p := range t.Parts {
		if p.Name != "" {
			b.WriteString("{" + p.Name + "}")
		} else {
			b.WriteString(string(p.Bytes))
		}
	}
	return fmt.Sprintf("%q", b.String())
}
