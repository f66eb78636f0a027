package tdc1

import (
	"bytes"
	"fmt"
	"strings"

	"photongate/device"
)

// check is a setting as the unit told it last.
type check struct {
	query, told string
	same        func(told, now string) bool
}

// verification asks for the settings again, one after the other, when something was
// lost or late: a unit that restarted by itself may have others, and would count for
// another time than is said. An answer that is none, or another one that does not come
// twice, says nothing.
type verification struct {
	checks []check
	at     int    // of those, the one that was asked for
	tries  int    // how often
	other  string // the answer before, when it was another
}

// checks lists the settings that the unit tells.
func (o *opening) checks() []check {
	list := []check{{query: "mode?", told: o.answers["mode?"], same: sameBy(parseMode)}, {query: "time?", told: o.answers["time?"], same: sameBy(parseTime)}}
	list = append(list, check{"level?", o.level, func(told, now string) bool {
		a, _ := parseLevel(told)
		b, ok := parseLevel(now)
		return !ok || max(a-b, b-a) <= rounding
	}}, check{"refclk?", o.answers["refclk?"], sameBy(parseClock)})
	var told []check
	for _, c := range list {
		if c.told != "" {
			told = append(told, c)
		}
	}
	return told
}

// sameBy compares answers by what they are read as; one that cannot be read is the
// same.
func sameBy[T comparable](parse func(string) (T, bool)) func(told, now string) bool {
	return func(told, now string) bool {
		a, _ := parse(told)
		b, ok := parse(now)
		return !ok || a == b
	}
}

// verify begins to ask for the settings.
func (c *counting) verify() error {
	c.doubt, c.at, c.tries = false, 0, 0
	return c.askSetting()
}

// askSetting asks for the next setting, or ends the verification.
func (c *counting) askSetting() error {
	if c.at == len(c.checks) {
		return c.ask()
	}
	if c.tries == 0 {
		c.other = ""
	}
	c.tries++
	c.state, c.buf = verifying, c.buf[:0]
	c.quiet = c.clock() + int64(answerLimit)
	_, err := c.port.Write([]byte(c.checks[c.at].query + lineEnd))
	return err
}

// told takes bytes in while the answer to such a question is due.
func (c *counting) told(chunk []byte) error {
	c.buf = append(c.buf, chunk...)
	for {
		line, rest, found := bytes.Cut(c.buf, []byte{'\n'})
		if !found {
			if len(c.buf) > maxLine {
				c.buf = c.buf[:0]
			}
			return nil
		}
		trimmed, _ := trimLine(line)
		now := string(trimmed)
		c.buf = append(c.buf[:0], rest...)
		if now != "" && !strings.EqualFold(now, c.checks[c.at].query) {
			return c.judge(now)
		}
	}
}

// judge compares an answer, empty for none, with what the unit told before.
func (c *counting) judge(now string) error {
	k := c.checks[c.at]
	switch {
	case now != "" && !k.same(k.told, now) && now == c.other:
		return fmt.Errorf("%w: asked %q the unit said %q and now says %q", device.ErrChanged, k.query, k.told, now)
	case c.tries == 1 && (now == "" || !k.same(k.told, now)):
		c.other = now
	default:
		c.at, c.tries = c.at+1, 0
	}
	return c.askSetting()
}
