package tdc1

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/device"
	"photongate/device/devicetest"
)

// use opens the driver on a box and reads for a time.
func use(t *testing.T, x *box, s device.Settings, d time.Duration, check func(device.Description, *device.Batch)) error {
	t.Helper()
	var err error
	devicetest.Bubble(t, x.play, func(p device.Port) {
		var src device.Source
		src, err = Driver.Open(t.Context(), device.OpenRequest{Port: p, Settings: s, Clock: devicetest.Clock})
		if err != nil {
			return
		}
		b := device.NewBatch(len(src.Describe().Channels))
		for begin := time.Now(); err == nil && time.Since(begin) < d; {
			before := time.Now()
			err = src.Read(b)
			if took := time.Since(before); took > device.MaxWait {
				t.Errorf("a Read took %v", took)
			}
		}
		check(src.Describe(), b)
		_ = src.Close()
	})
	return err
}

func nothing(device.Description, *device.Batch) {}

func setting(d device.Description, key string) device.Setting {
	i := slices.IndexFunc(d.Settings, func(s device.Setting) bool { return s.Key == key })
	if i < 0 {
		return device.Setting{}
	}
	return d.Settings[i]
}

// sets are the commands that ask nothing.
func (x *box) sets() []string {
	return slices.DeleteFunc(slices.Clone(x.commands), func(c string) bool { return strings.HasSuffix(c, "?") })
}

func opened(b *device.Batch) string {
	if len(b.Notes) == 0 || b.Notes[0].Event == nil || b.Notes[0].Event.What != "opened" {
		return ""
	}
	return b.Notes[0].Event.Text
}

// Without settings, opening asks and changes nothing.
func TestHandsOff(t *testing.T) {
	x := newBox()
	x.mode, x.ms, x.volt, x.refclk = 1, 250, 0.3, 2
	err := use(t, x, nil, 2*time.Second, func(d device.Description, b *device.Batch) {
		if d.Gate != 250*time.Millisecond || d.Timing != device.ByDeviceAsked || len(d.Channels) != 8 || d.Unverified || len(d.Differing()) > 0 {
			t.Errorf("description %+v", d)
		}
		want := []device.Setting{
			{Key: "gate", Value: "250ms", How: device.ReadBack},
			{Key: "mode", Value: "pairs", How: device.ReadBack},
			{Key: "threshold", Value: "0.300", Unit: "V", How: device.ReadBack},
			{Key: "refclk", Value: "internal", How: device.ReadBack},
			{Key: "external clock", Value: "0", How: device.ReadBack},
			{Key: "identification", Value: "S-Fifteen TDC1 v2", How: device.ReadBack},
		}
		if diff := cmp.Diff(d.Settings, want); diff != "" {
			t.Errorf("settings (-got +want):\n%s", diff)
		}
		if text := opened(b); !strings.Contains(text, "counts pairs for 250ms each time it is asked, and nothing between") {
			t.Errorf("opened: %s", text)
		}
		if b.Len() < 7 {
			t.Errorf("%d readings in 2 s", b.Len())
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := x.sets(); len(got) > 0 {
		t.Errorf("sent %q to a unit of which nothing was wanted", got)
	}
}

func TestSettingsArePushedAndReadBack(t *testing.T) {
	for name, tc := range map[string]struct {
		settings device.Settings
		sets     []string
		want     []device.Setting
	}{
		"threshold": {
			device.Settings{"gate": time.Second, "mode": "pairs", "threshold": -0.7, "refclk": "external"},
			[]string{"pairs", "time 1000", "neg -0.7", "refclk 1"},
			[]device.Setting{
				{Key: "gate", Value: "1s", How: device.ReadBack, Asked: "1s"},
				{Key: "mode", Value: "pairs", How: device.ReadBack, Asked: "pairs"},
				{Key: "threshold", Value: "-0.695", Unit: "V", How: device.ReadBack, Asked: "-0.695"}, // 89 steps of 1/128 V
				{Key: "refclk", Value: "external", How: device.ReadBack, Asked: "external"},
			},
		},
		"level": {
			device.Settings{"mode": "singles", "level": "ttl"}, []string{"singles", "ttl"},
			[]device.Setting{
				{Key: "mode", Value: "singles", How: device.ReadBack, Asked: "singles"},
				{Key: "level", Value: "ttl", How: "sent", Asked: "ttl"},
				{Key: "threshold", Value: "1.200", Unit: "V", How: device.ReadBack},
			},
		},
		"a time beyond 15 bits": { // 40000 ms are -25536 as a signed number of 16 bits
			device.Settings{"gate": 40 * time.Second, "threshold": 0.1}, []string{"time 40000", "pos 0.1"},
			[]device.Setting{{Key: "gate", Value: "40s", How: device.ReadBack, Asked: "40s"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := newBox()
			err := use(t, x, tc.settings, 300*time.Millisecond, func(d device.Description, b *device.Batch) {
				for _, want := range tc.want {
					if got := setting(d, want.Key); got != want {
						t.Errorf("setting %+v, want %+v", got, want)
					}
				}
				if len(d.Differing()) > 0 || d.Unverified {
					t.Errorf("differing %v, unverified %v", d.Differing(), d.Unverified)
				}
				for _, c := range tc.sets {
					if !strings.Contains(opened(b), fmt.Sprintf("%q", c)) {
						t.Errorf("the opening does not tell of %q: %s", c, opened(b))
					}
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(x.sets(), tc.sets); diff != "" {
				t.Errorf("sent (-got +want):\n%s", diff)
			}
		})
	}
}

// What the unit does not take is sent once more, then told as it is; the channels
// and the gate are those it has.
func TestSettingsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		change   func(*box)
		settings device.Settings
		differs  string // the setting, what the unit says and what was asked for
		gate     time.Duration
		channels int
	}{
		"time":      {func(x *box) { x.mishear = func(ms int) int { return ms / 10 } }, device.Settings{"gate": time.Second}, "gate 100ms 1s", 100 * time.Millisecond, 4},
		"mode":      {func(x *box) { x.deaf = []string{"pairs"} }, device.Settings{"mode": "pairs"}, "mode singles pairs", 100 * time.Millisecond, 4},
		"threshold": {func(x *box) { x.deaf = []string{"pos"} }, device.Settings{"threshold": 0.5}, "threshold -0.500 0.500", 100 * time.Millisecond, 4},
		"level":     {func(x *box) { x.deaf = []string{"ttl"} }, device.Settings{"level": "ttl"}, "level threshold of -0.5000 V negative ttl", 100 * time.Millisecond, 4},
		"refclk":    {func(x *box) { x.deaf = []string{"refclk"} }, device.Settings{"refclk": "internal"}, "refclk auto internal", 100 * time.Millisecond, 4},
	} {
		t.Run(name, func(t *testing.T) {
			x := newBox()
			tc.change(x)
			err := use(t, x, tc.settings, time.Second, func(d device.Description, b *device.Batch) {
				var list []string
				for _, s := range d.Differing() {
					list = append(list, s.Key+" "+s.Value+" "+s.Asked)
				}
				if diff := cmp.Diff(list, []string{tc.differs}); diff != "" {
					t.Errorf("differing (-got +want):\n%s", diff)
				}
				if d.Gate != tc.gate || len(d.Channels) != tc.channels || b.Len() < 5 {
					t.Errorf("gate %v, %d channels, %d readings", d.Gate, len(d.Channels), b.Len())
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if n := len(x.sets()); n != 2 {
				t.Errorf("sent %q, want one command twice", x.sets())
			}
		})
	}
}

// What the unit does not tell is taken as sent, and the readings say so.
func TestSettingsNotTold(t *testing.T) {
	x := newBox()
	x.mute = []string{"mode?", "time?", "level?", "refclk?", "eclock?"}
	s := device.Settings{"gate": 200 * time.Millisecond, "mode": "pairs", "threshold": 0.25, "refclk": "auto"}
	err := use(t, x, s, 2*time.Second, func(d device.Description, b *device.Batch) {
		if !d.Unverified || d.Gate != 200*time.Millisecond || len(d.Channels) != 8 {
			t.Errorf("unverified %v, gate %v, %d channels", d.Unverified, d.Gate, len(d.Channels))
		}
		for _, s := range d.Settings {
			if s.Key != "identification" && s.How != "sent" {
				t.Errorf("%+v", s)
			}
		}
		for row, f := range b.Flags {
			if f != device.Unverified {
				t.Errorf("reading %d is flagged %v", row, f)
			}
		}
		if b.Len() < 8 {
			t.Errorf("%d readings", b.Len())
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A level whose threshold the unit does not tell is not verified either.
func TestLevelNotTold(t *testing.T) {
	for _, mute := range []bool{false, true} {
		x := newBox()
		if mute {
			x.mute = []string{"level?"}
		}
		err := use(t, x, device.Settings{"level": "ttl"}, time.Second, func(d device.Description, b *device.Batch) {
			if d.Unverified != mute || mute && b.Flags[0] != device.Unverified {
				t.Errorf("mute %v: unverified %v, flags %v", mute, d.Unverified, b.Flags)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A unit that was left in timestamp mode is stopped and set to count, which the
// opening tells; so is one without a time.
func TestLeftInTimestampMode(t *testing.T) {
	for name, tc := range map[string]struct {
		streams  bool
		ms       int
		settings device.Settings
		sets     []string
		tells    []string
	}{
		"streaming, nothing named": {true, 0, nil, []string{"abort", "abort", "singles", "time 1000"},
			[]string{"it was sending (11 ef 01", "set to singles, as it was left in timestamp mode", "integration time was set to 1s"}},
		"streaming": {true, 0, device.Settings{"mode": "pairs", "gate": 100 * time.Millisecond}, []string{"abort", "abort", "pairs", "time 100"},
			[]string{"it was sending (11 ef 01", "it was in timestamp mode and was told to stop with abort"}},
		"at rest": {false, 100, nil, []string{"abort", "singles"}, []string{"was told to stop with abort; it was set to singles"}},
	} {
		t.Run(name, func(t *testing.T) {
			x := newBox()
			x.mode, x.ms, x.streams = 3, tc.ms, tc.streams
			err := use(t, x, tc.settings, 3*time.Second, func(d device.Description, b *device.Batch) {
				for _, want := range tc.tells {
					if !strings.Contains(opened(b), want) {
						t.Errorf("the opening does not say %q: %s", want, opened(b))
					}
				}
				if b.Len() < 2 {
					t.Errorf("%d readings", b.Len())
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(x.sets(), tc.sets); diff != "" {
				t.Errorf("sent (-got +want):\n%s", diff)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		change   func(*box)
		settings device.Settings
		want     string
	}{
		"stays in timestamp mode": {func(x *box) { x.mode, x.deaf = 3, []string{"singles"} }, nil, "it stays in timestamp mode"},
		"stays without a time":    {func(x *box) { x.ms, x.deaf = 0, []string{"time"} }, nil, "its integration time stays 0"},
		"level and threshold":     {func(*box) {}, device.Settings{"level": "nim", "threshold": -0.4}, "name level or threshold, not both"},
	} {
		err := use(t, func() *box { x := newBox(); tc.change(x); return x }(), tc.settings, 0, nothing)
		if !errors.Is(err, device.ErrSetting) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	x := newBox()
	x.busy = 40 * time.Second // a long measurement for another program
	if err := use(t, x, nil, 0, nothing); !errors.Is(err, device.ErrTimeout) || !strings.Contains(err.Error(), "up to 65 s") {
		t.Errorf("a busy unit: %v", err)
	}
}

func TestAdvice(t *testing.T) {
	for want, s := range map[string]device.Settings{
		"":                           {"gate": time.Second, "level": "nim"},
		"misses a good part":         {"gate": 10 * time.Millisecond},
		"level sets a threshold too": {"level": "nim", "threshold": -0.4},
	} {
		got := fmt.Sprint(Driver.Advise(s))
		if want == "" && got != "[]" || !strings.Contains(got, want) {
			t.Errorf("%v: %s", s, got)
		}
	}
	for _, o := range Driver.Options {
		if o.Check != nil && (o.Check(1500*time.Microsecond) == nil || o.Check(1500*time.Millisecond) != nil) {
			t.Errorf("%s: whole milliseconds only", o.Name)
		}
	}
}

func TestInputs(t *testing.T) {
	for input, may := range map[string]bool{
		"S1": true, "S4": true, "P13": true, "P24": true, "input 2": true, "pair 1-4": true,
		"S0": false, "S5": false, "P12": false, "pair 3-4": false, "input 5": false, "A": false,
	} {
		if Driver.Inputs.May(input) != may {
			t.Errorf("%q: %v", input, !may)
		}
	}
	if a, b := len(Driver.Inputs.Known(nil)), len(Driver.Inputs.Known(device.Settings{"mode": "pairs"})); a != 4 || b != 8 {
		t.Errorf("%d and %d channels are known", a, b)
	}
}

// A reference clock that is not there is told when the unit is opened.
func TestNoExternalClock(t *testing.T) {
	for _, tc := range []struct {
		settings device.Settings
		tells    bool
	}{
		{device.Settings{"mode": "timestamp", "refclk": "external"}, true},
		{device.Settings{"mode": "singles", "refclk": "external"}, true},
		{device.Settings{"mode": "timestamp", "refclk": "auto"}, false},
	} {
		x := newBox() // which has none
		err := use(t, x, tc.settings, time.Second, func(_ device.Description, b *device.Batch) {
			told := slices.ContainsFunc(b.Notes, func(n device.Note) bool { return n.Event != nil && n.Event.What == "no external clock" })
			if told != tc.tells {
				t.Errorf("%v: told %v", tc.settings, told)
			}
		})
		if err != nil {
			t.Errorf("%v: %v", tc.settings, err)
		}
	}
	if err := use(t, newBox(), device.Settings{"mode": "timestamp", "gate": time.Second}, 0, nothing); !errors.Is(err, device.ErrSetting) || !strings.Contains(err.Error(), "has no gates") {
		t.Errorf("a gate in mode timestamp: %v", err)
	}
}
