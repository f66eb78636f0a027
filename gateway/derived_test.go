package gateway

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"photongate/device"
	"photongate/protocol"
)

// countedLog is what stands in a log of counts.
type countedLog struct {
	descriptor protocol.Descriptor
	counts     protocol.Counts
	other      []protocol.Type
}

func readCounts(t *testing.T, log *memoryLog) countedLog {
	t.Helper()
	var out countedLog
	var d protocol.CountsDecoder
	for _, frame := range log.all() {
		h, payload, _, err := protocol.ParseFrame(frame)
		if err != nil {
			t.Fatal(err)
		}
		var c protocol.Counts
		switch h.Type {
		case protocol.TypeDescriptor:
			err = protocol.DecodeJSON(payload, &out.descriptor)
		case protocol.TypeCounts:
			err = d.Decode(h, payload, &c)
			out.counts.Begin, out.counts.Length = append(out.counts.Begin, c.Begin...), append(out.counts.Length, c.Length...)
			for i := range c.Begin {
				flags := uint32(0)
				if len(c.Flags) > 0 {
					flags = c.Flags[i]
				}
				out.counts.Flags = append(out.counts.Flags, flags)
			}
			if out.counts.Values == nil {
				out.counts.Values = make([][]uint64, len(c.Values))
			}
			for ch := range c.Values {
				out.counts.Values[ch] = append(out.counts.Values[ch], c.Values[ch]...)
			}
		default:
			out.other = append(out.other, h.Type)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// A pair every millisecond, whose second tag comes 12 ns late: with the delay set all
// of them coincide, in a stream of counts of its own that stands beside the tags.
func TestCountsOfTags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &memoryLog{}
		of := &derivation{name: "bench.counts", frames: log, status: &deviceStatus{log: zerolog.Nop()}, cfg: CountsConfig{
			Gate: 50 * time.Millisecond, DelayNs: map[string]float64{"B": -12},
			Coincidences: []CoincidenceConfig{{Of: []string{"A", "B"}, WindowNs: 4}, {Name: "late", Of: []string{"B", "A"}, WindowNs: 2}},
		}}
		r := startTask(t, func(k *task, b *bench) {
			k.derivations = []*derivation{of}
			b.about = tagsOfTwoNs
		})
		s := <-r.bench.sources
		const start = uint64(1e6)
		for i := range uint64(40) { // two seconds, 50 ms of 2 ns each
			time.Sleep(50 * time.Millisecond)
			from, to := start+i*25e6, start+(i+1)*25e6
			at := time.Now().UnixNano()
			s.feed <- func(b *device.Batch) {
				for tick := from; tick < to; tick += 500e3 {
					b.Tags.Tick = append(b.Tags.Tick, tick+100, tick+106)
					b.Tags.Channel = append(b.Tags.Channel, 0, 1)
				}
				b.Tags.Until, b.Tags.At = to, at
				if i == 30 {
					b.Tags.Losses = append(b.Tags.Losses, device.Loss{From: from + 20, To: from + 30, Channel: 1})
				}
			}
		}
		time.Sleep(time.Second)
		status := r.snapshots()
		r.end()
		got := readCounts(t, log)
		var names []string
		for _, c := range got.descriptor.Channels {
			names = append(names, c.Name)
		}
		if !slices.Equal(names, []string{"A", "B", "AB", "late"}) {
			t.Errorf("channels %q", names)
		}
		ab := got.descriptor.Channels[2]
		want := protocol.Channel{Name: "AB", Input: "coincidences of A, B", Kind: protocol.KindCount, Width: 64, Of: []string{"A", "B"}, WindowNs: 6}
		if d := cmp.Diff(ab, want); d != "" { // differences of -1, 0 and 1 tick of 2 ns
			t.Errorf("channel AB (-got +want):\n%s", d)
		}
		desc := got.descriptor
		if d := cmp.Diff(desc.Parent, &protocol.Parent{Stream: "bench", Epoch: 1}); d != "" || desc.Tick != nil || desc.GateNs != 50e6 || desc.Stream != "bench.counts" {
			t.Errorf("descriptor %+v, parent %+v", desc, desc.Parent)
		}
		wantSettings := []protocol.Setting{
			{Key: "gate", Value: "50 ms, 25000000 ticks", How: protocol.HowFixed}, {Key: "delay B", Value: "-12 ns, -6 ticks", How: protocol.HowFixed},
			{Key: "window AB", Value: "6 ns, 3 ticks: up to 2 ns apart, to either side (4 ns asked for)", How: protocol.HowFixed}, {Key: "window late", Value: "2 ns, 1 tick: within the same tick", How: protocol.HowFixed},
		}
		if d := cmp.Diff(desc.Settings, wantSettings); d != "" {
			t.Errorf("settings (-got +want):\n%s", d)
		}
		c := got.counts
		if n := len(c.Begin); n < 30 || n > 36 {
			t.Fatalf("%d readings of two seconds", n)
		}
		flagged := 0
		for i := range c.Begin {
			for ch := range c.Values {
				if c.Values[ch][i] != 50 {
					t.Errorf("reading %d of %s: %d, want 50", i, names[ch], c.Values[ch][i])
				}
			}
			if c.Flags[i] != 0 {
				flagged++
			}
			if i > 0 && c.Begin[i] != c.Begin[i-1]+c.Length[i-1] {
				t.Errorf("reading %d begins %d ns after the end of the one before", i, c.Begin[i]-c.Begin[i-1]-c.Length[i-1])
			}
			if l := c.Length[i]; l < 49_950_000 || l > 50_050_000 {
				t.Errorf("reading %d is %d ns long", i, l)
			}
		}
		if flagged != 1 {
			t.Errorf("%d readings are flagged for a loss within one gate", flagged)
		}
		if len(got.other) != 1 || got.other[0] != protocol.TypeEnd {
			t.Errorf("besides counts there are %v", got.other)
		}
		if len(status) != 2 || status[1].State != Running || status[1].Readings != protocol.Uint64(len(c.Begin)) || status[1].Tags || len(status[1].Rates) != 4 {
			t.Errorf("status %+v", status)
		}
		tags := 0
		for _, frame := range r.frame.all() {
			if h, err := protocol.ParseHeader(frame); err == nil && h.Type == protocol.TypeTags {
				tags += int(h.Count)
			}
		}
		if tags != 40*100 {
			t.Errorf("%d tags are in the stream of tags, want 4000", tags)
		}
	})
}

// Counts of what gives none, or of channels that are not there, are refused with
// what to do.
func TestCountsThatCannotBeMade(t *testing.T) {
	for name, tc := range map[string]struct {
		about func(*device.Description)
		cfg   CountsConfig
		want  string
	}{
		"no tags":    {nil, CountsConfig{}, "[[device.counts]]: the instrument gives no time tags to count"},
		"no channel": {tagsOfTwoNs, CountsConfig{DelayNs: map[string]float64{"C": 1}}, `[[device.counts]]: there is no channel "C" (expected one of A, B)`},
		"twice": {tagsOfTwoNs, CountsConfig{Coincidences: []CoincidenceConfig{{Of: []string{"A", "B"}}, {Of: []string{"A", "B"}}}},
			`[[device.counts]]: two channels of bench.counts are called "AB" (expected a name of its own under coincidences)`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := startTask(t, func(k *task, b *bench) {
					k.derivations = []*derivation{{name: "bench.counts", frames: &memoryLog{}, status: &deviceStatus{log: zerolog.Nop()}, cfg: tc.cfg}}
					b.about = tc.about
				})
				defer r.end()
				<-r.bench.sources
				time.Sleep(100 * time.Millisecond)
				if got := r.state(t, Failed); got.Cause != "open /dev/bench: "+tc.want {
					t.Errorf("cause %q, want %q", got.Cause, tc.want)
				}
			})
		})
	}
}

// A channel of tags has limits as one of counts has: an alarm when it is beyond them
// for as long as is said, by the totals of frames. Darkness is a rate of zero where
// the instrument's clock is told.
func TestAlarmsOfTags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startTask(t, func(k *task, b *bench) {
			b.about = tagsOfTwoNs
			k.cfg.Channels = []ChannelConfig{{Input: "A", WarnAboveCPS: new(5000.0)}, {Input: "B", WarnBelowCPS: new(100.0), WarnFor: 3 * time.Second}}
			k.alarms = &alarms{log: zerolog.Nop(), utc: func(ns int64) time.Time { return time.Unix(0, ns) }}
		})
		s := <-r.bench.sources
		give := func(steps int, each ...uint64) { // of 50 ms
			for range steps {
				time.Sleep(50 * time.Millisecond)
				until := uint64(time.Now().UnixNano()/2) % (1 << 50)
				at := time.Now().UnixNano()
				s.feed <- func(b *device.Batch) {
					for ch, n := range each {
						for range n {
							b.Tags.Tick, b.Tags.Channel = append(b.Tags.Tick, until), append(b.Tags.Channel, uint8(ch))
						}
					}
					b.Tags.Until, b.Tags.At = until, at
				}
			}
		}
		give(40, 200, 10) // 4000 and 200 a second
		if list := r.task.alarms.list(); len(list) > 0 {
			t.Errorf("alarms %+v", list)
		}
		give(40, 300, 10)
		give(80)
		time.Sleep(time.Second)
		list := r.task.alarms.list()
		r.end()
		var got []string
		for _, a := range list {
			got = append(got, a.Channel+" "+a.Kind)
		}
		if !slices.Equal(got, []string{"A above", "B below"}) {
			t.Errorf("alarms %q", got)
		}
		events := 0
		for _, line := range r.frame.lines(t) {
			if strings.Contains(line, `"what":"alarm"`) {
				events++
			}
		}
		if events != 2 {
			t.Errorf("%d events tell of alarms, want 2", events)
		}
	})
}

// What is short in nanoseconds is whole in ticks, whatever floating point makes of it.
func TestPlanOfCounts(t *testing.T) {
	tags := protocol.Descriptor{Stream: "tagger", Tick: &protocol.Tick{Num: 1, Den: 1e12}, Channels: []protocol.Channel{{Name: "A"}, {Name: "start", Input: "input 2: TTL"}}}
	of := &derivation{name: "tagger.counts", cfg: CountsConfig{
		Gate: 100 * time.Millisecond, DelayNs: map[string]float64{"input 2": -0.7},
		Coincidences: []CoincidenceConfig{{Of: []string{"A", "start"}, WindowNs: 0.3}},
	}}
	p, err := planCounts(of, &tags, 5)
	if err != nil {
		t.Fatal(err)
	}
	if c := p.counter; c.Gate != 100e9 || c.Delay[1] != -700 || c.Disorder != 1e9 || c.Coincidences[0].Window != 300 {
		t.Errorf("%+v", c)
	}
	for disorder, want := range map[uint64]uint64{0: 1e9, 3e9: 3e9, 1 << 62: 1e12} { // 1 ms or more, 1 s at most
		if p, err := planCounts(of, &tags, disorder); err != nil || p.counter.Disorder != want {
			t.Errorf("disorder of %d: %d, %v", disorder, p.counter.Disorder, err)
		}
	}
	if ch := p.descriptor.Channels; len(ch) != 3 || ch[2].Name != "A+start" || ch[2].WindowNs != 0 || ch[2].WindowPs != 301 || ch[0].Kind != protocol.KindCount {
		t.Errorf("channels %+v", ch)
	}
	if got := p.descriptor.Settings[2].Value; got != "301 ps, 301 ticks: up to 150 ps apart, to either side" {
		t.Errorf("the window is said to be %q", got)
	}
	if tags.Channels[0].Kind != "" || len(tags.Settings) != 0 {
		t.Error("the descriptor of the tags was changed")
	}
}

// A loss that is told when its readings have been written cannot flag them: an event
// says which they are, and no other reading is flagged.
func TestCountsThatWereShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &memoryLog{}
		of := &derivation{name: "bench.counts", frames: log, status: &deviceStatus{log: zerolog.Nop()}, cfg: CountsConfig{Gate: 50 * time.Millisecond}}
		r := startTask(t, func(k *task, b *bench) {
			k.derivations = []*derivation{of}
			b.about = tagsOfTwoNs
		})
		s := <-r.bench.sources
		for i := range uint64(40) { // two seconds, 50 ms of 2 ns each
			time.Sleep(50 * time.Millisecond)
			from, to := i*25e6, (i+1)*25e6
			at := time.Now().UnixNano()
			s.feed <- func(b *device.Batch) {
				b.Tags.Tick, b.Tags.Channel = append(b.Tags.Tick, from+1000), append(b.Tags.Channel, 0)
				switch i {
				case 20:
					b.Tags.Losses = append(b.Tags.Losses, device.Loss{From: 12*25e6 + 20, To: 14 * 25e6, Channel: 1})
				case 22: // within a second of the first: told together, at the end
					b.Tags.Tick, b.Tags.Channel = append(b.Tags.Tick, 15*25e6), append(b.Tags.Channel, 0)
				case 24:
					b.Tags.Tick, b.Tags.Channel = append(b.Tags.Tick, 17*25e6), append(b.Tags.Channel, 0)
				}
				b.Tags.Until, b.Tags.At = to, at
			}
		}
		time.Sleep(time.Second)
		r.end()
		got := readCounts(t, log)
		for i, flags := range got.counts.Flags {
			if flags != 0 {
				t.Errorf("reading %d is flagged", i)
			}
		}
		var texts []string
		for _, frame := range log.all() {
			h, payload, _, err := protocol.ParseFrame(frame)
			if err != nil {
				t.Fatal(err)
			}
			var e protocol.Event
			if h.Type != protocol.TypeEvent {
				continue
			}
			if err := protocol.DecodeJSON(payload, &e); err != nil || e.What != "counts short" {
				t.Errorf("event %+v, %v", e, err)
			}
			text, _, _ := strings.Cut(e.Text, " lack tags")
			texts = append(texts, text)
		}
		// The batch of the first ends at gate 21, of which 1 ms is still waited for.
		want := []string{"some readings from 0.4 s to 0.3 s before this", "some readings from 1.2 s to 1.05 s before this"}
		if d := cmp.Diff(texts, want); d != "" {
			t.Errorf("(-got +want):\n%s", d)
		}
	})
}
