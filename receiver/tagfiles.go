package receiver

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"photongate/protocol"
	"photongate/protocol/table"
)

// tagSet is the files with the tags of a set: one of text or records, or two of
// NumPy's.
type tagSet struct {
	view     *table.View
	stream   string
	channels []protocol.Channel
	files    []*os.File
	w        *table.TagWriter
}

func newTagSet(v *table.View, p *table.Part) *tagSet {
	return &tagSet{view: v, stream: p.Name(), channels: p.Channels()}
}

// fits reports whether a part's tags have the same channels, so that their
// numbers mean the same.
func (t *tagSet) fits(p *table.Part) bool {
	return p.IsTags() && p.Name() == t.stream && table.SameColumns(t.channels, p.Channels())
}

func (t *tagSet) extensions() []string {
	switch t.view.Format {
	case table.NPY:
		return []string{".timestamps.npy", ".channels.npy"}
	case table.Raw:
		return []string{".raw"}
	}
	return []string{".csv"}
}

func (t *tagSet) open(files []*os.File, clock *table.RowClock, bad func(*table.Part, table.Gap) error) {
	t.files = files
	switch t.view.Format {
	case table.NPY:
		t.w = table.NewTagWriter(clock, t.view, &npyFile{file: files[0], descr: "<i8"}, &npyFile{file: files[1], descr: "|u1"})
	default:
		t.w = table.NewTagWriter(clock, t.view, files[0])
	}
	t.w.Bad = bad
}

// stop ends the goroutines of a set of tags; t may be nil.
func (t *tagSet) stop() {
	if t != nil {
		t.w.Stop()
	}
}

// flush writes what was given, and returns how many tags there are.
func (t *tagSet) flush() (rows uint64, err error) {
	if err := t.w.Flush(); err != nil {
		return 0, err
	}
	rows = t.w.Rows()
	if t.view.Format != table.NPY {
		return rows, nil
	}
	return rows, errors.Join(npyHead(t.files[0], "<i8", rows), npyHead(t.files[1], "|u1", rows))
}

// npyFile leaves room for a head in front of what is written.
type npyFile struct {
	file  *os.File
	descr string
	begun bool
}

// Write implements io.Writer.
func (n *npyFile) Write(b []byte) (int, error) {
	if !n.begun {
		if err := npyHead(n.file, n.descr, 0); err != nil {
			return 0, err
		}
		if _, err := n.file.Seek(npyHeadBytes, 0); err != nil {
			return 0, err
		}
		n.begun = true
	}
	return n.file.Write(b)
}

// npyHeadBytes is how long the head is: padded, so that it can be written again
// when the number of rows has grown.
const npyHeadBytes = 128

// npyHead writes the head of a file of NumPy's, version 1.0: magic, version, length
// of the rest, and a Python dictionary that ends with a line feed.
func npyHead(file *os.File, descr string, rows uint64) error {
	const before = 10 // bytes in front of the dictionary
	text := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%d,), }", descr, rows)
	text += strings.Repeat(" ", npyHeadBytes-before-1-len(text)) + "\n"
	_, err := file.WriteAt(append([]byte{0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, npyHeadBytes - before, 0}, text...), 0)
	return err
}

// Expect implements table.Expecter.
func (f *csvFiles) Expect(p *table.Part) error {
	if f.view == nil || f.merged {
		return nil
	}
	return f.view.Fits(p)
}

// Tags implements table.TagSink.
func (f *csvFiles) Tags(p *table.Part, frame *table.TagFrame) error {
	if f.noTags {
		f.tagsSeen = true
		return nil
	}
	if frame.Header.Count == 0 {
		return nil
	}
	if f.set != nil && !f.set.fits(p) {
		if err := f.close(); err != nil {
			return err
		}
	}
	if f.set == nil {
		if err := f.open(p); err != nil {
			return err
		}
	}
	s := f.set
	start, err := s.tags.w.Tags(p, frame)
	if err != nil {
		return err
	}
	if start != nil {
		s.meta.Starts = append(s.meta.Starts, *start)
		f.release() // times are known now
	}
	s.enter(p)
	return nil
}

// badTags notes a frame of tags that cannot be decoded.
func (f *csvFiles) badTags(p *table.Part, g table.Gap) error {
	f.set.note(earlyNote{part: *p, gap: &g})
	return nil
}

// flushRows writes the rows of a set.
func (s *csvSet) flushRows() error {
	if s.tags == nil {
		return s.counts.Flush()
	}
	rows, err := s.tags.flush()
	s.meta.Tags = protocol.Uint64(rows)
	return err
}
