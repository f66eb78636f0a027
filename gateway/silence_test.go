package gateway

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"photongate/device"
)

func TestSilentDevice(t *testing.T) {
	t.Attr("fault", "F34")
	t.Attr("injected", "a device of 800 ms gates falls silent with its port open, comes back, and falls silent for good")
	t.Attr("promised", "stalled after three gates and 500 ms for what a reading may take to get here; opened again after ten")
	synctest.Test(t, func(t *testing.T) {
		r := startTask(t, func(_ *task, b *bench) { b.gate = 800 * time.Millisecond })
		defer r.end()
		s := <-r.bench.sources
		s.feed <- readings(time.Now().UnixNano(), 800*time.Millisecond, 1)
		time.Sleep(2400 * time.Millisecond) // 3 gates, and not yet what a reading may take to get here
		r.state(t, Running)
		time.Sleep(600 * time.Millisecond)
		if got := r.state(t, Stalled); got.Cause != silent.cause || got.Hint != silent.hint {
			t.Errorf("cause and hint: got %q, %q", got.Cause, got.Hint)
		}
		s.feed <- readings(time.Now().UnixNano(), 800*time.Millisecond, 1) // it comes back by itself
		time.Sleep(300 * time.Millisecond)
		r.state(t, Running)
		time.Sleep(8100 * time.Millisecond) // more than 10 gates
		r.state(t, Stalled)
		s2 := <-r.bench.sources
		if s2 == s {
			t.Fatal("it was not opened again")
		}
		select {
		case <-s.port.closed:
		default:
			t.Error("the first port is still open")
		}
		got := r.shapes(t)
		if len(got) != 4 || !strings.Contains(got[3], `{"cause":"stalled"`) {
			t.Errorf("got %q, want the two readings and an end", got)
		}
		t.Attr("seen", fmt.Sprintf("stalled between 2.4 s and 3 s; %d frames: %s", len(got), got[len(got)-1]))
	})
}

// Readings that arrive and are held back by the driver, which wants to see where
// they belong, are no silence.
func TestHeldBackIsNotSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startTask(t, nil)
		defer r.end()
		s := <-r.bench.sources
		s.feed <- readings(time.Now().UnixNano(), 100*time.Millisecond, 1)
		for held := range 200 {
			s.feed <- func(b *device.Batch) { b.Held = held + 1 }
			time.Sleep(100 * time.Millisecond)
		}
		r.state(t, Running)
		s.feed <- func(b *device.Batch) { b.Held = 200 } // and nothing more comes
		time.Sleep(2 * time.Second)
		r.state(t, Stalled)
	})
}

func TestSilenceWithoutGate(t *testing.T) {
	s := newSilence(device.Description{})
	const sec = time.Second
	if s.look(0, 0); s.stallAfter() <= 8*sec {
		t.Errorf("stalled after %v without any reading, want more than 8 s", s.stallAfter())
	}
	s.look(9*sec, 0)
	s.look(69*sec, 0) // a reading a minute
	s.look(69*sec, 0)
	if s.stallAfter() != 180*sec+silenceLatency || s.reopenAfter() != 600*sec {
		t.Errorf("stalled after %v and reopened after %v, want 3 and 10 of the longest intervals", s.stallAfter(), s.reopenAfter())
	}
}

// Ten seconds in which nothing of this process ran are no silence of a device:
// it has as long as ever to show itself.
func TestProcessWasStopped(t *testing.T) {
	const sec = time.Second
	var w wakefulness
	now := sec
	for ; now < 3*sec; now += watchEvery {
		w.look(now)
	}
	if got := w.since(now, sec); got != 2*sec {
		t.Errorf("running all the time: %v, want 2 s", got)
	}
	now += 10 * sec
	w.look(now)
	if got := w.since(now, 3*sec); got != 0 {
		t.Errorf("just awake again: %v, want 0", got)
	}
	for range 24 {
		now += watchEvery
		w.look(now)
	}
	if got := w.since(now, 3*sec); got != 6*sec {
		t.Errorf("awake for six seconds: %v", got)
	}
	if got := w.since(now, now-sec); got != sec {
		t.Errorf("since it came again: %v, want 1 s", got)
	}
}
