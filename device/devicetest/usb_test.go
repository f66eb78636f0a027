package devicetest

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"photongate/device"
)

// board is a USB device with the endpoints most instruments have.
func board() device.USBInfo {
	return device.USBInfo{ID: device.USBID{Vendor: 0x1234, Product: 0x0001}, Serial: "7", Endpoints: []device.USBEndpoint{
		{Address: 0x01, Kind: "bulk", MaxPacket: 8}, {Address: 0x82, Kind: "bulk", MaxPacket: 8},
	}}
}

func bubbleUSB(t *testing.T, use func(t *testing.T, u *USB, e *USBEnd)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		u, e := NewUSB(board(), Clock)
		use(t, u, e)
		e.Unplug()
	})
}

// A transfer ends at a short packet, at the end of the buffer, or with the time.
func TestUSBPackets(t *testing.T) {
	bubbleUSB(t, func(t *testing.T, u *USB, e *USBEnd) {
		buf := make([]byte, 24)
		in := func(p []byte, want string, kind error) {
			t.Helper()
			n, _, err := u.In(0x82, p, 50*time.Millisecond)
			if string(p[:n]) != want || !errors.Is(err, kind) {
				t.Errorf("%q, %v, want %q, %v", p[:n], err, want, kind)
			}
		}
		e.Send(0x82, []byte("0123456789")...)
		e.Send(0x82, []byte("abcdefgh")...)
		e.Send(0x82)
		in(buf, "0123456789", nil)
		in(buf, "abcdefgh", nil)
		e.Send(0x82, []byte("abcdefgh")...)
		in(buf, "abcdefgh", nil) // by the time
		in(buf, "", device.ErrTimeout)
		e.Send(0x82, []byte("0123456789abcdefghijklmnop")...)
		in(buf[:8], "01234567", nil)
		in(buf[:16], "89abcdefghijklmn", nil)
		in(buf[:1], "", device.ErrNonsense)
		in(buf, "", device.ErrTimeout)
		e.Halt(0x82)
		in(buf, "", device.ErrStall)
		if err := u.ClearHalt(0x82); err != nil {
			t.Error(err)
		}
		in(buf, "", device.ErrTimeout)
		for _, wrong := range []uint8{0x01, 0x83} {
			if _, _, err := u.In(wrong, buf, 0); err == nil || errors.Is(err, device.ErrTimeout) {
				t.Errorf("read from endpoint %#x: %v", wrong, err)
			}
		}
	})
}

func TestUSBControl(t *testing.T) {
	bubbleUSB(t, func(t *testing.T, u *USB, e *USBEnd) {
		go e.Serve(func(r *USBRequest) {
			switch {
			case r.Endpoint == 0x01:
				e.Send(0x82, r.Data...)
			case r.Request == 7:
				r.Reply(1, 2, 3)
			case r.Request == 8 && r.Value == 0x1234 && r.Index == 5 && string(r.Data) == "on":
				r.Reply()
			case r.Request == 9:
				e.Wait(time.Second)
			}
		})
		buf := make([]byte, 8)
		if n, err := u.Control(0xC0, 7, 0, 0, buf[:2], time.Second); n != 2 || err != nil || buf[1] != 2 {
			t.Errorf("%d % x %v", n, buf, err)
		}
		if n, err := u.Control(0x40, 8, 0x1234, 5, []byte("on"), time.Second); n != 2 || err != nil {
			t.Errorf("%d %v", n, err)
		}
		if _, err := u.Control(0xC0, 1, 0, 0, buf, time.Second); !errors.Is(err, device.ErrStall) {
			t.Errorf("unknown request: %v", err)
		}
		begin := time.Now()
		if _, err := u.Control(0xC0, 9, 0, 0, buf, 300*time.Millisecond); !errors.Is(err, device.ErrTimeout) || time.Since(begin) != 300*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		if _, err := u.Out(0x01, []byte("ping"), time.Second); err != nil {
			t.Error(err)
		}
		if n, at, err := u.In(0x82, buf, 5*time.Second); string(buf[:n]) != "ping" || err != nil || at != Clock() {
			t.Errorf("%q %v %v", buf[:n], at, err)
		}
	})
}

// An instrument that looks at nothing takes a few transfers and then no more.
func TestUSBOutWaits(t *testing.T) {
	bubbleUSB(t, func(t *testing.T, u *USB, e *USBEnd) {
		var err error
		sent := 0
		for ; err == nil; sent++ {
			_, err = u.Out(0x01, []byte{byte(sent)}, time.Second)
		}
		if !errors.Is(err, device.ErrTimeout) || sent != usbRequests+1 {
			t.Errorf("%v after %d", err, sent)
		}
		if r, err := e.Next(0); err != nil || r.Data[0] != 0 {
			t.Errorf("%v %v", r, err)
		}
		if _, err := u.Out(0x01, []byte{1}, time.Second); err != nil {
			t.Error(err)
		}
	})
}

// A stream hands out transfers with the time they finished, waits without
// losing any, and has those that finished before the plug was pulled.
func TestUSBStream(t *testing.T) {
	bubbleUSB(t, func(t *testing.T, u *USB, e *USBEnd) {
		s, err := u.Stream(0x82, 16, 2)
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 16)
		if _, _, err := s.Read(buf, time.Second); !errors.Is(err, device.ErrTimeout) {
			t.Fatal(err)
		}
		e.Send(0x82, []byte("abc")...)
		came := Clock()
		e.Wait(time.Second)
		if n, at, err := s.Read(buf, 0); string(buf[:n]) != "abc" || at != came || err != nil {
			t.Errorf("%q at %d, %v", buf[:n], at-came, err)
		}
		for range 5 {
			e.Send(0x82, []byte("0123456789abcdef")...)
		}
		if left := e.Queued(0x82); left != 3*16 {
			t.Errorf("%d bytes were not fetched: two transfers are under way", left)
		}
		e.Unplug()
		for range 2 {
			if n, _, err := s.Read(buf, 0); n != 16 || err != nil {
				t.Errorf("%d %v", n, err)
			}
		}
		for range 2 {
			if _, _, err := s.Read(buf, time.Second); !errors.Is(err, device.ErrGone) {
				t.Errorf("%v, want ErrGone", err)
			}
		}
	})
}

// Close and Unplug free whoever waits.
func TestUSBFrees(t *testing.T) {
	for what, call := range map[string]func(u *USB) error{
		"In": func(u *USB) error { _, _, err := u.In(0x82, make([]byte, 8), time.Hour); return err },
		"Control": func(u *USB) error {
			_, err := u.Control(0xC0, 1, 0, 0, make([]byte, 8), time.Hour)
			return err
		},
		"Stream": func(u *USB) error {
			s, err := u.Stream(0x82, 8, 2)
			if err == nil {
				_, _, err = s.Read(make([]byte, 8), time.Hour)
			}
			return err
		},
	} {
		for kind, end := range map[error]func(u *USB, e *USBEnd){
			device.ErrClosed: func(u *USB, _ *USBEnd) { _ = u.Close(); _ = u.Close() },
			device.ErrGone:   func(_ *USB, e *USBEnd) { e.Unplug() },
		} {
			bubbleUSB(t, func(t *testing.T, u *USB, e *USBEnd) {
				done := make(chan error)
				go func() { done <- call(u) }()
				synctest.Wait()
				end(u, e)
				if err := <-done; !errors.Is(err, kind) {
					t.Errorf("%s: %v, want %v", what, err, kind)
				}
				if err := call(u); !errors.Is(err, kind) {
					t.Errorf("%s again: %v, want %v", what, err, kind)
				}
				if _, err := e.Next(time.Hour); !errors.Is(err, device.ErrClosed) {
					t.Errorf("the instrument goes on: %v", err)
				}
			})
		}
	}
}
