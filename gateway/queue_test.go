package gateway

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"photongate/device"
)

func TestQueueIsBounded(t *testing.T) {
	q := newQueue(2)
	for i := range queueBatches {
		b := q.empty()
		rows(b, int64(i), uint64(i), 1)
		if q.full(b) {
			t.Fatalf("full after %d batches, want %d", i, queueBatches)
		}
		q.put(b)
	}
	b := q.empty()
	if rows(b, 0, 0, 1); !q.full(b) {
		t.Errorf("not full after %d batches", queueBatches)
	}
	for i := range queueBatches {
		b, closed := q.take()
		if b == nil || closed || b.Values[0][0] != uint64(i) {
			t.Fatalf("batch %d: got %v, closed %v", i, b, closed)
		}
		q.recycle(b)
	}
	if len(q.spare) != smallSpare {
		t.Errorf("%d small spare batches are kept, want %d", len(q.spare), smallSpare)
	}
	q.spare = nil
	for range 2 * queueSpare {
		b := device.NewBatch(2)
		rows(b, 0, 0, 8192)
		q.recycle(b)
	}
	if len(q.spare) != queueSpare {
		t.Errorf("%d large spare batches are kept, want %d", len(q.spare), queueSpare)
	}
	large := device.NewBatch(2)
	rows(large, 0, 0, queueWords/6)
	if q.full(large) {
		t.Error("the largest batch does not fit into an empty queue")
	}
	q.put(large)
	if b := q.empty(); func() bool { rows(b, 0, 0, 8192); return !q.full(b) }() {
		t.Errorf("not full with %d words", q.words)
	}
}

func TestQueueAfterClose(t *testing.T) {
	q := newQueue(1)
	b := q.empty()
	addReading(b, 0, 1, 1)
	q.put(b)
	q.close()
	q.put(q.empty()) // thrown away: a read that was left behind
	if got, closed := q.take(); got != b || closed {
		t.Errorf("got %v, closed %v; want what was in the queue", got, closed)
	}
	if got, closed := q.take(); got != nil || !closed {
		t.Errorf("got %v, closed %v; want the end", got, closed)
	}
}

// What the queue had no room for stands as gaps before the next batch that
// fits, with the number of readings, so that the index goes on as the device's.
func TestOverrunIsCounted(t *testing.T) {
	q := newQueue(2)
	for range queueBatches {
		q.put(q.empty())
	}
	var o overrun
	give := func(begin int64, n int, notes ...device.Note) {
		b := q.empty()
		rows(b, begin, 0, n)
		b.Notes = append(b.Notes, notes...)
		o.pass(q, b)
	}
	give(5000, 2)
	give(7000, 1, device.Note{Gap: &device.Gap{Cause: device.CauseLost, Begin: 7000, Duration: 3000, Missing: 3, Known: true}},
		device.Note{Row: 1, Gap: &device.Gap{Cause: device.CauseDamaged, Begin: 8000}})
	give(10000, 1, device.Note{Row: 1, Event: &device.Event{What: "x"}})
	for {
		if b, _ := q.take(); b == nil {
			break
		}
	}
	give(11000, 1, device.Note{Row: 1, Event: &device.Event{What: "y"}})
	b, _ := q.take()
	if d := cmp.Diff(noteLines(b), []string{
		"0 gap overrun from 5000 for 6000, 7 missing true",
		"0 gap damaged bytes from 11000 for 0, 0 missing false",
		"1 event y",
	}); d != "" {
		t.Errorf("notes (-got +want):\n%s", d)
	}
	if o.active {
		t.Error("the same loss would be told twice")
	}
}

// What was dropped last of all is told as well.
func TestOverrunAtTheEnd(t *testing.T) {
	q := newQueue(2)
	for range queueBatches {
		q.put(q.empty())
	}
	var o overrun
	b := q.empty()
	rows(b, 5000, 0, 2)
	o.pass(q, b)
	o.finish(q)
	o.finish(q)
	var got []string
	for {
		b, _ := q.take()
		if b == nil {
			break
		}
		got = append(got, noteLines(b)...)
	}
	if d := cmp.Diff(got, []string{"0 gap overrun from 5000 for 2000, 2 missing true"}); d != "" {
		t.Errorf("notes (-got +want):\n%s", d)
	}
}

// A gap of known count among what was dropped is part of how long it lasts.
func TestOverrunEndsWithAGap(t *testing.T) {
	var o overrun
	b := device.NewBatch(2)
	rows(b, 5000, 0, 2)
	b.Notes = []device.Note{{Row: 2, Gap: &device.Gap{Cause: device.CauseLost, Begin: 7000, Duration: 3000, Missing: 3, Known: true}}}
	o.drop(b)
	b.Notes = o.notes()
	if d := cmp.Diff(noteLines(b), []string{"0 gap overrun from 5000 for 5000, 5 missing true"}); d != "" {
		t.Errorf("notes (-got +want):\n%s", d)
	}
}

func noteLines(b *device.Batch) []string {
	var out []string
	for _, n := range b.Notes {
		switch {
		case n.Gap != nil:
			out = append(out, fmt.Sprintf("%d gap %s from %d for %d, %d missing %v", n.Row, n.Gap.Cause, n.Gap.Begin, n.Gap.Duration, n.Gap.Missing, n.Gap.Known))
		case n.Event != nil:
			out = append(out, fmt.Sprintf("%d event %s", n.Row, n.Event.What))
		}
	}
	return out
}
