package gateway

import (
	"bytes"
	"testing"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
)

// A subscription that has an end is told when it is reached, in all streams.
func TestTo(t *testing.T) {
	r := recordedGateway(t)
	c := connect(t, r.Addr(), "desk", protocol.NewID())
	req := archiveFrom(protocol.FromOldest, "bench")
	req.ToNs = protocol.Ref(protocol.Int64(r.begin + int64(6*time.Second)))
	c.subscribe(req)
	list := c.until(protocol.TypeFinished)
	all := names(list, benchID)
	if got, want := all[len(all)-1], "3.3 counts 0+1"; got != want {
		t.Errorf("the last frame is %s, want %s", got, want)
	}
	c.ack(1, list)
	r.source.feed <- readings(r.begin+int64(20*time.Second), time.Second, 1)
	c.say(protocol.TypeBye, &protocol.Bye{})
	for {
		g, err := c.next()
		if err != nil {
			break
		}
		t.Errorf("got %s after finished", frameName(t, g))
	}
}

// What is sent up to the end may end with a hole: it is acknowledged as well.
func TestToBehindAHole(t *testing.T) {
	hole, err := protocol.AppendJSON(nil, protocol.Header{Type: protocol.TypeHole, Stream: 5, Epoch: 3, Seq: 5}, &protocol.Hole{To: 9, Cause: protocol.CauseOverrun})
	if err != nil {
		t.Fatal(err)
	}
	gap, err := protocol.AppendJSON(nil, protocol.Header{Type: protocol.TypeGap, Stream: 5, Epoch: 3, Seq: 10, Time: 100}, &protocol.Gap{Cause: "x"})
	if err != nil {
		t.Fatal(err)
	}
	f := &feed{sent: journal.Position{Epoch: 3, Seq: 4}}
	frames, end := f.cutAt(append(bytes.Clone(hole), gap...), journal.Position{Epoch: 3, Seq: 10}, 100)
	if !bytes.Equal(frames, hole) || end != (journal.Position{Epoch: 3, Seq: 9}) {
		t.Errorf("got %d bytes up to %+v, want the hole's %d up to 9", len(frames), end, len(hole))
	}
}

// A gap whose begin is known by the clock of another process only may seem to
// begin long after the readings behind it, on a computer that booted in 1970: it
// is no end.
func TestToBehindAnApproximateGap(t *testing.T) {
	for _, approximate := range []bool{true, false} {
		gap, err := protocol.AppendJSON(nil, protocol.Header{Type: protocol.TypeGap, Stream: 5, Epoch: 3, Seq: 2, Time: 1_795_000_000e9}, &protocol.Gap{Cause: "gateway stopped", Approximate: approximate})
		if err != nil {
			t.Fatal(err)
		}
		f := &feed{sent: journal.Position{Epoch: 3, Seq: 1}}
		frames, end := f.cutAt(gap, journal.Position{Epoch: 3, Seq: 2}, 60e9)
		if f.done == approximate || (len(frames) > 0) != approximate || end.Seq != map[bool]uint64{true: 2, false: 1}[approximate] {
			t.Errorf("approximate %v: done %v, %d bytes up to %+v", approximate, f.done, len(frames), end)
		}
	}
}

// An end in the future comes when it is reached, though the epoch goes on.
func TestToInTheFuture(t *testing.T) {
	r := recordedGateway(t)
	c := connect(t, r.Addr(), "desk", protocol.NewID())
	to := r.journalNow() + int64(50*time.Millisecond)
	req := archiveFrom(protocol.FromNow, "bench")
	req.ToNs = protocol.Ref(protocol.Int64(to))
	c.subscribe(req)
	r.source.feed <- readings(to-2, 1, 1)
	c.untilIndex(benchID, 4)
	r.source.feed <- readings(to, 1, 1)
	for _, g := range c.until(protocol.TypeFinished) {
		if g.Type == protocol.TypeCounts {
			t.Errorf("a reading that begins at the end was sent")
		}
	}
}
