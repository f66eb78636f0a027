package sr400

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/device"
	"photongate/device/devicetest"
)

// use opens the driver on a box and reads for a time. During is called once in the
// middle, in the goroutine that reads.
func use(t *testing.T, x *box, s device.Settings, d time.Duration, during func(device.Source), check func(device.Description, *device.Batch)) error {
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
			if during != nil && time.Since(begin) > d/2 {
				during(src)
				during = nil
			}
			err = src.Read(b)
		}
		if check != nil {
			x.by(func(*box) { check(src.Describe(), b) })
		}
		_ = src.Close()
	})
	return err
}

func setting(d device.Description, key string) device.Setting {
	i := slices.IndexFunc(d.Settings, func(s device.Setting) bool { return s.Key == key })
	if i < 0 {
		return device.Setting{}
	}
	return d.Settings[i]
}

// inOrder fails unless the readings are those of the box from number first on, one
// after the other.
func inOrder(t *testing.T, b *device.Batch, first uint64, least int) {
	t.Helper()
	if b.Len() < least {
		t.Errorf("%d readings, want at least %d", b.Len(), least)
	}
	for row, v := range b.Values[0] {
		n := first + uint64(row)
		if v != 12345+7*n || len(b.Values) > 1 && b.Values[1][row] != 678+n {
			t.Fatalf("reading %d is %d, want that of period %d: %d", row, v, n, 12345+7*n)
		}
		if row > 0 && b.Begin[row] < b.Begin[row-1]+b.Length[row-1] {
			t.Errorf("reading %d begins %d ns before the one ahead ends", row, b.Begin[row-1]+b.Length[row-1]-b.Begin[row])
		}
	}
	for _, n := range b.Notes {
		if n.Gap != nil {
			t.Errorf("gap %+v", *n.Gap)
		}
	}
}

func counting() *box {
	x := newBox()
	x.counting = true
	return x
}

// Without settings, opening asks and changes nothing, and the scan that is going on
// is joined.
func TestHandsOff(t *testing.T) {
	x := counting()
	err := use(t, x, nil, 3*time.Second, nil, func(d device.Description, b *device.Batch) {
		if d.Gate != 102*time.Millisecond || d.Unverified || d.Hint != "" || setting(d, "gate").Value != "100ms" || setting(d, "threshold_a").Value != "-0.0100" {
			t.Errorf("description %+v", d)
		}
		inOrder(t, b, b.Values[0][0]/7-12345/7, 20)
		for row, l := range b.Live {
			if l != 100e6 || row > 5 && (b.Length[row] < 101e6 || b.Length[row] > 103e6) {
				t.Errorf("reading %d: %d ns of %d ns", row, l, b.Length[row])
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	question := regexp.MustCompile(`^(SS|SI2|CM|CI[012]|CP[12]|NP|NE|DT|D[SL][01]|GM[01]|Q[AB]\d+)$`)
	for _, c := range x.commands {
		if !question.MatchString(c) {
			t.Errorf("sent %q", c)
		}
	}
}

var everything = device.Settings{
	"gate": 500 * time.Millisecond, "dwell": 5 * time.Millisecond, "mode": "a+b", "periods": int64(40), "at_end": "stop", "start": true,
	"input_a": "input1", "input_b": "input1", "input_t": "10mhz", "threshold_a": 0.0124, "threshold_b": -0.3, "threshold_t": 1.5,
	"slope_a": "fall", "slope_t": "fall", "gate_input_a": "fixed", "gate_delay_a": 3 * time.Microsecond, "gate_width_a": 250 * time.Nanosecond,
	"port_1": -4.5, "panel": "remote", "b_preset": 2e6, "baud": int64(9600), "address": int64(23), "adapter": "none",
}

func TestSettingsArePushedAndReadBack(t *testing.T) {
	x := counting()
	err := use(t, x, everything, 5*time.Second, nil, func(d device.Description, b *device.Batch) {
		if d.Gate != 505*time.Millisecond || d.Unverified || len(d.Differing()) > 0 {
			t.Errorf("description %+v, differing %+v", d, d.Differing())
		}
		for key, want := range map[string]device.Setting{
			"gate":         {Key: "gate", Value: "500ms", How: device.ReadBack, Asked: "500ms"},
			"dwell":        {Key: "dwell", Value: "5ms", How: device.ReadBack, Asked: "5ms"},
			"mode":         {Key: "mode", Value: "a+b", How: device.ReadBack, Asked: "a+b"},
			"threshold_a":  {Key: "threshold_a", Value: "0.0124", Unit: "V", How: device.ReadBack, Asked: "0.0124"},
			"gate_width_a": {Key: "gate_width_a", Value: "250ns", How: device.ReadBack, Asked: "250ns"},
			"slope_b":      {Key: "slope_b", Value: "fall", How: device.ReadBack},
			"panel":        {Key: "panel", Value: "remote", How: device.ReadBack, Asked: "remote"},
		} {
			if got := setting(d, key); got != want {
				t.Errorf("setting %+v, want %+v", got, want)
			}
		}
		if b.Len() < 8 {
			t.Errorf("%d readings", b.Len())
		}
		if text := b.Notes[0].Event.Text; !strings.Contains(text, `"CP 2,5E6"`) || !strings.Contains(text, `"CR;CS;SS"`) {
			t.Errorf("opened: %s", text)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	var set []string
	for _, c := range x.commands {
		if _, asks := x.set[c]; !asks && !regexp.MustCompile(`^(Q[AB]\d+|SS|SI2)$`).MatchString(c) {
			set = append(set, c)
		}
	}
	// What it has already is not sent: slope_a, input_a, input_t, at_end.
	want := []string{"CM2", "CI1,1", "CP2,5E6", "CP1,2E6", "NP40", "DT5E-03", "DL0,0.0124", "DL1,-0.3000", "TS1", "TL1.500",
		"GM0,1", "GD0,3E-06", "GW0,2.5E-07", "PL1,-4.500", "MI1", "CR", "CS"}
	if diff := cmp.Diff(set, want); diff != "" {
		t.Errorf("commands (-got +want):\n%s", diff)
	}
}

// What the instrument does not take is sent twice, and told with both values.
func TestSettingNotAccepted(t *testing.T) {
	for deaf, want := range map[string]device.Setting{
		"CP2": {Key: "gate", Value: "100ms", How: device.ReadBack, Asked: "500ms"},
		"DL0": {Key: "threshold_a", Value: "-0.0100", Unit: "V", How: device.ReadBack, Asked: "0.0124"},
		"GM0": {Key: "gate_input_a", Value: "open", How: device.ReadBack, Asked: "fixed"},
	} {
		t.Run(deaf, func(t *testing.T) {
			t.Attr("fault", "F33")
			t.Attr("injected", "an SR400 that does not heed "+deaf)
			t.Attr("promised", "sent twice, read as it is, and the setting that differs is told with both values")
			x := counting()
			x.deaf = deaf
			err := use(t, x, everything, 5*time.Second, nil, func(d device.Description, b *device.Batch) {
				if diff := cmp.Diff(d.Differing(), []device.Setting{want}); diff != "" {
					t.Errorf("settings that differ (-got +want):\n%s", diff)
				}
				if b.Len() < 8 {
					t.Errorf("%d readings", b.Len())
				}
				t.Attr("seen", fmt.Sprintf("%d readings; %+v", b.Len(), d.Differing()))
			})
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(strings.Join(x.commands, " ")+" ", " "+deaf+","); n != 2 {
				t.Errorf("sent %d times, want 2", n)
			}
		})
	}
}

func TestNoReadBack(t *testing.T) {
	x := counting()
	x.mute = "PL"
	err := use(t, x, device.Settings{"port_2": 1.25}, 3*time.Second, nil, func(d device.Description, b *device.Batch) {
		if s := setting(d, "port_2"); !d.Unverified || s.How != howSent || s.Value != "1.250" {
			t.Errorf("unverified %v, setting %+v", d.Unverified, s)
		}
		for row, f := range b.Flags {
			if f&device.Unverified == 0 {
				t.Errorf("reading %d has flags %v", row, f)
			}
		}
	})
	if err != nil || x.set["PL2"] != 0 {
		t.Errorf("%v, %v", err, x.set["PL2"])
	}
}

func TestEchoIsRefused(t *testing.T) {
	x := counting()
	x.echo = true
	err := use(t, x, nil, time.Second, nil, nil)
	var e *device.Error
	if !errors.Is(err, device.ErrNonsense) || !errors.As(err, &e) || !strings.Contains(e.Hint, "ECHO off") {
		t.Errorf("opened with echo on: %v", err)
	}
	x = counting()
	err = use(t, x, nil, 2*time.Second, func(device.Source) { x.by(func(x *box) { x.echo = true }) }, nil)
	if !errors.As(err, &e) || !strings.Contains(e.Hint, "ECHO off") {
		t.Errorf("echo came on: %v", err)
	}
}

func TestSpoiledFirstCharacter(t *testing.T) {
	x := counting()
	x.garbage = true
	if err := use(t, x, nil, time.Second, nil, func(_ device.Description, b *device.Batch) {
		inOrder(t, b, b.Values[0][0]/7-12345/7, 5)
	}); err != nil {
		t.Error(err)
	}
}

// However the lines end, and behind an adapter, the same is read.
func TestLineEnds(t *testing.T) {
	for _, end := range []string{"\r", "\n", "\r\n", "\n\r"} {
		x := counting()
		x.end = end
		if err := use(t, x, nil, 2*time.Second, nil, func(_ device.Description, b *device.Batch) {
			inOrder(t, b, b.Values[0][0]/7-12345/7, 12)
		}); err != nil {
			t.Errorf("%q: %v", end, err)
		}
	}
}

func TestAdapter(t *testing.T) {
	x := newBox()
	x.adapter = true
	s := device.Settings{"adapter": "prologix", "address": int64(5), "start": true, "threshold_a": 0.1}
	if err := use(t, x, s, 2*time.Second, nil, func(d device.Description, b *device.Batch) {
		inOrder(t, b, 1, 15)
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(x.commands[:4], []string{"++savecfg 0", "++mode 1", "++addr 5", "++auto 1"}); diff != "" {
		t.Errorf("at first (-got +want):\n%s", diff)
	}
	i := slices.Index(x.commands, "DL0,0.1000")
	if i < 0 || x.commands[i-1] != "++auto 0" || x.commands[i+1] != "++auto 1" {
		t.Errorf("a command nobody answers is not sent with ++auto 0: %q", x.commands)
	}
	err := use(t, newBox(), s, time.Second, nil, nil) // no adapter there: "++..." is an illegal command, LF an end like CR
	if err != nil {
		t.Errorf("an adapter named where there is none: %v", err)
	}
}

// Every edge is where it was, within what is stated, also when a period is a bit
// longer than documented.
func TestEdges(t *testing.T) {
	for _, extra := range []time.Duration{0, 1500 * time.Microsecond} {
		x := newBox()
		x.extra, x.latency = extra, 4*time.Millisecond
		err := use(t, x, device.Settings{"start": true}, 20*time.Second, nil, func(d device.Description, b *device.Batch) {
			inOrder(t, b, 1, 180)
			widest := int64(0)
			for row := range b.Len() {
				begin := x.starts[0]
				if row > 0 {
					begin = x.periods[row-1]
				}
				if off := b.Begin[row] - begin; max(off, -off) > b.Uncertainty[row] {
					t.Errorf("reading %d begins %d ns from where it did, and says %d ns", row, off, b.Uncertainty[row])
				}
				if row > 100 {
					widest = max(widest, b.Uncertainty[row])
				}
			}
			if widest > 3e6 { // a question takes 4 ms
				t.Errorf("after a hundred periods still uncertain by %d ns", widest)
			}
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestOverflow(t *testing.T) {
	t.Attr("fault", "F36")
	t.Attr("injected", "bit 3 in the status byte of an SR400")
	t.Attr("promised", "both values of that reading flagged, one event")
	x := counting()
	err := use(t, x, nil, 4*time.Second, func(device.Source) { x.by(func(x *box) { x.bits |= statusOverflow | statusRate }) }, func(_ device.Description, b *device.Batch) {
		flagged, events := 0, 0
		for row := range b.Len() {
			if b.ValueFlags[0][row] == device.Overflow && b.ValueFlags[1][row] == device.Overflow && b.Flags[row] == device.Short {
				flagged++
			} else if b.ValueFlags[0][row] != 0 || b.Flags[row] != 0 {
				t.Errorf("reading %d: flags %v, %v", row, b.Flags[row], b.ValueFlags[0][row])
			}
		}
		for _, n := range b.Notes {
			if n.Event != nil && (n.Event.What == "overflow" || n.Event.What == "rate error") {
				events++
			}
		}
		t.Attr("seen", fmt.Sprintf("%d readings flagged, %d events", flagged, events))
		if flagged != 1 || events != 2 {
			t.Errorf("%d readings flagged, %d events", flagged, events)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A change at the front panel is told and asked for.
func TestPanel(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*box)
		want   string // of the error; empty: none
	}{
		"back again": {func(*box) {}, ""},
		"threshold":  {func(x *box) { x.set["DL1"] = 0.05 }, "threshold_b was -0.0100 and is 0.0500"},
		"mark":       {func(x *box) { x.set["DL0"] = 0 }, "threshold_a was -0.0100 and is 0.0000"},
		"gate":       {func(x *box) { x.set["CP2"] = 2e6 }, "t_preset was 1000000 and is 2000000"},
	} {
		t.Run(name, func(t *testing.T) {
			x := counting()
			changed := 0
			err := use(t, x, nil, 3*time.Second, func(device.Source) {
				x.by(func(x *box) {
					tc.change(x)
					x.bits |= statusPanel
				})
			}, func(_ device.Description, b *device.Batch) {
				mixed := slices.Index(b.Flags, device.Mixed)
				if mixed < 5 || b.Len() < mixed+5 {
					t.Fatalf("flags %v", b.Flags)
				}
				for row, f := range b.Flags[mixed+1:] {
					if f&device.Unverified == 0 {
						t.Errorf("reading %d after it has flags %v", row, f)
					}
				}
				changed = mixed
			})
			if err != nil || changed == 0 {
				t.Fatal(err)
			}
			x = counting()
			err = use(t, x, nil, 3*time.Second, func(src device.Source) {
				if err := src.(device.Checker).Check(); err != nil {
					t.Errorf("before: %v", err)
				}
				x.by(tc.change)
				err := src.(device.Checker).Check()
				if tc.want == "" && err != nil || tc.want != "" && (!errors.Is(err, device.ErrChanged) || !strings.Contains(err.Error(), tc.want)) {
					t.Errorf("got %v, want %s", err, tc.want)
				}
			}, func(_ device.Description, b *device.Batch) { inOrder(t, b, b.Values[0][0]/7-12345/7, 10) })
			if err != nil {
				t.Error(err)
			}
		})
	}
}
