package journal

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"photongate/protocol"
)

// Names in a journal folder, beside the streams' folders.
const (
	metaName  = "journal.json"
	lockName  = "lock"
	cacheName = "verified.json" // in a stream's folder

	damagedExt = ".damaged"
)

// metaLimit is the most bytes of journal.json that are read.
const metaLimit = 16 << 20

// meta is journal.json.
type meta struct {
	Format       int            `json:"format"`
	Place        Place          `json:"place"`
	Journal      protocol.ID    `json:"journal"`
	Archive      protocol.ID    `json:"archive,omitzero"`
	Gateway      string         `json:"gateway"`
	CreatedUTCNs protocol.Int64 `json:"created_utc_ns"`
	MadeAgain    bool           `json:"made_again,omitempty"` // from the segments, so that what the quota had dropped is not known
	Streams      []metaStream   `json:"streams"`

	fresh bool // it is not what the file says
}

type metaStream struct {
	Name      string `json:"name"`
	ID        uint32 `json:"id"`
	LastEpoch uint32 `json:"last_epoch"`
	Ends      ends   `json:"ends,omitempty"`    // how far epochs were on the disk when they were last noted
	Dropped   ends   `json:"dropped,omitempty"` // how far the quota dropped epochs
}

func (m meta) clone() meta {
	m.Streams = slices.Clone(m.Streams)
	return m
}

// stream returns the entry of this name, nil when there is none.
func (m *meta) stream(name string) *metaStream {
	for i := range m.Streams {
		if m.Streams[i].Name == name {
			return &m.Streams[i]
		}
	}
	return nil
}

// addStream enters a stream. Id 0 gives it the next one: ids are never used
// again, and entries never go.
func (m *meta) addStream(name string, id uint32) (uint32, error) {
	var top uint32
	for _, s := range m.Streams {
		if s.ID == id {
			return 0, fmt.Errorf("stream id %d is taken by %q, it cannot be %q: %w", id, s.Name, name, ErrOther)
		}
		if s.Name == name {
			return 0, fmt.Errorf("stream %q has id %d: %w", name, s.ID, ErrOther)
		}
		top = max(top, s.ID)
	}
	if id == 0 {
		if top == math.MaxUint32 {
			return 0, errors.New("all stream ids are used: begin a new journal in another folder")
		}
		id = top + 1
	}
	m.Streams = append(m.Streams, metaStream{Name: name, ID: id})
	return id, nil
}

// check refuses what this program did not write: names become folders.
func (m *meta) check() error {
	if m.Format != 1 {
		return fmt.Errorf("format %d, this photongate reads 1: %w", m.Format, protocol.ErrVersion)
	}
	if m.Place != InJournal && m.Place != InArchive {
		return fmt.Errorf("place %q, expected %q or %q", m.Place, InJournal, InArchive)
	}
	if m.Journal.IsZero() {
		return errors.New("no journal id")
	}
	if err := protocol.CheckName(m.Gateway); err != nil {
		return err
	}
	seen := meta{}
	for _, s := range m.Streams {
		if err := protocol.CheckName(s.Name); err != nil {
			return err
		}
		if s.ID == 0 {
			return fmt.Errorf("stream %q has id 0", s.Name)
		}
		if err := errors.Join(s.Ends.check(), s.Dropped.check()); err != nil {
			return fmt.Errorf("stream %q: %w", s.Name, err)
		}
		if _, err := seen.addStream(s.Name, s.ID); err != nil {
			return err
		}
	}
	return nil
}

// readMeta reads journal.json. Without one the error is fs.ErrNotExist.
func readMeta(fsys FS, dir string) (meta, error) {
	name := filepath.Join(dir, metaName)
	b, err := ReadFile(fsys, name, metaLimit)
	if err != nil {
		return meta{}, err
	}
	var m meta
	if err := cmp.Or(CheckCRC(b), json.Unmarshal(b, &m)); err != nil {
		return meta{}, fmt.Errorf("%s: %w", name, err)
	}
	if err := m.check(); err != nil {
		return meta{}, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}

// saveMeta puts m on the disk and, when that is done, in place of the present
// one. metaMu is held.
func (j *Journal) saveMeta(m meta) error {
	b, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return err
	}
	b = WithCRC(b)
	err = ReplaceFile(j.fs, filepath.Join(j.dir, metaName), b)
	if j.giveReserve(err) {
		err = ReplaceFile(j.fs, filepath.Join(j.dir, metaName), b)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(j.dir, metaName), err)
	}
	j.meta, j.unsaved = m, false
	return nil
}

// takeEpoch notes in journal.json that an epoch's number is used, and how far
// the one before is on the disk.
func (j *Journal) takeEpoch(s *Stream, epoch uint32) error {
	j.metaMu.Lock()
	defer j.metaMu.Unlock()
	m := j.meta.clone()
	j.mu.Lock()
	again := s.durable.Epoch == epoch
	j.mu.Unlock()
	news := j.noteEnd(&m, s, again)
	if e := m.stream(s.name); e.LastEpoch < epoch {
		e.LastEpoch, news = epoch, true
	}
	if !news {
		return nil
	}
	return j.saveMeta(m)
}

// rebuildMeta makes the contents of a journal.json that is missing or damaged
// out of the preambles of the segments. found is false when the folder holds
// no stream at all. It never invents an identity for data that have one.
func rebuildMeta(fsys FS, dir string) (m meta, found bool, err error) {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return meta{}, false, err
	}
	m = meta{Format: 1, MadeAgain: true}
	segments := 0
	for _, e := range entries {
		if !e.IsDir() || protocol.CheckName(e.Name()) != nil {
			continue
		}
		n, err := m.learn(fsys, filepath.Join(dir, e.Name()))
		if err != nil {
			return meta{}, true, err
		}
		segments += n
	}
	if segments > 0 && m.Journal.IsZero() {
		return meta{}, true, errors.New("the begin of no segment file can be read")
	}
	return m, segments > 0, nil
}

// learn takes what the preambles in one stream's folder say. n is how many
// segment files there are.
func (m *meta) learn(fsys FS, dir string) (n int, err error) {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		if e.IsDir() || !strings.HasSuffix(e.Name(), segmentExt) {
			continue
		}
		n++
		path := filepath.Join(dir, e.Name())
		f, err := fsys.Open(path)
		if err != nil {
			continue
		}
		p, _, err := ReadPreamble(f)
		_ = f.Close()
		if err != nil || p.Stream != filepath.Base(dir) {
			continue
		}
		if err := m.learnPreamble(p); err != nil {
			return n, fmt.Errorf("%s: %w", path, err)
		}
	}
	return n, nil
}

func (m *meta) learnPreamble(p protocol.Preamble) error {
	if m.Journal.IsZero() {
		m.Journal, m.Gateway, m.Place, m.CreatedUTCNs = p.Journal, p.Gateway, Place(p.Place), p.CreatedUTCNs
	}
	if p.Journal != m.Journal {
		return fmt.Errorf("it belongs to journal %v, other files here to %v: move one of them elsewhere", p.Journal, m.Journal)
	}
	m.CreatedUTCNs = min(m.CreatedUTCNs, p.CreatedUTCNs)
	s := m.stream(p.Stream)
	if s == nil {
		if _, err := m.addStream(p.Stream, p.StreamID); err != nil {
			return err
		}
		s = m.stream(p.Stream)
	}
	if s.ID != p.StreamID {
		return fmt.Errorf("it has stream id %d, other files of %q have %d: move one of them elsewhere", p.StreamID, p.Stream, s.ID)
	}
	s.LastEpoch = max(s.LastEpoch, p.Epoch)
	return nil
}
