package hotplug

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// LookEvery is how often a Watcher looks at what is there: what no message tells is
// noticed that late at most.
const LookEvery = time.Second

// Names tells what is plugged in, in an order that does not change by itself.
type Names func() ([]string, error)

// Watcher notices that something was plugged in or unplugged.
type Watcher struct {
	names  Names
	listen func() (messages, error)

	mu   sync.Mutex
	next chan struct{} // closed at the next change
}

// messages are what the system tells of devices. One goroutine calls next; close,
// which may come from another, frees it.
type messages interface {
	// next waits for a message and reports whether it is of something that was
	// plugged in or unplugged. After an error there are no more.
	next() (bool, error)
	close() error
}

// errNoMessages says that this system tells nothing.
var errNoMessages = errors.New("no messages of devices")

// New returns a watcher that looks with names, besides listening. It does nothing
// before Run.
func New(names Names) *Watcher {
	return &Watcher{names: names, listen: listen, next: make(chan struct{})}
}

// Changed returns a channel that is closed when something is plugged in or unplugged
// after this call. It may be called concurrently, and keeps nothing: a change that
// nobody waits for is forgotten.
func (w *Watcher) Changed() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.next
}

// Run watches until ctx ends. It may be called once.
func (w *Watcher) Run(ctx context.Context) {
	heard := make(chan struct{}, 1) // several messages at once are one change
	var listening sync.WaitGroup
	if m, err := w.listen(); err == nil {
		listening.Go(func() { hear(m, heard) })
		defer listening.Wait()
		defer func() { _ = m.close() }()
	}
	look := time.NewTicker(LookEvery)
	defer look.Stop()
	there, known := w.look(nil, false)
	for {
		select {
		case <-ctx.Done():
			return
		case <-heard:
			w.tell()
			there, known = w.look(there, known) // so that it is not told again
		case <-look.C:
			now, ok := w.look(there, known)
			if known && !slices.Equal(now, there) {
				w.tell()
			}
			there, known = now, ok
		}
	}
}

// hear passes messages on until there are no more.
func hear(m messages, heard chan<- struct{}) {
	for {
		changed, err := m.next()
		if err != nil {
			return
		}
		if changed {
			select {
			case heard <- struct{}{}:
			default:
			}
		}
	}
}

// look returns what is there. When that cannot be told, it is what was there before.
func (w *Watcher) look(before []string, known bool) ([]string, bool) {
	names, err := w.names()
	if err != nil {
		return before, known
	}
	return names, true
}

// tell wakes all who wait for a change.
func (w *Watcher) tell() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.next)
	w.next = make(chan struct{})
}

// Sysfs tells by what names Linux knows ttys and USB devices. It reads two folders and
// opens no device.
func Sysfs() ([]string, error) { return sysfsNames("/sys") }

func sysfsNames(sys string) ([]string, error) {
	var names []string
	for _, folder := range []string{"class/tty", "bus/usb/devices"} {
		entries, err := os.ReadDir(filepath.Join(sys, folder))
		if err != nil && !os.IsNotExist(err) {
			return nil, err
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
	}
	return names, nil
}
