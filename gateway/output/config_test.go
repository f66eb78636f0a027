package output

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/protocol"
	"photongate/protocol/table"
)

func TestCheck(t *testing.T) {
	good := Config{Listen: "127.0.0.1:7320", Stream: "bench"}
	with := func(kind string, change func(*Config)) Config {
		c := good
		c.Kind = kind
		change(&c)
		return c
	}
	for name, c := range map[string]struct {
		config Config
		want   []string
	}{
		"text":           {with(KindText, func(c *Config) { c.Stream = "" }), nil},
		"text at once":   {with(KindText, func(c *Config) { c.Send = "csv bench --every 1s" }), nil},
		"serpy":          {with(KindSerpy, func(c *Config) {}), nil},
		"serpy, records": {with(KindSerpy, func(c *Config) { c.Mode = 2; c.Format = "<QI"; c.Fields = []string{"index", "A"} }), nil},
		"serpy2, one":    {with(KindSerpy2, func(c *Config) { c.Type = TypeInteger; c.Fields = []string{"A"} }), nil},
		"struct":         {with(KindStruct, func(c *Config) { c.Format = "!QdHI4x"; c.Fields = []string{"index", "t_s", "flags", "A"} }), nil},
		"struct, open": {with(KindStruct, func(c *Config) {
			c.Format = "!Q"
			c.Fields = []string{"index"}
			c.Listen = ":7320"
			c.OpenToNetwork = true
		}), nil},
		"constants":       {with(KindStruct, func(c *Config) { c.Format = "!4sIhd"; c.Fields = []string{"=CNT1", "A", "=-3", "=1.5"} }), nil},
		"no kind":         {Config{}, []string{"kind: is missing (expected one of text, serpy, serpy2, struct)"}},
		"a kind":          {with("csv", func(c *Config) {}), []string{`kind: there is no kind "csv" (expected one of text, serpy, serpy2, struct)`}},
		"no address":      {with(KindText, func(c *Config) { c.Listen = "" }), []string{`listen: is missing (expected an address such as "127.0.0.1:7320" to wait for clients, or dial to go to a program that listens)`}},
		"two addresses":   {with(KindText, func(c *Config) { c.Dial = "localhost:1" }), []string{"dial: stands beside listen (expected one of them)"}},
		"no port":         {with(KindText, func(c *Config) { c.Listen = "127.0.0.1" }), []string{`listen: "127.0.0.1" is no address (expected HOST:PORT, as in "127.0.0.1:7320")`}},
		"a wrong port":    {with(KindText, func(c *Config) { c.Listen = "127.0.0.1:serpy" }), []string{`listen: "serpy" is no port (expected a number from 1 to 65535, as in "127.0.0.1:7320")`}},
		"dial port 0":     {with(KindText, func(c *Config) { c.Listen, c.Dial = "", "localhost:0" }), []string{`dial: "0" is no port (expected a number from 1 to 65535, as in "127.0.0.1:7320")`}},
		"beyond loopback": {with(KindText, func(c *Config) { c.Listen = "0.0.0.0:7320" }), []string{`listen: "0.0.0.0:7320" is beyond this computer, and the protocol knows neither a token nor encryption (expected a loopback address such as "127.0.0.1:7320", or open_to_network = true if everybody on that network may read the counts)`}},
		"dial beyond":     {with(KindSerpy, func(c *Config) { c.Listen, c.Dial = "", "pc-lab:7320" }), []string{`dial: "pc-lab:7320" is beyond this computer, and the protocol knows neither a token nor encryption (expected a loopback address such as "127.0.0.1:7320", or open_to_network = true if everybody on that network may read the counts)`}},
		"open for none":   {with(KindText, func(c *Config) { c.OpenToNetwork = true }), []string{`open_to_network: means nothing for "127.0.0.1:7320", which is this computer itself (leave it out)`}},
		"set from abroad": {with(KindSerpy2, func(c *Config) { c.Listen, c.OpenToNetwork, c.AllowSet = ":7320", true, true }), []string{"allow_set: would let everybody on the network change settings without a token (expected a loopback address beside it)"}},
		"no stream":       {with(KindSerpy, func(c *Config) { c.Stream = "" }), []string{"stream: is missing (expected the name of the device whose readings are sent)"}},
		"pickle":          {with(KindSerpy, func(c *Config) { c.Mode = 4 }), []string{"mode: 4 is not served (expected 0 to 3; pickled objects, modes 4 and 5, are never sent)"}},
		"foreign keys": {with(KindText, func(c *Config) { c.Mode = 1; c.Every = 1e9; c.Format = "!Q" }), []string{
			`every: means nothing for the kind "text" (it is for serpy, serpy2, struct; a client asks for what it wants, as in "csv bench --every 1s")`,
			`mode: means nothing for the kind "text" (it is for serpy)`,
			`format: means nothing for the kind "text" (it is for serpy, serpy2, struct)`}},
		"send":              {with(KindText, func(c *Config) { c.Send = "bench" }), []string{`send: not understood: "bench" (expected csv, ndjson, stop, list or help)`}},
		"no format":         {with(KindStruct, func(c *Config) {}), []string{`format: is missing (expected a format of Python's struct, as in "!Qd8I")`}},
		"format in text":    {with(KindSerpy, func(c *Config) { c.Format = "!Q" }), []string{"format: needs mode 2 or 3 (mode 0 carries text)"}},
		"format, wrong":     {with(KindStruct, func(c *Config) { c.Format = "!Qz" }), []string{"format: \"!Qz\": code 'z' is not understood (expected " + knownCodes + ")"}},
		"too few fields":    {with(KindStruct, func(c *Config) { c.Format = "!Qd8I"; c.Fields = []string{"index", "t_s", "A"} }), []string{`fields: there are 3, but the format "!Qd8I" carries 10 values (expected one field for each; x in the format is a byte without one)`}},
		"a time in I":       {with(KindStruct, func(c *Config) { c.Format = "!I"; c.Fields = []string{"t_s"} }), []string{`fields: "t_s" is no whole number, which code 'I' needs (expected d)`}},
		"a time in f":       {with(KindStruct, func(c *Config) { c.Format = "!f"; c.Fields = []string{"utc_s"} }), []string{`fields: "utc_s" in code 'f' would be right to 7 digits only (expected d)`}},
		"flags in B":        {with(KindStruct, func(c *Config) { c.Format = "!B"; c.Fields = []string{"flags"} }), []string{`fields: "flags" has 16 bits, which do not fit code 'B' (expected H or more)`}},
		"a text in d":       {with(KindStruct, func(c *Config) { c.Format = "!d"; c.Fields = []string{"stream"} }), []string{`fields: "stream" is a text, which does not fit code 'd' (expected 27s or the like)`}},
		"a time in 20s":     {with(KindStruct, func(c *Config) { c.Format = "!20s"; c.Fields = []string{"time_utc"} }), []string{`fields: "time_utc" has 27 letters, which do not fit 20s`}},
		"a large constant":  {with(KindStruct, func(c *Config) { c.Format = "!B"; c.Fields = []string{"=256"} }), []string{`fields: "=256" does not fit code 'B'`}},
		"too many records":  {with(KindStruct, func(c *Config) { c.Format = "!Q"; c.Fields = []string{"index"}; c.PerBlock = 182 }), []string{"per_block: 182 records of 8 bytes do not travel in one piece (expected at most 181)"}},
		"an integer of two": {with(KindSerpy2, func(c *Config) { c.Type = TypeInteger; c.Fields = []string{"A", "B"} }), []string{`fields: there are 2, but a block of type "integer" carries one`}},
		"an integer time":   {with(KindSerpy2, func(c *Config) { c.Type = TypeInteger; c.Fields = []string{"t_s"} }), []string{`fields: "t_s" cannot be an integer`}},
		"a separator":       {with(KindSerpy, func(c *Config) { c.Separator = "\x1f" }), []string{`separator: "\x1f" cannot stand between fields (expected a comma, a semicolon, a space, a tab)`}},
		"a name of lines":   {with(KindSerpy, func(c *Config) { c.Name = "a\nb" }), []string{`name: "a\nb" has a character that cannot be seen (expected letters, digits and the like)`}},
		"a bin of 1.5 µs":   {with(KindSerpy, func(c *Config) { c.Every = 1500 }), []string{"every: 1.5µs is impossible (expected whole microseconds)"}},
		"an end of a block": {with(KindSerpy, func(c *Config) { c.Fields = []string{"A", "=\x1f"} }), []string{`fields: "=\x1f" has a character that cannot stand in a line of text`}},
		"two lines in one":  {with(KindSerpy2, func(c *Config) { c.Fields = []string{"=a\nb", "A"} }), []string{`fields: "=a\nb" has a character that cannot stand in a line of text`}},
		"1F in a record":    {with(KindStruct, func(c *Config) { c.Format, c.Fields = "!1s", []string{"=\x1f"} }), nil},
		"an empty field":    {with(KindSerpy, func(c *Config) { c.Fields = []string{""} }), []string{"fields: one of them is empty (expected " + strings.Join(FieldWords(), ", ") + ", or a channel's name)"}},
	} {
		var got []string
		c.config.Check(func(key, text string) { got = append(got, key+": "+text) })
		if d := cmp.Diff(got, c.want); d != "" {
			t.Errorf("%s (-got +want):\n%s", name, d)
		}
		if _, err := New(c.config, Deps{}); (err == nil) != (c.want == nil) {
			t.Errorf("%s: New says %v", name, err)
		}
	}
}

func TestWarning(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{Kind: KindText, Listen: "localhost:1"}, ""},
		{Config{Kind: KindText, Listen: "[::1]:1"}, ""},
		{Config{Kind: KindSerpy, Name: "old", Listen: "0.0.0.0:1"}, "output old on 0.0.0.0:1 can be reached from other computers, and serpy knows neither a token nor encryption: everybody on that network can read the counts"},
		{Config{Kind: KindStruct, Dial: "pc:1"}, "output struct sends counts to pc:1 unencrypted"},
	} {
		if got := c.config.Warning(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// fields are written as a line of text shows them.
func TestLines(t *testing.T) {
	b := newBench(t)
	p := b.run(Config{Kind: KindSerpy, Stream: "bench", Separator: ";", PerBlock: 2,
		Fields: []string{"part", "time_utc", "utc_s", "live_s", "=a;\"b", "A"}}).connect()
	b.begin("A")
	b.reading(1)
	b.reading(2)
	p.expect("1;2026-11-20T13:30:12.000000Z;1795181412.000000;0.100000;\"a;\"\"b\";1\n" +
		"1;2026-11-20T13:30:12.100000Z;1795181412.100000;0.100000;\"a;\"\"b\";2\x1f")
}

// A block is not filled beyond a gap, nor kept back when the gateway ends.
func TestBlocksEndEarly(t *testing.T) {
	b := newBench(t)
	o := b.run(Config{Kind: KindSerpy, Stream: "bench", PerBlock: 2, Fields: []string{"index"}})
	p := o.connect()
	b.begin("A")
	b.reading(1)
	b.reading(1)
	b.reading(1)
	b.gap(5)
	b.reading(1)
	b.reading(1)
	b.reading(1)
	b.begin("A")
	b.reading(1)
	p.expect("0\n1\x1f2\x1f8\n9\x1f10\x1f")
	o.end()
	p.expect("0\x1f")
	p.closed()
}

// UTC follows the gateway's clock while an output runs.
func TestClockFollowed(t *testing.T) {
	b := newBench(t)
	p := b.run(Config{Kind: KindSerpy, Stream: "bench", Fields: []string{"utc_s"}}).connect()
	b.begin("A")
	b.reading(1)
	p.expect("1795181412.000000\x1f")
	own := b.open("gateway")
	b.index = 0
	b.clockFrame(own, own.Epoch(), aheadNs+int64(5*time.Second))
	b.index = 1
	b.reading(1)
	p.expect("1795181417.100000\x1f")
}

// The header of new channels is kept, whatever is dropped.
func TestHeadersAreKept(t *testing.T) {
	var got []string
	s, err := newShown(&rowWriter{emit: func(text []byte, keep bool) { got = append(got, fmt.Sprintf("%v %.24s", keep, text)) }}, table.View{})
	if err != nil {
		t.Fatal(err)
	}
	sink := s.stream(table.NewClockTable())
	for _, names := range []string{"A", "A", "B", "B"} {
		p := &table.Part{Gateway: "pi", Stream: "bench", Epoch: 1, Described: true}
		p.Desc.Channels = []protocol.Channel{{Name: names, Kind: protocol.KindCount}}
		c := &protocol.Counts{Begin: []int64{startNs}, Length: []int64{gateNs}, Values: [][]uint64{{1}}}
		if err := errors.Join(sink.Readings(p, 0, c), s.flush()); err != nil {
			t.Fatal(err)
		}
	}
	const header, row = "time_utc,t_s,gate_s,live", "2026-11-20T13:30:12.0000"
	if d := cmp.Diff(got, []string{"true " + header, "false " + row, "true " + header, "false " + row}); d != "" {
		t.Errorf("blocks (-got +want):\n%s", d)
	}
}

func TestEvery(t *testing.T) {
	b := newBench(t)
	o := b.run(Config{Kind: KindSerpy, Stream: "bench", Every: 200e6, Fields: []string{"index", "t_s", "gate_s", "A"}})
	p := o.connect()
	b.begin("A")
	for i := range uint64(5) {
		b.reading(i)
	}
	p.expect("0,0.000000,0.200000,1\x1f2,0.200000,0.200000,5\x1f")
}

func TestEveryTooShort(t *testing.T) {
	b := newBench(t)
	o := b.run(Config{Kind: KindSerpy, Stream: "bench", Every: 50e6, Fields: []string{"A"}})
	o.connect() // it follows by then
	b.begin("A")
	b.reading(1)
	o.wait(func() bool {
		return strings.HasPrefix(o.Status().Trouble, "nothing is sent: a bin is shorter than the gates")
	})
}
