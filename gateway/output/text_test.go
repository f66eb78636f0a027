package output

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"photongate/protocol"
)

const csvHeader = "time_utc,t_s,gate_s,live_s,stream,part,index,flags,A,AB\n"

// row is the CSV row of a reading of tests, n gates after the start and m after
// the first row.
func row(n, m, part, index int, values string) string {
	return fmt.Sprintf("2026-11-20T13:30:%09.6fZ,%.6f,0.100000,0.100000,pi/bench,%d,%d,,%s\n", 12+float64(n)/10, float64(m)/10, part, index, values)
}

func TestTextCSV(t *testing.T) {
	b := newBench(t)
	b.begin("A", "AB")
	b.reading(1, 0) // before anybody asked
	o := b.run(Config{Kind: KindText})
	p := o.connect()
	p.say("csv bench\n")
	p.expect(csvHeader)
	b.reading(5712, 30)
	b.reading(5713, 31)
	p.expect(row(1, 0, 1, 1, "5712,30") + row(2, 1, 1, 2, "5713,31"))
	b.begin("A", "AB") // the instrument was opened again
	b.reading(7, 1)
	p.expect(row(3, 2, 2, 0, "7,1"))
	b.begin("A") // another one
	b.reading(9)
	p.expect(strings.TrimSuffix(csvHeader, ",AB\n") + "\n" + row(4, 0, 3, 0, "9"))
	p.say("stop\nlist\n")
	p.expect("bench\n")
	b.reading(10)
	p.say("list\n")
	p.expect("bench\n")
}

// Of time tags a client is told how many came of each channel, in the stretches in
// which they came or in those it asks for.
func TestTextTags(t *testing.T) {
	b := newBench(t)
	epoch, err := b.stream.Begin(0, 1)
	if err != nil {
		t.Fatal(err)
	}
	b.append(b.stream, epoch, protocol.TypeDescriptor, &protocol.Descriptor{
		Stream: "bench", Base: b.base, Software: "test", Cause: "test", Timing: protocol.TimingDevice, Tick: &protocol.Tick{Num: 1, Den: 1_000_000_000},
		Channels: []protocol.Channel{{Name: "A", Kind: protocol.KindTag}, {Name: "AB", Kind: protocol.KindTag}},
	})
	tags := func(until uint64, channels ...uint8) { // in the 50 ms before
		t.Helper()
		one := &protocol.Tags{Until: until * 1e6, Channels: channels}
		for i := range channels {
			one.Ticks = append(one.Ticks, (until-50)*1e6+uint64(i))
		}
		h := protocol.Header{Stream: b.stream.ID(), Epoch: epoch, Seq: b.stream.NextSeq(), Index: b.index, Time: b.at}
		frame, err := new(protocol.TagsEncoder).Append(nil, h, 2, one)
		if err == nil {
			err = b.stream.Append(frame)
		}
		if err != nil {
			t.Fatal(err)
		}
		b.index, b.at = b.index+uint64(len(channels)), b.at+gateNs/2
	}
	o := b.run(Config{Kind: KindText})
	all, sums := o.connect(), o.connect()
	all.say("csv bench\n")
	all.expect(csvHeader)
	sums.say("csv bench --every 100ms --rate\n")
	sums.expect("time_utc,t_s,gate_s,live_s,stream,part,index,flags,A_cps,A_cps_err,AB_cps,AB_cps_err\n")
	tags(50, 0, 0, 1)
	tags(100, 0)
	tags(150, 1)
	all.expect("2026-11-20T13:30:12.000000Z,0.000000,0.050000,0.050000,pi/bench,1,0,,2,1\n" +
		"2026-11-20T13:30:12.050000Z,0.050000,0.050000,0.050000,pi/bench,1,1,,1,0\n2026-11-20T13:30:12.100000Z,0.100000,0.050000,0.050000,pi/bench,1,2,,0,1\n")
	sums.expect("2026-11-20T13:30:12.000000Z,0.000000,0.100000,0.100000,pi/bench,1,0,,30.000000,17.320508,10.000000,10.000000\n")
}

// LabVIEW and MATLAB end lines with CR LF, and wait for lines that end so.
func TestTextLineEnds(t *testing.T) {
	b := newBench(t)
	b.begin("A", "AB")
	o := b.run(Config{Kind: KindText, Stream: "bench"})
	p := o.connect()
	p.say("\r\n\ncsv\r")
	p.say("\n")
	p.expect(strings.ReplaceAll(csvHeader, "\n", "\r\n"))
	b.reading(1, 2)
	p.expect(strings.ReplaceAll(row(0, 0, 1, 0, "1,2"), "\n", "\r\n"))
	p.say("list\r\n")
	p.expect("bench\r\n")
}

func TestTextEvery(t *testing.T) {
	b := newBench(t)
	b.begin("A")
	o := b.run(Config{Kind: KindText})
	p := o.connect()
	p.say("csv bench --every 200ms --rate\n")
	p.expect("time_utc,t_s,gate_s,live_s,stream,part,index,flags,A_cps,A_cps_err\n")
	for i := range uint64(5) {
		b.reading(10 + i)
	}
	got := p.until(",105.000000,22.912878\n") // (10+11)/0.2 s and sqrt(21)/0.2 s
	if !strings.HasPrefix(got, "2026-11-20T13:30:12.000000Z,0.000000,0.200000,0.200000,pi/bench,1,0,") {
		t.Errorf("got %q", got)
	}
}

func TestTextNDJSON(t *testing.T) {
	b := newBench(t)
	b.begin("A")
	p := b.run(Config{Kind: KindText}).connect()
	p.say("ndjson\n")
	p.say("list\n")
	p.expect("bench\n")
	b.reading(7)
	b.gap(3)
	got := p.until("\n") + p.until("\n")
	for _, want := range []string{`"type":"reading"`, `"index":0`, `"A":7`, `"type":"gap"`, `"readings_missing":3`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
}

// What is not understood is answered with what is, and the connection goes on.
func TestTextNotUnderstood(t *testing.T) {
	b := newBench(t)
	p := b.run(Config{Kind: KindText}).connect()
	for line, want := range map[string]string{
		"GET / HTTP/1.1":          `error: not understood: "get" (expected csv, ndjson, stop, list or help)`,
		"csv bensh":               `error: there is no stream "bensh" (there are bench)`,
		"csv --every 1":           `error: not understood: `,
		"csv --often":             `error: not understood: flag provided but not defined: -often`,
		"csv --from 14:30":        `error: not understood: --from: here are live readings, from now on; photonrecv cat has those before`,
		"csv --format ndjson":     `error: not understood: --format: say csv or ndjson in its place`,
		"csv bench --merge":       `error: --merge puts bins side by side: say how long they are, as in --every 1s`,
		"help me":                 `error: not understood: "me" behind help`,
		"csv --help":              `error: not understood: flag: help requested`,
		"csv \x01\xff":            `error: there is no stream "\x01\xff" (there are bench)`,
		strings.Repeat("x", 4000): `error: not understood: "` + strings.Repeat("x", 60) + `" (expected`,
	} {
		p.say(line + "\n")
		if got := p.until(helpText); !strings.HasPrefix(got, want) {
			t.Errorf("%.40q: got %q", line, got)
		}
	}
	p.say("help\n")
	p.expect(helpText)
	p.say(strings.Repeat("x", requestMax+1))
	p.closed()
}

func TestTextSend(t *testing.T) {
	b := newBench(t)
	b.begin("A", "AB")
	o := b.run(Config{Kind: KindText, Send: "csv bench"})
	p := o.connect()
	p.expect(csvHeader)
	b.reading(3, 4)
	p.expect(row(0, 0, 1, 0, "3,4"))
	// "echo csv bench | nc" sends no more and reads on.
	if err := p.conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	b.reading(5, 6)
	p.expect(row(1, 1, 1, 1, "5,6"))
	b.reading(7, 8)
	p.expect(row(2, 2, 1, 2, "7,8"))
	o.end()
	p.closed()
}

// A request of the configuration that cannot be served is answered as one that
// the client made: it is not turned away without a word.
func TestTextSendRefused(t *testing.T) {
	b := newBench(t)
	b.begin("A", "AB")
	p := b.run(Config{Kind: KindText, Send: "csv bench --every 1ms"}).connect()
	p.expect("error: a bin is shorter than the gates: those of pi/bench last 100ms, and bins 1ms; ask for --every 100ms or more\n")
	p.until(helpText)
	p.say("csv bench\n")
	p.expect(csvHeader)
}

// When rows cannot go on, the client gets those before, then why. One that will
// not ask again is let go.
func TestTextRowsEnd(t *testing.T) {
	b := newBench(t)
	b.begin("A", "AB")
	o := b.run(Config{Kind: KindText})
	p := o.connect()
	p.say("csv bench --every 200ms\n")
	p.expect(csvHeader)
	if err := p.conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	b.reading(1, 2)
	b.long(time.Second, 3, 4)
	p.until("short,1,2\n")
	p.expect("error: a bin is shorter than the gates: those of pi/bench last 1s, and bins 200ms; ask for --every 1s or more\n")
	p.closed()
}

// Rows that were read before the gateway ends are sent.
func TestTextEnd(t *testing.T) {
	b := newBench(t)
	b.begin("A", "AB")
	o := b.run(Config{Kind: KindText})
	p := o.connect()
	p.say("csv bench --every 1h\n")
	p.expect(csvHeader)
	b.reading(3, 4)
	o.end()
	if got := p.until("\n"); !strings.HasSuffix(got, ",short,3,4\n") {
		t.Errorf("got %q", got)
	}
	p.closed()
}

// A client that asks and asks and reads nothing is let go.
func TestTextUnread(t *testing.T) {
	q := newQueue()
	for range answerBytes / len(helpText) {
		if err := q.answer([]byte(helpText)); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.answer([]byte(helpText)); err != errUnread {
		t.Errorf("got %v", err)
	}
}

// asked is a controller that remembers what it was asked for.
type asked struct {
	from  net.Addr
	list  []protocol.Request
	reply protocol.Reply
}

func (a *asked) Do(_ context.Context, from net.Addr, r protocol.Request) protocol.Reply {
	a.from, a.list = from, append(a.list, r)
	return a.reply
}

func TestSerpy2Requests(t *testing.T) {
	b := newBench(t)
	control := &asked{reply: protocol.Reply{Settings: []protocol.DeviceSetting{
		{Key: "gate", Value: "100ms"}, {Key: "threshold", Value: "0.5", Unit: "V"}}}}
	o := b.run(Config{Kind: KindSerpy2, Name: "old", Stream: "bench", AnswersOnly: true, AllowSet: true}, func(d *Deps) { d.Control = control })
	p := o.connect()
	ask := func(typ byte, data string) string {
		t.Helper()
		p.say(string(appendSerpy2Block(nil, typ, []byte(data))))
		var got string
		var r serpy2Reader
		one := make([]byte, 1)
		for n := 0; n == 0; {
			if _, err := p.conn.Read(one); err != nil {
				t.Fatal(err)
			}
			if err := r.take(one, func(typ byte, data []byte) { got, n = string(data), 1 }); err != nil {
				t.Fatal(err)
			}
		}
		return got
	}
	if got := ask(serpy2Text, "?"); got != "error: there is no reading yet" {
		t.Errorf("?: got %q", got)
	}
	b.begin("A", "AB")
	b.reading(5712, 30)
	o.wait(func() bool { return strings.HasPrefix(o.latest.text(), "A=57120.000 AB=300.000 age_s=") })
	if got := ask(serpy2Text, " ? \n"); !strings.HasPrefix(got, "A=57120.000 AB=300.000 age_s=") {
		t.Errorf("?: got %q", got)
	}
	if got := ask(serpy2Text, "get"); got != "gate=100ms\nthreshold=0.5 V" {
		t.Errorf("get: got %q", got)
	}
	if got := ask(serpy2Text, "set gate = 200ms"); got != "gate=100ms\nthreshold=0.5 V" {
		t.Errorf("set: got %q", got)
	}
	if r := control.list[1]; r.Do != protocol.DoSet || r.Device != "bench" || r.Key != "gate" || r.Value != "200ms" || r.Who != "output old" ||
		control.from.String() != p.conn.LocalAddr().String() {
		t.Errorf("asked %+v from %v", r, control.from)
	}
	control.reply = protocol.Reply{Code: protocol.ReplyBusy, Text: "somebody measures"}
	if got := ask(serpy2Text, "set gate=1s"); got != "error: somebody measures" {
		t.Errorf("set: got %q", got)
	}
	for _, one := range []struct {
		typ        byte
		data, want string
	}{
		{serpy2Text, "set gate", "error: expected set KEY=VALUE"},
		{serpy2Text, "hello", `error: not understood: "hello" (expected csv, ndjson, stop, list or help)` + "\n" + serpy2Help},
		{serpy2Integer, "\x01\x00\x00\x00\x00\x00\x00\x00", "error: only text is understood here\n" + serpy2Help},
		{serpy2Float, "0x1p+00", "error: only text is understood here\n" + serpy2Help},
		{serpy2Bytes, "\x80\x04.", "error: only text is understood here\n" + serpy2Help},
		{serpy2Text, "\xff", "error: only text is understood here\n" + serpy2Help},
		{serpy2Text, "list", "bench"},
		{serpy2Text, "csv bench", strings.TrimSuffix(csvHeader, "\n") + "\n"},
	} {
		if got := ask(one.typ, one.data); strings.TrimSuffix(got, "\n") != strings.TrimSuffix(one.want, "\n") {
			t.Errorf("%q: got %q, want %q", one.data, got, one.want)
		}
	}
	b.reading(1, 2)
	p.expect(string(serpy2TextBlock([]byte(row(1, 0, 1, 1, "1,2")))))
	p.say("GET / HTTP/1.1\r\n\r\n")
	p.until(`begins with 47 45 54 20 2F (expected DE CA FE CA FE)`)
	p.closed()
}

func TestSerpy2WithoutRights(t *testing.T) {
	b := newBench(t)
	none := &serpy2{output: b.run(Config{Kind: KindSerpy2, Stream: "bench"}).Output}
	if got := none.reply(nil, "get gate"); got != "error: this gateway has no control" {
		t.Errorf("got %q", got)
	}
	control := &asked{}
	none.output.deps.Control = control
	if got := none.reply(nil, "set gate=1s"); got != "error: output serpy2 does not allow set (allow_set = true in its configuration does)" || len(control.list) > 0 {
		t.Errorf("got %q, asked %v", got, control.list)
	}
}

func FuzzRequest(f *testing.F) {
	for _, line := range []string{"csv bench --every 1s", "ndjson a,b --merge --every=2s", "csv --tz Europe/Vienna --correct dark,dead", "help", "csv -- --x", "stop now"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		q, err := parseRequest(line)
		if err != nil {
			if err.Error() == "" {
				t.Error("an empty error")
			}
			return
		}
		again, err := parseRequest(line)
		if err != nil || again.verb != q.verb || len(again.streams) != len(q.streams) {
			t.Errorf("%q: %+v, then %+v, %v", line, q, again, err)
		}
		switch q.verb {
		case verbCSV, verbNDJSON, verbStop, verbList, verbHelp:
		default:
			t.Errorf("%q: verb %q", line, q.verb)
		}
		if !q.view.From.IsZero() || !q.view.To.IsZero() {
			t.Errorf("%q: not live", line)
		}
	})
}
