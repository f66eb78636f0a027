package instrument

import (
	"bytes"
	"slices"
	"strings"
)

func (c *checker) text() {
	t := c.f.Text
	var ways []string
	for way, used := range map[string]bool{"pairs": t.Pairs, "pattern": t.Pattern != nil, "count": t.Count != "", "header": t.Header != ""} {
		if used {
			ways = append(ways, way)
		}
	}
	if slices.Sort(ways); len(ways) > 1 {
		c.report("text."+ways[1], "there is %s as well (expected one way in which the numbers are found)", ways[0])
	}
	if t.Split != "" && (t.Pattern != nil || t.Count != "") {
		c.report("text.split", "does not go with %s (expected one way in which the numbers are found)", ways[0])
	}
	if t.Columns != 0 {
		c.within("text.columns", t.Columns, 1, maxValues)
		if t.Pattern != nil || t.Count != "" || t.Pairs {
			c.report("text.columns", "does not go with %s (expected it for lines that are split into columns)", ways[0])
		}
	}
	if t.Split == "" {
		t.Split = defaultSplit
		if t.Pairs {
			t.Split = defaultPairs
		}
	}
	if strings.ContainsAny(t.Split, "0123456789\r\n") {
		c.report("text.split", "%q has a digit or a line end (expected characters that stand between columns)", t.Split)
	}
	c.framing(t)
	if t.Base == 0 {
		t.Base = 10
	}
	if t.Base != 10 && t.Base != 16 {
		c.report("text.base", "%d cannot be (expected 10 or 16)", t.Base)
	}
	if t.MaxBad == 0 {
		t.MaxBad = defaultMaxBad
	}
	c.within("text.max_bad", t.MaxBad, 1, 1_000_000)
}

func (c *checker) framing(t *Text) {
	if len(t.Ends) == 0 {
		t.Ends = []Bytes{"\n"}
	}
	for i, end := range t.Ends {
		if end == "" || len(end) > 8 {
			c.report(index("text.ends", i), "has %d bytes (expected 1 to 8: \"\\n\")", len(end))
		}
	}
	if t.MaxLength == 0 {
		t.MaxLength = defaultMaxLength
	}
	c.within("text.max_length", t.MaxLength, 8, 1<<16)
}

// Columns are the columns of a line with a header, by name; nil without one.
func (t *Text) columns() []string {
	if t.Header == "" {
		return nil
	}
	return SplitColumns(t.Header, t.Split)
}

// SplitColumns splits a line into columns; see NextColumn.
func SplitColumns(line, split string) []string {
	var list []string
	rest, more := []byte(strings.Trim(line, blanks)), true
	for more {
		var column []byte
		column, rest, more = NextColumn(rest, split)
		list = append(list, string(column))
	}
	return list
}

// blanks never matter around a column.
const blanks = " \t\r"

// NextColumn returns what stands before the first of the characters in split, and
// what is behind it; more is false when there is no such character. Blanks around
// a column do not matter. Where a blank is one of the characters, several are like
// one, and so is another of them with blanks around it.
func NextColumn(line []byte, split string) (column, rest []byte, more bool) {
	i := bytes.IndexAny(line, split)
	if i < 0 {
		return bytes.Trim(line, blanks), nil, false
	}
	column = bytes.Trim(line[:i], blanks)
	rest = bytes.TrimLeft(line[i:], blanks)
	if len(rest) == 0 { // blanks at the end
		return column, nil, false
	}
	if strings.IndexByte(split, rest[0]) >= 0 {
		rest = bytes.TrimLeft(rest[1:], blanks)
	}
	return column, rest, true
}

// references gives each reference its number and refuses those to nothing.
func (c *checker) references() {
	f := c.f
	for i := range f.Channels {
		ch := &f.Channels[i]
		if ch.Kind == Event || f.Text != nil && f.Text.Count != "" {
			if !ch.From.IsZero() {
				c.report(index("channel", i)+".from", "there is no value to name (expected it for lines or records that hold numbers)")
			}
			if f.Text != nil && f.Text.Count != "" && len(f.Channels) > 1 {
				c.report("channel", "lines that repeat a text give one count (expected one [[channel]])")
			}
			continue
		}
		if ch.From.IsZero() {
			ch.From = Ref{Index: i + 1}
			if f.hasNames() {
				ch.From = Ref{Name: ch.Name}
			}
		}
		c.reference(index("channel", i)+".from", &ch.From)
	}
	for path, ref := range map[string]*Ref{"gate.length": &f.Gate.Length, "gate.clock": &f.Gate.Clock, "gate.number": &f.Gate.Number} {
		if !ref.IsZero() {
			c.reference(path, ref)
		}
	}
	c.numberMax()
	if t := f.Text; t != nil && t.Columns == 0 && !t.Pairs && t.Pattern == nil && t.Count == "" {
		t.Columns = max(len(t.columns()), f.highest(), 1)
	}
}

// numberMax fills in the largest number of a reading that a record can hold.
func (c *checker) numberMax() {
	g := &c.f.Gate
	if c.f.Record == nil || g.Number.Index < 1 || g.NumberMax > 0 {
		return
	}
	if list := c.f.Record.Values(); g.Number.Index <= len(list) {
		g.NumberMax = list[g.Number.Index-1].largest()
	}
}

// highest is the highest number of a column that is named.
func (f *File) highest() int {
	n := 0
	for _, ch := range f.Channels {
		n = max(n, ch.From.Index)
	}
	return max(n, f.Gate.Length.Index, f.Gate.Clock.Index, f.Gate.Number.Index)
}

// hasNames reports whether the values of a line or record have names.
func (f *File) hasNames() bool {
	if f.Text != nil {
		return f.Text.Pairs || f.Text.Pattern != nil || f.Text.Header != ""
	}
	return len(f.Record.Values()) > 0 && f.Record.Values()[0].Name != ""
}

// reference finds a value by its name.
func (c *checker) reference(path string, ref *Ref) {
	t := c.f.Text
	switch {
	case t == nil:
		c.recordReference(path, ref)
	case t.Count != "":
		c.report(path, "there is no value to name (expected lines that hold numbers)")
	case t.Pattern != nil:
		groups := t.Pattern.SubexpNames()
		if i := slices.Index(groups, ref.Name); ref.Name != "" && i > 0 {
			ref.Index = i
		} else if ref.Name != "" || ref.Index >= len(groups) {
			c.report(path, "the pattern has no group %v (expected a group, as in '(?P<%s>\\d+)')", ref, orA(ref.Name))
		}
	case t.Pairs:
		if ref.Name == "" {
			c.report(path, "%v is a number (expected the label in quotes)", ref)
		}
	case t.Header != "":
		names := t.columns()
		if i := slices.Index(names, ref.Name); ref.Name != "" && i >= 0 {
			ref.Index = i + 1
		} else if ref.Name != "" || ref.Index > len(names) {
			c.report(path, "the header has no column %v (expected one of %s)", ref, strings.Join(names, ", "))
		}
	case ref.Name != "":
		c.report(path, "%v is a name, and columns have none (expected the number of the column, or a header under [text])", ref)
	case t.Columns != 0 && ref.Index > t.Columns:
		c.report(path, "there is no column %v, lines have %d", ref, t.Columns)
	}
}

func orA(name string) string {
	if name == "" {
		return "A"
	}
	return name
}
