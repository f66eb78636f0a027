package receiver

import (
	"context"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// bothWays is a recording of a gateway that is dialled and dials in, as long as
// either works.
type bothWays struct {
	*lab
	t             *testing.T
	door          *gate
	dialled, came atomic.Bool // works
	maker         *frameMaker
	began         time.Time
	readings      atomic.Uint64 // that have come
	gateway       sync.WaitGroup
}

// cut ends all connections, and leaves one way open.
func (b *bothWays) cut(dialled, came bool) {
	b.dialled.Store(dialled)
	b.came.Store(came)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.conns {
		c.Close()
	}
	b.conns = nil
}

// come has a reading come, which is at the receiver within 25 s, whichever way.
func (b *bothWays) come(what string) {
	b.t.Helper()
	b.maker.time = b.nowNs + int64(time.Since(b.began))
	b.mu.Lock()
	b.streams[1].frames = append(b.streams[1].frames, b.maker.counts([]uint64{b.maker.seq, 1}).out...)
	out := b.maker.out
	b.mu.Unlock()
	b.push(out)
	b.maker.out = nil
	sleep(b.t.Context(), 25*time.Second)
	if got := b.readings.Load(); got != b.maker.index {
		b.t.Errorf("%s: %d of %d readings have come", what, got, b.maker.index)
	}
}

func startBothWays(t *testing.T, dialled, came bool) (b *bothWays, stop func() Summary) {
	b = &bothWays{lab: newLab(t, 4), t: t, door: newGate(), maker: &frameMaker{t: t, stream: 2, epoch: 1, seq: 5, index: 8}, began: time.Now()}
	b.dialled.Store(dialled)
	b.came.Store(came)
	end := b.lab.standing(t, listens(b.door), func(o *RecordOptions) {
		o.Addresses = []string{"pi-lab3"}
		o.OnProgress = func(p Progress) {
			for _, s := range p.Streams {
				b.readings.Store(s.Readings)
			}
		}
		o.Dial = func(ctx context.Context, to string) (net.Conn, error) {
			if !b.dialled.Load() {
				return nil, os.NewSyscallError("connect", syscall.EHOSTUNREACH)
			}
			return b.dial(ctx, to)
		}
	})
	b.gateway.Go(func() {
		for n := 100; ; n++ {
			mine, theirs := net.Pipe()
			if !b.came.Load() {
				select {
				case <-b.door.shut:
					return
				default:
				}
			} else if !b.door.enter(theirs) {
				return
			} else {
				_ = b.callIn(mine, n)
			}
			sleep(t.Context(), 3*time.Second)
		}
	})
	return b, func() Summary {
		s := end()
		b.gateway.Wait()
		return s
	}
}

// TestEitherWay: a gateway that is dialled, and dials in, is recorded over whichever
// way works, back and forth; every frame once.
func TestEitherWay(t *testing.T) {
	for name, first := range map[string]struct{ dialled, came bool }{"dialled first": {true, false}, "dials in first": {false, true}, "in the same moment": {true, true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, stop := startBothWays(t, first.dialled, first.came)
				time.Sleep(10 * time.Second)
				b.come("the first way")
				b.dialled.Store(true)
				b.came.Store(true)
				b.come("both ways")
				b.come("both ways, later")
				for range 2 {
					b.cut(false, true)
					b.come("it dials in")
					b.cut(true, false)
					b.come("it is dialled")
				}
				b.cut(true, true)
				b.come("both ways again")
				equal(t, "why it is incomplete", stop().Why, []string(nil))
				equal(t, "held", held(t, b.fs, labFolder, "bench"), b.streams[1].frames)
				if said := b.log.String(); strings.Contains(said, "DOES NOT") || strings.Contains(said, "panic") {
					t.Error(said)
				}
			})
		})
	}
}
