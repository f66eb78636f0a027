package homebuilt

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"photongate/device"
	"photongate/instrument"
)

// text cuts lines.
type text struct {
	f      *instrument.File
	t      *instrument.Text
	slots  []slot
	column [][]int // slots by the index of their column or group
	end    byte    // the one byte that ends a line, where there is one
	echoes [][]byte
	header []byte
	seen   []bool // slots filled from pairs

	legible  bool             // the last line that did not fit was of characters
	channels map[uint64]uint8 // of an instrument of tags; see channelsByKey
}

func newText(f *instrument.File) *text {
	t := &text{f: f, t: f.Text, slots: slots(f)}
	if len(t.t.Ends) == 1 && len(t.t.Ends[0]) == 1 {
		t.end = t.t.Ends[0][0]
	}
	for i, s := range t.slots {
		for len(t.column) <= s.ref.Index {
			t.column = append(t.column, nil)
		}
		t.column[s.ref.Index] = append(t.column[s.ref.Index], i)
	}
	if f.Tags != nil {
		t.channels = channelsByKey(f)
	}
	t.header = bytes.TrimSpace([]byte(t.t.Header))
	t.seen = make([]bool, len(t.slots))
	if t.t.Echo {
		t.addEcho(f.Open.Ask)
		if f.Poll != nil {
			t.addEcho(f.Poll.Send)
		}
	}
	return t
}

// addEcho notes what may be sent back.
func (t *text) addEcho(sent instrument.Template) {
	if len(sent.Names()) == 0 && !sent.IsEmpty() {
		b, _ := sent.Append(nil, nil)
		t.sent(b)
	}
}

// sent notes what was sent, which may come back.
func (t *text) sent(b []byte) {
	b = bytes.TrimSpace(b)
	if !t.t.Echo || len(b) == 0 {
		return
	}
	for _, e := range t.echoes {
		if bytes.Equal(e, b) {
			return
		}
	}
	const most = 16
	if len(t.echoes) == most {
		t.echoes = t.echoes[1:]
	}
	t.echoes = append(t.echoes, bytes.Clone(b))
}

// lineEnd finds the first line end in buf: where it begins and how long it is.
func (t *text) lineEnd(buf []byte) (at, length int) {
	if t.end != 0 {
		return bytes.IndexByte(buf, t.end), 1
	}
	at = -1
	for _, end := range t.t.Ends {
		i := bytes.Index(buf, []byte(end))
		if i >= 0 && (at < 0 || i < at || i == at && len(end) > length) {
			at, length = i, len(end)
		}
	}
	return at, length
}

// cut implements format.
func (t *text) cut(buf []byte, row *row) (int, verdict) {
	i, length := t.lineEnd(buf)
	if i < 0 || i > t.t.MaxLength {
		if len(buf) > t.t.MaxLength {
			return t.t.MaxLength, unfit
		}
		return 0, unclear
	}
	row.cr = i > 0 && buf[i-1] == '\r'
	return i + length, t.judge(buf[:i], row)
}

// content takes off what is no part of a reading. It reports false for a line
// without its marks.
func (t *text) content(line []byte) ([]byte, bool) {
	line = bytes.Trim(line, " \t\r")
	for _, e := range t.echoes {
		if rest, ok := bytes.CutPrefix(line, e); ok {
			line = bytes.Trim(rest, " \t\r")
			break
		}
	}
	if len(line) == 0 {
		return line, true
	}
	if t.t.Start != "" {
		_, rest, ok := bytes.Cut(line, []byte(t.t.Start))
		if !ok {
			return line, false
		}
		line = rest
	}
	if t.t.Stop != "" {
		rest, _, ok := bytes.Cut(line, []byte(t.t.Stop))
		if !ok {
			return line, false
		}
		line = rest
	}
	return bytes.Trim(line, " \t\r"), true
}

// judge says what a line without its end is.
func (t *text) judge(whole []byte, row *row) verdict {
	line, marked := t.content(whole)
	if len(line) == 0 && (t.t.Count == "" || !marked) {
		return nothings
	}
	if v, known := t.known(line); known {
		return v
	}
	if !marked {
		return unfit
	}
	row.marks, row.tag = 0, tag{}
	if t.f.Tags != nil {
		for _, p := range t.f.Tags.Lost {
			if p.Match(line) {
				row.tag.special = &special{means: instrument.MeansLost}
				return ignored
			}
		}
	}
	var v verdict
	switch {
	case t.t.Count != "":
		v = t.occurrences(line, row)
	case t.t.Pattern != nil:
		v = t.groups(line, row)
	case t.t.Pairs:
		v = t.pairs(line, row)
	default:
		v = t.columns(line, row)
	}
	if v == reading && t.f.Tags != nil && !t.lineTag(row) {
		v = unfit
	}
	if v == unfit && t.answers(line) {
		return ignored
	}
	t.legible = v == unfit && !unreadable(line)
	return v
}

// answers reports whether a line answers a question or a command of the file.
func (t *text) answers(line []byte) bool {
	if a := t.f.Open.Answer; a != "" && bytes.Contains(line, []byte(a)) {
		return true
	}
	for i := range t.f.Settings {
		s := &t.f.Settings[i]
		if s.Answer != nil && s.Answer.Match(line) || s.ReadAnswer != nil && s.ReadAnswer.Match(line) {
			return true
		}
	}
	return false
}

// known reports whether a line is one that the file names and that is no reading.
func (t *text) known(line []byte) (verdict, bool) {
	for _, p := range t.t.Errors {
		if p.Match(line) {
			return trouble, true
		}
	}
	for _, p := range t.t.Skip {
		if p.Match(line) {
			return ignored, true
		}
	}
	if len(t.header) > 0 && bytes.Equal(line, t.header) {
		return ignored, true
	}
	return unclear, false
}

// occurrences counts how often a line repeats its text.
func (t *text) occurrences(line []byte, row *row) verdict {
	n := uint64(0)
	for unit := []byte(t.t.Count); len(line) > 0; n++ {
		rest, ok := bytes.CutPrefix(line, unit)
		if !ok {
			return unfit
		}
		line = bytes.TrimLeft(rest, " \t")
	}
	ch := &t.f.Channels[0]
	spec := numberOf(ch, t.f)
	v, f, ok := spec.stored(n, n, false)
	if !ok {
		return unfit
	}
	row.put(&slot{channel: 0}, v, f)
	return reading
}

// columns reads a line that is split.
func (t *text) columns(line []byte, row *row) verdict {
	n := 0
	for rest, more := line, true; more; {
		var column []byte
		column, rest, more = instrument.NextColumn(rest, t.t.Split)
		if n++; n > t.t.Columns || !t.take(n, column, row) {
			return unfit
		}
	}
	if n != t.t.Columns {
		return unfit
	}
	return t.what()
}

// what is what a line is that fits: an event where the file says so.
func (t *text) what() verdict {
	if t.f.Channels[0].Kind == instrument.Event {
		return event
	}
	return reading
}

// take reads a column into the slots that want it.
func (t *text) take(n int, column []byte, row *row) bool {
	if n >= len(t.column) {
		return true
	}
	for _, i := range t.column[n] {
		if !t.slots[i].read(column, row) {
			return false
		}
	}
	return true
}

// groups reads a line by the pattern.
func (t *text) groups(line []byte, row *row) verdict {
	m := t.t.Pattern.FindSubmatchIndex(line)
	if m == nil || m[0] != 0 || m[1] != len(line) {
		return unfit
	}
	for n := 1; 2*n < len(m); n++ {
		var group []byte
		if m[2*n] >= 0 {
			group = line[m[2*n]:m[2*n+1]]
		}
		if !t.take(n, group, row) {
			return unfit
		}
	}
	return t.what()
}

// pairs reads a line of labels and values: each label that a channel names must be
// there, once.
func (t *text) pairs(line []byte, row *row) verdict {
	clear(t.seen)
	found := 0
	for rest, more := line, true; more; {
		var column []byte
		column, rest, more = instrument.NextColumn(rest, t.t.Split)
		for i := range t.slots {
			if string(column) != t.slots[i].ref.Name {
				continue
			}
			if !more || t.seen[i] {
				return unfit
			}
			value, _, _ := instrument.NextColumn(rest, t.t.Split)
			if !t.slots[i].read(value, row) {
				return unfit
			}
			t.seen[i] = true
			found++
		}
	}
	if found != len(t.slots) {
		return unfit
	}
	return t.what()
}

// read reads one column of text.
func (s *slot) read(column []byte, row *row) bool {
	n := &s.spec
	if o := n.overflow; o != nil && o.Word != "" && string(column) == o.Word {
		row.put(s, 0, device.Overflow|device.Absent)
		return true
	}
	for i := range n.absent {
		if a := &n.absent[i]; a.Word != "" && string(column) == a.Word || a.Word == "" && len(column) == 0 {
			row.put(s, 0, device.Absent)
			return true
		}
	}
	digits, negative := bytes.CutPrefix(column, []byte("-"))
	if n.base == 16 {
		digits = bytes.TrimPrefix(digits, []byte("0x"))
	}
	v, whole, ok := n.scaled(digits)
	if !ok {
		return false
	}
	if f, special := n.sentinel(v, negative); special {
		row.put(s, 0, f)
		return true
	}
	v, f, ok := n.stored(v, whole, negative)
	if ok {
		row.put(s, v, f)
	}
	return ok
}

// sentinel reports whether a number stands for something else, and for what.
func (n *number) sentinel(v uint64, negative bool) (device.ChannelFlags, bool) {
	is := func(s *instrument.Sentinel) bool {
		if s.Word != "" {
			return false
		}
		if s.Number < 0 {
			return negative && float64(v) == -s.Number*pow10(n.decimals)
		}
		if n.decimals == 0 {
			return !negative && v == s.Bits
		}
		return !negative && float64(v) == s.Number*pow10(n.decimals)
	}
	if n.overflow != nil && is(n.overflow) {
		return device.Overflow | device.Absent, true
	}
	for i := range n.absent {
		if is(&n.absent[i]) {
			return device.Absent, true
		}
	}
	return 0, false
}

func pow10(n int) float64 {
	p := 1.0
	for range n {
		p *= 10
	}
	return p
}

// explain implements format.
func (t *text) explain(piece []byte, v verdict) string {
	i, _ := t.lineEnd(piece)
	if i < 0 {
		if len(piece) >= t.t.MaxLength {
			return fmt.Sprintf("%d bytes without a line end", len(piece))
		}
		return fmt.Sprintf("%s without a line end, and then silence for %v (drain under [open] says how long a line may pause)", quoted(piece), t.f.Open.Drain)
	}
	line, marked := t.content(piece[:i])
	switch v {
	case nothings:
		if len(bytes.Trim(piece[:i], " \t\r")) > 0 {
			return "echo of what was sent"
		}
		return "empty line"
	case ignored:
		return ignoredText
	case trouble:
		return "the instrument says " + quoted(line)
	case event:
		return "line of one event"
	case reading:
		if t.f.Tags != nil {
			row := newRow(0)
			t.judge(piece[:i], &row)
			return tagText(t.f, &row.tag)
		}
		return "line of " + t.holds()
	}
	if !marked {
		return fmt.Sprintf("line %s has not %q and %q around a reading", quoted(line), t.t.Start, t.t.Stop)
	}
	return t.misfit(line)
}

// holds says what a reading's line holds.
func (t *text) holds() string {
	if n := len(t.f.Channels); n > 1 {
		return fmt.Sprintf("%d values", n)
	}
	return "a value"
}

// misfit says why a line is no reading, with its columns numbered.
func (t *text) misfit(line []byte) string {
	switch {
	case unreadable(line) && t.f.Link.Baud > 0:
		return fmt.Sprintf("line %s has bytes that are no text: is the line %d Bd, as the file says?", quoted(line), t.f.Link.Baud)
	case t.t.Count != "":
		return fmt.Sprintf("line %s is not %q over and over", quoted(line), t.t.Count)
	case t.t.Pattern != nil:
		return t.misfitOfGroups(line)
	}
	columns := instrument.SplitColumns(string(line), t.t.Split)
	if t.t.Pairs {
		return fmt.Sprintf("line %s: %s; expected each of %s once, with a number behind it", quoted(line), numbered(columns), t.labels())
	}
	if len(columns) != t.t.Columns {
		return fmt.Sprintf("line %s has %s, expected %d: %s (columns = %d under [text] if all lines are so)",
			quoted(line), plural(len(columns), "column"), t.t.Columns, numbered(columns), len(columns))
	}
	row := newRow(len(t.f.Channels))
	for i := range t.slots {
		s := &t.slots[i]
		if c := columns[s.ref.Index-1]; !s.read([]byte(c), &row) {
			return fmt.Sprintf("line %s: column %d, %q, is no number %s can be: %s", quoted(line), s.ref.Index, c, t.called(s), s.spec.expects())
		}
	}
	return "line " + quoted(line) + t.unknownChannel(&row)
}

// unknownChannel says of a line that is well what is wrong with it as a tag.
func (t *text) unknownChannel(row *row) string {
	if t.f.Tags == nil || t.lineTag(row) {
		return ""
	}
	return fmt.Sprintf(" is of channel number %d, which no [[channel]] has, or its time is too long", row.own[ownChannel])
}

// unreadable reports whether a line has bytes that no instrument prints, as come of a
// wrong baud rate.
func unreadable(line []byte) bool {
	for _, c := range line {
		if c < ' ' && c != '\t' || c >= 0x7F {
			return !utf8.Valid(line) || c < ' ' || c == 0x7F
		}
	}
	return false
}

// misfitOfGroups says why a line is no reading by the pattern.
func (t *text) misfitOfGroups(line []byte) string {
	m := t.t.Pattern.FindSubmatch(line)
	if m == nil || len(m[0]) != len(line) {
		return fmt.Sprintf("line %s does not match %s", quoted(line), t.t.Pattern)
	}
	row := newRow(len(t.f.Channels))
	for i := range t.slots {
		s := &t.slots[i]
		if group := m[s.ref.Index]; !s.read(group, &row) {
			return fmt.Sprintf("line %s: %q is no number %s can be: %s", quoted(line), group, t.called(s), s.spec.expects())
		}
	}
	return "line " + quoted(line) + t.unknownChannel(&row)
}

// called is what a slot's value is called.
func (t *text) called(s *slot) string {
	if s.channel < 0 {
		return []string{"the length of the gate", "the clock", "the number of the line", "the time", "the number of the channel", "the edge"}[s.own]
	}
	return "channel " + t.f.Channels[s.channel].Name
}

// expects says what a number may be.
func (n *number) expects() string {
	words := []string{"digits"}
	if n.base == 16 {
		words[0] = "hex digits"
	}
	if n.decimals > 0 {
		words = append(words, fmt.Sprintf("at most %d behind the point", n.decimals))
	} else if n.base == 10 {
		words = append(words, "no point (decimals = 2 allows two digits behind one)")
	}
	if !n.signed {
		words = append(words, "no sign")
	}
	if n.max != 1<<64-1 {
		words = append(words, fmt.Sprintf("at most %d", n.max))
	}
	return "expected " + strings.Join(words, ", ")
}

// labels are the labels that channels name.
func (t *text) labels() string {
	var list []string
	for _, s := range t.slots {
		list = append(list, fmt.Sprintf("%q", s.ref.Name))
	}
	return strings.Join(list, ", ")
}

// numbered lists columns with their numbers.
func numbered(columns []string) string {
	const most = 24
	var list []string
	for i, c := range columns[:min(len(columns), most)] {
		list = append(list, fmt.Sprintf("%d: %q", i+1, c))
	}
	if len(columns) > most {
		list = append(list, "...")
	}
	return strings.Join(list, ", ")
}

// quoted shows a line.
func quoted(line []byte) string {
	const most = 120
	if len(line) > most {
		return fmt.Sprintf("%q and %d bytes more", line[:most], len(line)-most)
	}
	return fmt.Sprintf("%q", line)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// ignoredText is what a line is called that the file leaves out.
const ignoredText = "line that is left out"
