package gateway

import (
	"fmt"
	"testing"
	"time"

	"photongate/protocol"
)

// What goes out at once, a turn before its frames too, is one segment on the
// wire; under TLS it is one record.
func TestOneWriteForEachFrame(t *testing.T) {
	t.Attr("fault", "F29")
	t.Attr("injected", "frames of 10 ms each, with the system's defaults on both sides")
	t.Attr("promised", "no waiting for acknowledgements: each frame leaves in one write; 99 of 100 within 5 ms (measured; held against 1 s)")
	f := newBench()
	config := testConfig(t, "bench")
	config.Devices[0].Batch = 10 * time.Millisecond
	r := launch(t, config, f)
	source := <-f.sources
	c := connect(t, r.Addr(), "viewer", protocol.NewID())
	c.keepAlive()
	c.subscribe(protocol.Subscribe{Sub: 1, Kind: protocol.SubscribeView, Streams: []string{"bench"}, From: protocol.FromNow})
	const n = 150
	list := latencies(t, c, f, source, n, 10*time.Millisecond)
	if late := p99(list); late > time.Second {
		t.Errorf("99 of 100 frames came within %v", late)
	}
	r.server.mu.Lock()
	var l *link
	for s := range r.server.sessions {
		l = s.link
	}
	r.server.mu.Unlock()
	noDelay, known := isNoDelay(t, l.conn)
	if known && !noDelay {
		t.Error("the system waits for acknowledgements: TCP_NODELAY is off")
	}
	segments, known := segmentsSent(t, l.conn)
	most := uint32(n + 3 + 2*(n/100+2)) // frames, opening, heartbeats
	if known && segments > 2*most {
		t.Errorf("%d segments left for %d frames", segments, n)
	}
	t.Attr("seen", fmt.Sprintf("99 of 100 within %v; no delay: %v; %d segments for %d frames, heartbeats and the opening",
		p99(list).Round(10*time.Microsecond), noDelay, segments, n))
}
