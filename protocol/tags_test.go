package protocol

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// tagsOf draws tags of some kind, with losses.
func tagsOf(t *rapid.T) (*Tags, int) {
	n := rapid.IntRange(0, 300).Draw(t, "n")
	channels := rapid.IntRange(1, 256).Draw(t, "channels")
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2))
	wide := uint(rapid.IntRange(0, 63).Draw(t, "bits less"))
	rare := rapid.IntRange(1, 20).Draw(t, "rare")
	sorted := rapid.Bool().Draw(t, "sorted")
	tags := &Tags{Until: r.Uint64() >> wide}
	at := r.Uint64()
	for range n {
		if at += r.Uint64() >> wide; !sorted && r.IntN(5) == 0 {
			at -= r.Uint64() >> wide
		}
		channel := 0
		if r.IntN(rare) == 0 {
			channel = r.IntN(channels)
		}
		tags.Ticks, tags.Channels = append(tags.Ticks, at), append(tags.Channels, uint8(channel))
	}
	if sorted {
		slices.Sort(tags.Ticks)
	}
	from := uint64(0)
	for range rapid.IntRange(0, 3).Draw(t, "losses") {
		from += r.Uint64() >> 4
		l := TagLoss{From: from, To: from + r.Uint64()>>4, Channel: r.IntN(channels+1) - 1, Known: r.IntN(2) == 0}
		if l.Known {
			l.Missing = r.Uint64() >> wide
		}
		tags.Losses = append(tags.Losses, l)
	}
	return tags, channels
}

func TestTagsRoundTrip(t *testing.T) {
	var e TagsEncoder
	var d TagsDecoder
	var got Tags // used again and again: nothing of one frame may show in the next
	rapid.Check(t, func(t *rapid.T) {
		want, channels := tagsOf(t)
		frame, err := e.Append([]byte("before"), Header{Stream: 1, Epoch: 2, Seq: 3, Index: 4, Time: 5}, channels, want)
		if err != nil {
			t.Fatal(err)
		}
		h, payload, rest, err := ParseFrame(frame[6:])
		if err != nil || len(rest) > 0 {
			t.Fatalf("%v, %d bytes left over", err, len(rest))
		}
		if h.Time != 5 || h.Count != uint32(len(want.Ticks)) || h.Type != TypeTags || h.Seq != 3 || h.Index != 4 {
			t.Fatalf("header %+v", h)
		}
		if err := d.Decode(h, payload, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, &got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
		totals := make([]uint64, channels)
		for _, c := range want.Channels {
			totals[c]++
		}
		last := want.Until
		if n := len(want.Ticks); n > 0 {
			last = want.Ticks[n-1]
		}
		said, lastSaid, err := TagsTotals(payload)
		if err != nil || lastSaid != last || !slices.Equal(said, totals) {
			t.Fatalf("totals %v, last %d, %v; expected %v, %d", said, lastSaid, err, totals, last)
		}
	})
}
