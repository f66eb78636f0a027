package journal_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/journal/journaltest"
)

// eventFrame is a frame of the stream gateway that says what is wrong.
func eventFrame(t tb, id, epoch uint32, seq uint64) []byte {
	t.Helper()
	return jsonFrame(t, protocol.TypeEvent, id, epoch, seq, &protocol.Event{What: protocol.EventJournalFull, Text: fmt.Sprintf("number %d", seq)})
}

// The disk is full. With the reserve the stream gateway can say so, a device
// can begin an epoch, a file can be ended; what devices measure waits in memory
// and does not eat the reserve up. When there is room again all goes on by
// itself, and the reserve is back.
func TestReserveForTheRecordOfTheTrouble(t *testing.T) {
	t.Attr("fault", "F10")
	const reserve = 4000
	var seen string
	for _, bytes := range []int64{0, reserve} {
		synctest.Test(t, func(t *testing.T) {
			fsys := journaltest.New()
			fsys.Capacity(20_000)
			j := open(t, fsys, journal.Options{ReserveBytes: bytes, TailBytes: 50_000, SegmentBytes: 3000})
			own, bench := stream(t, j, "gateway"), stream(t, j, "bench")
			eo, eb := begin(t, own, 0, 1), begin(t, bench, 0, 1)
			for seq := uint64(1); seq <= 40; seq++ { // 24 kB, more than the disk takes
				appendFrames(t, bench, eb, seq, seq, 600-56)
				synctest.Wait()
			}
			time.Sleep(1100 * time.Millisecond)
			synctest.Wait()
			if !errors.Is(j.Err(), syscall.ENOSPC) {
				t.Fatalf("reserve %d: trouble %v, want a full disk", bytes, j.Err())
			}
			for seq := uint64(1); seq <= 5; seq++ {
				if err := own.Append(eventFrame(t, own.ID(), eo, seq)); err != nil {
					t.Fatal(err)
				}
			}
			before := bench.Durable().Seq
			for range 20 { // the device goes on, and asks for the room each second
				time.Sleep(time.Second)
				synctest.Wait()
			}
			if bytes == 0 {
				if own.Durable().Seq == 5 {
					t.Error("without a reserve the gateway's events are on the full disk: the test proves nothing")
				}
				_ = j.Close()
				return
			}
			if own.Durable().Seq != 5 || bench.Durable().Seq != before {
				t.Errorf("on the disk are %d events and %d frames, want 5 and %d", own.Durable().Seq, bench.Durable().Seq, before)
			}
			waits, _ := j.Tail()
			if waits == 0 {
				t.Error("nothing waits in memory")
			}
			third := stream(t, j, "third")
			if _, err := third.Begin(0, 1); err != nil {
				t.Errorf("begin an epoch with the reserve's room: %v", err)
			}
			if !errors.Is(j.Err(), syscall.ENOSPC) || len(fsys.Data(filepath.Join(folder, "_reserve"))) != 0 {
				t.Errorf("trouble %v, reserve %d bytes; want a full disk and none", j.Err(), len(fsys.Data(filepath.Join(folder, "_reserve"))))
			}
			same(t, "live view", readStream(t, bench, journal.Position{}, 5000), "1:1-40")
			for range 4 {
				if _, err := bench.DropOldest(); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(3 * time.Second)
			synctest.Wait()
			if j.Err() != nil || len(fsys.Data(filepath.Join(folder, "_reserve"))) != reserve || bench.Durable().Seq != 40 {
				t.Errorf("room again: trouble %v, reserve %d bytes, durable %v", j.Err(), len(fsys.Data(filepath.Join(folder, "_reserve"))), bench.Durable())
			}
			seen = fmt.Sprintf("%d bytes waited in memory, %d of %d events were on the full disk, %d of 40 frames at the end", waits, own.Durable().Seq, 5, bench.Durable().Seq)
			closeJournal(t, j)
		})
	}
	t.Attr("injected", "a disk of 20,000 bytes filled by one stream")
	t.Attr("promised", "the tail in memory takes the readings, the reserve takes the record of the trouble, all goes on when the oldest file is dropped")
	t.Attr("seen", seen)
}

// The reserve of an earlier process is used again, one cut short is made anew,
// and a disk without room for it is no trouble as such.
func TestReserveIsFoundAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := journaltest.New()
		name := filepath.Join(folder, "_reserve")
		life := func() {
			j := open(t, fsys, journal.Options{ReserveBytes: 1000})
			time.Sleep(time.Minute)
			synctest.Wait()
			if j.Err() != nil {
				t.Errorf("trouble %v", j.Err())
			}
			closeJournal(t, j)
		}
		life()
		ops := fsys.Ops()
		life()
		if n := fsys.Ops() - ops; n != 0 || len(fsys.Data(name)) != 1000 {
			t.Errorf("a start with the reserve in place changed the disk %d times, it has %d bytes", n, len(fsys.Data(name)))
		}
		fsys.Put(name, []byte("short"))
		life()
		if len(fsys.Data(name)) != 1000 {
			t.Errorf("the reserve has %d bytes after a start with a short one", len(fsys.Data(name)))
		}
		fsys.Put(name, make([]byte, 900)) // and then the disk was filled
		fsys.Limit(0)
		life()
		if n := len(fsys.Data(name)); n != 0 {
			t.Errorf("%d bytes that nobody gives up are taken on a full disk", n)
		}
		fsys.Limit(-1)
		fsys.Put(name, nil)
		fsys.Limit(1500)
		life()
		if len(fsys.Data(name)) != 0 {
			t.Error("the reserve took half of what is left")
		}
	})
}
