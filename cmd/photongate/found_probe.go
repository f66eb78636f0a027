package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"photongate/cmd/internal/cli"
	"photongate/device"
	"photongate/device/usbport"
)

// askLimit bounds how long one instrument is asked what it is.
const askLimit = 10 * time.Second

// What --probe was answered, besides device.Confirmed and device.Assumed.
const (
	notIt    = "no"
	notAsked = "not asked"
)

// answered is what came of asking one port by one driver.
type answered struct {
	Driver   string   `json:"driver"`
	Result   string   `json:"result"` // confirmed, assumed, no, not asked
	Model    string   `json:"model"`  // what the instrument says of itself
	Serial   string   `json:"serial"`
	Firmware string   `json:"firmware"`
	Sent     []string `json:"sent"`  // to the instrument, in order
	Error    string   `json:"error"` // why it was not asked, or what came instead
}

// asker opens a port with a driver, closes it again, and returns what the instrument
// said and what was sent to it.
type asker func(ctx context.Context, driver device.Driver, port string) (device.Description, []string, error)

// probeAll asks what can be asked. With the name of a port it asks that one, by all
// drivers that may fit.
func probeAll(ctx context.Context, list []found, port string, ask asker) error {
	if port != probeByID {
		f, err := theOne(list, port)
		if err != nil {
			return err
		}
		return f.probe(ctx, true, ask)
	}
	for i := range list {
		if err := list[i].probe(ctx, false, ask); err != nil {
			return err
		}
	}
	return nil
}

// theOne finds the port that a person names. What fits several is refused.
func theOne(list []found, port string) (*found, error) {
	var fits []*found
	there := "nothing is plugged in"
	for i := range list {
		f := &list[i]
		if f.named(port) {
			fits = append(fits, f)
		}
		if i == 0 {
			there = "there is " + f.Config
		} else {
			there += ", " + f.Config
		}
	}
	switch len(fits) {
	case 1:
		return fits[0], nil
	case 0:
		if _, err := os.Stat(port); err == nil || strings.Contains(port, "://") {
			return nil, cli.Wrong("--probe=%s: that is no port which the system lists, as that of a simulated instrument or a serial server: which instrument it is has to be said, as in photongate try cd48 --port %s; %s", port, port, there)
		}
		return nil, cli.Wrong("--probe=%s: no such port; %s", port, there)
	}
	return nil, cli.Wrong("--probe=%s: %d devices fit, so none was asked; %s", port, len(fits), there)
}

// probe asks one port by its drivers, until one is confirmed. It returns an error
// only when ctx ended.
func (f *found) probe(ctx context.Context, byName bool, ask asker) error {
	for i := range f.Drivers {
		d := &f.Drivers[i]
		if !byName && (d.id.Adapter || d.driver.Identity != device.Confirmed) {
			continue
		}
		a := answered{Driver: d.Driver, Result: notAsked, Sent: []string{}}
		if who := f.heldBy(); who != "" {
			a.Error = "in use by " + who
			f.Probes = append(f.Probes, a)
			return nil
		}
		about, sent, err := ask(ctx, d.driver, d.Config)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		a.Sent = append(a.Sent, sent...)
		if err != nil {
			a.Result, a.Error = notIt, err.Error()
			f.Probes = append(f.Probes, a)
			continue
		}
		a.Result, a.Model, a.Serial, a.Firmware = string(about.Identity), about.Model, about.Serial, about.Firmware
		f.Probes = append(f.Probes, a)
		if about.Identity == device.Confirmed {
			d.Sure = string(device.Confirmed)
			return nil
		}
	}
	return nil
}

// ask opens a port with a driver and without settings, so that nothing in the
// instrument is changed.
func ask(ctx context.Context, driver device.Driver, port string) (about device.Description, sent []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	start := time.Now()
	clock := func() int64 { return int64(time.Since(start)) }
	var letters letterbox
	again := time.NewTicker(500 * time.Millisecond)
	defer again.Stop()
	restarted := false
	for {
		about, err = askOnce(ctx, driver, port, clock, &letters)
		restarted = restarted || errors.Is(err, device.ErrReenumerated)
		if !restarted || !errors.Is(err, device.ErrReenumerated) && !errors.Is(err, device.ErrNoPort) {
			return about, letters.list(), err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return about, letters.list(), err
		}
	}
}

func askOnce(ctx context.Context, driver device.Driver, port string, clock device.Clock, letters *letterbox) (device.Description, error) {
	request := device.OpenRequest{Clock: clock}
	var unplug func() error
	if driver.Transport == device.USB {
		usb, err := usbport.Open(ctx, port, driver.Interface, clock)
		if err != nil {
			return device.Description{}, err
		}
		request.USB, unplug = toldUSB{usb, letters}, usb.Close
	} else {
		p, err := openPort(ctx, port, driver.Line, clock)
		if err != nil {
			return device.Description{}, err
		}
		request.Port, unplug = toldPort{p, letters}, p.Close
	}
	source, err := driver.Open(ctx, request)
	if err != nil {
		return device.Description{}, errors.Join(err, unplug())
	}
	return source.Describe(), source.Close()
}

// letterbox keeps what was sent to an instrument, for people. One goroutine uses it.
type letterbox struct {
	first []string
	more  int
}

// lettersKept bounds what is told of one probe, and of one message of it.
const (
	lettersKept = 16
	letterBytes = 64
)

func (l *letterbox) add(format string, args ...any) {
	if len(l.first) == lettersKept {
		l.more++
		return
	}
	l.first = append(l.first, fmt.Sprintf(format, args...))
}

func (l *letterbox) list() []string {
	if l.more == 0 {
		return l.first
	}
	return append(l.first, fmt.Sprintf("and %d more", l.more))
}

// short cuts a message for people.
func short(p []byte) []byte { return p[:min(len(p), letterBytes)] }

// toldPort notes what is written to a port.
type toldPort struct {
	device.Port
	letters *letterbox
}

// Write implements device.Port.
func (t toldPort) Write(p []byte) (int64, error) {
	t.letters.add("%q", short(p))
	return t.Port.Write(p)
}

// toldUSB notes what is sent to a USB device.
type toldUSB struct {
	device.USBDevice
	letters *letterbox
}

// Control implements device.USBDevice.
func (t toldUSB) Control(requestType, request uint8, value, index uint16, data []byte, timeout time.Duration) (int, error) {
	if requestType&0x80 != 0 {
		t.letters.add("request %02x %02x %04x %04x for %d bytes", requestType, request, value, index, len(data))
	} else {
		t.letters.add("request %02x %02x %04x %04x: % x", requestType, request, value, index, short(data))
	}
	return t.USBDevice.Control(requestType, request, value, index, data, timeout)
}

// Out implements device.USBDevice.
func (t toldUSB) Out(endpoint uint8, p []byte, timeout time.Duration) (int64, error) {
	t.letters.add("to endpoint %02x: % x", endpoint, short(p))
	return t.USBDevice.Out(endpoint, p, timeout)
}
