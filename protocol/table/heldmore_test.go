package table

import (
	"strings"
	"testing"

	"photongate/protocol"
)

// TestGapDoesNotCoverWhatIsHeld: a gateway forgot in a crash what a reader holds.
// Of the first part four frames are here, the last with a reading from 200 to 300 ms;
// the second begins at 1000 ms, with a gap since 100 ms, the end as the gateway knew it.
func TestGapDoesNotCoverWhatIsHeld(t *testing.T) {
	base, later := mustID(t, "b0000000000000000000000000000001"), mustID(t, "b0000000000000000000000000000002")
	channel := protocol.Channel{Name: "A", Kind: protocol.KindCount, Width: 24}
	for name, c := range map[string]struct {
		previous *protocol.Previous
		base     protocol.ID
		gap      protocol.Gap
		want     string
	}{
		"it knew all": {&protocol.Previous{Epoch: 1, Seq: 4}, base, protocol.Gap{DurationNs: protocol.Ref(protocol.Int64(900_000_000)), Missing: protocol.Ref(protocol.Uint64(5))},
			"2/0: gap gateway crashed, 5 missing, from 100 ms for 900 ms"},
		"it had forgotten": {&protocol.Previous{Epoch: 1, Seq: 2}, base, protocol.Gap{DurationNs: protocol.Ref(protocol.Int64(900_000_000)), Missing: protocol.Ref(protocol.Uint64(5))},
			"2/0: gap gateway crashed, from 300 ms for 700 ms"},
		"it had forgotten, and another process knows it by UTC": {&protocol.Previous{Epoch: 1, Seq: 2}, later, protocol.Gap{DurationNs: protocol.Ref(protocol.Int64(900_000_000)), Approximate: true},
			"2/0: gap gateway crashed, from 300 ms for 700 ms"},
		"for an unknown time": {&protocol.Previous{Epoch: 1, Seq: 2}, base, protocol.Gap{}, "2/0: gap gateway crashed, from 300 ms"},
		"of another part":     {&protocol.Previous{Epoch: 3, Seq: 2}, base, protocol.Gap{}, "2/0: gap gateway crashed, from 100 ms"},
	} {
		t.Run(name, func(t *testing.T) {
			first := (&frameMaker{t: t, stream: 2, epoch: 1, time: baseNs}).describe(base, "bench", channel).counts([]uint64{1}).counts([]uint64{2}).counts([]uint64{3})
			m := &frameMaker{t: t, stream: 2, epoch: 2, time: baseNs + 1_000_000_000}
			m.json(protocol.TypeDescriptor, &protocol.Descriptor{Stream: "bench", Base: c.base, Software: "test", Cause: "gateway started", Channels: []protocol.Channel{channel}, Previous: c.previous})
			m.time = baseNs + 100_000_000
			c.gap.Cause = "gateway crashed"
			m.json(protocol.TypeGap, &c.gap)
			if c.gap.Missing != nil {
				m.index = uint64(*c.gap.Missing)
			}
			m.time = baseNs + 1_000_000_000
			m.counts([]uint64{4})
			var gaps []string
			for _, line := range decodeAll(t, append(first.out, m.out...)) {
				if strings.Contains(line, ": gap ") {
					gaps = append(gaps, line)
				}
			}
			equal(t, "gaps", gaps, []string{c.want})
		})
	}
}
