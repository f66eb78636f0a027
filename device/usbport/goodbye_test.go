//go:build linux && (amd64 || arm64) && cgo && !nousb

package usbport

import (
	"errors"
	"sync"
	"testing"
	"time"

	"photongate/device"
	"photongate/device/devicetest"
	"photongate/device/usbport/mockbus"
)

// talk has an instrument send packets on 0x83 without end, until stop is closed.
func talk(end *devicetest.USBEnd, stop <-chan struct{}) {
	for end.Send(0x83, make([]byte, 64)...) && end.Wait(time.Millisecond) {
		select {
		case <-stop:
			return
		default:
		}
	}
}

// An instrument that sends without end is told to stop by who closes it, while
// another goroutine reads its stream: the word arrives, the reader is freed, and
// nothing is left.
func TestToldToStopWhileItIsRead(t *testing.T) {
	d, end := mockbus.Plug(t, counter("talker"))
	for range 5 {
		told, read, closed := tellAndClose(t, end, func() {})
		if told != nil || closed != nil || !errors.Is(read, device.ErrClosed) {
			t.Errorf("told: %v, closed: %v, the reader: %v", told, closed, read)
		}
		if r, err := end.Next(patience); err != nil || string(r.Data) != "\r" {
			t.Errorf("it heard %+v, %v", r, err)
		}
		if d.Pending() != 0 || d.Open() != 0 {
			t.Errorf("%d transfers and %d openings are left", d.Pending(), d.Open())
		}
		end.Flush(0x83)
	}
}

// So too when the plug is pulled meanwhile; then the word may not arrive.
func TestToldToStopWhileItIsUnplugged(t *testing.T) {
	for range 3 {
		d, end := mockbus.Plug(t, counter("talker"))
		_, read, _ := tellAndClose(t, end, func() { go d.Unplug() })
		if !errors.Is(read, device.ErrClosed) && !errors.Is(read, device.ErrGone) {
			t.Errorf("the reader: %v", read)
		}
		d.Unplug()
		await(t, "the device to be closed", func() bool { return d.Open() == 0 })
	}
}

// tellAndClose reads the stream of an instrument that talks, and in the midst of it
// tells it to stop, and closes it.
func tellAndClose(t *testing.T, end *devicetest.USBEnd, meanwhile func()) (told, read, closed error) {
	t.Helper()
	u := open(t, "usb:0cd5:0003:talker")
	s, err := u.Stream(0x83, 512, 8)
	if err != nil {
		t.Fatal(err)
	}
	flowing, stop := make(chan struct{}), make(chan struct{})
	var both sync.WaitGroup
	both.Go(func() { talk(end, stop) })
	both.Go(func() {
		buf := make([]byte, 512)
		for n := 1; read == nil; n++ {
			if _, _, read = s.Read(buf, patience); n == 20 {
				close(flowing)
			}
		}
	})
	<-flowing
	meanwhile()
	_, told = u.Out(0x01, []byte("\r"), patience)
	closed = errors.Join(s.Close(), u.Close())
	close(stop)
	both.Wait()
	return told, read, closed
}
