package journal

import (
	"testing"
	"time"

	"photongate/protocol"
)

// TestTailForgetsWhatIsOnTheDisk: frames that wait for the disk may use the
// whole tail, those that are on it only a part, so that a gateway at rest stays
// small.
func TestTailForgetsWhatIsOnTheDisk(t *testing.T) {
	const limit = 1 << 20
	j, err := Open(t.TempDir(), Options{Gateway: "pi-lab3", TailBytes: limit, SyncEvery: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	s, err := j.Stream("bench", 0)
	if err != nil {
		t.Fatal(err)
	}
	epoch, err := s.Begin(0, 1)
	if err != nil {
		t.Fatal(err)
	}
	seq := uint64(0)
	add := func(bytes int) {
		for ; bytes > 0; bytes -= 1000 {
			seq++
			frame, err := protocol.AppendFrame(nil, protocol.Header{Type: protocol.TypeTags, Stream: s.ID(), Epoch: epoch, Seq: seq, Count: 1}, make([]byte, 1000-protocol.HeaderSize))
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Append(frame); err != nil {
				t.Fatal(err)
			}
		}
	}
	used := func() int64 {
		j.mu.Lock()
		defer j.mu.Unlock()
		return j.tail.used
	}
	add(700_000)
	if got := used(); got < 700_000 {
		t.Errorf("%d bytes in memory after 700000 that are not on the disk", got)
	}
	if err := j.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	add(300_000) // makes new chunks, at which the old ones are looked at
	if got := used(); got > limit/readAhead+2*limit/8+300_000 {
		t.Errorf("%d bytes in memory of 300000 that are not on the disk and those before them", got)
	}
}
