package serialport

import (
	"errors"
	"net"
	"testing"
	"time"

	"photongate/device"
)

// serverPair returns a port on a serial server and the server's connection.
func serverPair(t *testing.T) (device.Port, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	p, err := Open(t.Context(), "tcp://"+l.Addr().String(), device.Line{Baud: 9600}, func() int64 { return time.Now().UnixNano() })
	if err != nil {
		t.Fatal(err)
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close(); _ = conn.Close() })
	return p, conn
}

func TestTCP(t *testing.T) {
	p, conn := serverPair(t)
	buf := make([]byte, 16)
	if _, _, err := p.Read(buf, 10*time.Millisecond); !errors.Is(err, device.ErrTimeout) {
		t.Errorf("silent: %v", err)
	}
	if _, err := conn.Write([]byte("counts")); err != nil {
		t.Fatal(err)
	}
	if n, _, err := p.Read(buf, 5*time.Second); err != nil || string(buf[:n]) != "counts" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
	if _, err := p.Write([]byte("c\r")); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(buf); err != nil || string(buf[:n]) != "c\r" {
		t.Errorf("server read %q, %v", buf[:n], err)
	}
	if err := p.Discard(); err != nil {
		t.Errorf("Discard: %v", err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Read(buf, 5*time.Second); !errors.Is(err, device.ErrGone) {
		t.Errorf("after the server hung up: %v", err)
	}
}

func TestTCPClose(t *testing.T) {
	p, _ := serverPair(t)
	done := make(chan error)
	go func() {
		_, _, err := p.Read(make([]byte, 1), time.Minute)
		done <- err
	}()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, device.ErrClosed) {
		t.Errorf("Read ended by Close: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}
