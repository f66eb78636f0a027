//go:build linux && (amd64 || arm64)

package mockbus

import (
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"photongate/device"
	"photongate/device/devicetest"
)

// played is a device as a host's controller sees it.
type played struct {
	info device.USBInfo
	usb  *devicetest.USB
	end  *devicetest.USBEnd

	setting sync.Mutex
	set     int // how often the interface was set
}

func newPlayed(info device.USBInfo) *played {
	p := &played{info: info}
	p.usb, p.end = devicetest.NewUSB(info, devicetest.Clock)
	return p
}

// Set returns how often the interface was set, which clears its endpoints.
func (p *played) Set() int {
	p.setting.Lock()
	defer p.setting.Unlock()
	return p.set
}

// setInterface clears all endpoints and reports whether the device is there.
func (p *played) setInterface() bool {
	p.setting.Lock()
	p.set++
	p.setting.Unlock()
	for _, e := range p.info.Endpoints {
		if p.usb.ClearHalt(e.Address) != nil {
			return false
		}
	}
	return true
}

// clearHalt clears one endpoint and reports whether the device is there.
func (p *played) clearHalt(endpoint byte) bool { return p.usb.ClearHalt(endpoint) == nil }

// unplug ends all that is under way.
func (p *played) unplug() { p.end.Unplug() }

// urb is one transfer, and where the program has it: a struct usbdevfs_urb.
type urb struct {
	at, buffer uint64 // at names it among those under way
	endpoint   byte   // 0: control
	setup      [8]byte
	data       []byte // to the device, or from it
	length     int    // asked for
	offset     uint64 // of the data in the program's buffer
	moved      int
	status     syscall.Errno // why it failed; 0: it did not
	cancelled  atomic.Bool
}

const (
	lookEvery = 10 * time.Millisecond // whether a transfer was cancelled that waits for the device
	waitLimit = 5 * time.Second       // for the device to take what is written; longer than any timeout of a test
)

// do does a transfer, until it is cancelled or closed.
func (p *played) do(u *urb, closed <-chan struct{}) {
	switch {
	case u.endpoint == 0:
		p.control(u)
	case u.endpoint&0x80 != 0:
		p.in(u, closed)
	default:
		p.out(u)
	}
}

func (p *played) control(u *urb) {
	if data, ok := p.standard(u.setup); ok {
		if u.moved = min(len(data), u.length); data == nil && u.setup[0]&0x80 != 0 {
			u.status = syscall.EPIPE
		}
		u.data = data[:u.moved]
		return
	}
	le := binary.LittleEndian
	n, err := p.usb.Control(u.setup[0], u.setup[1], le.Uint16(u.setup[2:]), le.Uint16(u.setup[4:]), u.data, waitLimit)
	u.moved, u.status = n, errno(err)
	if u.setup[0]&0x80 != 0 {
		u.data = u.data[:n]
	} else {
		u.data = nil
	}
}

// in takes packets from the device, as a host controller does, until a short one.
func (p *played) in(u *urb, closed <-chan struct{}) {
	e, _ := p.info.Endpoint(u.endpoint)
	u.data = make([]byte, 0, u.length+e.MaxPacket)
	packet := make([]byte, e.MaxPacket)
	for !u.cancelled.Load() {
		n, _, err := p.usb.In(u.endpoint, packet, lookEvery)
		switch {
		case errors.Is(err, device.ErrTimeout):
			select {
			case <-closed:
				return
			default:
				continue
			}
		case err != nil:
			u.status = errno(err)
			return
		case len(u.data)+n > u.length:
			u.status = syscall.EOVERFLOW
			return
		}
		u.data = append(u.data, packet[:n]...)
		if u.moved = len(u.data); n < e.MaxPacket || u.moved == u.length {
			return
		}
	}
}

func (p *played) out(u *urb) {
	_, err := p.usb.Out(u.endpoint, u.data, waitLimit)
	if u.status = errno(err); err == nil {
		u.moved = len(u.data)
	}
	u.data = nil
}

// errno says what the kernel says of a transfer that failed.
func errno(err error) syscall.Errno {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, device.ErrStall):
		return syscall.EPIPE
	case errors.Is(err, device.ErrGone):
		return syscall.ESHUTDOWN
	case errors.Is(err, device.ErrTimeout):
		return syscall.ENOENT // given up long ago
	default:
		return syscall.EPROTO
	}
}
