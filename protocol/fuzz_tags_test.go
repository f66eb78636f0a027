package protocol

import (
	"encoding/binary"
	"testing"
)

// FuzzTags: whatever is taken comes back the same when it is encoded anew, and is
// not much longer than plain bytes.
func FuzzTags(f *testing.F) {
	addVectors(f, func(b []byte) {
		if h, payload, _, err := ParseFrame(b); err == nil && h.Type == TypeTags {
			f.Add(h.Count, payload)
		}
	}, "tags")
	f.Fuzz(func(t *testing.T, count uint32, payload []byte) {
		if count <= MaxTagsFrame {
			count %= 1 << 12 // so that a run takes no time: limits have vectors of their own
		}
		h := Header{Type: TypeTags, Count: count}
		var want Tags
		if err := new(TagsDecoder).Decode(h, payload, &want); err != nil {
			if kind := errorKind(err); kind != "format" && kind != "limit" && kind != "unknown" {
				t.Fatalf("refused as %s: %v", kind, err)
			}
			return
		}
		totals, last, err := TagsTotals(payload)
		if err != nil || count > 0 && last != want.Ticks[count-1] || count == 0 && last != want.Until {
			t.Fatalf("last tick %d, %v", last, err)
		}
		encodeAndBack(t, len(totals), &want)
	})
}

// FuzzTagsValues encodes any tags: ticks that go on by gaps of some bits, backwards too
// where disorder says so, channels in some of the bits.
func FuzzTagsValues(f *testing.F) {
	f.Add(uint8(1), uint8(3), uint8(0), []byte("any values"))
	f.Add(uint8(2), uint8(0), uint8(7), []byte("some more values, and rather more of them\x00\x00\x00\xff\xff\xff"))
	f.Add(uint8(8), uint8(255), uint8(1), make([]byte, 400))
	f.Fuzz(func(t *testing.T, width, channels, disorder uint8, b []byte) {
		var tags Tags
		at := uint64(width) << (width % 57)
		for i := 0; len(b) > int(width%9); i++ {
			gap := tailWord(b[:width%9])
			if disorder > 0 && i%int(disorder) == 0 {
				gap = -gap
			}
			at += gap
			tags.Ticks = append(tags.Ticks, at)
			tags.Channels = append(tags.Channels, b[width%9]&channels)
			b = b[width%9+1:]
		}
		tags.Until = at
		encodeAndBack(t, int(channels)+1, &tags)
	})
}

// encodeAndBack also holds the bound on the length of a frame.
func encodeAndBack(t *testing.T, channels int, want *Tags) {
	t.Helper()
	frame, err := new(TagsEncoder).Append(nil, Header{}, channels, want)
	if err != nil {
		t.Fatal(err)
	}
	h, payload, _, err := ParseFrame(frame)
	if err != nil {
		t.Fatal(err)
	}
	var got Tags
	if err := new(TagsDecoder).Decode(h, payload, &got); err != nil {
		t.Fatal(err)
	}
	sameTags(t, want, &got)
	const lossMost = 3*binary.MaxVarintLen64 + 3
	if most := 2 + 9*len(want.Ticks) + 40 + 3*channels + lossMost*len(want.Losses); len(payload) > most {
		t.Fatalf("%d tags take %d bytes, expected at most %d", len(want.Ticks), len(payload), most)
	}
}
