package gateway

import (
	"strings"
	"testing"

	"photongate/device"
	"photongate/protocol"
)

// More losses than a frame should have, out of order, before a run of tags that is
// encoded from where it lies: all of them are in the record, and so are the tags.
func TestManyLosses(t *testing.T) {
	log := &memoryLog{}
	b := tagBatcher(log, 2)
	b.take(t.Context(), tagsIn(10, 10, 5))
	in := device.NewBatch(2)
	for i := range directTags {
		in.Tags.Tick = append(in.Tags.Tick, uint64(1000+i))
		in.Tags.Channel = append(in.Tags.Channel, 0)
	}
	const losses = 2*frameLosses + 10
	for i := range losses {
		from := uint64(100 + i/64)
		in.Tags.Losses = append(in.Tags.Losses, device.Loss{From: from, To: from + 1, Channel: -1})
	}
	in.Tags.Losses[3].From, in.Tags.Losses[3].To = 110, 120 // as from two reads joined
	in.Tags.Until, in.Tags.At = uint64(1000+directTags), 1_000_000
	b.take(t.Context(), in)
	b.finish("x", "")
	told, tags := 0, 0
	for _, frame := range log.all() {
		h, payload, _, _ := protocol.ParseFrame(frame)
		if h.Type != protocol.TypeTags {
			continue
		}
		var d protocol.TagsDecoder
		var got protocol.Tags
		if err := d.Decode(h, payload, &got); err != nil {
			t.Fatal(err)
		}
		if len(got.Losses) > frameLosses {
			t.Errorf("%d losses in a frame", len(got.Losses))
		}
		told += len(got.Losses)
		tags += len(got.Ticks)
	}
	if told != losses || tags != directTags+1 {
		t.Errorf("%d losses and %d tags, want %d and %d", told, tags, losses, directTags+1)
	}
}

// Where tags are missing no rate is made of those that came over the time that lacks.
func TestRatesLeaveOutGaps(t *testing.T) {
	log := &memoryLog{}
	b := tagBatcher(log, 2)
	second := uint64(500_000_000) // of 2 ns
	var ticks []uint64
	for i := range uint64(100) {
		ticks = append(ticks, i*second/100)
	}
	give := func(from uint64, gap bool) {
		in := tagsIn(from+second, int64(from+second)*2)
		for i, tick := range ticks {
			in.Tags.Tick, in.Tags.Channel = append(in.Tags.Tick, from+tick), append(in.Tags.Channel, uint8(i%2))
		}
		if gap {
			in.Notes = append(in.Notes, device.Note{Gap: &device.Gap{Cause: device.CauseOverrun, Missing: 500, Known: true}})
		}
		b.take(t.Context(), in)
		b.flush()
	}
	give(0, false)
	give(second, false)
	row := b.tags.rates.row
	if n := row.Values[0][0]; n != 50 || row.Length[0] != 1e9 {
		t.Fatalf("%d tags in %d ns, want 50 in a second", n, row.Length[0])
	}
	row.Reset()
	give(11*second, true) // ten seconds are missing
	if len(row.Begin) > 0 {
		t.Errorf("a rate of %d tags in %d ns, of which most are missing", row.Values[0][0], row.Length[0])
	}
	give(12*second, false)
	if len(row.Begin) == 0 || row.Values[0][0] != 50 || row.Length[0] != 1e9 {
		t.Errorf("after it: %v in %v ns", row.Values[0], row.Length)
	}
}

// What is known of alarms while frames are being encoded is written behind them, in
// order.
func TestAlarmsWaitForFrames(t *testing.T) {
	log := &memoryLog{}
	b := tagBatcher(log, 2)
	b.take(t.Context(), tagsIn(10, 10, 5))
	b.flush()
	for _, what := range []string{"alarm", "alarm over"} {
		b.tags.alarms = append(b.tags.alarms, alarmEvent{event: protocol.Event{What: what}})
	}
	b.tags.side.start(2)
	defer b.tags.side.stop()
	in := tagsIn(30, 30, 20)
	b.queue.put(tagsIn(40, 40)) // more waits, so that this one is encoded on the side
	if len(b.tags.side.slots) == 0 {
		t.Skip("frames are encoded on the side only where there are two cores")
	}
	if !b.putWhole(in) {
		t.Fatal("not on the side")
	}
	b.finish("x", "")
	var order []string
	for _, line := range log.lines(t) {
		order = append(order, strings.Fields(line)[1])
	}
	if got, want := strings.Join(order, " "), "descriptor tags event event tags end"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
