// Package unknown looks at the bytes of an instrument nobody has named: are they
// text or binary, how do lines end, which columns are there, how long is a
// record, how often does one come, which driver knows them. It says what they
// look like, with the evidence; it cannot know.
package unknown

import (
	"fmt"
	"time"

	"photongate/device"
)

// Looks says what kind of bytes they are.
type Looks string

// The kinds of bytes.
const (
	Silent Looks = "silent" // none
	Text   Looks = "text"
	Binary Looks = "binary"
)

// Report is what can be said of a conversation.
type Report struct {
	Looks    Looks
	Findings []string // sentences, each with its evidence
	Driver   string   // name of the driver that knows the bytes; empty for none
	// Sure compares reports of the same instrument at several baud rates: above 3
	// a driver knows the bytes, above 2 they are lines of text, above 1 records of
	// a certain length.
	Sure float64
}

func (r *Report) find(format string, args ...any) {
	r.Findings = append(r.Findings, fmt.Sprintf(format, args...))
}

// Examine looks at a conversation that was listened to for a time. Drivers are
// asked whether they know the bytes.
func Examine(talk []device.Exchange, listened time.Duration, drivers []device.Driver) Report {
	r := Report{Looks: Silent}
	all := arrivals(talk)
	if len(all.bytes) == 0 {
		r.find("nothing came in %v", round(listened))
		return r
	}
	r.find("%d bytes came in %v, the first after %v: %s",
		len(all.bytes), round(listened), round(all.chunks[0].at), device.ShowBytes(all.bytes))
	r.answer(talk)
	if part := textPart(all.bytes); part >= 0.95 {
		r.Looks = Text
		r.find("looks like text: %.0f %% of the bytes are printable characters, blanks or line ends", 100*part)
		r.text(all)
	} else {
		r.Looks = Binary
		r.find("looks like binary, or like another baud rate: only %.0f %% of the bytes are printable characters, blanks or line ends", 100*part)
		r.binary(all)
	}
	best := 0.0
	for _, d := range drivers {
		n, part := device.Fit(d.Cut, all.bytes)
		if n == 0 || part < 0.5 {
			continue
		}
		r.find("looks like the instrument of driver %s (%s): %d of its readings are in it, %.0f %% of the bytes", d.Name, d.Title, n, 100*part)
		if part > best {
			best, r.Driver = part, d.Name
			r.Sure = max(r.Sure, 3+part)
		}
	}
	return r
}

// answer says what came after something was sent.
func (r *Report) answer(talk []device.Exchange) {
	for i, e := range talk {
		if !e.Sent {
			continue
		}
		before, after := 0, 0
		var delay time.Duration
		for k, o := range talk {
			switch {
			case o.Sent:
			case k < i:
				before += len(o.Bytes)
			default:
				if after == 0 {
					delay = o.At - e.At
				}
				after += len(o.Bytes)
			}
		}
		switch {
		case after == 0:
			r.find("after %s was sent nothing came", device.ShowBytes(e.Bytes))
		case before == 0:
			r.find("looks like an answer: nothing came before %s was sent, %d bytes after it, the first %v later",
				device.ShowBytes(e.Bytes), after, round(delay))
		default:
			r.find("%d bytes came before %s was sent, %d after it: it sends unasked, so nobody can tell which of them answer", before, device.ShowBytes(e.Bytes), after)
		}
		return
	}
}

// received is what came, and when.
type received struct {
	bytes  []byte
	chunks []chunk
}

// chunk is what one read returned.
type chunk struct {
	from, to int // in all bytes
	at       time.Duration
}

func arrivals(talk []device.Exchange) received {
	var all received
	for _, e := range talk {
		if !e.Sent && len(e.Bytes) > 0 {
			all.chunks = append(all.chunks, chunk{len(all.bytes), len(all.bytes) + len(e.Bytes), e.At})
			all.bytes = append(all.bytes, e.Bytes...)
		}
	}
	return all
}

// when returns when each of the bytes at these positions (in order) came.
func (r received) when(positions []int) []time.Duration {
	var times []time.Duration
	k := 0
	for _, p := range positions {
		for r.chunks[k].to <= p {
			k++
		}
		times = append(times, r.chunks[k].at)
	}
	return times
}

// textPart returns the part of the bytes that text consists of.
func textPart(b []byte) float64 {
	n := 0
	for _, c := range b {
		if c >= ' ' && c <= '~' || c == '\t' || c == '\r' || c == '\n' {
			n++
		}
	}
	return float64(n) / float64(len(b))
}
