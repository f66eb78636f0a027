// Package bench drives a simulated instrument by hand, for its tests: it hands it
// bytes and time, and keeps what it sent and counted. There is no goroutine and no
// clock in it; nothing happens but what is asked for.
package bench

import (
	"strings"
	"time"

	"photongate/sim"
)

// PowerOn is when an instrument on a bench gets its power.
var PowerOn = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// Message is one message an instrument sent, and when after PowerOn.
type Message struct {
	After time.Duration
	Text  string
}

// Row is one row of truth, and when after PowerOn its interval ended.
type Row struct {
	After  time.Duration
	Values []uint64
}

// Bench is an instrument with power whose port is open. One goroutine may use it.
type Bench struct {
	instrument sim.Instrument
	now        time.Time

	// Sent holds what Text has not handed out.
	Sent []Message
	// Rows is the truth so far.
	Rows []Row
	// Tears is how often the next message was to be torn.
	Tears int
	// Truth and Losses are the tags told of, and where some did not get to the host.
	Truth  []sim.Tag
	Losses []Loss
	// Full is how many bytes of a stream wait for a host that does not take them.
	Full int
	// Harm befalls each piece of a stream.
	Harm string
}

// Loss is a stretch of ticks whose tags a host did not get, or not as they are.
type Loss struct {
	From, To uint64
	Channel  int // -1: all
	Reason   string
}

// New gives an instrument power and opens its port.
func New(instrument sim.Instrument) *Bench {
	b := &Bench{instrument: instrument, now: PowerOn}
	instrument.Handle(sim.Event{Kind: sim.PowerOn, At: PowerOn}, b)
	b.Event(sim.Event{Kind: sim.Opened})
	return b
}

// Send implements [sim.Line].
func (b *Bench) Send(at time.Time, message []byte) {
	b.Sent = append(b.Sent, Message{at.Sub(PowerOn), string(message)})
}

// TearNext implements [sim.Line].
func (b *Bench) TearNext() { b.Tears++ }

// Latched implements [sim.Line].
func (b *Bench) Latched(at time.Time, values []uint64) {
	b.Rows = append(b.Rows, Row{at.Sub(PowerOn), append([]uint64(nil), values...)})
}

// Tags implements [sim.TagLine].
func (b *Bench) Tags(tags []sim.Tag) { b.Truth = append(b.Truth, tags...) }

// Lost implements [sim.TagLine].
func (b *Bench) Lost(from, to uint64, channel int, reason string) {
	b.Losses = append(b.Losses, Loss{from, to, channel, reason})
}

// Waiting implements [sim.TagLine].
func (b *Bench) Waiting() int { return b.Full }

// Stream implements [sim.TagLine].
func (b *Bench) Stream(at time.Time, piece []byte) string {
	b.Send(at, piece)
	return b.Harm
}

// Event lets something happen to the instrument now; ev.At is filled in.
func (b *Bench) Event(ev sim.Event) {
	ev.At = b.now
	b.instrument.Advance(b.now, b)
	b.instrument.Handle(ev, b)
	b.instrument.Advance(b.now, b)
}

// Wait lets time pass, in one late call.
func (b *Bench) Wait(d time.Duration) {
	b.now = b.now.Add(d)
	b.instrument.Advance(b.now, b)
}

// Step lets time pass as a Runner does, with a call whenever one is wanted.
func (b *Bench) Step(d time.Duration) {
	end := b.now.Add(d)
	for next := b.instrument.Next(); !next.IsZero() && !next.After(end); next = b.instrument.Next() {
		b.now = next
		b.instrument.Advance(next, b)
	}
	b.now = end
	b.instrument.Advance(end, b)
}

// Write hands the instrument bytes from the host.
func (b *Bench) Write(text string) {
	b.Event(sim.Event{Kind: sim.Received, Data: []byte(text)})
}

// Ask writes bytes and returns what has come by now.
func (b *Bench) Ask(text string) string {
	b.Write(text)
	return b.Text()
}

// Text is what was sent since the last call and has come by now.
func (b *Bench) Text() string {
	var text strings.Builder
	var later []Message
	for _, m := range b.Sent {
		if m.After > b.now.Sub(PowerOn) {
			later = append(later, m)
			continue
		}
		text.WriteString(m.Text)
	}
	b.Sent = later
	return text.String()
}

// Now is how long ago the instrument got its power.
func (b *Bench) Now() time.Duration { return b.now.Sub(PowerOn) }

// Light makes light for a test: rates in counts per second, one per input.
func Light(inputs []string, ratesHz []float64, pairs ...sim.Pair) (*sim.Light, error) {
	return sim.NewLight(sim.LightSettings{Inputs: inputs, RatesHz: ratesHz, Pairs: pairs, Seed: 1})
}
