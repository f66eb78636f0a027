package journal

import (
	"errors"
	"fmt"
	"path/filepath"

	"photongate/protocol"
)

// openSegment finds out what one file is.
func openSegment(fsys FS, dir, name string, want protocol.Preamble) (*segment, error) {
	seg := &segment{name: name, path: filepath.Join(dir, name)}
	f, err := fsys.Open(seg.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	seg.mtime = info.ModTime()
	seg.size.Store(info.Size())
	p, size, err := readHead(f)
	seg.begin, seg.spoilt = int64(size), err
	if p.FirstSeq > 0 { // as it was written, though bytes before it may be damaged
		if err := fits(p, want); err != nil {
			return nil, err
		}
		seg.epoch, seg.first, seg.createdNs = p.Epoch, uint64(p.FirstSeq), int64(p.CreatedUTCNs)
		return seg, nil
	}
	if !seg.identify(f, want) {
		if errors.Is(err, protocol.ErrVersion) {
			return nil, err
		}
		if info.Size() > protocol.MaxPreamble {
			return nil, errSpoilt
		}
		return nil, errEmpty
	}
	return seg, nil
}

// fits reports whether a preamble belongs to the journal and stream wanted.
func fits(p, want protocol.Preamble) error {
	switch {
	case !want.Journal.IsZero() && p.Journal != want.Journal:
		return fmt.Errorf("%w journal %v, not to %v", errForeign, p.Journal, want.Journal)
	case want.StreamID != 0 && p.StreamID != want.StreamID:
		return fmt.Errorf("%w stream %q (id %d), not to %q (id %d)", errForeign, p.Stream, p.StreamID, want.Stream, want.StreamID)
	}
	return nil
}

// ReadPreamble reads the preamble at the begin of a segment file, and its
// length. Where it is damaged, its length is returned with the error, as far as
// that can be told, and those of its copies that are whole, but nothing else of
// it. It may be called concurrently.
func ReadPreamble(f File) (protocol.Preamble, int, error) {
	p, size, err := readHead(f)
	if err != nil {
		p = protocol.Preamble{Copies: p.Copies}
	}
	return p, size, err
}

// readHead is ReadPreamble that gives back with an error what is known in spite of
// it: p where the head alone is damaged, else a p without a first sequence.
func readHead(f File) (protocol.Preamble, int, error) {
	b := make([]byte, 4096)
	n, err := readAt(f, b, 0)
	if err != nil {
		return protocol.Preamble{}, 0, err
	}
	size, err := protocol.PreambleSize(b[:n])
	if err != nil {
		b = make([]byte, 2*protocol.MaxPreamble)
		n, _ = readAt(f, b, 0) // what can be read tells what it can
		p, size := protocol.MendPreamble(b[:n])
		if p.FirstSeq == 0 && size > 0 {
			p.Copies = protocol.FindCopies(b[:size])
		}
		return p, size, err
	}
	if size > n {
		b = make([]byte, size)
		if n, err = readAt(f, b, 0); err != nil {
			return protocol.Preamble{}, size, err
		}
	}
	p, _, err := protocol.ParsePreamble(b[:n])
	if err != nil {
		p = protocol.Preamble{Copies: protocol.FindCopies(b[:min(size, n)])}
	}
	return p, size, err
}

// identify takes the identity of a file with a damaged preamble from its
// frames: the last good one says whose they are, the first of these where
// they begin. It reports false when there is none.
func (seg *segment) identify(f File, want protocol.Preamble) bool {
	s := newScanner(f, seg, want.StreamID, 0)
	var epoch uint32
	var first uint64
	for s.peek() {
		if s.head.Epoch != epoch {
			epoch, first = s.head.Epoch, s.head.Seq
		}
		s.take()
		s.prev = 0 // the order is another question
	}
	seg.epoch, seg.first, seg.guessed = epoch, first, true
	return epoch > 0
}
