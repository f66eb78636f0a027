package receiver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/table"
)

const (
	// clocksBefore is how long before its begin a measurement takes the gateway's
	// own stream: clock frames come every minute at least.
	clocksBefore = 70 * time.Second
	// laggard is how long after the end of its last gate a reading may come.
	laggard = 3 * time.Second
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
			m.noteEnd(client, m.state())
		}
		_ = client.Close() // it has ended, or ends here
		if err == nil || m.hopeless(err) {
			return
		}
		if time.Since(began) > goodSession {
			pause = firstPause
		}
		for client = nil; client == nil; pause = min(2*pause, longPause) {
			if err.Error() != said && !errors.Is(err, errSkipped) {
				said = err.Error()
				m.log.Warn().Msg(said + "; trying again until it works")
			}
			m.progress(nil)
			if m.tooLate() {
				m.incomplete("the time is over, and its last readings are not here: %v", err)
				return
			}
			if !errors.Is(err, errSkipped) && !sleep(ctx, jitter(pause)) || ctx.Err() != nil {
				m.interrupted()
				return
			}
			if client, err = m.connect(ctx); err != nil && !MayRecover(err) && ctx.Err() == nil {
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
			m.noteEnd(c, protocol.MeasurementIncomplete)
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

// take takes whole frames, back to back.
func (m *measurer) take(c *Client, frames []byte) error {
	for len(frames) > 0 {
		h, err := protocol.ParseHeader(frames)
		if err != nil {
			return err
		}
		frame := frames[:h.FrameLen()]
		frames = frames[h.FrameLen():]
		payload := frame[h.HeaderLen:]
		switch {
		case h.Type == protocol.TypeSubscribed:
			err = m.subscribed(c, payload)
		case h.Type == protocol.TypeSkip:
			err = errSkipped // what is skipped is fetched from where this ends
		case h.Type == protocol.TypeCopy:
			err = m.context(c, payload)
		case h.Type.Stored():
			err = m.frame(c, h, frame)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// subscribed takes the answers for streams.
func (m *measurer) subscribed(c *Client, payload []byte) error {
	var answer protocol.Subscribed
	if err := protocol.DecodeJSON(payload, &answer); err != nil {
		return c.s.refuse(err)
	}
	for _, a := range answer.Streams {
		if a.Answer == protocol.AnswerDiverged || a.Answer == protocol.AnswerUnknownJournal {
			return fmt.Errorf("%w: of %s it answers %q", errOther, a.Name, a.Answer)
		}
		s := m.stream(a.Name)
		if s == nil {
			return c.s.refuse(fmt.Errorf("%w: stream %.63q, which was not asked for", protocol.ErrFormat, a.Name))
		}
		t, err := m.store.target(a.Name, a.ID)
		if errors.Is(err, journal.ErrOther) {
			return fmt.Errorf("%w: stream %s: %w", errOther, a.Name, err)
		}
		if err != nil {
			return onDisk(err)
		}
		t.start = a.Answer == protocol.AnswerStart
		m.byID[a.ID] = s
	}
	return nil
}

// stream finds one of the measurement's streams, nil when it is none.
func (m *measurer) stream(name string) *streamMeasured {
	if name == gatewayStream {
		if m.gateway == nil {
			m.gateway = &streamMeasured{name: name, decoder: table.NewDecoder(m.hello.Name, name, m.clocks)}
		}
		return m.gateway
	}
	for _, s := range m.order {
		if s.name == name {
			return s
		}
	}
	return nil
}

// context takes a copy of a frame that is in force.
func (m *measurer) context(c *Client, frame []byte) error {
	h, payload, rest, err := protocol.ParseFrame(frame)
	if err != nil || len(rest) > 0 {
		return c.s.refuse(fmt.Errorf("%w: a copy that is no frame", protocol.ErrFormat))
	}
	m.store.context(h, frame)
	if s := m.byID[h.Stream]; s != nil {
		s.decoder.Context(h, payload)
		if h.Type == protocol.TypeDescriptor {
			s.meter.describe(payload)
		}
	}
	return nil
}

// frame stores a frame, and takes its readings.
func (m *measurer) frame(c *Client, h protocol.Header, frame []byte) error {
	s := m.byID[h.Stream]
	if s == nil {
		return c.s.refuse(fmt.Errorf("%w: a frame of stream %d, which no answer named", protocol.ErrFormat, h.Stream))
	}
	s.heard = time.Now()
	if s.cut != nil && s.cut.done {
		return nil
	}
	stored, err := m.store.put(h, frame)
	switch {
	case errors.Is(err, protocol.ErrFormat):
		return c.s.refuse(err)
	case err != nil:
		return onDisk(err)
	case !stored:
		return nil
	}
	payload := frame[h.HeaderLen:]
	if s == m.gateway {
		return s.decoder.Frame(h, payload, noteTaker{m})
	}
	if err := s.decoder.Frame(h, payload, s.cut); err != nil {
		return err
	}
	if s.sink.files != nil && h.Type.Numbered() {
		s.sink.files.at = journal.Position{Epoch: h.Epoch, Seq: h.Seq}
	}
	switch h.Type {
	case protocol.TypeDescriptor:
		s.meter.describe(payload)
	case protocol.TypeCounts:
		s.meter.add(h, payload)
	}
	return nil
}

// noteTaker is a sink for what people write while a measurement goes on.
type noteTaker struct{ m *measurer }

// Readings implements table.Sink.
func (noteTaker) Readings(*table.Part, uint64, *protocol.Counts) error { return nil }

// Gap implements table.Sink.
func (noteTaker) Gap(*table.Part, table.Gap) error { return nil }

// Event implements table.Sink.
func (n noteTaker) Event(p *table.Part, e table.Event) error {
	m := n.m
	if e.What != protocol.EventNote || p.Desc.Base == m.cut.base && e.AtNs < m.cut.fromNs || len(m.meta.Notes) >= maxSentences {
		return nil
	}
	note := Note{Who: e.Who, Text: e.Text}
	if utc, known := m.clocks.UTC(p.Desc.Base, e.AtNs); known {
		note.UTC = table.FormatUTC(utc)
	}
	m.meta.Notes = append(m.meta.Notes, note)
	return nil
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
// nothing more.
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
		if now < begin+int64(m.o.For)+patience || time.Since(s.heard) < laggard {
			continue
		}
		s.givenUp = s.silence()
	}
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
		s.meter.catchUp()
		one.Channels = s.meter.channels()
		if s.cut.begun && c != nil {
			one.Lag = max(0, time.Duration(c.BaseNow()-s.cut.lastNs))
		}
		p.Streams = append(p.Streams, one)
	}
	m.o.OnProgress(p)
}
