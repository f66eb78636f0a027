package receiver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"photongate/protocol"
)

const (
	// clocksBefore is how long before its begin a measurement takes the gateway's
	// own stream: clock frames come every minute at least.
	clocksBefore = 70 * time.Second
	// laggard is how long after the end of its last gate a reading may come.
	laggard = 3 * time.Second
	// slowest is for how long a stream whose time is over may be behind without
	// catching up: as one whose instrument's clock goes slow, or stands still.
	slowest = 10 * time.Second
	// drainTime is how long a measurement that was ended early waits for readings
	// that ended before.
	drainTime = time.Second
)

var (
	errSkipped = errors.New("the view was moved forward")
	errOther   = errors.New("the gateway has another record than when the measurement began")
)

// run follows the gateway until all streams have what they were asked for, over
// one session after the other. Client is the first.
func (m *measurer) run(ctx context.Context, client *Client) {
	pause, said := firstPause, ""
	for {
		began := time.Now()
		err := m.follow(ctx, client)
		if err == nil {
			err = m.noteEnd(client, m.state())
		}
		_ = client.Close() // it has ended, or ends here
		if err == nil || m.hopeless(err) {
			return
		}
		if time.Since(began) > goodSession {
			pause = firstPause
		}
		lost := time.Now()
		for client = nil; client == nil; pause = min(2*pause, longPause) {
			if err.Error() != said && !errors.Is(err, errSkipped) {
				said = err.Error()
				m.log.Warn().Msg(said + "; trying again until it works")
			}
			m.progress(nil)
			switch {
			case m.finished() && (m.ended || time.Since(lost) > grace): // only the end is not noted
				m.endLost(err)
				return
			case m.tooLate() && !m.finished():
				m.incomplete("the time is over, and its last readings are not here: %v", err)
				return
			}
			if !errors.Is(err, errSkipped) && !m.way.pause(ctx, jitter(pause)) || ctx.Err() != nil {
				m.leave(err)
				return
			}
			if client, err = m.way.connect(ctx, m.o.Who, nextVisit); err != nil && !MayRecover(err) && ctx.Err() == nil {
				m.incomplete("%v", err)
				return
			}
		}
		said = ""
	}
}

// hopeless reports whether trying again cannot help, and notes why.
func (m *measurer) hopeless(err error) bool {
	switch {
	case isDisk(err):
	case errors.Is(err, errSkipped) || MayRecover(err):
		return false
	}
	m.incomplete("%v", err)
	return true
}

func isDisk(err error) bool {
	_, ok := errors.AsType[*diskTrouble](err)
	return ok
}

// tooLate reports whether a measurement for a time is over, with all patience.
func (m *measurer) tooLate() bool {
	return m.o.For > 0 && time.Now().After(m.began.Add(m.o.For+grace))
}

func (m *measurer) interrupted() {
	if !m.ended {
		m.ended = true
		m.incomplete("ended early")
	}
}

// leave ends the measurement while there is no session.
func (m *measurer) leave(why error) {
	if !m.finished() {
		m.interrupted()
	}
	m.endLost(why)
}

// follow takes what comes over one session until all streams have what they
// were asked for (nil), or the session ends.
func (m *measurer) follow(ctx context.Context, c *Client) error {
	if err := m.resume(ctx, c); err != nil {
		return err
	}
	views, err := m.subscribe(c)
	if err != nil {
		return err
	}
	pumping, stop := context.WithCancel(context.Background())
	batches := make(chan batch)
	var pumps sync.WaitGroup
	defer pumps.Wait()
	defer stop()
	for _, v := range views {
		pumps.Go(func() { pump(pumping, v, batches) })
	}
	defer context.AfterFunc(ctx, m.store.journal.StopWaiting)()
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	person := ctx.Done()
	var drained <-chan time.Time
	for !m.finished() {
		select {
		case b := <-batches:
			if b.err != nil {
				return b.err
			}
			if err := m.take(c, b.frames); err != nil {
				return err
			}
			b.used <- struct{}{}
		case <-tick.C:
			m.giveUp(c.BaseNow())
			m.flush()
			m.progress(c)
		case <-person:
			person, drained = nil, time.After(drainTime)
			m.interrupted()
			if err := m.noteEnd(c, protocol.MeasurementIncomplete); err != nil {
				m.endLost(err)
			}
		case <-drained:
			return nil
		}
	}
	return nil
}

// batch is what a view has at once.
type batch struct {
	frames []byte
	err    error
	used   chan<- struct{} // takes one value when frames were used
}

// pump hands on what a view gives, until ctx or the view ends.
func pump(ctx context.Context, v *View, to chan<- batch) {
	used := make(chan struct{}, 1)
	for {
		frames, err := v.Next(ctx)
		select {
		case to <- batch{frames, err, used}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
		select {
		case <-used:
		case <-ctx.Done():
			return
		}
	}
}

// resume makes the gateway of a session that is not the first go on with the
// measurement.
func (m *measurer) resume(ctx context.Context, c *Client) error {
	hello := c.Hello()
	m.byID = map[uint32]*streamMeasured{}
	m.clocks.SetBoot(hello.Base, hello.Boot)
	before := m.base
	m.base = hello.Base
	switch {
	case hello.ID != m.hello.ID:
		return fmt.Errorf("%w: it is another gateway, or its journal was made anew", errOther)
	case before.IsZero():
		return nil
	case m.meta.NotNoted == "":
		ask := m.request(protocol.DoNow)
		if before != hello.Base { // a new process knows nothing of it
			ask.Do = protocol.DoBegin
		}
		if _, err := c.Do(ctx, ask); err != nil && !isNotDone(err) {
			return err
		}
	}
	m.log.Info().Msg("connected again; the measurement goes on")
	return nil
}

// subscribe asks for what comes after the frames that are here; of streams of
// which there is none, from the begin of the measurement.
func (m *measurer) subscribe(c *Client) ([]*View, error) {
	var asks []protocol.Subscribe
	var fresh, held []string
	cursors := m.store.cursors(nil)
	has := map[string]bool{}
	for _, cursor := range cursors {
		has[cursor.Stream] = true
		held = append(held, cursor.Stream)
	}
	for _, s := range m.order {
		if !has[s.name] {
			fresh = append(fresh, s.name)
		}
	}
	from := func(ns int64, streams ...string) protocol.Subscribe {
		return protocol.Subscribe{Streams: streams, From: protocol.FromTime, TimeNs: protocol.Ref(protocol.Int64(ns))}
	}
	if !has[gatewayStream] { // first, so that rows find the time
		asks = append(asks, from(m.cut.fromNs-int64(clocksBefore), gatewayStream))
	}
	if len(held) > 0 {
		asks = append(asks, protocol.Subscribe{Streams: held, From: protocol.FromCursor, Cursors: cursors, Rest: protocol.FromNow})
	}
	if len(fresh) > 0 {
		asks = append(asks, from(m.cut.fromNs, fresh...))
	}
	var views []*View
	for _, ask := range asks {
		v, err := c.Subscribe(ask)
		if err != nil {
			return nil, err
		}
		views = append(views, v)
	}
	return views, nil
}

// finished reports whether nothing more is waited for.
func (m *measurer) finished() bool {
	for _, s := range m.order {
		if !s.cut.done && s.givenUp == "" {
			return false
		}
	}
	return true
}

// giveUp stops waiting for streams whose time is over: nothing came of them, or
// nothing more, or what comes is behind and does not catch up.
func (m *measurer) giveUp(baseNow int64) {
	if m.o.For <= 0 {
		return
	}
	for _, s := range m.order {
		begin, in := m.cut.fromNs, m.cut.base
		if s.cut.begun {
			begin, in = s.cut.firstNs, s.cut.firstIn
		}
		patience := int64(laggard) + 2*int64(s.device.GateNs)
		now := baseNow + m.clocks.Shift(in, m.base)
		switch {
		case now < begin+int64(m.o.For)+patience:
		case time.Since(s.heard) >= laggard:
			s.givenUp = s.silence()
		case s.fallsBehind(now):
			s.givenUp = s.silence()
			if s.cut.begun {
				s.givenUp = fmt.Sprintf("what comes is %.3g s old and does not catch up: the last %.3g s are not here",
					float64(now-s.cut.lastNs)/1e9, float64(begin+int64(m.o.For)-s.cut.lastNs)/1e9)
			}
		}
	}
}

// fallsBehind reports whether a stream whose time is over has not caught up with the
// clock for long, of which now is on the base of its first reading.
func (s *streamMeasured) fallsBehind(now int64) bool {
	behind := now - s.cut.lastNs
	if s.behindAt.IsZero() || behind < s.behind-int64(time.Second) {
		s.behind, s.behindAt = behind, time.Now()
	}
	return time.Since(s.behindAt) >= slowest
}

// silence says since when a stream is silent, and why as far as is known.
func (s *streamMeasured) silence() string {
	cause := s.sink.ended
	if cause == "" && s.device.State != "running" {
		cause = s.device.Cause
	}
	if cause != "" {
		cause = " (" + cause + ")"
	}
	if !s.cut.begun {
		return "not one reading came" + cause
	}
	return "no readings at the end" + cause
}

// flush puts all rows into the files.
func (m *measurer) flush() {
	for _, s := range m.order {
		s.sink.file((*csvFiles).flush)
	}
}

// standing is how the stream stands whose newest reading is so old.
func (s *streamMeasured) standing(lag time.Duration, connected bool) (state, cause string) {
	limit := silence(s.meter.gateNs)
	switch {
	case !connected:
		return StateAway, ""
	case !s.cut.begun:
		return StateNotBegun, ""
	case lag <= limit || s.cut.done:
		return StateComing, ""
	case time.Since(s.heard) <= limit:
		return StateBehind, ""
	}
	return StateSilent, s.sink.ended
}

// progress tells how it goes; c is nil while there is no session.
func (m *measurer) progress(c *Client) {
	if m.o.OnProgress == nil || time.Since(m.shown) < progressEvery {
		return
	}
	m.shown = time.Now()
	p := Progress{Connected: 1}
	if c == nil {
		p = Progress{Disconnected: 1}
	}
	for _, s := range m.order {
		one := StreamProgress{Gateway: m.hello.Name, Stream: s.name, Folder: m.folder, Readings: s.cut.readings, Gaps: s.sink.gaps, Missing: s.sink.missing, Unknown: s.sink.unknowns}
		if s.sink.tagged {
			one.Tags, one.Readings = true, s.sink.tags()
		}
		s.meter.catchUp()
		one.Channels = s.meter.channels()
		if s.cut.begun && c != nil {
			one.Lag = max(0, time.Duration(c.BaseNow()-s.cut.lastNs))
		}
		one.State, one.Cause = s.standing(one.Lag, c != nil)
		p.Streams = append(p.Streams, one)
	}
	m.o.OnProgress(p)
}
