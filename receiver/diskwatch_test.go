package receiver

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal/journaltest"
)

// standing begins a recording that goes on until stop, which returns its end.
func (l *lab) standing(t *testing.T, change ...func(*RecordOptions)) (stop func() Summary) {
	t.Helper()
	l.stay = true
	ctx, cancel := context.WithCancel(t.Context())
	type end struct {
		summary Summary
		err     error
	}
	done := make(chan end, 1)
	go func() {
		s, err := l.record(ctx, change...)
		done <- end{s, err}
	}()
	return func() Summary {
		t.Helper()
		cancel()
		e := <-done
		if e.err != nil {
			t.Errorf("the recording ended with %v", e.err)
		}
		return e.summary
	}
}

// seen is what the stub knows at a moment.
func (l *lab) seen() (acked protocol.Uint64, beats, sessions int, credit uint64) {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acks[2].Seq, l.beats, l.sessions, l.credit
}

// more makes further frames of bench, and lets the stub have them.
func (l *lab) more(t *testing.T, m *frameMaker, frames int) [][]byte {
	t.Helper()
	m.t, m.out = t, nil
	for range frames {
		m.counts([]uint64{m.seq, 1}, []uint64{m.seq, 2})
	}
	l.mu.Lock()
	l.streams[1].frames = append(l.streams[1].frames, m.out...)
	l.mu.Unlock()
	return m.out
}

// lastsFor answers requests for the status as a gateway does that holds so much.
func lastsFor(d time.Duration, behind protocol.Int64, archive func() protocol.ID) func(protocol.Request) []protocol.Reply {
	return func(ask protocol.Request) []protocol.Reply {
		seconds := d.Seconds()
		return []protocol.Reply{{ID: ask.ID, Status: &protocol.Status{
			Journal:  protocol.JournalStatus{State: protocol.JournalOK, HeldBytes: behind * 2, LastsS: &seconds},
			Archives: []protocol.ArchiveInfo{{Name: "ws-ana", ID: archive(), BehindBytes: behind}},
		}}}
	}
}

// TestDiskFullForHours: a full disk ends neither session nor heartbeats, nothing is
// acked, the user is told rarely how long the gateway can hold, and all goes on by
// itself.
func TestDiskFullForHours(t *testing.T) {
	t.Attr("fault", "F45")
	t.Attr("injected", "the archive's disk full for 2 h, while the gateway holds; frames of the same part, of a new one and of a new stream come")
	t.Attr("promised", "no ack, session and heartbeats go on, told rarely with how long the gateway holds, resumes by itself, nothing missing")
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 3)
		l.onRequest = lastsFor(52*time.Hour+20*time.Minute, 312_000_000, func() protocol.ID { return archiveID(t, l) })
		var trouble atomic.Value
		stop := l.standing(t, func(o *RecordOptions) { o.OnProgress = func(p Progress) { trouble.Store(p.Trouble) } })
		time.Sleep(10 * time.Second)
		acked, beats, _, credit := l.seen()
		equal(t, "acked", acked, protocol.Uint64(4))

		l.fs.Limit(0)
		m := &frameMaker{stream: 2, epoch: 1, seq: 4, index: 6, time: baseNs + second}
		l.push(l.more(t, m, 2))
		time.Sleep(time.Hour)
		next := &frameMaker{t: t, stream: 2, epoch: 2, time: baseNs + 60*second}
		next.describe(l.base, "bench", twoChannels()...)
		head := next.out
		l.streams[1].frames = append(l.streams[1].frames, head...)
		l.push(head)
		l.push(l.more(t, next, 3))
		time.Sleep(time.Hour)
		held, beatsThen, sessions, creditThen := l.seen()
		equal(t, "acked while it was full", held, protocol.Uint64(4))
		equal(t, "sessions", sessions, 1)
		if n := beatsThen - beats; n < 2*3600-10 {
			t.Errorf("%d heartbeats in 2 h", n)
		}
		if creditThen-credit > 1000 {
			t.Errorf("%d bytes of credit given for what was not stored", creditThen-credit)
		}
		equal(t, "on the status line", trouble.Load().(string), "the archive's disk is full")
		told := strings.Count(l.log.String(), "the archive's disk is full: 312 MB wait at pi-lab3, which can hold about 2 d 4 h more; free some space, and recording goes on by itself")
		if told < 2 || told > 5 {
			t.Errorf("told %d times in 2 h:\n%s", told, l.log.String())
		}

		l.fs.Limit(-1)
		time.Sleep(10 * time.Second)
		after, _, sessions, _ := l.seen()
		equal(t, "sessions", sessions, 1)
		equal(t, "acked", after, protocol.Uint64(4)) // of part 2
		equal(t, "on the status line", trouble.Load().(string), "")
		if !strings.Contains(l.log.String(), "takes what comes again") {
			t.Errorf("not told that it is over:\n%s", l.log.String())
		}
		equal(t, "complete", stop().Complete, true)
		equal(t, "held", l.heldText(t), sequences(t, l.streams[1].frames))
		t.Attr("seen", fmt.Sprintf("1 session, %d heartbeats in 2 h, told %d times, %d of %d frames held", beatsThen-beats, told, len(l.streams[1].frames), len(l.streams[1].frames)))
	})
}

func (l *lab) heldText(t *testing.T) string { return sequences(t, held(t, l.fs, labFolder, "bench")) }

// archiveID is the id of the lab's archive.
func archiveID(t *testing.T, l *lab) protocol.ID {
	t.Helper()
	_, after, ok := strings.Cut(string(l.fs.Data("arch/"+archiveFile)), `"archive": "`)
	if !ok {
		return protocol.ID{}
	}
	return mustID(t, after[:32])
}

// TestDiskFullBeyondTheQuota: what the gateway could not hold is a hole with its
// cause, in the record and in the words.
func TestDiskFullBeyondTheQuota(t *testing.T) {
	t.Attr("fault", "F45")
	t.Attr("injected", "the archive's disk full for longer than the gateway's journal lasts")
	t.Attr("promised", "a hole with cause quota of exactly what was dropped, said loudly while it happens, recording goes on")
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 3)
		var dropped atomic.Bool
		l.onRequest = func(ask protocol.Request) []protocol.Reply {
			s := &protocol.Status{Journal: protocol.JournalStatus{State: protocol.JournalOK, HeldBytes: 5000}}
			if dropped.Load() {
				s.Journal.State, s.Journal.Dropped = protocol.JournalFull, "the oldest 2 h 10 min of bench, which ws-ana had not fetched"
			}
			return []protocol.Reply{{ID: ask.ID, Status: s}}
		}
		stop := l.standing(t)
		time.Sleep(10 * time.Second)
		l.fs.Limit(0)
		m := &frameMaker{stream: 2, epoch: 1, seq: 4, index: 6, time: baseNs + second}
		l.push(l.more(t, m, 2)) // 5 and 6 are in memory
		time.Sleep(time.Minute)
		l.more(t, m, 4) // 7 to 10: 7 and 8 are dropped
		all := l.streams[1].frames
		lost := hole(t, 1, 7, 8, protocol.CauseQuota)
		l.push(append([][]byte{lost}, all[8:]...))
		dropped.Store(true)
		time.Sleep(time.Hour)
		acked, _, sessions, _ := l.seen()
		equal(t, "acked while it was full, and sessions", [2]int{int(acked), sessions}, [2]int{4, 1})
		if said := "5 kB wait at pi-lab3, WHICH IS FULL ITSELF and drops the oldest (the oldest 2 h 10 min of bench, which ws-ana had not fetched)"; !strings.Contains(l.log.String(), said) {
			t.Errorf("not said: %s:\n%s", said, l.log.String())
		}
		l.fs.Limit(-1)
		time.Sleep(10 * time.Second)
		acked, _, _, _ = l.seen()
		equal(t, "acked", acked, protocol.Uint64(10))
		summary := stop()
		equal(t, "why", strings.Join(summary.Why, "; "), "pi-lab3/bench: 1 hole, which the gateway does not hold any more")
		got := l.heldText(t)
		equal(t, "held", got, "1.1 1.2 1.3 1.4 1.5 1.6 1.hole7-8(quota) 1.9 1.10")
		t.Attr("seen", got)
	})
}

// TestDiskHangs: a sync that takes 20 s, while frames of a new part come, stops
// neither the session nor its heartbeats.
func TestDiskHangs(t *testing.T) {
	t.Attr("fault", "F45")
	t.Attr("injected", "syncs of the archive's disk that take 20 s, at the begin of a part")
	t.Attr("promised", "heartbeats and session go on, no ack, then all is stored")
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 3)
		stop := l.standing(t)
		time.Sleep(10 * time.Second)
		_, beats, _, _ := l.seen()
		release := l.fs.BlockSync()
		next := &frameMaker{t: t, stream: 2, epoch: 2, time: baseNs + 60*second}
		next.describe(l.base, "bench", twoChannels()...)
		head := next.out
		l.streams[1].frames = append(l.streams[1].frames, head...)
		l.push(head)
		l.push(l.more(t, next, 3))
		time.Sleep(20 * time.Second)
		acked, beatsThen, sessions, _ := l.seen()
		equal(t, "acked while it hangs, and sessions", [2]int{int(acked), sessions}, [2]int{4, 1})
		if n := beatsThen - beats; n < 19 {
			t.Errorf("%d heartbeats in 20 s", n)
		}
		release()
		time.Sleep(10 * time.Second)
		_, _, sessions, _ = l.seen()
		equal(t, "sessions", sessions, 1)
		stop()
		equal(t, "held", l.heldText(t), sequences(t, l.streams[1].frames))
		t.Attr("seen", fmt.Sprintf("%d heartbeats in 20 s, 1 session, %d frames held", beatsThen-beats, len(l.streams[1].frames)))
	})
}

// TestDiskStalled is told when a sync neither ends nor fails.
func TestDiskStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 3)
		l.onRequest = lastsFor(90*time.Minute, 1_500, func() protocol.ID { return archiveID(t, l) })
		stop := l.standing(t)
		time.Sleep(10 * time.Second)
		release := l.fs.BlockSync()
		l.push(l.more(t, &frameMaker{stream: 2, epoch: 1, seq: 4, index: 6, time: baseNs + second}, 1))
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if said := "the archive's disk has not answered for 10 s: 1.5 kB wait at pi-lab3, which can hold about 1 h 30 min more; recording goes on by itself when it does"; !strings.Contains(l.log.String(), said) {
			t.Errorf("not said: %s:\n%s", said, l.log.String())
		}
		release()
		time.Sleep(10 * time.Second)
		stop()
	})
}

// TestStoppedRecorder: a process that was stopped for a minute does not say that the
// disk has not answered for a minute.
func TestStoppedRecorder(t *testing.T) {
	begin := time.Unix(1_800_000_000, 0)
	for _, c := range []struct{ pause, silent time.Duration }{{time.Second, 9 * time.Second}, {2 * time.Second, 10 * time.Second}, {61 * time.Second, 9 * time.Second}} {
		w := &diskWatch{moved: begin}
		looked := begin.Add(8 * time.Second)
		now := looked.Add(c.pause)
		w.afterPause(looked, now)
		equal(t, fmt.Sprintf("silent, after a look that came after %v", c.pause), now.Sub(w.moved), c.silent)
	}
}

// TestGatewayLeavesWhileDiskIsFull: a session that is lost while the disk is full,
// and memory half full, is made again.
func TestGatewayLeavesWhileDiskIsFull(t *testing.T) {
	t.Attr("fault", "F45")
	t.Attr("injected", "the archive's disk full until frames take half of the memory that waits for it, and then the gateway's end")
	t.Attr("promised", "memory bounded, the next session is made while the disk is full, then all is stored")
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1)
		for seq := uint64(3); seq < 65; seq++ { // 37 MB, more than may wait in memory
			frame, err := protocol.AppendFrame(nil, protocol.Header{Type: protocol.TypeTags, Stream: 2, Epoch: 1, Seq: seq}, make([]byte, 600<<10))
			if err != nil {
				t.Fatal(err)
			}
			l.streams[1].frames = append(l.streams[1].frames, frame)
		}
		all := l.streams[1].frames
		l.streams[1].frames = all[:2]
		const room = 2 << 20
		l.fs.Limit(room)
		stop := l.standing(t)
		time.Sleep(10 * time.Second)
		_, _, _, before := l.seen()
		sent, given := uint64(0), uint64(0)
		for _, f := range all[2:] { // one after the other, as the credit allows
			if sent >= creditBytes+given {
				break
			}
			l.push([][]byte{f})
			sent += uint64(len(f))
			time.Sleep(100 * time.Millisecond)
			_, _, _, credit := l.seen()
			given = credit - before
		}
		const half = 16 << 20 // of the archive's memory for frames that wait for the disk
		if most := uint64(half + room + 600<<10 + protocol.HeaderSize); given > most || given < half/2 {
			t.Errorf("credit was given for %d bytes, want at most %d, and that the memory was needed", given, most)
		}
		time.Sleep(10 * time.Second)
		l.mu.Lock()
		l.streams[1].frames = all
		for _, c := range l.conns {
			c.Close()
		}
		l.conns = nil
		l.mu.Unlock()
		time.Sleep(time.Minute)
		_, _, sessions, _ := l.seen()
		l.fs.Limit(-1)
		time.Sleep(time.Minute)
		acked, _, _, _ := l.seen()
		if sessions < 2 {
			t.Errorf("%d sessions", sessions)
		}
		equal(t, "acked", acked, protocol.Uint64(64))
		stop()
		equal(t, "held", l.heldText(t), sequences(t, all))
		t.Attr("seen", fmt.Sprintf("credit for %d bytes and no more, %d sessions while it was full, %d of %d frames held", given, sessions, len(all), len(all)))
	})
}

// TestDiskWords are what a student understands.
func TestDiskWords(t *testing.T) {
	seconds := 187_200.0
	for _, c := range []struct {
		status protocol.JournalStatus
		own    *protocol.ArchiveInfo
		want   string
	}{
		{protocol.JournalStatus{HeldBytes: 312_400_000, LastsS: &seconds}, nil, "312 MB wait at pi-lab3, which can hold about 2 d 4 h more"},
		{protocol.JournalStatus{HeldBytes: 999_600}, nil, "1 MB wait at pi-lab3, which can hold more for as long as can be told"},
		{protocol.JournalStatus{HeldBytes: 9, State: "ok"}, &protocol.ArchiveInfo{BehindBytes: 7, LostBytes: 1}, "7 B wait at pi-lab3, WHICH IS FULL ITSELF and drops the oldest"},
	} {
		s := &protocol.Status{Journal: c.status}
		if c.own == nil {
			c.own = &protocol.ArchiveInfo{BehindBytes: c.status.HeldBytes}
		}
		equal(t, "waiting", waitingText("pi-lab3", c.own, s), c.want)
	}
	for err, want := range map[error]string{
		syscall.ENOSPC:                                "the archive's disk is full",
		fmt.Errorf("write: %w", syscall.EDQUOT):       "the archive's disk is full",
		&diskTrouble{fmt.Errorf("%w", syscall.EROFS)}: "the archive's disk does not take what comes (" + syscall.EROFS.Error() + ")",
		errStalled: "the archive's disk has not answered for 1 min 5 s",
	} {
		what, _ := diskWords(err, 65*time.Second)
		equal(t, "what", what, want)
	}
}

// TestCursorIsOnTheDisk: what is in memory only is neither acked nor given as a
// cursor, which a gateway takes for an ack: it comes again, once more into memory
// at most, and a power cut loses nothing.
func TestCursorIsOnTheDisk(t *testing.T) {
	t.Attr("fault", "F45")
	t.Attr("injected", "the archive's disk full, the session lost and made again, then room, or a power cut")
	t.Attr("promised", "the cursor of the new session is on the disk; all acked and held once in the end")
	var seen []string
	for _, power := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, 3)
			stop := l.standing(t)
			time.Sleep(10 * time.Second)
			l.fs.Limit(0)
			m := &frameMaker{stream: 2, epoch: 1, seq: 4, index: 6, time: baseNs + second}
			l.push(l.more(t, m, 3))
			time.Sleep(10 * time.Second)
			l.mu.Lock()
			for _, c := range l.conns {
				c.Close()
			}
			l.conns = nil
			l.mu.Unlock()
			time.Sleep(20 * time.Second)
			acked, _, sessions, _ := l.seen()
			equal(t, "acked", acked, protocol.Uint64(4))
			if sessions < 2 {
				t.Fatalf("%d sessions", sessions)
			}
			at := cursorOfBench(l.asks[len(l.asks)-1])
			equal(t, "cursor while 5 to 7 are in memory only", at, protocol.Uint64(4))
			if power {
				l.fs = l.fs.PowerCut(journaltest.Lost, nil)
				stop = l.standing(t)
			}
			l.fs.Limit(-1)
			time.Sleep(20 * time.Second)
			acked, _, _, _ = l.seen()
			equal(t, "acked", acked, protocol.Uint64(7))
			stop()
			equal(t, "held", l.heldText(t), sequences(t, l.streams[1].frames))
			seen = append(seen, fmt.Sprintf("power cut %v: cursor %d, acked %d in %d sessions", power, at, acked, l.sessions))
		})
	}
	t.Attr("seen", strings.Join(seen, "; "))
}
