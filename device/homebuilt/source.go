package homebuilt

import (
	"errors"
	"fmt"
	"time"

	"photongate/device"
	"photongate/instrument"
)

// reader is one of the ways of reading. pause has it come to where something else
// can be said to the instrument, and resume goes on from there.
type reader interface {
	read(b *device.Batch) error
	pause(until int64) error
	resume()
	doubt()
}

// source is an open instrument.
type source struct {
	reader
	o      *opening
	port   device.Port
	desc   device.Description
	opened *device.Event
	failed error // returned again by every Read after the first failure
}

// source builds the source once the instrument is as it is to be.
func (o *opening) source() device.Source {
	s := &source{o: o, port: o.port, desc: o.describe()}
	switch {
	case o.f.Poll != nil:
		s.reader = newPolling(o)
	case o.f.Tags != nil:
		s.reader = newTagging(o)
	default:
		s.reader = newFree(o)
	}
	if o.unsure {
		s.doubt()
	}
	s.opened = &device.Event{Time: o.clock(), What: "opened", Text: o.story()}
	return s
}

// story says how it was opened.
func (o *opening) story() string {
	text := map[instrument.GateBy]string{
		instrument.ByInstrument: "it sends by itself and times its intervals of %v",
		instrument.ByPoll:       "it is asked every %v by this computer",
		instrument.ByAnswer:     "it counts for %v each time it is asked",
		instrument.ByArrival:    "its intervals are timed by when its bytes arrive",
	}[o.f.Gate.By]
	switch {
	case o.f.Tags != nil:
		text = "it sends time tags"
	case o.f.Channels[0].Kind == instrument.Event:
		text = fmt.Sprintf("its events are counted by this computer, in intervals of %v", o.gate)
	case o.f.Gate.By == instrument.ByPoll:
		text = fmt.Sprintf(text, o.every())
	case o.f.Gate.By == instrument.ByInstrument && o.gate == 0:
		text = "it sends by itself, and says how long its intervals are"
	case o.f.Gate.By != instrument.ByArrival:
		text = fmt.Sprintf(text, o.gate)
	}
	text += "; " + o.transcript()
	for _, n := range o.notes {
		text += "; " + n
	}
	return text
}

// every is how often a polled instrument is asked.
func (o *opening) every() time.Duration {
	d := o.f.Poll.Every
	if v, ok := o.req.Settings[gateOption].(time.Duration); ok && o.f.Setting(gateOption) == nil {
		d = v
	}
	if o.f.Gate.By == instrument.ByAnswer {
		d = max(d, o.gate)
	}
	return d
}

// describe says what the instrument is and how it is set.
func (o *opening) describe() device.Description {
	f := o.f
	d := device.Description{
		Model: f.Title, Identity: device.Assumed, Port: o.port.Name(),
		Gate: o.gate, Channels: channels(f), Settings: o.settings, Unverified: o.unsure, Blind: blind(f),
	}
	if !f.Open.Ask.IsEmpty() {
		d.Identity = device.Confirmed
	}
	if t := f.Tags; t != nil {
		d.Timing, d.Gate, d.Tick = device.ByDevice, 0, device.Tick{Num: t.Tick.Num, Den: t.Tick.Den}
		d.Disorder = t.Disorder
		d.Late = late + sending(f)
		return d
	}
	switch f.Gate.By {
	case instrument.ByInstrument:
		d.Timing, d.Late = device.ByDevice, late+sending(f)
	case instrument.ByPoll:
		d.Timing, d.Gate = device.ByHostClearing, o.every()
	case instrument.ByAnswer:
		d.Timing = device.ByDeviceAsked
	default:
		d.Timing, d.Late = device.ByHostArrival, late+sending(f)
	}
	if f.Setting(gateOption) == nil && d.Gate > 0 {
		how := "as the file says"
		if f.Gate.By == instrument.ByPoll {
			how = "asked by the host"
		}
		d.Settings = append([]device.Setting{{Key: gateOption, Value: d.Gate.String(), How: how}}, d.Settings...)
	}
	return d
}

// sending is how long the bytes of one reading take on a serial line, those of the
// longest example where lines have no fixed length. It is no part of the edges that
// are stated, since a USB port of the instrument's own may be quicker.
func sending(f *instrument.File) time.Duration {
	l := f.Link
	bits, bytes := 1+l.DataBits+l.StopBits, 0
	if l.Parity != instrument.NoParity {
		bits++
	}
	for _, e := range f.Examples {
		bytes = max(bytes, len(e.Bytes)/max(len(e.Readings), 1))
	}
	if f.Record != nil {
		bytes = f.Record.Length
	}
	if l.FIFO {
		return 0
	}
	return time.Duration(bytes*bits) * time.Second / time.Duration(l.Baud)
}

// blind is what the bytes cannot reveal.
func blind(f *instrument.File) string {
	text := "lines carry no checksum: a digit lost or changed gives a wrong count unseen"
	if r := f.Record; r != nil {
		text = "records carry no checksum: a changed bit gives a wrong count unseen"
		if r.Checksum != instrument.NoChecksum {
			text = "two changed bits may give the same checksum"
		}
	}
	switch {
	case f.Tags != nil && f.Text == nil && f.Record.Checksum == instrument.NoChecksum:
		text = "records carry no checksum: a changed bit gives a wrong tag unseen, where it leaves a time that can be"
	case f.Tags != nil && f.Text != nil:
		text = "lines carry no checksum: a changed digit gives a wrong tag unseen, where it leaves a time that can be"
	case f.Channels[0].Kind == instrument.Event:
		text = "an event whose bytes are lost is not missed, and a dead instrument looks like one without events"
	}
	if f.Open.Ask.IsEmpty() {
		text += "; what it is it does not say"
	}
	return text + "; one that restarts by itself shows as a gap at most"
}

// Describe returns what is known of the instrument.
func (s *source) Describe() device.Description { return s.desc }

// Close closes the port and frees a blocked Read.
func (s *source) Close() error { return s.port.Close() }

// Read implements device.Source.
func (s *source) Read(b *device.Batch) error {
	if s.opened != nil {
		b.Notes = append(b.Notes, device.Note{Row: b.Len(), Event: s.opened})
		s.opened = nil
	}
	if s.failed != nil {
		return s.failed
	}
	if err := s.read(b); err != nil {
		s.failed = deviceError("read", s.port, err)
	}
	return s.failed
}

// deviceError makes an error one that says what was done.
func deviceError(op string, port device.Port, err error) error {
	if _, ok := errors.AsType[*device.Error](err); ok {
		return err
	}
	return &device.Error{Op: op, Port: port.Name(), Err: err}
}

// addValues appends the values and flags of one reading to a batch, without its
// times.
func addValues(b *device.Batch, r *row, flags device.ReadingFlags) {
	for c, v := range r.values {
		b.Values[c] = append(b.Values[c], v)
		b.ValueFlags[c] = append(b.ValueFlags[c], r.flags[c])
	}
	b.Flags = append(b.Flags, r.marks|flags)
}

// addFlags appends the flags of n readings whose values are in a batch already.
func addFlags(b *device.Batch, n int, flags device.ReadingFlags) {
	var end []device.ReadingFlags
	b.Flags, end = extend(b.Flags, n)
	for i := range end {
		end[i] = flags
	}
}

// addTimes appends the times of one reading.
func addTimes(b *device.Batch, begin, length, live, uncertainty int64) {
	b.Begin = append(b.Begin, begin)
	b.Length = append(b.Length, length)
	b.Live = append(b.Live, live)
	b.Uncertainty = append(b.Uncertainty, uncertainty)
}
