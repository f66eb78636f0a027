package cd48

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"photongate/device"
)

// A box that restarted by itself and came back with other settings is found
// when it is asked, whichever setting it is; one as it was, or that answers
// nothing clear, goes on, and not a reading is lost by asking.
func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*box)
		want   string // what the error says; empty: none
	}{
		"as it was":    {func(*box) {}, ""},
		"mute":         {func(x *box) { x.mute = "p" }, ""},
		"threshold":    {func(x *box) { x.trigger = 10 }, "threshold was 0.800 V and is 0.160 V"},
		"impedance":    {func(x *box) { x.high = 1 }, "impedance was 0 and is 1"},
		"coincidences": {func(x *box) { x.masks[4] = 12 }, "coincidences was 0=A 1=B 2=C 3=D 4=CD 5=AC 6=AD 7=ABCD and is 0=A 1=B 2=C 3=D 4=AB 5=AC 6=AD 7=ABCD"},
		"gate":         {func(x *box) { x.interval = 1000 }, "gate was 100ms and is 1s"},
	} {
		for _, reversed := range []bool{false, true} {
			t.Run(fmt.Sprint(name, reversed), func(t *testing.T) {
				x := newBox()
				x.reversed, x.interval = reversed, 100
				settings := device.Settings{"gate": 100 * time.Millisecond, "threshold": 0.8, "impedance": "50", "coincidences": "4=CD"}
				b, before := setWhileReading(t, x, settings, func(src device.Source) {
					begin := time.Now()
					if err := src.(device.Checker).Check(); err != nil {
						t.Errorf("at first: %v", err)
					}
					x.by(c.change)
					err := src.(device.Checker).Check()
					if want := "check memory: settings changed by themselves: " + c.want; c.want != "" && (!errors.Is(err, device.ErrChanged) || err.Error() != want) || c.want == "" && err != nil {
						t.Errorf("got  %v\nwant %s", err, want)
					}
					if took := time.Since(begin); took > 2*device.MaxSet {
						t.Errorf("two of them took %v", took)
					}
				})
				if name == "gate" {
					return // its lines come once a second now
				}
				nothingLost(t, b)
				if b.Len() < before+15 {
					t.Errorf("%d readings before, %d in all", before, b.Len())
				}
			})
		}
	}
}

// Between two questions it is asked as well, and an impedance that was set
// meanwhile is no change by itself.
func TestCheckWhenPolled(t *testing.T) {
	x := newBox()
	b, _ := setWhileReading(t, x, device.Settings{"gate": 90 * time.Millisecond}, func(src device.Source) {
		if _, err := src.(device.Setter).Set("impedance", "50"); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := src.(device.Checker).Check(); err != nil {
				t.Error(err)
			}
		}
		x.by(func(x *box) { x.high = 1 })
		if err := src.(device.Checker).Check(); !errors.Is(err, device.ErrChanged) {
			t.Errorf("after a change: %v", err)
		}
		x.by(func(x *box) { x.repeat = true; x.enable(true) })
		if err := src.(device.Checker).Check(); !errors.Is(err, device.ErrChanged) {
			t.Errorf("after repeat mode came on: %v", err)
		}
		x.by(func(x *box) { x.repeat = false })
	})
	if b.Len() < 10 {
		t.Errorf("%d readings", b.Len())
	}
}
