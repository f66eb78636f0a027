package instrument

import (
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Values of keys that a file may leave out.
const (
	defaultMaxLength = 4096
	defaultMaxBad    = 20
	defaultDrain     = 100 * time.Millisecond
	defaultPause     = 50 * time.Millisecond
	defaultTimeout   = time.Second
	defaultUnit      = time.Millisecond
	defaultEvents    = time.Second
	defaultSplit     = ",;\t "
	defaultPairs     = ":=,;\t "
	minPoll          = time.Millisecond
	minGate          = 10 * time.Microsecond
	maxExponent      = 18
)

// checker fills in what was left out and refuses what cannot be.
type checker struct {
	*reader
	f *File
}

func (c *checker) file() {
	f := c.f
	c.names()
	c.link()
	c.open()
	switch {
	case f.Text != nil && f.Record != nil:
		c.report("record", "there is [text] as well (expected one of the two: lines of text, or binary records)")
		return
	case f.Record != nil:
		c.record()
	default:
		if f.Text == nil {
			f.Text = &Text{}
		}
		c.text()
	}
	c.channels()
	c.settings()
	if len(c.problems) > 0 {
		return // what follows would be said of half a file
	}
	if f.Tags != nil {
		c.tags()
	} else {
		c.poll()
		c.gate()
		c.references()
	}
	c.templates()
	c.examples()
}

var (
	fileName    = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)
	channelName = regexp.MustCompile(`^[\pL\pN_.+/'-]+$`)
	settingName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)
)

func (c *checker) names() {
	f := c.f
	switch {
	case f.Name == "":
		c.report("name", `is missing (expected what it is called, for example name = "my-counter")`)
	case !fileName.MatchString(f.Name) || strings.HasSuffix(f.Name, ".toml"):
		c.report("name", "%q is no name (expected small letters, digits, _ and -, as in \"my-counter\")", f.Name)
	}
	if f.Title == "" {
		f.Title = f.Name
	}
	for key, text := range map[string]string{"title": f.Title, "source": f.Source, "note": f.Note} {
		if utf8.RuneCountInString(text) > 1000 || key == "title" && strings.ContainsAny(text, "\r\n") {
			c.report(key, "is too long (expected a line)")
		}
	}
}

func (c *checker) link() {
	l := &c.f.Link
	switch {
	case l.FIFO && (l.Baud != 0 || l.DTR != nil || l.RTS != nil):
		c.report("link.fifo", "there are baud, dtr or rts as well (expected none of them: a FIFO has no serial line)")
	case l.FIFO && (c.f.Text != nil || c.f.Record == nil):
		c.report("link.fifo", "does not go with lines of text (expected [record])")
	case l.FIFO:
	case l.Baud == 0:
		c.report("link.baud", "is missing (expected bits per second, as the sketch has it in Serial.begin: baud = 115200)")
	case l.Baud < 50 || l.Baud > 20_000_000:
		c.report("link.baud", "%d cannot be (expected 50 to 20000000)", l.Baud)
	}
	if l.DataBits == 0 {
		l.DataBits = 8
	}
	if l.StopBits == 0 {
		l.StopBits = 1
	}
	if l.Parity == "" {
		l.Parity = NoParity
	}
	c.within("link.data_bits", l.DataBits, 5, 8)
	c.within("link.stop_bits", l.StopBits, 1, 2)
}

// within refuses a number out of its range.
func (c *checker) within(path string, n, low, high int) {
	if n < low || n > high {
		c.report(path, "%d cannot be (expected %d to %d)", n, low, high)
	}
}

func (c *checker) open() {
	o := &c.f.Open
	for d, value := range map[*time.Duration]time.Duration{&o.Drain: defaultDrain, &o.Pause: defaultPause, &o.Timeout: defaultTimeout} {
		if *d == 0 {
			*d = value
		}
	}
	if o.Settle > maxOpen || o.Timeout > maxOpen {
		c.report("open", "waits longer than %v (expected less: an instrument that does not answer would hold things up)", maxOpen)
	}
	if o.Drain > maxOpen/4 {
		c.report("open.drain", "%v is too long (expected at most %v)", o.Drain, maxOpen/4)
	}
	if o.Ask.IsEmpty() != (o.Answer == "") {
		c.report("open", "ask and answer belong together (expected both, or none)")
	}
}

// maxOpen bounds each wait when an instrument is opened; the gateway gives up after
// ten seconds in all.
const maxOpen = 8 * time.Second

// maxChannels bounds the channels of an instrument.
const maxChannels = 256

func (c *checker) channels() {
	list := c.f.Channels
	if len(list) == 0 {
		c.report("channel", "there is none (expected at least one [[channel]] with a name)")
	}
	if len(list) > maxChannels {
		c.report("channel", "there are %d (expected at most %d)", len(list), maxChannels)
		return
	}
	seen := map[string]bool{}
	for i := range list {
		at, ch := index("channel", i), &list[i]
		switch {
		case ch.Name == "":
			c.report(at+".name", `is missing (expected what it is called in the data, for example name = "A")`)
		case utf8.RuneCountInString(ch.Name) > 32 || !channelName.MatchString(ch.Name):
			c.report(at+".name", "%q cannot be a column's name (expected up to 32 letters, digits or any of _ . + - / ')", ch.Name)
		case seen[ch.Name]:
			c.report(at+".name", "%q is used twice", ch.Name)
		}
		seen[ch.Name] = true
		switch {
		case ch.Kind == "" && c.f.Tags != nil:
			ch.Kind = Tagged
		case ch.Kind == "":
			ch.Kind = Count
		case c.f.Tags == nil && (ch.Kind == Tagged || ch.Kind == Marker):
			c.report(at+".kind", "%q is for instruments that tell times (expected [tags] as well)", ch.Kind)
		}
		if c.f.Tags == nil && (ch.Number != nil || ch.Edge != "") {
			c.report(at, "number and edge are for instruments that tell times (expected from, or [tags] as well)")
		}
		if ch.Kind == Event && len(list) > 1 {
			c.report(at+".kind", "events stand alone (expected one [[channel]] only)")
		}
		c.within(at+".width", ch.Width, 0, 64)
		c.number(at, ch)
	}
}

// number works out what a channel's numbers are multiplied by.
func (c *checker) number(at string, ch *Channel) {
	c.within(at+".decimals", ch.Decimals, 0, 9)
	ch.Factor, ch.Exponent = 1, -ch.Decimals
	if s := ch.Scale; s.Mantissa != 0 {
		ch.Factor, ch.Exponent = s.Mantissa, s.Exponent-ch.Decimals
	}
	for ch.Exponent > 0 && ch.Factor <= math.MaxUint64/10 {
		ch.Factor, ch.Exponent = ch.Factor*10, ch.Exponent-1
	}
	switch {
	case ch.Factor > 1<<40:
		c.report(at+".scale", "has too many digits (expected at most twelve)")
	case ch.Exponent < -maxExponent || ch.Exponent > 0:
		c.report(at+".scale", "is too small or too large (expected 1e-9 to 1e12)")
	case ch.Factor > 1 && ch.Kind == Total && ch.Width > 0:
		c.report(at+".scale", "a total of %d bits cannot be multiplied, since it wraps (expected a power of ten below 1, or no width)", ch.Width)
	}
	if ch.Signed && (ch.Kind == Count || ch.Kind == Event) {
		c.report(at+".signed", "a count is never negative (expected kind = \"auxiliary\" beside it, or absent = -1 for a number that means no count)")
	}
	if c.f.Record != nil && ch.Decimals > 0 {
		c.report(at+".decimals", "a binary number has no point (expected scale = 0.1)")
	}
	if o := ch.Overflow; c.f.Record != nil && o != nil && o.Word != "" {
		c.report(at+".overflow", "%q is a word (expected a number: it is looked for in binary records)", o.Word)
	}
}

// poll fills in what depends on the gate.
func (c *checker) poll() {
	f := c.f
	if k := f.KeepAlive; k != nil && (k.Send.IsEmpty() || k.Every < minPoll) {
		c.report("keep_alive", "is not whole (expected send and every)")
	}
	p := f.Poll
	if p == nil {
		return
	}
	if p.Send.IsEmpty() {
		c.report("poll.send", `is missing (expected the question, with what ends it: send = "r\n")`)
	}
	if p.Every == 0 {
		p.Every = f.Gate.Time
	}
	if p.Every == 0 {
		p.Every, _ = f.defaultOf(f.Gate.Setting).(time.Duration)
	}
	if p.Every < minPoll {
		c.report("poll.every", `is missing or too short (expected how often to ask: every = "100ms")`)
	}
	if p.Timeout == 0 {
		p.Timeout = time.Second + f.gateTime()
	}
	if f.Channels[0].Kind == Event {
		c.report("poll", "events come by themselves (expected another kind of channel, or no [poll])")
	}
}

// gateTime is the longest that the gate is known to be.
func (f *File) gateTime() time.Duration {
	d, _ := f.defaultOf(f.Gate.Setting).(time.Duration)
	if s := f.Setting(f.Gate.Setting); s != nil {
		longest, _ := s.Max.V.(time.Duration)
		d = max(d, longest)
	}
	return max(d, f.Gate.Time)
}

// Setting returns the setting of that name, nil when there is none.
func (f *File) Setting(name string) *Setting {
	i := slices.IndexFunc(f.Settings, func(s Setting) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return &f.Settings[i]
}

// defaultOf returns the default of a setting, nil when there is none.
func (f *File) defaultOf(name string) any {
	if s := f.Setting(name); s != nil {
		return s.Default.V
	}
	return nil
}

func (c *checker) gate() {
	g := &c.f.Gate
	event := c.f.Channels[0].Kind == Event
	own := !g.Length.IsZero() || !g.Clock.IsZero()
	if g.Setting != "" {
		switch s := c.f.Setting(g.Setting); {
		case s == nil:
			c.report("gate.setting", "there is no setting %q (expected the name of a [[setting]])", g.Setting)
			return
		case s.Kind != DurationSetting:
			c.report("gate.setting", "setting %q is no duration (expected one of kind = \"duration\")", g.Setting)
		}
		if d, ok := c.f.defaultOf(g.Setting).(time.Duration); ok && g.Time == 0 {
			g.Time = d
		}
		if g.Time == 0 {
			c.report("gate.time", "is not known as long as setting %q is not (expected time, or a default of that setting)", g.Setting)
		}
	}
	if g.Unit == 0 {
		g.Unit = defaultUnit
	}
	if event && g.Time == 0 {
		g.Time = defaultEvents
	}
	if g.By == "" {
		g.By = c.timed(event, own)
	}
	if g.Time != 0 && g.Time < minGate {
		c.report("gate.time", "%v is too short (expected at least %v)", g.Time, minGate)
	}
	c.gateFits(event, own)
}

// timed is who times the interval where the file does not say.
func (c *checker) timed(event, own bool) GateBy {
	switch {
	case c.f.Poll != nil:
		return ByPoll
	case event:
		return ByArrival
	case c.f.Gate.Time > 0 || own:
		return ByInstrument
	}
	return ByArrival
}

// gateFits refuses what does not go together.
func (c *checker) gateFits(event, own bool) {
	g := c.f.Gate
	polled := c.f.Poll != nil
	switch {
	case polled != (g.By == ByPoll || g.By == ByAnswer):
		c.report("gate.by", "%q does not go with an instrument that is %s (expected %s)", g.By,
			map[bool]string{true: "asked", false: "not asked"}[polled],
			map[bool]string{true: `"poll" or "answer"`, false: `"instrument" or "arrival", or a [poll]`}[polled])
	case event && g.By != ByArrival:
		c.report("gate.by", "events are counted by this computer (expected \"arrival\")")
	case g.By == ByAnswer && g.Time == 0 && g.Length.IsZero():
		c.report("gate.time", "is missing (expected how long the instrument counts when it is asked)")
	case g.By == ByInstrument && g.Time == 0 && !own:
		c.report("gate.time", "is missing (expected how long an interval of the instrument is: time = \"1s\")")
	case !g.Length.IsZero() && !g.Clock.IsZero():
		c.report("gate.clock", "there is length as well (expected one of the two)")
	case own && event, own && g.By == ByPoll:
		c.report("gate", "length and clock do not go with by = %q (expected \"instrument\", \"answer\" or \"arrival\")", g.By)
	case g.NumberMax > 0 && g.Number.IsZero():
		c.report("gate.number_max", "there is no number (expected number = ... as well)")
	case !g.Number.IsZero() && (polled || event):
		c.report("gate.number", "numbers readings that come by themselves (expected no [poll] and no events)")
	}
}

// examples checks their form; what they mean, those check who read the file.
func (c *checker) examples() {
	if len(c.f.Examples) == 0 {
		c.report("example", "there is none (expected at least one [[example]]: bytes as they come, and the readings they mean)")
	}
	for i := range c.f.Examples {
		at, e := index("example", i), &c.f.Examples[i]
		e.Line = c.lines[at]
		if e.Bytes == "" {
			c.report(at+".bytes", `is missing (expected what comes from the instrument: bytes = "12345\r\n")`)
		}
		c.tagsOf(at, e)
		for k, row := range e.Readings {
			if len(row) != len(c.f.Channels) {
				c.report(at+".readings", "has %s (expected one for each channel, %d: readings = [[1, 2], [3, 4]] are two readings of two channels)",
					counted(len(row), "value"), len(c.f.Channels))
				break
			}
			for _, v := range row {
				if v.Word != "" && v.Word != Absent && v.Word != Overflowed {
					c.report(index(at+".readings", k), "%q is no value (expected a number, %q or %q)", v.Word, Absent, Overflowed)
				}
			}
		}
		if c.f.Channels[0].Kind == Event && len(e.Readings) > 1 {
			c.report(at+".readings", "has %d readings (expected one: events are summed up)", len(e.Readings))
		}
	}
}

// tagsOf checks the tags of an example.
func (c *checker) tagsOf(at string, e *Example) {
	switch {
	case c.f.Tags == nil && (len(e.Tags) > 0 || e.Lost > 0):
		c.report(at+".tags", "there is no [tags] (expected readings)")
	case c.f.Tags != nil && len(e.Readings) > 0:
		c.report(at+".readings", "the instrument gives tags (expected tags = [[\"A\", 1200], [\"B\", 1250]])")
	}
	for k, tag := range e.Tags {
		named := func(ch Channel) bool { return ch.Name == tag[0].Word }
		if len(tag) != 2 || !slices.ContainsFunc(c.f.Channels, named) || tag[1].Word != "" || tag[1].Number < 0 || tag[1].Number != math.Trunc(tag[1].Number) {
			c.report(index(at+".tags", k), "is no tag (expected a channel and its tick: [\"%s\", 1200])", c.f.Channels[0].Name)
		}
	}
}

// counted is a number of things.
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Words in the readings of an example.
const (
	Absent     = "absent"
	Overflowed = "overflow"
)

// FromPath reports whether a driver's name in a configuration is the path of an
// instrument file, and not a name.
func FromPath(driver string) bool { return strings.EqualFold(filepath.Ext(driver), ".toml") }
