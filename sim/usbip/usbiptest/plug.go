package usbiptest

import (
	"bytes"
	"context"
	"encoding/csv"
	"net"
	"strconv"
	"sync"
	"testing"

	"photongate/sim"
	"photongate/sim/usb"
	"photongate/sim/usbip"
)

// Bench is a simulated device that is plugged in at a USB/IP server without a network,
// so that it may live in a bubble of testing/synctest.
type Bench struct {
	t      testing.TB
	hosts  listener
	runner *sim.Runner
	truth  *rows
	end    func()
}

// Plug plugs a device in until the test ends.
func Plug(t testing.TB, device usb.Device, o sim.Options) *Bench {
	t.Helper()
	b := &Bench{t: t, hosts: listener{conns: make(chan net.Conn), closed: make(chan struct{})}, truth: &rows{}}
	o.Truth = b.truth
	bus, err := usb.NewBus(device, usbip.New(&b.hosts))
	if err != nil {
		t.Fatal(err)
	}
	if b.runner, err = sim.NewRunner(bus, bus, o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := b.runner.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	b.end = func() {
		cancel()
		done.Wait()
	}
	t.Cleanup(b.end)
	return b
}

// End stops it, and returns its truth as it is written: that of tags is binary.
func (b *Bench) End() []byte {
	b.end()
	b.truth.mu.Lock()
	defer b.truth.mu.Unlock()
	return bytes.Clone(b.truth.text.Bytes())
}

// Unplug pulls the cable, Plug puts it back.
func (b *Bench) Unplug() { b.runner.Unplug() }

// Plug puts the cable back.
func (b *Bench) Plug() { b.runner.Plug() }

// Dial connects to the server.
func (b *Bench) Dial() net.Conn {
	here, there := net.Pipe()
	select {
	case b.hosts.conns <- there:
	case <-b.hosts.closed:
		there.Close()
	}
	return here
}

// Import takes the device until the test ends.
func (b *Bench) Import() *Client {
	b.t.Helper()
	c, err := Import(b.Dial(), "1-1")
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { c.Close() })
	return c
}

// Truth is the values of each row so far.
func (b *Bench) Truth() [][]uint64 {
	b.t.Helper()
	b.truth.mu.Lock()
	defer b.truth.mu.Unlock()
	table, err := csv.NewReader(bytes.NewReader(b.truth.text.Bytes())).ReadAll()
	if err != nil {
		b.t.Fatal(err)
	}
	var all [][]uint64
	for _, line := range table[1:] {
		var values []uint64
		for _, cell := range line[2:] {
			v, err := strconv.ParseUint(cell, 10, 64)
			if err != nil {
				b.t.Fatal(err)
			}
			values = append(values, v)
		}
		all = append(all, values)
	}
	return all
}

// rows keeps what is written.
type rows struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *rows) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

// listener hands out the other ends of pipes.
type listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 3240} }
