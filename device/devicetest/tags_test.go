package devicetest

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"photongate/device"
)

// The comparison must find what drivers of tags can do wrong.
func TestCompareTagsFindsTrouble(t *testing.T) {
	// The instrument had been on for 1000 ticks when it was opened.
	truth := []sentTag{{tick: 1010, channel: 0}, {tick: 1011, channel: 1}, {tick: 1012, channel: 0}, {tick: 1013, channel: 1}, {tick: 1020, channel: 0}, {tick: 1021, channel: 0}}
	gap := func(row int) device.Note { return device.Note{Row: row, Gap: &device.Gap{Cause: device.CauseDamaged}} }
	for _, tc := range []struct {
		name     string
		tick     []uint64
		channel  []uint8
		losses   []device.Loss
		notes    []device.Note
		openEnd  bool // the session did not end by itself: what comes last may not have been read
		wrong    int
		disagree bool
	}{
		{name: "whole", tick: []uint64{10, 11, 12, 13, 20, 21}, channel: []uint8{0, 1, 0, 1, 0, 0}},
		{name: "the first are missing", tick: []uint64{12, 13, 20, 21}, channel: []uint8{0, 1, 0, 0}},
		{name: "one is missing", tick: []uint64{10, 11, 13, 20, 21}, channel: []uint8{0, 1, 1, 0, 0}, disagree: true},
		{name: "missing in a loss", tick: []uint64{10, 11, 13, 20, 21}, channel: []uint8{0, 1, 1, 0, 0}, losses: []device.Loss{{From: 12, To: 13, Channel: -1}}},
		{name: "missing in a loss of its channel", tick: []uint64{10, 11, 13, 20, 21}, channel: []uint8{0, 1, 1, 0, 0}, losses: []device.Loss{{From: 12, To: 13, Channel: 0}}},
		{name: "a loss of another channel", tick: []uint64{10, 11, 13, 20, 21}, channel: []uint8{0, 1, 1, 0, 0}, losses: []device.Loss{{From: 12, To: 13, Channel: 1}}, disagree: true},
		{name: "a loss that ends before it", tick: []uint64{10, 11, 13, 20, 21}, channel: []uint8{0, 1, 1, 0, 0}, losses: []device.Loss{{From: 11, To: 12, Channel: -1}}, disagree: true},
		{name: "missing in a gap", tick: []uint64{10, 11, 13, 20, 21}, channel: []uint8{0, 1, 1, 0, 0}, notes: []device.Note{gap(2)}},
		{name: "a gap elsewhere", tick: []uint64{10, 11, 13, 20, 21}, channel: []uint8{0, 1, 1, 0, 0}, notes: []device.Note{gap(1)}, disagree: true},
		{name: "one is twice there", tick: []uint64{10, 11, 11, 12, 13, 20, 21}, channel: []uint8{0, 1, 1, 0, 1, 0, 0}, disagree: true},
		{name: "two are exchanged", tick: []uint64{10, 12, 11, 13, 20, 21}, channel: []uint8{0, 0, 1, 1, 0, 0}, disagree: true},
		{name: "one is of another channel", tick: []uint64{10, 11, 12, 13, 20, 21}, channel: []uint8{0, 1, 1, 1, 0, 0}, wrong: 1},
		{name: "one is invented", tick: []uint64{10, 11, 12, 13, 15, 20, 21}, channel: []uint8{0, 1, 0, 1, 0, 0, 0}, wrong: 1},
		{name: "the clock leaps", tick: []uint64{10, 11, 12, 13, 120, 121}, channel: []uint8{0, 1, 0, 1, 0, 0}, wrong: 2},
		{name: "the last are missing", tick: []uint64{10, 11, 12}, channel: []uint8{0, 1, 0}, disagree: true},
		{name: "the last are not read any more", tick: []uint64{10, 11, 12}, channel: []uint8{0, 1, 0}, openEnd: true},
		{name: "nothing right", tick: []uint64{10, 11}, channel: []uint8{2, 2}, wrong: 2, disagree: true},
		{name: "no such channel", tick: []uint64{10}, channel: []uint8{3}, disagree: true},
		{name: "columns of different lengths", tick: []uint64{10, 11}, channel: []uint8{0}, disagree: true},
		{name: "notes out of order", tick: []uint64{10, 11}, channel: []uint8{0, 1}, notes: []device.Note{{Row: 1}, {Row: 0}}, openEnd: true, disagree: true},
		{name: "losses out of order", tick: []uint64{10, 11}, channel: []uint8{0, 1}, losses: []device.Loss{{From: 5, To: 6}, {From: 4, To: 6}}, openEnd: true, disagree: true},
		{name: "a loss that ends before it begins", tick: []uint64{10, 11}, channel: []uint8{0, 1}, losses: []device.Loss{{From: 5, To: 4}}, openEnd: true, disagree: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := device.NewBatch(3)
			b.Tags = device.Tags{Tick: tc.tick, Channel: tc.channel, Losses: tc.losses}
			r := &record{notes: tc.notes, desc: device.Description{Channels: make([]device.Channel, 3)}}
			if !tc.openEnd {
				r.ended = int64(time.Hour)
			}
			r.tags.collect(b)
			r.tags.truth = truth
			wrong, err := (&tagRecord{r}).compare()
			if wrong != tc.wrong || (err != nil) != tc.disagree {
				t.Errorf("compare = %d, %v, want %d, trouble %v", wrong, err, tc.wrong, tc.disagree)
			}
		})
	}
}

func TestClockOfTagsFindsTrouble(t *testing.T) {
	truth := []sentTag{{tick: 1010, at: 100}, {tick: 1020, at: 200}}
	type read struct {
		ticks []uint64
		until uint64
		at    int64
	}
	for _, tc := range []struct {
		name     string
		reads    []read
		disorder uint64
		disagree bool
	}{
		{name: "well", reads: []read{{[]uint64{10}, 10, 100}, {nil, 15, 150}, {[]uint64{20}, 20, 201}}},
		{name: "goes back", reads: []read{{[]uint64{10}, 12, 120}, {nil, 11, 150}}, disagree: true},
		{name: "a tag of the past", reads: []read{{[]uint64{10}, 10, 100}, {nil, 25, 150}, {[]uint64{20}, 26, 201}}, disagree: true},
		{name: "in small disorder", reads: []read{{[]uint64{10}, 10, 100}, {nil, 25, 150}, {[]uint64{20}, 26, 201}}, disorder: 5},
		{name: "a tag of the future", reads: []read{{[]uint64{10, 20}, 19, 200}}, disagree: true},
		{name: "arrived before it was sent", reads: []read{{[]uint64{10}, 10, 99}}, disagree: true},
		{name: "tags, and no word of the clock", reads: []read{{[]uint64{10}, 0, 0}}, disagree: true},
		{name: "never told", reads: []read{{nil, 0, 0}}, disagree: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := &record{desc: device.Description{Channels: make([]device.Channel, 1)}}
			r.tags.truth = truth
			for _, read := range tc.reads {
				b := device.NewBatch(1)
				b.Tags = device.Tags{Tick: read.ticks, Channel: make([]uint8, len(read.ticks)), Until: read.until, At: read.at}
				r.tags.collect(b)
			}
			if err := (&tagRecord{r}).clockHolds(tc.disorder); (err != nil) != tc.disagree {
				t.Errorf("%v, want trouble %v", err, tc.disagree)
			}
		})
	}
}

// toyTagger is a tagger made up for the suite: records of four bytes, of which the
// first is 0xA0 with the channel, then 16 bits of a clock of 100 us, low byte
// first, and the complement of their sum.
const (
	toyTick  = 100 * time.Microsecond
	toyEvery = 20 * time.Millisecond
)

var toyTagDriver = device.Driver{
	Name: "toytagger", Title: "tagger of the suite", Transport: device.Serial, Identity: device.Assumed, Open: openToyTagger,
}

func toyRecord(channel uint8, tick uint64) []byte {
	b := []byte{0xA0 | channel, byte(tick), byte(tick >> 8), 0}
	b[3] = ^(b[0] + b[1] + b[2])
	return b
}

func toyFits(b []byte) bool { return b[0]&^1 == 0xA0 && b[3] == ^(b[0]+b[1]+b[2]) }

// playToyTagger sends a tag of either channel in turn, at irregular times.
func playToyTagger(end *End, truth *TagTruth) {
	rng := rand.New(rand.NewPCG(7, 7))
	began := Clock()
	for n := 0; ; n++ {
		if !end.Wait(toyEvery/2 + time.Duration(rng.Int64N(int64(toyEvery)))) {
			return
		}
		tick := 60000 + uint64(Clock()-began)/uint64(toyTick) // it has been on for six seconds
		truth.Add(tick, uint8(n%2))
		if !end.Write(toyRecord(uint8(n%2), tick)) {
			return
		}
	}
}

type toyTagger struct {
	port   device.Port
	told   bool
	bytes  []byte
	bad    bool   // bytes that fit nothing came since the last tag
	last   uint64 // its tick, wraps undone
	any    bool
	closed chan struct{}
	once   sync.Once
}

func openToyTagger(ctx context.Context, req device.OpenRequest) (device.Source, error) {
	trouble := func(err error) error {
		return &device.Error{Op: "open", Port: req.Port.Name(), Err: err, Hint: "is it the tagger of the suite?"}
	}
	if err := ctx.Err(); err != nil {
		return nil, trouble(err)
	}
	if err := req.Port.Discard(); err != nil {
		return nil, trouble(err)
	}
	t := &toyTagger{port: req.Port, closed: make(chan struct{})}
	buf := make([]byte, 256)
	for range 8 {
		n, _, err := t.port.Read(buf, device.MaxWait)
		if err != nil {
			return nil, trouble(err)
		}
		t.bytes = append(t.bytes, buf[:n]...)
		for len(t.bytes) >= 4 && !toyFits(t.bytes) {
			t.bytes = t.bytes[1:]
		}
		if len(t.bytes) >= 4 {
			t.bytes = nil // the tags begin behind it
			return t, nil
		}
	}
	return nil, trouble(device.ErrNonsense)
}

func (t *toyTagger) Describe() device.Description {
	return device.Description{
		Model: "toy tagger", Identity: device.Assumed, Port: t.port.Name(), Timing: device.ByDevice, Tick: device.Tick{Num: 1, Den: 10000},
		Channels: []device.Channel{{Name: "A", Input: "input 1", Kind: device.Tag, Edge: device.Rising}, {Name: "B", Input: "input 2", Kind: device.Tag}},
	}
}

func (t *toyTagger) Read(b *device.Batch) error {
	if !t.told {
		t.told = true
		b.Notes = append(b.Notes, device.Note{Event: &device.Event{Time: Clock(), What: "opened", Text: "the tagger of the suite"}})
	}
	buf := make([]byte, 256)
	n, at, err := t.port.Read(buf, device.MaxWait)
	switch {
	case err == device.ErrTimeout:
		return nil
	case err != nil:
		return err
	}
	t.bytes = append(t.bytes, buf[:n]...)
	for len(t.bytes) >= 4 {
		if !toyFits(t.bytes) {
			t.bytes, t.bad = t.bytes[1:], true
			continue
		}
		low := uint64(t.bytes[1]) | uint64(t.bytes[2])<<8
		tick := t.last&^0xFFFF | low
		if t.any && tick < t.last {
			tick += 1 << 16
		}
		if t.bad {
			t.bad = false
			b.Tags.Losses = append(b.Tags.Losses, device.Loss{From: t.last, To: tick, Channel: -1})
			b.Notes = append(b.Notes, device.Note{Row: b.Len(), Gap: &device.Gap{Cause: device.CauseDamaged}})
		}
		b.Tags.Tick = append(b.Tags.Tick, tick)
		b.Tags.Channel = append(b.Tags.Channel, t.bytes[0]&1)
		b.Tags.Until, b.Tags.At = tick, at
		t.last, t.any = tick, true
		t.bytes = t.bytes[4:]
	}
	return nil
}

func (t *toyTagger) Close() error {
	t.once.Do(func() { close(t.closed) })
	return t.port.Close()
}

// The suite lets a good driver of tags pass.
func TestRunTags(t *testing.T) {
	RunTags(t, TagSubject{Driver: toyTagDriver, Play: playToyTagger, Every: toyEvery, Mute: true, Unseen: 0, Inserts: []byte{0x00, 0xA0, 0xFF}})
}
