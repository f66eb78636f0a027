package gateway

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"photongate/protocol"
)

// Limits of what requests hold, in characters (SPEC.md, section 10).
const (
	maxTitle      = 200 // sample and operator as well
	maxWord       = 100 // who, and keys
	maxValue      = 200
	maxNote       = 4000
	maxParameters = 100
)

// Words of an event's Who that stand for no person.
const (
	whoGateway = "gateway"
	whoDriver  = "driver"
)

// field is a text of a request.
type field struct {
	name, text string
	limit      int
}

// checkRequest refuses a request that is not whole, or too long.
func checkRequest(r *protocol.Request) error {
	for _, f := range []field{{"who", r.Who, maxWord}, {"device", r.Device, maxWord}, {"key", r.Key, maxWord}, {"value", r.Value, maxValue}, {"name", r.Name, maxWord}} {
		if err := f.check(); err != nil {
			return err
		}
	}
	if r.Who == whoGateway || r.Who == whoDriver {
		return refuse(protocol.ReplyValue, "who is %q, which stands for what no person did: choose another name", r.Who)
	}
	switch r.Do {
	case protocol.DoNow, protocol.DoStatus, protocol.DoGet:
		return nil
	case protocol.DoSet:
		if r.Device == "" || r.Key == "" {
			return refuse(protocol.ReplyValue, "set needs a device, a key and a value")
		}
		return nil
	case protocol.DoForget:
		if r.Name == "" {
			return refuse(protocol.ReplyValue, "forget needs the name of an archive")
		}
		return nil
	case protocol.DoNote:
		return checkNote(r.Text)
	case protocol.DoBegin, protocol.DoEnd:
		if r.Measurement == nil || r.Measurement.ID.IsZero() {
			return refuse(protocol.ReplyValue, "%s needs a measurement with an id that is not zero", r.Do)
		}
		return checkMeasurement(r.Measurement)
	}
	return refuse(protocol.ReplyUnknown, "%.40q is no request that this gateway knows", r.Do)
}

func checkNote(text string) error {
	if strings.TrimSpace(text) == "" {
		return refuse(protocol.ReplyValue, "the note is empty")
	}
	if n := utf8.RuneCountInString(text); n > maxNote {
		return refuse(protocol.ReplyLimit, "the note has %d characters, at most %d are kept", n, maxNote)
	}
	// Terminals obey control characters, whoever wrote the note.
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
		return refuse(protocol.ReplyValue, "the note holds a control character, which cannot be shown")
	}
	return nil
}

func checkMeasurement(m *protocol.Measurement) error {
	fields := []field{{"title", m.Title, maxTitle}, {"sample", m.Sample, maxTitle}, {"operator", m.Operator, maxTitle}}
	if len(m.Set) > maxParameters {
		return refuse(protocol.ReplyLimit, "the measurement has %d parameters, at most %d are kept", len(m.Set), maxParameters)
	}
	for _, p := range m.Set {
		if p.Key == "" {
			return refuse(protocol.ReplyValue, "a parameter has no name")
		}
		fields = append(fields, field{"parameter's name", p.Key, maxWord}, field{"parameter " + p.Key, p.Value, maxValue})
	}
	for _, f := range fields {
		if err := f.check(); err != nil {
			return err
		}
	}
	switch m.State {
	case "", protocol.MeasurementComplete, protocol.MeasurementIncomplete, protocol.MeasurementAbandoned:
		return nil
	}
	return refuse(protocol.ReplyValue, "%.40q is no state of a measurement (expected %s or %s)", m.State, protocol.MeasurementComplete, protocol.MeasurementIncomplete)
}

// check refuses what is longer than its limit or no line of text.
func (f field) check() error {
	if n := utf8.RuneCountInString(f.text); n > f.limit {
		return refuse(protocol.ReplyLimit, "the %s has %d characters, at most %d are kept", f.name, n, f.limit)
	}
	if strings.ContainsFunc(f.text, unicode.IsControl) {
		return refuse(protocol.ReplyValue, "the %s %s holds a line break or another character that cannot be shown", f.name, fmt.Sprintf("%.40q", f.text))
	}
	return nil
}
