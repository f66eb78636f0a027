package sr400

import (
	"errors"
	"strings"
	"testing"
	"time"

	"photongate/device"
)

// Scan after scan is read, not a point missing or twice, whoever starts them and
// whether or not the buffer is cleared.
func TestScans(t *testing.T) {
	for name, tc := range map[string]struct {
		change   func(*box)
		settings device.Settings
	}{
		"started":            {func(*box) {}, device.Settings{"start": true, "periods": int64(7)}},
		"again":              {func(x *box) { x.set["NE"] = 1 }, device.Settings{"start": true, "periods": int64(7)}},
		"again, not cleared": {func(x *box) { x.set["NE"], x.rolls = 1, true }, device.Settings{"start": true, "periods": int64(7)}},
		"again, late":        {func(x *box) { x.set["NE"], x.extra, x.latency = 1, 1900*time.Microsecond, 10*time.Microsecond }, device.Settings{"start": true, "periods": int64(7)}},
		"again, late, not cleared": {func(x *box) {
			x.set["NE"], x.rolls, x.extra, x.latency = 1, true, 1900*time.Microsecond, 10*time.Microsecond
		},
			device.Settings{"start": true, "periods": int64(7)}},
		"one point": {func(*box) {}, device.Settings{"start": true, "periods": int64(1)}},
	} {
		t.Run(name, func(t *testing.T) {
			x := newBox()
			tc.change(x)
			err := use(t, x, tc.settings, 6*time.Second, nil, func(_ device.Description, b *device.Batch) {
				inOrder(t, b, 1, 45)
				for row, f := range b.Flags {
					if f != 0 || b.Live[row] != 100e6 {
						t.Errorf("reading %d: flags %v, live %d", row, f, b.Live[row])
					}
				}
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// A scan that somebody starts again by hand is read on.
func TestStartedByHand(t *testing.T) {
	x := counting()
	x.set["NP"] = 20
	press := func(device.Source) {
		x.by(func(x *box) {
			x.reset()
			x.start()
		})
	}
	err := use(t, x, nil, 8*time.Second, press, func(_ device.Description, b *device.Batch) {
		inOrder(t, b, b.Values[0][0]/7-12345/7, 30)
		finished := 0
		for _, n := range b.Notes {
			if n.Event != nil && n.Event.What == "scan finished" {
				finished++
			}
		}
		if finished != 2 {
			t.Errorf("%d scans finished", finished)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// An instrument that does not count is open, says so, and is read when it begins.
func TestNotCounting(t *testing.T) {
	x := newBox()
	err := use(t, x, nil, 6*time.Second, func(device.Source) { x.by((*box).start) }, func(d device.Description, b *device.Batch) {
		if !strings.Contains(d.Hint, "start = true") {
			t.Errorf("hint %q", d.Hint)
		}
		inOrder(t, b, 1, 20)
	})
	if err != nil {
		t.Error(err)
	}
}

// A pause makes one interval longer and no count wrong.
func TestPaused(t *testing.T) {
	x := counting()
	pause := func(device.Source) {
		x.by(func(x *box) {
			x.command("CH")
		})
	}
	resumed := false
	err := use(t, x, nil, 8*time.Second, pause, func(_ device.Description, b *device.Batch) {
		inOrder(t, b, b.Values[0][0]/7-12345/7, 30)
		resumed = true
	})
	if err != nil || !resumed {
		t.Error(err)
	}
}

// Counters that are reset just when a point was read for the first time do not make
// it a reading without counts.
func TestResetInMidPoint(t *testing.T) {
	x := counting()
	x.resetAt = "QB12"
	err := use(t, x, nil, 8*time.Second, nil, func(_ device.Description, b *device.Batch) {
		inOrder(t, b, b.Values[0][0]/7-12345/7, 5)
	})
	if !errors.Is(err, device.ErrChanged) {
		t.Errorf("counters reset in the midst of a point: %v", err)
	}
}

func TestReset(t *testing.T) {
	x := counting()
	err := use(t, x, nil, 8*time.Second, func(device.Source) { x.by((*box).reset) }, func(_ device.Description, b *device.Batch) {
		inOrder(t, b, b.Values[0][0]/7-12345/7, 30)
	})
	if !errors.Is(err, device.ErrChanged) || !strings.Contains(err.Error(), "counters were reset") {
		t.Errorf("counters reset on the panel: %v", err)
	}
}

// A point that stays -1 is absent, never a count.
func TestAbsent(t *testing.T) {
	x := newBox()
	x.noCount = 5
	err := use(t, x, device.Settings{"start": true}, 5*time.Second, nil, func(_ device.Description, b *device.Batch) {
		if b.Len() < 30 {
			t.Fatalf("%d readings", b.Len())
		}
		for row := range b.Len() {
			absent := b.ValueFlags[0][row]&b.ValueFlags[1][row]&device.Absent != 0
			if absent != (row == 4) || !absent && b.Values[0][row] != 12345+7*uint64(row+1) || absent && b.Values[0][row] != 0 {
				t.Errorf("reading %d: %d, %v", row, b.Values[0][row], b.ValueFlags[0][row])
			}
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// Counting to a preset of B, and with a dwell time that an external signal ends,
// intervals are what is seen, and live times what is known of them.
func TestNotTimed(t *testing.T) {
	x := counting()
	x.set["CM"] = 3
	err := use(t, x, nil, 4*time.Second, nil, func(d device.Description, b *device.Batch) {
		if d.Gate != 0 || len(d.Channels) != 1 || d.Channels[0].Name != "A" {
			t.Errorf("description %+v", d)
		}
		inOrder(t, b, b.Values[0][0]/7-12345/7, 30)
		for row := range b.Len() {
			if off := b.Length[row] - 102e6; max(off, -off) > 10e6 || b.Live[row] != b.Length[row]-2e6 || b.Flags[row]&^device.Late != 0 {
				t.Errorf("reading %d: %d ns, live %d ns, flags %v", row, b.Length[row], b.Live[row], b.Flags[row])
			}
		}
	})
	if err != nil {
		t.Error(err)
	}
	x = counting()
	x.set["DT"], x.extra = 0, 30*time.Millisecond
	err = use(t, x, nil, 4*time.Second, nil, func(d device.Description, b *device.Batch) {
		inOrder(t, b, b.Values[0][0]/7-12345/7, 25)
		for row := range b.Len() {
			if b.Live[row] != 100e6 {
				t.Errorf("reading %d: live %d ns of %d ns", row, b.Live[row], b.Length[row])
			}
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// A live setting is changed and read back, or refused, and no count is lost by it.
func TestSet(t *testing.T) {
	x := counting()
	err := use(t, x, nil, 6*time.Second, func(src device.Source) {
		set := src.(device.Setter).Set
		got, err := set("threshold_a", 0.02)
		want := device.Setting{Key: "threshold_a", Value: "0.0200", Unit: "V", How: device.ReadBack, Asked: "0.0200"}
		x.by(func(x *box) {
			if err != nil || got != want || setting(src.Describe(), "threshold_a") != want || x.set["DL0"] != 0.02 {
				t.Errorf("%+v, %v", got, err)
			}
			x.deaf = "DS"
		})
		if _, err := set("slope_b", "rise"); !errors.Is(err, device.ErrSetting) {
			t.Errorf("refused: %v", err)
		}
		if _, err := set("gate", time.Second); !errors.Is(err, device.ErrSetting) {
			t.Errorf("gate: %v", err)
		}
	}, func(_ device.Description, b *device.Batch) { inOrder(t, b, b.Values[0][0]/7-12345/7, 45) })
	if err != nil {
		t.Error(err)
	}
}

// A scan full of old points while it counts cannot be joined; what to do is said.
func TestFullBuffer(t *testing.T) {
	x := newBox()
	x.set["NP"] = 3
	x.set["CP2"] = 1e8
	x.counting = true
	x.set["NE"], x.rolls = 1, true
	x.points = [][2]uint64{{1, 1}, {2, 2}, {3, 3}}
	err := use(t, x, nil, 6*time.Second, nil, nil)
	if err == nil || !strings.Contains(err.Error(), "name start = true") {
		t.Errorf("opened: %v", err)
	}
}
