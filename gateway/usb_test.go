package gateway

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"photongate/device"
	"photongate/device/devicetest"
	"photongate/protocol"
)

// A device on USB is opened with the interface its driver names. One that restarts
// while it is opened is given back and opened again.
func TestUSBDeviceThatRestarts(t *testing.T) {
	t.Parallel()
	f := newBench()
	driver := f.driver("fake")
	driver.Transport, driver.Interface = device.USB, 3
	openBench := driver.Open
	opens := make(chan *devicetest.USB, 8)
	tries := 0
	driver.Open = func(ctx context.Context, req device.OpenRequest) (device.Source, error) {
		tries++
		if req.Port != nil || req.USB == nil {
			t.Errorf("open is given port %v and USB %v", req.Port, req.USB)
		}
		if tries == 1 {
			return nil, &device.Error{Op: "start", Port: req.USB.Name(), Err: device.ErrReenumerated}
		}
		req.Port = newFakePort(req.USB.Name())
		return openBench(ctx, req)
	}
	openUSB := func(_ context.Context, name string, interfaceNumber int, clock device.Clock) (device.USBDevice, error) {
		if name != "usb:0cd5:0003" || interfaceNumber != 3 {
			t.Errorf("asked for interface %d of %q", interfaceNumber, name)
		}
		f.set(func(f *bench) { f.clock = clock })
		u, _ := devicetest.NewUSB(device.USBInfo{}, clock)
		opens <- u
		return u, nil
	}
	config := testConfig(t, "bench")
	config.Devices[0].Port = "usb:0cd5:0003"
	deps := Deps{Drivers: []device.Driver{driver}, OpenPort: f.openPort, Log: zerolog.New(zerolog.NewTestWriter(t))}
	if _, err := New(config, deps); err == nil {
		t.Error("a gateway that cannot open USB devices takes one")
	}
	deps.OpenUSB = openUSB
	r := launchWith(t, config, deps)
	c := connect(t, r.Addr(), "desk", protocol.NewID())
	c.subscribe(archiveFrom(protocol.FromOldest, "bench"))
	source := <-f.sources
	first, second := <-opens, <-opens
	if err := closed(first); !errors.Is(err, device.ErrClosed) {
		t.Errorf("the device that restarts: %v, want it closed", err)
	}
	if err := closed(second); errors.Is(err, device.ErrClosed) {
		t.Error("the device that is read was closed")
	}
	source.feed <- readings(f.now(), 100*time.Millisecond, 1)
	c.untilIndex(benchID, 0)
	c.say(protocol.TypeBye, &protocol.Bye{})
}

// closed returns what a call on a device in memory says.
func closed(u *devicetest.USB) error {
	_, err := u.Control(0xC0, 1, 0, 0, nil, time.Millisecond)
	return err
}
