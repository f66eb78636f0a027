package badline

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// patience bounds waits for the other side. It is no measure of speed.
const patience = 30 * time.Second

// far listens and hands over what connects through a line to it.
func far(t *testing.T, script func(int) Script) (*Line, <-chan net.Conn) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conns := make(chan net.Conn, 4)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns <- c
		}
	}()
	line, err := Lay(l.Addr().String(), script)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(line.Close(), l.Close()); err != nil {
			t.Error(err)
		}
		<-done
	})
	return line, conns
}

// pair is both ends of a connection over a line.
func pair(t *testing.T, line *Line, conns <-chan net.Conn) (near, distant net.Conn) {
	t.Helper()
	near, err := new(net.Dialer).DialContext(t.Context(), "tcp", line.Addr())
	if err != nil {
		t.Fatal(err)
	}
	distant = <-conns
	for _, c := range []net.Conn{near, distant} {
		t.Cleanup(func() { c.Close() })
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
	}
	return near, distant
}

// Bytes before an offset arrive, those behind do not, and both ends see what
// kind of end it was; either direction.
func TestCutAtAnOffset(t *testing.T) {
	for name, c := range map[string]struct {
		down bool
		do   Action
	}{"reset up": {false, Reset}, "reset down": {true, Reset}, "end up": {false, End}, "end down": {true, End}} {
		t.Run(name, func(t *testing.T) {
			way := Way{Breaks: []Break{{At: 5, Do: c.do}}}
			script := Script{Up: way}
			if c.down {
				script = Script{Down: way}
			}
			line, conns := far(t, func(int) Script { return script })
			from, to := pair(t, line, conns)
			if c.down {
				from, to = to, from
			}
			if _, err := from.Write([]byte("0123")); err != nil {
				t.Fatal(err)
			}
			var four [4]byte // before the end: a reset may overtake what was sent
			if _, err := io.ReadFull(to, four[:]); err != nil || string(four[:]) != "0123" {
				t.Fatalf("before the offset: %q, %v", four, err)
			}
			if _, err := from.Write([]byte("456789")); err != nil {
				t.Fatal(err)
			}
			rest, err := io.ReadAll(to)
			if reset := errors.Is(err, syscall.ECONNRESET); reset != (c.do == Reset) || !reset && (err != nil || string(rest) != "4") || len(rest) > 1 {
				t.Errorf("then %q, %v", rest, err)
			}
			if _, err := from.Read(four[:]); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the other end was not told: %v", err)
			}
		})
	}
}

// One bit is another one, wherever the pieces end.
func TestFlippedBits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, a := net.Pipe()
		distant, b := net.Pipe()
		j := Join(a, b, Script{Up: Way{Segment: 3, Breaks: []Break{{At: 0, Do: Flip, Bit: 7}, {At: 4, Do: Flip}, {At: 4, Do: Flip, Bit: 1}}}})
		go func() {
			_, _ = near.Write(make([]byte, 8)) // the read tells
			near.Close()
		}()
		got, err := io.ReadAll(distant)
		if want := []byte{0x80, 0, 0, 0, 3, 0, 0, 0}; err != nil || !bytes.Equal(got, want) {
			t.Errorf("got %x, %v; want %x", got, err, want)
		}
		j.Close()
		if up, down := j.Passed(); up != 8 || down != 0 {
			t.Errorf("passed: %d up, %d down", up, down)
		}
	})
}

// A stalled line takes what comes, gives nothing on and says nothing; a frozen
// one does not even take it.
func TestSilentLines(t *testing.T) {
	for _, do := range []Action{Stall, Freeze} {
		synctest.Test(t, func(t *testing.T) {
			near, a := net.Pipe()
			distant, b := net.Pipe()
			j := Join(a, b, Script{Down: Way{Breaks: []Break{{At: 2, Do: do}}}})
			go func() { _, _ = distant.Write([]byte("ab")) }()
			var two [2]byte
			if _, err := io.ReadFull(near, two[:]); err != nil || string(two[:]) != "ab" {
				t.Fatalf("%q, %v", two, err)
			}
			go func() { _, _ = distant.Write([]byte("cd")) }()
			synctest.Wait()
			for _, c := range []net.Conn{near, distant} {
				if err := c.SetDeadline(time.Now().Add(time.Hour)); err != nil {
					t.Fatal(err)
				}
				if n, err := c.Read(two[:]); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("after %v: %d bytes, %v", do, n, err)
				}
			}
			for _, c := range []net.Conn{near, distant} {
				if err := c.SetDeadline(time.Now().Add(time.Hour)); err != nil {
					t.Fatal(err)
				}
				if _, err := c.Write(make([]byte, 100<<10)); (err == nil) != (do == Stall) {
					t.Errorf("write after %v: %v", do, err)
				}
			}
			j.Close()
		})
	}
}

// Pauses, rates and lateness take the time they should, and bytes stay in order.
func TestPace(t *testing.T) {
	for _, c := range []struct {
		name     string
		way      Way
		from, to time.Duration // for 100 bytes
	}{
		{"segments", Way{Segment: 1, Pause: 3 * time.Second}, 300 * time.Second, 300 * time.Second},
		{"rate", Way{Rate: 1000}, 100 * time.Millisecond, 100 * time.Millisecond},
		{"jitter", Way{Segment: 10, Jitter: time.Second}, time.Second, 10 * time.Second},
		{"later", Way{After: 98, Segment: 1, Pause: time.Second}, 2 * time.Second, 2 * time.Second},
		{"nothing", Way{}, 0, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			near, a := net.Pipe()
			distant, b := net.Pipe()
			j := Join(a, b, Script{Up: c.way, Seed: 3})
			want := make([]byte, 100)
			for i := range want {
				want[i] = byte(i)
			}
			began := time.Now()
			go func() {
				_, _ = near.Write(want) // the read tells
				near.Close()
			}()
			got, err := io.ReadAll(distant)
			if took := time.Since(began); err != nil || !bytes.Equal(got, want) || took < c.from || took > c.to {
				t.Errorf("%s: %x, %v after %v", c.name, got, err, took)
			}
			j.Close()
		})
	}
}

// An unplugged line carries nothing until it is plugged in again; the script is
// told which connection it is for.
func TestUnplug(t *testing.T) {
	line, conns := far(t, func(n int) Script {
		return Script{Up: Way{Breaks: []Break{{At: 0, Do: Flip, Bit: uint8(n)}}}}
	})
	first, _ := pair(t, line, conns)
	line.Unplug(Reset)
	if _, err := first.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("unplugged: %v", err)
	}
	away, err := new(net.Dialer).DialContext(t.Context(), "tcp", line.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer away.Close()
	if _, err := io.ReadAll(away); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("while away: %v", err)
	}
	line.Plug()
	near, distant := pair(t, line, conns)
	if _, err := near.Write([]byte{0}); err != nil {
		t.Fatal(err)
	}
	var one [1]byte
	if _, err := io.ReadFull(distant, one[:]); err != nil || one[0] != 1<<2 || line.Conns() != 2 || line.Err() != nil {
		t.Errorf("plugged in: %x, %v, %d connections, %v", one, err, line.Conns(), line.Err())
	}
	line.Do(End)
	if _, err := near.Read(one[:]); !errors.Is(err, io.EOF) {
		t.Errorf("ended: %v", err)
	}
}
