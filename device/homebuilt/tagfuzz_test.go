package homebuilt

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"photongate/device"
	"photongate/instrument"
)

// scripted is a port that hands over pieces of bytes, each some time after the last.
type scripted struct {
	streaming
	pieces [][]byte
	pauses []time.Duration
}

func (p *scripted) Read(b []byte, timeout time.Duration) (int, int64, error) {
	if len(p.pieces) == 0 {
		return 0, p.now, device.ErrGone
	}
	if wait := p.pauses[0]; wait > timeout {
		p.pauses[0] -= timeout
		p.now += int64(timeout)
		return 0, p.now, device.ErrTimeout
	}
	p.now += int64(p.pauses[0])
	p.pauses[0] = 0
	n := copy(b, p.pieces[0])
	if p.pieces[0] = p.pieces[0][n:]; len(p.pieces[0]) == 0 {
		p.pieces, p.pauses = p.pieces[1:], p.pauses[1:]
	}
	return n, p.now, nil
}

// scriptOf makes pieces of data: the first byte of each says how long it is and when
// it comes.
func scriptOf(data []byte) *scripted {
	p := &scripted{}
	p.now = 1
	for len(data) > 1 {
		n := min(1+int(data[0]>>2), len(data)-1)
		pause := []time.Duration{0, time.Millisecond, 150 * time.Millisecond, time.Second}[data[0]&3]
		p.pieces, p.pauses = append(p.pieces, append([]byte(nil), data[1:1+n]...)), append(p.pauses, pause)
		data = data[1+n:]
	}
	return p
}

// readTags reads all that comes of data, a record at a time or many.
func readTags(t *testing.T, f *instrument.File, data []byte, many bool) (device.Tags, []device.Note, error) {
	t.Helper()
	port := scriptOf(data)
	req := device.OpenRequest{Port: port, Clock: func() int64 { return port.now }}
	o := &opening{wire: newWire(f, req), ctx: t.Context(), req: req, row: newRow(len(f.Channels))}
	if r, ok := o.format.(*record); ok && !many {
		r.tags.quick = false
	}
	r := newTagging(o)
	var all device.Batch
	var until uint64
	for {
		b := device.NewBatch(len(f.Channels))
		err := r.read(b)
		g := &b.Tags
		switch {
		case len(g.Tick) != len(g.Channel) || len(g.Tick) > device.MaxTags:
			t.Fatalf("%d ticks, %d channels", len(g.Tick), len(g.Channel))
		case g.At != 0 && g.Until < until:
			t.Fatalf("the clock goes back from %d to %d", until, g.Until)
		}
		if g.At != 0 {
			until = g.Until
		}
		for i, tick := range g.Tick {
			if tick>>63 != 0 || int(g.Channel[i]) >= len(f.Channels) || tick > until+f.Tags.Disorder {
				t.Fatalf("tag %d of channel %d, until %d", tick, g.Channel[i], until)
			}
		}
		all.Append(b)
		if err != nil {
			return all.Tags, all.Notes, err
		}
	}
}

// seconds8 sends whole seconds, the microseconds of the next one, and a bit for each
// input.
const seconds8 = `
name = "seconds8"
[link]
baud = 115200
[record]
length = 8
[[record.field]]
name  = "us"
at    = 0
width = 3
[[record.field]]
name  = "s"
at    = 3
width = 4
[[record.field]]
name  = "inputs"
at    = 7
width = 1
[tags]
tick      = "1us"
time      = "us"
high      = "s"
high_unit = "1s"
pattern   = "inputs"
[[channel]]
name = "A"
[[channel]]
name = "B"
[[example]]
bytes = "hex: 0A 00 00 01 00 00 00 03"
tags = [["A", 1000010], ["B", 1000010]]
`

// Whatever comes, tags are in their columns and the clock goes on; many records read
// at once say what they say one at a time.
func FuzzTags(f *testing.F) {
	texts := []string{tagger8, tagger4, patterned, tagLines, seconds8}
	for kind, text := range texts {
		for _, e := range parse(f, text).Examples {
			data := append([]byte{4*62 + 2}, e.Bytes...)
			f.Add(uint8(kind), append(data, data...))
		}
	}
	files := make([]*instrument.File, len(texts))
	for i, text := range texts {
		files[i] = parse(f, text)
	}
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		file := files[int(kind)%len(files)]
		tags, notes, err := readTags(t, file, data, true)
		tags2, notes2, err2 := readTags(t, file, data, false)
		if !reflect.DeepEqual(tags, tags2) || !reflect.DeepEqual(notes, notes2) || err.Error() != err2.Error() {
			t.Errorf("many at once: %+v, %+v, %v\none at a time: %+v, %+v, %v", tags, notes, err, tags2, notes2, err2)
		}
		if !errors.Is(err, device.ErrGone) && !errors.Is(err, device.ErrChanged) && !errors.Is(err, device.ErrNonsense) {
			t.Errorf("ended with %v", err)
		}
	})
}

// Hand-worked: a clock of 1000 ticks of 1 ms, which begins anew.
func TestTagClock(t *testing.T) {
	c := newTagClock(&instrument.Tags{Tick: instrument.Span{Num: 1, Den: 1000}, Wrap: 1000, Disorder: 5})
	const ms = int64(time.Millisecond)
	for i, step := range []struct {
		at   int64 // ms
		raw  uint64
		tick uint64
		ok   bool
	}{
		{1, 900, 900, true},
		{50, 950, 950, true},
		{50, 947, 947, true},  // a little earlier than the one before
		{50, 940, 0, false},   // much earlier
		{150, 50, 1050, true}, // it began anew
		{150, 46, 1046, true},
		{160, 1000, 0, false},   // a clock of 1000 ticks has none
		{160, 400, 0, false},    // it came 10 ms after 1050 and would be 1400
		{800, 699, 1699, true},  // 650 ms after 1050
		{1550, 450, 2450, true}, // 750 ms after 1699: it began anew
		{1550, 998, 0, false},
	} {
		if !c.came(step.at * ms) {
			t.Errorf("step %d: not known how often it began anew", i)
		}
		tick, ok := c.place(step.raw)
		c.left()
		if ok != step.ok || ok && tick != step.tick {
			t.Errorf("step %d: %d at %d ms is tick %d, %v, want %d, %v", i, step.raw, step.at, tick, ok, step.tick, step.ok)
		}
	}
	if c.came((1550 + 950) * ms) {
		t.Error("950 ms of silence, 100 ms late at most, are not doubted")
	}
}

// Hand-worked: times of lines in ticks.
func TestInTicks(t *testing.T) {
	of := func(tick, unit instrument.Span) *instrument.Tags {
		return &instrument.Tags{UnitTicks: unit.Rat().Quo(unit.Rat(), tick.Rat())}
	}
	ns4, s := instrument.Span{Num: 4, Den: 1e9}, instrument.Span{Num: 1, Den: 1}
	for _, tc := range []struct {
		v      uint64 // with 12 digits behind the point
		tags   *instrument.Tags
		want   uint64
		longer bool
	}{
		{7_000_000_012_000, of(ns4, s), 1_750_000_003, false},
		{7_000_000_013_999, of(ns4, s), 1_750_000_003, false}, // rounded
		{7_000_000_014_000, of(ns4, s), 1_750_000_004, false},
		{12_000_000_000_000, of(ns4, ns4), 12, false},
		{1<<64 - 1, of(instrument.Span{Num: 1, Den: 1e15}, s), 0, true},
	} {
		got, ok := inTicks(tc.v, tc.tags, 12)
		if ok == tc.longer || ok && got != tc.want {
			t.Errorf("%d: %d, %v, want %d", tc.v, got, ok, tc.want)
		}
	}
}

// What came when the instrument was opened had waited in it: the first arrivals are
// late, by more than is waited for at first, and what comes on time then is no error.
func TestTagClockThatWasLate(t *testing.T) {
	c := newTagClock(&instrument.Tags{Tick: instrument.Span{Num: 1, Den: 1000}})
	const ms = int64(time.Millisecond)
	refused := 0
	for i := range int64(100) {
		c.came(60_000*ms + i*100*ms) // a minute late,
		if _, ok := c.place(uint64(100 * i)); !ok {
			t.Fatalf("tag %d is refused", i)
		}
		c.left()
	}
	for i := range int64(100) {
		c.came(70_000*ms + i*100*ms) // and then not at all
		if _, ok := c.place(uint64(70_000 + 100*i)); !ok {
			refused++
		}
		c.left()
	}
	if refused != earlyInARow-1 {
		t.Errorf("%d are refused, want %d", refused, earlyInARow-1)
	}
}
