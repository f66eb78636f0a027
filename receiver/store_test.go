package receiver

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/journal/journaltest"
)

// TestDiskFull, and free again later: recording goes on by itself and nothing
// is missing.
func TestDiskFull(t *testing.T) {
	for _, room := range []int64{0, 200, 1500, 3000} {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, 5)
			next := (&frameMaker{t: t, stream: 2, epoch: 2, time: baseNs + 5*second}).describe(l.base, "bench", twoChannels()...).counts([]uint64{5, 5}).out
			l.mustRecord(t)
			l.streams[1].frames = append(l.streams[1].frames, next...)
			l.fs.Limit(room)
			done := make(chan error, 1)
			go func() {
				_, err := l.record(t.Context())
				done <- err
			}()
			time.Sleep(time.Minute)
			synctest.Wait()
			l.fs.Limit(-1)
			if err := <-done; err != nil {
				t.Fatalf("with %d bytes left: %v", room, err)
			}
			equal(t, "held", sequences(t, held(t, l.fs, labFolder, "bench")), "1.1 1.2 1.3 1.4 1.5 1.6 2.1 2.2")
		})
	}
}

// TestStopWhileDiskIsFull: a recording whose memory is full as well ends when it
// is told to; the gateway keeps what was not acked.
func TestStopWhileDiskIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1)
		for seq := uint64(3); seq < 50; seq++ {
			frame, err := protocol.AppendFrame(nil, protocol.Header{Type: protocol.TypeTags, Stream: 2, Epoch: 1, Seq: seq}, make([]byte, 1<<20-protocol.HeaderSize))
			if err != nil {
				t.Fatal(err)
			}
			l.streams[1].frames = append(l.streams[1].frames, frame)
		}
		l.fs.Limit(8 << 20)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := l.record(ctx)
			done <- err
		}()
		time.Sleep(time.Minute)
		stop()
		select {
		case err := <-done:
			if err == nil || !strings.Contains(err.Error(), "not on the disk") {
				t.Errorf("ended with %v", err)
			}
		case <-time.After(time.Minute):
			t.Error("it does not end")
			l.fs.Limit(-1)
			<-done
		}
		if a := l.acks[2]; a.Seq > 10 {
			t.Errorf("acked %d, which the disk never took", a.Seq)
		}
	})
}

// TestAckBook: what is synced is acked once, and never what the session did not
// bring, as a hole that the archive states itself.
func TestAckBook(t *testing.T) {
	j, err := journal.Open("arch", journal.Options{FS: journaltest.New(), Place: journal.InArchive, Journal: protocol.ID{1}, Gateway: "pi-lab3"})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	s, err := j.Stream("bench", 2)
	if err != nil {
		t.Fatal(err)
	}
	store := func(epoch uint32, first uint64, frames ...[]byte) {
		t.Helper()
		if _, err := s.Begin(epoch, first); err != nil {
			t.Fatal(err)
		}
		for _, frame := range frames {
			if err := s.Append(frame); err != nil {
				t.Fatal(err)
			}
		}
		if err := j.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	bench := newStub(t).withBench(1).streams[1].frames
	store(1, 1, bench...)
	acks := newAckBook(map[uint32]journal.Position{2: s.Durable()})
	store(1, 3, hole(t, 1, 3, 9, protocol.CauseNotHeld))
	next := (&frameMaker{t: t, stream: 2, epoch: 2, time: baseNs}).describe(protocol.ID{2}, "bench", twoChannels()...).out
	first, err := protocol.ParseHeader(next[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := acks.came(s, first, nil); err != nil {
		t.Fatal(err)
	}
	equal(t, "before it is synced", len(acks.due()), 0)
	store(2, 1, next...)
	equal(t, "synced", acks.due(), []protocol.AckStream{{ID: 2, Epoch: 2, Seq: 1}})
	equal(t, "again", len(acks.due()), 0)

	// What a session has not brought yet is not acked, though it is on the disk.
	acks = newAckBook(map[uint32]journal.Position{2: {Epoch: 1, Seq: 1}})
	if err := acks.came(s, protocol.Header{Type: protocol.TypeCounts, Stream: 2, Epoch: 1, Seq: 2}, nil); err != nil {
		t.Fatal(err)
	}
	equal(t, "brought again", acks.due(), []protocol.AckStream{{ID: 2, Epoch: 1, Seq: 2}})
}
