package receiver

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
)

// recordFrom records everything the stub has.
func recordFrom(t *testing.T, ctx context.Context, g *stub, dir string, change ...func(*RecordOptions)) (Summary, error) {
	t.Helper()
	o := RecordOptions{Addresses: []string{"pi-lab3"}, Dir: dir, Name: "ws-ana", Dial: g.dial, Software: "test"}
	for _, c := range change {
		c(&o)
	}
	return Record(ctx, o)
}

// held reads all frames of a stream out of an archive's only folder.
func held(t *testing.T, dir, stream string) [][]byte {
	t.Helper()
	folders, err := findFolders(dir)
	if err != nil {
		t.Fatal(err)
	}
	return heldIn(t, folders[len(folders)-1], stream)
}

func heldIn(t *testing.T, folder, stream string) [][]byte {
	t.Helper()
	j, err := journal.Open(folder, journal.Options{Place: journal.InArchive})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	var out [][]byte
	for _, s := range j.Streams() {
		if s.Name() != stream {
			continue
		}
		r := s.Reader(journal.Position{})
		defer r.Close()
		for {
			frames, err := r.TryNext(1 << 20)
			if err != nil {
				t.Fatal(err)
			}
			if len(frames) == 0 {
				break
			}
			for len(frames) > 0 {
				h, err := protocol.ParseHeader(frames)
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, append([]byte(nil), frames[:h.FrameLen()]...))
				frames = frames[h.FrameLen():]
			}
		}
	}
	return out
}

func TestRecordTakesEverythingOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStub(t).withBench(5)
		dir := t.TempDir()
		summary, err := recordFrom(t, t.Context(), g, dir)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "complete", summary.Complete, true)
		equal(t, "readings", summary.Streams[0].Readings, uint64(10))
		equal(t, "frames", held(t, dir, "bench"), g.streams[1].frames)
		equal(t, "last ack", g.acks[2], protocol.AckStream{ID: 2, Epoch: 1, Seq: 6})
		equal(t, "byes", g.byes, 1)
		equal(t, "folder", filepath.Base(summary.Streams[0].Folder), "pi-lab3-00112233")
	})
}

func TestRecordWritesCSV(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStub(t).withBench(2)
		dir := t.TempDir()
		summary, err := recordFrom(t, t.Context(), g, dir, func(o *RecordOptions) { o.CSV = true })
		if err != nil {
			t.Fatal(err)
		}
		if len(summary.Streams[0].CSV) != 1 {
			t.Fatalf("CSV files: %q", summary.Streams[0].CSV)
		}
		text, err := os.ReadFile(summary.Streams[0].CSV[0])
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "csv", string(text), strings.Join([]string{
			"time_utc,t_s,gate_s,live_s,stream,part,index,flags,A,B",
			"2026-11-20T13:30:12.100000Z,0.000000,0.100000,0.100000,pi-lab3/bench,1,0,,1000,7",
			"2026-11-20T13:30:12.200000Z,0.100000,0.100000,0.100000,pi-lab3/bench,1,1,,1001,8",
			"2026-11-20T13:30:12.300000Z,0.200000,0.100000,0.100000,pi-lab3/bench,1,2,,1002,7",
			"2026-11-20T13:30:12.400000Z,0.300000,0.100000,0.100000,pi-lab3/bench,1,3,,1003,8",
			"",
		}, "\n"))
	})
}

// TestTornAtEveryByte cuts the connection after each byte of an exchange; the
// next session is whole. The archive holds every frame once.
func TestTornAtEveryByte(t *testing.T) {
	total := 0
	{
		g := newStub(t).withBench(3)
		for _, s := range g.streams {
			for _, f := range s.frames {
				total += len(f)
			}
		}
		total += 1500 // hello, proof, subscribed, turn, finished
	}
	for cut := 0; cut < total; cut += 7 {
		synctest.Test(t, func(t *testing.T) {
			g := newStub(t).withBench(3)
			g.cutAfter = func(session int) int {
				if session == 1 {
					return cut
				}
				return -1
			}
			dir := t.TempDir()
			if _, err := recordFrom(t, t.Context(), g, dir); err != nil {
				t.Fatalf("cut after %d bytes: %v", cut, err)
			}
			equal(t, "frames", held(t, dir, "bench"), g.streams[1].frames)
			if t.Failed() {
				t.Fatalf("cut after %d bytes", cut)
			}
		})
	}
}

func TestStopFlushesAcksAndSaysBye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStub(t).withBench(4)
		g.hold = make(chan struct{}) // the stream stays open
		dir := t.TempDir()
		ctx, cancel := context.WithTimeout(t.Context(), 4500*time.Millisecond)
		defer cancel()
		summary, err := recordFrom(t, ctx, g, dir)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "complete", summary.Complete, true)
		equal(t, "last ack", g.acks[2], protocol.AckStream{ID: 2, Epoch: 1, Seq: 5})
		equal(t, "byes", g.byes, 1)
	})
}
