package labjack

import (
	"errors"
	"strings"
	"testing"
	"time"

	"photongate/device"
	"photongate/device/devicetest"
)

func TestConformance(t *testing.T) {
	const gate = 100 * time.Millisecond
	for _, tc := range []struct {
		name     string
		change   func(*box)
		settings device.Settings
	}{
		{"U3", func(x *box) { x.enabled = 0 }, device.Settings{"counters": "both", "gate": gate}},
		{"U3, found enabled, one counter", func(x *box) { x.enabled = 2 }, nil},
		{"U3, totals", func(*box) {}, device.Settings{"read": readTotal}},
		{"U6", func(x *box) { x.u6, x.enabled = true, 0 }, device.Settings{"counters": "both"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			x := newBox()
			tc.change(x)
			devicetest.Run(t, devicetest.Subject{
				Driver: Driver, Settings: tc.settings, Gate: gate, USB: x.info(),
				PlayUSB: func(end *devicetest.USBEnd, truth *devicetest.Truth) {
					x := newBox()
					tc.change(x)
					x.play(end, truth)
				},
			})
		})
	}
}

// openOn opens the driver on a box and hands the source to use.
func openOn(t *testing.T, x *box, settings device.Settings, use func(device.Source, error)) {
	t.Helper()
	devicetest.BubbleUSB(t, x.info(), x.play, func(usb device.USBDevice) {
		src, err := Driver.Open(t.Context(), device.OpenRequest{USB: usb, Settings: settings, Clock: devicetest.Clock})
		use(src, err)
		if err := usb.Close(); err != nil {
			t.Error(err)
		}
	})
}

// ioCommands are the ConfigIO commands that set something.
func (x *box) setters() (n int) {
	for _, c := range x.commands {
		if len(c) > 6 && c[3] == 0x0B && c[6] != 0 {
			n++
		}
	}
	return n
}

func TestOpenSetsWhatIsNamed(t *testing.T) {
	for _, tc := range []struct {
		name     string
		change   func(*box)
		settings device.Settings
		setters  int
		want     box // pins afterwards
		inputs   string
	}{
		{"found enabled", func(*box) {}, nil, 0, box{enabled: 3, offset: 4, fio: 0x0F}, "counter 0: FIO4, counter 1: FIO5"},
		{"named and enabled", func(*box) {}, device.Settings{"counters": "1"}, 0, box{enabled: 3, offset: 4, fio: 0x0F}, "counter 1: FIO5"},
		{"timers and analog pins stay", func(x *box) { x.enabled, x.timers, x.fio, x.eio = 0, 1, 0x6F, 0x55 }, device.Settings{"counters": "0"}, 1,
			box{enabled: 1, timers: 1, offset: 4, fio: 0x4F, eio: 0x55}, "counter 0: FIO5"},
		{"another pin", func(x *box) { x.eio = 0xFF }, device.Settings{"counters": "both", "pin": int64(7)}, 1,
			box{enabled: 3, offset: 7, fio: 0x0F, eio: 0xFE}, "counter 0: FIO7, counter 1: EIO0"},
		{"fresh U6 from FIO0", func(x *box) { x.u6, x.enabled, x.offset, x.fio = true, 0, 0, 0 }, device.Settings{"counters": "0"}, 1,
			box{enabled: 1}, "counter 0: FIO0"},
		{"fresh U6, both", func(x *box) { x.u6, x.enabled, x.offset, x.fio = true, 0, 0, 0 }, device.Settings{"counters": "both"}, 1,
			box{enabled: 3}, "counter 0: FIO0, counter 1: FIO1"},
		{"U6 that does not say what it is", func(x *box) { x.u6, x.mute = true, true }, device.Settings{"counters": "0"}, 0,
			box{enabled: 3, offset: 4, fio: 0x0F}, "counter 0: FIO4"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			x := newBox()
			tc.change(x)
			openOn(t, x, tc.settings, func(src device.Source, err error) {
				if err != nil {
					t.Fatal(err)
				}
				if got := x.setters(); got != tc.setters {
					t.Errorf("%d commands set something, want %d", got, tc.setters)
				}
				if x.enabled != tc.want.enabled || x.timers != tc.want.timers || x.offset != tc.want.offset || x.fio != tc.want.fio || x.eio != tc.want.eio {
					t.Errorf("pins are %+v", x)
				}
				var inputs []string
				for _, c := range src.Describe().Channels {
					inputs = append(inputs, c.Input)
				}
				if got := strings.Join(inputs, ", "); got != tc.inputs {
					t.Errorf("channels %s, want %s", got, tc.inputs)
				}
				b := device.NewBatch(len(inputs))
				if err := src.Read(b); err != nil {
					t.Error(err)
				}
				if told := strings.Contains(b.Notes[0].Event.Text, "sent ConfigIO"); told != (tc.setters > 0) {
					t.Errorf("opened: %s", b.Notes[0].Event.Text)
				}
			})
		})
	}
}

func TestDescribe(t *testing.T) {
	for model, u6 := range map[string]bool{"U3-HV": false, "U6-Pro": true} {
		x := newBox()
		x.u6 = u6
		openOn(t, x, nil, func(src device.Source, err error) {
			if err != nil {
				t.Fatal(err)
			}
			if d := src.Describe(); d.Model != model || d.Firmware != "1.46" || d.Serial != "320012345" || d.Timing != device.ByHostClearing {
				t.Errorf("%+v", d)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, tc := range []struct {
		name     string
		change   func(*box)
		settings device.Settings
		kind     error
		says     string
	}{
		{"no counter enabled", func(x *box) { x.enabled = 0 }, nil, device.ErrSetting, "name the option counters"},
		{"does not heed", func(x *box) { x.enabled, x.deaf = 0, true }, device.Settings{"counters": "0"}, device.ErrSetting, "counters 0, first pin FIO4, analog FIO 0f EIO 00, the device says 0 timers, counters none"},
		{"analog pin of a U3", func(*box) {}, device.Settings{"counters": "0", "pin": int64(2)}, device.ErrSetting, "on a U3 it is 4 to 8"},
		{"a U3 that says nothing", func(x *box) { x.mute = true }, nil, device.ErrTimeout, "unplug it"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			x := newBox()
			tc.change(x)
			openOn(t, x, tc.settings, func(_ device.Source, err error) {
				if !errors.Is(err, tc.kind) || !strings.Contains(err.Error(), tc.says) {
					t.Errorf("%v", err)
				}
			})
		})
	}
	x := newBox()
	info := x.info()
	info.ID.Product = 9
	devicetest.BubbleUSB(t, info, x.play, func(usb device.USBDevice) {
		if _, err := Driver.Open(t.Context(), device.OpenRequest{USB: usb, Clock: devicetest.Clock}); !errors.Is(err, device.ErrNonsense) {
			t.Errorf("a UE9: %v", err)
		}
	})
}

// A question that arrived damaged was not carried out: it is sent again, and no
// count is lost.
func TestDamagedQuestionIsSentAgain(t *testing.T) {
	x := newBox()
	openOn(t, x, nil, func(src device.Source, err error) {
		if err != nil {
			t.Fatal(err)
		}
		b := device.NewBatch(2)
		for n := range 5 {
			x.damaged = min(n, 3)
			if err := src.Read(b); err != nil {
				t.Fatal(err)
			}
		}
		if b.Len() != 4 || len(b.Notes) != 1 {
			t.Errorf("%d readings, notes %+v", b.Len(), b.Notes)
		}
	})
}

func TestErrorOfTheDevice(t *testing.T) {
	x := newBox()
	openOn(t, x, nil, func(src device.Source, err error) {
		if err != nil {
			t.Fatal(err)
		}
		b := device.NewBatch(2)
		for range 3 {
			if err := src.Read(b); err != nil {
				t.Fatal(err)
			}
		}
		if err := src.(device.Checker).Check(); err != nil {
			t.Error(err)
		}
		x.enabled = 0 // as after a restart
		if err := src.(device.Checker).Check(); !errors.Is(err, device.ErrChanged) {
			t.Errorf("check: %v", err)
		}
		err = src.Read(b)
		if e, is := errors.AsType[*device.Error](err); !is || !strings.Contains(err.Error(), "error 97: the pin is set to analog") || e.Hint == "" {
			t.Errorf("%v", err)
		}
		if again := src.Read(b); again != err {
			t.Errorf("then: %v", again)
		}
	})
}

// A total that no pulses can have brought was cleared by somebody.
func TestTotalThatWasCleared(t *testing.T) {
	x := newBox()
	openOn(t, x, device.Settings{"read": readTotal}, func(src device.Source, err error) {
		if err != nil {
			t.Fatal(err)
		}
		b := device.NewBatch(2)
		x.counts[1] = 1<<32 - 10000 // it wraps
		for range 3 {
			if err := src.Read(b); err != nil {
				t.Fatal(err)
			}
		}
		x.counts[0] = 0
		if err := src.Read(b); !errors.Is(err, device.ErrChanged) || !strings.Contains(err.Error(), "the total of counter 0 was") || b.Len() != 3 {
			t.Errorf("%d readings, %v", b.Len(), err)
		}
	})
}

func TestAdvise(t *testing.T) {
	if a := Driver.Advise(device.Settings{"counters": "0"}); len(a) != 0 {
		t.Errorf("%v", a)
	}
	if a := Driver.Advise(device.Settings{"pin": int64(5)}); len(a) != 1 || a[0].Option != "pin" {
		t.Errorf("%v", a)
	}
	if list := Driver.Inputs.Known(device.Settings{"counters": "1", "read": readTotal}); len(list) != 1 || list[0].Name != "C1" || list[0].Kind != device.Total {
		t.Errorf("%+v", list)
	}
}

func TestQuirksShow(t *testing.T) {
	talk := []device.Exchange{{Bytes: []byte{0xB8, 0xB8}}, {Bytes: packet(0, 97, 1, 0)}, {Bytes: packet(0, 70, 1, 0)}, {Bytes: packet(0x0B, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0)}}
	for _, q := range Driver.Quirks {
		if got := q.Met(talk); !strings.HasPrefix(got, "1 ") {
			t.Errorf("%s: %q", q.Name, got)
		}
		if got := q.Met([]device.Exchange{{Sent: true, Bytes: talk[0].Bytes}}); got != "" {
			t.Errorf("%s shows in what was sent: %q", q.Name, got)
		}
	}
}
