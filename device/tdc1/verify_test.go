package tdc1

import (
	"errors"
	"strings"
	"testing"
	"time"

	"photongate/device"
)

// A unit that restarts by itself, or is changed at it, may count for another time, or
// something else. No reading says it is what it is not.
func TestChangedByItself(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*box)
		want   string // what the error says; empty: none
	}{
		"longer":                    {func(x *box) { x.ms = 1000 }, `asked "time?" the unit said "200" and now says "1000"`},
		"shorter":                   {func(x *box) { x.ms = 100 }, `asked "time?" the unit said "200" and now says "100"`},
		"mode":                      {func(x *box) { x.mode = 1 }, `asked "mode?" the unit said "0" and now says "1"`},
		"threshold, with a loss":    {func(x *box) { x.volt, x.lose = 0.1, true }, `asked "level?" the unit said`},
		"clock, with a loss":        {func(x *box) { x.refclk, x.lose = 2, true }, `asked "refclk?" the unit said "0" and now says "2"`},
		"nothing but a loss":        {func(x *box) { x.lose = true }, ""},
		"a rounding, with a loss":   {func(x *box) { x.volt, x.lose = x.volt+0.001, true }, ""},
		"not told any more, a loss": {func(x *box) { x.mute, x.lose = []string{"time?", "level?"}, true }, ""},
		"told otherwise once": {func(x *box) {
			x.lose, x.wrongly = true, map[string]string{"time?": "20", "level?": "9 V", "refclk?": "what", "mode?": "3"}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			x := newBox()
			b := device.NewBatch(inputs)
			x.changeAt, x.change = 5, tc.change
			err := use(t, x, device.Settings{"gate": 200 * time.Millisecond}, 12*time.Second, func(_ device.Description, got *device.Batch) { b = got })
			if tc.want == "" {
				if err != nil || b.Len() < 20 {
					t.Errorf("%d readings, %v", b.Len(), err)
				}
				return
			}
			if !errors.Is(err, device.ErrChanged) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%d readings, %v, want %s", b.Len(), err, tc.want)
			}
			for row, v := range b.Values[0] {
				if n := v - 81403; n > 5 {
					t.Errorf("reading %d is measurement %d, made with other settings", row, n)
				}
			}
			if n := b.Notes[len(b.Notes)-1]; n.Gap == nil || n.Gap.Missing == 0 {
				t.Errorf("the last note is %+v", n)
			}
		})
	}
}

// A late answer of a unit that is as it was is a reading, flagged; only the question
// after it waits.
func TestLateAndVerified(t *testing.T) {
	x := newBox()
	x.changeAt, x.change = 5, func(x *box) { x.slow = 300 * time.Millisecond }
	err := use(t, x, device.Settings{"gate": 200 * time.Millisecond}, 4*time.Second, func(_ device.Description, b *device.Batch) {
		late := 0
		for row, f := range b.Flags {
			if b.Values[0][row] != 81404+uint64(row) {
				t.Errorf("reading %d is measurement %d", row, b.Values[0][row]-81403)
			}
			if f != 0 {
				late++
			}
		}
		if b.Flags[5] != device.Late || late != 1 || b.Uncertainty[5] != 150e6 {
			t.Errorf("flags %v, uncertainty %d", b.Flags, b.Uncertainty[5])
		}
		for _, n := range b.Notes {
			if n.Gap != nil {
				t.Errorf("%+v", *n.Gap)
			}
		}
	})
	if err != nil {
		t.Error(err)
	}
}
