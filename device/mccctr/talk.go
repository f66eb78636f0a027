package mccctr

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"photongate/device"
)

const (
	openLimit  = 2 * time.Second // as the published program waits
	readLimit  = 100 * time.Millisecond
	tries      = 2
	imageBlock = 64
	imageMost  = 8 << 20 // bytes; that of the source has some hundred thousand
	flushes    = 5
	drainQuiet = 20 * time.Millisecond
	drainMost  = 256 // packets
)

// talk asks the device.
type talk struct {
	ctx   context.Context
	usb   device.USBDevice
	clock device.Clock
	limit time.Duration
	sent  []string // what set something, for people
}

// ask reads the answer to a request into p.
func (t *talk) ask(request uint8, index uint16, p []byte) ([]byte, error) {
	if err := t.ctx.Err(); err != nil {
		return nil, err
	}
	n, err := t.usb.Control(vendorIn, request, 0, index, p, t.limit)
	if err != nil {
		return nil, err
	}
	return p[:n], nil
}

// tell sends a request.
func (t *talk) tell(request uint8, value, index uint16, p []byte) error {
	if err := t.ctx.Err(); err != nil {
		return err
	}
	n, err := t.usb.Control(vendorOut, request, value, index, p, t.limit)
	if err == nil && n != len(p) {
		return fmt.Errorf("%w: request %02x took %d of %d bytes", device.ErrNonsense, request, n, len(p))
	}
	return err
}

// again does something twice if it times out or brings nonsense.
func again(do func() error) error {
	for try := 1; ; try++ {
		err := do()
		if !errors.Is(err, device.ErrTimeout) && !errors.Is(err, device.ErrNonsense) || try == tries {
			return err
		}
	}
}

// status asks how the device is.
func (t *talk) status() (uint16, error) {
	var buf [2]byte
	p, err := t.ask(reqStatus, 0, buf[:])
	if err != nil {
		return 0, err
	}
	return parseStatus(p)
}

// steadyStatus asks twice: what follows from it is not to follow from chance.
func (t *talk) steadyStatus() (status uint16, err error) {
	err = again(func() error {
		first, err := t.status()
		if err != nil {
			return err
		}
		if status, err = t.status(); err == nil && status&(statusConfigured|statusLoading) != first&(statusConfigured|statusLoading) {
			return fmt.Errorf("%w: the status was %04x and is %04x", device.ErrNonsense, first, status)
		}
		return err
	})
	return status, err
}

// configure sends the image to a device that has none.
func (t *talk) configure(path string) error {
	status, err := t.steadyStatus()
	if err != nil || status&statusConfigured != 0 {
		return err
	}
	if status&statusLoading != 0 { // half an image
		if err := t.tell(reqReset, 0, 0, nil); err != nil && !errors.Is(err, device.ErrGone) {
			return err
		}
		return device.ErrReenumerated
	}
	if path == "" {
		return &device.Error{Op: "start", Port: t.usb.Name(), Err: fmt.Errorf("%w: the device has no image, as always when it was just plugged in", device.ErrSetting),
			Hint: "name the option image: the path of usb-ctr.rbf, from the maker's software or from mcc-libusb"}
	}
	image, err := readImage(path)
	if err != nil {
		return &device.Error{Op: "start", Port: t.usb.Name(), Err: err, Hint: "correct the option image"}
	}
	return t.sendImage(image)
}

// readImage reads the file that the option image names.
func readImage(path string) ([]byte, error) {
	about, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: read the image: %v", device.ErrSetting, err)
	case !about.Mode().IsRegular() || about.Size() < imageBlock || about.Size() > imageMost:
		return nil, fmt.Errorf("%w: %s is no image: expected a file of %d to %d bytes, it has %d", device.ErrSetting, path, imageBlock, imageMost, about.Size())
	}
	image, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: read the image: %v", device.ErrSetting, err)
	}
	return image, nil
}

// sendImage sends the image, and looks whether the device takes it.
func (t *talk) sendImage(image []byte) error {
	refused := func(what string, err error) error {
		return &device.Error{Op: "send the image", Port: t.usb.Name(), Err: fmt.Errorf("%s: %w", what, err),
			Hint: "is it the image of the USB-CTR? the device is reset when it is opened next"}
	}
	t.sent = append(t.sent, fmt.Sprintf("the image of %d bytes", len(image)))
	if err := t.tell(reqUnlock, 0, 0, []byte{unlockCode}); err != nil {
		return err
	}
	status, err := t.status()
	if err != nil {
		return err
	}
	if status&statusLoading == 0 {
		return refused("begin", fmt.Errorf("%w: status %04x", device.ErrSetting, status))
	}
	for sent := 0; sent < len(image); sent += imageBlock {
		if err := t.tell(reqImage, 0, 0, image[sent:min(sent+imageBlock, len(image))]); err != nil {
			return refused(fmt.Sprintf("at byte %d of %d", sent, len(image)), err)
		}
	}
	switch status, err = t.status(); {
	case errors.Is(err, device.ErrGone):
		return device.ErrReenumerated // it restarts with what it got
	case err != nil:
		return err
	case status&statusConfigured == 0:
		return refused("end", fmt.Errorf("%w: after the whole image the status is %04x", device.ErrSetting, status))
	}
	return nil
}

// stopScan stops a scan and throws away what it brought.
func (t *talk) stopScan() error {
	for _, r := range []struct {
		request uint8
		value   uint16
	}{{reqScanStop, 0}, {reqClearFIFO, 0}, {reqFlush, flushes}} {
		if err := t.tell(r.request, r.value, 0, nil); err != nil {
			return err
		}
	}
	e, err := t.usb.Info().Endpoint(endpointIn)
	if err != nil {
		return err
	}
	buf := make([]byte, e.MaxPacket)
	for range drainMost {
		_, _, err := t.usb.In(endpointIn, buf, drainQuiet)
		switch {
		case errors.Is(err, device.ErrTimeout):
			return nil
		case errors.Is(err, device.ErrStall):
			if err := t.usb.ClearHalt(endpointIn); err != nil {
				return err
			}
		case err != nil && !errors.Is(err, device.ErrNonsense):
			return err
		}
	}
	return nil
}

// explain makes an error one that says what was done, to what, and what to try.
func explain(op string, usb device.USBDevice, err error) error {
	if _, ok := errors.AsType[*device.Error](err); ok {
		return err
	}
	e := &device.Error{Op: op, Port: usb.Name(), Err: err}
	switch {
	case errors.Is(err, device.ErrTimeout):
		e.Hint = "unplug it and plug it in again; is another program using it?"
	case errors.Is(err, device.ErrStall), errors.Is(err, device.ErrNonsense), errors.Is(err, device.ErrBus):
		e.Hint = "unplug it and plug it in again, which wants its image anew; if that does not help, another cable or no hub"
	}
	return e
}
