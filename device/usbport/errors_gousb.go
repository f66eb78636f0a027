//go:build cgo && !nousb

package usbport

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/gousb"

	"photongate/device"
)

// tells reports whether an error is one of libusb's. Some come with their text
// alone.
func tells(err error, code gousb.Error) bool {
	return errors.Is(err, code) || err != nil && strings.Contains(err.Error(), code.Error())
}

// kind gives an error of the library its kind.
func kind(err error) error {
	if err == nil {
		return nil
	}
	as := func(kind error) error { return fmt.Errorf("%w: %w", kind, err) }
	switch status, _ := errors.AsType[gousb.TransferStatus](err); {
	case status == gousb.TransferNoDevice, tells(err, gousb.ErrorNoDevice):
		return as(device.ErrGone)
	case status == gousb.TransferStall, tells(err, gousb.ErrorPipe):
		return device.ErrStall
	case status == gousb.TransferTimedOut, status == gousb.TransferCancelled, tells(err, gousb.ErrorTimeout):
		return device.ErrTimeout
	case status == gousb.TransferOverflow, tells(err, gousb.ErrorOverflow):
		return as(device.ErrNonsense)
	case status == gousb.TransferError, tells(err, gousb.ErrorIO), tells(err, gousb.ErrorOther):
		return as(device.ErrBus)
	case tells(err, gousb.ErrorAccess):
		return device.ErrPermission
	case tells(err, gousb.ErrorBusy):
		return device.ErrBusy
	}
	return err
}

// A device that is being unplugged fails on the bus for a moment, until its hub
// is asked.
const (
	goneTries = 3
	gonePause = 50 * time.Millisecond
)

// failed gives an error of a call on the open device its kind. One cancelled by
// Close is ErrClosed, and trouble on the bus becomes ErrGone where the device does
// not answer any more.
func (d *usbDevice) failed(err error) error {
	err = kind(err)
	switch {
	case err == nil:
		return nil
	case d.life.Err() != nil:
		return device.ErrClosed
	case !errors.Is(err, device.ErrBus):
		return err
	}
	pause := time.NewTicker(gonePause)
	defer pause.Stop()
	for range goneTries {
		var status [2]byte
		_, again := d.control(0x80, 0x00, 0, 0, status[:], gonePause) // GET_STATUS, which every device answers
		if again == nil {
			return err
		}
		if errors.Is(kind(again), device.ErrGone) {
			return kind(again)
		}
		select {
		case <-pause.C:
		case <-d.life.Done():
			return device.ErrClosed
		}
	}
	return err
}
