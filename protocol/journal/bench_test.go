package journal_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"photongate/protocol"
	"photongate/protocol/journal"
)

// benchBytes is what one round of a benchmark moves: more than any tail.
const benchBytes = 64 << 20

// benchFrames makes frames of about a size, of one epoch, as many as make
// benchBytes.
func benchFrames(b *testing.B, size int) [][]byte {
	b.Helper()
	var frames [][]byte
	buf := make([]byte, 0, benchBytes+size)
	for len(buf) < benchBytes {
		at := len(buf)
		payload := make([]byte, size-protocol.HeaderSize)
		for i := range payload {
			payload[i] = byte(i * len(frames))
		}
		h := protocol.Header{Type: protocol.TypeTags, Stream: 1, Epoch: 1, Seq: uint64(len(frames) + 1), Count: 1}
		var err error
		if buf, err = protocol.AppendFrame(buf, h, payload); err != nil {
			b.Fatal(err)
		}
		frames = append(frames, buf[at:len(buf):len(buf)])
	}
	return frames
}

// sizes are a frame of a thousand readings and one of a single reading.
var sizes = []int{7300, 120}

// BenchmarkAppend appends and syncs 64 MiB, into a tail that is shorter.
// BenchmarkPlainWrite is the same bytes written to one file in the journal's
// large writes and synced: what the disk takes.
func BenchmarkAppend(b *testing.B) {
	for _, size := range sizes {
		frames := benchFrames(b, size)
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.SetBytes(benchBytes)
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				dir := b.TempDir()
				j, err := journal.Open(dir, journal.Options{Gateway: "bench", WaitWhenFull: true})
				if err != nil {
					b.Fatal(err)
				}
				s := stream(b, j, "bench")
				begin(b, s, 0, 1)
				b.StartTimer()
				for _, frame := range frames {
					if err := s.Append(frame); err != nil {
						b.Fatal(err)
					}
				}
				if err := j.Sync(b.Context()); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				closeJournal(b, j)
				_ = os.RemoveAll(dir)
				b.StartTimer()
			}
		})
	}
}

func BenchmarkPlainWrite(b *testing.B) {
	data := make([]byte, 256<<10)
	b.SetBytes(benchBytes)
	for b.Loop() {
		b.StopTimer()
		name := filepath.Join(b.TempDir(), "plain")
		f, err := os.Create(name)
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		for range benchBytes / len(data) {
			if _, err := f.Write(data); err != nil {
				b.Fatal(err)
			}
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		_ = f.Close()
		_ = os.Remove(name)
		b.StartTimer()
	}
}

// BenchmarkAppendAlone is what Append costs its caller when the tail takes
// all, one frame per operation.
func BenchmarkAppendAlone(b *testing.B) {
	for _, size := range sizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			j, err := journal.Open(b.TempDir(), journal.Options{Gateway: "bench", WaitWhenFull: true})
			if err != nil {
				b.Fatal(err)
			}
			defer j.Close()
			s := stream(b, j, "bench")
			begin(b, s, 0, 1)
			frame := frameOf(b, 1, 1, 1, size-protocol.HeaderSize)
			h, err := protocol.ParseHeader(frame)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := protocol.SealFrame(frame, h); err != nil {
					b.Fatal(err)
				}
				if err := s.Append(frame); err != nil {
					b.Fatal(err)
				}
				h.Seq++
			}
		})
	}
}

// BenchmarkRead reads 64 MiB of frames: from memory, from files as the writer
// and as another process, and the same files without looking at them.
func BenchmarkRead(b *testing.B) {
	for _, size := range sizes {
		dir := b.TempDir()
		j, err := journal.Open(dir, journal.Options{Gateway: "bench", WaitWhenFull: true, TailBytes: 1 << 20})
		if err != nil {
			b.Fatal(err)
		}
		frames := benchFrames(b, size)
		write := func(j *journal.Journal) *journal.Stream {
			s := stream(b, j, "bench")
			begin(b, s, 0, 1)
			for _, frame := range frames {
				if err := s.Append(frame); err != nil {
					b.Fatal(err)
				}
			}
			return s
		}
		s := write(j)
		memory, err := journal.Open(b.TempDir(), journal.Options{Gateway: "bench", WaitWhenFull: true, TailBytes: 3 * benchBytes})
		if err != nil {
			b.Fatal(err)
		}
		m := write(memory)
		b.Run(fmt.Sprintf("%d/tail", size), func(b *testing.B) { readAll(b, m) })
		b.Run(fmt.Sprintf("%d/files", size), func(b *testing.B) { readAll(b, s) })
		b.Run(fmt.Sprintf("%d/folder", size), func(b *testing.B) {
			b.SetBytes(benchBytes)
			f, err := journal.OpenFolder(nil, dir)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				r := f.Reader("bench")
				n := 0
				for {
					frames, err := r.Next()
					if err == io.EOF {
						break
					}
					n += len(frames)
				}
				r.Close()
				if n < benchBytes-1<<20 {
					b.Fatalf("%d bytes read", n)
				}
			}
		})
		b.Run(fmt.Sprintf("%d/plain", size), func(b *testing.B) {
			b.SetBytes(benchBytes)
			buf := make([]byte, 256<<10)
			for b.Loop() {
				for _, seg := range s.Segments() {
					f, err := os.Open(seg.Path)
					if err != nil {
						b.Fatal(err)
					}
					for err == nil {
						_, err = f.Read(buf)
					}
					_ = f.Close()
				}
			}
		})
		closeJournal(b, j)
		closeJournal(b, memory)
	}
}

func readAll(b *testing.B, s *journal.Stream) {
	b.SetBytes(benchBytes)
	b.ReportAllocs()
	for b.Loop() {
		r := s.Reader(journal.Position{})
		n := 0
		for {
			frames, err := r.TryNext(256 << 10)
			if err != nil {
				b.Fatal(err)
			}
			if frames == nil {
				break
			}
			n += len(frames)
		}
		r.Close()
		if n < benchBytes {
			b.Fatalf("%d bytes read", n)
		}
	}
}
