package journal_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/journal/journaltest"
)

// tb is what helpers need of *testing.T and *rapid.T.
type tb interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

const folder = "/j"

// frameOf makes a frame whose bytes depend on its identity alone.
func frameOf(t tb, id, epoch uint32, seq uint64, size int) []byte {
	t.Helper()
	payload := make([]byte, size)
	for i := range payload {
		payload[i] = byte(uint64(i)*7 + seq*31 + uint64(epoch)*101 + uint64(id)*13)
	}
	// A payload that looks like the begin of a frame must not mislead anybody.
	copy(payload, "\xF5PG\x01\x0e")
	h := protocol.Header{Type: protocol.TypeTags, Stream: id, Epoch: epoch, Seq: seq, Index: seq, Count: 1, Time: int64(seq) * 1000}
	b, err := protocol.AppendFrame(nil, h, payload)
	if err != nil {
		t.Fatalf("frame: %v", err)
	}
	return b
}

func jsonFrame(t tb, typ protocol.Type, id, epoch uint32, seq uint64, v any) []byte {
	t.Helper()
	b, err := protocol.AppendJSON(nil, protocol.Header{Type: typ, Stream: id, Epoch: epoch, Seq: seq, Time: int64(seq) * 1000}, v)
	if err != nil {
		t.Fatalf("frame: %v", err)
	}
	return b
}

func open(t tb, fsys journal.FS, o journal.Options) *journal.Journal {
	t.Helper()
	o.FS = fsys
	if o.Gateway == "" {
		o.Gateway = "pi-lab3"
	}
	j, err := journal.Open(folder, o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return j
}

func stream(t tb, j *journal.Journal, name string) *journal.Stream {
	t.Helper()
	s, err := j.Stream(name, 0)
	if err != nil {
		t.Fatalf("stream: %v", err)
	}
	return s
}

func begin(t tb, s *journal.Stream, epoch uint32, first uint64) uint32 {
	t.Helper()
	epoch, err := s.Begin(epoch, first)
	if err != nil {
		t.Fatalf("begin: %v", err)
	}
	return epoch
}

func appendFrames(t tb, s *journal.Stream, epoch uint32, from, to uint64, size int) {
	t.Helper()
	for seq := from; seq <= to; seq++ {
		if err := s.Append(frameOf(t, s.ID(), epoch, seq, size)); err != nil {
			t.Fatalf("append %d: %v", seq, err)
		}
	}
}

func closeJournal(t tb, j *journal.Journal) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

// told writes frames as short words: "1:1-4" frames 1 to 4 of epoch 1,
// "1:5-6 damaged" a hole. It checks every frame.
func told(t tb, frames []byte, words []string) []string {
	t.Helper()
	for len(frames) > 0 {
		h, payload, rest, err := protocol.ParseFrame(frames)
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		if h.Type == protocol.TypeHole {
			var hole protocol.Hole
			if err := protocol.DecodeJSON(payload, &hole); err != nil {
				t.Fatalf("read: %v", err)
			}
			words = append(words, fmt.Sprintf("%d:%d-%d %s", h.Epoch, h.Seq, hole.To, hole.Cause))
		} else {
			if h.Type == protocol.TypeTags {
				if want := frameOf(t, h.Stream, h.Epoch, h.Seq, len(payload)); !bytes.Equal(want, frames[:h.FrameLen()]) {
					t.Fatalf("frame %d of epoch %d has other bytes than were appended", h.Seq, h.Epoch)
				}
			}
			var from, to uint64
			n := len(words)
			if n > 0 {
				var epoch uint32
				if c, _ := fmt.Sscanf(words[n-1], "%d:%d-%d", &epoch, &from, &to); c == 3 && epoch == h.Epoch && to+1 == h.Seq && !strings.Contains(words[n-1], " ") {
					words[n-1] = fmt.Sprintf("%d:%d-%d", epoch, from, h.Seq)
					frames = rest
					continue
				}
			}
			words = append(words, fmt.Sprintf("%d:%d-%d", h.Epoch, h.Seq, h.Seq))
		}
		frames = rest
	}
	return words
}

// readStream reads all a stream has at present.
func readStream(t tb, s *journal.Stream, after journal.Position, max int) string {
	t.Helper()
	r := s.Reader(after)
	defer r.Close()
	var words []string
	for {
		b, err := r.TryNext(max)
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		if b == nil {
			return strings.Join(words, ", ")
		}
		words = told(t, b, words)
	}
}

// readFolder reads a stream without the lock.
func readFolder(t tb, fsys journal.FS, name string) string {
	t.Helper()
	f, err := journal.OpenFolder(fsys, folder)
	if err != nil {
		t.Fatalf("open folder: %v", err)
	}
	r := f.Reader(name)
	defer r.Close()
	var words []string
	for {
		b, err := r.Next()
		if errors.Is(err, io.EOF) {
			return strings.Join(words, ", ")
		}
		if err != nil {
			t.Fatalf("read folder: %v", err)
		}
		words = told(t, b, words)
	}
}

// same fails when got is not want.
func same(t tb, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}

// segmentsOf returns the paths of a stream's files, in order of name.
func segmentsOf(fsys *journaltest.FS, name string) []string {
	var out []string
	for _, path := range fsys.Files() {
		if filepath.Dir(path) == filepath.Join(folder, name) && strings.HasSuffix(path, ".pgs") {
			out = append(out, path)
		}
	}
	return out
}

// part is what stands at a stretch of a segment file.
type part struct {
	from, to int
	seq      uint64 // of a frame; 0: a preamble or mark
}

// partsOf takes a good segment file apart.
func partsOf(t tb, data []byte) []part {
	t.Helper()
	_, n, err := protocol.ParsePreamble(data)
	if err != nil {
		t.Fatalf("preamble: %v", err)
	}
	parts := []part{{0, n, 0}}
	for at := n; at < len(data); {
		size, seq := protocol.MarkSize, uint64(0)
		if _, err := protocol.ParseMark(data[at:]); err != nil {
			h, _, _, err := protocol.ParseFrame(data[at:])
			if err != nil {
				t.Fatalf("at byte %d: %v", at, err)
			}
			size, seq = h.FrameLen(), h.Seq
		}
		parts = append(parts, part{at, at + size, seq})
		at += size
	}
	return parts
}

// threeFiles makes a closed journal of one stream: 12 frames in three files,
// each with marks within.
func threeFiles(t *testing.T) *journaltest.FS {
	t.Helper()
	fsys := journaltest.New()
	j := open(t, fsys, journal.Options{SegmentBytes: 620})
	s := stream(t, j, "bench")
	epoch := begin(t, s, 0, 1)
	for seq := uint64(1); seq <= 12; seq++ {
		appendFrames(t, s, epoch, seq, seq, 30)
		if seq%2 == 0 {
			if err := j.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	closeJournal(t, j)
	if n := len(segmentsOf(fsys, "bench")); n != 3 {
		t.Fatalf("made %d files, want 3", n)
	}
	return fsys
}
