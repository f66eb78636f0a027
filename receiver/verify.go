package receiver

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
)

// VerifyOptions say what Verify looks at and what it forgives.
type VerifyOptions struct {
	Streams []string  // patterns of stream, or gateway/stream; none: all
	Since   time.Time // parts, gaps and holes that ended before are left out; zero: none
	Allow   []string  // causes of gaps and holes that do not make the record incomplete
	Full    bool      // read files again that were read before and have not changed since
}

// State is the outcome of Verify.
type State string

// The outcomes of Verify, best first.
const (
	Whole      State = "whole"
	Incomplete State = "incomplete" // gaps or holes
	Damaged    State = "damaged"    // files are damaged, or cannot be read
)

// Report is what Verify found in a folder of recordings. In JSON, 64-bit
// integers are decimal strings.
type Report struct {
	Folder  string         `json:"folder"`
	State   State          `json:"state"`
	Streams []StreamReport `json:"streams"`
	Damage  []string       `json:"damage,omitempty"`   // sentences
	NotUsed []string       `json:"not_used,omitempty"` // files that are no part of the record, and why
	Since   string         `json:"since,omitempty"`
	Allowed []string       `json:"allowed,omitempty"`
	Read    protocol.Int64 `json:"read_bytes"`         // of files, this time
	Earlier int            `json:"files_read_earlier"` // closed files read before and not changed since
}

// StreamReport is one stream of a Report.
type StreamReport struct {
	Gateway  string          `json:"gateway"`
	Name     string          `json:"name"`
	Folder   string          `json:"folder"` // of the gateway's journal
	Journal  protocol.ID     `json:"journal"`
	Readings protocol.Uint64 `json:"readings"`
	Expected protocol.Uint64 `json:"expected"` // readings between the first and the last held, parts added up
	Parts    []PartReport    `json:"parts"`
	Blind    string          `json:"blind,omitempty"` // what the instrument's bytes cannot reveal
}

// PartReport is one part of a stream.
type PartReport struct {
	Part     uint32               `json:"part"`
	Readings protocol.Uint64      `json:"readings"`
	Expected protocol.Uint64      `json:"expected"`            // readings plus those known to be missing between them
	FirstUTC string               `json:"first_utc,omitempty"` // begin of the first frame held; empty: not known
	LastUTC  string               `json:"last_utc,omitempty"`  // of the last frame held
	FirstNs  protocol.Int64       `json:"first_ns"`            // the same, ns of the time base
	LastNs   protocol.Int64       `json:"last_ns"`
	Frames   protocol.Uint64      `json:"frames"`
	Bytes    protocol.Uint64      `json:"bytes"`
	Held     [][2]protocol.Uint64 `json:"held"`   // sequences of frames, first and last of each stretch
	Digest   string               `json:"digest"` // SHA-256 over the frames held
	Ended    bool                 `json:"ended"`  // in good order; false: still going on, or it ended without warning
	Gaps     []LossReport         `json:"gaps,omitempty"`
	Holes    []LossReport         `json:"holes,omitempty"`
	Clock    *ClockReport         `json:"clock,omitempty"` // of the stream "gateway"
	// Unrecorded lists sequences of frames this receiver never asked for, since
	// it began to record later.
	Unrecorded [][2]protocol.Uint64 `json:"unrecorded,omitempty"`
	damagedIn  bool
}

// LossReport is a gap or a hole.
type LossReport struct {
	Cause      string           `json:"cause"`
	Detail     string           `json:"detail,omitempty"`
	BeginUTC   string           `json:"begin_utc,omitempty"`
	BeginNs    *protocol.Int64  `json:"begin_ns,omitempty"`
	DurationNs *protocol.Int64  `json:"duration_ns,omitempty"` // nil: not known
	Index      *protocol.Uint64 `json:"first_index,omitempty"`
	Missing    *protocol.Uint64 `json:"readings_missing,omitempty"` // nil: not known
	From       protocol.Uint64  `json:"from,omitzero"`              // of a hole: first and last frame
	To         protocol.Uint64  `json:"to,omitzero"`
	By         string           `json:"by,omitempty"`      // of a hole: who states it
	Allowed    bool             `json:"allowed,omitempty"` // by VerifyOptions.Allow
}

// ClockReport says how well UTC was known: clock frames by what the kernel said.
type ClockReport struct {
	Synchronised   protocol.Uint64 `json:"synchronised"`
	Unsynchronised protocol.Uint64 `json:"unsynchronised"`
	Unknown        protocol.Uint64 `json:"unknown"`
	MaxErrorNs     *protocol.Int64 `json:"max_error_ns,omitempty"`
}

// Verify reads all frames of a folder of recordings, checks every checksum and
// reports what is held and what is missing. The folder may be written
// meanwhile. Closed files that were read before are not read again.
func Verify(ctx context.Context, dir string, o VerifyOptions) (Report, error) {
	if err := checkPatterns(o.Streams); err != nil {
		return Report{}, usage{err}
	}
	paths, err := findFolders(dir)
	if err != nil {
		return Report{}, err
	}
	r := Report{Folder: dir, State: Whole, Streams: []StreamReport{}, Allowed: o.Allow}
	if !o.Since.IsZero() {
		r.Since = o.Since.UTC().Format(time.RFC3339)
	}
	for _, path := range paths {
		if err := r.folder(ctx, path, &o); err != nil {
			return r, err
		}
	}
	r.judge()
	return r, nil
}

// folder adds one journal folder.
func (r *Report) folder(ctx context.Context, path string, o *VerifyOptions) error {
	folder, err := journal.OpenFolder(nil, path)
	if err != nil {
		return err
	}
	found, err := journal.Verify(ctx, nil, path, journal.VerifyOptions{
		Full:    o.Full,
		Streams: func(name string) bool { return matches(o.Streams, folder.Gateway(), name) },
	})
	if err != nil {
		return err
	}
	r.NotUsed = append(r.NotUsed, found.NotUsed...)
	r.Damage = append(r.Damage, found.Trouble...)
	r.Read += found.Read
	r.Earlier += found.Earlier
	times := &partTimes{folder: folder, clocks: newClockTable()}
	times.readClocks()
	for _, s := range found.Streams {
		one := StreamReport{Gateway: folder.Gateway(), Name: s.Name, Folder: filepath.Base(path), Journal: folder.ID()}
		descriptors := map[uint32]protocol.Descriptor{}
		for _, e := range s.Epochs {
			descriptors[e.Epoch] = times.descriptor(s.Name, e.Epoch)
		}
		s.Epochs = withLostEnds(s.Epochs, descriptors, folder.Gateway())
		for i := range s.Epochs {
			desc := descriptors[s.Epochs[i].Epoch]
			desc.Stream = s.Name
			part := partReport(&s.Epochs[i], desc, times, o)
			part.skipUnrecorded(folder.Gateway())
			if !o.Since.IsZero() && times.before(desc.Base, int64(part.LastNs), o.Since) {
				continue
			}
			if s.Name != gatewayStream {
				part.Clock = nil
			}
			one.Readings += part.Readings
			one.Expected += part.Expected
			one.Parts = append(one.Parts, part)
			if desc.Blind != "" {
				one.Blind = desc.Blind
			}
		}
		if len(one.Parts) > 0 {
			r.Streams = append(r.Streams, one)
		}
	}
	return nil
}

// withLostEnds adds to the parts what no file tells: that a part went on behind
// its last frame held, or was there at all. The descriptor of the part that
// follows knows. Where recordings began in the middle of parts, they may as well
// have ended there: what lies behind was not recorded, and not lost.
func withLostEnds(epochs []journal.EpochReport, descriptors map[uint32]protocol.Descriptor, gateway string) []journal.EpochReport {
	by := gateway
	for _, e := range epochs {
		if slices.ContainsFunc(e.Holes, func(h journal.HoleReport) bool { return h.Cause == protocol.CauseNotHeld && h.By != gateway }) {
			by = string(journal.InArchive)
		}
	}
	var all []journal.EpochReport
	for i, e := range epochs {
		previous := descriptors[e.Epoch].Previous
		if i > 0 && previous != nil && previous.Seq > 0 && len(e.Held) > 0 && e.Held[0][0] == 1 {
			if all[len(all)-1].Epoch < previous.Epoch {
				all = append(all, journal.EpochReport{Epoch: previous.Epoch})
			}
			last := &all[len(all)-1]
			if end := lastCovered(last); last.Epoch == previous.Epoch && end < previous.Seq {
				detail := fmt.Sprintf("part %d says that this one went on to frame %d", e.Epoch, previous.Seq)
				last.Holes = append(last.Holes, journal.HoleReport{From: end + 1, Hole: protocol.Hole{To: previous.Seq, Cause: protocol.CauseNotHeld, By: by, Detail: detail}})
			}
		}
		all = append(all, e)
	}
	return all
}

// lastCovered is the last frame of a part that is held, or told to be missing.
func lastCovered(e *journal.EpochReport) protocol.Uint64 {
	var last protocol.Uint64
	if n := len(e.Held); n > 0 {
		last = e.Held[n-1][1]
	}
	for _, h := range e.Holes {
		last = max(last, h.To)
	}
	return last
}

// partReport turns what the journal found in an epoch into a report for people.
func partReport(e *journal.EpochReport, desc protocol.Descriptor, times *partTimes, o *VerifyOptions) PartReport {
	p := PartReport{
		Part: e.Epoch, Readings: e.Readings, Expected: e.Readings, Frames: e.Frames, Bytes: e.Bytes,
		FirstNs: e.FirstNs, LastNs: e.LastNs, Held: e.Held, Digest: e.Digest, Ended: e.Ended,
		FirstUTC: times.utc(desc.Base, int64(e.FirstNs)), LastUTC: times.utc(desc.Base, int64(e.LastNs)),
		Clock: &ClockReport{e.Clock.Synchronised, e.Clock.Unsynchronised, e.Clock.Unknown, e.Clock.MaxErrorNs},
	}
	for _, g := range e.Gaps {
		end := int64(g.Ns)
		if g.DurationNs != nil {
			end += int64(*g.DurationNs)
		}
		if !o.Since.IsZero() && times.before(desc.Base, end, o.Since) {
			continue
		}
		p.Gaps = append(p.Gaps, LossReport{
			Cause: g.Cause, Detail: g.Detail, BeginUTC: times.utc(desc.Base, int64(g.Ns)), BeginNs: protocol.Ref(g.Ns),
			DurationNs: g.DurationNs, Index: protocol.Ref(g.Index), Missing: g.Missing, Allowed: slices.Contains(o.Allow, g.Cause),
		})
		if g.Missing != nil {
			p.Expected += *g.Missing
		}
	}
	for _, h := range e.Holes {
		loss := times.hole(desc.Stream, e.Epoch, desc.Base, h)
		if !o.Since.IsZero() && loss.DurationNs != nil && times.before(desc.Base, int64(*loss.BeginNs+*loss.DurationNs), o.Since) {
			continue
		}
		loss.Allowed = slices.Contains(o.Allow, h.Cause)
		if h.Cause == protocol.CauseDamaged {
			p.damagedIn = true
		}
		p.Holes = append(p.Holes, loss)
	}
	return p
}

// skipUnrecorded takes out of the holes what this receiver never asked for: a
// recording that began in the middle of a part. What the gateway states not to
// hold is a hole like any other. The rest counts as expected.
func (p *PartReport) skipUnrecorded(gateway string) {
	p.Holes = slices.DeleteFunc(p.Holes, func(h LossReport) bool {
		own := h.Cause == protocol.CauseNotHeld && h.By != gateway
		if own {
			p.Unrecorded = append(p.Unrecorded, [2]protocol.Uint64{h.From, h.To})
		}
		return own
	})
	for _, h := range p.Holes {
		if h.Missing != nil {
			p.Expected += *h.Missing
		}
	}
}

// judge gives the report its outcome.
func (r *Report) judge() {
	worse := func(s State) {
		if r.State == Whole || s == Damaged {
			r.State = s
		}
	}
	if len(r.Damage) > 0 {
		worse(Damaged)
	}
	for _, s := range r.Streams {
		for _, p := range s.Parts {
			if slices.ContainsFunc(p.Gaps, func(l LossReport) bool { return !l.Allowed }) ||
				slices.ContainsFunc(p.Holes, func(l LossReport) bool { return !l.Allowed }) {
				worse(Incomplete)
			}
			if p.damagedIn && !slices.Contains(r.Allowed, protocol.CauseDamaged) {
				r.Damage = append(r.Damage, fmt.Sprintf("%s/%s, part %d: frames are damaged in the files", s.Gateway, s.Name, p.Part))
				worse(Damaged)
			}
		}
	}
}

// ExitCode is 0 for a whole record, 1 for gaps or holes, 3 for damage.
func (r *Report) ExitCode() int {
	switch r.State {
	case Whole:
		return 0
	case Incomplete:
		return 1
	}
	return 3
}

// partTimes finds descriptors and UTC for a folder.
type partTimes struct {
	folder *journal.Folder
	clocks *clockTable
}

// readClocks reads the stream "gateway".
func (t *partTimes) readClocks() {
	dir := filepath.Join(t.folder.Dir(), gatewayStream)
	d := newDecoder(t.folder.Gateway(), gatewayStream, t.clocks)
	d.look = looker(journal.OS{}, dir)
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
		_ = forEachFrame(frames, func(h protocol.Header, payload []byte) error { return d.frame(h, payload, discard{}) })
	}
}

// descriptor finds the descriptor of an epoch, empty when it is lost.
func (t *partTimes) descriptor(stream string, epoch uint32) protocol.Descriptor {
	d := newDecoder(t.folder.Gateway(), stream, t.clocks)
	d.look = looker(journal.OS{}, filepath.Join(t.folder.Dir(), stream))
	r := t.folder.ReaderFrom(stream, journal.Position{Epoch: epoch})
	defer r.Close()
	if frames, err := r.Next(); err == nil {
		if h, payload, _, err := protocol.ParseFrame(frames); err == nil && h.Epoch == epoch {
			_ = d.frame(h, payload, discard{}) // discard has no errors
		}
	}
	d.part.desc.Stream = stream
	return d.part.desc
}

// utc is a moment of a base as text, empty when UTC is not known.
func (t *partTimes) utc(base protocol.ID, at int64) string {
	offset, _, _, known := t.clocks.offset(base, at)
	if !known {
		return ""
	}
	return string(new(utcText).append(nil, roundMicros(at+offset)))
}

// before reports whether a moment is known to lie before a time.
func (t *partTimes) before(base protocol.ID, at int64, since time.Time) bool {
	offset, _, _, known := t.clocks.offset(base, at)
	return known && at+offset < since.UnixNano()
}

// hole tells the extent of a hole from the frames around it.
func (t *partTimes) hole(stream string, epoch uint32, base protocol.ID, h journal.HoleReport) LossReport {
	loss := LossReport{Cause: h.Cause, Detail: h.Detail, From: h.From, To: h.To, By: h.By}
	before, payload, okBefore := t.frame(stream, epoch, uint64(h.From)-1)
	after, _, okAfter := t.frame(stream, epoch, uint64(h.To)+1)
	if !okBefore {
		return loss
	}
	begin := before.Time
	var c protocol.Counts
	if before.Type == protocol.TypeCounts && new(protocol.CountsDecoder).Decode(before, payload, &c) == nil {
		last := len(c.Begin) - 1
		begin = c.Begin[last] + c.Length[last]
	}
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
