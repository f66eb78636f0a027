package homebuilt

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"photongate/device"
	"photongate/instrument"
)

// gateOption is the option that says how often to ask, or how long events are
// counted together, where no setting of the instrument has that name.
const gateOption = "gate"

// Driver returns the driver of the instrument that a file describes, under the
// file's name. The file must not change.
func Driver(f *instrument.File) device.Driver {
	identity := device.Assumed
	if !f.Open.Ask.IsEmpty() {
		identity = device.Confirmed
	}
	d := device.Driver{
		Name:      f.Name,
		Title:     f.Title,
		Transport: device.Serial,
		Line:      lineOf(f.Link),
		Identity:  identity,
		Options:   options(f),
		Inputs:    inputs(f),
		Open: func(ctx context.Context, req device.OpenRequest) (device.Source, error) {
			return openFile(ctx, f, req)
		},
		Cut:     func(received []byte) device.Piece { return cut(f, received) },
		Singles: f.Channels[0].Kind == instrument.Event,
		Quirks:  quirks(f),
		About:   device.About{Readings: tagSentences(f.Tags), Sources: sentences(f.Source), Unknown: sentences(f.Note)},
	}
	if bySilence(f) {
		d.CutTalk = func(talk []device.Exchange, now time.Duration) []device.Piece { return cutTalk(f, talk, now) }
	}
	return d
}

// tagSentences says what a tag is; nothing of an instrument that gives none.
func tagSentences(t *instrument.Tags) []string {
	if t == nil {
		return nil
	}
	tick := device.Tick{Num: t.Tick.Num, Den: t.Tick.Den}
	text := fmt.Sprintf("a time tag for each event, in ticks of %g ns by the instrument's clock", tick.Ns(1))
	if t.Wrap > 0 {
		text += fmt.Sprintf("; that begins at 0 again after %.3g s, which is undone", tick.Ns(float64(t.Wrap))/1e9)
	}
	return []string{text}
}

// sentences returns a text as a list of one, or of none where it is empty.
func sentences(text string) []string {
	if text == "" {
		return nil
	}
	return []string{strings.TrimSuffix(text, ".")}
}

func lineOf(l instrument.Link) device.Line {
	parity := map[instrument.Parity]device.Parity{
		instrument.NoParity: device.NoParity, instrument.EvenParity: device.EvenParity, instrument.OddParity: device.OddParity,
	}[l.Parity]
	return device.Line{Baud: l.Baud, DataBits: l.DataBits, Parity: parity, StopBits: l.StopBits, FIFO: l.FIFO}
}

// options are the settings of the file, and the interval of this computer where
// it is the one that times.
func options(f *instrument.File) []device.Option {
	var list []device.Option
	for i := range f.Settings {
		list = append(list, option(&f.Settings[i]))
	}
	event := f.Channels[0].Kind == instrument.Event
	if (f.Gate.By == instrument.ByPoll || event) && f.Setting(gateOption) == nil {
		o := device.Option{
			Name: gateOption, Title: "how often this computer asks", Kind: device.Duration,
			Min: float64(time.Millisecond), Max: float64(time.Hour),
		}
		if event {
			o.Title, o.Default = "how long this computer counts events together", f.Gate.Time.String()
		} else {
			o.Default = f.Poll.Every.String()
		}
		list = append(list, o)
	}
	return list
}

func option(s *instrument.Setting) device.Option {
	o := device.Option{
		Name: s.Name, Title: s.Title, Default: "as it is", Choices: s.Choices, Live: s.Live, Guarded: s.Guarded,
		Kind: map[instrument.SettingKind]device.OptionKind{
			instrument.DurationSetting: device.Duration, instrument.IntegerSetting: device.Integer,
			instrument.NumberSetting: device.Number, instrument.WordSetting: device.Enum, instrument.BoolSetting: device.Bool,
		}[s.Kind],
	}
	if s.Default.V != nil {
		o.Default = fmt.Sprint(s.Default.V)
	}
	if s.Kind == instrument.IntegerSetting || s.Kind == instrument.NumberSetting {
		o.Unit = s.Unit
	}
	if low, high := s.Bounds(); !math.IsInf(low, 0) || !math.IsInf(high, 0) {
		if s.Kind == instrument.DurationSetting {
			low, high = max(low, 0), min(high, float64(24*time.Hour))
		}
		o.Min, o.Max = max(low, -math.MaxFloat64), min(high, math.MaxFloat64)
	}
	if s.Kind == instrument.DurationSetting {
		o.Check = func(v any) error {
			if d, ok := v.(time.Duration); !ok || d <= 0 {
				return fmt.Errorf("%s = %v: must be longer than nothing", s.Name, v)
			}
			return nil
		}
	}
	return o
}

// inputs are the channels of the file, by their names.
func inputs(f *instrument.File) device.Inputs {
	var names []string
	for _, ch := range f.Channels {
		names = append(names, ch.Name)
	}
	in := device.Inputs{
		Title: strings.Join(names, ", "),
		May: func(input string) bool {
			return slices.Contains(names, input) || slices.ContainsFunc(channels(f), func(ch device.Channel) bool { return ch.Input == input })
		},
		Known: func(device.Settings) []device.Channel { return channels(f) },
	}
	if t := f.Tags; t != nil {
		in.Tags = func(device.Settings) (device.Tick, bool) { return device.Tick{Num: t.Tick.Num, Den: t.Tick.Den}, true }
	}
	return in
}

// channels are the file's channels as the gateway takes them.
func channels(f *instrument.File) []device.Channel {
	var list []device.Channel
	for i, ch := range f.Channels {
		d := device.Channel{
			Name: ch.Name, Input: fmt.Sprintf("value %d", i+1), Kind: kinds[ch.Kind],
			Width: ch.Width, Exponent: ch.Exponent, Unit: ch.Unit, Signed: ch.Signed,
		}
		if f.Tags != nil {
			d.Edge = device.Edge(ch.Edge)
		}
		switch {
		case f.Tags != nil && !f.Tags.Pattern.IsZero():
			d.Input = fmt.Sprintf("bit %d", *ch.Number)
		case f.Tags != nil:
			d.Input = fmt.Sprintf("number %d", *ch.Number)
		case ch.Kind == instrument.Event:
			d.Input = "events"
		case ch.From.Name != "":
			d.Input = ch.From.Name
		case f.Text != nil && ch.From.Index > 0:
			d.Input = fmt.Sprintf("column %d", ch.From.Index)
		case ch.From.Index > 0:
			d.Input = fmt.Sprintf("value %d", ch.From.Index)
		}
		list = append(list, d)
	}
	return list
}

var kinds = map[instrument.Kind]device.Kind{
	instrument.Count: device.Count, instrument.Event: device.Count, instrument.Total: device.Total,
	instrument.Rate: device.Rate, instrument.Auxiliary: device.Auxiliary,
	instrument.Tagged: device.Tag, instrument.Marker: device.Marker,
}

// cut implements device.Driver's Cut.
func cut(f *instrument.File, received []byte) device.Piece {
	if p, ok := cutAnswer(f, received); ok {
		return p
	}
	format, row := newFormat(f), newRow(len(f.Channels))
	n, v := format.cut(received, &row)
	p := device.Piece{Length: n}
	switch v {
	case unclear:
		return device.Piece{}
	case reading:
		p.Kind, p.Values = device.Reading, row.values
		if f.Tags != nil {
			p.Kind, p.Values = device.Single, nil
		}
	case event:
		p.Kind = device.Single
	case ignored, nothings:
		p.Kind = device.Other
	}
	p.What = format.explain(received[:n], v)
	return p
}

// cutAnswer cuts what comes before the first record of an instrument of tags: its answer
// to a question, a line, and what its records begin behind. It reports false for
// anything else.
func cutAnswer(f *instrument.File, received []byte) (device.Piece, bool) {
	if f.Tags == nil || f.Record == nil {
		return device.Piece{}, false
	}
	for what, known := range map[string]instrument.Bytes{"what records begin behind": f.Tags.Begin, "answer to the question what it is": f.Open.Answer} {
		switch {
		case known == "":
		case bytes.HasPrefix(received, []byte(known)):
			n := len(known)
			const longest = 256
			if end := bytes.IndexByte(received[:min(len(received), longest)], '\n'); known == f.Open.Answer && end >= n {
				n = end + 1
			} else if known == f.Open.Answer && len(received) < longest {
				return device.Piece{}, true
			}
			return device.Piece{Length: n, Kind: device.Other, What: what}, true
		case len(received) < len(known) && bytes.HasPrefix([]byte(known), received):
			return device.Piece{}, true
		}
	}
	return device.Piece{}, false
}

// cutTalk implements device.Driver's CutTalk for records that only silence tells
// apart. What comes before the first silence may be the rest of one.
func cutTalk(f *instrument.File, talk []device.Exchange, now time.Duration) []device.Piece {
	var list []device.Piece
	var segment []byte
	at := time.Duration(0)
	end := func(until time.Duration) {
		length := f.Record.Length
		switch {
		case len(segment) == 0 || until-at < f.Record.Idle:
			return
		case len(segment)%length != 0:
			list = append(list, device.Piece{Length: len(segment), What: fmt.Sprintf("%s between two silences, expected %d", plural(len(segment), "byte"), length)})
		default:
			for ; len(segment) > 0; segment = segment[length:] {
				list = append(list, cut(f, segment))
			}
		}
		segment = nil
	}
	for _, e := range talk {
		if !e.Sent {
			end(e.At)
			segment, at = append(segment, e.Bytes...), e.At
		}
	}
	end(now)
	return list
}

// quirks are what a file warns of.
func quirks(f *instrument.File) []device.Quirk {
	source := f.Source
	if source == "" {
		source = "the instrument file"
	}
	return []device.Quirk{{
		Name: "left out", Title: "it sends what is no reading besides", Source: source,
		Met: func(talk []device.Exchange) string {
			n := 0
			for _, p := range device.Pieces(func(b []byte) device.Piece { return cut(f, b) }, device.Received(talk)) {
				if p.Kind == device.Other && p.What == ignoredText {
					n++
				}
			}
			if n == 0 {
				return ""
			}
			return plural(n, "line") + " of it"
		},
	}}
}
