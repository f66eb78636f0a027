package gateway

import (
	"context"
	"time"

	"photongate/device"
	"photongate/protocol"
)

// ClockSource is where a gateway takes its time from. [SystemClock] is the
// computer's; tests have their own.
type ClockSource struct {
	// Even runs evenly and through suspend: ns since a moment that is the same
	// for all processes of one Boot.
	Even func() int64
	// UTC is the wall clock, ns since 1970. It may step.
	UTC func() int64
	// Mono is the raw monotonic clock, ns; nil where there is none.
	Mono func() int64
	// Slept is how long the computer has been suspended since some moment, ns;
	// nil where that is not known.
	Slept func() int64
	// Quality says how well UTC is known; nil where that is not known.
	Quality func() ClockQuality
	// Boot is an id of the computer's present run, or of the process where Even
	// counts from its start; never empty.
	Boot string
}

// ClockQuality is what the operating system says of its UTC.
type ClockQuality struct {
	Sync       string // protocol.SyncSynchronised, SyncUnsynchronised or SyncUnknown
	FreqPPB    int64  // correction of the computer's clock in force
	EstErrorNs *int64 // nil: unknown
	MaxErrorNs *int64 // nil: unknown
}

// timeBase is the time base of this process: the even clock, offset once so
// that it read UTC when the process started. It may be used concurrently.
type timeBase struct {
	id     protocol.ID
	source ClockSource
	offset int64
}

func newTimeBase(source ClockSource) *timeBase {
	b := &timeBase{id: protocol.NewID(), source: source}
	_, b.offset = b.pair()
	return b
}

// now is a device.Clock.
func (b *timeBase) now() int64 { return b.source.Even() + b.offset }

var _ device.Clock = (*timeBase)(nil).now

// pair reads the time base and how far UTC is ahead of it, at one moment: of
// several attempts the one that was disturbed least.
func (b *timeBase) pair() (base, ahead int64) {
	best := int64(-1)
	for range 5 {
		before := b.now()
		utc := b.source.UTC()
		after := b.now()
		if spread := after - before; best < 0 || spread < best {
			best, base = spread, before+spread/2
			ahead = utc - base
		}
	}
	return base, ahead
}

// slept returns how long the computer has been suspended since some moment.
func (b *timeBase) slept() int64 {
	if b.source.Slept == nil {
		return 0
	}
	return b.source.Slept()
}

func (b *timeBase) quality() ClockQuality {
	if b.source.Quality == nil {
		return ClockQuality{Sync: protocol.SyncUnknown}
	}
	return b.source.Quality()
}

const (
	// clockEvery is how often UTC is compared with the time base.
	clockEvery = time.Second
	// clockStep is the change of UTC against the time base between two looks
	// that counts as a step. On Linux both clocks are slewed alike, so that any
	// change is a step; elsewhere a slew of 500 ppm stays below it.
	clockStep = time.Millisecond
	// Periodic clock frames come after 10 s, 20 s, ... and at last every 60 s.
	clockPeriod    = 10 * time.Second
	clockPeriodMax = 60 * time.Second
)

// clockWatch decides when a clock frame is due. One goroutine uses it.
type clockWatch struct {
	base    *timeBase
	started bool
	ahead   int64  // of UTC, at the last look
	told    int64  // ahead, in the last clock frame
	slept   int64  // how long the computer had been suspended, at the last look
	sync    string // in the last clock frame
	next    int64  // base time of the next periodic frame
	period  time.Duration
}

// look compares the clocks. It returns a clock for a frame at time at, or nil
// when there is nothing to tell.
func (w *clockWatch) look() (c *protocol.Clock, at int64) {
	at, ahead := w.base.pair()
	q, slept := w.base.quality(), w.base.slept()
	cause := ""
	switch step := ahead - w.ahead; {
	case !w.started:
		cause, w.told = protocol.ClockStart, ahead
	case step > int64(clockStep) || step < -int64(clockStep):
		cause = protocol.ClockStep
	case q.Sync != w.sync:
		cause = protocol.ClockSync
	case at >= w.next, slept-w.slept > int64(sleptLimit):
		cause = protocol.ClockPeriodic
	}
	w.ahead, w.slept = ahead, slept
	if cause == "" {
		return nil, at
	}
	if cause == protocol.ClockPeriodic {
		w.period = min(w.period+clockPeriod, clockPeriodMax)
	} else {
		w.period = clockPeriod
	}
	c = &protocol.Clock{
		Kind: protocol.ClockHost, UTCNs: protocol.Int64(at + ahead), BootNs: protocol.Int64(at - w.base.offset), Cause: cause, Sync: q.Sync, FreqPPB: q.FreqPPB,
		EstErrorNs: (*protocol.Int64)(q.EstErrorNs), MaxErrorNs: (*protocol.Int64)(q.MaxErrorNs),
	}
	if cause == protocol.ClockStep {
		c.StepNs = protocol.Int64(ahead - w.told)
	}
	if w.base.source.Mono != nil {
		c.MonoNs = protocol.Int64(w.base.source.Mono())
	}
	w.started, w.told, w.sync, w.next = true, ahead, q.Sync, at+int64(w.period)
	return c, at
}

// run looks at the clocks until ctx ends and gives what is to be told to write.
func (w *clockWatch) run(ctx context.Context, write func(c *protocol.Clock, at int64)) {
	tick := time.NewTicker(clockEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			w.step(write)
		}
	}
}

// step looks once.
func (w *clockWatch) step(write func(c *protocol.Clock, at int64)) {
	if c, at := w.look(); c != nil {
		write(c, at)
	}
}
