//go:build unix

package serialport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/creack/pty"

	"photongate/device"
)

var line = device.Line{Baud: 19200}

func clock() int64 { return time.Now().UnixNano() }

// openPty returns the master of a pty and the name of its other end, which is
// kept open so that it outlives a port that is closed.
func openPty(t *testing.T) (master *os.File, node string) {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	node = slave.Name()
	if err := slave.Close(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = master.Close() })
	return master, node
}

func mustOpen(t *testing.T, name string) device.Port {
	t.Helper()
	p, err := Open(t.Context(), name, line, clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func TestReadAndWrite(t *testing.T) {
	master, node := openPty(t)
	p := mustOpen(t, node)
	if p.Name() != node {
		t.Errorf("Name = %q, want %q", p.Name(), node)
	}
	buf := make([]byte, 64)
	if n, _, err := p.Read(buf, 0); n != 0 || !errors.Is(err, device.ErrTimeout) {
		t.Fatalf("Read of a silent port, no wait: %d, %v", n, err)
	}
	if n, _, err := p.Read(buf, 20*time.Millisecond); n != 0 || !errors.Is(err, device.ErrTimeout) {
		t.Fatalf("Read of a silent port: %d, %v", n, err)
	}
	if n, _, err := p.Read(nil, 0); n != 0 || err == nil || errors.Is(err, device.ErrGone) {
		t.Fatalf("Read into nothing: %d, %v", n, err)
	}
	raw := []byte{0x00, 0x03, 0x04, 0x0A, 0x0D, 0x11, 0x13, 0x1A, 0x7F, 0xFF}
	if _, err := master.Write(raw); err != nil {
		t.Fatal(err)
	}
	var got []byte
	for len(got) < len(raw) {
		before := clock()
		n, at, err := p.Read(buf, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if at < before || at > clock() {
			t.Errorf("Read returned at %d, between %d and now", at, before)
		}
		got = append(got, buf[:n]...)
	}
	if !bytes.Equal(got, raw) {
		t.Errorf("read % x, want % x", got, raw)
	}
	if _, err := p.Write(raw); err != nil {
		t.Fatal(err)
	}
	got = got[:0]
	for len(got) < len(raw) {
		n, err := master.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, buf[:n]...)
	}
	if !bytes.Equal(got, raw) {
		t.Errorf("wrote % x, want % x", got, raw)
	}
}

func TestDiscard(t *testing.T) {
	master, node := openPty(t)
	p := mustOpen(t, node)
	if _, err := master.Write([]byte("old")); err != nil {
		t.Fatal(err)
	}
	// The bytes are on their way through the kernel: see the first before discarding.
	one := make([]byte, 1)
	if _, _, err := p.Read(one, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	if err := p.Discard(); err != nil {
		t.Fatal(err)
	}
	if n, _, err := p.Read(one, 20*time.Millisecond); !errors.Is(err, device.ErrTimeout) {
		t.Errorf("after Discard: %d bytes, %v", n, err)
	}
}

func TestCloseFreesRead(t *testing.T) {
	_, node := openPty(t)
	p := mustOpen(t, node)
	done := make(chan error)
	started := make(chan struct{})
	go func() {
		close(started)
		_, _, err := p.Read(make([]byte, 8), time.Minute)
		done <- err
	}()
	<-started
	if err := p.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := <-done; !errors.Is(err, device.ErrClosed) {
		t.Errorf("Read ended by Close: %v, want ErrClosed", err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if _, _, err := p.Read(make([]byte, 8), 0); !errors.Is(err, device.ErrClosed) {
		t.Errorf("Read after Close: %v", err)
	}
	if _, err := p.Write([]byte("x")); !errors.Is(err, device.ErrClosed) {
		t.Errorf("Write after Close: %v", err)
	}
}

func TestUnplug(t *testing.T) {
	t.Attr("fault", "F31")
	t.Attr("injected", "the other end of a pty hangs up under a read, a write and a close (reads return EIO)")
	t.Attr("promised", "each returns at once and says that the device went away")
	master, node := openPty(t)
	p := mustOpen(t, node)
	if err := master.Close(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, _, err := p.Read(make([]byte, 8), 5*time.Second); !errors.Is(err, device.ErrGone) || errors.Is(err, device.ErrClosed) {
		t.Errorf("Read after unplug: %v, want ErrGone", err)
	}
	if _, err := p.Write([]byte("x")); !errors.Is(err, device.ErrGone) {
		t.Errorf("Write after unplug: %v, want ErrGone", err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("Close after unplug: %v", err)
	}
	if !t.Failed() {
		t.Attr("seen", fmt.Sprintf("read, write and close returned within %v", time.Since(began).Round(time.Millisecond)))
	}
}

func TestSecondOpenIsRefused(t *testing.T) {
	_, node := openPty(t)
	p := mustOpen(t, node)
	_, err := Open(t.Context(), node, line, clock)
	if !errors.Is(err, device.ErrBusy) {
		t.Fatalf("second open: %v, want ErrBusy", err)
	}
	var e *device.Error
	if !errors.As(err, &e) || e.Port != node || e.Hint == "" {
		t.Errorf("error %#v has no port or hint", err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, node)
}

func TestLinkIsFollowedAtEachOpen(t *testing.T) {
	_, first := openPty(t)
	second, node2 := openPty(t)
	link := filepath.Join(t.TempDir(), "bench")
	if err := os.Symlink(first, link); err != nil {
		t.Fatal(err)
	}
	if err := mustOpen(t, link).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(node2, link); err != nil {
		t.Fatal(err)
	}
	p := mustOpen(t, link)
	if _, err := second.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if n, _, err := p.Read(make([]byte, 8), 5*time.Second); n != 1 || err != nil {
		t.Errorf("read through the moved link: %d, %v", n, err)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		line device.Line
		want error
	}{
		{filepath.Join(dir, "ttyACM0"), line, device.ErrNoPort},
		{file, line, device.ErrNoPort},
		{"usb:04b4", line, device.ErrNoPort},
		{"usb:04b4:xyz", line, device.ErrNoPort},
		{"usb-path:", line, device.ErrNoPort},
		{"usb:fff0:fff1:none", line, device.ErrNoPort},
		{"tcp://nowhere", line, device.ErrNoPort},
	} {
		_, err := Open(t.Context(), tc.name, tc.line, clock)
		var e *device.Error
		if !errors.Is(err, tc.want) || !errors.As(err, &e) || e.Hint == "" {
			t.Errorf("open %s: %v, want %v with a hint", tc.name, err, tc.want)
		}
	}
	_, node := openPty(t)
	for _, l := range []device.Line{{}, {Baud: 9600, StopBits: 3}, {Baud: 9600, Parity: 7}, {Baud: 9600, DataBits: 11}} {
		if p, err := Open(t.Context(), node, l, clock); err == nil {
			_ = p.Close()
			t.Errorf("opened with %+v", l)
		}
	}
}

func TestPermission(t *testing.T) {
	if os.Getuid() == 0 {
		// Root may open anything: judge the explanation alone.
		err := explain("/dev/null", os.ErrPermission)
		if !errors.Is(err, device.ErrPermission) {
			t.Errorf("%v is not ErrPermission", err)
		}
		return
	}
	_, node := openPty(t)
	if err := os.Chmod(node, 0); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), node, line, clock)
	if !errors.Is(err, device.ErrPermission) {
		t.Errorf("%v, want ErrPermission", err)
	}
}

// An open that does not come back is abandoned, and the port is left alone until
// it does: one at most is on its way.
func TestHangingOpenIsAbandoned(t *testing.T) {
	t.Attr("fault", "F38")
	t.Attr("injected", "an open of a tty that does not return for an hour, tried again each 10 s")
	t.Attr("promised", "abandoned after 5 s, refused at once since, one at most on its way, opened again once it is back")
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var opens atomic.Int32
		hang := func() (device.Port, error) {
			opens.Add(1)
			<-release
			return nil, device.ErrNoPort
		}
		begin := time.Now()
		_, err := bounded(t.Context(), "ttyHang", openLimit, hang)
		abandoned := time.Since(begin)
		if !errors.Is(err, device.ErrHangs) || abandoned != openLimit {
			t.Errorf("after %v: %v", abandoned, err)
		}
		refused := 0
		for time.Since(begin) < time.Hour {
			at := time.Now()
			_, err := bounded(t.Context(), "ttyHang", openLimit, hang)
			if !errors.Is(err, device.ErrHangs) || time.Since(at) != 0 || !strings.Contains(err.Error(), "since "+begin.Format(time.TimeOnly)) {
				t.Fatalf("another open: %v, want ErrHangs at once", err)
			}
			refused++
			time.Sleep(10 * time.Second)
		}
		if n := opens.Load(); n != 1 {
			t.Errorf("%d opens on their way", n)
		}
		close(release)
		synctest.Wait()
		if _, err := bounded(t.Context(), "ttyHang", openLimit, hang); !errors.Is(err, device.ErrNoPort) || opens.Load() != 2 {
			t.Errorf("once it was back: %v after %d opens", err, opens.Load())
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("enough"))
		release = make(chan struct{})
		if _, err := bounded(ctx, "ttyHang", openLimit, hang); err == nil || !strings.Contains(err.Error(), "enough") {
			t.Errorf("cancelled: %v", err)
		}
		close(release)
		t.Attr("seen", fmt.Sprintf("abandoned after %v, %d attempts refused at once, %d open on its way", abandoned, refused, 1))
	})
}

func BenchmarkRead(b *testing.B) {
	master, slave, err := pty.Open()
	if err != nil {
		b.Fatal(err)
	}
	node := slave.Name()
	_ = slave.Close()
	p, err := Open(b.Context(), node, line, clock)
	if err != nil {
		b.Fatal(err)
	}
	chunk := make([]byte, 2048)
	buf := make([]byte, 4096)
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := master.Write(chunk); err != nil {
			b.Fatal(err)
		}
		for got := 0; got < len(chunk); {
			n, _, err := p.Read(buf, time.Second)
			if err != nil {
				b.Fatal(fmt.Errorf("after %d bytes: %w", got, err))
			}
			got += n
		}
	}
	b.StopTimer()
	_ = p.Close()
	_ = master.Close()
}
