package umass

import (
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

// use opens the driver on a box.
func use(t *testing.T, x *box, info device.USBInfo, settings device.Settings, with func(device.Source, error)) {
	t.Helper()
	devicetest.BubbleUSB(t, info, func(end *devicetest.USBEnd, _ *devicetest.Truth) { x.play(end) }, func(usb device.USBDevice) {
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
