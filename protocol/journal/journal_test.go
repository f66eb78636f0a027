package journal

import (
	"testing"

	"photongate/protocol"
)

// testFrame makes a counts-like frame: its payload is not decoded by this
// package.
func testFrame(t testing.TB, id, epoch uint32, seq uint64, size int) []byte {
	t.Helper()
	payload := make([]byte, size)
	for i := range payload {
		payload[i] = byte(uint64(i)*7 + seq*31)
	}
	h := protocol.Header{Type: protocol.TypeEvent, Stream: id, Epoch: epoch, Seq: seq, Index: seq, Time: int64(seq) * 1000}
	b, err := protocol.AppendFrame(nil, h, payload)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAppendAndReadAgain(t *testing.T) {
	dir := t.TempDir()
	j, err := Open(dir, Options{Gateway: "pi-lab3", SegmentBytes: 4000, TailBytes: 20000})
	if err != nil {
		t.Fatal(err)
	}
	s, err := j.Stream("bench", 0)
	if err != nil {
		t.Fatal(err)
	}
	epoch, err := s.Begin(0, 1)
	if err != nil {
		t.Fatal(err)
	}
	for seq := uint64(1); seq <= 100; seq++ {
		if err := s.Append(testFrame(t, s.ID(), epoch, seq, 200)); err != nil {
			t.Fatal(err)
		}
		if err := j.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	check := func(s *Stream) {
		t.Helper()
		r := s.Reader(Position{})
		defer r.Close()
		want := uint64(1)
		for {
			b, err := r.TryNext(1000)
			if err != nil {
				t.Fatal(err)
			}
			if b == nil {
				break
			}
			for len(b) > 0 {
				h, _, rest, err := protocol.ParseFrame(b)
				if err != nil {
					t.Fatal(err)
				}
				if h.Seq != want || h.Type == protocol.TypeHole {
					t.Fatalf("got %v %d, want %d", h.Type, h.Seq, want)
				}
				want++
				b = rest
			}
		}
		if want != 101 {
			t.Fatalf("read up to %d", want-1)
		}
	}
	check(s)
	if got := s.Durable().Seq; got != 100 {
		t.Errorf("durable %d", got)
	}
	if len(s.Segments()) < 5 {
		t.Errorf("segments: %v", s.Segments())
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j, err = Open(dir, Options{OnTrouble: func(err error) { t.Error(err) }})
	if err != nil {
		t.Fatal(err)
	}
	s, err = j.Stream("bench", 0)
	if err != nil {
		t.Fatal(err)
	}
	check(s)
	if epoch, err := s.Begin(0, 1); err != nil || epoch != 2 {
		t.Fatal(epoch, err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}
