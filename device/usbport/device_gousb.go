//go:build cgo && !nousb

package usbport

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/gousb"

	"photongate/device"
)

// usbDevice is a device of gousb.
type usbDevice struct {
	ctx     *gousb.Context
	handle  *gousb.Device
	config  *gousb.Config
	claimed *gousb.Interface // nil: given back
	info    device.USBInfo
	clock   device.Clock

	life context.Context // ends with Close
	end  context.CancelFunc

	asking sync.Mutex // one control transfer at a time: the timeout is the handle's

	mu      sync.Mutex
	closed  bool
	calls   sync.WaitGroup // calls into the library and goroutines of streams
	streams map[uint8]*usbStream
}

var _ device.USBDevice = (*usbDevice)(nil)

// Info implements device.USBDevice.
func (d *usbDevice) Info() device.USBInfo { return d.info }

// Name implements device.USBDevice.
func (d *usbDevice) Name() string { return d.info.Name() }

// begin notes a call into the library; the caller says calls.Done. It fails once
// the device is being closed.
func (d *usbDevice) begin() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return device.ErrClosed
	}
	if d.claimed == nil {
		return fmt.Errorf("%w: its interface was lost while a halted endpoint was cleared", device.ErrGone)
	}
	d.calls.Add(1)
	return nil
}

// Control implements device.USBDevice.
func (d *usbDevice) Control(requestType, request uint8, value, index uint16, data []byte, timeout time.Duration) (int, error) {
	if err := d.begin(); err != nil {
		return 0, err
	}
	defer d.calls.Done()
	n, err := d.control(requestType, request, value, index, data, timeout)
	return n, d.failed(err)
}

// control does a transfer; on failure it moved nothing.
func (d *usbDevice) control(requestType, request uint8, value, index uint16, data []byte, timeout time.Duration) (int, error) {
	d.asking.Lock()
	defer d.asking.Unlock()
	d.handle.ControlTimeout = max(timeout, time.Millisecond)
	n, err := d.handle.Control(requestType, request, value, index, data)
	return max(n, 0), err
}

// In implements device.USBDevice.
func (d *usbDevice) In(endpoint uint8, p []byte, timeout time.Duration) (int, int64, error) {
	e, err := d.endpoint(endpoint, true)
	if err != nil {
		return 0, d.clock(), err
	}
	defer d.calls.Done()
	d.mu.Lock()
	streams := d.streams[endpoint] != nil
	d.mu.Unlock()
	if len(p) == 0 || streams {
		return 0, d.clock(), fmt.Errorf("read %d bytes from endpoint %#02x of %s: the buffer is empty or a stream is open on it", len(p), endpoint, d.Name())
	}
	in, err := d.claimed.InEndpoint(int(e.Address & 0x0F))
	if err != nil {
		return 0, d.clock(), err
	}
	ctx, cancel := context.WithTimeout(d.life, max(timeout, time.Millisecond))
	defer cancel()
	n, err := in.ReadContext(ctx, p)
	at := d.clock()
	n = max(n, 0)
	if errors.Is(err, gousb.TransferCancelled) && n > 0 && d.life.Err() == nil {
		return n, at, nil // whole packets that came before the time was up
	}
	if err != nil {
		return 0, at, d.failed(err)
	}
	return n, at, nil
}

// Out implements device.USBDevice.
func (d *usbDevice) Out(endpoint uint8, p []byte, timeout time.Duration) (int64, error) {
	e, err := d.endpoint(endpoint, false)
	if err != nil {
		return d.clock(), err
	}
	defer d.calls.Done()
	out, err := d.claimed.OutEndpoint(int(e.Address))
	if err != nil {
		return d.clock(), err
	}
	ctx, cancel := context.WithTimeout(d.life, max(timeout, time.Millisecond))
	defer cancel()
	n, err := out.WriteContext(ctx, p)
	at := d.clock()
	if err != nil {
		return at, d.failed(err)
	}
	if n != len(p) {
		return at, fmt.Errorf("%w: it took %d of %d bytes", device.ErrBus, n, len(p))
	}
	return at, nil
}

// endpoint begins a call on an endpoint of one direction.
func (d *usbDevice) endpoint(address uint8, in bool) (device.USBEndpoint, error) {
	e, err := d.info.Endpoint(address)
	if err == nil && e.In() != in {
		err = fmt.Errorf("endpoint %#02x of %s goes the other way", address, d.Name())
	}
	if err != nil {
		return e, err
	}
	return e, d.begin()
}

// ClearHalt implements device.USBDevice. It sets the interface anew, by which the
// kernel clears all its endpoints on both ends of the line: a request to the
// device alone would leave the host counting packets from another number. No
// stream may be open meanwhile.
func (d *usbDevice) ClearHalt(endpoint uint8) error {
	if _, err := d.info.Endpoint(endpoint); err != nil {
		return err
	}
	if err := d.begin(); err != nil {
		return err
	}
	defer d.calls.Done()
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.streams) > 0 {
		return fmt.Errorf("clear endpoint %#02x of %s: a stream is open", endpoint, d.Name())
	}
	// The library sets an interface only as it is claimed, and if it has a choice.
	i := &d.config.Desc.Interfaces[d.info.Interface]
	settings := i.AltSettings
	i.AltSettings = append(slices.Clip(settings), settings...)
	defer func() { i.AltSettings = settings }()
	if err := d.handle.SetAutoDetach(false); err != nil { // or the kernel's driver gets it in between
		return d.failed(err)
	}
	d.claimed.Close()
	claimed, err := d.config.Interface(d.info.Interface, 0)
	d.claimed = claimed
	return d.failed(errors.Join(err, d.handle.SetAutoDetach(true)))
}

// Close implements device.USBDevice.
func (d *usbDevice) Close() error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil
	}
	d.closed = true
	d.mu.Unlock()
	d.end()
	d.calls.Wait()
	return d.release()
}

// release gives back what is held, in the order the library wants: nothing may
// be under way.
func (d *usbDevice) release() (err error) {
	if d.claimed != nil {
		d.claimed.Close()
	}
	if d.config != nil {
		err = d.config.Close()
	}
	return errors.Join(err, d.handle.Close(), d.ctx.Close())
}
