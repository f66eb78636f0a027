package cc1

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"photongate/device"
)

// slowBox answers as slowly as one at 19200 baud behind an adapter does.
func slowBox() *box {
	x := newBox()
	x.dwell, x.latency = time.Second, 17*time.Millisecond
	return x
}

// In continuous mode a reading's counts are what was counted in its live time, and
// gates are where they are, within what is stated.
func TestRunning(t *testing.T) {
	x := slowBox()
	const begun = 946684800e9 // when time begins in a test like this, and the box
	err := use(t, x, nil, 60*time.Second, nil, func(d device.Description, b *device.Batch) {
		if d.Timing != device.ByHostArrival || d.Gate != time.Second || b.Len() < 55 {
			t.Fatalf("%d readings by %+v", b.Len(), d)
		}
		for row := range b.Len() {
			if b.Flags[row] != 0 || b.Uncertainty[row] > 40e6 || b.Live[row] < 850e6 || b.Live[row] > b.Length[row] {
				t.Errorf("reading %d: flags %v, uncertainty %d, live %d of %d ns", row, b.Flags[row], b.Uncertainty[row], b.Live[row], b.Length[row])
			}
			// The gates that a box has begun are whole seconds apart, and count 977 more each.
			gate := math.Round(float64(b.Begin[row]-begun) / 1e9)
			rate := float64(b.Values[0][row]) / float64(b.Live[row]) * 1e9
			if want := 57012 + 977*gate; math.Abs(rate-want) > 0.05*want {
				t.Errorf("reading %d of gate %.0f: rate %.0f, want %.0f", row, gate, rate, want)
			}
			if off := b.Begin[row] - begun - int64(gate*1e9); max(off, -off) > b.Uncertainty[row] {
				t.Errorf("reading %d begins %d ns from where it did, and says %d ns", row, off, b.Uncertainty[row])
			}
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// A gate whose last totals could not be had in time says that it was live for a part
// of it only, and gates that nothing is known of are a gap.
func TestRunningSilence(t *testing.T) {
	x := slowBox()
	var back time.Time
	err := use(t, x, nil, 30*time.Second, func(device.Source) {
		x.by(func(x *box) {
			back = time.Now().Add(2300 * time.Millisecond)
			x.answer = func(string) string { return map[bool]string{true: "silence"}[time.Now().Before(back)] }
		})
	}, func(_ device.Description, b *device.Batch) {
		missing := uint64(0)
		for _, n := range b.Notes {
			if n.Gap != nil {
				missing += n.Gap.Missing
			}
		}
		for row := range b.Len() {
			if short := b.Flags[row]&device.Short != 0; short != (b.Live[row] < b.Length[row]/2) {
				t.Errorf("reading %d, live %d of %d ns, has flags %v", row, b.Live[row], b.Length[row], b.Flags[row])
			}
		}
		if missing < 1 || missing > 3 || b.Len() < 22 {
			t.Errorf("%d missing, %d readings", missing, b.Len())
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// A sample that takes long enough to be of two gates is left out, also when none of
// its totals is lower than in the sample before, of long ago.
func TestRunningHeldUp(t *testing.T) {
	x := slowBox()
	err := use(t, x, nil, 120*time.Second, func(device.Source) {
		x.by(func(x *box) {
			x.answer = func(command string) string {
				x.latency = 17 * time.Millisecond
				if command == "COUN:C1?" && x.n%3 == 0 && time.Since(x.begun) > x.dwell/2 {
					x.latency = 250 * time.Millisecond // of what is asked next
				}
				return ""
			}
		})
	}, func(_ device.Description, b *device.Batch) {
		for row, v := range b.Values[0] {
			gate := math.Round(float64(b.Begin[row]-946684800e9) / 1e9)
			// C2 counts so much for each of C1, and is asked for later.
			least := 0.98 * (27003 + 331*gate) / (57012 + 977*gate) * float64(v)
			if second := b.Values[1][row]; float64(second) < least {
				t.Errorf("reading %d of gate %.0f has %d and %d, which are not of one gate", row, gate, v, second)
			}
		}
		if b.Len() < 80 {
			t.Errorf("%d readings", b.Len())
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// Somebody who clears the box, or sets it, is noticed, and what comes is read on.
func TestClearedOutOfTurn(t *testing.T) {
	x := slowBox()
	err := use(t, x, nil, 30*time.Second, func(device.Source) {
		x.by(func(x *box) {
			x.next(time.Now()) // the box counts from now on
		})
	}, func(_ device.Description, b *device.Batch) {
		events := 0
		for _, n := range b.Notes {
			if n.Event != nil && n.Event.What == "cleared out of turn" {
				events++
			}
		}
		if events == 0 || b.Len() < 25 {
			t.Errorf("%d events, %d readings", events, b.Len())
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// In the dark nothing shows when the box clears: readings come all the same, are
// zero, and say how little is known of their edges.
func TestDark(t *testing.T) {
	x := slowBox()
	x.dark = true
	err := use(t, x, nil, 20*time.Second, nil, func(_ device.Description, b *device.Batch) {
		if b.Len() < 12 {
			t.Errorf("%d readings", b.Len())
		}
		for row := range b.Len() {
			if b.Values[0][row] != 0 || b.Length[row] < 990e6 || b.Length[row] > 1010e6 || b.Flags[row]&device.Late == 0 {
				t.Errorf("reading %d: %d, %d ns, flags %v", row, b.Values[0][row], b.Length[row], b.Flags[row])
			}
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// Totals that are never cleared are no gates of the dwell time.
func TestEndless(t *testing.T) {
	x := slowBox()
	x.endless = true
	err := use(t, x, nil, 30*time.Second, nil, func(_ device.Description, b *device.Batch) {
		if b.Len() > 0 {
			t.Errorf("%d readings", b.Len())
		}
	})
	if !errors.Is(err, device.ErrNonsense) || !strings.Contains(err.Error(), "were not cleared") {
		t.Errorf("continuous: %v", err)
	}
	x = slowBox()
	err = use(t, x, nil, 30*time.Second, func(device.Source) { x.by(func(x *box) { x.endless = true }) }, nil)
	if !errors.Is(err, device.ErrNonsense) || !strings.Contains(err.Error(), "were not cleared in 3 dwell times") {
		t.Errorf("continuous, from some time on: %v", err)
	}
	x = stopped()
	x.endless = true
	err = use(t, x, nil, 30*time.Second, nil, nil)
	if !errors.Is(err, device.ErrNonsense) || !strings.Contains(err.Error(), "goes on counting") {
		t.Errorf("start/stop: %v", err)
	}
}

// A live setting is changed and read back, or refused, and no gate is lost by it.
func TestSet(t *testing.T) {
	for _, stop := range []bool{true, false} {
		t.Run(fmt.Sprint("stop ", stop), func(t *testing.T) {
			x := newBox()
			x.stop, x.dwell = stop, 500*time.Millisecond
			err := use(t, x, nil, 12*time.Second, func(src device.Source) {
				set := src.(device.Setter).Set
				got, err := set("window", int64(7))
				want := device.Setting{Key: "window", Value: "7", Unit: "ns", How: device.ReadBack, Asked: "7"}
				x.by(func(x *box) {
					if err != nil || got != want || setting(src.Describe(), "window") != want || x.window != 7 {
						t.Errorf("%+v, %v", got, err)
					}
					x.deaf = ":DELA"
				})
				if _, err := set("delay", int64(4)); !errors.Is(err, device.ErrSetting) {
					t.Errorf("refused: %v", err)
				}
				for _, name := range []string{"gate", "trigger", "acks", "nothing"} {
					if _, err := set(name, true); !errors.Is(err, device.ErrSetting) {
						t.Errorf("%s: %v", name, err)
					}
				}
			}, func(_ device.Description, b *device.Batch) {
				if stop {
					inOrder(t, b, 20)
				}
				if b.Len() < 18 {
					t.Errorf("%d readings", b.Len())
				}
				for _, n := range b.Notes {
					if n.Gap != nil {
						t.Errorf("gap %+v", *n.Gap)
					}
				}
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// A box that came back with other settings is found when it is asked.
func TestCheck(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*box)
		want   string // empty: none
	}{
		"as it was": {func(*box) {}, ""},
		"mute": {func(x *box) {
			x.answer = func(c string) string { return map[bool]string{true: "silence"}[c == "WIND?"] }
		}, ""},
		"window":  {func(x *box) { x.window = 1 }, "window was 3 and is 1"},
		"gate":    {func(x *box) { x.dwell = 2 * time.Second }, "gate was 100ms and is 2s"},
		"trigger": {func(x *box) { x.stop = false }, "trigger was stop and is continuous"},
	} {
		t.Run(name, func(t *testing.T) {
			x := stopped()
			err := use(t, x, nil, 6*time.Second, func(src device.Source) {
				begin := time.Now()
				if err := src.(device.Checker).Check(); err != nil {
					t.Errorf("at first: %v", err)
				}
				x.by(tc.change)
				err := src.(device.Checker).Check()
				if tc.want == "" && err != nil || tc.want != "" && (!errors.Is(err, device.ErrChanged) || !strings.Contains(err.Error(), tc.want)) {
					t.Errorf("got %v, want %q", err, tc.want)
				}
				if took := time.Since(begin); took > 2*device.MaxSet {
					t.Errorf("two of them took %v", took)
				}
				x.by(func(x *box) { x.answer = nil })
			}, func(_ device.Description, b *device.Batch) {
				if tc.want == "" {
					inOrder(t, b, 30)
				}
			})
			if err != nil && (tc.want == "" || !errors.Is(err, device.ErrChanged)) {
				t.Error(err)
			}
		})
	}
}

func TestOptionChecks(t *testing.T) {
	for _, tc := range []struct {
		option string
		value  any
		ok     bool
	}{
		{"gate", time.Second, true}, {"gate", 1500 * time.Microsecond, false}, {"delay", int64(14), true}, {"delay", int64(3), false},
	} {
		for _, o := range Driver.Options {
			if o.Name == tc.option {
				if err := o.Check(tc.value); (err == nil) != tc.ok {
					t.Errorf("%s = %v: %v", tc.option, tc.value, err)
				}
			}
		}
	}
	if n := len(advise(device.Settings{"trigger": continuous, "subtract": true})); n != 2 {
		t.Errorf("%d pieces of advice", n)
	}
}
