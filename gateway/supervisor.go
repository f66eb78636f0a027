package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"photongate/device"
	"photongate/protocol"
)

// Limits of the supervisor.
const (
	openLimit  = 10 * time.Second // an open is told to give up
	openGrace  = 2 * time.Second  // and then abandoned
	closeLimit = 2 * time.Second  // a read that does not return after Close is abandoned
	watchEvery = 250 * time.Millisecond
	readLimit  = 5 * time.Second // a Read that has not returned by then hangs: its limit is device.MaxWait
	sleptLimit = time.Second     // the host slept: suspended for longer than this since the device was opened
)

// task keeps one device open and read, for as long as the gateway runs. It
// owns all goroutines that touch the device.
type task struct {
	cfg      DeviceConfig
	driver   device.Driver
	control  *deviceControl
	openPort OpenPort
	openUSB  OpenUSB
	base     *timeBase
	log      zerolog.Logger
	frames   frameLog
	watched  func() bool // somebody looks on
	software string
	status   *deviceStatus
	alarms   *alarms // nil: nobody looks
	plugged  plugged

	derivations []*derivation // streams of counts made from its tags

	previous *lastEpoch // how the epoch before ended, nil when there was none
	left     []leftBehind
	change   *settingChange // taken last while the device was open
	reopen   *settingChange // for which the device is opened anew, nil: none
	made     []*madeChange  // whose events no epoch took yet
	line     lineTrouble    // of the port that is open
	present  bool           // the port was there, once
	begun    bool           // an epoch, in this process
	pushes   pushes         // of settings that the instrument did not take
}

// leftBehind is a call into driver or operating system that did not return in
// time. Until it does, the port is not opened again: so there are at most an
// open, or a read and a close, left behind for each port.
type leftBehind struct {
	doing string
	since time.Time
	done  <-chan struct{} // closed when it has returned
	late  func()          // what is to be done then; nil: nothing
}

// openResult is what an attempt to open gave: a source, or an error.
type openResult struct {
	source device.Source
	line   lineTrouble
	about  device.Description
	err    error
}

// run opens and reads the device until stop ends. Then it writes what was
// read, at the latest until hard ends.
func (t *task) run(stop, hard context.Context) {
	var pauses backoff
	t.status.set(condition{state: Opening})
	for stop.Err() == nil {
		t.status.attempt()
		t.plugged.attempt()
		source, about, err := t.openWith(stop)
		t.tellLeftBehind(err)
		if err == nil {
			began := time.Now()
			err = t.record(stop, hard, source, about)
			t.tellLeftBehind(err)
			if time.Since(began) >= backoffForget {
				pauses.reset()
			}
		}
		if stop.Err() != nil {
			break
		}
		if t.reopen != nil {
			t.status.set(condition{state: Opening, cause: err.Error()})
			continue
		}
		t.present = t.present || !errors.Is(err, device.ErrNoPort)
		t.status.set(classify(err, t.present))
		if t.pause(stop, pauses.pause(err), err) {
			pauses.reset()
		}
	}
	if t.reopen != nil {
		t.reopen.answer(changeResult{err: errGatewayStops})
	}
	t.control.end()
	t.status.set(condition{state: Stopped, cause: "the gateway stops"})
}

// open opens the port and the instrument. An open that hangs is left behind.
func (t *task) open(stop context.Context) (device.Source, device.Description, error) {
	if err := t.hanging(); err != nil {
		return nil, device.Description{}, err
	}
	ctx, cancel := context.WithTimeout(stop, openLimit)
	defer cancel()
	var r openResult
	began, done := time.Now(), make(chan struct{})
	go func() { defer close(done); r = t.openNow(ctx) }()
	select {
	case <-done:
		t.line = r.line
		return r.source, r.about, r.err
	case <-ctx.Done():
	}
	t.await(done, began, openGrace, "open", func() {
		if r.err == nil {
			t.closeSource(r.source)
			r.err = context.Cause(ctx)
		}
	})
	if err := t.hanging(); err != nil {
		return nil, device.Description{}, err
	}
	if r.err == nil && stop.Err() != nil {
		t.closeSource(r.source)
		r.err = stop.Err()
	}
	t.line = r.line
	return r.source, r.about, r.err
}

// await waits for a call that began at a time to return, but not longer than limit:
// then it is left behind.
func (t *task) await(done <-chan struct{}, began time.Time, limit time.Duration, doing string, late func()) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		t.left = append(t.left, leftBehind{doing: doing, since: began, done: done, late: late})
	}
}

// hanging returns an error when something left behind has still not returned.
func (t *task) hanging() error {
	for len(t.left) > 0 {
		l := t.left[0]
		select {
		case <-l.done:
		default:
			return &device.Error{Op: l.doing, Port: t.cfg.Port, Err: fmt.Errorf("%w since %s", device.ErrHangs, l.since.Format(time.TimeOnly)),
				Hint: "the operating system hangs on this port: unplug the instrument and plug it in again"}
		}
		t.left = t.left[1:]
		if l.late != nil {
			l.late()
		}
	}
	return nil
}

// tellLeftBehind notes in the status what an error says of a call that does not
// return.
func (t *task) tellLeftBehind(err error) {
	text := ""
	if e, ok := errors.AsType[*device.Error](err); ok && errors.Is(err, device.ErrHangs) {
		bare := *e
		bare.Hint = ""
		text = bare.Error()
	}
	t.status.leftBehind(text)
}

// openNow opens port and instrument in the calling goroutine. A panic of the
// driver becomes an error.
func (t *task) openNow(ctx context.Context) (r openResult) {
	unplug := func() error { return nil }
	defer func() {
		if v := recover(); v != nil {
			r = openResult{err: t.panicked("open", v)}
		}
		if r.err != nil {
			if err := unplug(); err != nil {
				t.log.Debug().Err(err).Msg("close")
			}
		}
	}()
	request := device.OpenRequest{Settings: t.control.settings(), Clock: t.base.now}
	if t.driver.Transport == device.USB {
		usb, err := t.openUSB(ctx, t.cfg.Port, t.driver.Interface, t.base.now)
		if err != nil {
			return openResult{err: err}
		}
		request.USB, unplug = usb, usb.Close
	} else {
		port, err := t.openPort(ctx, t.cfg.Port, t.driver.LineWith(request.Settings), t.base.now)
		if err != nil {
			return openResult{err: err}
		}
		request.Port, unplug = port, port.Close
		r.line = watchLine(port)
	}
	r.source, r.err = t.driver.Open(ctx, request)
	if r.err != nil {
		return r
	}
	r.about = r.source.Describe()
	if _, err := channelsOf(r.about, t.cfg); err != nil {
		hint := "correct [[device.channel]] in the configuration"
		if text := unverified(r.about); text != "" {
			hint += "; or it is that the instrument does not confirm its settings (" + text + ")"
		}
		t.closeNow(r.source)
		return openResult{err: &device.Error{Op: "open", Port: t.cfg.Port, Err: err, Hint: hint}}
	}
	return r
}

// progress is what the watchdog sees of a read loop.
type progress struct {
	lastReturn  atomic.Int64  // when Read returned last, ns since the begin
	lastReading atomic.Int64  // when a reading came last, or a source of tags told that its clock runs, ns since the begin; 0: none yet
	darkPause   atomic.Int64  // the longest time between two words of its clock while it was dark, ns; 0: it never told anything then
	returned    chan struct{} // 1 element: a Read has returned
}

// drain waits until a Read that began after now has returned, or the reading
// ended: then all that the instrument has given by now is read, also on a
// computer that had other things to do. It takes two Reads at most.
func (p *progress) drain(reading <-chan struct{}) {
	limit := time.NewTimer(2 * device.MaxWait)
	defer limit.Stop()
	select {
	case <-p.returned: // before now
	default:
	}
	for range 2 { // the one under way, and the next
		select {
		case <-p.returned:
		case <-reading:
			return
		case <-limit.C:
			return
		}
	}
}

// record reads an open device until it fails, falls silent or stop ends, and
// writes its epoch. It returns why it ended.
func (t *task) record(stop, hard context.Context, source device.Source, about device.Description) error {
	b, err := t.newBatcher(about)
	if err == nil {
		err = t.derive(hard, b, about.Disorder)
	}
	if err != nil {
		t.closeSource(source)
		return err
	}
	t.status.open(opened{b.descriptor, about.Hint})
	t.status.unverified(unverified(about))
	t.control.opened(&about)
	q := newQueue(len(about.Channels))
	batched := make(chan struct{})
	go func() { defer close(batched); b.run(hard, q) }()

	begin := time.Now()
	t.pushes.due = 0
	p := progress{returned: make(chan struct{}, 1)}
	var readErr error
	live := make(chan *settingChange, 1)
	reading := make(chan struct{})
	go func() { defer close(reading); readErr = t.read(source, about, q, &p, begin, live) }()
	err = t.watch(stop, reading, &p, begin, newSilence(about), t.takeChanges(source, live))
	if stop.Err() != nil {
		p.drain(reading)
	}
	t.closeSource(source)
	t.await(reading, time.Now(), closeLimit, "read", nil)
	t.control.closed()
	if err == nil {
		err = readErr
	}
	t.leftUnmade(stop, err)
	q.close()
	<-batched
	cause, detail := endCause(stop, err)
	t.previous = b.finish(cause, detail)
	t.finishDerived(b, cause, detail)
	t.made = b.made
	t.begun = t.begun || b.begun
	return err
}

// read fills the queue until the source fails. It never waits for anything but
// the source.
func (t *task) read(source device.Source, about device.Description, q *queue, p *progress, begin time.Time, live <-chan *settingChange) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = t.panicked("read", v)
		}
	}()
	slept := t.base.slept()
	var over overrun
	defer func() { over.finish(q) }()
	checks := newChecks(source, about, t.base.now())
	doubt := len(about.Differing()) > 0
	held := 0 // readings that the source keeps until it is clear where they belong
	var dark darkness
	for {
		select {
		case c := <-live:
			if err := t.makeLive(source, q, c); err != nil {
				return err
			}
			doubt = len(source.Describe().Differing()) > 0
		default:
		}
		b := q.empty()
		err := source.Read(b)
		t.line.note(b, t.base.now())
		now := int64(time.Since(begin))
		p.lastReturn.Store(now)
		select {
		case p.returned <- struct{}{}:
		default:
		}
		if t.base.slept()-slept > int64(sleptLimit) {
			return errSlept
		}
		if bad := checkBatch(b, about); bad != nil {
			return bad
		}
		if b.Len() > 0 || b.Held > held || dark.told(b, now) {
			p.lastReading.Store(max(now, 1))
			p.darkPause.Store(dark.pause)
		}
		held = b.Held
		if doubt {
			flagRows(b)
		}
		check := err == nil && checks.due(b, t.base.now())
		if b.Len()+len(b.Notes)+len(b.Tags.Losses) > 0 || b.Tags.At != 0 {
			over.pass(q, b)
			q.giveWay()
		} else {
			q.recycle(b)
		}
		if check {
			err = t.check(checks, q, &over)
		}
		if err != nil {
			return err
		}
	}
}

// errSlept ends an epoch: the device's clock and the host's went apart.
var errSlept = errors.New("the computer was suspended")

// errSilent ends an epoch: the device is opened again to wake it up.
var errSilent = errors.New("no reading came")

// checkBatch refuses columns that do not agree: a mistake in the driver, which
// must not reach the record.
func checkBatch(b *device.Batch, about device.Description) error {
	if about.Tick.Num > 0 {
		return checkTags(b, len(about.Channels))
	}
	n, channels := len(b.Begin), len(about.Channels)
	ok := len(b.Tags.Tick)+len(b.Tags.Channel) == 0 && len(b.Length) == n && len(b.Live) == n && len(b.Uncertainty) == n && len(b.Flags) == n &&
		len(b.Values) == channels && len(b.ValueFlags) == channels
	for c := 0; ok && c < channels; c++ {
		ok = len(b.Values[c]) == n && len(b.ValueFlags[c]) == n
	}
	if !ok || !notesInOrder(b) {
		return fmt.Errorf("%w: the driver's columns do not agree", errDriver)
	}
	return nil
}

// notesInOrder reports whether the notes of a batch stand at rows of it, in order.
func notesInOrder(b *device.Batch) bool {
	row, n := 0, b.Len()
	for _, note := range b.Notes {
		if note.Row < row || note.Row > n {
			return false
		}
		row = note.Row
	}
	return true
}

// errDriver is the kind of error for mistakes in a driver.
var errDriver = errors.New("mistake in the driver")

// watch waits until the read loop ends (nil), the device is silent for too
// long, take wants it opened anew for a change, or stop ends. It keeps the state of
// the device.
func (t *task) watch(stop context.Context, reading <-chan struct{}, p *progress, begin time.Time, silence *silence, take func(*settingChange) error) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var awake wakefulness
	for {
		select {
		case <-stop.Done():
			return stop.Err()
		case <-reading:
			if p.lastReading.Load() > 0 {
				t.status.set(condition{state: Running})
			}
			return nil
		case c := <-t.control.asked:
			if err := take(c); err != nil {
				return err
			}
			continue
		case <-tick.C:
		}
		now := time.Since(begin)
		if t.pushes.look(now, t.control.differ()) {
			if c := t.control.pushAgain(); c != nil {
				if err := take(c); err != nil {
					return err
				}
			}
		}
		awake.look(now)
		if hang := awake.since(now, time.Duration(p.lastReturn.Load())); hang > readLimit {
			return &device.Error{Op: "read", Port: t.cfg.Port, Err: device.ErrHangs, Hint: "unplug the instrument and plug it in again"}
		}
		last := time.Duration(p.lastReading.Load())
		silence.look(last, time.Duration(p.darkPause.Load()))
		switch quiet := awake.since(now, last); {
		case silence.mayBeDark():
			t.status.set(silence.dark(quiet, last > 0))
		case quiet >= silence.reopenAfter():
			return &device.Error{Op: "read", Port: t.cfg.Port, Err: fmt.Errorf("%w for %v", errSilent, silence.reopenAfter())}
		case quiet >= silence.stallAfter():
			t.status.set(silent)
		case last > 0:
			t.status.set(condition{state: Running})
		}
	}
}

// closeSource closes a source. A close that hangs is left behind.
func (t *task) closeSource(source device.Source) {
	began, done := time.Now(), make(chan struct{})
	go func() { defer close(done); t.closeNow(source) }()
	t.await(done, began, closeLimit, "close", nil)
}

// closeNow closes a source in the calling goroutine; a panic of the driver is
// logged.
func (t *task) closeNow(source device.Source) {
	defer func() {
		if v := recover(); v != nil {
			_ = t.panicked("close", v)
		}
	}()
	if err := source.Close(); err != nil {
		t.log.Debug().Err(err).Msg("close")
	}
}

// newBatcher makes the batcher of one opening.
func (t *task) newBatcher(about device.Description) (*batcher, error) {
	channels, err := channelsOf(about, t.cfg)
	if err != nil {
		return nil, err
	}
	if t.alarms != nil {
		t.alarms.bind(t.cfg, about.Channels, channels, about.Gate)
	}
	cause := protocol.CauseGatewayStarted
	if t.begun {
		cause = protocol.CauseReopened
	}
	return &batcher{
		log: t.frames, now: t.base.now, status: t.status, alarms: t.alarms, previous: t.previous, batch: t.cfg.Batch, wait: tagWait{t.cfg.TagWait, t.watched}, gate: about.Gate,
		descriptor: describe(t, about, channels, cause), made: t.made,
	}, nil
}
