package sr400

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"photongate/device"
)

// Whichever answer is held back and for however long, also behind an adapter that is one
// answer behind from then on, and wherever a line too many comes: no count is taken for
// another, or stands in another place. The answers are those of the end of opening and
// of the points after it, at the wrap of the buffer as well.
func TestOutOfStep(t *testing.T) {
	t.Attr("fault", "F35")
	t.Attr("injected", "each answer of an SR400 in turn held back for 0.5 s to 9 s, left unread in an adapter, or preceded by a line too many")
	t.Attr("promised", "no count of A under B, none of one point at another, none lost; where the instrument overwrites its buffer meanwhile, the reading ends and says so")
	sessions, absent, nth := 0, 0, 0
	for name, tc := range map[string]struct {
		again, adapter bool
		hold           time.Duration
		extra          bool
		periods        int64 // of a scan; 0: 2000
		most           int   // sessions that may end, or not begin, with an error
	}{
		"0.5 s":               {hold: 500 * time.Millisecond},
		"0.999 s":             {hold: 999 * time.Millisecond},
		"1.001 s":             {hold: 1001 * time.Millisecond},
		"1.16 s":              {hold: 1160 * time.Millisecond},
		"1.5 s":               {hold: 1500 * time.Millisecond},
		"2.3 s":               {hold: 2300 * time.Millisecond},
		"9 s":                 {hold: 9 * time.Second, most: 1},
		"1.5 s, wrap":         {hold: 1500 * time.Millisecond, again: true, periods: 20, most: 30},
		"0.3 s, wrap":         {hold: 300 * time.Millisecond, again: true, periods: 4, most: 30},
		"1.5 s, wraps":        {hold: 1500 * time.Millisecond, again: true, periods: 4, most: 30},
		"1.5 s, adapter":      {hold: 1500 * time.Millisecond, adapter: true},
		"unread":              {adapter: true},
		"unread, wrap":        {adapter: true, again: true, periods: 20, most: 30},
		"line too many":       {extra: true},
		"line too many, wrap": {extra: true, again: true, periods: 4, most: 30},
	} {
		t.Run(name, func(t *testing.T) {
			nth++ // so that all answers get their turn, though not with each of these
			ended := 0
			for at := 40 + nth%3; at < 130; at += 3 {
				x := newBox()
				x.adapter, x.holdFor = tc.adapter, tc.hold
				s := device.Settings{"start": true, "periods": max(tc.periods, 1)}
				if tc.periods == 0 {
					s["periods"] = int64(maxPoints)
				}
				if x.holdAt = at; tc.extra {
					x.holdAt, x.extraAt = 0, at
				}
				if tc.again {
					x.set["NE"] = 1
				}
				if tc.adapter {
					s["adapter"] = "prologix"
				}
				read := 0
				err := use(t, x, s, tc.hold+8*time.Second, nil, func(_ device.Description, b *device.Batch) {
					sessions++
					read = b.Len()
					n, err := inPlace(b, tc.again)
					if err != nil {
						t.Errorf("answer %d: %v", at, err)
					}
					absent += n
				})
				if err == nil && read < 40 {
					t.Errorf("answer %d: %d readings", at, read)
				}
				if err != nil {
					if ended++; ended > tc.most || !errors.Is(err, device.ErrChanged) && !errors.Is(err, device.ErrTimeout) {
						t.Errorf("answer %d: %v", at, err)
					}
				}
			}
		})
	}
	t.Attr("seen", fmt.Sprintf("%d sessions, no count in a wrong place, %d absent at wraps", sessions, absent))
}

// inPlace reports whether each reading that has counts has those of its period; the
// others may be absent at the wrap of a buffer.
func inPlace(b *device.Batch, wraps bool) (absent int, err error) {
	for row := range b.Len() {
		if b.ValueFlags[0][row]&b.ValueFlags[1][row]&device.Absent != 0 {
			if absent++; !wraps {
				return absent, fmt.Errorf("reading %d is absent", row)
			}
			continue
		}
		if n := uint64(row) + 1; b.Values[0][row] != 12345+7*n || b.Values[1][row] != 678+n {
			return absent, fmt.Errorf("reading %d is %d, %d: not those of period %d", row, b.Values[0][row], b.Values[1][row], n)
		}
	}
	return absent, nil
}

// With levels and dwell time that are whole numbers nobody can tell whether the
// conversation is in step: all readings say so.
func TestNoMark(t *testing.T) {
	x := counting()
	x.set["DL0"], x.set["DL1"], x.set["DT"], x.mute = 0, 0, 1, "GW"
	err := use(t, x, nil, 10*time.Second, nil, func(_ device.Description, b *device.Batch) {
		if b.Len() < 8 || !strings.Contains(b.Notes[0].Event.Text, "name a threshold other than 0") {
			t.Errorf("%d readings, opened: %s", b.Len(), b.Notes[0].Event.Text)
		}
		for row, f := range b.Flags {
			if f&device.Unverified == 0 {
				t.Errorf("reading %d has flags %v", row, f)
			}
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// A gate width serves where it can be asked for.
func TestGateWidthIsAMark(t *testing.T) {
	x := counting()
	x.set["DL0"], x.set["DL1"], x.set["DT"] = 0, 0, 1
	err := use(t, x, nil, 10*time.Second, nil, func(_ device.Description, b *device.Batch) {
		inOrder(t, b, b.Values[0][0]/7-12345/7, 8)
		for row, f := range b.Flags[1:] {
			if f != 0 {
				t.Errorf("reading %d has flags %v", row, f)
			}
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// A setting whose answers are held back is set all the same or told as an error, and
// what is read after it is in its place.
func TestSetOutOfStep(t *testing.T) {
	for hold := 500 * time.Millisecond; hold < 4*time.Second; hold += 250 * time.Millisecond {
		x := newBox()
		set := func(src device.Source) {
			x.by(func(x *box) { x.holdAt, x.holdFor = x.answers+2, hold })
			got, err := src.(device.Setter).Set("threshold_a", 0.02)
			if err == nil && got.Value != "0.0200" {
				t.Errorf("held for %v: set to %+v", hold, got)
			}
		}
		err := use(t, x, device.Settings{"start": true}, 14*time.Second, set, func(_ device.Description, b *device.Batch) {
			if _, err := inPlace(b, false); err != nil || b.Len() < 100 {
				t.Errorf("held for %v: %d readings, %v", hold, b.Len(), err)
			}
		})
		if err != nil {
			t.Errorf("held for %v: %v", hold, err)
		}
	}
}
