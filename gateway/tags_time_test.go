package gateway

import (
	"testing"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
)

// Where the first tags waited for two seconds before they arrived, the times of frames
// are right from the first arrival on that shows it: they go back, and do not stand
// still until the clock has come so far.
func TestTimesOfTagsThatWereLateAtFirst(t *testing.T) {
	log := &memoryLog{}
	b := tagBatcher(log, 2) // ticks of 2 ns
	const begin = int64(1_000_000_000)
	arrive := func(tick uint64, late time.Duration) {
		b.take(t.Context(), tagsIn(tick, begin+2*int64(tick)+int64(late), tick))
		b.flush()
	}
	arrive(5_000_000, 2*time.Second)
	arrive(10_000_000, 0)
	arrive(15_000_000, time.Second)
	var got []int64
	for _, frame := range log.all() {
		if h, _, _, err := protocol.ParseFrame(frame); err == nil && h.Type == protocol.TypeTags {
			got = append(got, h.Time-begin)
		}
	}
	want := []int64{2_010_000_000, 20_000_000, 30_000_000}
	if len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("frames of tags at %d ns, want %d", got, want)
	}
}

// What a journal tells of tags of an earlier process ends where the instrument's clock
// was known to have come to, not with the first tag of the last frame, nor with the
// frames behind it.
func TestTagsRecovered(t *testing.T) {
	for _, tc := range []struct {
		name  string
		tags  protocol.Tags
		ended bool
		end   int64 // behind the time of the frame of tags
		index uint64
	}{
		{name: "crashed", tags: protocol.Tags{Ticks: []uint64{100, 300, 250}, Channels: []uint8{0, 0, 0}, Until: 500}, end: 800, index: 2},
		{name: "stopped", tags: protocol.Tags{Ticks: []uint64{100, 300, 250}, Channels: []uint8{0, 0, 0}, Until: 500}, ended: true, end: 800, index: 2},
		{name: "dark", tags: protocol.Tags{Until: 500}},
		{name: "an earlier tag came last", tags: protocol.Tags{Ticks: []uint64{100, 90}, Channels: []uint8{0, 0}, Until: 90}, index: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			const at = int64(1_000_000)
			o := journal.Options{Gateway: "pi-test"}
			dir := t.TempDir()
			j, err := journal.Open(dir, o)
			if err != nil {
				t.Fatal(err)
			}
			st, err := j.Stream("tagger", 0)
			if err == nil {
				_, err = st.Begin(0, 1)
			}
			if err != nil {
				t.Fatal(err)
			}
			put := putter(t, st)
			header := func(typ protocol.Type, ns int64) protocol.Header {
				return protocol.Header{Type: typ, Stream: st.ID(), Epoch: 1, Seq: st.NextSeq(), Time: ns}
			}
			put(protocol.AppendJSON(nil, header(protocol.TypeDescriptor, at), &protocol.Descriptor{
				Stream: "tagger", Tick: &testTick, Channels: []protocol.Channel{{Name: "A", Kind: protocol.KindTag}},
			}))
			put((&protocol.TagsEncoder{}).Append(nil, header(protocol.TypeTags, at), 1, &tc.tags))
			if tc.ended {
				put(protocol.AppendJSON(nil, header(protocol.TypeEnd, at+5_000), &protocol.End{Cause: protocol.CauseGatewayStopped}))
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			if j, err = journal.Open(dir, o); err != nil {
				t.Fatal(err)
			}
			defer j.Close()
			if st, err = j.Stream("tagger", 0); err != nil {
				t.Fatal(err)
			}
			p := recovered(st)
			if p == nil || !p.hasEnd || p.endNs != at+tc.end || p.index != tc.index {
				t.Errorf("got %+v, want an end %d ns behind the frame's time, %d, and index %d", p, tc.end, at, tc.index)
			}
		})
	}
}
