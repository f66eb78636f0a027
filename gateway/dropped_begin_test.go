package gateway

import (
	"fmt"
	"testing"
	"testing/synctest"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/journal/journaltest"
)

// Two parts whose begins the quota dropped are sent with their descriptors all
// the same: without, nobody knows what the columns are. An archive that comes to
// the second part on its way gets its descriptor there.
func TestPartsWhoseBeginWasDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := journaltest.New()
		o := journal.Options{FS: fsys, Gateway: "pi-lab3"}
		j, st := openBench(t, o)
		var descriptors [][]byte
		for epoch := uint32(1); epoch <= 2; epoch++ {
			if _, err := st.Begin(epoch, 1); err != nil {
				t.Fatal(err)
			}
			for seq := uint64(1); seq <= 6; seq++ {
				var v any = &protocol.Event{What: fmt.Sprintf("event %d", seq)}
				kind := protocol.TypeEvent
				if seq == 1 {
					kind, v = protocol.TypeDescriptor, &protocol.Descriptor{Stream: "bench", Base: protocol.NewID(), Software: "test", Cause: "reopened",
						Channels: []protocol.Channel{{Name: fmt.Sprint("A", epoch), Kind: protocol.KindCount}}}
				}
				frame, err := protocol.AppendJSON(nil, protocol.Header{Type: kind, Critical: seq == 1, Stream: st.ID(), Epoch: epoch, Seq: seq}, v)
				if err == nil {
					err = st.Append(frame)
				}
				if err == nil && seq%3 == 0 {
					err = st.CloseSegment(t.Context())
				}
				if err != nil {
					t.Fatal(err)
				}
				if seq == 1 {
					descriptors = append(descriptors, frame)
				}
			}
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		j, st = openBench(t, o)
		defer j.Close() //nolint:errcheck // it is thrown away
		first := st.Segments()[0]
		if info, err := st.DropOldest(); err != nil || info.LastSeq != 3 {
			t.Fatalf("dropped %+v of %+v: %v", info, first, err)
		}
		// Of the second part the file with the descriptor goes by hand.
		for _, info := range st.Segments() {
			if info.Epoch == 2 && info.FirstSeq == 1 {
				if err := fsys.Remove(info.Path); err != nil {
					t.Fatal(err)
				}
			}
		}
		f, answer := (&server{clock: func() []byte { return nil }}).newFeed(st, start{answer: protocol.AnswerStart})
		if answer.Epoch != 1 || answer.Seq != 4 {
			t.Errorf("begins with frame %d of part %d", answer.Seq, answer.Epoch)
		}
		got := map[uint32]bool{}
		for {
			copies := f.copies
			f.copies = nil
			frames, end, err := f.next(1<<20, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range append(copies, f.copies...) {
				h, payload, _, err := protocol.ParseFrame(c)
				if err != nil || h.Type != protocol.TypeCopy {
					t.Fatal(err)
				}
				inner, _, _, err := protocol.ParseFrame(payload)
				if err != nil || string(payload) != string(descriptors[inner.Epoch-1]) {
					t.Fatalf("a copy of another frame: %+v, %v", inner, err)
				}
				got[inner.Epoch] = true
			}
			f.copies = nil
			if len(frames) == 0 {
				break
			}
			if !got[end.Epoch] && !beginsEpoch(frames) {
				t.Errorf("frames of part %d came without its descriptor", end.Epoch)
			}
		}
		if len(got) != 2 {
			t.Errorf("descriptors of parts %v came", got)
		}
	})
}

func openBench(t *testing.T, o journal.Options) (*journal.Journal, *journal.Stream) {
	t.Helper()
	j, err := journal.Open("/journal", o)
	if err != nil {
		t.Fatal(err)
	}
	st, err := j.Stream("bench", 0)
	if err != nil {
		t.Fatal(err)
	}
	return j, st
}
