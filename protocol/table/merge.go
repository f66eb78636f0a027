package table

import (
	"slices"

	"photongate/protocol"
)

// Merger puts the bins of several streams side by side: one row for each bin in
// which any of them has one. A stream without a bin there has empty cells, no
// live time and the flag short. Rows come in order of time, each as soon as
// every stream has gone beyond it. One goroutine uses it.
type Merger struct {
	length  int64
	end     Sink
	inputs  []*mergeInput
	fixed   bool // the columns are known: streams that are heard of later have none
	part    Part // of merged rows
	waiting []*mergedRow
	unused  []*mergedRow
	row     protocol.Counts
	written bool
	reached mergeKey // the last row written
	late    uint64
}

// mergedStream says where the columns of one stream stand in merged rows.
type mergedStream struct {
	name  string // stands before the names of its channels
	live  int    // channel that holds its live time in ns
	flags int    // channel that holds its reading flags
	first int    // of its own n channels
	n     int
}

// mergeInput is the sink for the bins of one stream.
type mergeInput struct {
	m               *Merger
	notes           Sink
	gateway, stream string
	channels        []protocol.Channel // nil: not known yet
	place           int                // in rows; -1: it has none
	heard           bool
	reached         mergeKey // its last bin
	begun           bool
	begins          mergeKey // the bin that it is at: those before it have come
	done            bool
}

// mergeKey is the begin of a bin. Bins whose UTC is not known have that of
// their base, and come before all others.
type mergeKey struct {
	timed bool
	ns    int64
}

func (a mergeKey) compare(b mergeKey) int {
	switch {
	case a == b:
		return 0
	case a.timed == b.timed && a.ns < b.ns, !a.timed && b.timed:
		return -1
	}
	return 1
}

// mergedRow is a row that waits for streams.
type mergedRow struct {
	key   mergeKey
	base  protocol.ID
	cells []mergedCells // by input
}

// mergedCells is what one stream gives to a row.
type mergedCells struct {
	there  bool
	live   int64
	flags  uint32
	values []uint64
	marks  []uint8
}

// NewMerger returns a merger of bins as the view asks for. Its rows go to end.
func NewMerger(v *View, end Sink) *Merger { return &Merger{length: int64(v.Every), end: end} }

// Stream returns the sink for the bins of one more stream, to stand at the end
// of a [Pipe]. Its gaps and events go to notes.
func (m *Merger) Stream(notes Sink) Sink {
	in := &mergeInput{m: m, notes: notes, place: -1}
	m.inputs = append(m.inputs, in)
	return in
}

// Late is how many bins came too late for their row, or were of streams that
// were not known when the first row was written. They are not shown.
func (m *Merger) Late() uint64 { return m.late }

// Overdue writes rows that lie more than patience, in ns, behind the newest bin
// though some streams have not gone beyond them.
func (m *Merger) Overdue(patience int64) error {
	var newest mergeKey
	for _, in := range m.inputs {
		if in.heard && in.reached.compare(newest) > 0 {
			newest = in.reached
		}
	}
	newest.ns -= patience
	return m.writeWhile(func(key mergeKey) bool { return key.compare(newest) < 0 })
}

// Finish writes all rows that wait.
func (m *Merger) Finish() error {
	return m.writeWhile(func(mergeKey) bool { return true })
}

// release writes the rows that no stream can add to any more.
func (m *Merger) release() error {
	return m.writeWhile(func(key mergeKey) bool {
		for _, in := range m.inputs {
			if !in.isBeyond(key) {
				return false
			}
		}
		return true
	})
}

// isBeyond reports whether the stream can add nothing more to a row.
func (in *mergeInput) isBeyond(key mergeKey) bool {
	return in.done || in.heard && in.reached.compare(key) >= 0 || in.begun && in.begins.compare(key) > 0
}

// binBegins implements binWaiter: a stream that comes later than the others, or
// has a long gap, holds none of their rows back.
func (in *mergeInput) binBegins(p *Part, begin int64) error {
	if err := in.Expect(p); err != nil {
		return err
	}
	in.begun, in.begins = true, mergeKey{p.Base() == utcBase, begin}
	return in.m.release()
}

// Expect implements Expecter.
func (in *mergeInput) Expect(p *Part) error {
	switch {
	case in.channels == nil:
		in.gateway, in.stream, in.channels = p.Gateway, p.Stream, slices.Clone(p.Channels())
	case !SameColumns(in.channels, p.Channels()):
		return &MixedError{Stream: p.Name(), Channels: p.Channels(), Before: in.channels}
	}
	return nil
}

// Readings implements Sink.
func (in *mergeInput) Readings(p *Part, _ uint64, c *protocol.Counts) error {
	if err := in.Expect(p); err != nil {
		return err
	}
	m := in.m
	for i := range c.Begin {
		key := mergeKey{p.Base() == utcBase, c.Begin[i]}
		in.heard = true
		if key.compare(in.reached) > 0 {
			in.reached = key
		}
		if m.fixed && in.place < 0 || m.written && key.compare(m.reached) <= 0 || !key.timed && m.severalGateways() {
			m.late++
			continue
		}
		m.at(key, p.Base()).take(slices.Index(m.inputs, in), c, i)
	}
	return m.release()
}

// severalGateways reports whether time bases of different gateways come
// together: nothing ties them but UTC.
func (m *Merger) severalGateways() bool {
	for _, in := range m.inputs {
		if in.gateway != "" && in.gateway != m.inputs[0].gateway && m.inputs[0].gateway != "" {
			return true
		}
	}
	return false
}

// at is the waiting row of a bin.
func (m *Merger) at(key mergeKey, base protocol.ID) *mergedRow {
	i, found := slices.BinarySearchFunc(m.waiting, key, func(r *mergedRow, key mergeKey) int { return r.key.compare(key) })
	if found {
		return m.waiting[i]
	}
	r := &mergedRow{}
	if n := len(m.unused); n > 0 {
		r, m.unused = m.unused[n-1], m.unused[:n-1]
	}
	r.key, r.base = key, base
	for len(r.cells) < len(m.inputs) {
		r.cells = append(r.cells, mergedCells{})
	}
	m.waiting = slices.Insert(m.waiting, i, r)
	return r
}

// take keeps row i of c for a stream.
func (r *mergedRow) take(input int, c *protocol.Counts, i int) {
	for len(r.cells) <= input {
		r.cells = append(r.cells, mergedCells{})
	}
	to := &r.cells[input]
	to.there, to.live, to.flags = true, LiveNs(c, i), 0
	if len(c.Flags) > 0 {
		to.flags = c.Flags[i]
	}
	to.values, to.marks = to.values[:0], to.marks[:0]
	for ch := range c.Values {
		mark := uint8(0)
		if len(c.ValueFlags) > ch && len(c.ValueFlags[ch]) > 0 {
			mark = c.ValueFlags[ch][i]
		}
		to.values, to.marks = append(to.values, c.Values[ch][i]), append(to.marks, mark)
	}
}

// fix settles the columns: those of all streams heard of until now.
func (m *Merger) fix() {
	m.fixed = true
	count := map[string]int{}
	for _, in := range m.inputs {
		if in.channels != nil {
			count[in.stream]++
		}
	}
	m.part = Part{Stream: "merged", channels: []protocol.Channel{}}
	for _, in := range m.inputs {
		if in.channels == nil {
			continue
		}
		name := in.stream
		if count[name] > 1 {
			name = in.gateway + "_" + name
		}
		in.place = len(m.part.merged)
		m.add(name, in)
	}
	n := len(m.part.channels)
	m.row.Values, m.row.ValueFlags = make([][]uint64, n), make([][]uint8, n)
	for ch := range n {
		m.row.Values[ch], m.row.ValueFlags[ch] = make([]uint64, 1), make([]uint8, 1)
	}
	m.row.Begin, m.row.Length = []int64{0}, []int64{m.length}
}

// add appends the columns of a stream.
func (m *Merger) add(name string, in *mergeInput) {
	p := &m.part
	if p.Gateway == "" {
		p.Gateway = in.gateway
	} else if p.Gateway != in.gateway {
		p.Gateway = "several"
	}
	at := len(p.channels)
	p.merged = append(p.merged, mergedStream{name: name, live: at, flags: at + 1, first: at + 2, n: len(in.channels)})
	p.channels = append(p.channels, protocol.Channel{Name: name + "_live_s", Kind: protocol.KindAuxiliary, Exponent: -9, Unit: "s", Signed: true},
		protocol.Channel{Name: name + "_flags", Kind: protocol.KindAuxiliary})
	for _, ch := range in.channels {
		ch.Name = name + "_" + ch.Name
		ch.Of = slices.Clone(ch.Of)
		for i := range ch.Of {
			ch.Of[i] = name + "_" + ch.Of[i]
		}
		p.channels = append(p.channels, ch)
	}
}

// writeWhile writes waiting rows in their order, as long as they fit.
func (m *Merger) writeWhile(fits func(mergeKey) bool) (err error) {
	n := 0
	for ; n < len(m.waiting) && err == nil && fits(m.waiting[n].key); n++ {
		err = m.write(m.waiting[n])
	}
	m.waiting = slices.Delete(m.waiting, 0, n)
	return err
}

// write writes a row.
func (m *Merger) write(r *mergedRow) error {
	if !m.fixed {
		m.fix()
	}
	m.written, m.reached = true, r.key
	m.part.base, m.row.Begin[0] = r.base, r.key.ns
	for i, in := range m.inputs {
		if in.place >= 0 && i < len(r.cells) {
			m.cells(&m.part.merged[in.place], &r.cells[i])
		} else if in.place >= 0 {
			m.cells(&m.part.merged[in.place], &mergedCells{})
		}
	}
	for i := range r.cells {
		r.cells[i].there = false
	}
	m.unused = append(m.unused, r)
	return m.end.Readings(&m.part, 0, &m.row)
}

// cells puts what a stream gave into the row.
func (m *Merger) cells(s *mergedStream, from *mergedCells) {
	values, marks := m.row.Values, m.row.ValueFlags
	values[s.live][0], values[s.flags][0] = uint64(from.live), uint64(from.flags)
	if !from.there {
		values[s.live][0], values[s.flags][0] = 0, uint64(protocol.FlagShort)
	}
	for k := range s.n {
		values[s.first+k][0], marks[s.first+k][0] = 0, protocol.ValueAbsent
		if from.there {
			values[s.first+k][0], marks[s.first+k][0] = from.values[k], from.marks[k]
		}
	}
}

// Gap implements Sink.
func (in *mergeInput) Gap(p *Part, g Gap) error { return in.notes.Gap(p, g) }

// Event implements Sink.
func (in *mergeInput) Event(p *Part, e Event) error { return in.notes.Event(p, e) }

// finish says that no more bins come: rows do not wait for the stream.
func (in *mergeInput) finish() error {
	in.done = true
	return in.m.release()
}
