package instrument

import (
	"math"
	"slices"
	"strings"
	"time"
)

func (c *checker) settings() {
	seen := map[string]bool{}
	for i := range c.f.Settings {
		at, s := index("setting", i), &c.f.Settings[i]
		switch {
		case !settingName.MatchString(s.Name):
			c.report(at+".name", "%q is no name (expected small letters, digits and _, as in \"gate\")", s.Name)
		case seen[s.Name]:
			c.report(at+".name", "%q is used twice", s.Name)
		case slices.ContainsFunc(c.f.Channels, func(ch Channel) bool { return ch.Name == s.Name }):
			c.report(at+".name", "%q is a channel's name already", s.Name)
		}
		seen[s.Name] = true
		if s.Title == "" {
			s.Title = s.Name
		}
		if s.Kind == "" {
			c.report(at+".kind", `is missing (expected "duration", "integer", "number", "word" or "boolean")`)
			continue
		}
		c.setting(at, s)
	}
}

func (c *checker) setting(at string, s *Setting) {
	if (s.Kind == WordSetting) != (len(s.Choices) > 0) {
		c.report(at+".choices", "belong to kind = \"word\" and to nothing else (expected choices = [\"low\", \"high\"])")
	}
	if s.Kind == DurationSetting {
		s.Step = time.Second
		if s.Unit != "" {
			d, err := readDuration(s.Unit)
			if err != nil || d <= 0 {
				c.report(at+".unit", "%q is no time (expected what the duration is sent in: \"1ms\")", s.Unit)
			}
			s.Step = max(d, 1)
		}
	}
	if s.Kind == BoolSetting || s.Kind == WordSetting {
		if s.Min.V != nil || s.Max.V != nil {
			c.report(at, "min and max belong to numbers and durations")
			return
		}
	}
	c.settingValue(at+".default", s, &s.Default)
	c.settingValue(at+".min", s, &s.Min)
	c.settingValue(at+".max", s, &s.Max)
	low, high := s.Bounds()
	if d, ok := asNumber(s.Default.V); ok && (d < low || d > high) || low > high {
		c.report(at+".default", "default, min and max do not fit each other")
	}
	if s.ReadAnswer != nil && s.Read.IsEmpty() {
		c.report(at+".read_answer", "there is no question (expected read as well)")
	}
	if s.ReadAnswer != nil && s.ReadAnswer.NumSubexp() != 1 {
		c.report(at+".read_answer", "has %d groups (expected one, the value: '^gate (\\d+)$')", s.ReadAnswer.NumSubexp())
	}
	if s.Live && (s.Command.IsEmpty() || s.Name == c.f.Gate.Setting) {
		c.report(at+".live", "only a setting with a command, and which is not the gate, can be changed while the instrument is read")
	}
	if c.f.Text == nil && (!s.Read.IsEmpty() || s.Answer != nil) {
		c.report(at, "read and answer are for instruments that send lines")
	}
}

// settingValue brings a value into its kind's type.
func (c *checker) settingValue(path string, s *Setting, v *Value) {
	if v.V == nil {
		return
	}
	bad := func(expected string) { c.report(path, "%s is %s (expected %s)", shown(v.V), kindOf(v.V), expected) }
	switch s.Kind {
	case DurationSetting:
		d, err := readDuration(v.V)
		if err != nil {
			c.report(path, "%v", err)
		}
		v.V = d
	case IntegerSetting:
		if _, ok := v.V.(int64); !ok {
			bad("a whole number")
		}
	case NumberSetting:
		if n, ok := v.V.(int64); ok {
			v.V = float64(n)
		} else if f, ok := v.V.(float64); !ok || math.IsNaN(f) || math.IsInf(f, 0) {
			bad("a number")
		}
	case BoolSetting:
		if _, ok := v.V.(bool); !ok {
			bad("true or false")
		}
	case WordSetting:
		if w, ok := v.V.(string); !ok || !slices.Contains(s.Choices, w) {
			bad("one of " + strings.Join(s.Choices, ", "))
		}
	}
}

// asNumber returns a value's size, where it has one.
func asNumber(v any) (float64, bool) {
	switch v := v.(type) {
	case time.Duration:
		return float64(v), true
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// Bounds returns the least and the largest value, durations in ns; infinite where
// there is no bound.
func (s *Setting) Bounds() (low, high float64) {
	low, high = math.Inf(-1), math.Inf(1)
	if v, ok := asNumber(s.Min.V); ok {
		low = v
	}
	if v, ok := asNumber(s.Max.V); ok {
		high = v
	}
	return low, high
}

// ToSend returns a value of the setting as a template takes it: a duration in
// steps of its unit.
func (s *Setting) ToSend(v any) any {
	d, ok := v.(time.Duration)
	if !ok {
		return v
	}
	if d%s.Step == 0 {
		return int64(d / s.Step)
	}
	return float64(d) / float64(s.Step)
}

// templates checks that what they name is there.
func (c *checker) templates() {
	f := c.f
	c.places("open.ask", f.Open.Ask, nil)
	for i, t := range f.Open.Send {
		c.places(index("open.send", i), t, c.known(true))
	}
	if f.Poll != nil {
		c.places("poll.send", f.Poll.Send, c.known(true))
	}
	if f.KeepAlive != nil {
		c.places("keep_alive.send", f.KeepAlive.Send, c.known(true))
	}
	for i, s := range f.Settings {
		at := index("setting", i)
		c.places(at+".command", s.Command, append(c.known(true), s.Name))
		c.places(at+".read", s.Read, nil)
		if s.Command.IsEmpty() && !c.sent(s.Name) {
			c.report(at+".command", "is missing (expected what is sent to set it: command = \"g{%s}\\n\")", s.Name)
		}
		if !s.Command.IsEmpty() && s.Kind != BoolSetting && !slices.Contains(s.Command.Names(), s.Name) {
			c.report(at+".command", "does not say the value (expected {%s} in it)", s.Name)
		}
	}
	c.simulate()
}

// sent reports whether a setting is sent with something else than its command.
func (c *checker) sent(name string) bool {
	in := func(t Template) bool { return slices.Contains(t.Names(), name) }
	return c.f.Poll != nil && in(c.f.Poll.Send) || c.f.KeepAlive != nil && in(c.f.KeepAlive.Send) || slices.ContainsFunc(c.f.Open.Send, in)
}

// known are the settings whose value is always known, or all.
func (c *checker) known(always bool) []string {
	var names []string
	for _, s := range c.f.Settings {
		if !always || s.Default.V != nil {
			names = append(names, s.Name)
		}
	}
	return names
}

// places refuses places for which there is no value.
func (c *checker) places(path string, t Template, names []string) {
	for _, name := range t.Names() {
		if slices.Contains(names, name) {
			continue
		}
		if s := c.f.Setting(name); s != nil {
			c.report(path, "{%s} is not known before it is set (expected a default of that setting)", name)
			continue
		}
		c.report(path, "{%s} is no setting (expected one of %s; {{ is a brace that is to be sent)", name, orNone(names))
	}
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none here"
	}
	return strings.Join(names, ", ")
}

// simulate checks the places in what a simulator says.
func (c *checker) simulate() {
	s := c.f.Simulate
	if s == nil {
		return
	}
	names := append(c.known(false), "number", "length", "clock")
	if c.f.Tags != nil {
		names = append(c.known(false), "time", "channel", "edge")
	}
	for _, ch := range c.f.Channels {
		names = append(names, ch.Name)
	}
	c.anyOf("simulate.line", s.Line, names)
	for i, r := range s.Replies {
		at := index("simulate.reply", i)
		if r.To.IsEmpty() {
			c.report(at+".to", "is missing (expected what the simulated instrument is sent)")
		}
		if r.Stream != "" && c.f.Tags == nil {
			c.report(at+".stream", "is for an instrument of tags (expected [tags] as well)")
		}
		c.anyOf(at+".to", r.To, c.known(false))
		c.anyOf(at+".say", r.Say, names)
	}
	for i, ch := range s.Chatter {
		at := index("simulate.chatter", i)
		if ch.Every < minPoll {
			c.report(at+".every", "is missing (expected how often it is said: every = \"10s\")")
		}
		c.anyOf(at+".say", ch.Say, names)
	}
	if c.f.Record == nil && s.Fill != "" || c.f.Record != nil && !s.Line.IsEmpty() {
		c.report("simulate", "line is for text, fill for records")
	}
	if c.f.Record != nil && s.Fill != "" && len(s.Fill) != c.f.Record.Length {
		c.report("simulate.fill", "has %d bytes (expected those of a record, %d)", len(s.Fill), c.f.Record.Length)
	}
}

func (c *checker) anyOf(path string, t Template, names []string) {
	for _, name := range t.Names() {
		if !slices.Contains(names, name) {
			c.report(path, "{%s} is not known (expected one of %s)", name, orNone(names))
		}
	}
}
