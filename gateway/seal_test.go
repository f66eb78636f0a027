package gateway

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"photongate/protocol"
)

// counted counts what is written at once.
type counted struct {
	net.Conn
	writes int
}

func (c *counted) Write(p []byte) (int, error) {
	c.writes++
	return c.Conn.Write(p)
}

// TestRecordsAreFull: many short buffers become few records, and arrive as they
// were.
func TestRecordsAreFull(t *testing.T) {
	v, p := trusted(t)
	here, there := net.Pipe()
	wire := &counted{Conn: there}
	l := newLink(wire)
	arrived := make(chan []byte)
	go func() {
		c := tls.Client(here, p.ClientTLS())
		text, _ := io.ReadAll(c) // what is missing shows
		arrived <- text
	}()
	if err := l.encrypt(t.Context(), v.identity.ServerTLS()); err != nil {
		t.Fatal(err)
	}
	l.opened(t.Context())
	var bufs net.Buffers
	for i := range 100 {
		bufs = append(bufs, bytes.Repeat([]byte{byte(i)}, 100))
	}
	bufs = append(bufs, bytes.Repeat([]byte{200}, 40<<10))
	for i := range 10 {
		bufs = append(bufs, bytes.Repeat([]byte{byte(100 + i)}, 1000))
	}
	want := bytes.Join(bufs, nil)
	wire.writes = 0
	if err := l.write(bufs); err != nil {
		t.Fatal(err)
	}
	// 10,000 bytes; 16, 16 and 8 KiB; 10,000 bytes.
	if wire.writes != 5 {
		t.Errorf("%d records, want 5", wire.writes)
	}
	go l.farewell(nil, true)
	if got := <-arrived; !bytes.Equal(got, want) {
		t.Errorf("%d bytes arrived, want %d", len(got), len(want))
	}
}

// A slow link under TLS is not dead, and a silent one is.
func TestSlowAndSilentTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, p := trusted(t)
		token, err := p.TokenBytes()
		if err != nil {
			t.Fatal(err)
		}
		here, there := net.Pipe()
		v.accept(t.Context(), elsewhere{there})
		c := tls.Client(here, p.ClientTLS())
		if _, err := attempt(t, c, token, v.identity.Binding()); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		var one [1]byte
		for range 50 { // the gateway's heartbeats have to wait, in the middle of a record
			time.Sleep(3 * time.Second)
			if _, err := here.Read(one[:]); err != nil {
				t.Fatalf("the session ended after %v: %v", time.Since(begin), err)
			}
		}
		here.Close()
		v.wg.Wait()
	})
	synctest.Test(t, func(t *testing.T) {
		v, p := trusted(t)
		c := tls.Client(func() net.Conn {
			here, there := net.Pipe()
			v.accept(t.Context(), there)
			return here
		}(), p.ClientTLS())
		if _, err := attempt(t, c, nil, nil); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		frames := protocol.NewFrameReader(c, protocol.MaxFrame)
		var err error
		for {
			if _, _, err = frames.Next(); err != nil {
				break
			}
		}
		if at := time.Since(begin); errors.Is(err, protocol.ErrFormat) || at < deadAfter || at > deadAfter+2*linkSlice {
			t.Errorf("ended after %v with %v", at, err)
		}
		v.wg.Wait()
	})
}
