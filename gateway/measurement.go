package gateway

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"photongate/protocol"
)

// abandonAfter is how long a measurement goes on when the session that looks
// after it has gone.
const abandonAfter = 60 * time.Second

// errMeasuring is the kind of error for what cannot be done while somebody
// measures.
type errMeasuring struct{ text string }

func (e errMeasuring) Error() string { return e.text }

// measurements keeps the one measurement that goes on, and writes where it
// begins and ends. It may be used concurrently.
type measurements struct {
	record func(*protocol.Event) (at int64, err error) // into the stream of the gateway
	log    zerolog.Logger

	mu      sync.Mutex
	current *measuring
	told    time.Time // when it was logged last that an end is not written
}

// measuring is a measurement that goes on.
type measuring struct {
	protocol.MeasurementStatus
	at     int64     // when it began, time base
	keeper *asker    // who asked last and bore its id; nil: gone
	gone   time.Time // when the keeper went
}

// status is the measurement that goes on, nil when there is none.
func (m *measurements) status() *protocol.MeasurementStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current == nil {
		return nil
	}
	return protocol.Ref(m.current.MeasurementStatus)
}

// begin begins a measurement and returns when it did. The one that goes on
// already is not begun again: who lost the answer may ask once more.
func (m *measurements) begin(by *asker, who string, what protocol.Measurement) (at int64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.current; c != nil && c.Measurement.ID == what.ID {
		return c.at, nil
	} else if c != nil {
		return 0, errMeasuring{c.sentence() + ": one measurement goes on at a time"}
	}
	what.State, what.Readings = "", 0
	at, err = m.record(&protocol.Event{What: protocol.EventBegin, Who: who, From: by.from, Measurement: &what})
	if err != nil {
		return at, err
	}
	m.current = &measuring{at: at, keeper: by, MeasurementStatus: protocol.MeasurementStatus{Measurement: what, Who: who, From: by.from, Since: time.Now()}}
	m.log.Info().Str("title", what.Title).Str("who", who).Str("from", by.from).Msg("measurement begins")
	return at, nil
}

// sentence says who measures what.
func (c *measuring) sentence() string {
	who := c.Who
	if who == "" {
		who = "somebody"
	}
	title := ""
	if c.Measurement.Title != "" {
		title = fmt.Sprintf(" %q", c.Measurement.Title)
	}
	return fmt.Sprintf("%s measures%s since %s", who, title, c.Since.Format(time.TimeOnly))
}

// end ends the measurement of that id.
func (m *measurements) end(by *asker, who string, what protocol.Measurement) (at int64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current == nil || m.current.Measurement.ID != what.ID {
		return 0, errNoMeasurement
	}
	if what.State == "" {
		what.State = protocol.MeasurementComplete
	}
	return m.endLocked(&protocol.Event{Who: who, From: by.from, Measurement: &what})
}

// errNoMeasurement says that an id is that of no measurement that goes on.
var errNoMeasurement = fmt.Errorf("no measurement of this id goes on: it was ended already, or the gateway was started anew since")

// endLocked writes the end. What the ender leaves out of the measurement is as
// the beginner said it.
func (m *measurements) endLocked(e *protocol.Event) (at int64, err error) {
	whole := m.current.Measurement
	whole.State, whole.Readings = e.Measurement.State, e.Measurement.Readings
	e.What, e.Measurement = protocol.EventEnd, &whole
	if at, err = m.record(e); err != nil {
		return at, err
	}
	m.log.Info().Str("title", whole.Title).Str("state", whole.State).Str("who", e.Who).Msg("measurement ends")
	m.current = nil
	return at, nil
}

// allows reports whether a setting may be changed now by somebody who bears the
// id of his measurement, if any. When it may only be forced, note says what of.
func (m *measurements) allows(bears protocol.ID, force bool) (note string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.current
	switch {
	case c == nil || c.Measurement.ID == bears:
		return "", nil
	case force:
		return "forced while " + c.sentence(), nil
	}
	return "", errMeasuring{c.sentence() + ": wait for the end, or force the change (--force)"}
}

// keep notes that somebody asked who bears an id.
func (m *measurements) keep(by *asker, id protocol.ID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.current; c != nil && c.Measurement.ID == id {
		c.keeper = by
	}
}

// left notes that somebody has gone.
func (m *measurements) left(by *asker) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.current; c != nil && c.keeper == by {
		c.keeper, c.gone = nil, time.Now()
	}
}

// run ends a measurement that nobody looks after any more, until ctx ends; then
// it ends the one that goes on.
func (m *measurements) run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			m.giveUp(protocol.MeasurementIncomplete, "the gateway stops", func(*measuring) bool { return true })
			return
		case now := <-tick.C:
			m.giveUp(protocol.MeasurementAbandoned, "who measured has gone", func(c *measuring) bool {
				return c.keeper == nil && now.Sub(c.gone) >= abandonAfter
			})
		}
	}
}

// giveUp ends a measurement in the name of the gateway.
func (m *measurements) giveUp(state, text string, is func(*measuring) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current == nil || !is(m.current) {
		return
	}
	_, err := m.endLocked(&protocol.Event{Who: whoGateway, Text: text, Measurement: &protocol.Measurement{State: state}})
	if err != nil && time.Since(m.told) >= repeatEvery {
		m.told = time.Now()
		m.log.Error().Err(err).Msg("the end of a measurement is not written; as long as the gateway runs it is tried each second")
	}
}
