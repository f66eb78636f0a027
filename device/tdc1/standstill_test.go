package tdc1

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"photongate/device"
	"photongate/device/devicetest"
)

// standing is a time in which bytes do not come: what comes first waits for the end of
// it, and what comes then for so long is lost.
type standing struct {
	begin time.Duration // behind the begin of the stream
	keep  time.Duration
	lose  time.Duration
	line  bool // it is the line that stands; else the host does not look
}

// hold has a light go through it, with a function that is called before each Read.
func (st standing) hold(l *light) (stall func(since time.Duration)) {
	var kept []byte
	var began atomic.Int64 // the light shines elsewhere
	l.mangle = func(b []byte) []byte {
		begun := began.Load()
		since := time.Duration(devicetest.Clock() - begun)
		switch {
		case begun == 0, since < st.keep && !st.line:
			return b
		case since < st.keep:
			kept = append(kept, b...)
			return nil
		case since < st.keep+st.lose:
			return nil
		}
		b = append(kept, b...)
		kept = nil
		return b
	}
	return func(since time.Duration) {
		if began.Load() != 0 || since < st.begin {
			return
		}
		if began.Store(devicetest.Clock()); !st.line {
			<-time.After(st.keep + st.lose + 20*time.Millisecond)
		}
	}
}

// Records that are lost while the host or the line stands still: no time is wrong by
// whole periods without a word, and what is missing is stated, or the stream ends.
func TestLostInAStandstill(t *testing.T) {
	for _, every := range []time.Duration{20 * time.Microsecond, 100 * time.Microsecond, time.Millisecond, 30 * time.Millisecond, 400 * time.Millisecond} {
		for _, keep := range []time.Duration{300 * time.Millisecond, 20 * time.Millisecond, 0} {
			for _, line := range []bool{false, true} {
				if every < 100*time.Microsecond && keep == 20*time.Millisecond {
					continue // many events take time
				}
				t.Run(fmt.Sprintf("%v/%v/line %v", every, keep, line), func(t *testing.T) {
					t.Parallel()
					ended := 0
					begin, step := 5*time.Second, 251*time.Millisecond
					if every < time.Millisecond { // it takes time
						begin, step = time.Second, 831*time.Millisecond
					}
					for lose := 70 * time.Millisecond; lose < 2600*time.Millisecond; lose += step {
						st := standing{begin: begin, keep: keep, lose: lose, line: line}
						l := &light{every: every, swell: 5 * time.Millisecond}
						s := watchStalled(t, l, begin+keep+lose+1200*time.Millisecond, st.hold(l))
						if s.err != nil && !errors.Is(s.err, device.ErrChanged) {
							t.Fatal(s.err)
						}
						if s.err != nil {
							ended++
						}
						missing, wrong := s.unsaid(t)
						// The bytes tell of nothing that is shorter than their light is dark by chance, or
						// than two markers.
						dark := (every > time.Millisecond || line && keep == 0) && lose < 300*time.Millisecond
						if wrong > 0 || missing > 0 && !dark {
							t.Errorf("%v lost: %d tags missing, %d wrong, %v, losses %+v", lose, missing, wrong, s.err, s.Tags.Losses)
						}
					}
					if ended == 0 {
						t.Error("no stream ended")
					}
				})
			}
		}
	}
}

// A light that is chopped, and a host that does not look for a while: all of it is there,
// and nothing is said to be missing.
func TestChoppedLightInAStandstill(t *testing.T) {
	for _, st := range []standing{{begin: 2 * time.Second, keep: 200 * time.Millisecond}, {begin: 2 * time.Second, keep: 1500 * time.Millisecond}, {begin: 2 * time.Second, keep: 900 * time.Millisecond, line: true}} {
		l := &light{every: 20 * time.Microsecond, swell: time.Millisecond, dark: func(since time.Duration) bool { return since%(20*time.Millisecond) > 2*time.Millisecond }}
		s := watchStalled(t, l, 5*time.Second, st.hold(l))
		if missing, wrong := s.holds(t); missing > 0 || wrong > 0 || s.err != nil || len(s.gaps()) > 0 {
			t.Errorf("%+v: %d missing, %d wrong, %v, %v", st, missing, wrong, s.err, s.gaps())
		}
	}
}

// unsaid counts tags that are wrong or missing where no loss says so, of however many
// periods the clock is off at the end.
func (s *seen) unsaid(t *testing.T) (missing, wrong int) {
	t.Helper()
	first, last := s.Tags.Tick[0], s.Tags.Tick[len(s.Tags.Tick)-1]
	at := slices.IndexFunc(s.truth, func(g tagged) bool { return g.tick%period == first%period && g.channel == s.Tags.Channel[0] })
	if at < 0 {
		t.Fatal("the first tag was not sent")
	}
	offset := s.truth[at].tick - first
	said := func(tick uint64) bool {
		return slices.ContainsFunc(s.Tags.Losses, func(l device.Loss) bool { return l.From <= tick && tick < l.To })
	}
	sent, had := map[tagged]bool{}, map[tagged]bool{}
	for _, g := range s.truth {
		sent[tagged{g.tick - offset, g.channel}] = true
	}
	for n, tick := range s.Tags.Tick {
		g := tagged{tick, s.Tags.Channel[n]}
		if had[g] = true; !sent[g] && !said(tick) {
			wrong++
		}
	}
	for g := range sent {
		if g.tick > first && g.tick < last && !had[g] && !said(g.tick) {
			missing++
		}
	}
	return missing, wrong
}

// Bytes that were put in or taken out in what waits behind a standstill: what is late is
// taken for no wrap that nobody saw.
func TestDamageInAStandstill(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	wrong, missing, runs := 0, 0, 0
	for _, keep := range []time.Duration{300 * time.Millisecond, 600 * time.Millisecond} {
		for n := range 8 {
			st := standing{begin: time.Second, keep: keep}
			l := &light{every: 20 * time.Microsecond, swell: 5 * time.Millisecond}
			stall := st.hold(l)
			sent, begun := 0, false
			l.mangle = func(b []byte) []byte {
				since := time.Duration(devicetest.Clock()-l.on) - 2*unitOn
				if sent += len(b); begun || since < 1600*time.Millisecond || len(b) < 40 {
					return b
				}
				begun = true
				at := rng.IntN(len(b)-20) + 10
				switch n % 4 {
				case 0:
					garbage := make([]byte, 7)
					for i := range garbage {
						garbage[i] = byte(rng.Uint32())
					}
					return slices.Concat(b[:at], garbage, b[at:])
				case 1:
					return slices.Concat(b[:at], b[at+2:])
				case 2:
					at -= at % recordBytes
					return slices.Concat(b[:at], []byte{byte(n + 1), 0x13, 0x57, byte(rng.Uint32())}, b[at:])
				}
				return b[:at] // and so is what comes then
			}
			s := watchStalled(t, l, 2500*time.Millisecond, stall)
			if s.err != nil && !errors.Is(s.err, device.ErrChanged) {
				t.Fatal(s.err)
			}
			m, w := s.unsaid(t)
			runs, missing, wrong = runs+1, missing+m, wrong+w
		}
	}
	if wrong > 2 || missing > 2 {
		t.Errorf("%d wrong, %d missing unsaid in %d runs", wrong, missing, runs)
	}
}
