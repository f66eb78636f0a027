package receiver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/table"
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
	Clocks  []ClockQuality `json:"clocks"`             // of each gateway and boot of its computer
	Damage  []string       `json:"damage,omitempty"`   // sentences
	NotUsed []string       `json:"not_used,omitempty"` // files that are no part of the record, and why
	Twice   []string       `json:"twice,omitempty"`    // sentences: folders of one gateway's journal
	Since   string         `json:"since,omitempty"`
	Allowed []string       `json:"allowed,omitempty"`
	Read    protocol.Int64 `json:"read_bytes"`         // of files, this time
	Files   int            `json:"files"`              // of the streams
	Earlier int            `json:"files_read_earlier"` // of these, not read this time: they had been read before and have not changed in size or time since
	folders []journalFolder
	AsOfUTC string `json:"as_of_utc"` // when the one of these read longest ago was read, or now
}

// StreamReport is one stream of a Report.
type StreamReport struct {
	Gateway  string          `json:"gateway"`
	Name     string          `json:"name"`
	Folder   string          `json:"folder"` // of the gateway's journal
	Journal  protocol.ID     `json:"journal"`
	Tags     bool            `json:"tags,omitzero"` // what is called readings here is time tags
	Readings protocol.Uint64 `json:"readings"`
	Expected protocol.Uint64 `json:"expected"` // readings, and those known to be missing, between the first and the last held, parts added up
	Parts    []PartReport    `json:"parts"`
	Blind    string          `json:"blind,omitempty"` // what the instrument's bytes cannot reveal
	Clock    *DeviceClock    `json:"device_clock,omitempty"`
}

// PartReport is one part of a stream.
type PartReport struct {
	Part     uint32               `json:"part"`
	Readings protocol.Uint64      `json:"readings"`
	Expected protocol.Uint64      `json:"expected"`            // readings plus those known to be missing between them
	Unknown  int                  `json:"unknown"`             // gaps and holes of which it is not known how many readings are missing in them
	FirstUTC string               `json:"first_utc,omitempty"` // begin of the first frame held; empty: not known
	LastUTC  string               `json:"last_utc,omitempty"`  // end of the last reading held; without readings, of the last frame
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
	// Unrecorded lists sequences of frames an archive never asked for, since it
	// began to record later, or which a gateway's journal dropped in good order.
	Unrecorded [][2]protocol.Uint64 `json:"unrecorded,omitempty"`
	tags       bool
	damagedIn  bool // what was on the disk is damaged or gone
	place      journal.Place
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
	By         string           `json:"by,omitempty"`       // of a hole: who states it
	AtLeast    bool             `json:"at_least,omitempty"` // of a hole: more frames may be missing behind To, nobody knows how many
	Stretches  protocol.Uint64  `json:"stretches,omitzero"` // of losses of tags, which are added up by channel: how many there are
	Allowed    bool             `json:"allowed,omitempty"`  // by VerifyOptions.Allow
	// Open: it had not ended at the latest moment that the folder knows of, which is
	// OpenUTC, empty when that is not known; DurationNs is up to there.
	Open     bool   `json:"open,omitempty"`
	OpenUTC  string `json:"open_at_utc,omitempty"`
	openText string
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
// meanwhile. Closed files that were read before are not read again. Streams and
// causes that do not exist are ErrUsage, and so is a dir that is a file.
func Verify(ctx context.Context, dir string, o VerifyOptions) (Report, error) {
	if err := checkPatterns(o.Streams); err != nil {
		return Report{}, usage{err}
	}
	o.Allow = slices.Clone(o.Allow)
	for i, cause := range o.Allow {
		o.Allow[i] = strings.TrimSpace(cause) // as the causes are listed
	}
	paths, err := findFolders(dir)
	if err != nil {
		return Report{}, err
	}
	if err := checkStreams(paths, o.Streams); err != nil {
		return Report{}, err
	}
	r := Report{Folder: dir, State: Whole, Streams: []StreamReport{}, Clocks: []ClockQuality{}, Allowed: o.Allow}
	if !o.Since.IsZero() {
		r.Since = o.Since.UTC().Format(time.RFC3339)
	}
	r.checkIdentity(dir)
	for _, path := range paths {
		if err := r.folder(ctx, path, &o); err != nil {
			return r, err
		}
	}
	r.Twice = heldTwice(r.folders)
	if err := r.checkAllowed(); err != nil {
		return r, err
	}
	r.judge()
	return r, nil
}

// checkIdentity looks at the small files that say what the folder is: the
// measurement.json in it, the archive.json in it or around it.
func (r *Report) checkIdentity(dir string) {
	if text, err := journal.ReadFile(journal.OS{}, filepath.Join(dir, measurementFile), fileLimit); err == nil {
		if err := journal.CheckCRC(text); err != nil {
			r.Damage = append(r.Damage, fmt.Sprintf("%s: %v; what was measured stands in %s, and no reading is lost by it", filepath.Join(dir, measurementFile), err, rawFolder))
		}
	}
	for _, at := range []string{dir, filepath.Dir(filepath.Clean(dir))} {
		_, _, err := readIdentity(journal.OS{}, at)
		if errors.Is(err, errIdentity) {
			r.Damage = append(r.Damage, err.Error()+"; no reading is lost by it")
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return
		}
	}
	for _, at := range []string{dir, filepath.Dir(filepath.Clean(dir))} {
		if _, err := os.Stat(filepath.Join(at, archiveLock)); err == nil { // whoever made that made the other too
			r.Damage = append(r.Damage, fmt.Sprintf("%s is missing: put it back from a copy, or photonrecv record makes it anew from the folders beside it (with --name NAME if this receiver had a name of its own); no reading is lost by it", filepath.Join(at, archiveFile)))
			return
		}
	}
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
	r.folders = append(r.folders, journalFolder{path, folder.Gateway(), folder.ID()})
	r.NotUsed = append(r.NotUsed, found.NotUsed...)
	r.Damage = append(r.Damage, found.Trouble...)
	r.Read += found.Read
	r.Earlier += found.Earlier
	if asOf := time.Unix(0, int64(found.AsOfNs)).UTC().Format(time.RFC3339); r.AsOfUTC == "" || asOf < r.AsOfUTC {
		r.AsOfUTC = asOf
	}
	times := &partTimes{folder: folder, clocks: table.NewClockTable()}
	times.readClocks()
	for _, s := range found.Streams {
		if n := len(s.Epochs) - 1; n >= 0 {
			times.presence.also(times.descriptor(s.Name, s.Epochs[n].Epoch).Base, int64(s.Epochs[n].LastNs))
		}
	}
	for _, s := range found.Streams {
		one := StreamReport{Gateway: folder.Gateway(), Name: s.Name, Folder: filepath.Base(path), Journal: folder.ID()}
		descriptors := map[uint32]protocol.Descriptor{}
		var gate float64
		var stretches []journal.Stretch
		for _, e := range s.Epochs {
			for _, d := range e.Damage {
				d.File = filepath.Join(path, d.File)
				r.Damage = append(r.Damage, d.String())
			}
			descriptors[e.Epoch] = times.descriptor(s.Name, e.Epoch)
		}
		s.Epochs = withoutEarlier(withLostEnds(s.Epochs, descriptors, folder.Gateway()), folder)
		var before table.Before
		for i := range s.Epochs {
			desc := descriptors[s.Epochs[i].Epoch]
			desc.Stream = s.Name
			r.Files += s.Epochs[i].Files
			part := partReport(&s.Epochs[i], desc, times, before, o)
			before = table.Before{Epoch: part.Part, Seq: lastHeld(&s.Epochs[i]), Base: desc.Base, EndNs: int64(part.LastNs), Known: s.Epochs[i].LastData > 0}
			part.skipUnrecorded(folder.Gateway(), i == 0)
			open := s.Name != gatewayStream && i == len(s.Epochs)-1 && part.addOutage(times.outage(&desc, &s.Epochs[i], o))
			if !open && !o.Since.IsZero() && times.before(desc.Base, int64(part.LastNs), o.Since) {
				continue
			}
			if s.Name != gatewayStream {
				part.Clock = nil
				times.notes.part(&desc, &part)
			}
			one.Tags = one.Tags || part.tags
			if step := clockStep(&desc); step > 0 {
				if step != gate {
					gate, stretches = step, nil
				}
				stretches = append(stretches, s.Epochs[i].Device...)
			}
			one.Readings += part.Readings
			one.Expected += part.Expected
			one.Parts = append(one.Parts, part)
			if desc.Blind != "" {
				one.Blind = desc.Blind
			}
		}
		if one.Clock = deviceClock(gate, stretches); one.Clock != nil && one.Tags {
			one.Clock.GateNs = 0
		}
		if len(one.Parts) > 0 {
			r.Streams = append(r.Streams, one)
		}
	}
	r.Clocks = append(r.Clocks, times.notes.report(path, times, o.Since)...)
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

// lastHeld is the last frame of a part that is held.
func lastHeld(e *journal.EpochReport) uint64 {
	if len(e.Held) == 0 {
		return 0
	}
	return uint64(e.Held[len(e.Held)-1][1])
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
func partReport(e *journal.EpochReport, desc protocol.Descriptor, times *partTimes, before table.Before, o *VerifyOptions) PartReport {
	end := protocol.Int64(times.end(desc.Stream, e))
	p := PartReport{
		place: times.folder.Place(), Part: e.Epoch, Readings: e.Readings, Expected: e.Readings, Frames: e.Frames, Bytes: e.Bytes,
		FirstNs: e.FirstNs, LastNs: end, Held: e.Held, Digest: e.Digest, Ended: e.Ended,
		FirstUTC: times.utc(desc.Base, int64(e.FirstNs)), LastUTC: times.utc(desc.Base, int64(end)),
		Clock: &ClockReport{e.Clock.Synchronised, e.Clock.Unsynchronised, e.Clock.Unknown, e.Clock.MaxErrorNs},
	}
	for _, g := range e.Gaps {
		g, duration := times.gap(&desc, e, g, before)
		begin, end := g.Ns, g.Ns
		if duration != nil {
			end += *duration
		}
		if !o.Since.IsZero() && times.before(desc.Base, int64(end), o.Since) {
			continue
		}
		p.Gaps = append(p.Gaps, LossReport{
			Cause: g.Cause, Detail: g.Detail, BeginUTC: times.utc(desc.Base, int64(begin)), BeginNs: protocol.Ref(begin),
			DurationNs: duration, Index: protocol.Ref(g.Index), Missing: g.Missing, Allowed: slices.Contains(o.Allow, g.Cause),
		})
		if g.Missing != nil {
			p.Expected += *g.Missing
		} else {
			p.Unknown++
		}
	}
	p.tags = desc.Tick != nil || e.Tags > 0
	p.addLosses(e.Losses, desc, times, o)
	for _, h := range e.Holes {
		loss := times.hole(desc.Stream, e.Epoch, desc.Base, h)
		if !o.Since.IsZero() && loss.DurationNs != nil && times.before(desc.Base, int64(*loss.BeginNs+*loss.DurationNs), o.Since) {
			continue
		}
		loss.Allowed = slices.Contains(o.Allow, h.Cause)
		if lostHere(p.place, h.Hole) && !loss.Allowed {
			p.damagedIn = true
		}
		p.Holes = append(p.Holes, loss)
	}
	return p
}

// addOutage adds a gap that goes on, unless it is nil.
func (p *PartReport) addOutage(open *LossReport) bool {
	if open == nil {
		return false
	}
	p.Gaps = append(p.Gaps, *open)
	p.Unknown++
	return true
}

// lostHere reports whether a hole is one of bytes that were on this disk, and
// not one that a gateway stated to an archive.
func lostHere(place journal.Place, h protocol.Hole) bool {
	return (h.Cause == protocol.CauseDamaged || h.Cause == protocol.CauseFileMissing) &&
		(place == journal.InJournal || h.By == string(journal.InArchive))
}

// skipUnrecorded takes out of the holes what was never to be here: an archive
// that began to record in the middle of a part, and a journal that dropped its
// oldest files. What the gateway states to an archive not to hold is a hole like
// any other, but for withoutEarlier. The rest counts as expected.
func (p *PartReport) skipUnrecorded(gateway string, oldest bool) {
	p.Holes = slices.DeleteFunc(p.Holes, func(h LossReport) bool {
		own := h.Cause == protocol.CauseNotHeld && h.By != gateway
		if p.place == journal.InJournal {
			own = (h.Cause == protocol.CauseNotHeld || h.Cause == protocol.CauseQuota) && oldest && h.From == 1
		}
		if own {
			p.Unrecorded = append(p.Unrecorded, [2]protocol.Uint64{h.From, h.To})
		}
		return own
	})
	for _, h := range p.Holes {
		if h.Missing != nil {
			p.Expected += *h.Missing
		} else {
			p.Unknown++
		}
	}
}

// checkStreams refuses patterns that fit no stream of these folders.
func checkStreams(paths, patterns []string) error {
	var all []string
	for _, path := range paths {
		folder, err := journal.OpenFolder(nil, path)
		if err != nil {
			return err
		}
		for _, s := range folder.Streams() {
			all = append(all, folder.Gateway()+"/"+s.Name)
		}
	}
	for _, p := range patterns {
		if !slices.ContainsFunc(all, func(name string) bool {
			gateway, stream, _ := strings.Cut(name, "/")
			return matches([]string{p}, gateway, stream)
		}) {
			return usage{fmt.Errorf("no stream fits %s: there are %s", p, strings.Join(all, ", "))}
		}
	}
	return nil
}

// knownCauses are the causes of gaps and holes that do not depend on a driver, as
// package protocol and the gateway name them.
var knownCauses = []string{
	protocol.CauseBytesLost, protocol.CauseDamaged, protocol.CauseDamagedBytes, protocol.CauseFileMissing, protocol.CauseGatewayStarted,
	protocol.CauseGatewayStopped, "gateway crashed", "host slept", protocol.CauseNotHeld, protocol.CauseOverrun, protocol.CauseQuota, protocol.CauseReopened,
	protocol.CauseStalled, table.CauseTagsLost, protocol.CauseUnplugged, protocol.CauseUnsyncedTail,
}

// checkAllowed refuses causes that nobody states, and that are not in the record
// either: drivers have some of their own.
func (r *Report) checkAllowed() error {
	causes := slices.Clone(knownCauses)
	for _, s := range r.Streams {
		for _, p := range s.Parts {
			for _, l := range slices.Concat(p.Gaps, p.Holes) {
				causes = append(causes, l.Cause)
			}
		}
	}
	slices.Sort(causes)
	for _, cause := range r.Allowed {
		if !slices.Contains(causes, cause) {
			return usage{fmt.Errorf("no gap or hole has the cause %q: there are %s", cause, strings.Join(slices.Compact(causes), ", "))}
		}
	}
	return nil
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
			if p.damagedIn {
				r.Damage = append(r.Damage, fmt.Sprintf("%s/%s, part %d: frames that were on the disk are damaged or gone", s.Gateway, s.Name, p.Part))
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
