package gateway

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
)

// archivesFile is in the journal's folder.
const archivesFile = "archives.json"

// archivesLimit is the most bytes of it that are read.
const archivesLimit = 16 << 20

// archivesKept bounds how many archives are remembered; the one not seen for
// the longest time makes room.
const archivesKept = 256

// archives remembers the archives that were ever fed: by which name, which
// streams they want, and how far each has acknowledged. It may be used
// concurrently.
type archives struct {
	fs    journal.FS
	path  string
	now   func() time.Time
	aside string                                  // where a damaged list was put; empty: there was none
	gone  func(e archive, who *asker, why string) // told of each archive that is forgotten, without locks; nil: not
	cut   func(e *protocol.Event)                 // records that an archive ends before what it had confirmed; nil: not

	soon chan struct{} // holds one token when the list is to be saved at once

	mu    sync.Mutex
	list  []*archive
	dirty bool
}

// archive is one of them, as it stands in the file.
type archive struct {
	Name     string           `json:"name"`
	ID       protocol.ID      `json:"id"`
	LastSeen time.Time        `json:"last_seen"`
	Streams  []string         `json:"streams,omitempty"` // patterns; none: those it acknowledged
	Acked    map[string]acked `json:"acked"`             // by stream; or where it began
	Skipped  map[string]acked `json:"skipped,omitempty"` // by stream: it never asked for what lies up to here

	AwayS    float64        `json:"away_s,omitempty"`   // seconds that the gateway ran without it, since it was seen
	Released bool           `json:"released,omitempty"` // it was away for too long, and holds nothing
	Complete bool           `json:"complete,omitempty"` // it has all that it asked for, up to an end, and holds nothing
	Lost     protocol.Int64 `json:"lost,omitzero"`      // bytes that were dropped before it had confirmed them; it may have them
}

// acked is the last frame that is synced at an archive, with all before it.
type acked struct {
	Epoch uint32          `json:"epoch"`
	Seq   protocol.Uint64 `json:"seq"`
}

type archivesJSON struct {
	Format   int        `json:"format"`
	Archives []*archive `json:"archives"`
}

// loadArchives reads the file. A damaged file is put aside: what it said is
// said anew by each archive when it comes back.
func loadArchives(fsys journal.FS, dir string, now func() time.Time) (*archives, error) {
	a := &archives{fs: fsys, path: filepath.Join(dir, archivesFile), now: now, soon: make(chan struct{}, 1)}
	text, err := journal.ReadFile(fsys, a.path, archivesLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the list of archives: %w", err)
	}
	var file archivesJSON
	if err := cmp.Or(journal.CheckCRC(text), json.Unmarshal(text, &file)); err != nil || file.Format != 1 {
		a.aside = a.path + ".damaged"
		if err := errors.Join(fsys.Rename(a.path, a.aside), fsys.SyncDir(dir)); err != nil {
			return nil, fmt.Errorf("put the damaged list of archives aside: %w", err)
		}
		return a, nil
	}
	for _, e := range file.Archives {
		if e == nil || e.ID.IsZero() {
			continue
		}
		if e.Acked == nil {
			e.Acked = map[string]acked{}
		}
		a.list = append(a.list, e)
	}
	return a, nil
}

// seen notes that an archive is here. A name that is known with another id is
// refused, unless it is taken over: then the other archive is forgotten.
func (a *archives) seen(name string, id protocol.ID, takeOver bool, who *asker) error {
	a.mu.Lock()
	var forgotten []archive
	e := a.findLocked(id)
	if other := a.namedLocked(name); other != nil && other != e {
		if !takeOver {
			a.mu.Unlock()
			return protocol.Refusal{Code: protocol.RefuseName, Text: fmt.Sprintf(
				"the name %q is that of another archive (id %.8s..., last seen %s): give this one another name, or go on with the folder of that one; "+
					"if that one is gone for good, photonrecv record --take-over gives its name to this one",
				name, other.ID, other.LastSeen.Format("2006-01-02 15:04"))}
		}
		forgotten = append(forgotten, a.removeLocked(other))
	}
	if e == nil {
		if len(a.list) >= archivesKept {
			forgotten = append(forgotten, a.removeLocked(slices.MinFunc(a.list, func(x, y *archive) int { return x.LastSeen.Compare(y.LastSeen) })))
		}
		e = &archive{ID: id, Acked: map[string]acked{}}
		a.list = append(a.list, e)
	}
	e.Name, e.LastSeen, e.AwayS, e.Released, e.Complete = name, a.now(), 0, false, false
	a.changedLocked()
	a.mu.Unlock()
	for _, old := range forgotten {
		why := fmt.Sprintf("more than %d archives are known, and it was not seen for the longest time", archivesKept)
		if old.Name == name {
			why = fmt.Sprintf("its name is now that of another archive (id %.8s...)", id)
		}
		a.tellGone(old, who, why)
	}
	return nil
}

// forget has the archive of this name hold nothing back any more.
func (a *archives) forget(name string, who *asker) error {
	a.mu.Lock()
	e := a.namedLocked(name)
	if e == nil {
		var known []string
		for _, e := range a.list {
			known = append(known, e.Name)
		}
		a.mu.Unlock()
		if len(known) == 0 {
			return refuse(protocol.ReplyUnknown, "there is no archive %q: none is known", name)
		}
		slices.Sort(known)
		return refuse(protocol.ReplyUnknown, "there is no archive %q (expected one of %s)", name, strings.Join(known, ", "))
	}
	old := a.removeLocked(e)
	a.changedLocked()
	a.mu.Unlock()
	a.tellGone(old, who, "")
	return nil
}

func (a *archives) tellGone(e archive, who *asker, why string) {
	if a.gone != nil {
		a.gone(e, who, why)
	}
}

func (a *archives) findLocked(id protocol.ID) *archive {
	return a.firstLocked(func(e *archive) bool { return e.ID == id })
}

func (a *archives) namedLocked(name string) *archive {
	return a.firstLocked(func(e *archive) bool { return e.Name == name })
}

func (a *archives) firstLocked(is func(*archive) bool) *archive {
	if i := slices.IndexFunc(a.list, is); i >= 0 {
		return a.list[i]
	}
	return nil
}

func (a *archives) removeLocked(e *archive) archive {
	a.list = slices.DeleteFunc(a.list, func(other *archive) bool { return other == e })
	return *e
}

// changedLocked has the list saved at once: who is listed matters more than how
// far he is.
func (a *archives) changedLocked() {
	a.dirty = true
	select {
	case a.soon <- struct{}{}:
	default:
	}
}

// begins notes what an archive asks for, and where it goes on in each stream: it
// needs nothing before. fresh is false when it adds to what it asked for in
// the same session. behind is where it ends, by its cursors, before what it had
// acknowledged, by stream.
func (a *archives) begins(id protocol.ID, patterns []string, at map[string]start, fresh bool) (behind map[string]acked) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.findLocked(id)
	if e == nil {
		return nil
	}
	behind = map[string]acked{}
	if fresh {
		e.Streams = nil
	}
	for _, p := range patterns {
		if !slices.Contains(e.Streams, p) {
			e.Streams = append(e.Streams, p)
		}
	}
	for stream, s := range at {
		after := acked{Epoch: s.after.Epoch, Seq: protocol.Uint64(s.after.Seq)}
		if _, known := e.Acked[stream]; !known && s.answer == protocol.AnswerStart && after.Epoch > 0 {
			e.skip(stream, after)
		}
		if at, known := e.Acked[stream]; known && !fresh && (at.Epoch < after.Epoch || at.Epoch == after.Epoch && at.Seq < after.Seq) {
			continue // another subscription of the session is behind
		}
		if fresh && (s.answer == protocol.AnswerResumed || s.answer == protocol.AnswerHole) && e.has(stream, after.Epoch, uint64(after.Seq)+1) {
			behind[stream] = e.Acked[stream]
		}
		e.Acked[stream] = after
	}
	a.changedLocked()
	return behind
}

// ack notes how far an archive has synced a stream.
func (a *archives) ack(id protocol.ID, stream string, p journal.Position) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.findLocked(id); e != nil {
		e.Acked[stream] = acked{Epoch: p.Epoch, Seq: protocol.Uint64(p.Seq)}
		e.LastSeen, e.AwayS, a.dirty = a.now(), 0, true
	}
}

// left notes that an archive has gone, and whether it has all that it asked for.
func (a *archives) left(id protocol.ID, complete bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.findLocked(id); e != nil {
		e.LastSeen, e.Complete = a.now(), complete
		a.changedLocked()
	}
}

// lost notes that something was dropped that an archive had not confirmed.
func (a *archives) lost(id protocol.ID, bytes int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.findLocked(id); e != nil {
		e.Lost += protocol.Int64(bytes)
		a.dirty = true
	}
}

// pass notes that the gateway ran for some time in which the archives that are
// here were seen. It returns those that were away for so long that they hold
// nothing from now on. The wall clock has no part in it: it may be wrong for
// years, and a gateway that was switched off saw nobody.
func (a *archives) pass(d, forgetAfter time.Duration, here map[protocol.ID]bool) (released []archive) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	for _, e := range a.list {
		switch {
		case here[e.ID]:
			if e.AwayS = 0; now.Sub(e.LastSeen) > time.Minute {
				e.LastSeen, a.dirty = now, true
			}
		case e.Released || e.Complete:
		default:
			before := e.AwayS
			e.AwayS += d.Seconds()
			if int(e.AwayS/awaySaved.Seconds()) != int(before/awaySaved.Seconds()) {
				a.dirty = true
			}
			if e.AwayS >= forgetAfter.Seconds() {
				e.Released = true
				a.changedLocked()
				released = append(released, *e)
			}
		}
	}
	return released
}

// awaySaved is how much of the time for which an archive was away a crash can
// make the gateway forget.
const awaySaved = 10 * time.Minute

// holds reports whether the journal keeps a stream for an archive.
func (e *archive) holds(stream string) bool {
	return !e.Released && !e.Complete && e.wants(stream)
}

// wants reports whether an archive asked for a stream.
func (e *archive) wants(stream string) bool {
	if len(e.Streams) > 0 {
		return matches(e.Streams, stream)
	}
	_, ok := e.Acked[stream] // listed by an earlier version
	return ok
}

// has reports whether a frame of a stream is synced at an archive, or lies
// before what it asked for.
func (e *archive) has(stream string, epoch uint32, seq uint64) bool {
	at := e.Acked[stream]
	return epoch < at.Epoch || epoch == at.Epoch && seq <= uint64(at.Seq)
}

// skip notes that an archive never asked for the begin of a stream.
func (e *archive) skip(stream string, upTo acked) {
	if e.Skipped == nil {
		e.Skipped = map[string]acked{}
	}
	e.Skipped[stream] = upTo
}

// fetched reports whether a frame was fetched by an archive, and is synced there.
func (e *archive) fetched(stream string, epoch uint32, seq uint64) bool {
	from := e.Skipped[stream]
	return e.has(stream, epoch, seq) && (epoch > from.Epoch || epoch == from.Epoch && seq > uint64(from.Seq))
}

// snapshot is a copy of the list.
func (a *archives) snapshot() []archive {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make([]archive, len(a.list))
	for i, e := range a.list {
		list[i] = *e
		list[i].Acked = maps.Clone(e.Acked)
		list[i].Skipped = maps.Clone(e.Skipped)
		list[i].Streams = slices.Clone(e.Streams)
	}
	return list
}

// save writes the file when something changed. What is lost with an unsaved
// one is only how far an archive was: it says so itself when it comes back.
func (a *archives) save() error {
	a.mu.Lock()
	if !a.dirty {
		a.mu.Unlock()
		return nil
	}
	text, err := json.MarshalIndent(archivesJSON{Format: 1, Archives: a.list}, "", " ")
	a.dirty = false
	a.mu.Unlock()
	if err == nil {
		err = journal.ReplaceFile(a.fs, a.path, journal.WithCRC(text))
	}
	if err != nil {
		a.mu.Lock()
		a.dirty = true
		a.mu.Unlock()
		return fmt.Errorf("save the list of archives: %w", err)
	}
	return nil
}

// status lists the archives.
func (a *archives) status() []protocol.ArchiveInfo {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make([]protocol.ArchiveInfo, len(a.list))
	for i, e := range a.list {
		list[i] = protocol.ArchiveInfo{Name: e.Name, ID: e.ID, LastSeen: e.LastSeen, Holds: !e.Released && !e.Complete, LostBytes: e.Lost}
	}
	return list
}
