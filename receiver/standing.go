package receiver

import (
	"time"

	"github.com/rs/zerolog"
)

// States of a stream that is recorded.
const (
	StateComing   = "coming"        // readings come as they are counted
	StateBehind   = "catching up"   // what comes was counted a while ago
	StateSilent   = "silent"        // no reading comes
	StateAway     = "not connected" // to its gateway
	StateNotKept  = "not kept"      // the disk here takes nothing
	StateNotBegun = "not begun"     // not one reading came yet
)

// A stream is silent when its newest reading is older than three gates, and than
// leastSilence: less is the line's and the scheduler's doing.
const (
	silentGates  = 3
	leastSilence = 2 * time.Second
)

// silence is how old the newest reading of a stream may be.
func silence(gateNs int64) time.Duration {
	return max(silentGates*time.Duration(gateNs), leastSilence)
}

// standing is how a stream stands, and why, as far as is known. The caller holds mu.
func (b *scoreboard) standing(s *score, lag time.Duration, now time.Time) (state, cause string) {
	since := s.heard
	if s.taken.After(since) {
		since = s.taken
	}
	limit := silence(s.meter.gateNs)
	switch {
	case b.trouble[s.via] != "":
		return StateNotKept, b.trouble[s.via]
	case !b.connected[s.via]:
		return StateAway, ""
	case s.LastNs == 0:
		return StateNotBegun, ""
	case lag <= limit:
		return StateComing, ""
	case now.Sub(since) <= limit:
		return StateBehind, ""
	}
	if s.ended != nil {
		cause = s.ended.Cause
	}
	return StateSilent, cause
}

// Standing says in words why a stream has no rates at present; empty: it has.
func (s *StreamProgress) Standing() string {
	cause := ""
	if s.Cause != "" {
		cause = " (" + s.Cause + ")"
	}
	switch {
	case s.State == StateNotKept:
		return "NOT KEPT AT PRESENT"
	case s.State == StateNotBegun, s.State == StateAway && s.Lag == 0:
		return "no " + s.Unit() + " yet"
	case s.State == StateBehind:
		return "catching up, " + shortSpan(s.Lag) + " behind"
	case s.State == StateAway, s.State == StateSilent:
		return "no " + s.Unit() + " for " + shortSpan(s.Lag) + cause
	}
	return ""
}

// changes tells in the log when the readings of a stream stay away, and when they
// are back: a line each. One goroutine uses it.
type changes struct {
	log  zerolog.Logger
	told map[streamKey]absence
}

// absence is a silence that was told.
type absence struct {
	begin time.Time // by this computer's clock
	cause string
}

func (c *changes) look(streams []StreamProgress, now time.Time) {
	for i := range streams {
		s := &streams[i]
		key := streamKey{s.Gateway, s.Stream}
		was, told := c.told[key]
		switch s.State {
		case StateSilent:
			if told && (was.cause != "" || s.Cause == "") {
				continue
			}
			if !told {
				was.begin = now.Add(-s.Lag)
			}
			was.cause = s.Cause
			c.told[key] = was
			c.log.Warn().Msg(s.Gateway + "/" + s.Stream + ": " + s.Standing())
		case StateComing, StateBehind:
			if told {
				delete(c.told, key)
				c.log.Info().Msg(s.Gateway + "/" + s.Stream + ": " + s.Unit() + "s again, after " + shortSpan(now.Sub(was.begin)))
			}
		}
	}
}
