package gateway

import (
	"testing"
	"time"

	"photongate/protocol"
)

func TestReadingsReachAnArchive(t *testing.T) {
	f := newBench()
	r := start1(t, testConfig(t, "bench"), f)
	c := connect(t, r.Addr(), "desk", protocol.NewID())
	c.subscribe(archiveFrom(protocol.FromOldest, "bench"))
	source := <-f.sources
	source.feed <- readings(f.clock(), 100*time.Millisecond, 3)
	for {
		g, err := c.next()
		if err != nil {
			t.Fatal(err)
		}
		t.Log(g.Type, g.Stream, g.Epoch, g.Seq, g.Index, g.Count, g.turn, len(g.payload))
		if g.Type == protocol.TypeCounts {
			break
		}
	}
	r.stop()
	for {
		g, err := c.next()
		if err != nil {
			t.Fatal(err)
		}
		t.Log(g.Type, g.Stream, g.Epoch, g.Seq, string(g.payload))
		if g.Type == protocol.TypeBye {
			break
		}
	}
}
