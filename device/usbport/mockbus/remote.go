//go:build linux && (amd64 || arm64)

package mockbus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"photongate/device"
)

// remote is a device of a USB/IP server, at the host's end of the wire, as the kernel's
// Documentation/usb/usbip_protocol.rst has it.
type remote struct {
	conn net.Conn
	id   uint32
	read sync.WaitGroup
	gone chan struct{} // closed when the wire is cut

	send sync.Mutex

	mu      sync.Mutex
	number  uint32 // of the last message
	waiting map[uint32]waiting
	victims map[uint32]uint32 // which transfer a message cancels
	set     int
}

// waiting is a transfer whose answer has not come.
type waiting struct {
	answer chan outcome // has room for it
	in     bool         // the answer has data
}

// outcome is what came of a transfer.
type outcome struct {
	status syscall.Errno
	moved  int
	data   []byte
}

// ownLimit is how long a request of the bus itself may take.
const ownLimit = 5 * time.Second

// Import plugs a device of a USB/IP server in, which is at an address like
// "127.0.0.1:3240" and calls the device by a bus id like "1-1". Where the server
// cuts the wire, the device is unplugged.
func (b *Bus) Import(address, busID string) (*Device, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	id, speed, err := ask(conn, busID)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ask %s for device %s: %w", address, busID, err), conn.Close())
	}
	r := &remote{conn: conn, id: id, gone: make(chan struct{}), waiting: map[uint32]waiting{}, victims: map[uint32]uint32{}}
	r.read.Go(r.hear)
	about, err := r.describe()
	if err == nil {
		_, err = r.request(0x00, setConfig, about[lengthOfDevice+5], 0, 0)
	}
	var info device.USBInfo
	if err == nil {
		info, err = infoOf(about)
	}
	if err != nil {
		r.unplug()
		r.read.Wait()
		return nil, fmt.Errorf("look at device %s of %s: %w", busID, address, err)
	}
	for name, number := range speeds {
		if number == speed {
			info.Speed = name
		}
	}
	d, err := b.plug(r, info, about)
	if err != nil {
		r.unplug()
		r.read.Wait()
		return nil, err
	}
	b.serve.Go(func() {
		r.read.Wait()
		d.Unplug()
	})
	return d, nil
}

// describe asks for the descriptors of the device and of its first configuration.
func (r *remote) describe() ([]byte, error) {
	about, err := r.request(0x80, getDescriptor, 0, ofDevice, lengthOfDevice)
	if err != nil {
		return nil, err
	}
	const head = 9 // of a configuration, which says how long all of it is
	config, err := r.request(0x80, getDescriptor, 0, ofConfiguration, head)
	if err == nil && len(about) == lengthOfDevice && len(config) == head {
		config, err = r.request(0x80, getDescriptor, 0, ofConfiguration, binary.LittleEndian.Uint16(config[2:]))
	}
	if err == nil && (len(about) != lengthOfDevice || len(config) < head) {
		err = fmt.Errorf("descriptors % x and % x", about, config)
	}
	return append(about, config...), err
}

// infoOf reads descriptors, without texts.
func infoOf(about []byte) (i device.USBInfo, err error) {
	le := binary.LittleEndian
	i.ID = device.USBID{Vendor: le.Uint16(about[8:]), Product: le.Uint16(about[10:])}
	i.Release = le.Uint16(about[12:])
	const ofInterface, ofEndpoint = 4, 5
	for rest := about[lengthOfDevice:]; len(rest) > 0; rest = rest[rest[0]:] {
		if rest[0] < 2 || int(rest[0]) > len(rest) || (rest[1] == ofInterface || rest[1] == ofEndpoint) && rest[0] < 7 {
			return i, fmt.Errorf("descriptors % x", about)
		}
		switch rest[1] {
		case ofInterface:
			i.Interface = int(rest[2])
		case ofEndpoint:
			kind := [4]string{"control", "isochronous", "bulk", "interrupt"}[rest[3]&3]
			i.Endpoints = append(i.Endpoints, device.USBEndpoint{Address: rest[2], Kind: kind, MaxPacket: int(le.Uint16(rest[4:]))})
		}
	}
	return i, nil
}

// request does a control request to the device itself.
func (r *remote) request(kind, request, low, high byte, length uint16) ([]byte, error) {
	u := &urb{setup: [8]byte{kind, request, low, high, 0, 0, byte(length), byte(length >> 8)}, length: int(length)}
	limit := make(chan struct{})
	timer := time.AfterFunc(ownLimit, func() { close(limit) })
	defer timer.Stop()
	r.do(u, limit)
	select {
	case <-limit:
		return nil, fmt.Errorf("request %02x: no answer", request)
	default:
	}
	if u.status != 0 {
		return nil, u.status
	}
	return u.data, nil
}

// do implements behind.
func (r *remote) do(u *urb, closed <-chan struct{}) {
	in := u.endpoint&0x80 != 0 || u.endpoint == 0 && u.setup[0]&0x80 != 0
	number, answered := r.submit(u, in)
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for cancelled := false; ; {
		select {
		case a := <-answered:
			u.status, u.moved, u.data = a.status, a.moved, a.data
			return
		case <-r.gone:
			u.status, u.data = syscall.ESHUTDOWN, nil
			return
		case <-closed:
			r.cancel(number)
			return
		case <-look.C:
			if u.cancelled.Load() && !cancelled {
				cancelled = true
				r.cancel(number)
			}
		}
	}
}

// submit begins a transfer.
func (r *remote) submit(u *urb, in bool) (number uint32, answered chan outcome) {
	answered = make(chan outcome, 1)
	r.mu.Lock()
	r.number++
	number = r.number
	r.waiting[number] = waiting{answered, in}
	r.mu.Unlock()
	direction, data := uint32(0), u.data
	if in {
		direction, data = 1, nil
	}
	be := binary.BigEndian
	m := make([]byte, wireHeader, wireHeader+len(data))
	be.PutUint32(m[0:], wireSubmit)
	be.PutUint32(m[4:], number)
	be.PutUint32(m[8:], r.id)
	be.PutUint32(m[12:], direction)
	be.PutUint32(m[16:], uint32(u.endpoint&^0x80))
	be.PutUint32(m[24:], uint32(u.length))
	be.PutUint32(m[32:], 0xFFFFFFFF) // not isochronous
	copy(m[40:], u.setup[:])
	r.write(append(m, data...))
	return number, answered
}

// cancel cancels a transfer; its answer comes all the same.
func (r *remote) cancel(victim uint32) {
	r.mu.Lock()
	r.number++
	number := r.number
	r.victims[number] = victim
	r.mu.Unlock()
	be := binary.BigEndian
	m := make([]byte, wireHeader)
	be.PutUint32(m[0:], wireUnlink)
	be.PutUint32(m[4:], number)
	be.PutUint32(m[8:], r.id)
	be.PutUint32(m[20:], victim)
	r.write(m)
}

func (r *remote) write(m []byte) {
	r.send.Lock()
	defer r.send.Unlock()
	_, _ = r.conn.Write(m) // a wire that was cut ends hear
}

// hear takes answers until the wire is cut.
func (r *remote) hear() {
	defer close(r.gone)
	defer func() { _ = r.conn.Close() }()
	be := binary.BigEndian
	for {
		var h [wireHeader]byte
		if _, err := io.ReadFull(r.conn, h[:]); err != nil {
			return
		}
		number, status := be.Uint32(h[4:]), syscall.Errno(-int32(be.Uint32(h[20:])))
		r.mu.Lock()
		victim, cancels := r.victims[number]
		delete(r.victims, number)
		if cancels {
			number = victim
		}
		w, asked := r.waiting[number]
		if !cancels || status != 0 { // with 0 it had been answered before
			delete(r.waiting, number)
		}
		r.mu.Unlock()
		a := outcome{status: status}
		if !cancels {
			if !asked { // the kernel cuts the wire, too: nobody knows what follows
				return
			}
			if a.moved = int(int32(be.Uint32(h[24:]))); a.moved < 0 || a.moved > longestTransfer {
				return
			}
			if w.in {
				a.data = make([]byte, a.moved)
				if _, err := io.ReadFull(r.conn, a.data); err != nil {
					return
				}
			}
		}
		if w.answer != nil && (!cancels || status != 0) {
			w.answer <- a
		}
	}
}

// setInterface implements behind.
func (r *remote) setInterface() bool {
	r.mu.Lock()
	r.set++
	r.mu.Unlock()
	_, err := r.request(0x01, setInterface, 0, 0, 0)
	return !errors.Is(err, syscall.ESHUTDOWN)
}

// clearHalt implements behind.
func (r *remote) clearHalt(endpoint byte) bool {
	u := &urb{setup: [8]byte{0x02, clearFeature, 0, 0, endpoint, 0, 0, 0}}
	r.do(u, nil)
	return u.status != syscall.ESHUTDOWN
}

// unplug implements behind.
func (r *remote) unplug() { _ = r.conn.Close() }

// Set implements behind.
func (r *remote) Set() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.set
}
