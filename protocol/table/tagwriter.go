package table

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"photongate/protocol"
)

// TagWriter writes tags: as CSV or NDJSON a row for each, or as numbers (Raw,
// NPY). Frames are decoded on all processors, and what is made of them is written
// in order. Times within a part are exact to the picosecond; where the part lies
// on the time base, and in UTC, is told by its frames' headers. Stop must be
// called. One goroutine uses it.
type TagWriter struct {
	// Bad is told of frames that cannot be decoded, in their place; nil: nobody is.
	Bad func(p *Part, g Gap) error

	to     []io.Writer // NPY: timestamps, channels; else one
	clock  *RowClock
	view   *View
	crew   crew[tagJob]
	rows   uint64
	part   *tagPart // that was written last
	probe  protocol.TagsDecoder
	first  protocol.Tags
	header bool
}

// TagStart says which moment the times of a part in the output count from: Tick
// of the part is at Ps, in ps since the first row of the output. So ticks can be
// told from times, and the other way round.
type TagStart struct {
	Part uint32          `json:"part"`
	Row  protocol.Uint64 `json:"row"` // how many rows lie before the part's first
	Tick protocol.Uint64 `json:"tick"`
	Ps   protocol.Int64  `json:"ps"`
	UTC  string          `json:"utc,omitempty"` // of the same moment; empty: not known
}

// tagPart is what jobs need to know of a part. It does not change.
type tagPart struct {
	part   Part // a copy
	scale  tickScale
	names  [][]byte // of the channels, as cells
	wanted [256]bool
	tick   uint64 // is ps behind the first row of the output
	ps     int64
	start  TagStart
	ndjson []byte // ,"stream":...,"part":...
	epoch  []byte // ,<part>,
}

// tagJob is one frame to be written.
type tagJob struct {
	header         protocol.Header
	payload        []byte
	part           *tagPart
	fromNs, toNs   int64
	offset         int64 // UTC = base + offset
	utcKnown       bool
	text, channels []byte // what is written; channels for NPY
	rows           uint64
	err            error
}

// NewTagWriter writes what a view shows to w; for NPY, timestamps to w and
// channels to a second writer. A header of CSV is written with the first rows.
func NewTagWriter(clock *RowClock, v *View, to ...io.Writer) *TagWriter {
	w := &TagWriter{to: to, clock: clock, view: v}
	w.crew.work = func() func(*tagJob) { return newTagScribe(v).do }
	w.crew.take = w.take
	return w
}

// SetClock goes on with rows of another gateway, or of another output.
func (w *TagWriter) SetClock(clock *RowClock) { w.clock = clock }

// Rows is how many tags were written.
func (w *TagWriter) Rows() uint64 { return w.rows }

// Tags has a frame's tags written. start is not nil with the first that is
// written of a part: it tells where its times begin.
func (w *TagWriter) Tags(p *Part, f *TagFrame) (start *TagStart, err error) {
	if f.Header.Count == 0 {
		return nil, nil
	}
	if w.part == nil || w.part.part.Epoch != p.Epoch || w.part.part.Stream != p.Stream || w.part.part.Gateway != p.Gateway {
		if ok, err := w.enter(p, f); !ok {
			return nil, err
		}
		start = &w.part.start
	}
	w.clock.Use(p.Base(), f.Header.Time)
	j, err := w.crew.next()
	if err != nil {
		return nil, err
	}
	job := &j.job
	*job = tagJob{header: f.Header, payload: append(job.payload[:0], f.Payload...), part: w.part, fromNs: f.FromNs, toNs: f.ToNs,
		text: job.text[:0], channels: job.channels[:0]}
	job.offset, _, _, job.utcKnown = w.clock.clocks.Offset(p.Base(), f.Header.Time)
	w.crew.give(j)
	return start, nil
}

// enter begins with a part, and reports whether the frame has a tag that is to be
// written.
func (w *TagWriter) enter(p *Part, f *TagFrame) (ok bool, err error) {
	if err := w.Flush(); err != nil { // rows are counted
		return false, err
	}
	if err := w.probe.Decode(f.Header, f.Payload, &w.first); err != nil {
		return false, w.bad(p, undecodedTags(f.Header, err))
	}
	t := &tagPart{part: *p, scale: newTickScale(p.Desc.Tick)}
	t.part.Desc.Channels = slices.Clone(p.Desc.Channels)
	if err := t.choose(w.view.Channels); err != nil {
		return false, err
	}
	from, to := t.scale.within(w.first.Ticks[0], f)
	i := 0
	for i < len(w.first.Ticks) && !(t.wanted[w.first.Channels[i]] && w.first.Ticks[i]-from < to-from) {
		i++
	}
	if i == len(w.first.Ticks) {
		return false, nil
	}
	t.tick = w.first.Ticks[i]
	at := f.Header.Time + t.scale.ns(w.first.Ticks[0], t.tick)
	w.clock.Use(p.Base(), at)
	t.ps = saturate(at+w.clock.shift-w.clock.zero, 1000)
	t.start = TagStart{Part: p.Epoch, Row: protocol.Uint64(w.rows), Tick: protocol.Uint64(t.tick), Ps: protocol.Int64(t.ps)}
	if utc, known := w.clock.clocks.UTC(p.Base(), at); known {
		t.start.UTC = FormatUTC(utc)
	}
	w.part = t
	t.cells(w.view)
	return true, nil
}

// saturate is a product that fits 64 bits.
func saturate(a, b int64) int64 {
	if a > math.MaxInt64/b {
		return math.MaxInt64
	}
	return max(a, math.MinInt64/b) * b
}

// choose marks the channels that are to be written.
func (t *tagPart) choose(names []string) error {
	for i, ch := range t.part.Desc.Channels {
		t.wanted[i] = len(names) == 0 || slices.Contains(names, ch.Name)
	}
	for _, name := range names {
		if !slices.ContainsFunc(t.part.Desc.Channels, func(ch protocol.Channel) bool { return ch.Name == name }) {
			return fmt.Errorf("--channels %s: %s has the channels %s", name, t.part.Name(), channelText(t.part.Desc.Channels))
		}
	}
	return nil
}

// cells makes the texts that all rows of the part share.
func (t *tagPart) cells(v *View) {
	for _, ch := range t.part.Desc.Channels {
		if v.Format == NDJSON {
			t.names = append(t.names, append(appendJSONText([]byte(`,"channel":`), ch.Name), "}\n"...))
			continue
		}
		t.names = append(t.names, append(appendCell([]byte{','}, ch.Name), '\n'))
	}
	t.epoch = fmt.Appendf(nil, ",%d,", t.part.Epoch)
	t.ndjson = fmt.Appendf(appendJSONText([]byte(`,"stream":`), t.part.Name()), `,"part":%d,"tick":`, t.part.Epoch)
}

// within is which ticks of a frame are meant, [from, to), by its first tag, which
// is at the time of its header.
func (s tickScale) within(first uint64, f *TagFrame) (from, to uint64) {
	return s.bounds(first, f.Header.Time, f.FromNs, f.ToNs)
}

func (s tickScale) bounds(first uint64, at, fromNs, toNs int64) (from, to uint64) {
	to = math.MaxUint64
	switch {
	case fromNs > at:
		if from = first + s.reaches(fromNs-at); from < first {
			from = math.MaxUint64
		}
	case fromNs != math.MinInt64: // a little disorder may lie before the first
		if back := s.reaches(at - fromNs); back < first {
			from = first - back
		}
	}
	switch {
	case toNs <= at:
		if back := s.reaches(at - toNs); back < first {
			to = first - back
		} else {
			to = 0
		}
	case toNs != math.MaxInt64:
		if to = first + s.reaches(toNs-at); to < first {
			to = math.MaxUint64
		}
	}
	return from, max(from, to)
}

// take writes what was made of a frame.
func (w *TagWriter) take(j *tagJob) error {
	if j.err != nil {
		return w.bad(&j.part.part, undecodedTags(j.header, j.err))
	}
	if !w.header && (w.view.Format == CSV || w.view.Format == "") {
		if _, err := io.WriteString(w.to[0], strings.Join(tagColumns(w.view), ",")+"\n"); err != nil {
			return err
		}
	}
	w.header = true
	if len(j.text) > 0 {
		if _, err := w.to[0].Write(j.text); err != nil {
			return err
		}
	}
	if len(j.channels) > 0 {
		if _, err := w.to[1].Write(j.channels); err != nil {
			return err
		}
	}
	w.rows += j.rows
	return nil
}

func (w *TagWriter) bad(p *Part, g Gap) error {
	if w.Bad == nil {
		return nil
	}
	return w.Bad(p, g)
}

// Flush writes all tags that were given.
func (w *TagWriter) Flush() error { return w.crew.drain() }

// Stop ends the goroutines; what was not flushed is lost.
func (w *TagWriter) Stop() { w.crew.stop() }

// tagColumns are the names of the columns of CSV.
func tagColumns(v *View) []string {
	names := []string{"time_utc"}
	if v.Zone != nil {
		names = append(names, "time_local")
	}
	return append(names, "t_s", "part", "tick", "channel")
}

// TagColumns describes what is written of tags, for the channels of a part: the
// columns of CSV, or the numbers of NPY and Raw.
func TagColumns(v *View, p *Part) []Column {
	tick := Column{"tick", "", "time by the instrument's own clock, in its ticks, wraps undone"}
	if t := p.Desc.Tick; t != nil {
		tick.Says += fmt.Sprintf("; one lasts %d/%d s", t.Num, t.Den)
	}
	if v.Format == NPY || v.Format == Raw {
		var numbers []string
		for i, ch := range p.Desc.Channels {
			numbers = append(numbers, fmt.Sprintf("%d %s", i, ch.Name))
		}
		return []Column{{"timestamps", "ps", "int64: when, since the first row of this file"},
			{"channels", "", "uint8: which channel: " + strings.Join(numbers, ", ")}}
	}
	list := []Column{{"time_utc", "", "when, UTC as the gateway knows it; empty when it is not known"}}
	if v.Zone != nil {
		list = append(list, Column{"time_local", "", "the same in local time"})
	}
	return append(list, Column{"t_s", "s", "when, since the first row of this file; exact to the picosecond within a part"},
		Column{"part", "", "unbroken stretch of the stream, numbered"}, tick, Column{"channel", "", "of which channel"})
}
