package receiver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"photongate/protocol"
)

// outages are records of a stream with four readings from 0.1 s on, and of what
// comes behind them. Times are by the gateway's time base, from baseNs on.
var outages = map[string]struct {
	make func(t *testing.T, g *stub)
	gap  string // as verify tells it; empty: it is no gap
	csv  string // row in bench.gaps.csv, of which the columns behind the second
}{
	"unplugged, and the gateway goes on": {func(t *testing.T, g *stub) {
		g.ends(t, protocol.CauseUnplugged, 500)
		g.goesOn(t, 60_000)
	}, "part 1: gap: unplugged, from 2026-11-20T13:30:12.500Z, still open at 2026-11-20T13:31:12.100Z, an unknown number of readings missing",
		"59.600000,1,4,,unplugged,still open at 2026-11-20T13:31:12.100Z"},
	"unplugged, and nothing is known of later": {func(t *testing.T, g *stub) { g.ends(t, protocol.CauseStalled, 3000) },
		"part 1: gap: stalled, from 2026-11-20T13:30:12.500Z, still open at 2026-11-20T13:30:15.100Z, an unknown number of readings missing",
		"2.600000,1,4,,stalled,still open at 2026-11-20T13:30:15.100Z"},
	"unplugged, and the gateway stopped meanwhile": {func(t *testing.T, g *stub) {
		g.ends(t, protocol.CauseUnplugged, 500)
		g.gatewayEnds(t, 9000)
	}, "part 1: gap: unplugged, from 2026-11-20T13:30:12.500Z, still open at 2026-11-20T13:30:21.100Z, an unknown number of readings missing",
		"8.600000,1,4,,unplugged,still open at 2026-11-20T13:30:21.100Z"},
	"unplugged, and the gateway was started again": {func(t *testing.T, g *stub) {
		g.ends(t, protocol.CauseUnplugged, 500)
		g.gatewayEnds(t, 9000)
		g.startsAgain(t, 3, 20_000)
	}, "part 1: gap: unplugged, from 2026-11-20T13:30:12.500Z, still open at 2026-11-20T13:30:32.100Z, an unknown number of readings missing",
		"19.600000,1,4,,unplugged,still open at 2026-11-20T13:30:32.100Z"},
	"the gateway crashed, and is there again": {func(t *testing.T, g *stub) { g.startsAgain(t, 2, 20_000) },
		"part 1: gap: gateway crashed, from 2026-11-20T13:30:12.500Z, still open at 2026-11-20T13:30:32.100Z, an unknown number of readings missing",
		"19.600000,1,4,,gateway crashed,still open at 2026-11-20T13:30:32.100Z"},
	"the gateway was recorded anew later, and nobody knows what was between": {func(t *testing.T, g *stub) {
		g.ends(t, protocol.CauseUnplugged, 500)
		g.startsAgain(t, 7, 20_000)
	}, "part 1: gap: unplugged, from 2026-11-20T13:30:12.500Z, still open at 2026-11-20T13:30:12.600Z", "0.100000,1,4,,unplugged,still open at 2026-11-20T13:30:12.600Z"},
	"the gateway was stopped": {func(t *testing.T, g *stub) {
		g.ends(t, protocol.CauseGatewayStopped, 500)
		g.gatewayEnds(t, 600)
		g.startsAgain(t, 3, 20_000)
	}, "", ""},
	"it goes on":                            {func(t *testing.T, g *stub) { g.goesOn(t, 60_000) }, "", ""},
	"recorded no longer, and stopped since": {func(t *testing.T, g *stub) { g.gatewayEnds(t, 600); g.startsAgain(t, 3, 20_000) }, "", ""},
	"back again": {func(t *testing.T, g *stub) {
		g.ends(t, protocol.CauseReopened, 500)
		twoParts(t, g, 1, 4)
	}, "", ""},
}

// add appends a frame to one of the stub's streams, so many milliseconds behind
// baseNs.
func (g *stub) add(t *testing.T, stream int, ms int64, kind protocol.Type, v any) {
	t.Helper()
	s := g.streams[stream]
	last, err := protocol.ParseHeader(s.frames[len(s.frames)-1])
	if err != nil {
		t.Fatal(err)
	}
	m := &frameMaker{t: t, stream: s.id, epoch: last.Epoch, seq: last.Seq, index: last.Index + uint64(last.Count), time: baseNs + ms*1_000_000}
	s.frames = append(s.frames, m.json(kind, v).out...)
}

func (g *stub) ends(t *testing.T, cause string, ms int64) {
	g.add(t, 1, ms, protocol.TypeEnd, &protocol.End{Cause: cause})
}

func (g *stub) gatewayEnds(t *testing.T, ms int64) {
	g.add(t, 0, ms, protocol.TypeEnd, &protocol.End{Cause: protocol.CauseGatewayStopped})
}

func (g *stub) goesOn(t *testing.T, ms int64) {
	g.add(t, 0, ms, protocol.TypeEvent, &protocol.Event{What: protocol.EventNote, Text: "still here"})
}

// startsAgain is the next process of the gateway, which knows so many frames of
// the stream of the one before.
func (g *stub) startsAgain(t *testing.T, known uint64, ms int64) {
	m := &frameMaker{t: t, stream: 1, epoch: 2, time: baseNs + ms*1_000_000}
	m.json(protocol.TypeDescriptor, &protocol.Descriptor{Stream: gatewayStream, Base: mustID(t, "b0000000000000000000000000000009"), Boot: "boot", Software: "stub",
		Cause: protocol.CauseGatewayStarted, Channels: []protocol.Channel{}, Previous: &protocol.Previous{Epoch: 1, Seq: protocol.Uint64(known)}})
	g.streams[0].frames = append(g.streams[0].frames, m.clock(0, protocol.SyncSynchronised).out...)
}

// TestAnOutageThatGoesOnIsAGap: for verify, for the summary of a recording and its
// CSV files, and for cat.
func TestAnOutageThatGoesOnIsAGap(t *testing.T) {
	for name, c := range outages {
		t.Run(name, func(t *testing.T) {
			g, dir := newStub(t).withBench(2), t.TempDir()
			c.make(t, g)
			summary := recordTo(t, g, dir, func(o *RecordOptions) { o.CSV = true })
			text, code := verified(t, dir, VerifyOptions{})
			if c.gap == "" {
				if strings.Contains(text, "still open") || code != 0 {
					t.Errorf("exit %d:\n%s", code, text)
				}
				return
			}
			if !strings.Contains(text, c.gap) || code != 1 {
				t.Errorf("exit %d, and not %q:\n%s", code, c.gap, text)
			}
			if summary.Complete {
				t.Errorf("the recording is complete: %+v", summary)
			}
			out := t.TempDir()
			catText(t, CatOptions{Source: dir, Folder: out})
			for _, folder := range []string{filepath.Join(dir, labFolder), out} {
				got, err := os.ReadFile(filepath.Join(folder, "bench.gaps.csv"))
				if err != nil || !strings.Contains(string(got), c.csv) {
					t.Errorf("%v, or not %q in %s", err, c.csv, got)
				}
			}
		})
	}
}

// TestAnOutageLastsAsLongAsOthersGoOn: the latest frame is one of another
// instrument, which ends at 10.1 s.
func TestAnOutageLastsAsLongAsOthersGoOn(t *testing.T) {
	g, dir := newStub(t).withBench(2), t.TempDir()
	g.ends(t, protocol.CauseUnplugged, 500)
	other := (&frameMaker{t: t, stream: 3, epoch: 1, time: baseNs}).describe(g.base, "de2", twoChannels()...)
	other.time = baseNs + 9_900_000_000
	g.streams = append(g.streams, &stubStream{"de2", 3, other.counts([]uint64{1, 2}).counts([]uint64{3, 4}).out})
	recordTo(t, g, dir)
	text, code := verified(t, dir, VerifyOptions{})
	if want := "gap: unplugged, from 2026-11-20T13:30:12.500Z, still open at 2026-11-20T13:30:22.100Z"; code != 1 || !strings.Contains(text, want) {
		t.Errorf("exit %d, and not %q:\n%s", code, want, text)
	}
}
