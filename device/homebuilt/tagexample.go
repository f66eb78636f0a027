package homebuilt

import (
	"fmt"
	"math/bits"
	"strings"

	"photongate/device"
	"photongate/instrument"
)

// tagExample says how one example of an instrument of tags is not read as it says,
// empty when it is.
func tagExample(f *instrument.File, e instrument.Example) string {
	format, row, clk := newFormat(f), newRow(len(f.Channels)), newTagClock(f.Tags)
	rest := []byte(strings.TrimPrefix(string(e.Bytes), string(f.Tags.Begin)))
	tags, lost, skipped, refused := 0, 0, 0, 0
	clk.came(1)
	for len(rest) > 0 {
		n, v := format.cut(rest, &row)
		if v == unclear {
			return fmt.Sprintf("%s at its end are no whole %s: %s", plural(len(rest), "byte"), pieceOf(f), device.ShowBytes(rest))
		}
		clk.most = 1<<64 - 1 // when they came is not known
		if clk.wrap > 0 && clk.begun && !clk.told {
			clk.most = clk.last + clk.wrap - 1
		}
		piece := rest[:n]
		rest = rest[n:]
		switch t := &row.tag; {
		case v == unfit:
			if refused++; refused > e.Refused {
				return fmt.Sprintf("%s (refused = %d expects this)", format.explain(piece, v), refused)
			}
		case v == reading:
			tick, ok := clk.place(t.raw)
			if !ok {
				return fmt.Sprintf("tag %d: tick %d cannot be, behind tick %d", tags+1, t.raw, clk.last)
			}
			for _, ch := range channelsOf(f, t) {
				if text := compareTag(f, e, tags, tick, ch); text != "" {
					return text
				}
				tags++
			}
		case t.special == nil:
			skipped++
		case t.special.means == instrument.MeansWrap:
			count := uint64(1)
			if t.special.counted {
				count = t.count
			}
			clk.wraps(count)
		case t.special.means == instrument.MeansLost:
			lost++
		default:
			skipped++
		}
	}
	switch {
	case tags != len(e.Tags):
		return fmt.Sprintf("%s came of it (expected %d)", plural(tags, "tag"), len(e.Tags))
	case refused != e.Refused:
		return fmt.Sprintf("%s refused (expected %d)", plural(refused, "piece"), e.Refused)
	case lost != e.Lost:
		return fmt.Sprintf("tags are lost %s in it (expected %d)", plural(lost, "time"), e.Lost)
	case e.Skipped != nil && skipped != *e.Skipped:
		return fmt.Sprintf("%s left out (expected %d)", plural(skipped, "piece"), *e.Skipped)
	}
	return ""
}

// channelsOf are the channels of a record.
func channelsOf(f *instrument.File, t *tag) []uint8 {
	if f.Tags.Pattern.IsZero() {
		return []uint8{t.channel}
	}
	byKey := channelsByKey(f)
	var list []uint8
	for rest := t.pattern; rest != 0; rest &= rest - 1 {
		list = append(list, byKey[uint64(bits.TrailingZeros64(rest))<<1|t.rising])
	}
	return list
}

// compareTag says how a tag is not the one expected.
func compareTag(f *instrument.File, e instrument.Example, i int, tick uint64, ch uint8) string {
	name := f.Channels[ch].Name
	switch {
	case i >= len(e.Tags):
		return fmt.Sprintf("there is a tag more than the %d expected: [%q, %d]", len(e.Tags), name, tick)
	case e.Tags[i][0].Word != name || e.Tags[i][1].Bits != tick:
		return fmt.Sprintf("tag %d is [%q, %d] (expected [%q, %d])", i+1, name, tick, e.Tags[i][0].Word, e.Tags[i][1].Bits)
	}
	return ""
}
