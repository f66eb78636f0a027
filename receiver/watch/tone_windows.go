package watch

import (
	"context"
	"math"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/windows"
)

// newTone uses a program that plays samples, or else the system's own Beep.
func newTone(bell func() error) tone {
	if t := startPlayer(exec.LookPath); t != nil {
		return t
	}
	beep := windows.NewLazySystemDLL("kernel32.dll").NewProc("Beep")
	if beep.Find() != nil {
		return &bellTone{ring: bell, now: time.Now}
	}
	ctx, stop := context.WithCancel(context.Background())
	t := &beepTone{beep: beep, stop: stop}
	t.done.Go(func() { t.play(ctx) })
	return t
}

// beepTone plays short tones with the system's Beep, which returns when each is
// over. One goroutine calls it; close ends it.
type beepTone struct {
	beep *windows.LazyProc
	hz   atomic.Uint64 // bits of a float64
	stop context.CancelFunc
	done sync.WaitGroup
}

const beepTime = 120 * time.Millisecond

func (t *beepTone) set(hz float64) { t.hz.Store(math.Float64bits(hz)) }
func (t *beepTone) name() string   { return "Beep" }
func (t *beepTone) close()         { t.stop(); t.done.Wait() }

func (t *beepTone) play(ctx context.Context) {
	tick := time.NewTicker(beepTime)
	defer tick.Stop()
	for ctx.Err() == nil {
		if hz := math.Float64frombits(t.hz.Load()); hz > 0 {
			_, _, _ = t.beep.Call(uintptr(hz), uintptr(beepTime.Milliseconds())) // a computer without a loudspeaker stays silent
			continue
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}
