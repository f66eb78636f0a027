package receiver

import (
	"errors"
	"fmt"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/table"
)

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
	s.sink.tagged = s.sink.tagged || h.Type == protocol.TypeTags
	if err := s.decoder.Frame(h, payload, s.counted); err != nil {
		return err
	}
	if s.sink.files != nil && h.Type.Numbered() {
		s.sink.files.at = journal.Position{Epoch: h.Epoch, Seq: h.Seq}
	}
	switch h.Type {
	case protocol.TypeDescriptor:
		s.meter.describe(payload)
	case protocol.TypeCounts, protocol.TypeTags:
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
