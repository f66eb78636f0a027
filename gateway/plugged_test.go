package gateway

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"photongate/device"
)

// socketPanel is a Plugging by hand.
type socketPanel struct {
	mu   sync.Mutex
	next chan struct{}
}

func (s *socketPanel) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next
}

func (s *socketPanel) plug() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.next)
	s.next = make(chan struct{})
}

// denied is a task whose port may not be opened for as long as works is false.
type denied struct {
	*taskRig
	panel *socketPanel
	works atomic.Bool
	at    []time.Time // of each attempt
	open  []time.Time // of those that worked
}

func startDenied(t *testing.T, tried func(*socketPanel)) *denied {
	d := &denied{panel: &socketPanel{next: make(chan struct{})}}
	d.taskRig = startTask(t, func(k *task, b *bench) {
		k.plugged.plugging = d.panel
		b.open = func(context.Context) error {
			d.at = append(d.at, time.Now())
			if d.works.Load() {
				d.open = append(d.open, time.Now())
				return nil
			}
			if tried != nil {
				tried(d.panel)
			}
			return &device.Error{Op: "open", Port: "/dev/bench", Err: device.ErrPermission}
		}
	})
	return d
}

// A device that waits for its longest pause is opened within a second after something
// was plugged in, also when the system needs half of that to let it be opened.
func TestPluggedInIsOpenedSoon(t *testing.T) {
	for _, takes := range []time.Duration{0, 500 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			d := startDenied(t, nil)
			defer d.end()
			time.Sleep(2*time.Minute + 3*time.Second)
			synctest.Wait()
			plugged := time.Now()
			d.panel.plug()
			time.Sleep(takes)
			d.works.Store(true)
			synctest.Wait()
			time.Sleep(time.Minute)
			synctest.Wait()
			if len(d.open) == 0 || d.open[0].Sub(plugged) > time.Second {
				t.Errorf("plugged in at %v, opened at %v", plugged, d.open)
			}
		})
	}
}

// What is plugged in while an attempt fails is not missed.
func TestPluggedInDuringAnAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		d := startDenied(t, func(panel *socketPanel) {
			if tries++; tries == 10 {
				panel.plug()
			}
		})
		defer d.end()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if pause := d.at[10].Sub(d.at[9]); pause > pluggedEvery {
			t.Errorf("tried again %v after something was plugged in", pause)
		}
	})
}

// A port whose every attempt looks as if something was plugged in is tried once a
// second, not at once for ever.
func TestAttemptsThatLookLikePlugging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := startDenied(t, (*socketPanel).plug)
		time.Sleep(time.Minute)
		d.end()
		if n := len(d.at); n < 30 || n > 70 {
			t.Errorf("%d attempts in a minute", n)
		}
	})
}
