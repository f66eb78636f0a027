package receiver

import (
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"photongate/protocol"
)

// TestNoGuestEndsTheRecordingOfAnother: a gateway that dials in and breaks the
// rules, or cannot be stored yet, is turned away until it can; the others are
// recorded on.
func TestNoGuestEndsTheRecordingOfAnother(t *testing.T) {
	for name, test := range map[string]struct {
		spoil  func(l *lab, other *stub)
		passes bool
	}{
		"a folder above":        {spoil: func(_ *lab, other *stub) { other.streams[1].name = ".." }},
		"a device of windows":   {spoil: func(_ *lab, other *stub) { other.streams[1].name = "con" }},
		"stream number 0":       {spoil: func(_ *lab, other *stub) { other.streams[1].id = 0 }},
		"one number twice":      {spoil: func(_ *lab, other *stub) { other.streams[1].id = other.streams[0].id }},
		"full disk":             {spoil: func(l *lab, _ *stub) { l.fs.Limit(0) }, passes: true},
		"disk turned read-only": {spoil: func(l *lab, _ *stub) { l.fs.ReadOnly(true) }, passes: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, 4)
				l.stay = true
				other := newStub(t).withBench(3)
				other.name, other.journal = "pi-lab4", mustID(t, "ffeeddccbbaa99887766554433221100")
				door := newGate()
				ctx, stop := context.WithCancel(t.Context())
				var gateways sync.WaitGroup
				gateways.Go(func() {
					mine, theirs := net.Pipe()
					door.enter(theirs)
					gateways.Go(func() { _ = l.callIn(mine, 1) })
					<-time.After(2 * time.Second)
					test.spoil(l, other)
					gateways.Go(func() { _ = other.calls(door, near) })
					<-time.After(time.Minute)
					l.fs.Limit(-1)
					l.fs.ReadOnly(false)
					<-time.After(time.Minute)
					if ctx.Err() == nil {
						l.push(l.more(t, &frameMaker{stream: 2, epoch: 1, seq: 5, index: 8, time: baseNs + second}, 1))
					}
					<-time.After(2 * time.Second)
					stop()
				})
				_, err := l.record(ctx, listens(door))
				if stop(); err != nil {
					t.Errorf("the recording ended with %v", err)
				}
				gateways.Wait()
				equal(t, "acked of the first", l.acks[2].Seq, protocol.Uint64(6))
				if test.passes {
					equal(t, "the other", held(t, l.fs, "pi-lab4-ffeeddcc", "bench"), other.streams[1].frames)
				}
			})
		})
	}
}
