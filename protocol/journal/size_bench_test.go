package journal_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
)

// BenchmarkSize is how the cost grows with the journal, in segment files of 4 MiB: to open
// it after a clean end, and to find a frame in the middle, as a receiver that comes
// back has it. Beside it to read the names of its files, which any way to keep it would
// have to do, and to read the whole of them, which recovery without a clean end may.
func BenchmarkSize(b *testing.B) {
	for _, mib := range []int{16, 64, 256} {
		dir := b.TempDir()
		options := journal.Options{Gateway: "bench", WaitWhenFull: true, SegmentBytes: 4 << 20, TailBytes: 1 << 20}
		last := fillJournal(b, dir, options, int64(mib)<<20)
		b.Run(fmt.Sprintf("%d MiB", mib), func(b *testing.B) {
			var opened, found, listed time.Duration
			for b.Loop() {
				began := time.Now()
				j, err := journal.Open(dir, options)
				if err != nil {
					b.Fatal(err)
				}
				opened += time.Since(began)
				s := stream(b, j, "bench")
				began = time.Now()
				r := s.Reader(journal.Position{Epoch: 1, Seq: last / 2})
				if frames, err := r.TryNext(256 << 10); err != nil || len(frames) == 0 {
					b.Fatalf("%d bytes, %v", len(frames), err)
				}
				found += time.Since(began)
				r.Close()
				began = time.Now()
				if files, err := os.ReadDir(dir + "/bench"); err != nil || len(files) < mib/4 {
					b.Fatalf("%d files, %v", len(files), err)
				}
				listed += time.Since(began)
				closeJournal(b, j)
			}
			ms := func(d time.Duration) float64 { return d.Seconds() * 1e3 / float64(b.N) }
			b.ReportMetric(ms(opened), "open-ms")
			b.ReportMetric(ms(found), "middle-ms")
			b.ReportMetric(ms(listed), "names-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// fillJournal makes a journal of so many bytes in one epoch and gives its last sequence.
func fillJournal(b *testing.B, dir string, options journal.Options, size int64) uint64 {
	b.Helper()
	j, err := journal.Open(dir, options)
	if err != nil {
		b.Fatal(err)
	}
	defer closeJournal(b, j)
	s := stream(b, j, "bench")
	begin(b, s, 0, 1)
	frame := frameOf(b, 1, 1, 1, 7300-protocol.HeaderSize)
	h, err := protocol.ParseHeader(frame)
	if err != nil {
		b.Fatal(err)
	}
	for h.Seq = 1; size > 0; h.Seq++ {
		if _, err := protocol.SealFrame(frame, h); err != nil {
			b.Fatal(err)
		}
		if err := s.Append(frame); err != nil {
			b.Fatal(err)
		}
		size -= int64(len(frame))
	}
	return h.Seq - 1
}
