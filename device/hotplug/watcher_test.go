package hotplug

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// said are messages by hand: what is sent is told as it is, until it is closed.
type said chan bool

func (s said) next() (bool, error) {
	changed, ok := <-s
	if !ok {
		return false, io.EOF
	}
	return changed, nil
}

func (s said) close() error { close(s); return nil }

// rig is a watcher in a bubble, of a system that is made up.
type rig struct {
	*Watcher
	said said

	mu    sync.Mutex
	there []string // what a look gives
	fails error
}

func (r *rig) names() ([]string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.there), r.fails
}

func (r *rig) put(there []string, fails error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.there, r.fails = there, fails
}

func start(t *testing.T, silent bool) (*rig, func()) {
	r := &rig{said: make(said)}
	r.Watcher = New(r.names)
	r.listen = func() (messages, error) {
		if silent {
			return nil, errNoMessages
		}
		return r.said, nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	synctest.Wait()
	return r, func() { cancel(); <-done }
}

// within returns how long a change took to be told, -1: longer than the limit.
func within(limit time.Duration, changed <-chan struct{}) time.Duration {
	began := time.Now()
	select {
	case <-changed:
		return time.Since(began)
	case <-time.After(limit):
		return -1
	}
}

func TestMessagesAreToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := start(t, false)
		defer stop()
		changed, also := r.Changed(), r.Changed()
		r.put([]string{"ttyUSB0"}, nil)
		r.said <- true
		if d := within(time.Minute, changed); d != 0 {
			t.Errorf("told after %v", d)
		}
		if d := within(time.Minute, also); d != 0 {
			t.Errorf("the other one was told after %v", d)
		}
		// What was told is not told again by looking.
		if d := within(time.Minute, r.Changed()); d >= 0 {
			t.Errorf("told again after %v", d)
		}
		changed = r.Changed()
		r.said <- false // of something else
		if d := within(time.Minute, changed); d >= 0 {
			t.Errorf("told of something else after %v", d)
		}
	})
}

// Without messages, and where they ended, arrival and removal are seen within a
// second. A look that fails says nothing.
func TestLooking(t *testing.T) {
	for _, silent := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			r, stop := start(t, silent)
			defer stop()
			for _, there := range [][]string{{"1-1", "ttyUSB0"}, {"1-1"}, {"1-2"}, nil} {
				changed := r.Changed()
				r.put(there, nil)
				if d := within(time.Minute, changed); d < 0 || d > LookEvery {
					t.Errorf("%v: told after %v", there, d)
				}
			}
			changed := r.Changed()
			r.put([]string{"1-1"}, errors.New("no sysfs"))
			if d := within(time.Minute, changed); d >= 0 {
				t.Errorf("told after a look that failed, after %v", d)
			}
			r.put([]string{"1-1"}, nil)
			if d := within(time.Minute, changed); d < 0 || d > LookEvery {
				t.Errorf("told %v after looking worked again", d)
			}
		})
	}
}

func TestSysfsNames(t *testing.T) {
	sys := t.TempDir()
	for _, folder := range []string{"class/tty/ttyUSB0", "class/tty/tty1", "bus/usb/devices/1-1.4"} {
		if err := os.MkdirAll(filepath.Join(sys, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	got, err := sysfsNames(sys)
	if want := []string{"tty1", "ttyUSB0", "1-1.4"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	if got, err := sysfsNames(filepath.Join(sys, "none")); err != nil || len(got) != 0 {
		t.Errorf("without sysfs: %q, %v", got, err)
	}
}
