package cc1

import (
	"fmt"
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
		b := device.NewBatch(channels)
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

// inOrder fails unless the readings are those of whole gates, one after the other.
func inOrder(t *testing.T, b *device.Batch, least int) {
	t.Helper()
	if b.Len() < least {
		t.Fatalf("%d readings, want at least %d", b.Len(), least)
	}
	first := (b.Values[0][0] - 57012) / 977
	for row := range b.Len() {
		n := first + uint64(row)
		if b.Values[0][row] != 57012+977*n || b.Values[1][row] != 27003+331*n || b.Values[2][row] != 3007+101*n {
			t.Fatalf("reading %d is %d %d %d, want those of gate %d", row, b.Values[0][row], b.Values[1][row], b.Values[2][row], n)
		}
	}
	for _, n := range b.Notes {
		if n.Gap != nil {
			t.Errorf("gap %+v", *n.Gap)
		}
	}
}

func stopped() *box {
	x := newBox()
	x.stop = true
	return x
}

// Whatever the box says to the first questions, and however it writes numbers, it
// is found and read.
func TestGenerations(t *testing.T) {
	for name, change := range map[string]func(*box){
		"new":                       func(*box) {},
		"acknowledgements on":       func(x *box) { x.acks = true },
		"old":                       func(x *box) { x.old, x.version = true, "v2" },
		"old, units":                func(x *box) { x.old, x.version, x.units = true, "v2.1", true },
		"new, units, CR LF":         func(x *box) { x.units, x.end = true, "\r\n" },
		"first question is refused": func(x *box) { x.unknown = 1 },
		"3.0":                       func(x *box) { x.version = "v3.0" },
		"junk before counts":        func(x *box) { x.junk = "hello|Trigger!" },
		"slow":                      func(x *box) { x.latency = 90 * time.Millisecond },
		"slow behind an echo":       func(x *box) { x.acks, x.pause = true, 400*time.Millisecond },
		"first answer is missing": func(x *box) {
			asked := 0
			x.answer = func(c string) string {
				if c == "FIRM?" {
					asked++
				}
				return map[bool]string{true: "silence"}[asked == 1]
			}
		},
	} {
		for _, acks := range []any{nil, true, false} {
			t.Run(fmt.Sprint(name, acks), func(t *testing.T) {
				x := stopped()
				change(x)
				s := device.Settings{}
				if acks != nil {
					s["acks"] = acks
				}
				err := use(t, x, s, 4*time.Second, nil, func(d device.Description, b *device.Batch) {
					inOrder(t, b, map[bool]int{true: 1, false: 25}[strings.HasPrefix(name, "slow")])
					if d.Gate != 100*time.Millisecond || d.Firmware != x.version[1:] || d.Timing != device.ByDeviceAsked || d.Unverified {
						t.Errorf("description %+v", d)
					}
					for row := range b.Len() {
						if b.Length[row] != 100e6 || b.Live[row] != 100e6 || b.Flags[row]&^device.Late != 0 {
							t.Errorf("reading %d: %d ns, live %d ns, flags %v", row, b.Length[row], b.Live[row], b.Flags[row])
						}
						if off := b.Begin[row] - x.edges[row]; max(off, -off) > b.Uncertainty[row] {
							t.Errorf("reading %d begins %d ns from where it did, and says %d ns", row, off, b.Uncertainty[row])
						}
					}
				})
				if err != nil {
					t.Fatal(err)
				}
				if want := acks == true || acks == nil && x.acks; x.acks != (want && !x.old) && name != "old" {
					t.Errorf("acknowledgements are on: %v", x.acks)
				}
			})
		}
	}
}

// Without settings, opening asks and changes nothing; in continuous mode it does not
// even clear.
func TestHandsOff(t *testing.T) {
	for _, stop := range []bool{false, true} {
		x := newBox()
		x.stop = stop
		if err := use(t, x, nil, 3*time.Second, nil, func(d device.Description, b *device.Batch) {
			if b.Len() < 20 || (d.Hint == "") != stop {
				t.Errorf("%d readings, hint %q", b.Len(), d.Hint)
			}
		}); err != nil {
			t.Fatal(err)
		}
		for _, c := range x.commands {
			if !strings.HasSuffix(c, "?") && !(stop && c == "CLEA") {
				t.Errorf("stop %v: sent %q", stop, c)
			}
		}
	}
}

var everything = device.Settings{
	"gate": 200 * time.Millisecond, "trigger": startStop, "gate_input": true, "subtract": true, "window": int64(5), "delay": int64(6), "acks": false,
}

func TestSettingsArePushedAndReadBack(t *testing.T) {
	for _, old := range []bool{false, true} {
		x := newBox()
		x.old, x.units = old, true
		if old {
			x.version = "v2"
		}
		err := use(t, x, everything, 3*time.Second, nil, func(d device.Description, b *device.Batch) {
			inOrder(t, b, 10)
			var want []device.Setting
			for _, s := range [][3]string{{"gate", "200ms"}, {"gate_input", "true"}, {"window", "5", "ns"}, {"subtract", "true"}, {"delay", "6", "ns"}, {"trigger", "stop"}} {
				want = append(want, device.Setting{Key: s[0], Value: s[1], Unit: s[2], How: device.ReadBack, Asked: s[1]})
			}
			if diff := cmp.Diff(d.Settings[:len(want)], want); diff != "" || d.Unverified {
				t.Errorf("settings (-got +want):\n%s", diff)
			}
		})
		if err != nil || x.dwell != 200*time.Millisecond || !x.gate || !x.subtract || x.window != 5 || x.delay != 6 || !x.stop {
			t.Errorf("old %v: %v, box %+v", old, err, x)
		}
	}
}

// What the box does not take is sent twice, and told with both values.
func TestSettingNotAccepted(t *testing.T) {
	for deaf, want := range map[string]device.Setting{
		":DWEL": {Key: "gate", Value: "100ms", How: device.ReadBack, Asked: "200ms"},
		":WIND": {Key: "window", Value: "3", Unit: "ns", How: device.ReadBack, Asked: "5"},
		":SUBT": {Key: "subtract", Value: "false", How: device.ReadBack, Asked: "true"},
		":TRIG": {Key: "trigger", Value: "continuous", How: device.ReadBack, Asked: "stop"},
	} {
		for _, refuses := range []bool{false, true} {
			t.Run(fmt.Sprint(deaf, refuses), func(t *testing.T) {
				t.Attr("fault", "F33")
				t.Attr("injected", "a CC1 that does not heed "+deaf)
				t.Attr("promised", "sent twice, read as it is, and the setting that differs is told with both values")
				x := newBox()
				if x.deaf = deaf; refuses {
					x.answer = func(c string) string { return map[bool]string{true: "Unable to comply"}[strings.HasPrefix(c, deaf)] }
				}
				err := use(t, x, everything, 3*time.Second, nil, func(d device.Description, b *device.Batch) {
					if diff := cmp.Diff(d.Differing(), []device.Setting{want}); diff != "" || b.Len() < 8 {
						t.Errorf("%d readings, settings that differ (-got +want):\n%s", b.Len(), diff)
					}
					t.Attr("seen", fmt.Sprintf("%d readings; %+v", b.Len(), d.Differing()))
				})
				if n := strings.Count(strings.Join(x.commands, "\n"), deaf); err != nil || n != 2 {
					t.Errorf("sent %d times, want 2; %v", n, err)
				}
			})
		}
	}
}

func TestNoReadBack(t *testing.T) {
	x := newBox()
	x.answer = func(c string) string { return map[bool]string{true: "Unknown Command"}[c == "WIND?" || c == "TRIG?"] }
	err := use(t, x, everything, 3*time.Second, nil, func(d device.Description, b *device.Batch) {
		inOrder(t, b, 10)
		if s := setting(d, "window"); !d.Unverified || s.How != howSent || setting(d, "trigger").How != howSent {
			t.Errorf("unverified %v, %+v", d.Unverified, d.Settings)
		}
		if slices.ContainsFunc(b.Flags, func(f device.ReadingFlags) bool { return f != device.Unverified }) {
			t.Errorf("flags %v", b.Flags)
		}
	})
	if err != nil {
		t.Error(err)
	}
	x = newBox()
	x.answer = func(c string) string { return map[bool]string{true: "Unknown Command"}[c == "DWEL?"] }
	if err := use(t, x, nil, time.Second, nil, nil); err == nil || !strings.Contains(err.Error(), "name the option gate") {
		t.Errorf("a dwell time nobody knows: %v", err)
	}
}

// An answer that is missing, refused or late is asked for again; a count that the
// box never says is absent.
func TestTroubleWhileReading(t *testing.T) {
	for name, tc := range map[string]struct {
		every int
		say   string
	}{
		"silence":  {17, "silence"},
		"refused":  {5, "Unable to comply"},
		"nonsense": {7, "1x2"},
		"six junk": {9, "a\nb\nc\nd\ne\nf\ng"},
	} {
		t.Run(name, func(t *testing.T) {
			x := stopped()
			asked := 0
			x.answer = func(c string) string {
				if strings.HasPrefix(c, "COUN:C") {
					asked++
				}
				return map[bool]string{true: tc.say}[strings.HasPrefix(c, "COUN:C") && asked%tc.every == 0]
			}
			if err := use(t, x, nil, 20*time.Second, nil, func(_ device.Description, b *device.Batch) { inOrder(t, b, 25) }); err != nil {
				t.Error(err)
			}
		})
	}
	x := stopped()
	x.answer = func(c string) string { return map[bool]string{true: "Unable to comply"}[c == "COUN:CO?"] }
	err := use(t, x, nil, 3*time.Second, nil, func(_ device.Description, b *device.Batch) {
		if b.Len() < 10 {
			t.Errorf("%d readings", b.Len())
		}
		for row := range b.Len() {
			if b.ValueFlags[2][row] != device.Absent || b.Values[2][row] != 0 || b.ValueFlags[0][row] != 0 || b.Values[0][row] == 0 {
				t.Errorf("reading %d: %d, flags %v", row, b.Values[2][row], b.ValueFlags[2][row])
			}
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// A box that does not begin a gate with CLEA says the same counts again: they are
// flagged, and the option start has :COUN:ON sent.
func TestStart(t *testing.T) {
	x := stopped()
	x.coun = true
	err := use(t, x, nil, 3*time.Second, nil, func(_ device.Description, b *device.Batch) {
		for row, f := range b.Flags {
			if row > 0 && f&device.Implausible == 0 {
				t.Errorf("reading %d, as the one before, has flags %v", row, f)
			}
		}
	})
	if err != nil {
		t.Error(err)
	}
	x = stopped()
	x.coun = true
	if err := use(t, x, device.Settings{"start": startCount}, 3*time.Second, nil, func(_ device.Description, b *device.Batch) { inOrder(t, b, 20) }); err != nil {
		t.Error(err)
	}
}

// One number too many before the answer to FIRM? makes a set of counts doubtful.
func TestOneTooMany(t *testing.T) {
	x := stopped()
	x.stray = "77"
	err := use(t, x, nil, 3*time.Second, nil, func(_ device.Description, b *device.Batch) {
		inOrder(t, b, 20)
		for row, f := range b.Flags {
			want := device.ReadingFlags(0)
			if n := (b.Values[0][row] - 57012) / 977; n%3 == 2 {
				want = device.Implausible
			}
			if f != want {
				t.Errorf("reading %d has flags %v, want %v", row, f, want)
			}
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// What the box refuses when a gate is begun is told, and tried again.
func TestGateRefused(t *testing.T) {
	x := stopped()
	refused := 0
	x.answer = func(c string) string {
		if c == "CLEA" {
			refused++
		}
		return map[bool]string{true: "Unable to comply"}[c == "CLEA" && refused%4 == 0]
	}
	err := use(t, x, nil, 4*time.Second, nil, func(_ device.Description, b *device.Batch) {
		inOrder(t, b, 20)
		events := 0
		for _, n := range b.Notes {
			if n.Event != nil && n.Event.What == "gate not begun" {
				events++
			}
		}
		if events < 5 {
			t.Errorf("%d events for %d times refused", events, refused/4)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// A box that restarts counts a gate that nobody has begun: its counts are whole, and
// flagged, since the gate may be another; so are those after it, until the box was
// asked for its settings.
func TestRestart(t *testing.T) {
	x := stopped()
	restarted := uint64(0)
	err := use(t, x, nil, 12*time.Second, func(src device.Source) {
		back := time.Now().Add(1500 * time.Millisecond)
		x.by(func(x *box) {
			x.answer = func(string) string {
				if time.Now().Before(back) {
					return "silence"
				}
				if restarted == 0 {
					x.start()
					restarted = x.n
				}
				return ""
			}
		})
		b := device.NewBatch(channels)
		for end := back.Add(2 * time.Second); time.Now().Before(end); {
			if err := src.Read(b); err != nil {
				t.Fatal(err)
			}
		}
		flagged := 0
		for row, v := range b.Values[0] {
			n := (v - 57012) / 977
			if v != 57012+977*n {
				t.Errorf("reading %d is %d: no whole gate", row, v)
			}
			if b.Flags[row]&device.Unverified != 0 {
				flagged++
			} else if flagged > 0 || n >= restarted {
				t.Errorf("reading %d, of gate %d after the restart in %d, has flags %v", row, n, restarted, b.Flags[row])
			}
		}
		if flagged < 5 {
			t.Errorf("%d of %d readings flagged", flagged, b.Len())
		}
		if err := src.(device.Checker).Check(); err != nil {
			t.Error(err)
		}
	}, func(_ device.Description, b *device.Batch) {
		for row, flags := range b.Flags {
			if flags != 0 && row != 0 {
				t.Errorf("reading %d, before it or when the box had been asked for its settings, has flags %v", row, flags)
			}
		}
	})
	if err != nil {
		t.Error(err)
	}
}
