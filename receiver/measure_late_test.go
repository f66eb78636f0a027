package receiver

import (
	"testing"
	"testing/synctest"
	"time"

	"photongate/protocol/table"
)

// TestMeasureBehind: a stream whose instrument's clock goes too slow is waited for as
// long as it catches up, and no longer.
func TestMeasureBehind(t *testing.T) {
	const begin, long = int64(5e9), 10 * time.Second
	for name, c := range map[string]struct {
		pace  float64       // of what comes
		delay time.Duration // by which it came late to begin with
		ends  time.Duration // of the measurement, from its begin; 0: with all that was asked for
		why   string
	}{
		"much too slow": {0.3, 0, 23 * time.Second, "what comes is 16.1 s old and does not catch up: the last 3.1 s are not here"},
		"stands still":  {0, 0, 23 * time.Second, "what comes is 23 s old and does not catch up: the last 10 s are not here"},
		"catches up":    {2, 12 * time.Second, 0, ""},
		"a little slow": {0.9, 0, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &measurer{o: &MeasureOptions{For: long}, clocks: table.NewClockTable()}
				s := &streamMeasured{cut: &cutStream{begun: true, firstNs: begin}, sink: &measuredSink{measuredSums: newMeasuredSums(m.clocks)}}
				m.order = []*streamMeasured{s}
				start := time.Now()
				var ended time.Duration
				for ended == 0 && !s.cut.done {
					time.Sleep(progressEvery)
					now := time.Since(start)
					s.heard = time.Now() // something always comes
					s.cut.lastNs = begin + int64(c.pace*float64(max(0, now-c.delay)))
					s.cut.done = s.cut.lastNs >= begin+int64(long)
					if m.giveUp(begin + int64(now)); s.givenUp != "" {
						ended = now
					}
				}
				equal(t, "why", s.givenUp, c.why)
				equal(t, "ended", ended.Round(time.Second), c.ends)
			})
		})
	}
}
