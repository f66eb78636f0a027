package journal

import (
	"cmp"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"photongate/protocol"
)

const (
	cacheFormat = 3
	cacheBefore = 2        // had not looked between frames: what it knows of the ends of epochs is right
	cacheLimit  = 64 << 20 // bytes of verified.json that are read
)

// cache is verified.json: what Verify found in the files of one stream. It is
// never needed, and one that is damaged or another's is as good as none.
type cache struct {
	Format  int           `json:"format"`
	Journal protocol.ID   `json:"journal"`
	Stream  uint32        `json:"stream_id"`
	Epochs  []*cacheEpoch `json:"epochs"`
	Ends    ends          `json:"ends,omitempty"` // how far epochs were on the disk, by the marks ever read
}

// cacheEpoch is what was found in an epoch, file after file.
type cacheEpoch struct {
	Epoch   uint32          `json:"epoch"`
	Dropped protocol.Uint64 `json:"dropped"`  // the quota had dropped frames up to here, which matters to the causes of holes
	Unknown bool            `json:"unknown"`  // it was not known what it had dropped, likewise
	Ended   bool            `json:"followed"` // another one followed, likewise
	Steps   []cacheStep     `json:"steps"`
}

// cacheStep is what was found in one file, or several that overlap.
type cacheStep struct {
	Files     []cacheFile     `json:"files"`
	Before    protocol.Uint64 `json:"before"` // where the file behind them began; 0: none followed
	Next      protocol.Uint64 `json:"next"`   // the sequence to go on with
	State     []byte          `json:"state"`  // of the SHA-256 over all up to there
	Part      EpochReport     `json:"part"`
	Last      bool            `json:"last"`  // the epoch was read to its end
	Known     protocol.Uint64 `json:"known"` // how far it was then known to have been on the disk
	ReadUTCNs protocol.Int64  `json:"read_utc_ns"`
}

// cacheFile says which file it was; when any of it changes it is another.
type cacheFile struct {
	Name    string         `json:"name"`
	Size    protocol.Int64 `json:"size"`
	MTimeNs protocol.Int64 `json:"mtime_ns"`
}

func fileOf(seg *segment) cacheFile {
	return cacheFile{Name: seg.name, Size: protocol.Int64(seg.size.Load()), MTimeNs: protocol.Int64(seg.mtime.UnixNano())}
}

// epoch begins the notes of an epoch.
func (c *cache) epoch(epoch uint32, m *merge) *cacheEpoch {
	e := &cacheEpoch{Epoch: epoch, Dropped: protocol.Uint64(m.dropped), Unknown: m.unknown, Ended: m.ended}
	c.Epochs = append(c.Epochs, e)
	return e
}

// find returns the notes of the same epoch under the same circumstances.
func (c *cache) find(like *cacheEpoch) *cacheEpoch {
	for _, e := range c.Epochs {
		if e.Epoch == like.Epoch && e.Dropped == like.Dropped && e.Unknown == like.Unknown && e.Ended == like.Ended {
			return e
		}
	}
	return nil
}

// keep notes what was found in files, before which sequence the next one
// begins.
func (e *cacheEpoch) keep(segs []*segment, before uint64, m *merge, sum hash.Hash, part EpochReport, last bool, now time.Time) error {
	if len(segs) == 0 {
		return nil
	}
	s, ok := sum.(encoding.BinaryMarshaler)
	if !ok {
		return errors.New("the state of SHA-256 cannot be kept")
	}
	state, err := s.MarshalBinary()
	if err != nil {
		return err
	}
	step := cacheStep{Before: protocol.Uint64(before), Next: protocol.Uint64(m.want), State: state, Part: part, Last: last, Known: protocol.Uint64(m.known), ReadUTCNs: protocol.Int64(now.UnixNano())}
	for _, seg := range segs {
		step.Files = append(step.Files, fileOf(seg))
	}
	e.Steps = append(e.Steps, step)
	return nil
}

// fits reports whether the first of segs are the files of a step, unchanged,
// and the one that follows begins where it did: a file that was not there
// may fill a hole that was found in the step. Where the epoch was read to its
// end, nothing more is known of what stood behind.
func (s *cacheStep) fits(segs []*segment, known uint64) bool {
	if s.Last && uint64(s.Known) != known || len(s.Files) == 0 || len(s.Files) > len(segs) || len(s.State) == 0 {
		return false
	}
	for i, f := range s.Files {
		if f != fileOf(segs[i]) {
			return false
		}
	}
	before := protocol.Uint64(0)
	if len(segs) > len(s.Files) {
		before = protocol.Uint64(segs[len(s.Files)].first)
	}
	return before == s.Before && s.Last == (before == 0)
}

// same reports whether two caches hold the same.
func (c *cache) same(o cache) bool { return reflect.DeepEqual(*c, o) }

// readCache reads verified.json of a stream's folder, an empty one when there
// is none that can be used. wrong says why one that is there cannot.
func readCache(fsys FS, dir string, journal protocol.ID, stream uint32) (c cache, wrong error) {
	name := filepath.Join(dir, cacheName)
	b, err := ReadFile(fsys, name, cacheLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return cache{}, nil
	}
	if err = cmp.Or(err, CheckCRC(b)); err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err = cmp.Or(err, c.Ends.check()); err == nil && slices.Contains(c.Epochs, nil) {
		err = protocol.ErrFormat
	}
	switch {
	case err != nil:
		return cache{}, fmt.Errorf("%s: %w", name, err)
	case c.Journal != journal || c.Stream != stream || c.Format != cacheFormat && c.Format != cacheBefore:
		return cache{}, nil
	case c.Format == cacheBefore:
		c.Epochs = nil
	}
	return c, nil
}

// write replaces verified.json.
func (c *cache) write(fsys FS, dir string) error {
	b, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("%s: %w", cacheName, err)
	}
	return ReplaceFile(fsys, filepath.Join(dir, cacheName), WithCRC(b))
}
