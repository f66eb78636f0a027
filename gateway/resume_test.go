package gateway

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"photongate/protocol"
	"photongate/sim/badline"
)

// Where a file is gone the rest of its epoch is: the receiver is told of the
// hole, also when its cursor lies in it.
func TestCursorBeforeAHole(t *testing.T) {
	r := recordedGateway(t)
	t.Attr("fault", "F27")
	t.Attr("injected", "the file of an epoch removed by hand, its frames asked for by a cursor in it")
	t.Attr("promised", "the answer `hole`, and then what there is")
	r.end()
	files, err := filepath.Glob(filepath.Join(r.config.Journal, "bench", "*.pgs"))
	if err != nil || len(files) != 3 {
		t.Fatalf("files: %v, %v", files, err)
	}
	if err := os.Remove(files[1]); err != nil {
		t.Fatal(err)
	}
	r.running = launch(t, r.config, r.bench)
	c := connect(t, r.Addr(), "desk", protocol.NewID())
	req := archiveFrom(protocol.FromCursor, "bench")
	req.Cursors = cursorAt(2, 2, r.frame(2, 2).HeaderCRC)
	a := c.subscribe(req).Streams[0]
	if a.Answer != protocol.AnswerHole {
		t.Errorf("answer: got %+v", a)
	}
	list := names(c.untilIndex(benchID, 0), benchID)
	if last := list[len(list)-1]; !strings.HasPrefix(last, "3.") {
		t.Errorf("then came %q", list)
	}
	t.Attr("seen", fmt.Sprintf("answer %q, then %s", a.Answer, strings.Join(list, ", ")))
}

// A newer connection displaces an older one whose line is dead as well, at once.
func TestHalfOpenOlderIsDisplaced(t *testing.T) {
	r := recordedGateway(t)
	t.Attr("fault", "F21")
	t.Attr("fault", "F26")
	t.Attr("injected", "an archive whose line goes silent without an end, and which connects anew at once")
	t.Attr("promised", "the newer connection is served at once, the older one's place is freed")
	line, err := badline.Lay(r.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { line.Close() })
	id := protocol.NewID()
	old := &client{t: t, conn: through(t, line)}
	old.frames = protocol.NewFrameReader(old.conn, protocol.MaxFrame)
	old.open("desk", id)
	old.subscribe(archiveFrom(protocol.FromOldest, "bench"))
	old.untilIndex(benchID, 2)
	line.Do(badline.Freeze)
	began := time.Now()
	c := connect(t, r.Addr(), "desk", id)
	c.keepAlive()
	c.subscribe(archiveFrom(protocol.FromOldest, "bench"))
	c.untilIndex(benchID, 2)
	served := time.Since(began)
	for n := 2; n > 1; {
		if n = len(r.Status().Sessions); time.Since(began) > patience {
			t.Fatalf("%d sessions", n)
		}
		<-time.After(10 * time.Millisecond) // the older one ends by itself
	}
	t.Attr("seen", fmt.Sprintf("served after %v, one session left after %v", served.Round(time.Millisecond), time.Since(began).Round(time.Millisecond)))
}

// What an older connection of the same archive says late does not displace the
// newer one: its end may have gone long ago.
func TestLateWordsOfAnOlderConnection(t *testing.T) {
	r := recordedGateway(t)
	t.Attr("fault", "F26")
	t.Attr("injected", "a connection whose subscription waits on the way until the same archive has connected anew")
	t.Attr("promised", "the newest connection keeps the archive, whichever speaks first")
	id := protocol.NewID()
	older := connect(t, r.Addr(), "desk", id)
	newer := connect(t, r.Addr(), "desk", id)
	newer.subscribe(archiveFrom(protocol.FromOldest, "bench"))
	req := archiveFrom(protocol.FromOldest, "bench")
	req.Credit = 1
	older.say(protocol.TypeSubscribe, &req)
	said := older.refusedWith(protocol.RefuseDisplaced).Text
	if !strings.Contains(said, newer.conn.LocalAddr().String()) {
		t.Errorf("displaced: got %q", said)
	}
	newer.untilIndex(benchID, 2)
	r.source.feed <- readings(r.begin+int64(20*time.Second), time.Second, 1)
	list := newer.untilIndex(benchID, 4)
	last := list[len(list)-1]
	t.Attr("seen", fmt.Sprintf("the older is told: %s; the newer has reading %d", said, last.Index))
}

// An archive that comes back with less than it had confirmed is told so, and so is
// whoever reads the record; one that has all of it is not.
func TestArchiveEndsBeforeWhatItConfirmed(t *testing.T) {
	r := recordedGateway(t)
	id := protocol.NewID()
	c := connect(t, r.Addr(), "desk", id)
	c.subscribe(archiveFrom(protocol.FromOldest, "bench"))
	c.ack(1, c.untilIndex(benchID, 2))
	c.say(protocol.TypeBye, &protocol.Bye{})
	confirmed := func() (at acked) {
		for _, e := range r.server.archives.snapshot() {
			if e.ID == id {
				at = e.Acked["bench"]
			}
		}
		return at
	}
	for began := time.Now(); confirmed().Seq < 2; <-time.After(10 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatalf("confirmed: %+v", confirmed())
		}
	}
	had := confirmed()
	for _, seq := range []uint64{uint64(had.Seq), 2} {
		c := connect(t, r.Addr(), "desk", id)
		req := archiveFrom(protocol.FromCursor, "bench")
		req.Cursors = cursorAt(had.Epoch, seq, r.frame(had.Epoch, seq).HeaderCRC)
		a := c.subscribe(req).Streams[0]
		if got := a.Confirmed; (got != nil) != (seq < uint64(had.Seq)) || got != nil && (got.Epoch != had.Epoch || got.Seq != had.Seq) {
			t.Errorf("cursor %d of %+v: %+v", seq, had, a)
		}
		for said := a.Confirmed == nil; !said; {
			events := c.until(protocol.TypeEvent) // fails where none comes
			said = strings.Contains(string(events[len(events)-1].payload), "desk ends before what it had confirmed of bench: that was up to frame")
		}
		c.conn.Close()
	}
}
