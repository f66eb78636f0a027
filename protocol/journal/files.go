package journal

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"photongate/protocol"
)

// files keeps track of a stream's segments in a folder that may be growing.
type files struct {
	fs     FS
	dir    string
	want   protocol.Preamble
	known  knowledge
	drops  bool       // a quota may drop files meanwhile
	segs   []*segment // sorted
	strays []stray
}

func newFiles(fsys FS, dir string, m meta, s metaStream) *files {
	return &files{fs: fsys, dir: filepath.Join(dir, s.Name), drops: m.Place == InJournal, want: protocol.Preamble{Journal: m.Journal, Stream: s.Name, StreamID: s.ID},
		known: knowledge{last: s.LastEpoch, noted: s.Ends, dropped: s.Dropped, begins: m.Place == InJournal && m.MadeAgain}}
}

// refresh lists the folder anew, and reports whether there is more than
// before. The last file may be one that is being written.
func (l *files) refresh() (more bool, err error) {
	entries, err := l.fs.ReadDir(l.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // a stream without a frame, or its folder was removed
	}
	if err != nil {
		return false, err
	}
	known := make(map[string]*segment, len(l.segs))
	for _, seg := range l.segs {
		known[seg.name] = seg
	}
	segs := make([]*segment, 0, len(l.segs)+1)
	l.strays = l.strays[:0]
	for _, e := range entries {
		if e.IsDir() || !strings.HasSuffix(e.Name(), segmentExt) {
			if !ownFile(e.Name()) {
				l.strays = append(l.strays, stray{filepath.Join(l.dir, e.Name()), errNoSegment})
			}
			continue
		}
		seg := known[e.Name()]
		if seg == nil {
			seg, err = openSegment(l.fs, l.dir, e.Name(), l.want)
			if errors.Is(err, fs.ErrNotExist) { // removed since the listing
				continue
			}
			if err != nil {
				l.strays = append(l.strays, stray{filepath.Join(l.dir, e.Name()), err})
				continue
			}
			more = true
		} else if info, err := e.Info(); err == nil && info.Size() > seg.size.Load() {
			seg.size.Store(info.Size())
			more = true
		}
		segs = append(segs, seg)
	}
	sortSegments(segs)
	for i, seg := range segs {
		seg.live.Store(i == len(segs)-1)
	}
	l.segs = segs
	return more, nil
}
