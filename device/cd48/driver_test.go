package cd48

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

func TestConformance(t *testing.T) {
	repeating := func() *box {
		x := newBox()
		x.interval, x.repeat = 100, true
		return x
	}
	for _, tc := range []struct {
		name     string
		box      func() *box
		settings device.Settings
		gate     time.Duration
		exact    bool
		inserts  string // the bytes that do the worst to lines of numbers
		unseen   int    // digits lost, changed and put in
	}{
		{"repeat", newBox, device.Settings{"gate": 100 * time.Millisecond}, 100 * time.Millisecond, true, "7 \n\r\x00", 511},
		{"repeat, listened to", repeating, nil, 100 * time.Millisecond, true, "\n", 321},
		{"polled", newBox, device.Settings{"gate": 20 * time.Millisecond}, 20 * time.Millisecond, false, "7\n", 510},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			devicetest.Run(t, devicetest.Subject{
				Driver: Driver, Settings: tc.settings, Gate: tc.gate, Exact: tc.exact, Inserts: []byte(tc.inserts), Unseen: tc.unseen,
				Play: func(end *devicetest.End, truth *devicetest.Truth) {
					x := tc.box()
					x.latency = time.Millisecond
					x.play(end, truth)
				},
			})
		})
	}
}

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
		b := device.NewBatch(counters)
		for begin := time.Now(); err == nil && time.Since(begin) < d; {
			err = src.Read(b)
		}
		check(src.Describe(), b)
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

var everything = device.Settings{
	"gate": time.Second, "threshold": 0.8, "impedance": "50", "dac": 2.032, "coincidences": "4=CD 5=ABC",
}

func TestSettingsArePushedAndReadBack(t *testing.T) {
	for name, change := range map[string]func(*box){
		"silent":   func(*box) {},
		"OK":       func(x *box) { x.acks = "OK\r\n" },
		"echo":     func(x *box) { x.echo = true },
		"both":     func(x *box) { x.echo, x.acks = true, "OK\r\n" },
		"reversed": func(x *box) { x.reversed = true },
		"LF":       func(x *box) { x.end = "\n" },
		"repeats":  func(x *box) { x.repeat, x.interval = true, 100 },
	} {
		t.Run(name, func(t *testing.T) {
			x := newBox()
			change(x)
			repeating := x.repeat
			err := use(t, x, everything, 5*time.Second, func(d device.Description, b *device.Batch) {
				if d.Gate != time.Second || d.Timing != device.ByDevice || d.Firmware != "2.04" || d.Unverified {
					t.Errorf("description %+v", d)
				}
				var names []string
				for _, c := range d.Channels {
					names = append(names, c.Name)
				}
				if diff := cmp.Diff(names, []string{"A", "B", "C", "D", "CD", "ABC", "AD", "ABCD"}); diff != "" {
					t.Errorf("channels (-got +want):\n%s", diff)
				}
				for key, want := range map[string]device.Setting{
					"gate":      {Key: "gate", Value: "1s", How: device.ReadBack, Asked: "1s"},
					"threshold": {Key: "threshold", Value: "0.800", Unit: "V", How: device.ReadBack, Asked: "0.800"},
					"impedance": {Key: "impedance", Value: "50", How: howSent, Asked: "50"},
					"dac":       {Key: "dac", Value: "2.032", Unit: "V", How: howSent, Asked: "2.032"},
				} {
					if got := setting(d, key); got != want {
						t.Errorf("setting %+v, want %+v", got, want)
					}
				}
				if b.Len() < 2 || b.Len() > 5 {
					t.Errorf("%d readings in 5 s", b.Len())
				}
				if ev := b.Notes[0].Event; ev == nil || !strings.HasPrefix(ev.Text, "the box times its gates of 1s itself;") || !strings.Contains(ev.Text, `"L050\r"`) || !strings.Contains(ev.Text, `"S51110\r"`) {
					t.Errorf("opened event %+v does not list the commands", ev)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			var set []string
			for _, c := range x.commands {
				if !strings.Contains("cvpPE", c[:1]) {
					set = append(set, c)
				}
			}
			want := []string{"L050", "z", "V127", "S40011", "S51110", "r01000"}
			if !repeating {
				want = append(want, "R")
			}
			if diff := cmp.Diff(set, want); diff != "" {
				t.Errorf("commands (-got +want):\n%s", diff)
			}
			if repeating && slices.Contains(x.commands, "c") {
				t.Error("a box that repeats was asked for counts")
			}
		})
	}
}

// Without settings, opening asks and changes nothing.
func TestHandsOff(t *testing.T) {
	for _, repeat := range []bool{false, true} {
		x := newBox()
		x.repeat, x.interval = repeat, 500
		err := use(t, x, nil, 3*time.Second, func(d device.Description, b *device.Batch) {
			want := device.Description{Gate: defaultPoll, Timing: device.ByHostClearing}
			if repeat {
				want = device.Description{Gate: 500 * time.Millisecond, Timing: device.ByDevice}
			}
			if d.Gate != want.Gate || d.Timing != want.Timing {
				t.Errorf("repeat %v: gate %v by %s", repeat, d.Gate, d.Timing)
			}
			hint, says := "", "the box times its gates of 500ms itself; "
			if !repeat {
				hint = `polled every 100ms by this computer; set gate = "100ms" to let the box time itself`
				says = hint + "; "
			}
			if text := b.Notes[0].Event.Text; d.Hint != hint || !strings.HasPrefix(text, says) {
				t.Errorf("repeat %v: hint %q, opened: %s", repeat, d.Hint, text)
			}
			if b.Len() == 0 {
				t.Error("no readings")
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range x.commands {
			if !strings.Contains("cvp", c) {
				t.Errorf("repeat %v: sent %q", repeat, c)
			}
		}
	}
}

func TestPollingSwitchesRepeatOff(t *testing.T) {
	x := newBox()
	x.repeat, x.interval = true, 200
	err := use(t, x, device.Settings{"gate": 10 * time.Millisecond}, time.Second, func(d device.Description, b *device.Batch) {
		if b.Len() < 95 {
			t.Errorf("%d readings of 10 ms in 1 s", b.Len())
		}
		for row, l := range b.Length {
			if l < 5e6 || l > 15e6 || b.Flags[row] != 0 {
				t.Fatalf("reading %d: %d ns, flags %b", row, l, b.Flags[row])
			}
		}
	})
	if err != nil || x.repeat {
		t.Errorf("%v, repeat is %v", err, x.repeat)
	}
}

// Polling keeps to its grid and says how well it knows the edges.
func TestPolledEdges(t *testing.T) {
	x := newBox()
	x.latency = 6 * time.Millisecond
	err := use(t, x, device.Settings{"gate": 50 * time.Millisecond}, 10*time.Second, func(d device.Description, b *device.Batch) {
		for row := range b.Len() {
			if b.Length[row] != 50e6 || b.Uncertainty[row] != 3e6 || b.Live[row] != b.Length[row] {
				t.Fatalf("reading %d: length %d, uncertainty %d", row, b.Length[row], b.Uncertainty[row])
			}
		}
		if b.Len() < 195 {
			t.Errorf("%d readings in 10 s", b.Len())
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// However the computer is held up, the counters were cleared within the
// uncertainty of each edge, and a reading with an edge too uncertain to make a
// rate of it says so.
func TestHeldUp(t *testing.T) {
	t.Attr("fault", "F39")
	t.Attr("injected", "the host is held up for 4 to 120 ms in writing a question or reading its answer, polling a CD48 each 50 ms")
	t.Attr("promised", "each edge is within its stated uncertainty of when the counters were cleared; a reading with a vague edge is flagged late")
	checked, flagged := 0, 0
	defer func() {
		t.Attr("seen", fmt.Sprintf("%d edges within their uncertainty, %d readings flagged late", checked, flagged))
	}()
	const gate = 50 * time.Millisecond
	for name, tc := range map[string]struct {
		write, read time.Duration
		late        int // readings of ten that are flagged
	}{
		"hardly":           {write: 4 * time.Millisecond, read: 4 * time.Millisecond, late: 0},
		"after a command":  {write: 12 * time.Millisecond, late: 2},
		"before an answer": {read: 12 * time.Millisecond, late: 2},
		"for long":         {write: 120 * time.Millisecond, late: 2},
	} {
		t.Run(name, func(t *testing.T) {
			x := newBox()
			x.latency = time.Millisecond
			b := device.NewBatch(counters)
			devicetest.Bubble(t, x.play, func(p device.Port) {
				src, err := Driver.Open(t.Context(), device.OpenRequest{
					Port: &heldUp{Port: p, every: 10, write: tc.write, read: tc.read}, Settings: device.Settings{"gate": gate}, Clock: devicetest.Clock})
				if err != nil {
					t.Fatal(err)
				}
				for b.Len() < 100 && err == nil {
					err = src.Read(b)
				}
				if err != nil {
					t.Error(err)
				}
				_ = src.Close()
			})
			late, clears := 0, x.clears[len(x.clears)-101:]
			for row := range 100 {
				if off := b.Begin[row] - clears[row]; max(off, -off) > b.Uncertainty[row] {
					t.Errorf("reading %d begins %d ns from where the counters were cleared, and says %d ns", row, off, b.Uncertainty[row])
				}
				if b.Flags[row]&device.Late != 0 {
					late++
				} else if l := b.Length[row]; 10*b.Uncertainty[row] > l || l < int64(gate)*8/10 || l > int64(gate)*12/10 {
					t.Errorf("reading %d of %d ns, uncertain by %d ns, is not flagged", row, l, b.Uncertainty[row])
				}
			}
			checked, flagged = checked+100, flagged+late
			if late < 10*tc.late-1 || late > 10*tc.late+1 {
				t.Errorf("%d of 100 readings are flagged late, want about %d", late, 10*tc.late)
			}
		})
	}
}

// An answer that comes after its time is not taken for that to the next
// question: its counts are a gap.
func TestLateAnswer(t *testing.T) {
	x := newBox()
	x.late = 10
	err := use(t, x, device.Settings{"gate": 50 * time.Millisecond}, 20*time.Second, func(d device.Description, b *device.Batch) {
		gaps := 0
		for _, n := range b.Notes {
			if n.Gap == nil {
				continue
			}
			gaps++
			if n.Gap.Cause != device.CauseLost || !n.Gap.Known || n.Gap.Missing < 20 || n.Row > 0 && n.Row < b.Len() && n.Gap.Begin+n.Gap.Duration != b.Begin[n.Row] {
				t.Errorf("gap %+v", *n.Gap)
			}
		}
		if gaps < 5 {
			t.Errorf("%d gaps for an answer lost every ten", gaps)
		}
		for row := range b.Len() {
			if b.Length[row] > 60e6 {
				t.Errorf("reading %d is %d ns long", row, b.Length[row])
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestOverflow(t *testing.T) {
	t.Attr("fault", "F36")
	t.Attr("injected", "counters 0 and 7 of a CD48 overflow within a gate, timed by itself and polled")
	t.Attr("promised", "the flags stand at the two values of that reading, one event, and the counts as the box gave them")
	var seen []string
	defer func() { t.Attr("seen", strings.Join(seen, "; ")) }()
	for _, gate := range []time.Duration{100 * time.Millisecond, 50 * time.Millisecond} {
		x := newBox()
		x.status = func(n uint64) uint8 { return map[bool]uint8{true: 129}[n == 10] }
		err := use(t, x, device.Settings{"gate": gate}, 3*time.Second, func(_ device.Description, b *device.Batch) {
			overflows, events := 0, 0
			for row := range b.Len() {
				for c := range counters {
					if b.ValueFlags[c][row]&device.Overflow != 0 {
						overflows++
						if c != 0 && c != 7 || b.Values[0][row] != 57012+10 {
							t.Errorf("gate %v: overflow of counter %d in reading %d", gate, c, row)
						}
					}
				}
				if b.Flags[row] != 0 {
					t.Errorf("gate %v: reading %d has flags %b", gate, row, b.Flags[row])
				}
			}
			for _, n := range b.Notes {
				if n.Gap != nil {
					t.Errorf("gate %v: gap %+v", gate, *n.Gap)
				}
				if n.Event != nil && n.Event.What == "overflow cleared" {
					events++
				}
			}
			seen = append(seen, fmt.Sprintf("gate %v: %d values flagged, %d event", gate, overflows, events))
			if overflows != 2 || events != 1 {
				t.Errorf("gate %v: %d overflows, %d events", gate, overflows, events)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(strings.Join(x.commands, ""), "E"); n != 1 {
			t.Errorf("gate %v: E was sent %d times", gate, n)
		}
	}
}

func TestImplausibleIsKept(t *testing.T) {
	for _, tc := range []struct {
		name    string
		value   [counters]uint64
		status  uint8
		flagged bool
		suspect int // channel, or -1
	}{
		{"plausible", [counters]uint64{10, 9, 8, 7, 6, 5, 4, 3}, 0, false, -1},
		{"AB above B", [counters]uint64{10, 5, 8, 7, 6, 5, 4, 3}, 0, true, -1},
		{"AB above B that overflowed", [counters]uint64{10, 5, 8, 7, 6, 5, 4, 3}, 2, false, -1},
		{"25 bits", [counters]uint64{1 << 24, 9, 8, 7, 6, 5, 4, 3}, 0, true, 0},
		{"17 bits in counter 7", [counters]uint64{1 << 20, 1 << 20, 1 << 20, 1 << 20, 6, 5, 4, 1 << 16}, 0, true, 7},
	} {
		r := rows{subsets: subsets([counters]uint8{8, 4, 2, 1, 12, 10, 9, 15})}
		b := device.NewBatch(counters)
		r.add(b, counts{tc.value, tc.status}, 0)
		if got := b.Flags[0]&device.Implausible != 0; got != tc.flagged {
			t.Errorf("%s: implausible %v", tc.name, got)
		}
		for c := range counters {
			if b.Values[c][0] != tc.value[c] {
				t.Errorf("%s: value of counter %d changed", tc.name, c)
			}
			if got := b.ValueFlags[c][0]&device.Suspect != 0; got != (c == tc.suspect) {
				t.Errorf("%s: counter %d suspect: %v", tc.name, c, got)
			}
		}
	}
}

// A box that does not take a setting is read as it is, and says what was asked
// for and what it has: the gate that it counts by, the channels that it counts.
func TestSettingNotAccepted(t *testing.T) {
	for deaf, want := range map[string]device.Setting{
		"L": {Key: "threshold", Value: "0.160", Unit: "V", How: device.ReadBack, Asked: "0.800"},
		"S": {Key: "coincidences", Value: "0=A 1=B 2=C 3=D 4=AB 5=AC 6=AD 7=ABCD", How: device.ReadBack, Asked: "0=A 1=B 2=C 3=D 4=CD 5=ABC 6=AD 7=ABCD"},
		"r": {Key: "gate", Value: "300ms", How: device.ReadBack, Asked: "1s"},
	} {
		t.Run(deaf, func(t *testing.T) {
			t.Attr("fault", "F33")
			t.Attr("injected", "a CD48 that does not heed "+deaf)
			t.Attr("promised", "asked twice, read as it is, and the setting that differs is told with both values")
			x := newBox()
			x.deaf, x.trigger, x.interval = deaf, 10, 300
			err := use(t, x, everything, 5*time.Second, func(d device.Description, b *device.Batch) {
				if diff := cmp.Diff(d.Differing(), []device.Setting{want}); diff != "" {
					t.Errorf("settings that differ (-got +want):\n%s", diff)
				}
				if deaf == "r" && (d.Gate != 300*time.Millisecond || b.Len() < 10) || deaf == "S" && d.Channels[4].Name != "AB" || b.Len() == 0 {
					t.Errorf("%d readings by a gate of %v, counter 4 is %s", b.Len(), d.Gate, d.Channels[4].Name)
				}
				t.Attr("seen", fmt.Sprintf("%d readings; %s: asked for %s, read back %s", b.Len(), d.Differing()[0].Key, d.Differing()[0].Asked, d.Differing()[0].Value))
			})
			if err != nil {
				t.Fatal(err)
			}
			sent := 0
			for _, c := range x.commands {
				if c[:1] == deaf {
					sent++
				}
			}
			if want := map[string]int{"L": 2, "S": 4, "r": 2}[deaf]; sent != want {
				t.Errorf("sent %d times, want %d", sent, want)
			}
		})
	}
	x := newBox()
	x.deaf = "R"
	if err := use(t, x, everything, time.Second, func(device.Description, *device.Batch) {}); !errors.Is(err, device.ErrSetting) || !strings.Contains(err.Error(), "repeat mode is on: false") {
		t.Errorf("deaf to R: %v", err)
	}
}

// A firmware that does not answer "p" is read all the same, and its readings
// say that the settings are not known to be in force.
func TestNoReadBack(t *testing.T) {
	x := newBox()
	x.mute = "pv"
	err := use(t, x, everything, 6*time.Second, func(d device.Description, b *device.Batch) {
		if !d.Unverified || setting(d, "threshold").How != howSent || d.Channels[4].Name != "C4" {
			t.Errorf("description %+v", d)
		}
		if b.Len() < 3 {
			t.Errorf("%d readings", b.Len())
		}
		for row, f := range b.Flags {
			if f != device.Unverified {
				t.Errorf("reading %d has flags %b", row, f)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if !x.repeat {
		t.Error("repeat mode is off")
	}
}

// The longest gate takes no longer to open than the shortest, though it is only
// by listening that the state of repeat mode can be found out.
func TestLongGateWithoutReadBack(t *testing.T) {
	for _, repeat := range []bool{false, true} {
		x := newBox()
		x.mute, x.repeat, x.interval = "pv", repeat, 65535
		var took time.Duration
		devicetest.Bubble(t, x.play, func(p device.Port) {
			begin := time.Now()
			src, err := Driver.Open(t.Context(), device.OpenRequest{
				Port: p, Settings: device.Settings{"gate": maxGate}, Clock: devicetest.Clock})
			if took = time.Since(begin); err != nil {
				t.Errorf("repeat %v: %v", repeat, err)
				return
			}
			b := device.NewBatch(counters)
			for b.Len() == 0 && err == nil && time.Since(begin) < 5*maxGate {
				err = src.Read(b)
			}
			if err != nil || b.Len() == 0 || b.Length[0] != int64(maxGate) || slices.Contains(b.Values[0], 0) {
				t.Errorf("repeat %v: %v, lengths %v, values %v", repeat, err, b.Length, b.Values[0])
			}
			_ = src.Close()
		})
		if took > 8*time.Second || !x.repeat || x.interval != 65535 {
			t.Errorf("repeat %v: opened in %v, then repeat is %v each %d ms", repeat, took, x.repeat, x.interval)
		}
	}
}

func TestTerminators(t *testing.T) {
	for _, term := range []string{"cr", "lf", "none"} {
		x := newBox()
		err := use(t, x, device.Settings{"terminator": term, "gate": 100 * time.Millisecond}, 2*time.Second,
			func(_ device.Description, b *device.Batch) {
				if b.Len() < 10 {
					t.Errorf("%s: %d readings", term, b.Len())
				}
			})
		if err != nil {
			t.Errorf("%s: %v", term, err)
		}
	}
}

func TestOptionChecks(t *testing.T) {
	for _, tc := range []struct {
		option string
		value  any
		ok     bool
	}{
		{"gate", 100 * time.Millisecond, true},
		{"gate", 10500 * time.Microsecond, true},
		{"gate", 100500 * time.Microsecond, false},
		{"coincidences", "4=AB", true},
		{"coincidences", "9=AB", false},
	} {
		i := slices.IndexFunc(Driver.Options, func(o device.Option) bool { return o.Name == tc.option })
		if err := Driver.Options[i].Check(tc.value); (err == nil) != tc.ok {
			t.Errorf("%s = %v: %v", tc.option, tc.value, err)
		}
	}
}

func TestInputs(t *testing.T) {
	for input, want := range map[string]bool{
		"A": true, "D": true, "BD": true, "ABCD": true, "AB_5": true, "C4": true, "counter 0": true, "counter 7": true,
		"": false, "Z": false, "BA": false, "AA": false, "_5": false, "AB_8": false, "C8": false, "counter 8": false, "counter": false, "a": false,
	} {
		if got := Driver.Inputs.May(input); got != want {
			t.Errorf("%q: %v", input, got)
		}
	}
}

// What is known before the box is open is what it has when it is.
func TestKnownChannels(t *testing.T) {
	got := Driver.Inputs.Known(device.Settings{"coincidences": "4=CD 7=A"})
	if len(got) != 8 || got[0] != (device.Channel{Input: "counter 0", Kind: device.Count, Width: 24}) ||
		got[4].Name != "CD" || got[7] != (device.Channel{Name: "A", Input: "counter 7", Kind: device.Count, Width: 16}) {
		t.Errorf("%+v", got)
	}
}

func TestAdvice(t *testing.T) {
	for gate, want := range map[any]int{nil: 0, 100 * time.Millisecond: 0, 99 * time.Millisecond: 1} {
		if got := Driver.Advise(device.Settings{"gate": gate}); len(got) != want {
			t.Errorf("gate %v: %+v", gate, got)
		}
	}
}
