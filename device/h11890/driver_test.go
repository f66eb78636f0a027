package h11890

import (
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/device"
	"photongate/device/devicetest"
)

func TestConformance(t *testing.T) {
	for _, tc := range []struct {
		name     string
		change   func(*head)
		settings device.Settings
	}{
		{"as it is", func(*head) {}, nil},
		{"set, and running when opened", func(x *head) { x.ticks, x.repeat, x.running, x.answers = 100000, 7, true, true }, device.Settings{"gate": 100 * time.Millisecond, "high_voltage": int64(900)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			devicetest.Run(t, devicetest.Subject{
				Driver: Driver, Settings: tc.settings, Gate: 100 * time.Millisecond, USB: info, Exact: true,
				PlayUSB: func(end *devicetest.USBEnd, truth *devicetest.Truth) {
					x := newHead()
					tc.change(x)
					x.play(end, truth)
				},
			})
		})
	}
}

func TestOpenSendsWhatIsNamed(t *testing.T) {
	for _, tc := range []struct {
		name     string
		change   func(*head)
		settings device.Settings
		want     []string
		opened   string
	}{
		{"nothing", func(*head) {}, nil, []string{"\r", "R", "V", "I", "I", "C"}, "nothing was set"},
		{"what it has already", func(*head) {}, device.Settings{"gate": 100 * time.Millisecond, "high_voltage": int64(1000)}, []string{"\r", "R", "V", "I", "I", "C"}, "nothing was set"},
		{"100 ms, 900 V, endless", func(x *head) { x.ticks, x.repeat = 100000, 3 }, device.Settings{"gate": 100 * time.Millisecond, "high_voltage": int64(900), "correction": true},
			[]string{"\r", "R", "V", "I", "I", "I\x00\x00\x00\x10\x27\x00\x00", "V\x00\x00\x00\x84\x03\x00\x00", "R\x00\x00\x00\x00\x00\x00\x00", "R", "V", "I", "I", "M"},
			"sent 49 00 00 00 10 27 00 00, 56 00 00 00 84 03 00 00, 52 00 00 00 00 00 00 00"},
	} {
		x := newHead()
		tc.change(x)
		use(t, x, tc.settings, func(src device.Source, err error) {
			if err != nil {
				t.Fatal(err)
			}
			b := device.NewBatch(1)
			if err := src.Read(b); err != nil {
				t.Error(err)
			}
			if text := b.Notes[0].Event.Text; !strings.Contains(text, tc.opened) {
				t.Errorf("%s: %s", tc.name, text)
			}
			if d := cmp.Diff(tc.want, x.commands); d != "" {
				t.Errorf("%s: %s", tc.name, d)
			}
		})
	}
}

// heard is a device that notes what is written to it.
type heard struct {
	device.USBDevice
	last string
}

func (h *heard) Out(endpoint uint8, p []byte, timeout time.Duration) (int64, error) {
	h.last = string(p)
	return h.USBDevice.Out(endpoint, p, timeout)
}

func TestCloseStopsTheHead(t *testing.T) {
	x := newHead()
	devicetest.BubbleUSB(t, info, x.play, func(usb device.USBDevice) {
		h := &heard{USBDevice: usb}
		src, err := Driver.Open(t.Context(), device.OpenRequest{USB: h, Clock: devicetest.Clock})
		if err != nil {
			t.Fatal(err)
		}
		if h.last != "C" {
			t.Errorf("started with %q", h.last)
		}
		if err := src.Close(); err != nil || h.last != "\r" {
			t.Errorf("Close sent %q, %v", h.last, err)
		}
	})
}

func TestSettingsThatAreNotHeeded(t *testing.T) {
	x := newHead()
	x.deaf = true
	use(t, x, device.Settings{"gate": time.Second, "high_voltage": int64(0)}, func(src device.Source, err error) {
		if err != nil {
			t.Fatal(err)
		}
		differ := src.Describe().Differing()
		if len(differ) != 2 || differ[0].Value != "100ms" || differ[0].Asked != "1s" || differ[1].Value != "1000" {
			t.Errorf("%+v", differ)
		}
	})
	x = newHead()
	x.deaf, x.repeat = true, 5
	use(t, x, nil, func(_ device.Source, err error) {
		if !errors.Is(err, device.ErrSetting) || !strings.Contains(err.Error(), "the head says 5 integrations") {
			t.Errorf("%v", err)
		}
	})
}

// read reads for a while.
func read(t *testing.T, src device.Source, d time.Duration) (*device.Batch, error) {
	t.Helper()
	b := device.NewBatch(1)
	for begin := time.Now(); time.Since(begin) < d; {
		if err := src.Read(b); err != nil {
			return b, err
		}
	}
	return b, nil
}

// An index that is left out tells how many integrations are missing.
func TestMissingIndex(t *testing.T) {
	x := newHead()
	x.lose = 10
	use(t, x, nil, func(src device.Source, err error) {
		if err != nil {
			t.Fatal(err)
		}
		b, err := read(t, src, 3*time.Second)
		i := slices.IndexFunc(b.Notes, func(n device.Note) bool { return n.Gap != nil })
		if err != nil || i < 0 {
			t.Fatalf("no gap in %+v, %v", b.Notes, err)
		}
		if n := b.Notes[i]; n.Row != 10 || n.Gap.Missing != 3 || !n.Gap.Known || n.Gap.Detail != "integration 13 came, expected 10" {
			t.Errorf("before row %d: %+v", n.Row, n.Gap)
		}
	})
}

func TestHeadThatBeginsAnew(t *testing.T) {
	x := newHead()
	x.restart = 5
	use(t, x, nil, func(src device.Source, err error) {
		if err != nil {
			t.Fatal(err)
		}
		b, err := read(t, src, 3*time.Second)
		if !errors.Is(err, device.ErrChanged) || b.Len() != 5 {
			t.Errorf("%d readings, %v", b.Len(), err)
		}
		if again := src.Read(b); again != err {
			t.Errorf("then: %v", again)
		}
	})
}

func TestOverloadBit(t *testing.T) {
	for word, want := range map[string]device.ChannelFlags{overloadNone: 0, overloadBit15: device.Overflow} {
		x := newHead()
		x.bright = true
		use(t, x, device.Settings{"overload": word}, func(src device.Source, err error) {
			if err != nil {
				t.Fatal(err)
			}
			b, err := read(t, src, time.Second)
			if err != nil || b.Len() < 5 || b.ValueFlags[0][0] != want || b.Values[0][0] != 45007 {
				t.Errorf("%s: %d readings, %v, flags %v, %v", word, b.Len(), b.Values, b.ValueFlags, err)
			}
		})
	}
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return append(b, make([]byte, 64-len(b))...)
}

func TestParse(t *testing.T) {
	ticks, err := parseAnswer(unhex(t, "49 00 00 00 A0 86 01 00"), 'I')
	if gate, ok := gateOf(ticks); err != nil || gate != time.Second || !ok {
		t.Errorf("%d, %v, %v, %v", ticks, gate, ok, err)
	}
	if p, err := parsePacket(unhex(t, "02 01 00 00 FF 7F 00 00")); err != nil || p != (packet{258, 32767}) {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := parseAnswer(unhex(t, "52 00 00 00 03 00 00 00"), 'I'); !errors.Is(err, device.ErrNonsense) {
		t.Errorf("an answer to another question: %v", err)
	}
	if _, err := parseAnswer(unhex(t, "42 43 00 00"), 'I'); err != errRefused {
		t.Errorf("BC: %v", err)
	}
	for _, n := range []int{0, 8, 63} {
		if _, err := parsePacket(make([]byte, n)); !errors.Is(err, device.ErrNonsense) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	for _, ticks := range []uint32{0, 1 << 31, 1<<32 - 1} {
		if _, ok := gateOf(ticks); ok {
			t.Errorf("%d units of 10 us are an integration time", ticks)
		}
	}
	if got := setCommand('R', 3); !slices.Equal(got, []byte{0x52, 0, 0, 0, 3, 0, 0, 0}) {
		t.Errorf("% x", got)
	}
}

func TestAdviceAndQuirks(t *testing.T) {
	if a := Driver.Advise(device.Settings{"high_voltage": int64(0), "correction": true}); len(a) != 1 || a[0].Option != "correction" {
		t.Errorf("%v", a)
	}
	if a := Driver.Advise(nil); len(a) != 1 || a[0].Option != "high_voltage" {
		t.Errorf("%v", a)
	}
	if err := checkGate(15 * time.Microsecond); err == nil {
		t.Error("15 us is a gate")
	}
	talk := []device.Exchange{{Bytes: unhex(t, "42 43 00 00")}, {Bytes: unhex(t, "05 00 00 00 00 80 00 00")}, {Bytes: make([]byte, 8)}}
	for _, q := range Driver.Quirks {
		if got := q.Met(talk); !strings.HasPrefix(got, "1 ") {
			t.Errorf("%s: %q", q.Name, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(unhex(f, "49 00 00 00 A0 86 01 00"))
	f.Fuzz(func(t *testing.T, p []byte) {
		a, err := parsePacket(p)
		if err == nil && (len(p) != 64 || padded(a.tag, a.value)[7] != p[7] || string(padded(a.tag, a.value)[:8]) != string(p[:8])) {
			t.Errorf("% x gave %+v", p, a)
		}
		if v, err := parseAnswer(p, 'I'); err == nil {
			if gate, ok := gateOf(v); ok && gate <= 0 {
				t.Errorf("%d units are %v", v, gate)
			}
		}
		s := &source{phase: device.NewPhase(time.Millisecond, 1, 0), gate: time.Millisecond}
		b := device.NewBatch(1)
		_ = s.take(b, a, 5)
		_ = s.take(b, packet{a.tag + 1, a.value}, 6)
		s.phase.Flush(b)
		for _, q := range Driver.Quirks {
			_ = q.Met([]device.Exchange{{Bytes: p}})
		}
	})
}
