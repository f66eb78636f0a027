package receiver

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/journal/journaltest"
)

// lab is a stub gateway and an archive in memory.
type lab struct {
	*stub
	fs  *journaltest.FS
	log strings.Builder
}

func newLab(t *testing.T, frames int) *lab {
	return &lab{stub: newStub(t).withBench(frames), fs: journaltest.New()}
}

// record records all the stub has.
func (l *lab) record(ctx context.Context, change ...func(*RecordOptions)) (Summary, error) {
	o := RecordOptions{Addresses: []string{"pi-lab3"}, Dir: "arch", Name: "ws-ana", Dial: l.dial, Software: "test", FS: l.fs, Log: zerolog.New(zerolog.SyncWriter(&l.log))}
	for _, c := range change {
		c(&o)
	}
	return Record(ctx, o)
}

func (l *lab) mustRecord(t *testing.T, change ...func(*RecordOptions)) Summary {
	t.Helper()
	summary, err := l.record(t.Context(), change...)
	if err != nil {
		t.Fatal(err)
	}
	return summary
}

// held reads all frames of a stream of a folder of the archive, holes included.
func held(t *testing.T, fsys journal.FS, folder, stream string) [][]byte {
	t.Helper()
	f, err := journal.OpenFolder(fsys, filepath.Join("arch", folder))
	if err != nil {
		t.Fatal(err)
	}
	r := f.Reader(stream)
	defer r.Close()
	var out [][]byte
	for {
		frames, err := r.Next()
		if err != nil {
			return out
		}
		for len(frames) > 0 {
			h, err := protocol.ParseHeader(frames)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, slices.Clone(frames[:h.FrameLen()]))
			frames = frames[h.FrameLen():]
		}
	}
}

const labFolder = "pi-lab3-00112233"

// sequences tells frames in short: "1.1 1.2 1.hole3-4 2.1".
func sequences(t *testing.T, frames [][]byte) string {
	t.Helper()
	var words []string
	for _, f := range frames {
		h, payload, _, err := protocol.ParseFrame(f)
		if err != nil {
			t.Fatal(err)
		}
		if h.Type == protocol.TypeHole {
			var hole protocol.Hole
			if err := protocol.DecodeJSON(payload, &hole); err != nil {
				t.Fatal(err)
			}
			words = append(words, fmt.Sprintf("%d.hole%d-%d(%s)", h.Epoch, h.Seq, hole.To, hole.Cause))
			continue
		}
		words = append(words, fmt.Sprintf("%d.%d", h.Epoch, h.Seq))
	}
	return strings.Join(words, " ")
}

func TestRecordTakesEverythingOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 5)
		summary := l.mustRecord(t)
		equal(t, "complete", summary.Complete, true)
		equal(t, "readings", summary.Streams[0].Readings, uint64(10))
		equal(t, "bench", held(t, l.fs, labFolder, "bench"), l.streams[1].frames)
		equal(t, "gateway", held(t, l.fs, labFolder, "gateway"), l.streams[0].frames)
		equal(t, "last ack", l.acks[2], protocol.AckStream{ID: 2, Epoch: 1, Seq: 6})
		equal(t, "byes", l.byes, 1)
		equal(t, "folder", summary.Streams[0].Folder, filepath.Join("arch", labFolder))
		equal(t, "first question", l.asks[0].From, protocol.FromOldest)
	})
}

// TestTornAtEveryByte cuts the connection after each byte of an exchange; the
// next session is whole. The archive holds every frame once.
func TestTornAtEveryByte(t *testing.T) {
	whole := 0
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 2)
		l.cutAfter = func(int) int { return 1 << 30 }
		l.sent = &whole
		l.mustRecord(t)
	})
	if whole < 500 {
		t.Fatalf("a whole exchange has %d bytes", whole)
	}
	for cut := range whole {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, 2)
			l.cutAfter = func(session int) int {
				if session == 1 {
					return cut
				}
				return -1
			}
			l.mustRecord(t)
			equal(t, "bench", held(t, l.fs, labFolder, "bench"), l.streams[1].frames)
			if t.Failed() {
				t.Fatalf("cut after %d bytes", cut)
			}
		})
	}
}

// TestFlippedBit: a frame with a damaged payload is never written: it is told,
// the session ends, and the next one brings it whole.
func TestFlippedBit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 3)
		l.mangle = func(session int, h protocol.Header, f []byte) []byte {
			if session > 1 || h.Stream != 2 || h.Seq != 3 {
				return f
			}
			f = slices.Clone(f)
			f[len(f)-1] ^= 0x10
			return f
		}
		l.mustRecord(t)
		equal(t, "bads", l.bads, []protocol.Bad{{Sub: 1, Stream: 2, Epoch: 1, Seq: 3, Detail: "payload CRC"}})
		equal(t, "bench", held(t, l.fs, labFolder, "bench"), l.streams[1].frames)
		equal(t, "sessions", l.sessions, 2)
		cursor := l.asks[1].Cursors[slices.IndexFunc(l.asks[1].Cursors, func(c protocol.Cursor) bool { return c.Stream == "bench" })]
		h, _ := protocol.ParseHeader(l.streams[1].frames[1])
		equal(t, "cursor", cursor, protocol.Cursor{Stream: "bench", Epoch: 1, Seq: 2, CRC: protocol.CRC(h.HeaderCRC)})
	})
}

// TestFlippedHeader: after a damaged header there is no border to rely on.
func TestFlippedHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 3)
		l.mangle = func(session int, h protocol.Header, f []byte) []byte {
			if session > 1 || h.Stream != 2 || h.Seq != 3 {
				return f
			}
			f = slices.Clone(f)
			f[30] ^= 1
			return f
		}
		l.mustRecord(t)
		equal(t, "refusal", l.refusals[0].Code, protocol.RefuseProtocol)
		equal(t, "bench", held(t, l.fs, labFolder, "bench"), l.streams[1].frames)
	})
}

// TestFramesOutOfOrder: what comes twice is taken once, what is left out
// without a word is refused.
func TestFramesOutOfOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 4)
		whole := l.streams[1].frames
		l.mangle = func(session int, h protocol.Header, f []byte) []byte {
			switch {
			case session == 1 && h.Stream == 2 && h.Seq == 2:
				return slices.Concat(f, f) // twice
			case session == 1 && h.Stream == 2 && h.Seq == 4:
				return nil // left out
			}
			return f
		}
		l.mustRecord(t)
		equal(t, "bench", held(t, l.fs, labFolder, "bench"), whole)
		equal(t, "refusals", len(l.refusals), 1)
		if !strings.Contains(l.refusals[0].Text, "no word of what lies between") {
			t.Errorf("said %q", l.refusals[0].Text)
		}
	})
}

// TestAckOnlyAfterSync: as long as the disk does not answer, nothing is acked,
// heartbeats go on, and the session lives; then all is acked.
func TestAckOnlyAfterSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 5)
		l.stay = true
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := l.record(ctx)
			done <- err
		}()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		equal(t, "acked", l.acks[2].Seq, protocol.Uint64(6))

		release := l.fs.BlockSync()
		l.mu.Lock()
		before := l.beats
		extra := (&frameMaker{t: t, stream: 2, epoch: 1, seq: 6, index: 10, time: baseNs + 1_000_000_000}).counts([]uint64{1, 2}).out
		l.streams[1].frames = append(l.streams[1].frames, extra...)
		l.mu.Unlock()
		l.push(extra)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		l.mu.Lock()
		equal(t, "acked while the disk stands", l.acks[2].Seq, protocol.Uint64(6))
		if l.beats-before < 29 {
			t.Errorf("%d heartbeats in 30 s", l.beats-before)
		}
		equal(t, "sessions", l.sessions, 1)
		l.mu.Unlock()
		release()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		equal(t, "acked", l.acks[2].Seq, protocol.Uint64(7))
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestStopFlushesAcksAndSaysBye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 4)
		l.stay = true
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		summary, err := l.record(ctx)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "why", strings.Join(summary.Why, "; "), "")
		equal(t, "last ack", l.acks[2], protocol.AckStream{ID: 2, Epoch: 1, Seq: 5})
		equal(t, "byes", l.byes, 1)
	})
}

// TestSilenceIsDeath: a gateway that sends nothing for five seconds is left,
// and tried again.
func TestSilenceIsDeath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1)
		l.stay, l.mute = true, true
		ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
		defer cancel()
		if _, err := l.record(ctx); err != nil {
			t.Fatal(err)
		}
		equal(t, "sessions", l.sessions, 3)
		if !strings.Contains(l.log.String(), "nothing came from pi-lab3:7310 for 5s") {
			t.Errorf("said %s", l.log.String())
		}
	})
}

// TestSeveralGateways go into folders of their own; one named twice is refused.
func TestSeveralGateways(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 2)
		other := newStub(t).withBench(3)
		other.name, other.journal = "pi-lab4", mustID(t, "ffeeddccbbaa99887766554433221100")
		both := func(o *RecordOptions) {
			o.Addresses = []string{"pi-lab3", "pi-lab4:7311"}
			o.Dial = func(ctx context.Context, hostPort string) (netConn, error) {
				if hostPort == "pi-lab4:7311" {
					return other.dial(ctx, hostPort)
				}
				return l.dial(ctx, hostPort)
			}
		}
		summary := l.mustRecord(t, both)
		equal(t, "streams", len(summary.Streams), 2)
		equal(t, "pi-lab3", held(t, l.fs, labFolder, "bench"), l.streams[1].frames)
		equal(t, "pi-lab4", held(t, l.fs, "pi-lab4-ffeeddcc", "bench"), other.streams[1].frames)

		other.name, other.journal, other.stay, l.stay = l.name, l.journal, true, true
		if _, err := l.record(t.Context(), both); !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), "same gateway") {
			t.Errorf("got %v", err)
		}
	})
}

// TestRunBeginsNow: a run does not fetch what was before, states it, and the
// descriptor it was given stands in its file.
func TestRunBeginsNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 6)
		l.fromNow = 4 // frames before the subscription
		summary := l.mustRecord(t, func(o *RecordOptions) { o.For = time.Second })
		equal(t, "question", l.asks[0].From, protocol.FromNow)
		equal(t, "to", *l.asks[0].ToNs, protocol.Int64(baseNs+1_000_000_000))
		equal(t, "held", sequences(t, held(t, l.fs, labFolder, "bench")), "1.hole1-4(not held) 1.5 1.6 1.7")
		equal(t, "complete", summary.Complete, true)
		copies := preambleCopies(l.fs, filepath.Join("arch", labFolder, "bench"), 1)
		if !slices.ContainsFunc(copies, func(c []byte) bool { return string(c) == string(l.streams[1].frames[0]) }) {
			t.Error("the file does not hold the descriptor")
		}
		// A second run, further on.
		more := (&frameMaker{t: t, stream: 2, epoch: 1, seq: 9, index: 16, time: baseNs + 1_600_000_000}).counts([]uint64{1, 2}).out
		l.streams[1].frames = append(l.streams[1].frames, make([][]byte, 2)...)
		l.streams[1].frames = append(l.streams[1].frames[:7], more...)
		l.fromNow = 7
		l.mustRecord(t, func(o *RecordOptions) { o.For = time.Second })
		equal(t, "held", sequences(t, held(t, l.fs, labFolder, "bench")), "1.hole1-4(not held) 1.5 1.6 1.7 1.hole8-9(not held) 1.10")
	})
}

// TestReadings ends a run by number.
func TestReadings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 50)
		l.stay = true
		summary := l.mustRecord(t, func(o *RecordOptions) { o.Readings = 20 })
		if n := summary.Streams[0].Readings; n < 20 {
			t.Errorf("%d readings", n)
		}
		equal(t, "complete", summary.Complete, true)
		equal(t, "byes", l.byes, 1)
	})
}

// TestReceiverKeepsItsName, and two folders are two receivers.
func TestReceiverKeepsItsName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1)
		unnamed := func(o *RecordOptions) { o.Name = "" }
		first := l.mustRecord(t, unnamed)
		if err := protocol.CheckName(first.Name); err != nil {
			t.Error(err)
		}
		equal(t, "name", l.mustRecord(t, unnamed).Name, first.Name)
		other := l.mustRecord(t, unnamed, func(o *RecordOptions) { o.Dir = "other" })
		if other.Name == first.Name {
			t.Errorf("two folders are both called %s", other.Name)
		}
		equal(t, "name", l.mustRecord(t).Name, "ws-ana")
		equal(t, "name", l.mustRecord(t, unnamed).Name, "ws-ana")
	})
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 10)
		var last Progress
		l.mustRecord(t, func(o *RecordOptions) { o.OnProgress = func(p Progress) { last = p } })
		s := last.Streams[0]
		equal(t, "stream", s.Gateway+"/"+s.Stream, "pi-lab3/bench")
		equal(t, "readings", s.Readings, uint64(20))
		// The last ten gates of 100 ms counted 1010 to 1019 in A: 10145 in 1 s.
		equal(t, "A", s.Channels[0], ChannelProgress{Name: "A", Kind: protocol.KindCount, Unit: "1/s", Value: 10145, Sigma: math.Sqrt(10145), Known: true})
	})
}
