package protocol

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestTagsCodecs: the codec is that which is made for what comes, and what comes back
// is the same.
func TestTagsCodecs(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	const n = 20000
	steady := func(tick float64, shares []float64) *Tags {
		l := poissonLight("", 10e6, tick, shares)
		return l.draw(r, l, n)
	}
	with := func(change func(t *Tags)) *Tags {
		tags := steady(1e-12, equalShares(4))
		change(tags)
		return tags
	}
	drawn := func(l light) *Tags { return l.draw(r, l, n) }
	rising, long := []byte{codecRising}, []byte{codecRising, maxRisingShift}
	digits := func(base, each byte) []byte { return []byte{channelsDigits, base, each} }
	for _, c := range []struct {
		name            string
		tags            *Tags
		ticks, channels []byte // begin of the column
	}{
		{"one tag", &Tags{Ticks: []uint64{5}, Channels: []uint8{3}, Until: 5}, []byte{codecConstant}, []byte{channelsConstant, 3}},
		{"all at once", &Tags{Ticks: []uint64{5, 5, 5, 5}, Channels: []uint8{0, 1, 2, 3}, Until: 5}, []byte{codecConstant}, []byte{channelsRaw}},
		{"one channel", steady(1e-12, equalShares(1)), long, []byte{channelsConstant}},
		{"two channels", steady(1e-12, equalShares(2)), long, digits(2, 8)},
		{"three channels", steady(1e-12, equalShares(3)), long, digits(3, 5)},
		{"four channels", steady(1e-12, equalShares(4)), long, digits(4, 4)},
		{"five channels", steady(1e-12, equalShares(5)), long, digits(5, 3)},
		{"eight channels", steady(1e-12, equalShares(8)), long, digits(8, 1)},
		{"nine channels", steady(1e-12, equalShares(9)), long, []byte{channelsSplit}},
		{"far apart channels", with(func(t *Tags) {
			for i, c := range t.Channels {
				t.Channels[i] = []uint8{7, 100, 200, 255}[c]
			}
		}), long, digits(4, 4)},
		{"256 channels", with(func(t *Tags) {
			for i := range t.Channels {
				t.Channels[i] = uint8(r.Uint32())
			}
		}), long, []byte{channelsRaw}},
		{"skewed channels", steady(1e-12, skewedShares), long, []byte{channelsSplit}},
		{"markers among four channels", with(func(t *Tags) {
			for i := range t.Channels {
				if i%1000 == 999 {
					t.Channels[i] = 4 + uint8(i/1000%2)
				}
			}
		}), long, []byte{channelsSplit}},
		{"runs of channels", with(func(t *Tags) {
			for i := range t.Channels {
				t.Channels[i] = uint8(i / 37 % 3)
			}
		}), long, []byte{channelsRuns}},
		{"a small disorder", with(func(t *Tags) {
			for i := 10; i < n; i += 50 {
				t.Ticks[i], t.Ticks[i-1] = t.Ticks[i-1], t.Ticks[i]
			}
		}), []byte{codecRiceDiff}, digits(4, 4)},
		{"ticks of a clock", with(func(t *Tags) {
			for i := range t.Ticks {
				t.Ticks[i] = uint64(1000*i) + uint64(r.UintN(4))
			}
		}), []byte{codecRiceDiff}, digits(4, 4)},
		{"bursts", drawn(burstyLight("", 10e6, 1e5, 1e-12, equalShares(4))), []byte{codecRising, 8}, digits(4, 4)},
		{"pulses", drawn(pulsedLight("", 1e6, 80e6, 100e-12, 1e-12, equalShares(4))), []byte{codecPulses}, digits(4, 4)},
		{"coarse ticks", steady(10e-9, equalShares(4)), rising, digits(4, 4)},
		{"random ticks", with(func(t *Tags) {
			for i := range t.Ticks {
				t.Ticks[i] = r.Uint64()
			}
		}), []byte{codecRaw}, digits(4, 4)},
	} {
		t.Run(c.name, func(t *testing.T) {
			encodeAndBack(t, 256, c.tags)
			var e TagsEncoder
			ticks, sorted := e.ticks(nil, c.tags.Ticks)
			e.totals.count(c.tags.Channels)
			channels := e.channels.append(nil, c.tags.Channels, e.totals[:])
			if sorted != slices.IsSorted(c.tags.Ticks) {
				t.Errorf("sorted: %v", sorted)
			}
			if !slices.Equal(ticks[:len(c.ticks)], c.ticks) && !(c.ticks[0] == codecRiceDiff && ticks[0]&^codecParameter == codecRiceDiff) {
				t.Errorf("ticks begin with % x, expected % x", ticks[:2], c.ticks)
			}
			if !slices.Equal(channels[:len(c.channels)], c.channels) {
				t.Errorf("channels begin with % x, expected % x", channels[:min(3, len(channels))], c.channels)
			}
		})
	}
}

// TestTagsThirds: coarse ticks at a rate half way between two powers of two.
func TestTagsThirds(t *testing.T) {
	l := poissonLight("", 1e6, 1/(1e6*66), equalShares(1))
	tags := l.draw(rand.New(rand.NewPCG(1, 2)), l, 20000)
	encodeAndBack(t, 1, tags)
	var e TagsEncoder
	ticks, _ := e.ticks(nil, tags.Ticks)
	_, rest, err := parseUvarint(ticks[2:], "")
	if err != nil || rest[0]&risingThirds == 0 {
		t.Errorf("block of parameter %#02x, %v, expected thirds", rest[0], err)
	}
}
