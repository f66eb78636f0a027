package sim

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestMemoryPortAfterItsEnd(t *testing.T) {
	m := NewMemory()
	p, err := m.Open()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Open(); err == nil || !strings.Contains(err.Error(), "already open") {
		t.Errorf("a second host got %v", err)
	}
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := p.Read(make([]byte, 1)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("read after close: %v", err)
	}
	if _, err := p.Write([]byte("x")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("write after close: %v", err)
	}
	if err := p.SetReadDeadline(time.Time{}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("deadline after close: %v", err)
	}
	if _, err := m.Open(); err != nil {
		t.Errorf("reopening: %v", err)
	}
}

func TestMemoryReadObeysItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory()
		p := open(t, m)
		start := time.Now()
		p.SetReadDeadline(start.Add(250 * time.Millisecond))
		if _, err := p.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 250*time.Millisecond {
			t.Errorf("read returned %v after %v", err, time.Since(start))
		}
		// A deadline moved while a read waits counts for that read.
		p.SetReadDeadline(time.Time{})
		go func() {
			time.Sleep(time.Second)
			p.SetReadDeadline(time.Now())
		}()
		start = time.Now()
		if _, err := p.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("read returned %v after %v", err, time.Since(start))
		}
		m.TryWrite([]byte("abc")) // read after the deadline all the same
		if got := read(t, p); got != "abc" {
			t.Errorf("read %q", got)
		}
	})
}

func TestMemoryWriteWaitsForTheInstrument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory()
		p := open(t, m)
		wrote := make(chan error, 1)
		go func() {
			for range 3 {
				if _, err := p.Write(make([]byte, inboxBytes)); err != nil {
					wrote <- err
					return
				}
			}
			wrote <- nil
		}()
		synctest.Wait()
		select {
		case err := <-wrote:
			t.Fatalf("three full inboxes were taken at once: %v", err)
		default:
		}
		m.Unplug()
		if err := <-wrote; !errors.Is(err, ErrUnplugged) {
			t.Errorf("the waiting write gave %v", err)
		}
	})
}

// serve runs an instrument on real time and stops it with the test.
func serve(t *testing.T, instrument Instrument, conn Conn) *Runner {
	t.Helper()
	runner, err := NewRunner(instrument, conn, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- runner.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return runner
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	var dialer net.Dialer
	c, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

// expect reads until text has come and returns what came before it.
func expect(t *testing.T, r io.Reader, text string) string {
	t.Helper()
	var got strings.Builder
	one := make([]byte, 1)
	for !strings.HasSuffix(got.String(), text) {
		if _, err := io.ReadFull(r, one); err != nil {
			t.Fatalf("waiting for %q after %q: %v", text, got.String(), err)
		}
		got.WriteByte(one[0])
	}
	return strings.TrimSuffix(got.String(), text)
}

func TestTCPServesOneHostAfterTheOther(t *testing.T) {
	conn, err := OpenTCP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, &teller{}, conn)
	first := dial(t, conn.Address())
	second := dial(t, conn.Address()) // waits
	io.WriteString(first, "one")
	expect(t, first, "re:one")
	first.Close()
	io.WriteString(second, "two")
	if before := expect(t, second, "re:two"); strings.Contains(before, "one") {
		t.Errorf("the second host read %q, meant for the first", before)
	}
	expect(t, second, "line-")
}

func TestTCPUnplugCutsTheHostOff(t *testing.T) {
	conn, err := OpenTCP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := conn.Address()
	runner := serve(t, &teller{}, conn)
	host := dial(t, address)
	expect(t, host, "line-")
	runner.Unplug()
	if _, err := io.Copy(io.Discard, host); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the host was not cut off")
	}
	runner.Plug()
	var again net.Conn
	for deadline := time.Now().Add(10 * time.Second); again == nil; {
		if again, err = net.Dial("tcp", address); err != nil && time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	defer again.Close()
	again.SetDeadline(time.Now().Add(10 * time.Second))
	expect(t, again, "line-")
}

func TestTCPRefusesAnAddressInUse(t *testing.T) {
	conn, err := OpenTCP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := OpenTCP(conn.Address()); err == nil || !strings.Contains(err.Error(), "is the port in use?") {
		t.Errorf("got error %v", err)
	}
}
