package receiver

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"photongate/protocol"
)

// TestRecordCountsWhatIsKnown: a number nobody knows is not told as 0.
func TestRecordCountsWhatIsKnown(t *testing.T) {
	gap := func(missing *protocol.Uint64, length int64) *protocol.Gap {
		return &protocol.Gap{Cause: "stalled", Missing: missing, DurationNs: protocol.Ref(protocol.Int64(length))}
	}
	for want, gaps := range map[string][]*protocol.Gap{
		"pi-lab3/bench: 5 readings, and an unknown number missing in 1.5 s (1 gap)":            {gap(nil, 1_500_000_000)},
		"pi-lab3/bench: 6 readings, and an unknown number missing in 3.0 s (2 gaps)":           {gap(nil, 1_500_000_000), gap(nil, 1_500_000_000)},
		"pi-lab3/bench: 6 of 16 readings, and an unknown number missing in 1.5 s (2 gaps)":     {gap(protocol.Ref(protocol.Uint64(10)), 1), gap(nil, 1_500_000_000)},
		"pi-lab3/bench: 5 readings, and an unknown number missing in an unknown time (1 gap)":  {{Cause: "stalled"}},
		"pi-lab3/bench: 1 gap, 1 reading missing":                                              {gap(protocol.Ref(protocol.Uint64(1)), 1)},
		"pi-lab3/bench: 6 readings, and an unknown number missing in more than 1.5 s (2 gaps)": {gap(nil, 1_500_000_000), {Cause: "stalled"}},
		"pi-lab3/bench: 2 gaps, 1,001 readings missing":                                        {gap(protocol.Ref(protocol.Uint64(1)), 1), gap(protocol.Ref(protocol.Uint64(1000)), 1)},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := newStub(t).withBench(2)
			m := &frameMaker{t: t, stream: 2, epoch: 1, seq: 3, index: 4, time: baseNs + 400_000_000}
			for _, gap := range gaps {
				m.json(protocol.TypeGap, gap)
				if gap.Missing != nil {
					m.index += uint64(*gap.Missing)
				}
				m.counts([]uint64{1, 2})
			}
			g.streams[1].frames = append(g.streams[1].frames, m.out...)
			equal(t, "why", recordTo(t, g, t.TempDir()).Why, []string{want})
		})
	}
}

// TestRunAfterAGap: what was lost before a run began does not make it
// incomplete; how long its first reading let wait is told.
func TestRunAfterAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now().UnixNano()
		g := newStub(t)
		g.nowNs = began
		m := (&frameMaker{t: t, stream: 2, epoch: 4, time: began - 60*second}).describe(g.base, "bench", twoChannels()...).
			json(protocol.TypeGap, &protocol.Gap{Cause: "gateway stopped", DurationNs: protocol.Ref(protocol.Int64(61_500_000_000))})
		m.time = began + 1_500_000_000
		g.streams = append(g.streams, &stubStream{"bench", 2, m.counts([]uint64{1, 2}, []uint64{3, 4}).out})
		summary := recordTo(t, g, t.TempDir(), func(o *RecordOptions) { o.For = 10 * time.Second })
		equal(t, "why", strings.Join(summary.Why, "; "), "")
		equal(t, "complete", summary.Complete, true)
		equal(t, "gaps", summary.Streams[0].Gaps, 0)
		equal(t, "notes", summary.Notes, []string{"pi-lab3/bench: the first reading begins 1.5 s after the recording did: a gap (gateway stopped) that had begun before"})

		// A gap within the run counts as ever.
		more := (&frameMaker{t: t, stream: 2, epoch: 4, seq: 3, index: 2, time: began + 1_700_000_000}).
			json(protocol.TypeGap, &protocol.Gap{Cause: "stalled"}).counts([]uint64{5, 6})
		g.streams[0].frames = append(g.streams[0].frames, more.out...)
		summary = recordTo(t, g, t.TempDir(), func(o *RecordOptions) { o.For = 10 * time.Second })
		equal(t, "why", summary.Why, []string{"pi-lab3/bench: 3 readings, and an unknown number missing in an unknown time (1 gap)"})
	})
}

// TestNoStreamFits: a name mistyped is told, with the names there are.
func TestNoStreamFits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStub(t).withBench(2)
		g.stay = true
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		summary, err := Record(ctx, RecordOptions{Addresses: []string{"pi-lab3"}, Dir: t.TempDir(), Dial: g.dial, Software: "test", Streams: []string{"nope"}})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "why", summary.Why, []string{"no stream of pi-lab3:7310 fits nope: there are bench"})
	})
}

// TestNoGatewayAnswers: what answers and is no gateway is not called out of reach.
func TestNoGatewayAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		dial := func(context.Context, string) (net.Conn, error) {
			here, there := net.Pipe()
			go func() {
				defer there.Close()
				_, _ = there.Read(make([]byte, 4096)) // who asks may hang up
				_, _ = fmt.Fprint(there, "HTTP/1.1 400 Bad Request\r\n\r\n<html>this is a printer, and no gateway</html>")
			}()
			return here, nil
		}
		summary, err := Record(ctx, RecordOptions{Addresses: []string{"pi-lab3"}, Dir: t.TempDir(), Dial: dial, Software: "test"})
		if err != nil {
			t.Fatal(err)
		}
		if len(summary.Why) != 1 || strings.Contains(summary.Why[0], "reached") || !strings.Contains(summary.Why[0], "is not a photongate") {
			t.Errorf("why: %q", summary.Why)
		}
	})
}

// TestCatAndVerifyAgree: what was never asked for is no gap to either, and what
// is gone is damage to both.
func TestCatAndVerifyAgree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStub(t).withBench(8)
		all := g.streams[1].frames
		dir := t.TempDir()
		run := func(from, to int) {
			g.streams[1].frames, g.fromNow = all[:to], from
			recordTo(t, g, dir, func(o *RecordOptions) { o.For = time.Second })
		}
		run(2, 4)
		run(6, 9)
		summary, err := Cat(t.Context(), io.Discard, CatOptions{Source: dir})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "cat", fmt.Sprint(summary.Rows, summary.Gaps, summary.Damaged), "10 0 false")
		text, code := verified(t, dir, VerifyOptions{})
		if code != 0 || !strings.Contains(text, "complete: 10 of 10 readings") {
			t.Errorf("verify: %d\n%s", code, text)
		}
		paths := pathsOf(t, dir, "*.pgs")
		shorten(t, paths[len(paths)-1], protocol.MarkSize+1)
		if summary, err = Cat(t.Context(), io.Discard, CatOptions{Source: dir}); err != nil {
			t.Fatal(err)
		}
		equal(t, "cat of what is damaged", fmt.Sprint(summary.Rows, summary.Gaps, summary.Damaged), "8 1 true")
	})
}

// TestRunThatBeganInVain: a run from now whose session is lost before a stream's
// first frame was here is asked for from now again. What came meanwhile is missing,
// and said to be; where nothing came nothing is. So is what a gateway measured that
// came back with another journal.
func TestRunThatBeganInVain(t *testing.T) {
	for name, c := range map[string]struct {
		cut     int // bytes of the first session
		fromNow int // frames there were before the second
		journal string
		why     string // empty: nothing is missing
	}{
		"frames came meanwhile":   {cut: 1500, fromNow: 6, why: "pi-lab3/bench: the connection was lost before its first reading came; "},
		"nothing came meanwhile":  {cut: 1500, fromNow: 4},
		"it had some":             {cut: 2000, fromNow: 6},
		"it had none, other one":  {cut: 1500, fromNow: 6, journal: "ffeeddccbbaa99887766554433221100", why: "pi-lab3 came back with another journal: "},
		"it had some, other one":  {cut: 2000, fromNow: 6, journal: "ffeeddccbbaa99887766554433221100", why: "pi-lab3 came back with another journal: "},
		"lost before it is asked": {cut: 100, fromNow: 6},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, 8)
				l.fromNow = 4
				l.cutAfter = func(n int) int {
					if n == 1 {
						return c.cut
					}
					l.fromNow = c.fromNow
					if c.journal != "" {
						l.journal = mustID(t, c.journal)
					}
					return -1
				}
				summary := l.mustRecord(t, func(o *RecordOptions) { o.For = 10 * time.Second })
				if c.why == "" {
					equal(t, "missing", summary.Why, []string(nil))
					return
				}
				if summary.Complete || len(summary.Why) != 1 || !strings.HasPrefix(summary.Why[0], c.why) {
					t.Errorf("complete %v, %q, want %q", summary.Complete, summary.Why, c.why)
				}
			})
		})
	}
}
