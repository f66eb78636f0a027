//go:build linux && (amd64 || arm64) && cgo && !nousb

package usbport

import (
	"bytes"
	"context"
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"photongate/device"
	"photongate/device/devicetest"
	"photongate/device/usbport/mockbus"
)

func TestMain(m *testing.M) { mockbus.Main(m) }

// patience bounds waits for what must come. It is no measure of speed.
const patience = 30 * time.Second

// counter is a device with the endpoints most instruments have.
func counter(serial string) device.USBInfo {
	return device.USBInfo{
		ID: device.USBID{Vendor: 0x0CD5, Product: 0x0003}, Release: 0x0130, Serial: serial, Manufacturer: "LabJack", Product: "U3", Speed: "high",
		Endpoints: []device.USBEndpoint{
			{Address: 0x01, Kind: "bulk", MaxPacket: 64}, {Address: 0x82, Kind: "bulk", MaxPacket: 64}, {Address: 0x83, Kind: "bulk", MaxPacket: 512},
		},
	}
}

func open(t testing.TB, name string) device.USBDevice {
	t.Helper()
	u, err := Open(t.Context(), name, 0, devicetest.Clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = u.Close() })
	return u
}

// refuses fails unless a name is refused as a kind of error, saying these words.
func refuses(t *testing.T, name string, kind error, words ...string) {
	t.Helper()
	u, err := Open(t.Context(), name, 0, devicetest.Clock)
	if err == nil {
		_ = u.Close()
		t.Fatalf("%s: opened", name)
	}
	e, ok := errors.AsType[*device.Error](err)
	if !ok || !errors.Is(err, kind) || e.Port != name || e.Hint == "" {
		t.Errorf("%s: %v, want %v", name, err, kind)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%s: %v does not say %q", name, err, w)
		}
	}
}

// await waits until something is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for began := time.Now(); !so(); <-look.C {
		if time.Since(began) > patience {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func awaitPending(t *testing.T, d mockbus.Plugged, n int) {
	t.Helper()
	await(t, strconv.Itoa(n)+" transfers under way", func() bool { return d.Pending() == n })
}

// serve plays a device that echoes what is written, and whose control requests
// are those of a register.
func serve(e *devicetest.USBEnd) {
	register := []byte{1, 2, 3, 4}
	e.Serve(func(r *devicetest.USBRequest) {
		switch {
		case r.Endpoint != 0:
			e.Send(0x82, r.Data...)
		case r.Type == 0xC0 && r.Request == 7:
			r.Reply(register...)
		case r.Type == 0x40 && r.Request == 8 && r.Value == 0x1234 && r.Index == 5:
			register = r.Data
			r.Reply()
		}
	})
}

func TestOpen(t *testing.T) {
	_, end := mockbus.Plug(t, counter("320012345"))
	go serve(end)
	u := open(t, "usb:0cd5:0003")
	if i := u.Info(); i.Name() != "usb:0cd5:0003:320012345" || i.Speed != "high" || i.Product != "U3" || i.Manufacturer != "LabJack" ||
		i.Release != 0x0130 || !strings.HasPrefix(i.Socket, "1-") || len(i.Endpoints) != 3 || i.Endpoints[2] != (device.USBEndpoint{Address: 0x83, Kind: "bulk", MaxPacket: 512}) {
		t.Errorf("%+v", i)
	}
	buf := make([]byte, 64)
	if n, err := u.Control(0xC0, 7, 0, 0, buf[:2], patience); n != 2 || err != nil || !bytes.Equal(buf[:2], []byte{1, 2}) {
		t.Errorf("%d % x, %v", n, buf[:2], err)
	}
	if n, err := u.Control(0x40, 8, 0x1234, 5, []byte("ab"), patience); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := u.Control(0xC0, 7, 0, 0, buf, patience); n != 2 || err != nil || string(buf[:n]) != "ab" {
		t.Errorf("%d %q, %v", n, buf[:n], err)
	}
	for range 2 {
		if n, err := u.Control(0xC0, 9, 0, 0, buf, patience); n != 0 || !errors.Is(err, device.ErrStall) {
			t.Errorf("unknown request: %d, %v", n, err)
		}
	}
	for _, text := range []string{"hello", "again"} {
		if _, err := u.Out(0x01, []byte(text), patience); err != nil {
			t.Error(err)
		}
		before := devicetest.Clock()
		if n, at, err := u.In(0x82, buf, patience); string(buf[:n]) != text || err != nil || at < before {
			t.Errorf("%q at %d, %v", buf[:n], at, err)
		}
	}
	for _, wrong := range []uint8{0x01, 0x84, 0x02} {
		if _, _, err := u.In(wrong, buf, patience); err == nil || errors.Is(err, device.ErrTimeout) {
			t.Errorf("read from %#x: %v", wrong, err)
		}
		if _, err := u.Out(wrong|0x80, buf, patience); err == nil || errors.Is(err, device.ErrTimeout) {
			t.Errorf("write to %#x: %v", wrong|0x80, err)
		}
	}
}

// Packets keep their borders, time ends a read and loses nothing, and a stall is
// cleared for good.
func TestPacketsAndStalls(t *testing.T) {
	d, end := mockbus.Plug(t, counter("1"))
	u := open(t, "usb:0cd5:0003:1")
	buf := make([]byte, 192)
	in := func(p []byte, timeout time.Duration, want string, kind error) {
		t.Helper()
		n, _, err := u.In(0x82, p, timeout)
		if string(p[:n]) != want || !errors.Is(err, kind) {
			t.Errorf("%q, %v, want %q, %v", p[:n], err, want, kind)
		}
	}
	full := strings.Repeat("0123456789abcdef", 4)
	in(buf, 30*time.Millisecond, "", device.ErrTimeout)
	end.Send(0x82, []byte(full+"tail")...)
	end.Send(0x82)
	end.Send(0x82, []byte("next")...)
	in(buf, patience, full+"tail", nil)
	in(buf, patience, "", nil)
	in(buf, patience, "next", nil)
	end.Send(0x82, []byte(full)...)
	in(buf, 50*time.Millisecond, full, nil) // ended by the time, with what had come
	in(buf, 0, "", device.ErrTimeout)
	end.Send(0x82, []byte("waits")...)
	in(buf, patience, "waits", nil)
	end.Send(0x82, []byte("long packet")...)
	in(buf[:4], patience, "", device.ErrNonsense)
	end.Halt(0x82)
	in(buf, patience, "", device.ErrStall)
	in(buf, patience, "", device.ErrStall)
	if err := u.ClearHalt(0x82); err != nil || d.Set() != 1 {
		t.Errorf("%v; the interface was set %d times", err, d.Set())
	}
	end.Send(0x82, []byte("well")...)
	in(buf, patience, "well", nil)
	// An instrument that looks at nothing.
	var err error
	for k := 0; err == nil && k < 100; k++ {
		_, err = u.Out(0x01, []byte(full), 30*time.Millisecond)
	}
	if !errors.Is(err, device.ErrTimeout) {
		t.Errorf("write to a device that takes nothing: %v", err)
	}
	if n, err := u.Control(0xC0, 1, 0, 0, buf, 30*time.Millisecond); n != 0 || !errors.Is(err, device.ErrTimeout) {
		t.Errorf("a request that is not answered: %d, %v", n, err)
	}
}

// A stream has every byte in order, waits without losing any, and can be closed
// while its device is idle.
func TestStream(t *testing.T) {
	d, end := mockbus.Plug(t, counter("2"))
	u := open(t, "usb:0cd5:0003:2")
	for _, size := range []int{0, 100, -512} {
		if _, err := u.Stream(0x83, size, 4); err == nil {
			t.Errorf("a stream of transfers of %d bytes", size)
		}
	}
	for round := range 3 {
		s, err := u.Stream(0x83, 2048, 4)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := u.Stream(0x83, 2048, 4); err == nil {
			t.Error("two streams on one endpoint")
		}
		buf := make([]byte, 2048)
		if _, _, err := u.In(0x83, buf, patience); err == nil || errors.Is(err, device.ErrTimeout) {
			t.Errorf("a read beside the stream: %v", err)
		}
		for range 3 {
			if _, _, err := s.Read(buf, 20*time.Millisecond); !errors.Is(err, device.ErrTimeout) {
				t.Fatal(err)
			}
		}
		awaitPending(t, d, 4)
		sent := make([]byte, 100_000)
		for i := range sent {
			sent[i] = byte(i>>8) ^ byte(i) ^ byte(round)
		}
		end.Send(0x83, sent...)
		var got []byte
		for len(got) < len(sent) {
			n, at, err := s.Read(buf, patience)
			if err != nil || at == 0 {
				t.Fatalf("after %d bytes: %v at %d", len(got), err, at)
			}
			got = append(got, buf[:n]...)
		}
		if !bytes.Equal(got, sent) {
			t.Error("the stream has other bytes than were sent")
		}
		for range 2 {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		if _, _, err := s.Read(buf, patience); !errors.Is(err, device.ErrClosed) {
			t.Errorf("read of a closed stream: %v", err)
		}
		if n := d.Pending(); n != 0 {
			t.Errorf("%d transfers are left under way", n)
		}
		end.Send(0x83, []byte("after")...)
		if n, _, err := u.In(0x83, buf, patience); string(buf[:n]) != "after" || err != nil {
			t.Errorf("read after the stream: %q, %v", buf[:n], err)
		}
	}
	s, err := u.Stream(0x83, 512, 2)
	if err != nil {
		t.Fatal(err)
	}
	end.Halt(0x83)
	for range 2 {
		if _, _, err := s.Read(make([]byte, 512), patience); !errors.Is(err, device.ErrStall) {
			t.Errorf("stream of a halted endpoint: %v", err)
		}
	}
	if err := u.ClearHalt(0x83); err == nil {
		t.Error("an endpoint is cleared while a stream is open")
	}
	if err := errors.Join(s.Close(), u.ClearHalt(0x83)); err != nil {
		t.Error(err)
	}
}

// A stream that nobody reads takes its transfers back all the same.
func TestUnreadStream(t *testing.T) {
	d, end := mockbus.Plug(t, counter("unread"))
	u := open(t, "usb:0cd5:0003:unread")
	s, err := u.Stream(0x83, 512, 3)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		end.Send(0x83, make([]byte, 512)...)
	}
	await(t, "three finished transfers", func() bool { return len(s.(*usbStream).done) == 3 })
	awaitPending(t, d, 3) // besides those that wait to be read
	if err := s.Close(); err != nil || d.Pending() != 0 {
		t.Errorf("%v; %d transfers are left under way", err, d.Pending())
	}
	if err := u.Close(); err != nil {
		t.Error(err)
	}
}

// Calls that wait, each on a device of its own, end when the plug is
// pulled or the device is closed.
func TestWaitersAreFreed(t *testing.T) {
	calls := map[string]func(u device.USBDevice) error{
		"In": func(u device.USBDevice) error { _, _, err := u.In(0x82, make([]byte, 64), time.Minute); return err },
		"Control": func(u device.USBDevice) error {
			_, err := u.Control(0xC0, 1, 0, 0, make([]byte, 8), 2*time.Second)
			return err
		},
		"Out": func(u device.USBDevice) (err error) {
			for err == nil {
				_, err = u.Out(0x01, make([]byte, 64), time.Minute)
			}
			return err
		},
		"Stream": func(u device.USBDevice) error {
			s, err := u.Stream(0x83, 512, 8)
			if err == nil {
				_, _, err = s.Read(make([]byte, 512), time.Minute)
				err = errors.Join(err, s.Close())
			}
			return err
		},
	}
	for name, call := range calls {
		for _, kind := range []error{device.ErrGone, device.ErrClosed} {
			t.Run(name+"/"+kind.Error(), func(t *testing.T) {
				d, _ := mockbus.Plug(t, counter(name))
				u := open(t, "usb:0cd5:0003:"+name)
				done := make(chan error)
				go func() { done <- call(u) }()
				await(t, "a transfer under way", func() bool { return d.Pending() > 0 })
				if kind == device.ErrGone {
					d.Unplug()
				} else if err := u.Close(); err != nil {
					t.Error(err)
				}
				// A request that Close finds under way runs into its own timeout.
				if err := <-done; !errors.Is(err, kind) && (name != "Control" || !errors.Is(err, device.ErrTimeout)) {
					t.Errorf("%v, want %v", err, kind)
				}
				if err := call(u); !errors.Is(err, kind) {
					t.Errorf("again: %v, want %v", err, kind)
				}
				for range 2 {
					if err := u.Close(); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
}

// What finished before the plug was pulled is handed out.
func TestUnplugInMidStream(t *testing.T) {
	d, end := mockbus.Plug(t, counter("3"))
	u := open(t, "usb:0cd5:0003:3")
	s, err := u.Stream(0x83, 512, 8)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		end.Send(0x83, make([]byte, 512)...)
	}
	await(t, "three finished transfers", func() bool { return len(s.(*usbStream).done) == 3 })
	d.Unplug()
	buf := make([]byte, 512)
	for range 3 {
		if n, _, err := s.Read(buf, patience); n != 512 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	for range 2 {
		if _, _, err := s.Read(buf, patience); !errors.Is(err, device.ErrGone) {
			t.Errorf("%v, want ErrGone", err)
		}
	}
	if err := u.Close(); err != nil {
		t.Error(err)
	}
}

func TestChoose(t *testing.T) {
	refuses(t, "usb:0cd5:0003", device.ErrNoPort, "plugged in")
	first, _ := mockbus.Plug(t, counter("A"))
	second, _ := mockbus.Plug(t, counter("B"))
	refuses(t, "usb:0cd5:0003", device.ErrAmbiguous, "usb:0cd5:0003:A", "usb:0cd5:0003:B", "usb-path:")
	refuses(t, "usb:0cd5:0003:C", device.ErrNoPort, "usb:0cd5:0003:A")
	refuses(t, "usb:0cd5:0004", device.ErrNoPort, "usb:0cd5:0003 usb-path:1-")
	refuses(t, "usb-path:9-9", device.ErrNoPort)
	for _, wrong := range []string{"", "usb:", "usb:0cd5", "usb:xxxx:0003", "usb-path:", "/dev/ttyUSB0"} {
		refuses(t, wrong, device.ErrNoPort, "usb-path:SOCKET")
	}
	b := open(t, "usb:0cd5:0003:B")
	if second.Open() != 1 || first.Open() != 0 {
		t.Errorf("opened %d and %d times", first.Open(), second.Open())
	}
	refuses(t, "usb:0cd5:0003:B", device.ErrBusy, "another program")
	a := open(t, "usb-path:"+socketOf(t, "A"))
	if a.Info().Serial != "A" || b.Info().Serial != "B" {
		t.Errorf("%s and %s", a.Name(), b.Name())
	}
	second.Unplug()
	refuses(t, "usb:0cd5:0003:B", device.ErrNoPort)
	replugged, end := mockbus.Plug(t, counter("B"))
	go serve(end)
	again := open(t, "usb:0cd5:0003:B")
	if _, err := again.Control(0xC0, 7, 0, 0, make([]byte, 2), patience); err != nil || replugged.Open() != 1 {
		t.Errorf("after the replug: %v, open %d times", err, replugged.Open())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, "usb:0cd5:0003:A", 0, devicetest.Clock); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func socketOf(t *testing.T, serial string) string {
	t.Helper()
	list, err := List()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range list {
		if i.Serial == serial {
			return i.Socket
		}
	}
	t.Fatalf("no %s in %+v", serial, list)
	return ""
}

// The kernel's driver gives the interface up and gets it back. An interface may
// have any number.
func TestInterface(t *testing.T) {
	info := counter("4")
	info.ID = device.USBID{Vendor: 0x0403, Product: 0x6001} // which a kernel has a driver for
	info.Interface = 3
	d, end := mockbus.Plug(t, info)
	go serve(end)
	d.BindDriver("ftdi_sio")
	u := open(t, "usb:0403:6001:4")
	if d.Driver() != "" || u.Info().Interface != 3 {
		t.Errorf("driver %q has interface %d", d.Driver(), u.Info().Interface)
	}
	end.Halt(0x82)
	if err := u.ClearHalt(0x82); err != nil || d.Driver() != "" {
		t.Errorf("%v; driver %q has the interface", err, d.Driver())
	}
	if _, err := u.Out(0x01, []byte("x"), patience); err != nil {
		t.Error(err)
	}
	if err := u.Close(); err != nil || d.Driver() != "ftdi_sio" {
		t.Errorf("%v; driver %q has the interface after Close", err, d.Driver())
	}
}

// A thousand openings leave nothing behind. Several at a time: the library takes
// up to a tenth of a second to close.
func TestNothingLeaks(t *testing.T) {
	mockbus.Need(t)
	devices, rounds := 20, 50
	if mockbus.RealKernel() { // has no more sockets, and takes its time
		devices, rounds = 4, 5
	}
	var plugged []mockbus.Plugged
	for range devices {
		d, end := mockbus.Plug(t, counter("leak"))
		go serve(end)
		plugged = append(plugged, d)
	}
	use := func(k int) error {
		u, err := Open(t.Context(), "usb-path:"+plugged[k].Socket(), 0, devicetest.Clock)
		if err != nil {
			return err
		}
		s, err := u.Stream(0x83, 512, 4)
		if err != nil {
			return errors.Join(err, u.Close())
		}
		_, err = u.Control(0xC0, 7, 0, 0, make([]byte, 2), patience)
		if _, _, idle := s.Read(make([]byte, 512), 0); !errors.Is(idle, device.ErrTimeout) {
			err = errors.Join(err, idle)
		}
		return errors.Join(err, u.Close())
	}
	all := func(rounds int) {
		var users sync.WaitGroup
		for k := range devices {
			users.Go(func() {
				for range rounds {
					if err := use(k); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		users.Wait()
	}
	all(1)
	goroutines, files := settled(), openFiles(t)
	all(rounds)
	if g, f := settled(), openFiles(t); g > goroutines || f > files {
		t.Errorf("%d goroutines, %d before; %d open files, %d before", g, goroutines, f, files)
	}
	for k, d := range plugged {
		if d.Open() != 0 {
			t.Errorf("device %d is open %d times", k, d.Open())
		}
	}
	runtime.GC() // what is collected too late crashes now
	runtime.GC()
}

func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// settled waits until goroutines that are ending have ended.
func settled() int {
	n := runtime.NumGoroutine()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for same := 0; same < 5; same++ {
		<-tick.C
		if now := runtime.NumGoroutine(); now != n {
			n, same = now, 0
		}
	}
	return n
}
