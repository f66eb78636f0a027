package instrument

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// small is the least that a file needs.
const small = `name = "x"
[link]
baud = 9600
[gate]
time = "1s"
[text]
[[channel]]
name = "A"
[[example]]
bytes = "1\n"
readings = [[1]]
`

// with puts text in the place of other text in small.
func with(old, text string) string { return strings.Replace(small, old, text, 1) }

// record is small for records.
// tagged is a file of a time tagger with something else in it.
func tagged(what, by string) string {
	const text = `name = "x"
[link]
baud = 9600
[[record.field]]
name = "t"
width = 4
[[record.field]]
name = "c"
at = 4
width = 4
[tags]
tick = "1us"
time = "t"
channel = "c"
[[channel]]
name = "A"
number = 0
[[channel]]
name = "B"
number = 1
[[example]]
bytes = "hex: 01 00 00 00 00 00 00 00"
tags = [["A", 1]]
`
	return strings.Replace(text, what, by, 1)
}

func record(keys string) string { return with("[text]", "[record]\n"+keys) }

// Everything that cannot be is refused with file, line, key and what was expected.
func TestRefused(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"no TOML":               {with("baud = 9600", "baud = "), "x.toml:3: "},
		"unknown key":           {with("[text]", "[text]\nseparator = \",\""), `x.toml:7: text.separator: unknown key (did you mean "split" under [text]?)`},
		"nearly a key":          {with("baud", "boud"), `x.toml:3: link.boud: unknown key (did you mean "baud"?)`},
		"unknown table":         {with("[gate]", "[zzzz]"), "x.toml:4: zzzz: unknown key (expected here one of channel, "},
		"no name":               {with(`name = "x"`, ""), "x.toml: name: is missing"},
		"bad name":              {with(`"x"`, `"My Counter"`), `x.toml:1: name: "My Counter" is no name`},
		"no baud":               {with("baud = 9600", ""), "x.toml:2: link.baud: is missing"},
		"baud is text":          {with("9600", `"9600"`), `x.toml:3: link.baud: "9600" is a text (expected a whole number)`},
		"impossible baud":       {with("9600", "3"), "x.toml:3: link.baud: 3 cannot be (expected 50 to 20000000)"},
		"hex without saying so": {record("sync = \"A5 5A\"\nlength = 3"), `record.sync: "A5 5A" is taken letter by letter (expected "hex: A5 5A" for bytes in hex)`},
		"tags and a gate":       {tagged("[tags]", "[gate]\ntime = \"1s\"\n[tags]"), "gate: tags have no interval"},
		"tags without a tick":   {tagged("tick = \"1us\"", ""), "tags.tick: is missing"},
		"no such tick":          {tagged("1us", "1 tick"), `tags.tick: "1 tick" is no time`},
		"too long a tick":       {tagged("1us", "2s"), `tags.tick: "2s" is too long`},
		"tags without a time":   {tagged("time = \"t\"", ""), "tags.time: is missing"},
		"no such field":         {tagged("time = \"t\"", "time = \"z\""), `tags.time: there is no field "z"`},
		"too quick a wrap":      {tagged("1us", "1ps"), "tags.wrap: the time begins at 0 again after 0.00429 s, and nothing tells how often"},
		"tagged twice":          {tagged("number = 1", "number = 0"), "channel.number: number 0 is another channel's already"},
		"a tagged gate":         {tagged("number = 1", "from = 1"), "channel: has keys of a count"},
		"what is no unit":       {tagged("tick = \"1us\"", "tick = \"3us\"\nhigh = \"c\"\nhigh_unit = \"1s\""), "tags.high_unit: is no whole number of ticks"},
		"what a record means":   {tagged("[[channel]]", "[[tags.special]]\nvalue = \"c\"\n[[channel]]"), "means: is missing"},
		"a meaning":             {tagged("[[channel]]", "[[tags.special]]\nvalue = \"c\"\nmeans = \"odd\"\n[[channel]]"), `means: "odd" is not known (expected one of wrap, lost, time, ignore, end)`},
		"no such channel":       {tagged("[\"A\", 1]", "[\"Z\", 1]"), `is no tag (expected a channel and its tick: ["A", 1200])`},
		"readings of tags":      {tagged("tags = [[\"A\", 1]]", "readings = [[1, 2]]"), "readings: the instrument gives tags"},
		"tags of readings":      {with("[[channel]]\nname = \"A\"", "[[channel]]\nname = \"A\"\nkind = \"tag\""), `channel.kind: "tag" is for instruments that tell times`},
		"a FIFO with a line":    {with("9600", "9600\nfifo = true"), "x.toml:4: link.fifo: there are baud, dtr or rts as well"},
		"a FIFO of text":        {with("baud = 9600", "fifo = true"), "x.toml:3: link.fifo: does not go with lines of text"},
		"parity":                {with("9600", "9600\nparity = \"mark\""), `x.toml:4: link.parity: "mark" is not known (expected one of none, even, odd)`},
		"time without unit":     {with(`"1s"`, "1"), `x.toml:5: gate.time: 1 is a whole number (expected a time with its unit, in quotes: "100ms", "1.5s")`},
		"time below nothing":    {with(`"1s"`, `"-1s"`), `x.toml:5: gate.time: "-1s" is no time`},
		"time too long":         {with(`"1s"`, `"48h"`), "x.toml:5: gate.time: \"48h\" is too long (expected at most 24h0m0s)"},
		"no channel":            {with("[[channel]]\nname = \"A\"", ""), "x.toml: channel: there is none"},
		"one bracket":           {with("[[channel]]", "[channel]"), "x.toml:7: channel: is one table (expected [[channel]], with two brackets)"},
		"channel twice":         {with("[[example]]", "[[channel]]\nname = \"A\"\n[[example]]"), `x.toml:10: channel.name: "A" is used twice`},
		"channel with a comma":  {with(`"A"`, `"A,B"`), `x.toml:8: channel.name: "A,B" cannot be a column's name`},
		"kind":                  {with(`"A"`, "\"A\"\nkind = \"number\""), `x.toml:9: channel.kind: "number" is not known (expected one of count, total, rate, event, auxiliary, tag, marker)`},
		"name of a column":      {with(`"A"`, "\"A\"\nfrom = \"B\""), `x.toml:9: channel.from: "B" is a name, and columns have none`},
		"column 0":              {with(`"A"`, "\"A\"\nfrom = 0"), "x.toml:9: channel.from: 0 is no value's"},
		"column beyond":         {with(`"A"`, "\"A\"\nfrom = 3") + "[text.x]\n", "x.toml:13: text.x: unknown key"},
		"two ways":              {with("[text]", "[text]\npairs = true\npattern = 'x'"), "text.pattern: there is pairs as well"},
		"bad pattern":           {with("[text]", "[text]\nskip = '('"), "x.toml:7: text.skip: \"(\" is no pattern"},
		"group":                 {with("[text]", `[text]`+"\npattern = '(?P<B>x)'"), `channel.from: the pattern has no group "A"`},
		"header":                {with("[text]", "[text]\nheader = \"t,B\""), `channel.from: the header has no column "A" (expected one of t, B)`},
		"split at digits":       {with("[text]", "[text]\nsplit = \"1\""), "x.toml:7: text.split: \"1\" has a digit"},
		"text and record":       {with("[text]", "[text]\n[record]\nlength = 1"), "x.toml:7: record: there is [text] as well"},
		"signed count":          {with(`"A"`, "\"A\"\nsigned = true"), "x.toml:9: channel.signed: a count is never negative"},
		"scaled total":          {with(`"A"`, "\"A\"\nkind = \"total\"\nwidth = 32\nscale = 16"), "channel.scale: a total of 32 bits cannot be multiplied"},
		"scale of 0":            {with(`"A"`, "\"A\"\nscale = 0"), "x.toml:9: channel.scale: 0 (expected a number above 0"},
		"no example":            {with("[[example]]\nbytes = \"1\\n\"\nreadings = [[1]]", ""), "x.toml: example: there is none"},
		"example's width":       {with("[[1]]", "[[1, 2]]"), "x.toml:11: example.readings: has 2 values (expected one for each channel, 1"},
		"example's word":        {with("[[1]]", `[["none"]]`), `"none" is no value (expected a number, "absent" or "overflow")`},
		"byte that is none":     {with(`"1\n"`, `"1€"`), "x.toml:10: example.bytes: \"€\" is no single byte"},
		"hex":                   {with(`"1\n"`, `"hex: 0"`), "x.toml:10: example.bytes: is no hex"},
		"escape":                {with(`"1\n"`, `'1\q'`), "x.toml:10: example.bytes: has \"\\\\q\""},
		"backslash at the end":  {with(`"1\n"`, `'1\'`), "ends in a backslash"},
		"no gate":               {with(`time = "1s"`, `by = "instrument"`), "gate.time: is missing"},
		"polled by itself":      {with(`time = "1s"`, `by = "poll"`), `gate.by: "poll" does not go with an instrument that is not asked`},
		"poll without every":    {with("[gate]\ntime = \"1s\"", "[poll]\nsend = \"r\""), "poll.every: is missing"},
		"poll of nothing":       {with("[gate]", "[poll]\nevery = \"1s\"\n[gate]"), "poll.send: is missing"},
		"gate's setting":        {with(`time = "1s"`, `setting = "gate"`), `gate.setting: there is no setting "gate"`},
		"ask alone":             {with("[gate]", "[open]\nask = \"?\"\n[gate]"), "open: ask and answer belong together"},
		"brace":                 {with("[gate]", "[open]\nsend = [\"a{b\"]\n[gate]"), "open.send: has a { without its }"},
		"place":                 {with("[gate]", "[open]\nsend = [\"a{b}\"]\n[gate]"), "open.send: {b} is no setting"},
		"format of a place":     {with("[gate]", "[open]\nsend = [\"a{b:q}\"]\n[gate]"), `"q" is no format`},
		"struct order":          {record(`format = "4I"`), `record.format: "4I" does not say the order of bytes`},
		"struct letter":         {record(`format = "<4f"`), "record.format: \"<4f\": 'f' is not read"},
		"struct number":         {record(`format = "<4"`), "record.format: \"<4\" ends in a number"},
		"no framing":            {record(`format = "<4I"`), "record: nothing says where a record begins"},
		"too short":             {record("format = \"<4I\"\nsync = \"S\"\nlength = 8"), "record.length: 8 bytes cannot be: sync, fields, checksum and trail need 17"},
		"checksum over itself":  {record("format = \"<B\"\nsync = \"S\"\nchecksum = \"xor8\"\nchecksum_over = [0, 2]"), "record.checksum_over: [0 2] cannot be"},
		"checksum before it":    {record("format = \"<B\"\nsync = \"S\"\nchecksum = \"xor8\"\nchecksum_at = -1\nchecksum_over = [0, 1]"), "record.checksum_at: -1 cannot be"},
		"value beyond":          {record("format = \"<B\"\nsync = \"S\"") + "[[channel]]\nname = \"B\"\nfrom = 2\n", "channel.from: there is no value 2: a record has 1"},
		"event and more":        {with(`"A"`, "\"A\"\nkind = \"event\"\n[[channel]]\nname = \"B\""), "channel.kind: events stand alone"},
		"setting's kind":        {small + "[[setting]]\nname = \"thr\"\n", "x.toml:12: setting.kind: is missing"},
		"setting's command":     {small + "[[setting]]\nname = \"thr\"\nkind = \"integer\"\n", "setting.command: is missing"},
		"setting's value":       {small + "[[setting]]\nname = \"thr\"\nkind = \"integer\"\ncommand = \"t\"\n", "setting.command: does not say the value (expected {thr} in it)"},
		"setting's default":     {small + "[[setting]]\nname = \"thr\"\nkind = \"integer\"\ndefault = 9\nmax = 5\ncommand = \"t{thr}\"\n", "default, min and max do not fit"},
		"simulated name":        {small + "[simulate]\nline = \"{B}\"\n", "x.toml:13: simulate.line: {B} is not known (expected one of "},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := Parse("x.toml", []byte(c.file))
			bad, ok := errors.AsType[*Error](err)
			if !ok || f != nil {
				t.Fatalf("taken: %+v, %v", f, err)
			}
			if !strings.Contains(bad.Error(), c.want) {
				t.Errorf("says %q, want %q", bad.Error(), c.want)
			}
		})
	}
}

// All that is wrong is told at once.
func TestAllProblems(t *testing.T) {
	_, err := Parse("x.toml", []byte("nam = 1\n[link]\nbaud = true\n[gate]\ntime = 5\n"))
	want := []string{"x.toml:1: nam: ", "x.toml:3: link.baud: ", "x.toml:5: gate.time: "}
	lines := strings.Split(fmt.Sprint(err), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines: %v", len(lines), err)
	}
	for i, w := range want {
		if !strings.HasPrefix(lines[i], w) {
			t.Errorf("line %d is %q, want %q", i, lines[i], w)
		}
	}
}

func mustParse(t *testing.T, text string) *File {
	t.Helper()
	f, err := Parse("x.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// What is left out is filled in.
func TestDefaults(t *testing.T) {
	f := mustParse(t, strings.Replace(small, "[text]\n", "", 1))
	if f.Text == nil || f.Text.Ends[0] != "\n" || f.Text.MaxLength != 4096 || f.Text.Base != 10 || f.Text.Columns != 1 || f.Text.MaxBad != 20 {
		t.Errorf("text %+v", f.Text)
	}
	if f.Link.DataBits != 8 || f.Link.StopBits != 1 || f.Link.Parity != NoParity || f.Open.Drain != 100*time.Millisecond {
		t.Errorf("link %+v, open %+v", f.Link, f.Open)
	}
	if f.Gate.By != ByInstrument || f.Title != "x" || f.Channels[0].Kind != Count || f.Channels[0].From.Index != 1 {
		t.Errorf("gate %+v, channel %+v", f.Gate, f.Channels[0])
	}
	if f.Examples[0].Line != 8 {
		t.Errorf("the example stands in line %d", f.Examples[0].Line)
	}
}

func TestBytes(t *testing.T) {
	for text, want := range map[string]string{
		`c\r`: "c\r", `\x00\xFF`: "\x00\xff", `a\\b`: `a\b`, "ÿé": "\xff\xe9", "hex: 00 fF\n0a": "\x00\xff\x0a", `\0\t\e\n`: "\x00\t\x1b\n", "": "",
	} {
		if got, err := readBytes(text); err != nil || string(got) != want {
			t.Errorf("%q is %q, %v, want %q", text, got, err, want)
		}
	}
}

func TestScale(t *testing.T) {
	for _, c := range []struct {
		keys     string
		factor   uint64
		exponent int
	}{
		{"", 1, 0},
		{"decimals = 2", 1, -2},
		{"scale = 0.1", 1, -1},
		{"scale = 16", 16, 0},
		{"scale = 0.25", 25, -2},
		{"scale = 1e3", 1000, 0},
		{"scale = 2.5\ndecimals = 1", 25, -2},
	} {
		f := mustParse(t, with(`"A"`, "\"A\"\n"+c.keys))
		if ch := f.Channels[0]; ch.Factor != c.factor || ch.Exponent != c.exponent {
			t.Errorf("%s: factor %d, exponent %d, want %d, %d", c.keys, ch.Factor, ch.Exponent, c.factor, c.exponent)
		}
	}
}

func TestTemplate(t *testing.T) {
	values := map[string]any{"n": int64(42), "f": 0.4, "u": uint64(7), "w": "low", "b": true}
	lookup := func(name string) (any, bool) { v, ok := values[name]; return v, ok }
	for text, want := range map[string]string{
		"g{n}\r": "g42\r", "{f:.2}": "0.40", "{f}": "0.4", "{n:05}": "00042", "{n:x}": "2a", "{u:u8}": "\x07",
		"{n:u16be}{n:u16le}": "\x00\x2a\x2a\x00", "{n:u32be}": "\x00\x00\x00\x2a", "{n:u64le}": "\x2a\x00\x00\x00\x00\x00\x00\x00",
		"{{{w}}}": "{low}", "{b}": "1", "{n:.1}": "42.0", "": "",
	} {
		tpl, err := parseTemplate(Bytes(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		got, err := tpl.Append(nil, lookup)
		if err != nil || string(got) != want {
			t.Errorf("%q gives %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"{x}", "{n:u8}{f:x}", "{w:.2}"} {
		tpl, err := parseTemplate(Bytes(text))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := tpl.Append(nil, lookup); err == nil && text != "{n:u8}{f:x}" {
			t.Errorf("%q gives %q", text, got)
		}
	}
	values["n"] = int64(256)
	if tpl, _ := parseTemplate("{n:u8}"); true {
		if got, err := tpl.Append(nil, lookup); err == nil {
			t.Errorf("256 in a byte is % x", got)
		}
	}
}

func TestFormat(t *testing.T) {
	fields, end, err := parseFormat("<x2H 3bQ", 2)
	want := []Field{
		{At: 3, Width: 2, Order: Little, Stride: 1, Bits: 8, Repeat: 2, Step: 2},
		{At: 7, Width: 1, Order: Little, Stride: 1, Bits: 8, Signed: true, Repeat: 3, Step: 1},
		{At: 10, Width: 8, Order: Little, Stride: 1, Bits: 8, Repeat: 1, Step: 8},
	}
	if d := cmp.Diff(fields, want); d != "" || end != 18 || err != nil {
		t.Errorf("end %d, %v\n%s", end, err, d)
	}
	for _, bad := range []string{"", "I", "@I", "<", "<0I", "<99999999I", "<65537B", "<d", "<I4"} {
		if fields, _, err := parseFormat(bad, 0); err == nil {
			t.Errorf("%q is taken: %+v", bad, fields)
		}
	}
}

func TestSplitColumns(t *testing.T) {
	for _, c := range []struct {
		line, split string
		want        []string
	}{
		{"1", ",", []string{"1"}},
		{"1, 2461, 2460.002", defaultSplit, []string{"1", "2461", "2460.002"}},
		{"  1   2\t3 ", defaultSplit, []string{"1", "2", "3"}},
		{"1 ,, 2", defaultSplit, []string{"1", "", "2"}},
		{"a b, c", ",", []string{"a b", "c"}},
		{"1,2,", ",", []string{"1", "2", ""}},
		{"CPM: 41", defaultPairs, []string{"CPM", "41"}},
		{"", ",", []string{""}},
	} {
		if d := cmp.Diff(SplitColumns(c.line, c.split), c.want); d != "" {
			t.Errorf("%q at %q: %s", c.line, c.split, d)
		}
	}
}

func TestPresetsHaveTheirNames(t *testing.T) {
	for _, f := range Presets() {
		if filepath.Base(f.Path) != f.Name+".toml" || f.Title == f.Name || f.Source == "" {
			t.Errorf("%s: name %q, title %q, source %q", f.Path, f.Name, f.Title, f.Source)
		}
	}
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "my.toml")
	if err := os.WriteFile(path, []byte(small), 0o600); err != nil {
		t.Fatal(err)
	}
	if f, err := Load(path); err != nil || f.Path != path {
		t.Errorf("%v, %v", f, err)
	}
	if _, err := Load(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such file: %v", err)
	}
	if !FromPath("a/b.TOML") || FromPath("cd48") {
		t.Error("what is a path and what is a name")
	}
}

// Whatever a file holds, it is refused with a reason or is one that can be used.
func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	for _, p := range Presets() {
		text, err := os.ReadFile(p.Path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := Parse("x.toml", text)
		if err != nil {
			if bad, ok := errors.AsType[*Error](err); !ok || len(bad.Problems) == 0 {
				t.Fatalf("refused without a reason: %v", err)
			}
			return
		}
		if len(file.Channels) == 0 || (file.Text == nil) == (file.Record == nil) || len(file.Examples) == 0 {
			t.Fatalf("taken: %+v", file)
		}
		if r := file.Record; r != nil {
			for _, p := range r.Values() {
				if last := p.At + (p.Width-1)*p.Stride; p.At < 0 || last >= r.Length {
					t.Fatalf("value at %d to %d of %d bytes", p.At, last, r.Length)
				}
			}
		}
	})
}

// The numbers of readings begin at 0 again behind the largest that their field holds.
func TestNumberMax(t *testing.T) {
	const file = "name = \"x\"\n[link]\nbaud = 9600\n[gate]\ntime = \"1s\"\nnumber = 1\n[record]\nsync = \"S\"\nFIELDS\n" +
		"[[channel]]\nname = \"A\"\nfrom = 2\n[[example]]\nbytes = \"S\"\nreadings = []\n"
	for fields, want := range map[string]uint64{
		`format = "<BI"`: 255,
		`format = "<HI"`: 65535,
		`format = "<QI"`: 1<<64 - 1,
		"bits = 7\n[[record.field]]\nat = 1\nwidth = 2\nrepeat = 2":                                         1<<14 - 1,
		"[[record.field]]\nat = 1\nwidth = 2\nmask = 0xFF0\nshift = 4\n[[record.field]]\nat = 3\nwidth = 1": 255,
	} {
		f, err := Parse("x.toml", []byte(strings.Replace(file, "FIELDS", fields, 1)))
		if err != nil || f.Gate.NumberMax != want {
			t.Errorf("%s: %v, %v, want %d", fields, f, err, want)
		}
		f, err = Parse("x.toml", []byte(strings.NewReplacer("FIELDS", fields, "number = 1", "number = 1\nnumber_max = 9").Replace(file)))
		if err != nil || f.Gate.NumberMax != 9 {
			t.Errorf("%s: %v, want 9", fields, err)
		}
	}
	if _, err := Parse("x.toml", []byte(strings.NewReplacer("FIELDS", `format = "<BI"`, "number = 1", "number_max = 9").Replace(file))); err == nil || !strings.Contains(err.Error(), "gate.number_max: there is no number") {
		t.Error(err)
	}
}
