package watch

import (
	"strings"
	"testing"
	"time"

	"photongate/protocol"
	"photongate/protocol/table"
)

const gate = 100 * time.Millisecond

var start = time.Date(2026, 11, 20, 13, 30, 0, 0, time.UTC)

// bench is a board with one stream, and the time.
type bench struct {
	*board
	t    *testing.T
	part table.Part
	sink *sink
	now  time.Time
	base int64 // end of the last gate
}

func newBench(t *testing.T, channels ...protocol.Channel) *bench {
	b := &bench{board: newBoard("pi-lab3", time.Second, nil), t: t, now: start}
	for i := range channels {
		if channels[i].Kind == "" {
			channels[i].Kind = protocol.KindCount
		}
	}
	b.part = table.Part{Gateway: "pi-lab3", Stream: "bench", Epoch: 1, Described: true,
		Desc: protocol.Descriptor{Stream: "bench", GateNs: protocol.Int64(gate), Channels: channels}}
	b.sink = &sink{board: b.board, now: func() time.Time { return b.now }, age: func(*table.Part, int64) (time.Duration, bool) { return 0, false }}
	return b
}

// TestAwaited: until the gateway has dialled in it is told that this is waited for.
func TestAwaited(t *testing.T) {
	b := newBench(t)
	b.setAwaited(":7311")
	for _, want := range []string{"waiting at :7311 for the gateway to dial in ...", "waiting for the first reading ..."} {
		if got := b.screen(80, 24).String(); !strings.Contains(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
		b.setAwaited("")
	}
}

// count adds one gate with these counts.
func (b *bench) count(values ...uint64) { b.row(0, nil, values...) }

func (b *bench) row(flags uint32, valueFlags []uint8, values ...uint64) {
	b.t.Helper()
	b.now = b.now.Add(gate)
	c := protocol.Counts{Begin: []int64{b.base}, Length: []int64{int64(gate)}, Flags: []uint32{flags}}
	for i, v := range values {
		c.Values = append(c.Values, []uint64{v})
		if valueFlags != nil {
			c.ValueFlags = append(c.ValueFlags, []uint8{valueFlags[i]})
		}
	}
	b.base += int64(gate)
	if err := b.sink.Readings(&b.part, 0, &c); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) screen(w, h int) *grid { return b.draw(w, h, b.now, "") }

// A has 5000 counts in each gate of 100 ms, B 4000, AB 40: 50000, 40000 and 400
// per second. In one second 50000 counts have an error of 223.6, accidentals
// within 25 ns are 50000 x 40000 x 25e-9 = 50/s, AB/A is 0.8 %.
func TestNumbers(t *testing.T) {
	b := newBench(t, protocol.Channel{Name: "A"}, protocol.Channel{Name: "B"},
		protocol.Channel{Name: "AB", Of: []string{"A", "B"}, WindowNs: 25})
	for range 30 {
		b.count(5000, 4000, 40)
	}
	text := b.screen(120, 40).String()
	for _, want := range []string{
		"pi-lab3   bench  gate 100ms  0.0 s ago",
		"± 224", "max 50000", "var/mean 0.00", "± 200", "± 20",
		"accidentals 50/s  AB/A 0.80 %  AB/B 1.00 %",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing on\n%s", want, text)
		}
	}
	if v := b.streams[0].meters[0].over(time.Second); v.v != 50000 {
		t.Errorf("A at %v/s, want 50000", v.v)
	}
	b.count(6000, 4000, 40)
	if v := b.streams[0].meters[0].over(gate); v.v != 60000 {
		t.Errorf("over one gate A at %v/s, want 60000", v.v)
	}
	if v := b.streams[0].meters[0].over(time.Second); v.v != 51000 {
		t.Errorf("over one second A at %v/s, want 51000", v.v)
	}
}

func TestDigits(t *testing.T) {
	b := newBench(t, protocol.Channel{Name: "A"})
	for range 10 {
		b.count(1240)
	}
	rows := strings.Split(b.screen(60, 12).String(), "\n")[2:]
	for i, want := range []string{ // 12400
		"  ██    ██████  ██  ██  ██████  ██████",
		"████        ██  ██  ██  ██  ██  ██  ██",
		"  ██    ██████  ██████  ██  ██  ██  ██",
		"  ██    ██          ██  ██  ██  ██  ██",
		"██████  ██████      ██  ██████  ██████ /s",
	} {
		if rows[i] != want {
			t.Errorf("row %d is %q, want %q", i, rows[i], want)
		}
	}
}

func TestBigText(t *testing.T) {
	for _, c := range []struct {
		v, sigma float64
		want     string
	}{
		{52673.4, 229, "52673"}, {99999.4, 300, "99999"}, {99999.6, 300, "100.0k"}, {523412, 700, "523.4k"},
		{999949, 900, "999.9k"}, {999951, 900, "1.000M"}, {16.777e6, 4000, "16.78M"}, {2e12, 1, "?"},
		{12.34, 3.5, "12.3"}, {1.234, 0.1, "1.23"}, {0, 1, "0.0"}, {-3.25, 0.1, "-3.25"}, {7, 20, "7"},
	} {
		if got := bigText(value{true, c.v, c.sigma}); got != c.want {
			t.Errorf("%v ± %v: %q, want %q", c.v, c.sigma, got, c.want)
		}
	}
	if got := bigText(value{}); got != "--" {
		t.Errorf("unknown: %q", got)
	}
}

// colours lists the styles of the digits' cells.
func colours(g *grid) map[style]int {
	n := map[style]int{}
	for _, c := range g.cells {
		if c.r == '█' || c.r == '▀' || c.r == '▄' {
			n[c.s]++
		}
	}
	return n
}

func TestOldIsGrey(t *testing.T) {
	b := newBench(t, protocol.Channel{Name: "A"})
	for range 20 {
		b.count(1000)
	}
	if n := colours(b.screen(80, 24)); n[green] == 0 || n[grey] > 0 {
		t.Errorf("fresh: %v, want all green", n)
	}
	b.now = b.now.Add(3*gate + allowance)
	if n := colours(b.screen(80, 24)); n[grey] > 0 {
		t.Errorf("after three gates: %v, want no grey yet", n)
	}
	b.now = b.now.Add(time.Millisecond)
	g := b.screen(80, 24)
	if n := colours(g); n[green] > 0 || n[grey] == 0 {
		t.Errorf("after more than three gates: %v, want all grey", n)
	}
	if text := g.String(); !strings.Contains(text, "OLD 0.6 s") || !strings.Contains(text, "0.6 s ago") {
		t.Errorf("the age is missing on\n%s", text)
	}
	b.count(1000)
	if n := colours(b.screen(80, 24)); n[grey] > 0 {
		t.Errorf("fresh again: %v", n)
	}
}

func TestTroubles(t *testing.T) {
	above := 60000.0
	b := newBench(t, protocol.Channel{Name: "A", WarnAboveCPS: &above})
	for range 20 {
		b.count(5000)
	}
	if n := colours(b.screen(80, 24)); n[red] > 0 {
		t.Errorf("within limits: %v", n)
	}
	for range 20 {
		b.row(0, []uint8{protocol.ValueOverflow}, 7000)
	}
	g := b.screen(80, 24)
	if n := colours(g); n[red] == 0 || n[green] > 0 {
		t.Errorf("beyond the limit: %v, want red", n)
	}
	if text := g.String(); !strings.Contains(text, "above 60000") || !strings.Contains(text, "OVERFLOW") {
		t.Errorf("reasons are missing on\n%s", text)
	}
	for range 40 {
		b.count(0)
	}
	if text := b.screen(80, 24).String(); !strings.Contains(text, "nothing counted for 4.0 s") {
		t.Errorf("a dead detector is not remarked on:\n%s", text)
	}
	b.setStatus(&protocol.Status{Devices: []protocol.DeviceStatus{
		{Name: "bench", State: "stalled", Cause: "no reading comes", Hint: "is it switched on?",
			Alarms: []protocol.AlarmStatus{{Channel: "A", Kind: "below", On: true, Text: "A counts nothing"}, {Channel: "A", Kind: "above", Text: "was on"}}}}})
	text := b.screen(80, 24).String()
	for _, want := range []string{"bench is STALLED: no reading comes: is it switched on?", "ALARM bench: A counts nothing", "ALARM BELOW"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing on\n%s", want, text)
		}
	}
	if strings.Contains(text, "was on") {
		t.Errorf("an alarm that is over is shown:\n%s", text)
	}
	b.setWarnings([]string{"pi-lab3's clock says 1970-01-01"})
	if text := b.screen(80, 24).String(); !strings.Contains(text, "pi-lab3's clock says 1970-01-01") {
		t.Errorf("the warning is missing on\n%s", text)
	}
	b.setTrouble("no gateway listens")
	g = b.screen(80, 24)
	if n := colours(g); !strings.Contains(g.String(), "NOT CONNECTED: no gateway listens") || n[grey] == 0 || n[green]+n[red] > 0 {
		t.Errorf("not connected: %v\n%s", n, g)
	}
}

func TestTotalsAndValues(t *testing.T) {
	b := newBench(t, protocol.Channel{Name: "N", Kind: protocol.KindTotal, Width: 16},
		protocol.Channel{Name: "T", Kind: protocol.KindAuxiliary, Exponent: -1, Unit: "degC", Signed: true})
	minus := ^uint64(0) - 4 // -5, that is -0.5
	b.count(65000, minus)
	if v := b.streams[0].meters[0].over(time.Second); v.known {
		t.Errorf("a rate from one total: %+v", v)
	}
	b.count(65000+1000-65536, minus) // 1000 more in 0.1 s, over the edge of 16 bits
	if v := b.streams[0].meters[0].over(time.Second); v.v != 10000 {
		t.Errorf("total: %v/s, want 10000", v.v)
	}
	if v := b.streams[0].meters[1].over(time.Second); !v.known || v.v != -0.5 || v.sigma != 0 {
		t.Errorf("temperature: %+v, want -0.5 without an error", v)
	}
}

// The first reading after opening has an unknown begin: it is no rate. An
// absent value is none either.
func TestNoRate(t *testing.T) {
	b := newBench(t, protocol.Channel{Name: "A"})
	b.row(protocol.FlagFirst, nil, 1e6)
	if v := b.streams[0].meters[0].over(time.Second); v.known {
		t.Errorf("a rate of the first reading: %+v", v)
	}
	b.row(0, []uint8{protocol.ValueAbsent}, 1e6)
	if v := b.streams[0].meters[0].over(time.Second); v.known {
		t.Errorf("a rate of an absent value: %+v", v)
	}
}

func TestChoose(t *testing.T) {
	b := newBench(t, protocol.Channel{Name: "A"}, protocol.Channel{Name: "B"}, protocol.Channel{Name: "AB"})
	b.count(1, 2, 3)
	b.channels = []string{"AB", "bench/A", "nope"}
	text := b.screen(80, 24).String()
	if !strings.Contains(text, "no channel fits nope: there are A, B, AB") {
		t.Errorf("no word of the channel that there is not:\n%s", text)
	}
	text = strings.ReplaceAll(text, "there are A, B, AB", "")
	if at, a := strings.Index(text, "AB"), strings.Index(text, "\nA "); at < 0 || a >= 0 && a < at || strings.Contains(text, "\nB ") {
		t.Errorf("want AB, then A, and no B:\n%s", text)
	}
	b.channels = []string{"X*"}
	if text := b.screen(80, 24).String(); !strings.Contains(text, "no channel fits X*: there are A, B, AB") {
		t.Errorf("a choice of nothing:\n%s", text)
	}
}

func TestEverySize(t *testing.T) {
	channels := make([]protocol.Channel, 15)
	values := make([]uint64, 15)
	for i := range channels {
		channels[i] = protocol.Channel{Name: "C" + string(rune('A'+i)), Of: []string{"CA", "CB"}, WindowNs: 25}
		values[i] = uint64(10000 * i)
	}
	b := newBench(t, channels...)
	for range 700 {
		b.count(values...)
	}
	for w := range 90 {
		for h := range 30 {
			g := b.screen(w, h)
			if len(g.cells) != w*h {
				t.Fatalf("%d x %d: %d cells", w, h, len(g.cells))
			}
		}
	}
	if text := b.screen(80, 24).String(); !strings.Contains(text, "140000") && !strings.Contains(text, "CO") {
		t.Errorf("15 channels do not all show on 80 x 24:\n%s", text)
	}
	if text := b.screen(80, 8).String(); !strings.Contains(text, "more: make the window larger") {
		t.Errorf("8 rows for 15 channels:\n%s", text)
	}
}

func TestMaximum(t *testing.T) {
	b := newBench(t, protocol.Channel{Name: "A"})
	for range 20 {
		b.count(9000)
	}
	for range 20 {
		b.count(1000)
	}
	if m := b.streams[0].meters[0]; m.peak != 90000 {
		t.Errorf("maximum %v, want 90000", m.peak)
	}
	b.resetPeaks()
	b.count(1000)
	if m := b.streams[0].meters[0]; m.peak != 10000 {
		t.Errorf("maximum after reset %v, want 10000", m.peak)
	}
}

func TestEvents(t *testing.T) {
	b := newBench(t, protocol.Channel{Name: "A"})
	b.count(1)
	e := table.Event{Event: protocol.Event{What: protocol.EventNote, Who: "ana", Text: "shutter open"}}
	if err := b.sink.Event(&b.part, e); err != nil {
		t.Fatal(err)
	}
	if text := b.screen(80, 24).String(); !strings.Contains(text, "note: shutter open (ana)") {
		t.Errorf("the note is missing on\n%s", text)
	}
	if err := b.sink.Gap(&b.part, table.Gap{Cause: "unplugged"}); err != nil {
		t.Fatal(err)
	}
	if text := b.screen(80, 24).String(); !strings.Contains(text, "1 gap (unplugged)") {
		t.Errorf("the gap is missing on\n%s", text)
	}
}

// However narrow the window is, a number is shown whole or not at all.
func TestNarrow(t *testing.T) {
	b := newBench(t, protocol.Channel{Name: "A"}, protocol.Channel{Name: "AB"})
	for range 20 {
		b.count(5432, 5432)
	}
	for w := 1; w < 40; w++ {
		for _, line := range strings.Split(b.screen(w, 4).String(), "\n")[1:3] {
			digits := strings.Map(func(r rune) rune {
				if r >= '0' && r <= '9' {
					return r
				}
				return -1
			}, strings.Split(line, "/s")[0])
			if digits != "54320" && digits != "" {
				t.Errorf("%d columns show %q", w, line)
			}
		}
		if s := b.screen(w, 24).String(); strings.Contains(s, "▀") && !strings.Contains(s, "/s") {
			t.Errorf("%d columns: digits without their unit\n%s", w, s)
		}
	}
}

// TestForgotten: what the gateway reads no more, as a device that was taken out of its
// configuration, is not shown.
func TestForgotten(t *testing.T) {
	b := newBench(t, protocol.Channel{Name: "A"})
	b.count(1000)
	b.setStatus(&protocol.Status{Devices: []protocol.DeviceStatus{{Name: "bench", State: "running"}}})
	if text := b.screen(80, 24).String(); !strings.Contains(text, "\nA\n") {
		t.Errorf("what is read is not shown:\n%s", text)
	}
	b.setStatus(&protocol.Status{Devices: []protocol.DeviceStatus{{Name: "other", State: "running"}}})
	if text := b.screen(80, 24).String(); strings.Contains(text, "bench") || strings.Contains(text, "\nA\n") {
		t.Errorf("what is read no more is shown:\n%s", text)
	}
}
