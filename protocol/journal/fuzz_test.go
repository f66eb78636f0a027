package journal_test

import (
	"errors"
	"io"
	"testing"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/journal/journaltest"
)

// Whatever stands in a segment file: reading ends, gives only frames that check,
// in order and without a break, and deletes nothing.
func FuzzSegment(f *testing.F) {
	fsys := journaltest.New()
	j := open(f, fsys, journal.Options{})
	s, err := j.Stream("bench", 0)
	if err != nil {
		f.Fatal(err)
	}
	begin(f, s, 0, 1)
	appendFrames(f, s, 1, 1, 4, 20)
	hole, err := protocol.AppendJSON(nil, protocol.Header{Type: protocol.TypeHole, Stream: 1, Epoch: 1, Seq: 5}, &protocol.Hole{To: 7, Cause: protocol.CauseQuota})
	if err != nil {
		f.Fatal(err)
	}
	if err := s.Append(hole); err != nil {
		f.Fatal(err)
	}
	appendFrames(f, s, 1, 8, 9, 20)
	if err := j.Close(); err != nil {
		f.Fatal(err)
	}
	path := segmentsOf(fsys, "bench")[0]
	good := fsys.Data(path)
	parts := partsOf(f, good)
	f.Add(good)
	f.Add(good[:len(good)-40])
	f.Add(good[parts[0].to:])
	f.Add(append(append([]byte{}, good...), good[parts[2].from:]...))
	f.Fuzz(func(t *testing.T, data []byte) {
		fsys := fsys.Clone()
		fsys.Put(path, data)
		folderOf, err := journal.OpenFolder(fsys, folder)
		if err != nil {
			t.Fatal(err)
		}
		r := folderOf.Reader("bench")
		defer r.Close()
		at := journal.Position{}
		for {
			b, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			for len(b) > 0 {
				h, payload, rest, err := protocol.ParseFrame(b)
				if err != nil {
					t.Fatal(err)
				}
				if h.Epoch < at.Epoch || h.Epoch == at.Epoch && h.Seq != at.Seq+1 || h.Epoch > at.Epoch && h.Seq != 1 {
					t.Fatalf("frame %d of epoch %d after %v", h.Seq, h.Epoch, at)
				}
				at = journal.Position{Epoch: h.Epoch, Seq: h.Seq}
				if h.Type == protocol.TypeHole {
					var hole protocol.Hole
					if err := protocol.DecodeJSON(payload, &hole); err != nil {
						t.Fatal(err)
					}
					at.Seq = uint64(hole.To)
				}
				b = rest
			}
		}
		j, err := journal.Open(folder, journal.Options{FS: fsys})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := j.Streams()[0].Begin(0, 1); err != nil && !errors.Is(err, journal.ErrOrder) && at.Epoch < 1<<32-2 {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
