package watch

import (
	"strings"
	"testing"
	"time"

	"photongate/protocol"
	"photongate/protocol/table"
)

// TestCountedTags: of a tagger of which counts are made, those are shown, and each
// channel once. The tags are when they are asked for.
func TestCountedTags(t *testing.T) {
	b := newBench(t, protocol.Channel{Name: "A", Kind: protocol.KindTag})
	b.part.OfTags = true
	b.count(1000)
	if text := b.screen(80, 24).String(); !strings.Contains(text, "bench  time tags") || !strings.Contains(text, "\nA\n") {
		t.Errorf("tags alone:\n%s", text)
	}
	b.part.Stream, b.part.Desc.Stream, b.part.OfTags, b.part.Desc.Parent = "bench.counts", "bench.counts", false, &protocol.Parent{Stream: "bench"}
	b.part.Desc.Channels = []protocol.Channel{{Name: "A", Kind: protocol.KindCount}, {Name: "AB", Kind: protocol.KindCount}}
	b.count(2000, 30)
	b.count(2000, 30)
	text := b.screen(80, 24).String()
	if strings.Contains(text, "/A") || !strings.Contains(text, "\nA\n") || !strings.Contains(text, "AB") {
		t.Errorf("the counts alone are to be shown:\n%s", text)
	}
	if rate, _ := b.rate("A", b.now); rate != 2000/gate.Seconds() {
		t.Errorf("the tone is to follow the counts, not %v", rate)
	}
	b.channels = []string{"bench/A", "A", "C"}
	text = b.screen(120, 24).String()
	for _, want := range []string{"bench/A", "bench.counts/A", "no channel fits C: there are A, AB; of the tags themselves bench/A"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

// TestTags: the rates of a stream of tags come from what its frames tell, and from
// the stretch that is not lost; in the dark they are 0.
func TestTags(t *testing.T) {
	b := newBench(t)
	to := table.CountTags(b.sink)
	d := table.NewDecoder("pi-lab3", "tagger", table.NewClockTable())
	h := protocol.Header{Stream: 1, Epoch: 1, Time: start.UnixNano()}
	give := func(frame []byte, err error) {
		t.Helper()
		if err == nil {
			err = d.Frames(frame, to)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	frame := func(until time.Duration, lost time.Duration, tags int) {
		t.Helper()
		from := until - 20*time.Millisecond
		one := &protocol.Tags{Until: uint64(until)}
		if lost > 0 {
			one.Losses = []protocol.TagLoss{{From: uint64(from), To: uint64(from + lost), Channel: -1}}
		}
		for k := range tags {
			one.Ticks, one.Channels = append(one.Ticks, uint64(from)+uint64(k)), append(one.Channels, 1)
		}
		h.Seq++
		h.Time = start.UnixNano() + int64(from)
		if tags == 0 {
			h.Time = start.UnixNano() + int64(until)
		}
		b.now = b.now.Add(20 * time.Millisecond)
		give(new(protocol.TagsEncoder).Append(nil, h, 2, one))
		h.Index += uint64(tags)
	}
	h.Type, h.Seq = protocol.TypeDescriptor, 1
	give(protocol.AppendJSON(nil, h, &protocol.Descriptor{Stream: "tagger", Software: "test", Cause: "gateway started", Tick: &protocol.Tick{Num: 1, Den: 1_000_000_000},
		Channels: []protocol.Channel{{Name: "A", Kind: protocol.KindTag}, {Name: "B", Kind: protocol.KindTag}}}))

	at := time.Second
	for range 60 { // half of each stretch is lost, and 1000 tags in the other: 100,000/s
		at += 20 * time.Millisecond
		frame(at, 10*time.Millisecond, 1000)
	}
	now := b.now
	for name, want := range map[string]float64{"A": 0, "B": 100_000} {
		if rate, ok := b.rate(name, now); !ok || rate != want {
			t.Errorf("%s: %v, %v; want %v/s", name, rate, ok, want)
		}
	}
	if text := b.screen(100, 30).String(); !strings.Contains(text, "tagger") || !strings.Contains(text, "tags lost") {
		t.Errorf("no word of what is lost on\n%s", text)
	}
	for range 60 { // dark: frames tell how far the clock came
		at += 20 * time.Millisecond
		frame(at, 0, 0)
	}
	if rate, ok := b.rate("B", b.now); !ok || rate != 0 {
		t.Errorf("in the dark: %v, %v", rate, ok)
	}
	if _, ok := b.rate("B", b.now.Add(time.Second)); ok {
		t.Error("a rate a second after the last frame")
	}
}
