package protocol

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

type vectorTags struct {
	Ticks    json.RawMessage
	Channels json.RawMessage
	Until    Uint64
	Last     Uint64
	Totals   []Uint64
	Losses   []vectorLoss
}

type vectorLoss struct {
	From, To Uint64
	Channel  int
	Missing  *Uint64
}

func (v *vectorTags) tags(t *testing.T, n int) *Tags {
	tags := &Tags{Ticks: words(t, v.Ticks, n), Until: uint64(v.Until)}
	var rule struct{ Cycle []uint16 }
	if err := json.Unmarshal(v.Channels, &rule); err == nil {
		for i := range n {
			tags.Channels = append(tags.Channels, uint8(rule.Cycle[i%len(rule.Cycle)]))
		}
	} else {
		for _, c := range words(t, v.Channels, n) {
			tags.Channels = append(tags.Channels, uint8(c))
		}
	}
	for _, l := range v.Losses {
		loss := TagLoss{From: uint64(l.From), To: uint64(l.To), Channel: l.Channel, Known: l.Missing != nil}
		if loss.Known {
			loss.Missing = uint64(*l.Missing)
		}
		tags.Losses = append(tags.Losses, loss)
	}
	return tags
}

// refusedTags decodes tags for the error alone.
func refusedTags(h Header, payload []byte, descriptor *Descriptor) error {
	var tags Tags
	if err := new(TagsDecoder).Decode(h, payload, &tags); err != nil {
		return err
	}
	totals, _, err := TagsTotals(payload)
	if err == nil && descriptor != nil {
		err = descriptor.FitsTags(len(totals))
	}
	return err
}

func compareTags(t *testing.T, v *vectorTags, h Header, payload []byte) {
	t.Helper()
	want := v.tags(t, int(h.Count))
	var got Tags
	if err := new(TagsDecoder).Decode(h, payload, &got); err != nil {
		t.Fatal(err)
	}
	sameTags(t, want, &got)
	totals, last, err := TagsTotals(payload)
	wantTotals := make([]uint64, len(v.Totals))
	for i, n := range v.Totals {
		wantTotals[i] = uint64(n)
	}
	if err != nil || last != uint64(v.Last) || !slices.Equal(totals, wantTotals) {
		t.Errorf("totals %v, last tick %d, %v; expected %v, %d", totals, last, err, v.Totals, v.Last)
	}
	frame, err := new(TagsEncoder).Append(nil, h2(h), len(totals), want)
	if err != nil {
		t.Fatal(err)
	}
	if h, payload, _, err = ParseFrame(frame); err != nil {
		t.Fatal(err)
	}
	if err := new(TagsDecoder).Decode(h, payload, &got); err != nil {
		t.Fatal(err)
	}
	sameTags(t, want, &got)
}

func sameTags(t testing.TB, want, got *Tags) {
	t.Helper()
	// Of many tags, cmp would take its time.
	if !slices.Equal(want.Channels, got.Channels) || len(want.Ticks) > 10000 && !slices.Equal(want.Ticks, got.Ticks) {
		t.Error("ticks or channels differ")
		return
	}
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(Tags{}, "Channels")); d != "" {
		t.Errorf("tags: %s", d)
	}
}
