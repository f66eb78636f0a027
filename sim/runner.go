package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"
)

// lastBytes is what a host gets to read the bytes sent before its cable was
// pulled: a pseudo-terminal that hangs up forgets them.
const lastBytes = 20 * time.Millisecond

// Options are a [Runner]'s choices; the zero value is a healthy instrument whose
// counts nobody writes down.
type Options struct {
	// Truth receives the truth as CSV, one Write per row: index, time_ns (the
	// end of the interval counted), then the instrument's channels.
	Truth io.Writer
	// TruthContinues leaves out the header line.
	TruthContinues bool
	// Light is what faults of the light change; nil refuses these.
	Light *Light
	// Faults happen once each, except FaultReboot, which happens at each opening.
	Faults []Fault
	// OnFault is told of each fault that happens, from the Runner's goroutine.
	OnFault func(Fired)
	// BytePace is the time one byte takes on the wire; 0 writes a message at once.
	BytePace time.Duration
	// Baud is the speed of the instrument's port: while a host has set another,
	// both hear noise. 0: any will do. What a port on TCP is set to is not known.
	Baud int
	// Seed makes what the faults do repeatable.
	Seed uint64
	// Losses receives, of an instrument that gives tags, where a host did not get them
	// as they are in the truth: a line "from_tick to_tick channel|all reason" each.
	Losses io.Writer
	// Fast has time go as fast as the host takes what the instrument sends: what would
	// be waited for is skipped, and while the host does not read, time stands still.
	Fast bool
	// For is when Run ends, in the instrument's time; 0: not by itself.
	For time.Duration
	// Notice is told in words, once each, what a user should know of a run; from the
	// Runner's goroutine.
	Notice func(string)
}

// Runner runs one instrument on one connection. Make it with [NewRunner]; Run
// may be called once.
type Runner struct {
	instrument Instrument
	conn       Conn
	wire       *wire
	truth      *truth
	light      *Light
	channels   []string // nil when the truth needs no header, or not yet
	pace       pace
	length     time.Duration // 0: endless
	notice     func(string)

	timed  []Fault // wait for their time, the earliest first
	reboot *Fault  // restarts the instrument at each opening
	pull   chan bool
	pullAt time.Time // when the cable is pulled after a byte; zero: it is not
	replug time.Time // when an unplugged port returns; zero: not by itself
	out    bool      // unplugged
}

// NewRunner joins an instrument and a connection, which Run closes. It refuses
// faults the instrument cannot have.
func NewRunner(instrument Instrument, conn Conn, o Options) (*Runner, error) {
	if o.Baud > 0 {
		conn = &speed{conn, o.Baud, rand.New(rand.NewPCG(o.Seed, 0x62617564))} // "baud"
	}
	r := &Runner{
		instrument: instrument,
		conn:       conn,
		truth:      &truth{w: o.Truth, notice: o.Notice, tags: tagTruth{w: o.Truth, losses: o.Losses}},
		light:      o.Light,
		pull:       make(chan bool, 1),
		length:     o.For,
		notice:     o.Notice,
	}
	r.pace.fast = o.Fast
	if o.Truth != nil && !o.TruthContinues {
		r.channels = instrument.Channels()
	}
	if tagger, ok := instrument.(interface{ GivesTags() bool }); ok && tagger.GivesTags() {
		r.truth.columns, r.channels = r.channels, nil
	}
	if fine, ok := instrument.(interface{ Decimals() []int }); ok {
		r.truth.decimals = fine.Decimals()
	}
	report := o.OnFault
	if report == nil {
		report = func(Fired) {}
	}
	r.wire = &wire{
		conn:   conn,
		pace:   o.BytePace,
		rng:    rand.New(rand.NewPCG(o.Seed, 0x6661756c74)), // "fault": a stream apart from the light's
		truth:  r.truth,
		report: report,
	}
	for _, f := range o.Faults {
		if err := checkFault(instrument, o.Light, f); err != nil {
			return nil, err
		}
		if f.Byte < 0 && f.timed() {
			r.timed = append(r.timed, f)
		} else {
			r.wire.message = append(r.wire.message, f)
		}
	}
	slices.SortStableFunc(r.timed, func(a, b Fault) int { return cmp.Compare(a.After, b.After) })
	return r, nil
}

// checkFault refuses a fault that only some instruments can have, or that the
// light cannot.
func checkFault(instrument Instrument, light *Light, f Fault) error {
	if f.ofLight() {
		return light.canSuffer(f)
	}
	if _, own := f.ownEvent(); !own || f.Kind == FaultBrownout {
		return nil
	}
	own, ok := instrument.(interface{ CheckFault(Fault) error })
	if !ok {
		return fmt.Errorf("fault %v: %s has no %s", f, instrument.Name(), f.Kind)
	}
	return own.CheckFault(f)
}

// Unplug pulls the cable until Plug. It may be called from any goroutine.
func (r *Runner) Unplug() { r.command(false) }

// Plug puts the cable back. It may be called from any goroutine.
func (r *Runner) Plug() { r.command(true) }

// command leaves the newest wish for Run to find.
func (r *Runner) command(plug bool) {
	for {
		select {
		case r.pull <- plug:
			return
		default:
		}
		select {
		case <-r.pull:
		default:
		}
	}
}

// Run powers the instrument on and serves it until ctx ends, which is no error,
// or the truth or the port cannot be made. It closes the connection.
func (r *Runner) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, r.conn.Close()) }()
	if r.channels != nil {
		if err := r.truth.header(r.channels); err != nil {
			return err
		}
	}
	defer func() { err = errors.Join(err, r.truth.end()) }()
	r.pace.start = time.Now()
	if r.light != nil {
		r.light.keepsTime(r.pace.now)
	}
	now := r.pace.now()
	r.wire.start = now
	r.instrument.Handle(Event{Kind: PowerOn, At: now}, r.wire)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if err := r.step(); err != nil {
			return err
		}
		if r.length > 0 && r.pace.now().Sub(r.wire.start) >= r.length {
			return nil
		}
		next := r.next()
		waits := time.Now()
		switch {
		case r.skip(next):
			timer.Reset(0)
		case next.IsZero() && !r.wire.blocked:
			timer.Stop()
		case r.wire.blocked:
			timer.Reset(tryAgain)
		default:
			timer.Reset(next.Sub(r.pace.now()))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-r.conn.Ready():
		case plug := <-r.pull:
			r.replug = time.Time{}
			if err := r.setPlugged(r.pace.now(), plug); err != nil {
				return err
			}
		}
		r.passed(time.Since(waits), next)
	}
}

// step does everything that is due now.
func (r *Runner) step() error {
	for {
		ev, ok := r.conn.Poll()
		ev.At = r.pace.now()
		// What was due before the event comes before it.
		if err := r.advance(ev.At); err != nil {
			return err
		}
		if r.wire.tags {
			r.pace.keepUp(ev.At, r.notice)
			r.truth.tags.flushLate(ev.At)
		}
		if !ok {
			return nil
		}
		r.handle(ev)
	}
}

// handle passes on one thing that happened at the port.
func (r *Runner) handle(ev Event) {
	switch ev.Kind {
	case Opened:
		r.wire.open = true
		r.instrument.Handle(ev, r.wire)
		if r.reboot != nil {
			r.tell(ev.At, *r.reboot)
			r.wire.report(r.fired(*r.reboot, ev.At, fmt.Sprintf("opened: restarts, silent for %v", r.reboot.For)))
		}
	case Closed:
		r.wire.open = false
		r.wire.forget()
		r.instrument.Handle(ev, r.wire)
	default:
		r.instrument.Handle(ev, r.wire)
	}
}

// advance brings faults, instrument, wire and port up to now.
func (r *Runner) advance(now time.Time) error {
	if !r.replug.IsZero() && !r.replug.After(now) {
		r.replug = time.Time{}
		if err := r.setPlugged(now, true); err != nil {
			return err
		}
	}
	var due []Fault
	r.timed = slices.DeleteFunc(r.timed, func(f Fault) bool {
		if r.wire.start.Add(f.After).After(now) {
			return false
		}
		due = append(due, f)
		return true
	})
	for _, f := range due {
		r.instrument.Advance(r.wire.start.Add(f.After), r.wire)
		if err := r.happen(f, r.wire.start.Add(f.After)); err != nil {
			return err
		}
	}
	r.instrument.Advance(now, r.wire)
	r.wire.flush(now)
	if err := r.afterSend(now); err != nil {
		return err
	}
	return errors.Join(r.truth.err, r.truth.tags.err)
}

// happen does a fault whose time has come.
func (r *Runner) happen(f Fault, at time.Time) error {
	switch f.Kind {
	case FaultStall:
		r.wire.stallUntil = at.Add(f.For)
		r.wire.report(r.fired(f, at, fmt.Sprintf("silent for %v", f.For)))
	case FaultUnplug:
		r.wire.report(r.fired(f, at, unplugDetail(f)))
		return r.unplugFor(f, at)
	case FaultReboot:
		r.reboot = &f
	case FaultLeak, FaultDead:
		r.wire.report(r.fired(f, at, f.lightDetail()))
		return r.light.suffer(f)
	default:
		r.tell(at, f)
		r.wire.report(r.fired(f, at, "told the instrument"))
	}
	return nil
}

// afterSend does what faults that hit a message left to the runner.
func (r *Runner) afterSend(now time.Time) error {
	for _, f := range r.wire.other {
		switch {
		case f.ofLight():
			if err := r.light.suffer(f); err != nil {
				return err
			}
		case f.Kind == FaultReboot:
			r.reboot = &f
		default:
			r.tell(now, f)
		}
	}
	r.wire.other = r.wire.other[:0]
	f := r.wire.unplug
	switch {
	case f == nil:
		return nil
	case r.pullAt.IsZero():
		r.pullAt = r.wire.last(now).Add(lastBytes)
		return nil
	case r.pullAt.After(now):
		return nil
	}
	r.pullAt, r.wire.unplug = time.Time{}, nil
	return r.unplugFor(*f, now)
}

// tell makes the instrument suffer a fault of its own.
func (r *Runner) tell(at time.Time, f Fault) {
	kind, _ := f.ownEvent()
	r.instrument.Handle(Event{Kind: kind, At: at, Channel: f.Count, For: f.For}, r.wire)
}

func (r *Runner) fired(f Fault, at time.Time, detail string) Fired {
	return Fired{Fault: f, After: at.Sub(r.wire.start), Byte: r.wire.produced, Detail: detail}
}

func (r *Runner) unplugFor(f Fault, at time.Time) error {
	if f.For > 0 {
		r.replug = at.Add(f.For)
	}
	return r.setPlugged(at, false)
}

// setPlugged pulls the cable or puts it back.
func (r *Runner) setPlugged(at time.Time, plugged bool) error {
	if plugged != r.out {
		return nil
	}
	r.out = !plugged
	if plugged {
		r.instrument.Handle(Event{Kind: Plugged, At: at}, r.wire)
		return r.conn.Plug()
	}
	r.wire.open = false
	r.wire.forget()
	r.instrument.Handle(Event{Kind: Unplugged, At: at}, r.wire)
	return r.conn.Unplug()
}

// next is the earliest time at which something is due; zero means nothing is.
func (r *Runner) next() time.Time {
	next := earlier(r.instrument.Next(), r.wire.next())
	next = earlier(earlier(next, r.replug), r.pullAt)
	for _, f := range r.timed {
		next = earlier(next, r.wire.start.Add(f.After))
	}
	if r.length > 0 {
		next = earlier(next, r.wire.start.Add(r.length))
	}
	return next
}

// earlier is the earlier of two times, where zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
