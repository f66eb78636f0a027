// Package usbiptest is a host for tests of simulated USB devices: it takes a device over
// USB/IP and does single transfers with it. It shares no code with the server, and none
// with the drivers of the instruments.
//
// Source: Documentation/usb/usbip_protocol.rst of torvalds/linux.
package usbiptest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Ends of a transfer that are no success.
var (
	// ErrStall is a request refused (-EPIPE).
	ErrStall = errors.New("stall")
	// ErrTimeout is a transfer that was unlinked because nothing came.
	ErrTimeout = errors.New("timeout")
	// ErrGone is a connection that was closed: the cable was pulled.
	ErrGone = errors.New("gone")
	// ErrRefused is a device that may not be taken: it is not there, or somebody has it.
	ErrRefused = errors.New("import refused")
)

// Device is what the server tells of a device.
type Device struct {
	BusID                    string
	Bus, Number, Speed       uint32
	Vendor, Product, Release uint16
}

// result is how a transfer ended.
type result struct {
	data   []byte
	moved  int
	status int32
	unlink bool
}

// Client is a host that has a device. It may be used from several goroutines.
type Client struct {
	// Device is what was taken.
	Device Device

	conn net.Conn
	done chan struct{} // closed when the reader has ended

	mu      sync.Mutex
	seq     uint32
	waiting map[uint32]chan result
	inward  map[uint32]bool // whose answers have data
}

func be32(words ...uint32) []byte {
	var b []byte
	for _, w := range words {
		b = binary.BigEndian.AppendUint32(b, w)
	}
	return b
}

// List asks which devices there are.
func List(conn net.Conn) ([]Device, error) {
	if _, err := conn.Write([]byte{0x01, 0x11, 0x80, 0x05, 0, 0, 0, 0}); err != nil {
		return nil, err
	}
	all, err := io.ReadAll(conn)
	if err != nil {
		return nil, err
	}
	if len(all) < 12 || string(all[:8]) != "\x01\x11\x00\x05\x00\x00\x00\x00" {
		return nil, fmt.Errorf("list: % x", all[:min(len(all), 12)])
	}
	var devices []Device
	rest := all[12:]
	for range binary.BigEndian.Uint32(all[8:]) {
		const one = 0x138
		if len(rest) < one {
			return nil, fmt.Errorf("list: %d bytes of a device", len(rest))
		}
		interfaces := int(rest[one-1])
		devices = append(devices, parseDevice(rest))
		rest = rest[one+4*interfaces:]
	}
	if len(rest) != 0 {
		return nil, fmt.Errorf("list: %d bytes too many", len(rest))
	}
	return devices, nil
}

func parseDevice(b []byte) Device {
	id := b[256:288]
	for i, c := range id {
		if c == 0 {
			id = id[:i]
			break
		}
	}
	w := func(at int) uint32 { return binary.BigEndian.Uint32(b[at:]) }
	h := func(at int) uint16 { return binary.BigEndian.Uint16(b[at:]) }
	return Device{string(id), w(288), w(292), w(296), h(300), h(302), h(304)}
}

// Take takes the device called id through conn, which it closes if it fails. What is said
// on conn from then on is up to the caller, or to a kernel.
func Take(conn net.Conn, id string) (Device, error) {
	var name [32]byte
	copy(name[:], id)
	_, err := conn.Write(append([]byte{0x01, 0x11, 0x80, 0x03, 0, 0, 0, 0}, name[:]...))
	answer := make([]byte, 8+0x138)
	if err == nil {
		_, err = io.ReadFull(conn, answer[:8])
	}
	if err == nil && binary.BigEndian.Uint32(answer[4:]) != 0 {
		err = ErrRefused
	}
	if err == nil {
		_, err = io.ReadFull(conn, answer[8:])
	}
	if err != nil {
		return Device{}, errors.Join(err, conn.Close())
	}
	return parseDevice(answer[8:]), nil
}

// Import takes the device called id through conn, which it closes if it fails.
func Import(conn net.Conn, id string) (*Client, error) {
	d, err := Take(conn, id)
	if err != nil {
		return nil, err
	}
	c := &Client{Device: d, conn: conn, done: make(chan struct{}),
		waiting: map[uint32]chan result{}, inward: map[uint32]bool{}}
	go c.read()
	return c, nil
}

// Close lets the device go and waits for the reader.
func (c *Client) Close() error {
	err := c.conn.Close()
	<-c.done
	return err
}

// Gone is closed when the connection is.
func (c *Client) Gone() <-chan struct{} { return c.done }

func (c *Client) read() {
	defer close(c.done)
	for {
		h := make([]byte, 48)
		if _, err := io.ReadFull(c.conn, h); err != nil {
			return
		}
		seq := binary.BigEndian.Uint32(h[4:])
		r := result{status: int32(binary.BigEndian.Uint32(h[20:])), unlink: binary.BigEndian.Uint32(h) == 4}
		c.mu.Lock()
		to, in := c.waiting[seq], c.inward[seq]
		delete(c.waiting, seq)
		delete(c.inward, seq)
		c.mu.Unlock()
		if !r.unlink {
			r.moved = int(binary.BigEndian.Uint32(h[24:]))
			if in {
				r.data = make([]byte, r.moved)
				if _, err := io.ReadFull(c.conn, r.data); err != nil {
					return
				}
			}
		}
		if to != nil {
			to <- r
		}
	}
}

// send sends one request, whose answer comes to the channel.
func (c *Client) send(command, direction, endpoint, third, length uint32, setup [8]byte, in bool, data []byte) (uint32, chan result, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seq++
	to := make(chan result, 1)
	c.waiting[c.seq] = to
	if in {
		c.inward[c.seq] = true
	}
	devid := c.Device.Bus<<16 | c.Device.Number
	b := be32(command, c.seq, devid, direction, endpoint, third, length, 0, 0xFFFFFFFF, 0)
	b = append(append(b, setup[:]...), data...)
	if command == 2 {
		b = append(be32(command, c.seq, devid, 0, 0, third), make([]byte, 24)...)
	}
	if _, err := c.conn.Write(b); err != nil {
		return 0, nil, ErrGone
	}
	return c.seq, to, nil
}

// Pending is a transfer that is under way.
type Pending struct {
	client *Client
	seq    uint32
	to     chan result
}

// Flags of a transfer.
const (
	ShortNotOK = 0x01 // fewer bytes than asked for are an error
	ZeroPacket = 0x40 // data that end with a full packet are followed by an empty one
)

// Submit begins to read up to n bytes of an IN endpoint.
func (c *Client) Submit(endpoint uint8, n int) (*Pending, error) { return c.SubmitWith(0, endpoint, n) }

// SubmitWith is Submit with flags.
func (c *Client) SubmitWith(flags uint32, endpoint uint8, n int) (*Pending, error) {
	seq, to, err := c.send(1, 1, uint32(endpoint&0x7F), flags, uint32(n), [8]byte{}, true, nil)
	return &Pending{c, seq, to}, err
}

// Wait returns what a transfer brought. After timeout it is unlinked.
func (p *Pending) Wait(timeout time.Duration) ([]byte, error) {
	r, err := p.client.wait(p.seq, p.to, timeout)
	return r.data, err
}

func (c *Client) wait(seq uint32, to chan result, timeout time.Duration) (result, error) {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case r := <-to:
		return r, outcome(r)
	case <-c.done:
		return result{}, ErrGone
	case <-timer.C:
	}
	_, unlinked, err := c.send(2, 0, 0, seq, 0, [8]byte{}, false, nil)
	if err != nil {
		return result{}, err
	}
	select {
	case u := <-unlinked:
		if u.status == -104 { // -ECONNRESET: it will not come any more
			return result{}, ErrTimeout
		}
		r := <-to // it had come before
		return r, outcome(r)
	case <-c.done:
		return result{}, ErrGone
	}
}

func outcome(r result) error {
	switch r.status {
	case 0:
		return nil
	case -32:
		return ErrStall
	}
	return fmt.Errorf("transfer ended with %d", r.status)
}

// In reads one transfer of at most n bytes.
func (c *Client) In(endpoint uint8, n int, timeout time.Duration) ([]byte, error) {
	p, err := c.Submit(endpoint, n)
	if err != nil {
		return nil, err
	}
	return p.Wait(timeout)
}

// Out sends data as one transfer.
func (c *Client) Out(endpoint uint8, data []byte, timeout time.Duration) error {
	return c.OutWith(0, endpoint, data, timeout)
}

// OutWith is Out with flags.
func (c *Client) OutWith(flags uint32, endpoint uint8, data []byte, timeout time.Duration) error {
	seq, to, err := c.send(1, 0, uint32(endpoint), flags, uint32(len(data)), [8]byte{}, false, data)
	if err != nil {
		return err
	}
	r, err := c.wait(seq, to, timeout)
	if err == nil && r.moved != len(data) {
		return fmt.Errorf("%d of %d bytes sent", r.moved, len(data))
	}
	return err
}

// Control does one control request: data go with it, or up to len(data) bytes are read
// if bit 7 of the type is set. It returns what was read.
func (c *Client) Control(kind, request uint8, value, index uint16, data []byte, timeout time.Duration) ([]byte, error) {
	setup := [8]byte{kind, request, byte(value), byte(value >> 8), byte(index), byte(index >> 8), byte(len(data)), byte(len(data) >> 8)}
	in := kind&0x80 != 0
	direction, payload := uint32(0), data
	if in {
		direction, payload = 1, nil
	}
	seq, to, err := c.send(1, direction, 0, 0, uint32(len(data)), setup, in, payload)
	if err != nil {
		return nil, err
	}
	r, err := c.wait(seq, to, timeout)
	return r.data, err
}
