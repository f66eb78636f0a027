package gmc

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/sim"
	"photongate/sim/bench"
)

func newMeter(t testing.TB, rateHz float64, o Options) *Meter {
	t.Helper()
	light, err := bench.Light(Inputs(), []float64{rateHz})
	if err != nil {
		t.Fatal(err)
	}
	o.Light = light
	m, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func newBench(t testing.TB, rateHz float64, o Options) *bench.Bench {
	t.Helper()
	return bench.New(newMeter(t, rateHz, o))
}

// unhex reads hand-worked bytes.
func unhex(t *testing.T, text string) string {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var (
	narrow = Options{Serial: 0xF488007E051234}
	wide   = Options{Model: "GMC-600+Re 1.14"}
)

func TestReplies(t *testing.T) {
	for name, c := range map[string]struct {
		options   Options
		ask, want string // what is asked is text, the answer hexadecimal
	}{
		"version":               {narrow, "<GETVER>>", "474D432D333030526520322E3130"},
		"version of a 600":      {wide, "<GETVER>>", "474D432D3630302B526520312E3134"},
		"serial number":         {narrow, "<GETSERIAL>>", "F4 88 00 7E 05 12 34"},
		"counts per minute":     {narrow, "<GETCPM>>", "00 00"},
		"counts per minute, 32": {wide, "<GETCPM>>", "00 00 00 00"},
		"other counts":          {narrow, "<GETCPS>><GETMAXCPS>>", "00 00 00 00"},
		"other counts, 32":      {wide, "<GETCPS>><GETMAXCPS>><GETCPMH>><GETCPML>>", strings.Repeat("00", 16)},
		"two tubes":             {narrow, "<GETCPMH>><GETCPML>>", ""},
		"voltage":               {narrow, "<GETVOLT>>", "2A"},
		"voltage as text":       {wide, "<GETVOLT>>", "342E313876"},
		"date and time":         {narrow, "<GETDATETIME>>", "1A 0B 14 0C 00 00 AA"},
		"set date and time":     {narrow, "<SETDATETIME\x1A\x0C\x1F\x17\x3B\x3A>><GETDATETIME>>", "AA 1A 0C 1F 17 3B 3A AA"},
		"time of any bytes":     {narrow, "<SETDATETIME\x3C\x03\x3E\x00\x3E\x3E>><GETVOLT>>", "AA 2A"},
		"temperature":           {narrow, "<GETTEMP>>", "15 05 00 AA"},
		"position":              {narrow, "<GETGYRO>>", "00 00 00 00 04 00 AA"},
		"set commands":          {narrow, "<SPEAKER0>><ALARM1>><ECFG>><CFGUPDATE>>", "AA AA AA AA"},
		"heartbeat is silent":   {narrow, "<HEARTBEAT1>><HEARTBEAT0>>", ""},
		"history":               {narrow, "<SPIR\x00\x00\x3C\x00\x04>>", "FF FF FF FF"},
		"unknown":               {narrow, "<GETLOST>><>><getver>>GETVER", ""},
		"noise between":         {narrow, "\xff>>\r\n<GETVOLT>>\n", "2A"},
		"cut off and anew":      {narrow, "<GETVE<GETVOLT>>", "2A"},
		"without an end":        {narrow, "<GETVOLT>", ""},
		"much too long":         {narrow, "<" + strings.Repeat("A", 500) + ">><GETVOLT>>", "2A"},
		"off":                   {narrow, "<POWEROFF>><GETVOLT>>", ""},
		"off and on":            {narrow, "<POWEROFF>><POWERON>><GETVOLT>>", "2A"},
	} {
		t.Run(name, func(t *testing.T) {
			got := newBench(t, 0, c.options).Ask(c.ask)
			if diff := cmp.Diff(hex.EncodeToString([]byte(got)), hex.EncodeToString([]byte(unhex(t, c.want)))); diff != "" {
				t.Errorf("%q was answered (-got +want):\n%s", c.ask, diff)
			}
		})
	}
}

func TestConfiguration(t *testing.T) {
	for _, c := range []struct {
		options Options
		set     string
		length  int
		at      int
	}{
		{narrow, "<WCFG\x14\x55>>", 256, 0x14},
		{wide, "<WCFG\x01\x02\x55>>", 512, 0x102},
	} {
		b := newBench(t, 0, c.options)
		if got := b.Ask("<ECFG>>" + c.set + "<WCFG\xff\xff\xff>>"); !strings.HasPrefix(got, "\xAA\xAA") {
			t.Errorf("set: % x", got)
		}
		got := b.Ask("<CFGUPDATE>><GETCFG>>")
		want := "\xAA" + strings.Repeat("\xff", c.at) + "\x55" + strings.Repeat("\xff", c.length-c.at-1)
		if !strings.HasSuffix(got, want[1:]) {
			t.Errorf("%d bytes, %q", len(got), got)
		}
	}
}

// 28 counts are 00 1C, or 00 00 00 1C with 32 bits.
func TestNumbers(t *testing.T) {
	if got := newMeter(t, 0, narrow).integer(28); string(got) != "\x00\x1C" {
		t.Errorf("28 is % x", got)
	}
	if got := newMeter(t, 0, wide).integer(28); string(got) != "\x00\x00\x00\x1C" {
		t.Errorf("28 is % x", got)
	}
}

func number(text string) (n uint64) {
	for _, c := range []byte(text) {
		n = n*256 + uint64(c)
	}
	return n
}

func TestHeartbeat(t *testing.T) {
	for _, c := range []struct {
		options Options
		width   int
		mask    uint64
	}{{narrow, 2, 0x3FFF}, {wide, 4, 0xFFFFFFFF}, {Options{Reserved: 0xC000}, 2, 0x3FFF}} {
		b := newBench(t, 1000, c.options)
		b.Wait(2500 * time.Millisecond)
		if got := b.Ask("<HEARTBEAT1>>"); got != "" {
			t.Errorf("at once: % x", got)
		}
		b.Wait(3 * time.Second)
		if len(b.Sent) != 3 || len(b.Rows) != 3 {
			t.Fatalf("%d beats and %d rows in 3 s", len(b.Sent), len(b.Rows))
		}
		for i, m := range b.Sent {
			n := number(m.Text)
			if len(m.Text) != c.width || n&c.mask != b.Rows[i].Values[0] || n&^c.mask != uint64(c.options.Reserved) {
				t.Errorf("beat % x, truth %v", m.Text, b.Rows[i])
			}
			if at := time.Duration(3+i) * time.Second; m.After != at || b.Rows[i].After != at {
				t.Errorf("beat %d at %v, truth at %v", i, m.After, b.Rows[i].After)
			}
			if v := b.Rows[i].Values[0]; v < 850 || v > 1150 {
				t.Errorf("a second of 1000 per second is %d", v)
			}
		}
		b.Text()
		b.Ask("<HEARTBEAT0>>")
		b.Wait(10 * time.Second)
		if got := b.Text(); got != "" {
			t.Errorf("stopped, it says % x", got)
		}
	}
}

func TestCountsPerMinute(t *testing.T) {
	b := newBench(t, 100, narrow)
	b.Wait(10500 * time.Millisecond)
	if n := number(b.Ask("<GETCPM>>")); n < 900 || n > 1100 {
		t.Errorf("after 10 s it tells %d", n)
	}
	b.Wait(10 * time.Minute)
	n := number(b.Ask("<GETCPM>>"))
	if n < 5700 || n > 6300 || b.Rows[1].Values[1] != n {
		t.Errorf("after 10 min it tells %d, truth %v", n, b.Rows[1])
	}
	if n := number(b.Ask("<GETCPS>>")); n != b.Rows[2].Values[0] || n < 50 || n > 150 {
		t.Errorf("a second is %d, truth %v", n, b.Rows[2])
	}
	if n := number(b.Ask("<GETMAXCPS>>")); n < 110 || n > 170 {
		t.Errorf("the most in a second was %d", n)
	}
}

func TestNumbersThatDoNotFit(t *testing.T) {
	b := newBench(t, 1e5, Options{Beating: true})
	b.Wait(2 * time.Second)
	if got := b.Text(); got != "\x3F\xFF\x3F\xFF" {
		t.Errorf("1E5 per second beat as % x", got)
	}
	if got := b.Ask("<GETCPM>><GETCPS>>"); got != "\xFF\xFF\xFF\xFF" {
		t.Errorf("1E5 per second are % x", got)
	}
	b = newBench(t, 1e5, wide)
	b.Wait(2 * time.Second)
	if n := number(b.Ask("<GETCPM>>")); n < 198_000 || n > 202_000 {
		t.Errorf("2 s of 1E5 with 32 bits are %d", n)
	}
}

func TestProtocolFollowsFromTheModel(t *testing.T) {
	for model, width := range map[string]int{
		"GMC-300Re 2.10": 2, "GMC-300SRe 1.14": 2, "GMC-320Re 4.26": 2, "GMC-280Re 4.24": 2, "GMC-SERe 1.05": 2,
		"GMC-500Re 1.08": 4, "GMC-500+Re 2.28": 4, "GMC-600+Re 1.14": 4, "GMC-800Re1.08": 4,
	} {
		if got := len(newBench(t, 0, Options{Model: model}).Ask("<GETCPM>>")); got != width {
			t.Errorf("%s tells CPM with %d bytes, expected %d", model, got, width)
		}
	}
	if got := newBench(t, 0, Options{Protocol: Protocol1801}).Ask("<GETCPM>>"); len(got) != 4 {
		t.Errorf("a 300 told to speak RFC1801 says % x", got)
	}
}

func TestBeatingAtOpenAndThroughTheCable(t *testing.T) {
	b := newBench(t, 10, Options{Beating: true})
	b.Event(sim.Event{Kind: sim.Unplugged})
	b.Wait(3 * time.Second)
	b.Event(sim.Event{Kind: sim.Plugged})
	if len(b.Rows) != 3 {
		t.Errorf("%d beats in 3 s: the cable is not its power supply", len(b.Rows))
	}
	b.Event(sim.Event{Kind: sim.Reboot, For: time.Second})
	b.Text()
	if got := b.Ask("<GETVER>>"); got != "" {
		t.Errorf("while it starts: %q", got)
	}
	b.Wait(5 * time.Second)
	if got := b.Ask("<GETVOLT>>"); got != "\x2A" {
		t.Errorf("after a restart: % x", got)
	}
	b.Ask("<REBOOT>>")
	b.Wait(time.Second)
	if got := b.Ask("<GETVOLT>>"); got != "" {
		t.Errorf("while it starts when told to: % x", got)
	}
}

func TestDistinct(t *testing.T) {
	b := newBench(t, 10, Options{Distinct: true, Beating: true})
	b.Wait(2 * time.Second)
	if got := b.Ask("<HEARTBEAT0>><GETCPM>>"); got != "\x1F\xFF\x20\x00\x80\x01" {
		t.Errorf("got % x, expected 8191, 8192, 32769", got)
	}
	if got := b.Rows[2].Values[1]; got != 32769 {
		t.Errorf("the truth of the minute is %d", got)
	}
	b = newBench(t, 10, Options{Model: "GMC-600+Re 1.14", Distinct: true, Beating: true})
	b.Wait(2 * time.Second)
	if got := b.Text(); got != "\x00\x00\x7F\xFF\x00\x00\x80\x00" {
		t.Errorf("got % x, expected 32767, 32768: no tube counts a million in a second", got)
	}
}

func TestCrystalAndDelay(t *testing.T) {
	b := newBench(t, 10, Options{Beating: true, FastPPM: 1000, ReplyDelay: 30 * time.Millisecond})
	b.Wait(1000 * time.Second)
	if got := len(b.Rows); got != 1001 {
		t.Errorf("%d beats in 1000 s of a crystal fast by a thousandth", got)
	}
	b.Text()
	b.Ask("<GETVOLT>>")
	if diff := cmp.Diff(b.Sent, []bench.Message{{After: 1000*time.Second + 30*time.Millisecond, Text: "\x2A"}}); diff != "" {
		t.Errorf("sent (-got +want):\n%s", diff)
	}
}

func TestNewRefuses(t *testing.T) {
	light, err := bench.Light(Inputs(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for want, o := range map[string]Options{
		"must have one input":          {},
		"expected a text of 13 to 16":  {Light: light, Model: "GMC"},
		"auto, rfc1201 or rfc1801":     {Light: light, Protocol: "rfc9999"},
		"of RFC1201 have 16 bits":      {Light: light, Reserved: 0x10000},
		"expected within 100000":       {Light: light, FastPPM: 1e6},
		"model \"GMC-300Re 2.10 and m": {Light: light, Model: "GMC-300Re 2.10 and more"},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, expected one with %q", err, want)
		}
	}
	if err := newMeter(t, 0, narrow).CheckFault(sim.Fault{Kind: sim.FaultOverflow}); err == nil {
		t.Error("an overflow was taken")
	}
}

// However the bytes are cut, the answers are the same.
func FuzzCommandsInPieces(f *testing.F) {
	f.Add([]byte("<GETVER>><GETCPM>>"), 3)
	f.Add([]byte("<SETDATETIME\x1A\x0C\x1F\x17\x3B\x3A>><GETDATETIME>>"), 15)
	f.Add([]byte("<WCFG<>>><HEARTBEAT1>><<GETVE<GETVOLT>>\xff"), 7)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		if cut < 0 || cut > len(data) {
			return
		}
		for _, o := range []Options{narrow, wide} {
			whole, pieces := newBench(t, 100, o), newBench(t, 100, o)
			whole.Write(string(data))
			pieces.Write(string(data[:cut]))
			pieces.Write(string(data[cut:]))
			whole.Wait(3 * time.Second)
			pieces.Wait(3 * time.Second)
			if want, got := whole.Text(), pieces.Text(); got != want {
				t.Errorf("%q: answered % x whole and % x in pieces", data, want, got)
			}
		}
	})
}
