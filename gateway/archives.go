package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
)

// archivesFile is in the journal's folder.
const archivesFile = "archives.json"

// archivesKept bounds how many archives are remembered; the one not seen for
// the longest time makes room.
const archivesKept = 256

// archives remembers the archives that were ever fed: by which name, and how
// far each has acknowledged. It may be used concurrently.
type archives struct {
	fs    journal.FS
	path  string
	now   func() time.Time
	aside string // where a damaged list was put; empty: there was none

	mu    sync.Mutex
	list  []*archive
	dirty bool
}

// archive is one of them, as it stands in the file.
type archive struct {
	Name     string           `json:"name"`
	ID       protocol.ID      `json:"id"`
	LastSeen time.Time        `json:"last_seen"`
	Acked    map[string]acked `json:"acked"` // by stream
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
	a := &archives{fs: fsys, path: filepath.Join(dir, archivesFile), now: now}
	text, err := readFile(fsys, a.path)
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the list of archives: %w", err)
	}
	var file archivesJSON
	if err := json.Unmarshal(text, &file); err != nil || file.Format != 1 {
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
// refused.
func (a *archives) seen(name string, id protocol.ID) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var e *archive
	for _, known := range a.list {
		if known.ID == id {
			e = known
		} else if known.Name == name {
			return protocol.Refusal{Code: protocol.RefuseName, Text: fmt.Sprintf(
				"the name %q is that of another archive (id %.8s..., last seen %s): give this one another name, or go on with the folder of that one",
				name, known.ID, known.LastSeen.Format("2006-01-02 15:04"))}
		}
	}
	if e == nil {
		if len(a.list) >= archivesKept {
			a.forgetOldestLocked()
		}
		e = &archive{ID: id, Acked: map[string]acked{}}
		a.list = append(a.list, e)
	}
	e.Name, e.LastSeen, a.dirty = name, a.now(), true
	return nil
}

func (a *archives) forgetOldestLocked() {
	oldest := 0
	for i, e := range a.list {
		if e.LastSeen.Before(a.list[oldest].LastSeen) {
			oldest = i
		}
	}
	a.list = slices.Delete(a.list, oldest, oldest+1)
}

// ack notes how far an archive has synced a stream.
func (a *archives) ack(id protocol.ID, stream string, p journal.Position) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range a.list {
		if e.ID == id {
			e.Acked[stream] = acked{Epoch: p.Epoch, Seq: protocol.Uint64(p.Seq)}
			e.LastSeen, a.dirty = a.now(), true
		}
	}
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
		err = replaceFile(a.fs, a.path, append(text, '\n'))
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
		list[i] = protocol.ArchiveInfo{Name: e.Name, ID: e.ID, LastSeen: e.LastSeen}
	}
	return list
}
