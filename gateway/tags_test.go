package gateway

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/device"
	"photongate/protocol"
)

// testTick is 2 ns, as long as nobody says otherwise.
var testTick = protocol.Tick{Num: 2, Den: 1e9}

// tagBatcher is a batcher for tags of the channels 0, 1, ...
func tagBatcher(log frameLog, channels int) *batcher {
	b := testBatcher(log, channels)
	b.gate, b.descriptor.GateNs, b.descriptor.Tick = 0, 0, &testTick
	for i := range b.descriptor.Channels {
		b.descriptor.Channels[i].Kind = protocol.KindTag
	}
	b.queue = newQueue(channels)
	b.start()
	return b
}

// tagsIn makes a batch of tags at ticks, of channels 0, 1, 0, 1...
func tagsIn(until uint64, at int64, ticks ...uint64) *device.Batch {
	in := device.NewBatch(2)
	for i, tick := range ticks {
		in.Tags.Tick = append(in.Tags.Tick, tick)
		in.Tags.Channel = append(in.Tags.Channel, uint8(i%2))
	}
	in.Tags.Until, in.Tags.At = until, at
	return in
}

// taggedLines writes the frames of a log for people, tags in full.
func taggedLines(t *testing.T, log *memoryLog) []string {
	t.Helper()
	lines := log.lines(t)
	for i, frame := range log.all() {
		h, payload, _, _ := protocol.ParseFrame(frame)
		if h.Type != protocol.TypeTags {
			continue
		}
		var d protocol.TagsDecoder
		var tags protocol.Tags
		if err := d.Decode(h, payload, &tags); err != nil {
			t.Fatal(err)
		}
		head, _, _ := strings.Cut(lines[i], string(payload))
		lines[i] = fmt.Sprintf("%s%v %v until %d", head, tags.Ticks, tags.Channels, tags.Until)
		if len(tags.Losses) > 0 {
			lines[i] += fmt.Sprintf(" losses %v", tags.Losses)
		}
	}
	return lines
}

func TestTagsKeepOrderAndIndex(t *testing.T) {
	log := &memoryLog{}
	b := tagBatcher(log, 2)
	b.previous = &lastEpoch{epoch: 3, seq: 12, cause: "unplugged", detail: "gone", endNs: 4_000, hasEnd: true, approximate: true}

	in := tagsIn(0, 0)
	in.Notes = append(in.Notes, device.Note{Event: &device.Event{Time: 5_000, What: "opened"}})
	b.take(t.Context(), in) // nothing of its clock yet: nothing is begun
	if len(log.all()) != 0 {
		t.Fatalf("an epoch began before the first tag: %q", log.lines(t))
	}
	in = tagsIn(1000, 10_000, 900, 950) // tick 1000 was at 10 us: 900 was 200 ns before
	b.take(t.Context(), in)
	in = tagsIn(2000, 12_000, 1100, 1200, 1190, 1800)
	in.Tags.Losses = []device.Loss{{From: 1000, To: 1050, Channel: 1}, {From: 1850, To: 1900, Channel: -1, Missing: 3, Known: true}}
	in.Notes = []device.Note{
		{Row: 1, Gap: &device.Gap{Cause: device.CauseDamaged, Detail: "5 bytes", Begin: 11_000}},
		{Row: 3, Gap: &device.Gap{Cause: device.CauseOverrun, Begin: 11_100, Duration: 50, Missing: 7, Known: true}},
	}
	b.take(t.Context(), in)
	in = tagsIn(3000, 14_000)
	b.take(t.Context(), in) // it is dark, and the clock runs on
	last := b.finish("stalled", "why")

	want := []string{
		`1.1 descriptor index 0 time 9800`,
		`1.2 event index 0 time 5000 {"what":"opened","who":"driver"}`,
		`1.3 gap index 0 time 4000 {"cause":"unplugged","detail":"gone","duration_ns":"5800","approximate":true}`,
		`1.4 tags index 0 time 9800 [900 950 1100] [0 1 0] until 1100 losses [{1000 1050 1 0 false}]`,
		`1.5 gap index 3 time 11000 {"cause":"damaged bytes","detail":"5 bytes"}`,
		`1.6 tags index 3 time 10400 [1200 1190] [1 0] until 1190`,
		`1.7 gap index 5 time 11100 {"cause":"overrun","duration_ns":"50","missing":"7"}`,
		`1.8 tags index 12 time 11600 [1800] [1] until 3000 losses [{1850 1900 -1 3 true}]`,
		`1.9 end index 13 time 9000000 {"cause":"stalled","detail":"why"}`,
	}
	if d := cmp.Diff(taggedLines(t, log), want); d != "" {
		t.Errorf("frames (-got +want):\n%s", d)
	}
	wantLast := &lastEpoch{epoch: 1, seq: 9, cause: "stalled", detail: "why", endNs: 14_000, hasEnd: true, index: 12}
	if d := cmp.Diff(last, wantLast, cmp.AllowUnexported(lastEpoch{})); d != "" {
		t.Errorf("what the next epoch is told (-got +want):\n%s", d)
	}
}

// While it is dark a frame without tags tells once a second how far the clock came,
// and clock pairs are written.
func TestDarkTimeIsTold(t *testing.T) {
	log := &memoryLog{}
	b := tagBatcher(log, 2)
	now := int64(0)
	b.now = func() int64 { return now }
	for i := range 41 { // ten seconds, and a tick is 2 ns
		now = int64(i) * 250e6
		b.take(t.Context(), tagsIn(uint64(now/2), now))
	}
	b.finish("x", "")
	var frames, pairs int
	for _, frame := range log.all() {
		h, payload, _, _ := protocol.ParseFrame(frame)
		switch h.Type {
		case protocol.TypeTags:
			if frames++; h.Count != 0 {
				t.Errorf("%d tags", h.Count)
			}
		case protocol.TypeClock:
			var c protocol.Clock
			if err := protocol.DecodeJSON(payload, &c); err != nil {
				t.Fatal(err)
			}
			for _, p := range c.Pairs {
				if pairs++; int64(p.Index)*2 != int64(p.BaseNs) {
					t.Errorf("pair %+v", p)
				}
			}
		}
	}
	if frames < 10 || frames > 12 || pairs < 7 || pairs > 10 {
		t.Errorf("%d frames of no tags and %d clock pairs in ten seconds", frames, pairs)
	}
}

// At full rate frames are encoded side by side: all tags come out once, in order,
// with the numbers that belong to them.
func TestTagsSideBySide(t *testing.T) {
	log := &memoryLog{}
	b := tagBatcher(log, 2)
	q := b.queue
	rng := rand.New(rand.NewPCG(3, 3))
	var want []uint64
	tick, gaps := uint64(0), 0
	for i := range 60 {
		in := q.empty()
		n := []int{device.MaxTags, directTags, 300, 40_000}[rng.IntN(4)]
		for range n {
			tick += 1 + rng.Uint64N(50)
			in.Tags.Tick = append(in.Tags.Tick, tick)
			in.Tags.Channel = append(in.Tags.Channel, uint8(tick&1))
		}
		want = append(want, in.Tags.Tick...)
		in.Tags.Until, in.Tags.At = tick, int64(2*tick)
		if i%7 == 3 {
			in.Notes = append(in.Notes, device.Note{Row: n / 2, Gap: &device.Gap{Cause: device.CauseDamaged, Begin: 1}})
			gaps++
		}
		q.mu.Lock() // the queue is to hold many, more than its bound
		q.items = append(q.items, in)
		q.mu.Unlock()
	}
	q.close()
	b.run(t.Context(), q)
	b.finish("x", "")
	var got []uint64
	seq, lastTime := uint64(1), int64(0)
	for _, frame := range log.all() {
		h, payload, _, err := protocol.ParseFrame(frame)
		if err != nil {
			t.Fatal(err)
		}
		if h.Seq != seq {
			t.Fatalf("frame %d where %d belongs", h.Seq, seq)
		}
		seq++
		switch h.Type {
		case protocol.TypeGap:
			gaps--
		case protocol.TypeTags:
			var d protocol.TagsDecoder
			var tags protocol.Tags
			if err := d.Decode(h, payload, &tags); err != nil {
				t.Fatal(err)
			}
			if h.Index != uint64(len(got)) || h.Time < lastTime {
				t.Fatalf("frame %d: index %d, want %d; time %d after %d", h.Seq, h.Index, len(got), h.Time, lastTime)
			}
			lastTime = h.Time
			got = append(got, tags.Ticks...)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d tags, want %d, in their order", len(got), len(want))
	}
	if gaps != 0 {
		t.Errorf("%d gaps are missing", gaps)
	}
	if n := b.tags.side.n; n != 0 {
		t.Errorf("%d frames are under way still", n)
	}
}

// What the queue has no room for is a gap of known count where it belongs, losses
// within it included.
func TestOverrunOfTags(t *testing.T) {
	q := newQueue(2)
	var o overrun
	o.pass(q, tagsIn(100, 1_000, 10, 20))
	q.words = queueWords + 1 // it is full, also for what could be put to others
	dropped := tagsIn(200, 2_000, 110, 120, 130)
	dropped.Tags.Losses = []device.Loss{{From: 150, To: 160, Channel: -1, Missing: 4, Known: true}}
	o.pass(q, dropped)
	o.pass(q, tagsIn(300, 3_000, 210))
	q.words = 0
	o.pass(q, tagsIn(400, 4_000, 310))
	q.take()
	got, _ := q.take()
	want := []device.Note{{Gap: &device.Gap{
		Cause: device.CauseOverrun, Detail: "the queue between reading and batching was full", Begin: 1_000, Duration: 2_000, Missing: 8, Known: true,
	}}}
	if d := cmp.Diff(got.Notes, want); d != "" {
		t.Errorf("notes (-got +want):\n%s", d)
	}
}

// Tags that come a few at a time do not fill the queue with batches.
func TestFewTagsAreJoined(t *testing.T) {
	q := newQueue(2)
	var o overrun
	var want []uint64
	for i := range uint64(20_000) {
		b := q.empty()
		b.Tags.Tick, b.Tags.Channel = append(b.Tags.Tick, 3*i, 3*i+1), append(b.Tags.Channel, 0, 1)
		b.Tags.Until, b.Tags.At = 3*i+1, int64(i+1)
		want = append(want, b.Tags.Tick...)
		if i == 10_000 {
			b.Notes = append(b.Notes, device.Note{Row: 1, Event: &device.Event{What: "x"}})
		}
		o.pass(q, b)
	}
	var got []uint64
	batches, notes := 0, 0
	for in, _ := q.take(); in != nil; in, _ = q.take() {
		batches++
		notes += len(in.Notes)
		for _, n := range in.Notes {
			if got := in.Tags.Tick[n.Row]; got != 30_001 {
				t.Errorf("the note stands before tick %d", got)
			}
		}
		got = append(got, in.Tags.Tick...)
		if in.Tags.Until != got[len(got)-1] || in.Tags.At != int64(in.Tags.Until/3+1) {
			t.Errorf("batch %d: until %d at %d", batches, in.Tags.Until, in.Tags.At)
		}
		q.recycle(in)
	}
	if !slices.Equal(got, want) || batches > 8 || notes != 1 || q.words != 0 {
		t.Errorf("%d tags of %d in %d batches, %d notes, %d words", len(got), len(want), batches, notes, q.words)
	}
}

// A driver that makes room for as many tags as there may be, and gives a tenth of
// them each time, does not fill the queue with room.
func TestRoomIsUsed(t *testing.T) {
	q := newQueue(1)
	var o overrun
	const each = 6000
	tags := 0
	for range 300 {
		b := q.empty()
		b.Tags.Tick, b.Tags.Channel = slices.Grow(b.Tags.Tick, device.MaxTags)[:each], slices.Grow(b.Tags.Channel, device.MaxTags)[:each]
		b.Tags.Until, b.Tags.At = 1, 1
		o.pass(q, b)
		tags += each
	}
	if o.active || q.words > queueWords {
		t.Errorf("%d of %d tags were dropped, the queue holds %d words", o.missing, tags, q.words)
	}
	got := 0
	for in, _ := q.take(); in != nil; in, _ = q.take() {
		got += in.Len()
	}
	if got != tags {
		t.Errorf("%d tags came out, want %d", got, tags)
	}
}

// The rates of the status come from pieces of a quarter of a second at least, of
// totals alone.
func TestRatesOfTags(t *testing.T) {
	log := &memoryLog{}
	b := tagBatcher(log, 2)
	for i := range 11 { // half a second in steps of 50 ms; A at 1000 cps, B at half of that
		in := tagsIn(uint64(i)*25e6, int64(i)*50e6)
		for k := range 50 {
			in.Tags.Tick = append(in.Tags.Tick, uint64(i)*25e6-uint64(50-k))
			in.Tags.Channel = append(in.Tags.Channel, 0)
			if k%2 == 0 {
				in.Tags.Tick = append(in.Tags.Tick, uint64(i)*25e6-uint64(50-k))
				in.Tags.Channel = append(in.Tags.Channel, 1)
			}
		}
		if i == 0 {
			in = tagsIn(0, 1, 0)
		}
		b.take(t.Context(), in)
		b.flush()
	}
	s := b.status.snapshot()
	if len(s.Rates) != 2 || s.Rates[0].CPS == nil || s.Rates[1].CPS == nil {
		t.Fatalf("rates %+v", s.Rates)
	}
	if a, b := *s.Rates[0].CPS, *s.Rates[1].CPS; a < 999 || a > 1001 || b < 499 || b > 501 {
		t.Errorf("%.1f and %.1f cps, want 1000 and 500", a, b)
	}
	if s.Readings != 751 {
		t.Errorf("%d tags, want 751", s.Readings)
	}
}

func TestTagsTakeNoMemory(t *testing.T) {
	b := tagBatcher(&discardLog{}, 4)
	batch := randomTags(1, 3000)
	add := func() {
		in := b.queue.empty()
		in.Tags.Tick = append(in.Tags.Tick, batch.Tags.Tick...)
		in.Tags.Channel = append(in.Tags.Channel, batch.Tags.Channel...)
		in.Tags.Until, in.Tags.At = batch.Tags.Until, 1
		b.take(t.Context(), in)
		b.flush()
	}
	for range 20 {
		add()
	}
	if n := testing.AllocsPerRun(100, add); n > 0 {
		t.Errorf("%v allocations for a batch", n)
	}
}

// randomTags are n tags of Poisson light on four channels, at 10 million a second
// in ticks of 1 ps.
func randomTags(seed uint64, n int) *device.Batch {
	rng := rand.New(rand.NewPCG(seed, 1))
	in := device.NewBatch(4)
	tick := uint64(0)
	for range n {
		tick += uint64(rng.ExpFloat64() * 1e5)
		in.Tags.Tick = append(in.Tags.Tick, tick)
		in.Tags.Channel = append(in.Tags.Channel, uint8(rng.IntN(4)))
	}
	in.Tags.Until, in.Tags.At = tick, 1
	return in
}

// A driver's mistakes do not reach the record.
func TestCheckTags(t *testing.T) {
	for name, change := range map[string]func(*device.Batch){
		"columns":   func(b *device.Batch) { b.Tags.Tick = b.Tags.Tick[1:] },
		"channel":   func(b *device.Batch) { b.Tags.Channel[17] = 2 },
		"last one":  func(b *device.Batch) { b.Tags.Channel[18] = 2 },
		"readings":  func(b *device.Batch) { b.Begin = append(b.Begin, 1) },
		"too many":  func(b *device.Batch) { b.Tags = randomTags(1, device.MaxTags+1).Tags },
		"note":      func(b *device.Batch) { b.Notes = []device.Note{{Row: 20}} },
		"loss":      func(b *device.Batch) { b.Tags.Losses = []device.Loss{{From: 2, To: 1}} },
		"of nobody": func(b *device.Batch) { b.Tags.Losses = []device.Loss{{To: 1, Channel: 2}} },
	} {
		in := tagsIn(100, 1, make([]uint64, 19)...)
		if err := checkTags(in, 2); err != nil {
			t.Fatal(err)
		}
		if change(in); checkTags(in, 2) == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func BenchmarkTagBatcher(b *testing.B) {
	for _, n := range []int{64, 4096, device.MaxTags} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			batch := randomTags(1, n)
			bt := tagBatcher(&discardLog{}, 4)
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				in := bt.queue.empty()
				in.Tags, batch.Tags = batch.Tags, in.Tags // as if the driver had filled it
				in.Tags.At = int64(time.Second)
				keep := in.Tags
				bt.take(ctx, in)
				batch.Tags = keep
			}
			b.ReportMetric(float64(b.N)*float64(n)/b.Elapsed().Seconds()/1e6, "Mtags/s")
		})
	}
}
