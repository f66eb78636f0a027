package homebuilt

import (
	"bytes"
	"fmt"
	"math"
	"math/bits"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"photongate/device"
	"photongate/instrument"
)

// Check tries the examples of a file and returns what is wrong with the first that
// is not read as it says: a *instrument.Error, or nil.
func Check(f *instrument.File) error {
	var problems []instrument.Problem
	for i, e := range f.Examples {
		try := example
		if f.Tags != nil {
			try = tagExample
		}
		if text := try(f, e); text != "" {
			key := fmt.Sprintf("example %d", i+1)
			if e.Title != "" {
				key += " (" + e.Title + ")"
			}
			problems = append(problems, instrument.Problem{Line: e.Line, Key: key, Text: text})
		}
	}
	if problems == nil {
		return nil
	}
	return &instrument.Error{Path: fileOf(f), Problems: problems}
}

// example says how one example is not read as it says, empty when it is.
func example(f *instrument.File, e instrument.Example) string {
	format, row := newFormat(f), newRow(len(f.Channels))
	rest := []byte(e.Bytes)
	isEvents := f.Channels[0].Kind == instrument.Event
	var events uint64
	var rows, skipped, refused int
	for len(rest) > 0 {
		n, v := format.cut(rest, &row)
		if v == unclear {
			return fmt.Sprintf("%s at its end are no whole %s: %s", plural(len(rest), "byte"), pieceOf(f), device.ShowBytes(rest))
		}
		switch v {
		case event:
			events++
		case reading:
			if rows == len(e.Readings) {
				return fmt.Sprintf("there is a reading more than the %d expected: %s", rows, shownRow(f, &row))
			}
			if text := compare(f, &row, e.Readings[rows]); text != "" {
				return fmt.Sprintf("reading %d: %s", rows+1, text)
			}
			rows++
		case ignored, trouble:
			skipped++
		case unfit:
			if refused++; refused > e.Refused {
				return fmt.Sprintf("%s (%srefused = %d expects this)", format.explain(rest[:n], v), leftOut(format, rest[:n]), refused)
			}
		}
		rest = rest[n:]
	}
	if isEvents && len(e.Readings) == 1 {
		row.values[0], row.flags[0] = events, 0
		if text := compare(f, &row, e.Readings[0]); text != "" {
			return text
		}
		rows = 1
	}
	switch {
	case isEvents && len(e.Readings) == 0 && events > 0:
		return fmt.Sprintf("there are %d events, none is expected", events)
	case rows != len(e.Readings):
		return fmt.Sprintf("%s came of it (expected %d)", plural(rows, "reading"), len(e.Readings))
	case refused != e.Refused:
		return fmt.Sprintf("%s refused (expected %d)", plural(refused, "piece"), e.Refused)
	case e.Skipped != nil && skipped != *e.Skipped:
		return fmt.Sprintf("%s left out (expected %d)", plural(skipped, "line"), *e.Skipped)
	}
	return ""
}

// leftOut says how lines like one that is no reading are left out, where others are
// readings: by its first word or sign, with which none of them begins.
func leftOut(fm format, piece []byte) string {
	t, ok := fm.(*text)
	if !ok {
		return ""
	}
	end, _ := t.lineEnd(piece)
	line, _ := t.content(piece[:max(end, 0)])
	if !utf8.Valid(line) || len(line) == 0 || strings.ContainsRune("0123456789+-.'", rune(line[0])) {
		return ""
	}
	n := bytes.IndexFunc(line, func(c rune) bool { return !unicode.IsLetter(c) })
	if n < 0 {
		n = len(line)
	}
	if n == 0 {
		_, n = utf8.DecodeRune(line)
	}
	if readings, begin := t.readingsBegin(line[:n]); readings == 0 || begin > 0 {
		return ""
	}
	return fmt.Sprintf("if such lines are no readings: skip = ['^%s'] under [text]; if it is sent damaged: ", regexp.QuoteMeta(string(line[:n])))
}

// readingsBegin counts the readings in the examples, and those that begin so.
func (t *text) readingsBegin(with []byte) (readings, begin int) {
	row := newRow(len(t.f.Channels))
	for _, e := range t.f.Examples {
		for rest := []byte(e.Bytes); len(rest) > 0; {
			n, v := t.cut(rest, &row)
			if v == unclear {
				break
			}
			if v == reading || v == event {
				readings++
				if bytes.HasPrefix(bytes.TrimSpace(rest[:n]), with) {
					begin++
				}
			}
			rest = rest[n:]
		}
	}
	return readings, begin
}

func pieceOf(f *instrument.File) string {
	if f.Text != nil {
		return "line"
	}
	return fmt.Sprintf("record of %d bytes", f.Record.Length)
}

// compare says which value is not as expected.
func compare(f *instrument.File, r *row, want []instrument.Sentinel) string {
	for c, w := range want {
		ch := &f.Channels[c]
		if r.flags[c]&device.Suspect != 0 {
			return fmt.Sprintf("channel %s reads %s, which a counter of %s cannot hold (width is in bits)", ch.Name, shownValue(ch, r.values[c], r.flags[c]), plural(ch.Width, "bit"))
		}
		got, is := shownValue(ch, r.values[c], r.flags[c]), false
		switch {
		case w.Word != "":
			is = got == w.Word
		case r.flags[c]&device.Absent == 0 && w.Bits > 0 && ch.Exponent == 0:
			is = r.values[c] == w.Bits
		case r.flags[c]&device.Absent == 0:
			v := number64(ch, r.values[c])
			is = v == w.Number || math.Abs(v-w.Number) <= 1e-12*math.Abs(v)
		}
		if !is {
			expected := w.Word
			if expected == "" {
				expected = fmt.Sprint(w.Number)
			}
			return fmt.Sprintf("channel %s reads %s (expected %s)%s", ch.Name, got, expected, otherOrder(f, ch, r.values[c], w.Bits))
		}
	}
	return ""
}

// otherOrder says that a number is the one expected with its bytes the other way
// round, empty where it is not.
func otherOrder(f *instrument.File, ch *instrument.Channel, got, want uint64) string {
	if f.Record == nil || ch.From.Index < 1 || want == 0 {
		return ""
	}
	p := f.Record.Values()[ch.From.Index-1]
	turned := bits.ReverseBytes64(got) >> (64 - 8*p.Width)
	if p.Width < 2 || p.Bits != 8 || turned != want {
		return ""
	}
	other := instrument.Big
	if p.Order == instrument.Big {
		other = instrument.Little
	}
	if f.Record.Format != "" {
		return fmt.Sprintf("; it would with %q at the begin of format", map[instrument.Order]string{instrument.Big: ">", instrument.Little: "<"}[other])
	}
	return fmt.Sprintf("; it would with order = %q", other)
}

// number64 is a stored value in the channel's unit.
func number64(ch *instrument.Channel, v uint64) float64 {
	if ch.Signed {
		return float64(int64(v)) / pow10(-ch.Exponent)
	}
	return float64(v) / pow10(-ch.Exponent)
}

func shownValue(ch *instrument.Channel, v uint64, flags device.ChannelFlags) string {
	switch {
	case flags&device.Overflow != 0:
		return instrument.Overflowed
	case flags&device.Absent != 0:
		return instrument.Absent
	case ch.Exponent == 0 && !ch.Signed:
		return fmt.Sprint(v)
	}
	return fmt.Sprint(number64(ch, v))
}

func shownRow(f *instrument.File, r *row) string {
	var list []string
	for c := range f.Channels {
		list = append(list, f.Channels[c].Name+" "+shownValue(&f.Channels[c], r.values[c], r.flags[c]))
	}
	return strings.Join(list, ", ")
}
