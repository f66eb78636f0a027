package protocol

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestSaying(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "",
		"es läuft, 20 µs":          "es läuft, 20 µs",
		"\x1b]0;x\a\r\ntwo\tlines": "?]0;x???two?lines",
		"\u202eabc\xff":            "?abc\ufffd",
		strings.Repeat("µ", 501):   strings.Repeat("µ", 500) + "...",
	} {
		if got := Saying(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestCheckName(t *testing.T) {
	long := strings.Repeat("a", 63)
	for _, good := range []string{"a", "0", "pi-lab3", "bench.counts", "a_b", long, "con1", "com", "com10", "console", "a.con", "lpt-1"} {
		if err := CheckName(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", ".", "..", ".a", "-a", "_a", "a.", "A", "aB", "a b", "a/b", `a\b`, "a:b", "ä", "a\x00", long + "a",
		"con", "nul", "aux", "prn", "com0", "com9", "lpt0", "lpt9", "con.txt", "nul.a.b", "com1.csv"} {
		if err := CheckName(bad); !errors.Is(err, ErrFormat) {
			t.Errorf("%q: %v, expected %v", bad, err, ErrFormat)
		}
	}
}

func TestID(t *testing.T) {
	id := NewID()
	if back, err := ParseID(id.String()); back != id || err != nil {
		t.Errorf("%v comes back as %v, %v", id, back, err)
	}
	if id == NewID() || id.IsZero() || !(ID{}).IsZero() {
		t.Error("ids are not random, or zero is not zero")
	}
	for _, bad := range []string{"", strings.Repeat("0", 31), strings.Repeat("0", 33), strings.Repeat("A", 32), strings.Repeat("g", 32)} {
		if _, err := ParseID(bad); !errors.Is(err, ErrFormat) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestJSONText holds the JSON of each kind of field against SPEC.md, section 7.
func TestJSONText(t *testing.T) {
	for _, c := range []struct {
		v    any
		text string
	}{
		{Gap{Cause: "x"}, `{"cause":"x"}`},
		{Gap{Cause: "<&>", DurationNs: Ref(Int64(0)), Missing: Ref(Uint64(math.MaxUint64)), Approximate: true},
			`{"cause":"<&>","duration_ns":"0","missing":"18446744073709551615","approximate":true}`},
		{Hole{To: 7, Cause: CauseQuota}, `{"to":"7","cause":"quota"}`},
		{Descriptor{Stream: "a"}, `{"stream":"a","base":"00000000000000000000000000000000","software":"","cause":"","channels":[]}`},
		{Clock{Kind: ClockDevice, Pairs: []ClockPair{{1, -2}}}, `{"kind":"device","pairs":[["1","-2"]]}`},
		{Subscribe{Sub: 1, Streams: []string{"*"}, Cursors: []Cursor{{"a", 1, 2, 0xAB}}},
			`{"sub":1,"kind":"","streams":["*"],"from":"","cursors":[{"stream":"a","epoch":1,"seq":"2","crc":"000000ab"}],"credit":"0"}`},
		{Ack{Sub: 1}, `{"sub":1,"streams":[]}`},
		{Heartbeat{TNs: math.MinInt64}, `{"t_ns":"-9223372036854775808"}`},
		{Proof{}, `{"mac":""}`},
	} {
		text, err := EncodeJSON(c.v)
		if err != nil || string(text) != c.text {
			t.Errorf("%T is\n%s, expected\n%s (%v)", c.v, text, c.text, err)
		}
	}
}

func TestJSONRefusesTooMuch(t *testing.T) {
	long := Event{What: strings.Repeat("x", MaxJSON)}
	if out, err := AppendJSON([]byte("as it was"), Header{Type: TypeEvent}, long); !errors.Is(err, ErrLimit) || string(out) != "as it was" {
		t.Errorf("%d bytes, %v", len(out), err)
	}
	text := []byte(`{"what":"` + strings.Repeat("x", MaxJSON) + `"}`)
	if err := DecodeJSON(text, &long); !errors.Is(err, ErrLimit) {
		t.Error(err)
	}
}

func TestWords(t *testing.T) {
	for typ := range Type(128) {
		if typ.Numbered() && !typ.Stored() || typ.Stored() && typ.Session() || typ.String() == "" {
			t.Errorf("%d: numbered %v, stored %v, session %v, %q", typ, typ.Numbered(), typ.Stored(), typ.Session(), typ)
		}
	}
	if TypeBye != 45 || TypeCopy != 38 || TypeBye.String() != "bye" || TypeHello.String() != "hello" || TypeHole.Numbered() || Type(20).Known() {
		t.Error("types have moved")
	}
	if FlagLate != 32 || ValueSuspect != 4 || ReadingFlagWord(5) != "late" || ValueFlagWord(1) != "overflow" || ReadingFlagWord(31) != "flag31" {
		t.Error("flags have moved")
	}
	if got := (Refusal{Code: RefuseToken, Text: "wrong token"}).Error(); got != "refused (token): wrong token" {
		t.Error(got)
	}
}

func TestAppendPreambleRefuses(t *testing.T) {
	good := Preamble{Gateway: "g", Stream: "s", StreamID: 1, Epoch: 1, FirstSeq: 1, Place: PlaceJournal}
	for name, c := range map[string]struct {
		change func(p *Preamble)
		is     error
	}{
		"epoch 0":      {func(p *Preamble) { p.Epoch = 0 }, ErrFormat},
		"a bad name":   {func(p *Preamble) { p.Stream = "CON" }, ErrFormat},
		"over 256 KiB": {func(p *Preamble) { p.Copies = [][]byte{make([]byte, MaxPreamble)} }, ErrLimit},
	} {
		p := good
		c.change(&p)
		if out, err := AppendPreamble([]byte("as it was"), p); !errors.Is(err, c.is) || string(out) != "as it was" {
			t.Errorf("%s: %d bytes, %v, expected %v", name, len(out), err, c.is)
		}
	}
}

func TestChannelNumbers(t *testing.T) {
	for _, c := range []struct {
		channel Channel
		word    uint64
		want    float64
	}{
		{Channel{}, 4711, 4711},
		{Channel{Exponent: -2}, 150, 1.5},
		{Channel{Exponent: 3}, 2, 2000},
		{Channel{Signed: true, Exponent: -1}, ^uint64(0), -0.1},
	} {
		if got := c.channel.Number(c.word); got != c.want {
			t.Errorf("%+v: word %d is %v, want %v", c.channel, c.word, got, c.want)
		}
	}
	before, after := uint64(16777210), uint64(5)
	if got := (Channel{Width: 24}).Wrap(after - before); got != 11 {
		t.Errorf("from 16777210 to 5 in 24 bits: %d, want 11", got)
	}
	if got := (Channel{}).Wrap(5 - 3); got != 2 {
		t.Errorf("from 3 to 5 in unknown bits: %d, want 2", got)
	}
}
