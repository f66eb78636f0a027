package mccctr

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
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
		exact    bool
	}{
		{"totals", func(x *box) { x.ctr04 = true }, nil, false},
		{"cleared", func(x *box) { x.wanted = []int{1, 6} }, device.Settings{"read": readClear, "gate": gate, "counters": "6, 1"}, false},
		{"scan", func(*box) {}, device.Settings{"read": readScan}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			x := &box{}
			tc.change(x)
			devicetest.Run(t, devicetest.Subject{
				Driver: Driver, Settings: tc.settings, Gate: gate, USB: x.info(), Exact: tc.exact,
				PlayUSB: func(end *devicetest.USBEnd, truth *devicetest.Truth) {
					x := &box{}
					tc.change(x)
					x.play(end, truth)
				},
			})
		})
	}
}

// use opens the driver on a box.
func use(t *testing.T, x *box, settings device.Settings, with func(device.Source, error)) {
	t.Helper()
	devicetest.BubbleUSB(t, x.info(), x.play, func(usb device.USBDevice) {
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
	b := device.NewBatch(len(src.Describe().Channels))
	for begin := time.Now(); time.Since(begin) < d; {
		if err := src.Read(b); err != nil {
			return b, err
		}
	}
	return b, nil
}

// imageFile is a file of a thousand bytes, which the box takes for its image.
func imageFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "usb-ctr.rbf")
	if err := os.WriteFile(path, make([]byte, 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestImage(t *testing.T) {
	image := imageFile(t)
	for _, tc := range []struct {
		name   string
		change func(*box)
		path   string
		kind   error
		says   string
	}{
		{"sent", func(*box) {}, image, nil, ""},
		{"none named", func(*box) {}, "", device.ErrSetting, "the device has no image, as always when it was just plugged in"},
		{"no such file", func(*box) {}, image + "x", device.ErrSetting, "read the image"},
		{"a folder", func(*box) {}, filepath.Dir(image), device.ErrSetting, "is no image"},
		{"not taken", func(x *box) { x.spoilt = true }, image, device.ErrSetting, "after the whole image the status is 0200"},
		{"half an image", func(x *box) { x.loading = true }, image, device.ErrReenumerated, "look again"},
		{"restarts with it", func(x *box) { x.leaves = true }, image, device.ErrReenumerated, "look again"},
	} {
		x := &box{empty: true}
		tc.change(x)
		use(t, x, device.Settings{"image": tc.path}, func(src device.Source, err error) {
			if tc.kind == nil {
				if err != nil {
					t.Fatal(err)
				}
				b, err := read(src, time.Second)
				if err != nil || !strings.Contains(b.Notes[0].Event.Text, "sent the image of 1000 bytes") || b.Len() < 9 || x.image != 1000 {
					t.Errorf("%d bytes were received, %d readings, %v", x.image, b.Len(), err)
				}
				return
			}
			if !errors.Is(err, tc.kind) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%s: %v", tc.name, err)
			}
		})
		if want := map[string]int{"half an image": 1}[tc.name]; x.resets != want {
			t.Errorf("%s: reset %d times", tc.name, x.resets)
		}
	}
}

func TestOpenSetsWhatIsNamed(t *testing.T) {
	for _, tc := range []struct {
		name     string
		params   [5]byte // of counter 0
		settings device.Settings
		want     [5]byte
		requests []byte
		read     string
	}{
		{"nothing", [5]byte{0x34, 0x10, 0, 3, 0x21}, nil, [5]byte{0x34, 0x10, 0, 3, 0x21}, nil, readTotal},
		{"cleared as it is", [5]byte{0, 1}, nil, [5]byte{0, 1}, nil, readClear},
		{"measures periods, counts down", [5]byte{0x31, 0x04, 0, 3}, device.Settings{"read": readClear}, [5]byte{0x30, 0x01, 0, 3}, []byte{0x11, 0x12}, readClear},
		{"all there is", [5]byte{0, 1, 0x0F, 0, 0x20}, device.Settings{"read": readTotal, "edge": "falling", "debounce": "100us", "gate_input": "low"},
			[5]byte{0, 0x10, 3, 0, 0x29}, []byte{0x12, 0x13, 0x14}, readTotal},
	} {
		x := &box{}
		x.params[0] = tc.params
		settings := device.Settings{"counters": "0"}
		maps.Copy(settings, tc.settings)
		x.wanted = []int{0}
		use(t, x, settings, func(src device.Source, err error) {
			if err != nil {
				t.Fatalf("%s: %v", tc.name, err)
			}
			if x.params[0] != tc.want || !bytes.Equal(x.requests, tc.requests) {
				t.Errorf("%s: counter set % x, requests % x", tc.name, x.params[0], x.requests)
			}
			d := src.Describe()
			i := slices.IndexFunc(d.Settings, func(s device.Setting) bool { return s.Key == "read" })
			if d.Settings[i].Value != tc.read || len(d.Differing()) > 0 || d.Serial != "01A23B4C" || d.Firmware != "FPGA 1.05" {
				t.Errorf("%s: %+v", tc.name, d)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, tc := range []struct {
		name     string
		change   func(*box)
		settings device.Settings
		says     string
	}{
		{"periods", func(x *box) { x.params[2][0] = 1 }, nil, "counter 2 measures periods (name the option read"},
		{"some are cleared", func(x *box) { x.params[2][1] = 1 }, nil, "1 of 8 counters are cleared by being read"},
		{"no counter 5", func(x *box) { x.ctr04 = true }, device.Settings{"counters": "5"}, "counter 5, and a USB-CTR04 has 4"},
		{"too fast to ask", func(*box) {}, device.Settings{"gate": 2 * time.Millisecond}, `name read = "scan"`},
		{"does not heed", func(x *box) { x.deaf = true }, device.Settings{"read": readClear}, `asked for "clear", the counters are set for "total"`},
	} {
		x := &box{}
		tc.change(x)
		use(t, x, tc.settings, func(_ device.Source, err error) {
			if !errors.Is(err, device.ErrSetting) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%s: %v", tc.name, err)
			}
		})
	}
}

// A thousand scans a second come twenty in a packet at most, whole.
func TestFastScan(t *testing.T) {
	x := &box{}
	x.params[3][1] = 1
	use(t, x, device.Settings{"read": readScan, "gate": time.Millisecond, "counters": "3"}, func(src device.Source, err error) {
		if err != nil {
			t.Fatal(err)
		}
		if x.samples != 80 || x.period != time.Millisecond || x.params[3][1] != 0 {
			t.Errorf("%d samples in a packet, every %v, options %02x", x.samples, x.period, x.params[3][1])
		}
		b, err := read(src, 2*time.Second)
		if err != nil || b.Len() < 1900 || b.Flags[0] != device.First {
			t.Fatalf("%d readings, %v", b.Len(), err)
		}
		for i := 1; i < b.Len(); i++ {
			if step := b.Values[0][i] - b.Values[0][i-1]; b.Flags[i] != 0 || step < 3000000000 || step > 3100000000 {
				t.Fatalf("reading %d: %d more, flags %v", i, step, b.Flags[i])
			}
		}
	})
}

func TestScanThatCannotKeepUp(t *testing.T) {
	for says, change := range map[string]func(*box){
		"scan overrun, status 0106":          func(x *box) { x.overrun = true },
		"the scan stands still, status 0100": func(x *box) { x.running = false },
		"the total of counter 0 was":         func(x *box) { x.counts[0] = 0 },
	} {
		x := &box{}
		use(t, x, device.Settings{"read": readScan}, func(src device.Source, err error) {
			if err != nil {
				t.Fatal(err)
			}
			if _, err := read(src, time.Second); err != nil {
				t.Fatal(err)
			}
			x.change(change)
			b, err := read(src, 10*time.Second)
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("want %q: %v", says, err)
			}
			if again := src.Read(b); again != err {
				t.Errorf("then: %v", again)
			}
		})
	}
}

func TestTotalsThatGoDown(t *testing.T) {
	x := &box{}
	use(t, x, nil, func(src device.Source, err error) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := read(src, time.Second); err != nil {
			t.Fatal(err)
		}
		if err := src.(device.Checker).Check(); err != nil {
			t.Error(err)
		}
		x.change(func(x *box) { x.params[4][1] = 4 })
		if err := src.(device.Checker).Check(); !errors.Is(err, device.ErrChanged) {
			t.Errorf("check: %v", err)
		}
		x.change(func(x *box) { x.counts = [8]uint64{} })
		if _, err := read(src, time.Second); !errors.Is(err, device.ErrChanged) {
			t.Errorf("%v", err)
		}
	})
}

func TestOptions(t *testing.T) {
	for _, text := range []string{"8", "-1", "1 1", "a", "0x1", "1;2"} {
		if list, err := parseCounters(text); err == nil {
			t.Errorf("%q names %v", text, list)
		}
	}
	if list, err := parseCounters("5, 0 1"); err != nil || !slices.Equal(list, []int{0, 1, 5}) {
		t.Errorf("%v, %v", list, err)
	}
	for input, want := range map[string]bool{"C7": true, "counter 0": true, "C8": false, "counter": false, "7": false, "C": false, "C10": false} {
		if Driver.Inputs.May(input) != want {
			t.Errorf("%q may be named: %v", input, !want)
		}
	}
	if a := Driver.Advise(device.Settings{"image": "x", "gate": time.Millisecond}); len(a) != 1 || a[0].Option != "gate" {
		t.Errorf("%v", a)
	}
	if list := Driver.Inputs.Known(device.Settings{"counters": "2"}); len(list) != 1 || list[0].Name != "C2" || list[0].Kind != device.Total {
		t.Errorf("%+v", list)
	}
}
