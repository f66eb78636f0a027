package sim

import (
	"errors"
	"sync"
)

// ErrUnplugged is what a host gets that opens or uses a port whose cable is pulled.
var ErrUnplugged = errors.New("unplugged")

// Conn is where a host finds the instrument: a pty, a TCP port, or memory. At
// most one host has it open at a time.
//
// Ready, Poll, TryWrite, Unplug, Plug and Close belong to one goroutine, the
// [Runner]'s.
type Conn interface {
	// Ready has an element whenever Poll may have something.
	Ready() <-chan struct{}
	// Poll takes the next thing that happened: Opened, Closed or Received. It
	// reports false when there is nothing. Data is valid until the next call.
	Poll() (Event, bool)
	// TryWrite gives the host as many bytes as it can take right now and returns
	// how many. It does not wait for a host that does not read, and nobody
	// having the port open takes nothing.
	TryWrite(p []byte) int
	// Unplug makes the port vanish: whoever has it open gets an error.
	Unplug() error
	// Plug makes the port return under the same name.
	Plug() error
	// Where says in words where a host finds the port.
	Where() string
	// Close frees everything and waits for the connection's goroutines.
	Close() error
}

// inboxBytes bounds what a host can write before the instrument has taken it.
const inboxBytes = 4096

// inbox hands what happens at a port to the goroutine that polls it.
type inbox struct {
	ready chan struct{} // 1 element: something may be there
	room  chan struct{} // 1 element: bytes have been taken

	mu     sync.Mutex
	events []Event
	bytes  int
}

func newInbox() *inbox {
	return &inbox{ready: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// put adds an opening or closing; it does not wait. Their number is bounded by
// the hosts that come and go between two polls.
func (in *inbox) put(kind EventKind) {
	in.mu.Lock()
	in.events = append(in.events, Event{Kind: kind})
	in.mu.Unlock()
	signal(in.ready)
}

// write adds bytes from the host, waiting while inboxBytes have not been taken.
// It reports false when stop is closed first.
func (in *inbox) write(p []byte, stop <-chan struct{}) bool {
	for {
		in.mu.Lock()
		fits := in.bytes < inboxBytes
		if fits {
			in.bytes += len(p)
			in.events = append(in.events, Event{Kind: Received, Data: append([]byte(nil), p...)})
		}
		in.mu.Unlock()
		if fits {
			signal(in.ready)
			return true
		}
		select {
		case <-in.room:
		case <-stop:
			return false
		}
	}
}

// poll takes the oldest event.
func (in *inbox) poll() (Event, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.events) == 0 {
		return Event{}, false
	}
	ev := in.events[0]
	in.events = in.events[1:]
	in.bytes -= len(ev.Data)
	signal(in.room)
	return ev, true
}

// clear forgets what nobody has taken: the port is gone.
func (in *inbox) clear() {
	in.mu.Lock()
	in.events, in.bytes = nil, 0
	in.mu.Unlock()
	signal(in.room)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
