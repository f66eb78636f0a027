package sr400

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"photongate/device"
)

// cut implements device.Driver's Cut. All answers are bare numbers, so that none
// tells by itself what it is: cutTalk knows what was asked.
func cut(received []byte) device.Piece {
	line, size, ok := cutLine(received)
	switch {
	case !ok && len(received) > maxLine:
		return device.Piece{Length: len(received), What: fmt.Sprintf("%d bytes without a line end", len(received))}
	case !ok:
		return device.Piece{}
	}
	p := device.Piece{Length: size, Kind: device.Other, What: "number " + string(line)}
	if _, ok := parseReal(line); !ok {
		p.Kind, p.What = device.Unfit, "line that is no number"
	}
	return p
}

// cutTalk implements device.Driver's CutTalk: the counts of a point are a reading
// when they were said twice in succession.
func cutTalk(talk []device.Exchange, now time.Duration) []device.Piece {
	c := &cutting{at: -1}
	for _, e := range talk {
		if e.Sent {
			c.sent(string(e.Bytes))
			continue
		}
		c.received = append(c.received, e.Bytes...)
		c.cut()
	}
	if rest := len(c.received); rest > 0 && bytes.Trim(c.received, "\r\n") == nil {
		c.give(device.Piece{Length: rest, Kind: device.Other, What: "line end"}, rest)
	}
	return c.pieces
}

// cutting is a conversation that is being cut.
type cutting struct {
	pieces   []device.Piece
	received []byte
	question string // sent last, as the instrument reads it
	a        point  // answer to QA
	at       int    // which piece that is; -1: none, or it was used
	last     point  // counts read before

}

// point is what was said of one.
type point struct {
	number string // "12"

	values []uint64
}

// same reports whether two are the same point with the same counts.
func (p point) same(o point) bool {
	return p.number == o.number && p.values != nil && slices.Equal(p.values, o.values)
}

// sent takes what was sent: the last command in it that is a question.
func (c *cutting) sent(text string) {
	for _, command := range strings.FieldsFunc(text, func(r rune) bool { return r == '\r' || r == '\n' || r == ';' }) {
		if !strings.HasPrefix(command, "++") {
			c.question = normal(command)
		}
	}
}

func (c *cutting) give(p device.Piece, size int) {
	c.pieces = append(c.pieces, p)
	c.received = c.received[size:]
}

func (c *cutting) cut() {
	for {
		line, size, ok := cutLine(c.received)
		if !ok {
			return
		}
		c.answer(line, size)
	}
}

// answer takes the answer to the question.
func (c *cutting) answer(line []byte, size int) {
	p := device.Piece{Length: size, Kind: device.Other, What: fmt.Sprintf("%s: %s", c.question, line)}
	v, isWhole := parseWhole(line)
	_, isReal := parseReal(line)
	number, isA := strings.CutPrefix(c.question, "QA")
	m, isB := strings.CutPrefix(c.question, "QB")
	switch {
	case isEcho(line, c.question):
		p.Kind, p.What = device.Unfit, "echo of "+c.question
	case !isReal || (isA || isB) && !isWhole:
		p.Kind, p.What = device.Unfit, "line that is no number, asked "+c.question
	case isB && m == c.a.number && c.at == len(c.pieces)-1:
		c.takeB(v, &p)
	case (isA || isB) && v == notReady:
		p.What = c.question + ": not there (yet)"
	case isA:
		c.takeA(number, v, &p)
	}
	c.give(p, size)
}

// takeA takes a count of A. It is a reading by itself when it was said before, and
// B was not asked for.
func (c *cutting) takeA(number string, v int64, p *device.Piece) {
	before, at := c.a, c.at
	c.a, c.at = point{number: number, values: []uint64{uint64(v)}}, len(c.pieces)
	if at >= 0 && before.same(c.a) {
		p.Kind, p.Values, p.What = device.Reading, c.a.values, fmt.Sprintf("point %s, said twice", number)
		c.at = -1
	}
}

// takeB takes a count of B. With A before it, it is what is known of the point.
func (c *cutting) takeB(v int64, p *device.Piece) {
	now := point{number: c.a.number, values: append(c.a.values, uint64(v))}
	if p.What = fmt.Sprintf("point %s", now.number); v == notReady {
		now.values[1] = 0
		p.What += " without B"
	}
	p.Length += c.pieces[c.at].Length
	c.pieces = c.pieces[:c.at]
	if now.same(c.last) {
		p.Kind, p.Values = device.Reading, now.values
		p.What += ", said twice"
		now = point{}
	}
	c.last, c.a, c.at = now, point{}, -1
}
