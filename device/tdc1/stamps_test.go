package tdc1

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"photongate/device"
)

// The examples of the description, and what the wraps make of them. Ticks count from
// the begin of the period before the first record.
func TestStamps(t *testing.T) {
	for _, tc := range []struct {
		name     string
		bytes    []byte
		ticks    []uint64
		channels []uint8
		odd      int
		tick     uint64 // of the last record
	}{
		{"an event at 1000 ns", []byte{0x81, 0x3E, 0, 0}, []uint64{134217728 + 500}, []uint8{0}, 0, 134217728 + 500},
		{"inputs 1 and 3 at 2000 ns", []byte{0x05, 0x7D, 0, 0}, []uint64{134217728 + 1000, 134217728 + 1000}, []uint8{0, 2}, 0, 134217728 + 1000},
		{"all four", []byte{0x0F, 0x7D, 0, 0}, []uint64{134218728, 134218728, 134218728, 134218728}, []uint8{0, 1, 2, 3}, 0, 134218728},
		{"the last tick, input 4", []byte{0xE8, 0xFF, 0xFF, 0xFF}, []uint64{134217728 + 134217727}, []uint8{3}, 0, 268435455},
		{"a marker", []byte{0x11, 0xEF, 0x01, 0x00}, nil, nil, 0, 134217728 + 3960},
		{"a marker of half a period", []byte{0x11, 0xEF, 0x01, 0x80}, nil, nil, 0, 134217728 + 67112824},
		// Printed by pyS15: events at 315400890 and 815423402 ns after the period's begin.
		{"the capture", []byte{
			0x11, 0xEF, 0x01, 0x80, 0x11, 0xEF, 0x01, 0x00, 0xA1, 0x2B, 0xCA, 0x2C, 0x11, 0xEF, 0x01, 0x00,
			0x11, 0xEF, 0x01, 0x80, 0x11, 0xEF, 0x01, 0x00, 0xA1, 0xFA, 0xA5, 0x09,
		}, []uint64{134217728 + 315400890/2, 134217728 + 815423402/2}, []uint8{0, 0}, 0, 134217728 + 815423402/2},
		{"the last tick and the next", []byte{0xE8, 0xFF, 0xFF, 0xFF, 0x02, 0, 0, 0}, []uint64{268435455, 268435456}, []uint8{3, 1}, 0, 268435456},
		{"a marker is missing in the dark", []byte{0x11, 0xEF, 0x01, 0x00, 0x11, 0xEF, 0x01, 0x00}, nil, nil, 0, 268435456 + 3960},
		{"both markers of a period", []byte{0x11, 0xEF, 0x01, 0x80, 0x11, 0xEF, 0x01, 0x80}, nil, nil, 0, 268435456 + 67112824},
		// An event at tick 5000, then the marker of 3960 again.
		{"a marker is missing after an event", []byte{0x11, 0xEF, 0x01, 0x00, 0x01, 0x71, 0x02, 0x00, 0x11, 0xEF, 0x01, 0x00}, []uint64{134217728 + 5000}, []uint8{0}, 0, 268435456 + 3960},
		// Ticks 5000 and 4999: no wrap.
		{"small disorder", []byte{0x01, 0x71, 0x02, 0x00, 0xE2, 0x70, 0x02, 0x00}, []uint64{134217728 + 5000, 134217728 + 4999}, []uint8{0, 1}, 0, 134217728 + 4999},
		// Tick 0 of the next period, then the last one of this.
		{"small disorder across a wrap", []byte{0xC1, 0xFF, 0xFF, 0xFF, 0x01, 0, 0, 0, 0xE2, 0xFF, 0xFF, 0xFF}, []uint64{268435454, 268435456, 268435455}, []uint8{0, 0, 1}, 0, 268435455},
		// Tick 16777216, then 0: a fall by 33.5 ms is none yet, by one tick more it is a wrap.
		{"a fall by 33.5 ms", []byte{0x01, 0, 0, 0x20, 0x01, 0, 0, 0}, []uint64{134217728 + 16777216, 134217728}, []uint8{0, 0}, 1, 134217728},
		{"a fall by more", []byte{0x21, 0, 0, 0x20, 0x01, 0, 0, 0}, []uint64{134217728 + 16777217, 268435456}, []uint8{0, 0}, 0, 268435456},
		// Ticks 100000, 70000 and 40000: words 3200001, 2240002 and 1280001.
		{"falls that add up", []byte{0x01, 0xD4, 0x30, 0x00, 0x02, 0x2E, 0x22, 0x00, 0x01, 0x88, 0x13, 0x00},
			[]uint64{134217728 + 100000, 134217728 + 70000, 134217728 + 40000}, []uint8{0, 1, 0}, 1, 134217728 + 40000},
		{"no event and no marker", []byte{0x81, 0x3E, 0, 0, 0xA0, 0x3E, 0, 0}, []uint64{134217728 + 500}, []uint8{0}, 1, 134217728 + 501},
		{"a marker out of place", []byte{0x91, 0x3E, 0, 0}, nil, nil, 1, 134217728 + 500},
		{"cut off", []byte{0x81, 0x3E, 0, 0, 0xA1, 0x3E, 0}, []uint64{134217728 + 500}, []uint8{0}, 0, 134217728 + 500},
	} {
		t.Run(tc.name, func(t *testing.T) {
			// One after the other, and cut at every record.
			for cut := 0; cut <= len(tc.bytes); cut += recordBytes {
				s := stamps{marks: marks{true, 3960}}
				var got device.Tags
				odd := s.take(tc.bytes[:cut], &got).odd + s.take(tc.bytes[cut:], &got).odd
				if !slices.Equal(got.Tick, tc.ticks) || !slices.Equal(got.Channel, tc.channels) {
					t.Errorf("ticks %d of %d, want %d of %d", got.Tick, got.Channel, tc.ticks, tc.channels)
				}
				if odd != tc.odd || s.tick != tc.tick {
					t.Errorf("%d odd ones, the last at %d; want %d, %d", odd, s.tick, tc.odd, tc.tick)
				}
			}
		})
	}
}

// A long run takes the fast way and the slow one by turns, and both agree.
func TestStampsFastAndSlow(t *testing.T) {
	var bytes []byte
	var want []uint64
	tick := uint64(134217728 + 100)
	for n := range 5000 {
		step := uint64(n%7) * 40000 // up to 240000: some beyond what is taken at once
		tick += step
		want = append(want, tick)
		w := uint32(tick)<<5 | 1<<(n%4)
		bytes = append(bytes, byte(w), byte(w>>8), byte(w>>16), byte(w>>24))
	}
	var s stamps
	var got device.Tags
	c := s.take(bytes, &got)
	if diff := cmp.Diff(got.Tick, want); diff != "" {
		t.Errorf("ticks (-got +want):\n%s", diff)
	}
	for n, channel := range got.Channel {
		if int(channel) != n%4 {
			t.Fatalf("tag %d is of channel %d", n, channel)
		}
	}
	if c.records != 5000 || c.apart == 0 || c.odd != 0 {
		t.Errorf("%+v", c)
	}
}

// Markers and where records begin are found in whatever comes first.
func TestHunt(t *testing.T) {
	dark := func(n int) (b []byte) {
		for k := range n {
			b = append(b, 0x11, 0xEF, 0x01, byte(k%2)<<7)
		}
		return b
	}
	for _, tc := range []struct {
		name   string
		before []byte
		bytes  []byte
		sure   bool
		phase  uint32
		part   []byte
	}{
		{"dark", nil, dark(3), true, 3960, nil},
		{"too few", nil, dark(2), false, 0, nil},
		{"behind one byte", []byte{0x99}, dark(3), true, 3960, nil},
		{"behind three", []byte("1\r\n"), append(dark(3), 0x81, 0x3E), true, 3960, []byte{0x81, 0x3E}},
		{"cut off", nil, append(dark(4), 0x81, 0x3E, 0), true, 3960, []byte{0x81, 0x3E, 0}},
		{"of another unit", nil, []byte{0x31, 0, 0, 0x80, 0x31, 0, 0, 0, 0x31, 0, 0, 0x80}, true, 1, nil},
		{"that do not agree", nil, []byte{0x31, 0, 0, 0, 0x31, 1, 0, 0, 0x31, 2, 0, 0, 0x31, 3, 0, 0}, false, 0, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var h hunt
			h.take(tc.before)
			h.take(tc.bytes)
			if sure := h.best(huntSure); sure != tc.sure || h.phase != tc.phase {
				t.Errorf("%v, phase %d", sure, h.phase)
			}
			if diff := cmp.Diff(h.part(), tc.part); diff != "" {
				t.Errorf("part (-got +want):\n%s", diff)
			}
		})
	}
}

// At high rates words that are cut wrong rise, too, and seem to have markers that agree:
// where records begin is found all the same, wherever the first byte is of.
func TestHuntInBrightLight(t *testing.T) {
	for _, every := range []float64{50, 166, 20000} { // ticks
		for _, inputs := range []int{1, 4} {
			for _, cut := range []int{0, 1, 2, 3} {
				for _, marked := range []bool{true, false} {
					rng := rand.New(rand.NewPCG(1, uint64(cut)))
					var stream []byte
					most := 1 << 20
					if marked && cut == 1 && inputs == 1 {
						most = 12 << 20
					}
					tick, marker := uint64(77_000_000), uint64(2*67108864+3960)
					for tick < 205_000_000 && len(stream) < most {
						tick += 1 + uint64(rng.ExpFloat64()*every)
						if marked && marker <= tick {
							w := uint32(marker)<<5 | 0x11
							stream = append(stream, byte(w), byte(w>>8), byte(w>>16), byte(w>>24))
							marker += 67108864
						}
						w := uint32(tick)<<5 | 1<<rng.IntN(inputs)
						stream = append(stream, byte(w), byte(w>>8), byte(w>>16), byte(w>>24))
					}
					var h hunt
					h.take(stream[cut:])
					seen := marked && tick >= 205_000_000
					h.best(huntEnough)
					if part := len(h.part()); part != 0 || h.shift != (recordBytes-cut)%recordBytes || seen && (!h.known || h.phase != 3960) || h.known && h.phase != 3960 {
						t.Errorf("every %v ticks, %d inputs, cut at %d: shift %d, %d bytes left, %v", every, inputs, cut, h.shift, part, h.marks)
					}
				}
			}
		}
	}
}

// FuzzStamps: whatever comes, there is no more than a tag for each bit, and cutting
// it elsewhere makes no difference.
func FuzzStamps(f *testing.F) {
	f.Add([]byte{0x11, 0xEF, 0x01, 0x80, 0x11, 0xEF, 0x01, 0x00, 0xA1, 0x2B, 0xCA, 0x2C, 0x11, 0xEF, 0x01, 0x00, 0x0F, 0x7D, 0, 0}, 8)
	f.Fuzz(func(t *testing.T, p []byte, cut int) {
		once, twice := stamps{marks: marks{true, 3960}}, stamps{marks: marks{true, 3960}}
		var a, b device.Tags
		c := once.take(p, &a)
		cut = min(max(cut, 0), len(p)) / recordBytes * recordBytes
		first := twice.take(p[:cut], &b)
		second := twice.take(p[cut:], &b)
		if len(a.Tick) > len(p) || len(a.Tick) != len(a.Channel) || c.odd > c.records || c.apart > c.records || c.last > c.records {
			t.Fatalf("%d tags of %d bytes, %+v", len(a.Tick), len(p), c)
		}
		for _, channel := range a.Channel {
			if channel >= inputs {
				t.Fatalf("channel %d", channel)
			}
		}
		if !slices.Equal(a.Tick, b.Tick) || !slices.Equal(a.Channel, b.Channel) || once != twice || first.odd+second.odd != c.odd {
			t.Fatalf("cut at %d: %d of %d, %d of %d", cut, a.Tick, a.Channel, b.Tick, b.Channel)
		}
	})
}
