package gateway

import (
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"photongate/protocol"
)

// Tags wait for others for longer than readings do where few come and nobody looks
// on, and never longer than that.
func TestFewTagsWait(t *testing.T) {
	const span = 4 * time.Second
	for _, tc := range []struct {
		name        string
		each        int // tags every 10 ms
		wait        tagWait
		most, least int           // frames in 4 s
		age         time.Duration // of the oldest tag in a frame, when it is written
	}{
		{name: "few", each: 10, wait: tagWait{longest: time.Second}, least: 4, most: 5, age: time.Second},
		{name: "hardly any", each: 1, wait: tagWait{longest: time.Second}, least: 4, most: 5, age: time.Second},
		{name: "many", each: 3000, wait: tagWait{longest: time.Second}, least: 130, most: 201, age: 30 * time.Millisecond},
		{name: "somebody looks on", each: 10, wait: tagWait{longest: time.Second, watched: func() bool { return true }}, least: 130, most: 201, age: 20 * time.Millisecond},
		{name: "nobody looks on", each: 10, wait: tagWait{longest: time.Second, watched: func() bool { return false }}, least: 4, most: 5, age: time.Second},
		{name: "batch was set", each: 10, wait: tagWait{longest: 20 * time.Millisecond}, least: 130, most: 201, age: 20 * time.Millisecond},
		{name: "some", each: 100, wait: tagWait{longest: time.Second}, least: 9, most: 10, age: 460 * time.Millisecond},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &memoryLog{}
				b := tagBatcher(log, 2)
				b.wait = tc.wait
				epoch := time.Now()
				b.now = func() int64 { return int64(time.Since(epoch)) + 1 }
				q := b.queue
				ended := make(chan struct{})
				go func() { defer close(ended); b.run(t.Context(), q) }()
				seen, count := 0, 0
				var worst time.Duration
				look := func() {
					synctest.Wait()
					for _, frame := range log.all()[seen:] {
						if h, _, _, _ := protocol.ParseFrame(frame); h.Type == protocol.TypeTags {
							count++
							worst = max(worst, time.Since(epoch)-time.Duration(h.Time))
						}
						seen++
					}
				}
				for time.Since(epoch) < span {
					time.Sleep(10 * time.Millisecond)
					at := b.now()
					in := q.empty()
					for i := range tc.each {
						in.Tags.Tick = append(in.Tags.Tick, uint64(at/2)-uint64(tc.each-1-i))
						in.Tags.Channel = append(in.Tags.Channel, uint8(i%2))
					}
					in.Tags.Until, in.Tags.At = uint64(at/2), at
					q.put(in)
					look()
				}
				if count < tc.least-1 || count > tc.most {
					t.Errorf("%d frames in %v, want %d to %d", count, span, tc.least-1, tc.most)
				}
				if worst > tc.age+time.Millisecond {
					t.Errorf("a tag waited for %v, at most %v are allowed", worst, tc.age)
				}
				if n := q.waiting(); n > 2 {
					t.Errorf("%d batches wait in the queue: what is counted of tags does not wait with their frames", n)
				}
				q.close()
				<-ended
			})
		})
	}
}

// A view makes its stream one that somebody looks on to; an archive does not.
func TestViewsAreWatching(t *testing.T) {
	r := recordedGateway(t)
	c := connect(t, r.Addr(), "desk", protocol.NewID())
	c.subscribe(archiveFrom(protocol.FromOldest, "bench"))
	c.untilIndex(benchID, 2)
	if r.watched(benchID) {
		t.Error("an archive is taken for somebody who looks on")
	}
	v := connect(t, r.Addr(), "viewer", protocol.NewID())
	v.subscribe(protocol.Subscribe{Sub: 1, Kind: protocol.SubscribeView, Streams: []string{"bench"}, From: protocol.FromOldest, Credit: 1 << 20})
	v.untilIndex(benchID, 2)
	if !r.watched(benchID) || r.watched(benchID+1) {
		t.Errorf("with a view of bench: bench watched %v, another %v", r.watched(benchID), r.watched(benchID+1))
	}
	v.conn.Close()
	for deadline := time.After(patience); r.watched(benchID); {
		select {
		case <-deadline:
			t.Fatal("a view that is gone is taken for somebody who looks on")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// TestTagsStored is the table of what a gateway stores of light at random on four
// channels, ticks of 1 ps, with Batch left out and with 20 ms, everything included,
// against the entropy.
func TestTagsStored(t *testing.T) {
	stored := func(rate float64, wait time.Duration) (bits float64) {
		synctest.Test(t, func(t *testing.T) {
			log := &memoryLog{}
			b := testBatcher(log, 4)
			b.gate, b.descriptor.GateNs, b.descriptor.Tick = 0, 0, &protocol.Tick{Num: 1, Den: 1e12}
			b.wait = tagWait{longest: wait}
			epoch := time.Now()
			b.now = func() int64 { return int64(time.Since(epoch)) + 1 }
			q := newQueue(4)
			ended := make(chan struct{})
			go func() { defer close(ended); b.run(t.Context(), q) }()
			rng := rand.New(rand.NewPCG(1, uint64(rate)))
			next, n := rng.ExpFloat64()*1e12/rate, 0
			// At least 12 s, so that it is no matter how they are cut, of many tags less.
			for span := max(min(12*time.Second, time.Duration(3e5/rate*1e9)), 60*time.Millisecond); time.Since(epoch) < span; {
				time.Sleep(time.Millisecond)
				in := q.empty()
				in.Tags.At = int64(time.Since(epoch))
				in.Tags.Until = uint64(in.Tags.At) * 1000
				for ; uint64(next) < in.Tags.Until; next += rng.ExpFloat64() * 1e12 / rate {
					in.Tags.Tick = append(in.Tags.Tick, uint64(next))
					in.Tags.Channel = append(in.Tags.Channel, uint8(rng.IntN(4)))
					n++
				}
				q.put(in)
				synctest.Wait()
			}
			q.close()
			<-ended
			bytes := 0
			for _, frame := range log.all() {
				if h, _, _, _ := protocol.ParseFrame(frame); h.Type == protocol.TypeTags || h.Type == protocol.TypeClock {
					bytes += len(frame)
				}
			}
			bits = 8 * float64(bytes) / float64(n)
		})
		return bits
	}
	t.Logf("%10s %9s %9s %8s %14s", "tags/s", "entropy", "default", "above", "batch = 20ms")
	for _, tc := range []struct{ rate, above float64 }{ // percent
		{1e3, 4}, {1e4, 2}, {1e5, 2}, {1e6, 1.5}, {1e7, 1.5},
	} {
		entropy := math.Log2(math.E*1e12/tc.rate) + 2
		bits, quick := stored(tc.rate, DefaultTagWait), stored(tc.rate, 20*time.Millisecond)
		above := 100 * (bits/entropy - 1)
		t.Logf("%10.0f %9.2f %9.2f %7.2f%% %14.2f", tc.rate, entropy, bits, above, quick)
		if above > tc.above {
			t.Errorf("%.0f tags/s: %.2f bits a tag, %.2f %% above the entropy, at most %.1f %%", tc.rate, bits, above, tc.above)
		}
	}
}
