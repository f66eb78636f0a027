package receiver

import (
	"path/filepath"
	"slices"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/table"
)

// partTimes finds descriptors and UTC for a folder.
type partTimes struct {
	folder   *journal.Folder
	clocks   *table.ClockTable
	notes    clockHistory
	presence presence
}

// readClocks reads the stream "gateway".
func (t *partTimes) readClocks() {
	dir := filepath.Join(t.folder.Dir(), gatewayStream)
	d := table.NewDecoder(t.folder.Gateway(), gatewayStream, t.clocks)
	d.Look = looker(journal.OS{}, dir)
	if !slices.ContainsFunc(t.folder.Streams(), func(s journal.StreamInfo) bool { return s.Name == gatewayStream }) {
		return
	}
	r := t.folder.Reader(gatewayStream)
	defer r.Close()
	for {
		frames, err := r.Next()
		if err != nil {
			return // without clocks, times are as the base reads
		}
		_ = forEachFrame(frames, func(h protocol.Header, payload []byte) error {
			err := d.Frame(h, payload, table.Discard{})
			t.notes.frame(&d.Part().Desc, h, payload)
			t.presence.frame(t.folder.Gateway(), &d.Part().Desc, h, payload)
			return err
		})
	}
}

// descriptor finds the descriptor of an epoch, empty when it is lost.
func (t *partTimes) descriptor(stream string, epoch uint32) protocol.Descriptor {
	d := table.NewDecoder(t.folder.Gateway(), stream, t.clocks)
	d.Look = looker(journal.OS{}, filepath.Join(t.folder.Dir(), stream))
	r := t.folder.ReaderFrom(stream, journal.Position{Epoch: epoch})
	defer r.Close()
	if frames, err := r.Next(); err == nil {
		if h, payload, _, err := protocol.ParseFrame(frames); err == nil && h.Epoch == epoch {
			_ = d.Frame(h, payload, table.Discard{}) // discard has no errors
		}
	}
	d.Part().Desc.Stream = stream
	return d.Part().Desc
}

// utc is a moment of a base as text, empty when UTC is not known.
func (t *partTimes) utc(base protocol.ID, at int64) string {
	utc, known := t.clocks.UTC(base, at)
	if !known {
		return ""
	}
	return table.FormatUTC(utc)
}

// before reports whether a moment is known to lie before a time.
func (t *partTimes) before(base protocol.ID, at int64, since time.Time) bool {
	utc, known := t.clocks.UTC(base, at)
	return known && utc < since.UnixNano()
}

// gap is a gap as it is known by now, and its length, nil when that is not known.
// Of one before the first reading of a part, what is held of the part before is
// none of it.
func (t *partTimes) gap(desc *protocol.Descriptor, e *journal.EpochReport, g journal.GapReport, before table.Before) (journal.GapReport, *protocol.Int64) {
	begin, duration := t.told(desc.Base, e, g)
	if until, more := t.clocks.HeldUntil(desc, before); more && g.Index == 0 && int64(begin) < until {
		if duration != nil {
			duration = protocol.Ref(max(0, begin+*duration-protocol.Int64(until)))
		}
		begin, g.Missing = protocol.Int64(until), nil
	}
	g.Ns = begin
	return g, duration
}

// told is the begin and the length of a gap, nil when that is not known: of one
// that began in another process as it is known by now.
func (t *partTimes) told(base protocol.ID, e *journal.EpochReport, g journal.GapReport) (begin protocol.Int64, duration *protocol.Int64) {
	if !g.Approximate || base.IsZero() {
		return g.Ns, g.DurationNs
	}
	first := g.Ns // the begin of the reading behind it
	switch {
	case g.DurationNs != nil:
		first += *g.DurationNs
	case len(e.Held) > 0 && e.Held[0][0] == 1:
		first = e.FirstNs // the descriptor's
	}
	ns, known := t.clocks.GapBegin(base, int64(g.Ns), int64(first))
	begin = protocol.Int64(ns)
	if !known {
		return begin, nil
	}
	return begin, protocol.Ref(first - begin)
}

// hole tells the extent of a hole from the frames around it.
func (t *partTimes) hole(stream string, epoch uint32, base protocol.ID, h journal.HoleReport) LossReport {
	loss := LossReport{Cause: h.Cause, Detail: h.Detail, From: h.From, To: h.To, By: h.By, AtLeast: h.Open}
	before, payload, okBefore := t.frame(stream, epoch, uint64(h.From)-1)
	after, _, okAfter := t.frame(stream, epoch, uint64(h.To)+1)
	if !okBefore {
		return loss
	}
	begin := t.endOf(stream, before, payload)
	next := before.Index + uint64(before.Count)
	var g protocol.Gap
	if before.Type == protocol.TypeGap && protocol.DecodeJSON(payload, &g) == nil && g.Missing != nil {
		next += uint64(*g.Missing)
	}
	loss.BeginNs, loss.BeginUTC = protocol.Ref(protocol.Int64(begin)), t.utc(base, begin)
	loss.Index = protocol.Ref(protocol.Uint64(next))
	if okAfter && after.Time >= begin {
		loss.DurationNs = protocol.Ref(protocol.Int64(after.Time - begin))
	}
	if okAfter && after.Index >= next {
		loss.Missing = protocol.Ref(protocol.Uint64(after.Index - next))
	}
	return loss
}

// end is when the last reading of an epoch ends; without readings, the time of
// its last frame.
func (t *partTimes) end(stream string, e *journal.EpochReport) int64 {
	h, payload, ok := t.frame(stream, e.Epoch, uint64(e.LastData))
	if !ok {
		return int64(e.LastNs)
	}
	return t.endOf(stream, h, payload)
}

// endOf is where a frame ends: its last reading, how far the clock came with its
// tags, or its time.
func (t *partTimes) endOf(stream string, h protocol.Header, payload []byte) int64 {
	if h.Type == protocol.TypeTags {
		desc := t.descriptor(stream, h.Epoch)
		if f, err := new(table.TagReader).Read(&table.Part{Desc: desc}, h, payload); err == nil {
			return f.EndNs
		}
		return h.Time
	}
	var c protocol.Counts
	if h.Type != protocol.TypeCounts || new(protocol.CountsDecoder).Decode(h, payload, &c) != nil || len(c.Begin) == 0 {
		return h.Time
	}
	last := len(c.Begin) - 1
	return c.Begin[last] + c.Length[last]
}

// frame is one frame of an epoch, if it is held.
func (t *partTimes) frame(stream string, epoch uint32, seq uint64) (h protocol.Header, payload []byte, ok bool) {
	if seq == 0 {
		return h, nil, false
	}
	r := t.folder.ReaderFrom(stream, journal.Position{Epoch: epoch, Seq: seq - 1})
	defer r.Close()
	frames, err := r.Next()
	if err != nil {
		return h, nil, false
	}
	h, payload, _, err = protocol.ParseFrame(frames)
	return h, slices.Clone(payload), err == nil && h.Epoch == epoch && h.Seq == seq && h.Type != protocol.TypeHole
}
