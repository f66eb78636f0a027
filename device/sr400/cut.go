package sr400

import (
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
// when they were said twice in succession. What is said of A waits for B.
func cutTalk(talk []device.Exchange, _ time.Duration) []device.Piece {
	c := &cutting{}
	for _, e := range talk {
		if e.Sent {
			c.sent(string(e.Bytes))
			continue
		}
		c.received = append(c.received, e.Bytes...)
		for {
			line, size, ok := cutLine(c.received)
			if !ok {
				break
			}
			c.received = c.received[size:]
			c.answer(line, size)
		}
	}
	return c.pieces
}

// cutting is a conversation that is being cut.
type cutting struct {
	pieces   []device.Piece
	received []byte // and in no piece yet
	question string // sent last, as the instrument reads it
	both     bool   // B is asked for as well

	half bool         // A was said, and B may follow
	a    device.Piece // then
	now  point        // what was said last of A
	last point        // what was said last of A and B
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
	c.both = c.both || strings.HasPrefix(c.question, "QB")
	if c.half && c.question != "QB"+c.now.number {
		c.alone()
	}
}

// alone gives A without B.
func (c *cutting) alone() {
	c.pieces = append(c.pieces, c.a)
	c.half = false
}

// answer takes the answer to the question.
func (c *cutting) answer(line []byte, size int) {
	p := device.Piece{Length: size, Kind: device.Other, What: fmt.Sprintf("%s: %s", c.question, line)}
	v, isWhole := parseWhole(line)
	_, isReal := parseReal(line)
	number, isA := strings.CutPrefix(c.question, "QA")
	_, isB := strings.CutPrefix(c.question, "QB")
	if isB && c.half && isWhole {
		c.takeB(v, p)
		return
	}
	if c.half {
		c.alone()
	}
	switch {
	case isEcho(line, c.question):
		p.Kind, p.What = device.Unfit, "echo of "+c.question
	case !isReal || (isA || isB) && !isWhole:
		p.Kind, p.What = device.Unfit, "line that is no number, asked "+c.question
	case (isA || isB) && v == notReady:
		p.What = c.question + ": not there (yet)"
	case isA:
		c.takeA(number, v, p)
		return
	}
	c.pieces = append(c.pieces, p)
}

// takeA takes a count of A. It is a reading by itself when it was said before, and
// B was not asked for.
func (c *cutting) takeA(number string, v int64, p device.Piece) {
	now := point{number: number, values: []uint64{uint64(v)}}
	if now.same(c.now) && !c.both {
		p.Kind, p.Values, p.What = device.Reading, now.values, fmt.Sprintf("point %s, said twice", number)
		c.pieces, c.now = append(c.pieces, p), point{}
		return
	}
	c.half, c.a, c.now = true, p, now
}

// takeB takes a count of B. With A before it, it is what is known of the point.
func (c *cutting) takeB(v int64, p device.Piece) {
	now := point{number: c.now.number, values: append(c.now.values, uint64(v))}
	if p.What = fmt.Sprintf("point %s", now.number); v == notReady {
		now.values[1] = 0
		p.What += " without B"
	}
	p.Length += c.a.Length
	if now.same(c.last) {
		p.Kind, p.Values = device.Reading, now.values
		p.What += ", said twice"
		now = point{}
	}
	c.pieces = append(c.pieces, p)
	c.half, c.now, c.last = false, point{}, now
}
