package sr400

import (
	"time"

	"photongate/sim"
)

// maxRecords bounds what waits to be sent: two full scan buffers and a few answers.
// More is dropped.
const maxRecords = 2*maxPoints + 100

// bitsPerByte are start, data and stop bits of 8N1.
const bitsPerByte = 10

// charDelay is one step of SW, the pause between characters.
const charDelay = 3330 * time.Microsecond

// record is one reply on its way.
type record struct {
	text     string
	streamed bool // by E or F: a reset ends it
}

// byteTime is how long one byte takes on the wire.
func (u *Unit) byteTime() time.Duration {
	if u.options.GPIB || u.options.Baud == 0 {
		return time.Duration(u.knobs[knobSW][0]) * charDelay
	}
	return bitsPerByte*time.Second/time.Duration(u.options.Baud) + time.Duration(u.knobs[knobSW][0])*charDelay
}

// terminator ends every reply.
func (u *Unit) terminator() string {
	switch {
	case u.ending != nil:
		return string(u.ending)
	case u.options.Echo || u.options.GPIB:
		return "\r\n"
	}
	return "\r"
}

// say queues a reply.
func (u *Unit) say(now time.Time, text string, line sim.Line) {
	u.queue(now, record{text: text + u.terminator()}, line)
}

func (u *Unit) queue(now time.Time, r record, line sim.Line) {
	if len(u.out) == maxRecords {
		return
	}
	if len(u.out) == 0 {
		u.outFrom = now
	}
	u.out = append(u.out, r)
	u.transmit(now, line)
}

// nextSent is when the first record will have been sent; zero if none waits for
// its time.
func (u *Unit) nextSent() time.Time {
	if len(u.out) == 0 || u.options.GPIB {
		return time.Time{}
	}
	return u.outFrom.Add(time.Duration(len(u.out[0].text)) * u.byteTime())
}

// transmit sends each record when its last byte has had its time.
func (u *Unit) transmit(now time.Time, line sim.Line) {
	if u.options.GPIB {
		if u.adapter.listens(now) && len(u.out) > 0 {
			u.adapter.heard()
			line.Send(now, []byte(u.out[0].text))
			u.out = u.out[1:]
		}
		return
	}
	for len(u.out) > 0 {
		sent := u.nextSent()
		if sent.After(now) {
			return
		}
		line.Send(sent, []byte(u.out[0].text))
		u.out, u.outFrom = u.out[1:], sent
	}
}

// kill ends a running E or F: what of a record is on the wire by now stays there,
// the rest is not sent.
func (u *Unit) kill(now time.Time, line sim.Line) {
	u.scan.stream = 0
	if len(u.out) > 0 && u.out[0].streamed && !u.options.GPIB && u.byteTime() > 0 {
		gone := int(now.Sub(u.outFrom) / u.byteTime())
		if gone > 0 && gone < len(u.out[0].text) {
			line.Send(now, []byte(u.out[0].text[:gone]))
			u.outFrom = now
		}
	}
	kept := u.out[:0]
	for _, r := range u.out {
		if !r.streamed {
			kept = append(kept, r)
		}
	}
	u.out = kept
}

// sending reports whether an E or F is not over.
func (u *Unit) sending() bool {
	if u.scan.stream != 0 {
		return true
	}
	for _, r := range u.out {
		if r.streamed {
			return true
		}
	}
	return false
}

// forget drops whatever waits: the instrument has lost its power.
func (u *Unit) forget() { u.out, u.echo = nil, nil }

// flushEcho sends back what has been received.
func (u *Unit) flushEcho(now time.Time, line sim.Line) {
	if len(u.echo) == 0 {
		return
	}
	text := string(u.echo)
	u.echo = u.echo[:0]
	u.queue(now, record{text: text}, line)
}
