package ftdi

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"photongate/device"
)

const (
	writeLimit = 5 * time.Second // for one piece of a Write
	writePiece = 4096            // bytes
	fetchWait  = time.Second     // a chip sends an idle packet much more often
)

// transfers says how many transfers of how many packets are kept under way, and
// whether none is fetched while there is no room for it.
type transfers struct {
	packets, count int
	waits          bool
}

// A transfer ends with the first packet that is not full. On a line they do not
// fill within the latency, so many small ones are under way, and a chip that is
// idle does not use them up soon; a FIFO fills large ones. A line goes on whether
// anybody listens or not; what fills a FIFO sees when nobody empties it, and knows
// what is lost by that.
var (
	lineTransfers = transfers{packets: 4, count: 64}
	fifoTransfers = transfers{packets: 128, count: 32, waits: true}
)

// Port is a port of an FTDI chip. It implements device.Port, device.ModemLines,
// device.Breaker, device.FIFO and device.LineWatcher.
type Port struct {
	usb     device.USBDevice
	name    string
	clock   device.Clock
	chip    chip
	in, out device.USBEndpoint
	format  uint16 // of reqData
	timer   *time.Timer
	came    chan struct{} // holds one when there is something new

	stream  device.USBStream
	fetched chan struct{} // closed when nobody fetches from stream

	mu      sync.Mutex
	room    sync.Cond // with mu: bytes were taken from ring, or paused or closed was set
	ring    ring
	trouble device.Trouble
	err     error // why no more is fetched
	paused  bool  // the stream is closed to open another
	closed  bool
}

var (
	_ device.Port        = (*Port)(nil)
	_ device.ModemLines  = (*Port)(nil)
	_ device.Breaker     = (*Port)(nil)
	_ device.FIFO        = (*Port)(nil)
	_ device.LineWatcher = (*Port)(nil)
)

// fetch begins to fetch what the chip sends, with transfers of a kind.
func (p *Port) fetch(t transfers) error {
	stream, err := p.usb.Stream(p.in.Address, t.packets*p.in.MaxPacket, t.count)
	if err != nil {
		return err
	}
	p.stream, p.fetched = stream, make(chan struct{})
	buf := make([]byte, t.packets*p.in.MaxPacket)
	go func() {
		defer close(p.fetched)
		for (!t.waits || p.awaitRoom(len(buf))) && p.fetchOne(stream, buf) {
		}
	}()
	return nil
}

// awaitRoom waits until so many bytes find room, and reports false when nobody wants
// them any more.
func (p *Port) awaitRoom(bytes int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for fifoMost-p.ring.len() < bytes && !p.paused && !p.closed {
		p.room.Wait()
	}
	return !p.paused && !p.closed
}

// fetchOne takes one transfer and reports whether to go on.
func (p *Port) fetchOne(stream device.USBStream, buf []byte) bool {
	n, _, err := stream.Read(buf, fetchWait)
	if errors.Is(err, device.ErrTimeout) {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil && !p.paused {
		p.err = err
	}
	before := p.ring.len()
	for status, data := range packets(buf[:n], p.in.MaxPacket) {
		if status&(lineOverrun|lineParity|lineFraming|lineBreak) != 0 {
			note(&p.trouble, status)
		}
		p.trouble.Dropped += uint64(len(data) - p.ring.push(data))
	}
	if err != nil || p.ring.len() > before {
		p.wake()
	}
	return err == nil
}

// wake tells a waiting Read that there is something new.
func (p *Port) wake() {
	select {
	case p.came <- struct{}{}:
	default:
	}
}

// Read implements device.Port.
func (p *Port) Read(b []byte, timeout time.Duration) (int, int64, error) {
	if len(b) == 0 {
		return 0, p.clock(), fmt.Errorf("read %s: empty buffer", p.name)
	}
	if timeout > 0 {
		p.timer.Reset(timeout)
		defer p.timer.Stop()
	}
	for {
		n, err := p.take(b)
		if n > 0 || err != nil {
			return n, p.clock(), err
		}
		if timeout <= 0 {
			return 0, p.clock(), device.ErrTimeout
		}
		select {
		case <-p.came:
		case <-p.timer.C:
			if n, err = p.take(b); n == 0 && err == nil {
				err = device.ErrTimeout
			}
			return n, p.clock(), err
		}
	}
}

// take moves what was fetched to b.
func (p *Port) take(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		p.wake() // for another that waits
		return 0, device.ErrClosed
	}
	if n := p.ring.pop(b); n > 0 {
		p.room.Signal()
		return n, nil
	}
	return 0, gone(p.err)
}

// gone makes of whatever ended a USB device that the port went away: to a driver
// of a serial instrument there is no difference.
func gone(err error) error {
	switch {
	case err == nil, errors.Is(err, device.ErrClosed), errors.Is(err, device.ErrGone), errors.Is(err, device.ErrTimeout):
		return err
	default:
		return fmt.Errorf("%w: %w", device.ErrGone, err)
	}
}

// Write implements device.Port.
func (p *Port) Write(b []byte) (int64, error) {
	for len(b) > 0 {
		piece := b[:min(len(b), writePiece)]
		if at, err := p.usb.Out(p.out.Address, piece, writeLimit); err != nil {
			return at, gone(err)
		}
		b = b[len(piece):]
	}
	return p.clock(), nil
}

// Discard implements device.Port. Besides what was fetched it throws away what
// waits in the chip; what is on its way may still come.
func (p *Port) Discard() error {
	if err := p.request(reqReset, purgeIn, p.chip.port); err != nil {
		return gone(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ring.from = p.ring.to
	p.room.Signal()
	return nil
}

// Name implements device.Port.
func (p *Port) Name() string { return p.name }

// Trouble implements device.LineWatcher.
func (p *Port) Trouble() device.Trouble {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.trouble
}

// Close implements device.Port.
func (p *Port) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	p.room.Signal()
	p.wake()
	fetched := p.fetched
	p.mu.Unlock()
	err := p.usb.Close()
	<-fetched
	return err
}
