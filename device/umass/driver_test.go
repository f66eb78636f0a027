package umass

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"photongate/device"
	"photongate/device/devicetest"
)

func TestConformance(t *testing.T) {
	for name, tc := range map[string]struct {
		settings device.Settings
		box      func(*box)
		wiring   *wiring
	}{
		"strobes": {device.Settings{"packet": int64(1)}, func(*box) {}, wire(0xF, 0)},
		"strobes and a delta input": {device.Settings{"packet": int64(2), "strobes": "1 3", "deltas": "2"},
			func(x *box) { x.deltas, x.hertz = 7*time.Millisecond, 30e6 }, wire(0xA, 0x4)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			devicetest.RunTags(t, devicetest.TagSubject{
				Driver: Driver, Settings: tc.settings, Every: 5 * time.Millisecond, USB: boxInfo(),
				PlayUSB: func(end *devicetest.USBEnd, truth *devicetest.TagTruth) {
					x := newBox()
					tc.box(x)
					x.truth, x.wiring = truth.Add, tc.wiring
					x.play(end)
				},
			})
		})
	}
}

// spy notes what was commanded last.
type spy struct {
	device.USBDevice
	last []byte
}

func (s *spy) Out(endpoint uint8, p []byte, timeout time.Duration) (int64, error) {
	s.last = p
	return s.USBDevice.Out(endpoint, p, timeout)
}

// use opens the driver on a box. A source is told to stop when it is closed.
func use(t *testing.T, x *box, info device.USBInfo, settings device.Settings, with func(device.Source, error)) {
	t.Helper()
	devicetest.BubbleUSB(t, info, func(end *devicetest.USBEnd, _ *devicetest.Truth) { x.play(end) }, func(bus device.USBDevice) {
		usb := &spy{USBDevice: bus}
		src, err := Driver.Open(t.Context(), device.OpenRequest{USB: usb, Settings: settings, Clock: devicetest.Clock})
		with(src, err)
		if err == nil {
			err = src.Close()
			if want := []byte{0xAA, 1, 3, 0, 0, 0, 0, 0}; !bytes.Equal(usb.last, want) {
				t.Errorf("the last command is % x, want % x", usb.last, want)
			}
		} else {
			err = usb.Close()
		}
		if err != nil {
			t.Error(err)
		}
	})
}

// read reads for a while.
func read(src device.Source, d time.Duration) (*device.Batch, error) {
	all, b := device.NewBatch(len(src.Describe().Channels)), device.NewBatch(len(src.Describe().Channels))
	for begin := time.Now(); time.Since(begin) < d; {
		b.Reset()
		err := src.Read(b)
		all.Append(b)
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

func TestRefused(t *testing.T) {
	for _, tc := range []struct {
		name string
		info func(*device.USBInfo)
		box  func(*box)
		want map[string]any
		kind error
		says string
	}{
		{"no firmware", func(i *device.USBInfo) { i.ID.Product = 0x8613 }, nil, nil, device.ErrNonsense, "install timetag-fx2"},
		{"another one", func(i *device.USBInfo) { i.ID.Product = 0x1003 }, nil, nil, device.ErrNonsense, "the tagger is 04b4:1004"},
		{"other endpoints", func(i *device.USBInfo) { i.Endpoints = i.Endpoints[:1] }, nil, nil, device.ErrNonsense, "an id that others use as well"},
		{"no version", nil, func(x *box) { x.reg[1] = 0 }, nil, device.ErrNonsense, "it says version 0"},
		{"no clock", nil, func(x *box) { x.hertz = 50 }, nil, device.ErrNonsense, "a clock of 50 Hz"},
		{"silent", nil, func(x *box) { x.mute = true }, nil, device.ErrTimeout, "has the FPGA its design"},
		{"no inputs", nil, nil, map[string]any{"strobes": "none"}, device.ErrSetting, "no input is to be recorded"},
	} {
		x, info := newBox(), boxInfo()
		if tc.info != nil {
			tc.info(&info)
		}
		if tc.box != nil {
			tc.box(x)
		}
		use(t, x, info, tc.want, func(_ device.Source, err error) {
			if !errors.Is(err, tc.kind) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%s: %v", tc.name, err)
			}
		})
	}
}

// Opening pushes what the configuration names and reads it back, stops what runs, and
// closing stops the capture.
func TestOpenAndClose(t *testing.T) {
	for _, tc := range []struct {
		name     string
		box      func(*box)
		settings device.Settings
		strobe   uint32
		delta    uint32
		names    string
		says     string
	}{
		{"freshly plugged", func(*box) {}, nil, 15, 0, "S0 S1 S2 S3", "set strobes 0 1 2 3, was none"},
		{"as it is", func(x *box) { x.reg[4], x.reg[5] = 5, 2 }, nil, 5, 2, "S0 S2 D1+ D1-", "counter and memories were cleared and the capture started"},
		{"named", func(x *box) { x.reg[4] = 5 }, device.Settings{"strobes": "1", "deltas": "0 3"}, 2, 9, "S1 D0+ D0- D3+ D3-", "set strobes 1, was 0 2, deltas 0 3, was none"},
		{"it captured", func(x *box) { x.reg[3] = 3; x.reg[4] = 15 }, nil, 15, 0, "S0 S1 S2 S3", "a capture that ran was stopped"},
		{"writing is not answered", func(x *box) { x.silent = true }, device.Settings{"strobes": "1 2"}, 6, 0, "S1 S2", "set strobes 1 2, was none"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			x := newBox()
			tc.box(x)
			use(t, x, boxInfo(), tc.settings, func(src device.Source, err error) {
				if err != nil {
					t.Error(err)
					return
				}
				b, err := read(src, 200*time.Millisecond)
				var names []string
				for _, c := range src.Describe().Channels {
					names = append(names, c.Name)
				}
				if err != nil || strings.Join(names, " ") != tc.names || !strings.Contains(b.Notes[0].Event.Text, tc.says) {
					t.Errorf("channels %v, %v, opened: %s", names, err, b.Notes[0].Event.Text)
				}
				if d := src.Describe(); d.Tick != (device.Tick{Num: 1, Den: 128e6}) || d.Firmware != "version 6" || len(d.Differing()) > 0 {
					t.Errorf("%+v", d)
				}
				if err := src.(device.Checker).Check(); err != nil {
					t.Errorf("check: %v", err)
				}
				x.by(func(x *box) {
					if x.reg[4] != tc.strobe || x.reg[5] != tc.delta || x.reg[3] != 3 {
						t.Errorf("registers %v", x.reg)
					}
				})
			})
		})
	}
}

// A tagger of which somebody changed a register, or that began anew, is given up.
func TestChangedByItself(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*box)
		check  bool // only asking tells
	}{
		"other inputs":            {func(x *box) { x.reg[4] = 1 }, true},
		"no capture any more":     {func(x *box) { x.reg[3] = 0 }, false},
		"its clock begins anew":   {func(x *box) { x.zero, x.strobe, x.lost = devicetest.Clock(), 0, true }, false},
		"its clock runs too fast": {func(x *box) { x.zero -= int64(20 * time.Second); x.strobe = x.now() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			x := newBox()
			use(t, x, boxInfo(), device.Settings{"packet": int64(1)}, func(src device.Source, err error) {
				if err != nil {
					t.Error(err)
					return
				}
				_, err = read(src, 2*time.Second)
				if err != nil {
					t.Error(err)
					return
				}
				x.by(tc.change)
				b, err := read(src, 8*time.Second)
				if tc.check {
					err = errors.Join(err, src.(device.Checker).Check())
				}
				if !errors.Is(err, device.ErrChanged) {
					t.Errorf("%v, %+v", err, b.Notes)
				}
			})
		})
	}
}

// Lost records are told: where by losses, how many by an event.
func TestLostRecords(t *testing.T) {
	x := newBox()
	x.every = 100 * time.Microsecond
	x.lose = func(n int) bool { return n > 5000 && n <= 5300 || n == 6000 }
	type tag struct {
		tick    uint64
		channel uint8
	}
	sent := map[tag]bool{}
	x.wiring, x.truth = wire(15, 0), func(tick uint64, channel uint8) { sent[tag{tick, channel}] = true }
	use(t, x, boxInfo(), nil, func(src device.Source, err error) {
		if err != nil {
			t.Error(err)
			return
		}
		b, err := read(src, 3*time.Second)
		if err != nil || len(b.Tags.Losses) != 2 {
			t.Errorf("%+v, %v", b.Tags.Losses, err)
			return
		}
		x.by(func(*box) { // it goes on meanwhile
			for n, tick := range b.Tags.Tick {
				if !sent[tag{tick, b.Tags.Channel[n]}] {
					t.Errorf("tag at %d of channel %d was never sent", tick, b.Tags.Channel[n])
					return
				}
				delete(sent, tag{tick, b.Tags.Channel[n]})
			}
			first, second := b.Tags.Losses[0], b.Tags.Losses[1]
			for lost := range sent {
				if in := func(l device.Loss) bool { return l.From <= lost.tick && lost.tick < l.To }; lost.tick < b.Tags.Until && !in(first) && !in(second) {
					t.Errorf("%+v is missing, and no loss says so", lost)
				}
			}
		})
		told := ""
		for _, n := range b.Notes {
			if n.Event != nil && n.Event.What == "records lost" {
				told += n.Event.Old + ">" + n.Event.New + " "
			}
		}
		if told != "0>301 " {
			t.Errorf("told %q", told)
		}
	})
}

// Its time wraps, and a packet ends inside a record.
func TestWrapsAndCutPackets(t *testing.T) {
	x := newBox()
	x.start = 1<<36 - 128e6 // a second before it wraps
	x.packet = 512
	x.wiring = wire(15, 0)
	var sent []uint64
	x.truth = func(tick uint64, _ uint8) { sent = append(sent, tick) }
	use(t, x, boxInfo(), device.Settings{"packet": int64(7)}, func(src device.Source, err error) {
		if err != nil {
			t.Error(err)
			return
		}
		x.by(func(x *box) { x.packet = 11 })
		b, err := read(src, 3*time.Second)
		if err != nil || len(b.Tags.Tick) < 400 || len(b.Tags.Losses) > 0 {
			t.Errorf("%d tags, %v, %+v", len(b.Tags.Tick), err, b.Tags.Losses)
			return
		}
		x.by(func(*box) {
			for n, tick := range b.Tags.Tick {
				if tick != sent[n] {
					t.Errorf("tag %d is at %d, sent at %d", n, tick, sent[n])
					return
				}
			}
		})
		if b.Tags.Until>>36 != 1 {
			t.Errorf("until %d", b.Tags.Until)
		}
	})
}
