package h11890

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"photongate/device"
	"photongate/device/devicetest"
)

// head is an H11890 as its description has it, for tests.
type head struct {
	ticks, volts, repeat uint32
	running              bool
	answers              bool // settings are answered
	deaf                 bool // and not heeded
	lose                 int  // the packet of this index, and the next two, do not come
	bright               bool // counts above 32767
	restart              int  // at this index it begins anew
	commands             []string

	index uint32
	n     uint64
	due   time.Time
}

func newHead() *head { return &head{ticks: 10000, volts: 1000} }

var info = device.USBInfo{
	ID:        device.USBID{Vendor: 0x0661, Product: 0x3705},
	Endpoints: []device.USBEndpoint{{Address: 0x01, Kind: "bulk", MaxPacket: 64}, {Address: 0x82, Kind: "bulk", MaxPacket: 64}},
}

// padded is a packet of the head.
func padded(tag, value uint32) []byte {
	p := make([]byte, 64)
	binary.LittleEndian.PutUint32(p, tag)
	binary.LittleEndian.PutUint32(p[4:], value)
	return p
}

func (x *head) gate() time.Duration { return time.Duration(x.ticks) * 10 * time.Microsecond }

func (x *head) play(end *devicetest.USBEnd, truth *devicetest.Truth) {
	x.due = time.Now().Add(x.gate())
	for {
		wait := time.Hour
		if x.running {
			wait = time.Until(x.due)
		}
		if x.running && wait <= 0 {
			x.count(end, truth)
			continue
		}
		r, err := end.Next(wait)
		switch {
		case errors.Is(err, device.ErrClosed):
			return
		case err == nil && r.Endpoint == 0x01:
			x.commands = append(x.commands, string(r.Data))
			x.command(end, r.Data)
		case err == nil:
			r.Stall()
		}
	}
}

// count ends an integration.
func (x *head) count(end *devicetest.USBEnd, truth *devicetest.Truth) {
	x.n++
	v := 5000 + 7*x.n
	if x.bright {
		v += 40000
	}
	if x.volts == 0 {
		v = x.n
	}
	truth.Add(v)
	if gone := int(x.index) - x.lose; x.lose == 0 || gone < 0 || gone > 2 {
		end.Send(0x82, padded(x.index, uint32(v))...)
	}
	x.index++
	x.due = x.due.Add(x.gate())
	if x.restart > 0 && int(x.index) == x.restart {
		x.index, x.restart = 0, 0
	}
	if x.repeat > 0 && x.index == x.repeat {
		x.running = false
	}
}

func (x *head) command(end *devicetest.USBEnd, c []byte) {
	values := map[byte]*uint32{'I': &x.ticks, 'R': &x.repeat, 'V': &x.volts}
	switch {
	case string(c) == "\r":
		x.running = false
	case x.running:
	case len(c) == 1 && (c[0] == 'C' || c[0] == 'M'):
		x.running, x.index, x.due = true, 0, time.Now().Add(x.gate())
	case len(c) == 1 && values[c[0]] != nil:
		end.Send(0x82, padded(uint32(c[0]), *values[c[0]])...)
	case len(c) == 8 && values[c[0]] != nil && c[1]|c[2]|c[3] == 0:
		if !x.deaf {
			*values[c[0]] = binary.LittleEndian.Uint32(c[4:])
		}
		if x.answers {
			end.Send(0x82, padded(uint32(c[0]), *values[c[0]])...)
		}
	default:
		end.Send(0x82, append([]byte{0x42, 0x43, 0, 0}, make([]byte, 60)...)...)
	}
}

// use opens the driver on a head.
func use(t *testing.T, x *head, settings device.Settings, with func(device.Source, error)) {
	t.Helper()
	devicetest.BubbleUSB(t, info, x.play, func(usb device.USBDevice) {
		src, err := Driver.Open(t.Context(), device.OpenRequest{USB: usb, Settings: settings, Clock: devicetest.Clock})
		with(src, err)
		if err == nil {
			err = src.Close()
		} else {
			err = usb.Close()
		}
		if err != nil {
			t.Error(err)
		}
	})
}
