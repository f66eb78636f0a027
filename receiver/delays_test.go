package receiver

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"photongate/protocol"
)

// withPairs gives the stub a stream of tags, of 500 ps, in two parts whose clocks
// count from other moments: X, and Y 137 ns later with half of them, besides a
// third channel and light of its own in each.
func (g *stub) withPairs() *stub {
	g.t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	var frames [][]byte
	for epoch, begin := range map[uint32]uint64{1: 1_000, 2: 1 << 50} {
		m := &frameMaker{t: g.t, stream: 5, epoch: epoch, time: baseNs + int64(epoch)*60*second}
		m.json(protocol.TypeDescriptor, &protocol.Descriptor{Stream: "pairs", Base: g.base, Boot: "boot", Software: "stub", Cause: "gateway started",
			Timing: protocol.TimingDevice, Tick: &protocol.Tick{Num: 1, Den: 2_000_000_000},
			Channels: []protocol.Channel{{Name: "X", Kind: protocol.KindTag}, {Name: "other", Kind: protocol.KindTag}, {Name: "Y arm", Kind: protocol.KindTag}}})
		at := begin
		for range 10 {
			tags := &protocol.Tags{}
			for range 400 {
				at += 1000 + r.Uint64N(20_000)
				tags.Ticks, tags.Channels = append(tags.Ticks, at, at+137), append(tags.Channels, 0, 1)
				if r.IntN(2) == 0 {
					tags.Ticks, tags.Channels = append(tags.Ticks, at+274+r.Uint64N(3)-1), append(tags.Channels, 2)
				}
			}
			at += 1000
			tags.Until = at
			m.time += 2_000_000
			frame, err := new(protocol.TagsEncoder).Append(nil, m.header(protocol.TypeTags), 3, tags)
			if err != nil {
				g.t.Fatal(err)
			}
			m.out = append(m.out, frame)
			m.index += uint64(len(tags.Ticks))
		}
		if epoch == 1 {
			frames = append(m.out, frames...)
		} else {
			frames = append(frames, m.out...)
		}
	}
	g.streams = append(g.streams, &stubStream{"pairs", 5, frames})
	return g
}

func checkDelays(t *testing.T, d Delays, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "stream", d.Stream, "pi-lab3/pairs")
	equal(t, "tags of X", d.TagsA, uint64(8000))
	equal(t, "tick", d.TickPs, 500.0)
	if d.Peak == nil {
		t.Fatal("no peak")
	}
	if p := d.Peak; math.Abs(p.AtPs-137_000) > 3*p.ErrorPs+1 || p.ErrorPs > 200 || p.WidthPs > 2000 || math.Abs(p.Pairs-float64(d.TagsB)) > 100 {
		t.Errorf("peak %+v of %d tags of Y", p, d.TagsB)
	}
	if d.Peak.Delay != `delay = { X = "137.1ns" }` {
		t.Errorf("line %s", d.Peak.Delay)
	}
	// Y is 1 tick earlier or later, or neither: 3 ticks hold all of it. By a delay of
	// half a tick more it is 1.
	if p := d.Peak; p.Window != "1ns" || p.WindowTicks != 3 || p.WindowPs != 1500 || p.InWindow < 0.99 {
		t.Errorf("window %s of %d ticks, %v ps, holds %v", p.Window, p.WindowTicks, p.WindowPs, p.InWindow)
	}
	pairs := uint64(0)
	for _, n := range d.Counts {
		pairs += n
	}
	if len(d.Counts) != 401 || pairs < d.TagsB || d.FirstPs != -200_250 {
		t.Errorf("%d bins from %v with %d pairs", len(d.Counts), d.FirstPs, pairs)
	}
}

// TestDelays: from a folder and from a gateway, over parts with clocks of their
// own.
func TestDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		recordTo(t, newStub(t).withBench(2).withPairs(), dir)
		o := DelaysOptions{Source: dir, A: "X", B: "Y arm", RangePs: 200_000, BinPs: 1000}
		d, err := FindDelays(t.Context(), o)
		checkDelays(t, d, err)

		o.A, o.B = o.B, o.A
		if d, err = FindDelays(t.Context(), o); err != nil || d.Peak == nil || math.Abs(d.Peak.AtPs+137_000) > 100 || !strings.HasPrefix(d.Peak.Delay, `delay = { X = "13`) {
			t.Errorf("the other way round: %+v, %v", d.Peak, err)
		}
		o.RangePs = 100_000
		if d, err = FindDelays(t.Context(), o); err != nil || d.Peak != nil {
			t.Errorf("a range in which there is none: %+v, %v", d.Peak, err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		g := newStub(t).withPairs()
		g.stay = true
		o := DelaysOptions{Source: "pi-lab3", A: "X", B: "Y arm", RangePs: 200_000, BinPs: 1000, For: time.Hour, Connect: ConnectOptions{Dial: g.dial, Software: "test"}}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		d, err := FindDelays(ctx, o)
		checkDelays(t, d, err)
		equal(t, "early", d.Early, "it was ended early")
	})
}

func TestDelaysRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		recordTo(t, newStub(t).withBench(2).withPairs().withTagger(2), dir)
		for says, o := range map[string]DelaysOptions{
			"the same channel": {A: "X", B: "X", RangePs: 1, BinPs: 1},
			"has no channel Z: there are X, other, Y arm":                  {A: "X", B: "Z", Stream: "pairs", RangePs: 200_000, BinPs: 1000},
			"pi-lab3/bench gives counts":                                   {A: "A", B: "B", Stream: "bench", RangePs: 200_000, BinPs: 1000},
			"choose one with --stream":                                     {A: "X", B: "other", RangePs: 200_000, BinPs: 1000},
			"no stream fits --stream nope: there are bench, pairs, tagger": {A: "X", B: "other", Stream: "nope", RangePs: 200_000, BinPs: 1000},
			"--range 100ps is too short: a tick of pi-lab3/pairs lasts 500ps, and 4 of them to each side are needed":                      {A: "X", B: "other", Stream: "pairs", RangePs: 100, BinPs: 10},
			"--range 1s in bins of 1ns is 1e+09 bins to each side, and 524286 is the most: choose a shorter --range, or a --bin of 1.907": {A: "X", B: "other", Stream: "pairs", RangePs: 1e12, BinPs: 1000},
			"--bin 100ns is too wide for --range 200ns": {A: "X", B: "other", Stream: "pairs", RangePs: 200_000, BinPs: 100_000},
			"not one time tag is of --from":             {A: "X", B: "other", Stream: "pairs", RangePs: 200_000, BinPs: 1000, From: time.Now().Add(24 * time.Hour * 365 * 100)},
		} {
			o.Source = dir
			if _, err := FindDelays(t.Context(), o); !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), says) {
				t.Errorf("%+v: %v, want ErrUsage that says %q", o, err, says)
			}
		}
	})
}

// TestDelaysRefusedLive: of a gateway it is not waited for what cannot come.
func TestDelaysRefusedLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStub(t).withPairs()
		g.stay = true
		g.onRequest = func(ask protocol.Request) []protocol.Reply {
			return []protocol.Reply{{ID: ask.ID, Status: &protocol.Status{Devices: []protocol.DeviceStatus{
				{Name: "pairs", Tags: true, Epoch: 1}, {Name: "pairs.counts", Driver: "counts", Epoch: 1}, {Name: "away", State: "gone", Cause: "unplugged"}}}}}
		}
		start := time.Now()
		for says, o := range map[string]DelaysOptions{
			"pi-lab3: no stream fits --stream nope: there are pairs, pairs.counts, away":                                      {Stream: "nope"},
			"pi-lab3: delays are found from time tags, and pairs.counts gives counts: there are pairs, pairs.counts, away":    {Stream: "pairs.counts"},
			"--from is for folders, and there is no folder pi-lab3: of a gateway the tags are compared that come from now on": {From: start},
		} {
			o.Source, o.A, o.B, o.RangePs, o.BinPs, o.Connect = "pi-lab3", "X", "other", 200_000, 1000, ConnectOptions{Dial: g.dial, Software: "test"}
			if _, err := FindDelays(t.Context(), o); !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), says) {
				t.Errorf("%v, want ErrUsage that says %q", err, says)
			}
		}
		if waited := time.Since(start); waited > time.Second {
			t.Errorf("refused after %v", waited)
		}
		_, err := FindDelays(t.Context(), DelaysOptions{Source: "pi-lab3", Stream: "away", A: "A", B: "B", RangePs: 200_000, BinPs: 1000, For: time.Second,
			Connect: ConnectOptions{Dial: g.dial, Software: "test"}})
		if err == nil || err.Error() != "pi-lab3: not one time tag came: away is gone: unplugged" {
			t.Errorf("of one that is away: %v", err)
		}
	})
}

func TestShortTimes(t *testing.T) {
	for text, want := range map[string]int64{"100ns": 100_000, "1.5us": 1_500_000, "1.5µs": 1_500_000, "81ps": 81, " 2 ms": 2_000_000_000, "1s": 1_000_000_000_000} {
		if got, err := ParsePs(text); err != nil || got != want {
			t.Errorf("%s is %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "ns", "100", "-1ns", "0ps", "1e30s", "NaNns", "1m", "ps ps"} {
		if got, err := ParsePs(text); err == nil {
			t.Errorf("%q is taken for %d ps", text, got)
		}
	}
	for want, ps := range map[string]float64{"12.5ns": 12_500, "0ps": 0, "-81ps": -81, "1.5us": 1_500_000, "15.625ps": 15.625, "2s": 2e12} {
		equal(t, "text", PsText(ps), want)
	}
	for want, ps := range map[string][2]float64{"24.99 ± 0.14ns": {24_992, 144}, "0.3 ± 1.2ps": {0.3, 1.2}, "137 ± 41us": {137e6, 41e6}, "-1.500000 ± 0.000050ns": {-1500, 0.05}} {
		equal(t, "with its error", PsError(ps[0], ps[1]), want)
	}
}
