package pulse

import (
	"io"
	"net"
	"runtime"
	"testing"
	"time"
)

func TestMoved(t *testing.T) {
	at := counters{came: 5, left: 1000, waiting: 10}
	for name, c := range map[string]struct {
		last, now counters
		want      bool
	}{
		"nothing":                         {at, at, false},
		"bytes came":                      {at, counters{6, 1000, 10}, true},
		"bytes that waited left":          {at, counters{5, 1001, 9}, true},
		"all that waited left":            {at, counters{5, 1010, 0}, false},
		"a heartbeat acknowledged":        {counters{5, 1000, 0}, counters{5, 1100, 0}, false},
		"more was written":                {at, counters{5, 1000, 500}, false},
		"the counter of segments wraps":   {counters{came: 1<<32 - 1}, counters{}, true},
		"written and partly gone at once": {counters{5, 1000, 0}, counters{5, 2000, 70}, false},
	} {
		if got := moved(c.last, c.now); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// pair is both ends of a connection.
func pair(t *testing.T) (here, there *net.TCPConn) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a.(*net.TCPConn), b.(*net.TCPConn)
}

// What the system of a program that sends nothing takes is no sign of life;
// what it sends is, also before it is read.
func TestPulseOfTCP(t *testing.T) {
	here, there := pair(t)
	p := Of(here)
	if runtime.GOOS != "linux" {
		if p != nil {
			t.Error("a pulse where the system tells none")
		}
		return
	}
	if p.Moved() {
		t.Error("moved at the begin")
	}
	for range 3 {
		if _, err := here.Write([]byte("heartbeat")); err != nil {
			t.Fatal(err)
		}
		var nine [9]byte
		if _, err := io.ReadFull(there, nine[:]); err != nil {
			t.Fatal(err)
		}
		if p.Moved() {
			t.Error("moved, though nothing came")
		}
	}
	if _, err := there.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); !p.Moved(); {
		if time.Now().After(deadline) {
			t.Fatal("did not see a byte that came")
		}
		runtime.Gosched()
	}
	if p.Moved() {
		t.Error("moved twice")
	}
}

// Unsent counts what the other end has not taken.
func TestUnsent(t *testing.T) {
	here, there := pair(t)
	if n, ok := Unsent(here); ok != (runtime.GOOS == "linux") || n != 0 {
		t.Errorf("at the begin: %d, %v", n, ok)
	}
	if err := there.SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() {
		_, err := here.Write(make([]byte, 64<<20))
		written <- err
	}()
	for deadline := time.Now().Add(30 * time.Second); runtime.GOOS == "linux"; runtime.Gosched() {
		if n, ok := Unsent(here); ok && n > 4<<10 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing waits, of 64 MiB that nobody reads")
		}
	}
	here.Close()
	if err := <-written; err == nil {
		t.Error("64 MiB were taken for one who reads nothing")
	}
	if n, ok := Unsent(nil); n != 0 || ok {
		t.Errorf("of no connection: %d, %v", n, ok)
	}
	if Of(nil) != nil || (*Pulse)(nil).Moved() {
		t.Error("a pulse of nothing")
	}
}
