package protocol

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTagsSummary: what stands ahead of the tags is told without them, and
// nothing of one payload shows in the next.
func TestTagsSummary(t *testing.T) {
	loss := []TagLoss{{From: 5, To: 90, Channel: -1}, {From: 20, To: 30, Channel: 1, Missing: 7, Known: true}}
	var s TagsSummary
	for _, c := range []struct {
		tags Tags
		want TagsSummary
	}{
		{Tags{Ticks: []uint64{3, 100, 99}, Channels: []uint8{2, 0, 0}, Until: 120, Losses: loss},
			TagsSummary{Totals: []uint64{2, 0, 1}, Last: 99, Until: 120, Losses: loss}},
		{Tags{Until: 150}, TagsSummary{Totals: []uint64{0, 0, 0}, Last: 150, Until: 150, Losses: []TagLoss{}}},
	} {
		frame, err := new(TagsEncoder).Append(nil, Header{Stream: 1, Epoch: 1, Seq: 2}, 3, &c.tags)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Parse(frame[HeaderSize:]); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, s); diff != "" {
			t.Error(diff)
		}
	}
	for cut := range 10 { // of a payload of 21 bytes and more, whose head is longer
		frame, err := new(TagsEncoder).Append(nil, Header{Stream: 1, Epoch: 1, Seq: 2}, 3, &Tags{Until: 150, Losses: loss})
		if err != nil {
			t.Fatal(err)
		}
		if s.Parse(frame[HeaderSize:HeaderSize+cut]) == nil {
			t.Errorf("a payload cut after %d bytes is taken", cut)
		}
	}
}
