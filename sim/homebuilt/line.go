package homebuilt

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"photongate/instrument"
)

// message makes the bytes of a reading, given what names stand for.
type message func(value func(name string) (any, bool)) []byte

// newMessage finds out what a reading looks like, and how many digits its numbers
// have behind their points.
func (c *Counter) newMessage() (message, error) {
	switch t := c.file.Text; {
	case t == nil:
		return c.newRecord()
	case c.play.Line.IsEmpty() && t.Count != "":
		return func(value func(string) (any, bool)) []byte {
			n, _ := value(c.file.Channels[0].Name)
			times, _ := n.(uint64)
			return []byte(strings.Repeat(string(t.Count), int(times)) + c.lineEnd())
		}, nil
	}
	line := c.play.Line
	if line.IsEmpty() {
		var err error
		if line, err = c.derivedLine(); err != nil {
			return nil, err
		}
	}
	for i, ch := range c.file.Channels {
		for _, p := range line.Parts {
			if digits, ok := pointDigits(p.Format); ok && p.Name == ch.Name {
				c.places[i] = min(c.places[i], digits)
			}
		}
	}
	return func(value func(string) (any, bool)) []byte { return fill(line, value) }, nil
}

// pointDigits is how many digits behind the point a format asks for.
func pointDigits(format string) (int, bool) {
	digits, ok := strings.CutPrefix(format, ".")
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil
}

// fill fills a template. A word where a number was expected stands there as it is;
// what cannot be written is left out, which rehearse has looked for.
func fill(t instrument.Template, value func(string) (any, bool)) []byte {
	var out []byte
	for _, p := range t.Parts {
		if v, ok := value(p.Name); ok && p.Name != "" {
			if _, word := v.(string); word {
				p.Format = ""
			}
		}
		if more, err := (instrument.Template{Parts: []instrument.Part{p}}).Append(out, value); err == nil {
			out = more
		}
	}
	return out
}

func (c *Counter) fill(t instrument.Template) []byte { return fill(t, c.value) }

// lineEnd is what ends a line where the file does not show one.
func (c *Counter) lineEnd() string {
	if slices.Contains(c.file.Text.Ends, "\n") {
		return "\r\n"
	}
	return string(c.file.Text.Ends[0])
}

// derivedLine makes a template of what the file says of reading a line.
func (c *Counter) derivedLine() (instrument.Template, error) {
	t := c.file.Text
	line := instrument.Template{Parts: []instrument.Part{{Bytes: t.Start}}}
	add := func(parts ...instrument.Part) { line.Parts = append(line.Parts, parts...) }
	switch {
	case t.Pattern != nil:
		parts, err := c.fromExample()
		if err != nil {
			return line, err
		}
		add(parts...)
	case c.events():
		add(instrument.Part{Bytes: "1"})
	case t.Pairs:
		add(c.pairParts()...)
	default:
		names := c.namesByIndex()
		for i := range t.Columns {
			if i > 0 {
				add(instrument.Part{Bytes: instrument.Bytes(t.Split[:1])})
			}
			p := instrument.Part{Bytes: "0"}
			if name := names[i+1]; name != "" {
				p = c.place(name)
			}
			add(p)
		}
	}
	add(instrument.Part{Bytes: t.Stop}, instrument.Part{Bytes: instrument.Bytes(c.lineEnd())})
	return line, nil
}

// place stands for a value, written with all its digits.
func (c *Counter) place(name string) instrument.Part {
	p := instrument.Part{Name: name}
	i := slices.IndexFunc(c.file.Channels, func(ch instrument.Channel) bool { return ch.Name == name })
	switch {
	case c.file.Text.Base == 16:
		p.Format = "x"
	case i >= 0 && c.places[i] > 0:
		p.Format = "." + strconv.Itoa(c.places[i])
	}
	return p
}

// like stands for a value, written as one in an example is.
func (c *Counter) like(name, example string) instrument.Part {
	p := c.place(name)
	_, behind, point := strings.Cut(example, ".")
	switch {
	case p.Format == "x":
	case point:
		p.Format = "." + strconv.Itoa(len(behind))
	case strings.HasPrefix(p.Format, "."):
		p.Format = ".0"
	case len(example) > 1 && len(example) < 20 && example[0] == '0':
		p.Format = "0" + strconv.Itoa(len(example))
	}
	return p
}

// namesByIndex are the names of what stands in a line, by the number of the column
// or group.
func (c *Counter) namesByIndex() map[int]string {
	g := c.file.Gate
	names := map[int]string{}
	for name, ref := range map[string]instrument.Ref{"number": g.Number, "length": g.Length, "clock": g.Clock} {
		if !ref.IsZero() {
			names[ref.Index] = name
		}
	}
	for _, ch := range c.file.Channels {
		names[ch.From.Index] = ch.Name
	}
	return names
}

// pairParts are labels and values in turn.
func (c *Counter) pairParts() []instrument.Part {
	split := c.file.Text.Split
	inner, outer := split[:1], split[:1]
	if strings.Contains(split, "=") {
		inner = "="
	}
	for _, between := range []string{",", " "} {
		if strings.Contains(split, between) {
			outer = between
		}
	}
	g := c.file.Gate
	labels := [][2]string{{g.Number.Name, "number"}, {g.Length.Name, "length"}, {g.Clock.Name, "clock"}}
	for _, ch := range c.file.Channels {
		labels = append(labels, [2]string{ch.From.Name, ch.Name})
	}
	var parts []instrument.Part
	for _, l := range labels {
		if l[0] == "" {
			continue
		}
		between := outer
		if parts == nil {
			between = ""
		}
		parts = append(parts, instrument.Part{Bytes: instrument.Bytes(between + l[0] + inner)}, c.place(l[1]))
	}
	return parts
}

// fromExample takes the first line of an example that is a reading and puts places
// where its numbers are.
func (c *Counter) fromExample() ([]instrument.Part, error) {
	t := c.file.Text
	names := c.namesByIndex()
	for _, text := range exampleLines(c.file) {
		at := t.Pattern.FindStringSubmatchIndex(text)
		if at == nil || at[0] != 0 || at[1] != len(text) {
			continue
		}
		var parts []instrument.Part
		done := 0
		for group := 1; 2*group < len(at); group++ {
			begin, end := at[2*group], at[2*group+1]
			if names[group] == "" || begin < done {
				continue
			}
			parts = append(parts, instrument.Part{Bytes: instrument.Bytes(text[done:begin])}, c.like(names[group], text[begin:end]))
			done = end
		}
		return append(parts, instrument.Part{Bytes: instrument.Bytes(text[done:])}), nil
	}
	return nil, errors.New("no line of an example fits the pattern, so it is not known what a reading looks like: add under [simulate] what it sends, such as line = \"A={A}\\r\\n\"")
}

// exampleLines are the lines of all examples, without what ends and surrounds them.
func exampleLines(f *instrument.File) []string {
	var lines []string
	for _, e := range f.Examples {
		text := string(e.Bytes)
		for _, end := range f.Text.Ends {
			text = strings.ReplaceAll(text, string(end), "\n")
		}
		for line := range strings.SplitSeq(text, "\n") {
			line = strings.TrimPrefix(strings.Trim(line, " \t\r"), string(f.Text.Start))
			lines = append(lines, strings.Trim(strings.TrimSuffix(line, string(f.Text.Stop)), " \t\r"))
		}
	}
	return lines
}

// rehearse writes everything once, so that what cannot be written is refused
// before anybody listens.
func (c *Counter) rehearse() error {
	var all []instrument.Template
	if c.tagger == nil {
		all = append(all, c.play.Line)
	}
	for _, r := range c.play.Replies {
		all = append(all, r.Say)
	}
	for _, chat := range c.play.Chatter {
		all = append(all, chat.Say)
	}
	for _, t := range all {
		if _, err := t.Append(nil, c.value); err != nil {
			return fmt.Errorf("[simulate]: %w", err)
		}
	}
	return nil
}
