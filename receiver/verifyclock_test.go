package receiver

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
)

// clockAt appends a clock frame at a moment of the base, where the clocks under
// it read boot and mono.
func (m *frameMaker) clockAt(at, offset, boot, mono int64, c protocol.Clock) *frameMaker {
	m.t.Helper()
	m.time = at
	c.Kind, c.UTCNs, c.BootNs, c.MonoNs = protocol.ClockHost, protocol.Int64(at+offset), protocol.Int64(boot), protocol.Int64(mono)
	return m.json(protocol.TypeClock, &c)
}

func errorNs(ns int64) *protocol.Int64 { return protocol.Ref(protocol.Int64(ns)) }

// TestVerifyTellsOfTheClock: how long it was synchronised, how well, its steps,
// when the computer slept, and whose time is not known.
func TestVerifyTellsOfTheClock(t *testing.T) {
	const s = int64(time.Second)
	yes, no := protocol.SyncSynchronised, protocol.SyncUnsynchronised
	for name, c := range map[string]struct {
		clocks func(m *frameMaker)
		side   string // of clocks.csv, without the base's id
		says   []string
	}{
		"all well": {func(m *frameMaker) {
			m.clockAt(baseNs, 0, 100*s, 100*s, protocol.Clock{Cause: protocol.ClockStart, Sync: yes, FreqPPB: -12_300, EstErrorNs: errorNs(40_000), MaxErrorNs: errorNs(2_100_000)}).
				clockAt(baseNs+10*s, 0, 110*s, 110*s, protocol.Clock{Cause: protocol.ClockPeriodic, Sync: yes, FreqPPB: -11_900, EstErrorNs: errorNs(9_000), MaxErrorNs: errorNs(900_000)})
		}, "%d,1000000,4000000\n%d,3000000,900000\n", []string{
			"pi-lab3: clock: synchronised with UTC for all of 10s, then off by at most 2.1ms, 40µs as estimated, its frequency corrected by -12.3 to -11.9 ppm\n" +
				"  against the clock of the computer that recorded: 3ms ahead, within 450µs; 1ms ahead to 3ms ahead in 2 comparisons\n\ncomplete"}},
		"set after 6 s": {func(m *frameMaker) {
			m.clockAt(baseNs, 0, 100*s, 100*s, protocol.Clock{Cause: protocol.ClockStart, Sync: no}).
				clockAt(baseNs+6*s, 3600*s, 106*s, 106*s, protocol.Clock{Cause: protocol.ClockStep, Sync: yes, StepNs: protocol.Int64(3600 * s)}).
				clockAt(baseNs+8*s, 3600*s, 108*s, 108*s, protocol.Clock{Cause: protocol.ClockPeriodic, Sync: yes})
		}, "", []string{"synchronised with UTC for 25.0 % of 8s", "  was set 1h0m ahead, noticed 2026-11-20T14:30:18.100Z\n"}},
		"slept": {func(m *frameMaker) {
			m.clockAt(baseNs, 0, 100*s, 100*s, protocol.Clock{Cause: protocol.ClockStart, Sync: yes}).
				clockAt(baseNs+4000*s, 0, 4100*s, 500*s, protocol.Clock{Cause: protocol.ClockPeriodic, Sync: yes})
		}, "", []string{"  slept for 1h0m, noticed 2026-11-20T14:36:52.100Z\n"}},
		"never set": {func(m *frameMaker) {
			m.clockAt(baseNs, 5*s-baseNs, 5*s, 5*s, protocol.Clock{Cause: protocol.ClockStart, Sync: no})
		}, "", []string{"never synchronised with UTC in", "  UTC is not known of 8 readings (time_utc is empty)"}},
		"a system that does not tell": {func(m *frameMaker) {
			m.clockAt(baseNs, 0, 5*s, 0, protocol.Clock{Cause: protocol.ClockStart, Sync: protocol.SyncUnknown})
		}, "", []string{"the system does not tell whether it was synchronised with UTC in"}},
	} {
		t.Run(name, func(t *testing.T) {
			said := 0
			t.Attr("fault", "F41")
			t.Attr("injected", "a record whose clock frames say: "+name)
			t.Attr("promised", "verify says so in sentences")
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				g := newStub(t).withBench(4)
				m := (&frameMaker{t: t, stream: 1, epoch: 1, time: baseNs}).describe(g.base, gatewayStream)
				c.clocks(m)
				g.streams[0].frames = m.out
				recordTo(t, g, dir)
				if c.side != "" {
					lines := strings.Split(strings.TrimSpace(c.side), "\n")
					text := "receiver_utc,base,base_ns,offset_ns,round_trip_ns\nthis is no line\n"
					for _, line := range lines {
						text += fmt.Sprintf("2026-11-20T13:30:12Z,%v,%s\n", g.base, fmt.Sprintf(line, baseNs))
					}
					if err := os.WriteFile(filepath.Join(dir, labFolder, clockFile), []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				text, _ := verified(t, dir, VerifyOptions{})
				for _, s := range c.says {
					if strings.Contains(text, s) {
						said++
						continue
					}
					t.Errorf("no %q in\n%s", s, text)
				}
			})
			t.Attr("seen", fmt.Sprintf("%d of %d sentences right", said, len(c.says)))
		})
	}
}

// TestDeviceClockRate: gates told to be 100 ms that are 99.98 ms long are 200.04
// parts per million too fast, through a gap of unknown length as well.
func TestDeviceClockRate(t *testing.T) {
	line := func(from, n uint64, begin int64) (s journal.Stretch) {
		for i := range n {
			late := int64(0)
			if i == n/2 {
				late = 3_000_000
			}
			s.Pairs = append(s.Pairs, protocol.ClockPair{Index: protocol.Uint64(from + 600*i), BaseNs: protocol.Int64(begin + int64(600*i)*99_980_000 + late)})
		}
		return s
	}
	d := deviceClock(100_000_000, []journal.Stretch{line(0, 61, baseNs), {}, line(40_000, 61, baseNs+9_000_000_000_000)})
	if d == nil {
		t.Fatal("nothing was fitted")
	}
	// 1/0.9998 - 1. The one late pair in the middle tilts no line; it lies 3 ms off less
	// its share of 1/61 in the mean.
	if math.Abs(d.RatePPM-200.04) > 0.01 || d.Pairs != 122 || d.SpanNs != 2*36000*99_980_000 || d.ResidualMaxNs < 2_950_000 || d.ResidualMaxNs > 2_952_000 {
		t.Errorf("got %+v", d)
	}
	if want := "its clock runs 200.04"; !strings.HasPrefix(d.text(), want) || !strings.Contains(d.text(), " ppm fast by the gateway's, for gates of 100ms; arrivals off a straight line by") {
		t.Errorf("got %q", d.text())
	}
	for name, few := range map[string][]journal.Stretch{
		"nothing": nil, "one pair": {line(0, 1, baseNs)}, "pairs apart": {line(0, 1, baseNs), line(9, 1, baseNs), line(20, 1, baseNs)}, "four pairs": {line(0, 4, baseNs)},
	} {
		if d := deviceClock(100_000_000, few); d != nil {
			t.Errorf("%s: %+v", name, d)
		}
	}
}
