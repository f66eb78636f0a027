package cc1

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/sim"
	"photongate/sim/bench"
)

func newUnit(t testing.TB, ratesHz []float64, o Options, pairs ...sim.Pair) *Unit {
	t.Helper()
	light, err := bench.Light(Inputs(), ratesHz, pairs...)
	if err != nil {
		t.Fatal(err)
	}
	o.Light = light
	u, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func newBench(t testing.TB, ratesHz []float64, o Options, pairs ...sim.Pair) *bench.Bench {
	t.Helper()
	return bench.New(newUnit(t, ratesHz, o, pairs...))
}

var (
	newer     = Options{}
	withAcks  = Options{Settings: Settings{Acks: true}}
	older     = Options{Firmware: "2.001"}
	msUnits   = Options{Units: UnitsMs}
	oldMs     = Options{Firmware: "2.001", Units: UnitsMs}
	oldWrong  = Options{Firmware: "2", Units: UnitsSecond}
	withCRLF  = Options{CRLF: true}
	gateIsLow = Options{GateLow: true}
)

func TestReplies(t *testing.T) {
	for name, c := range map[string]struct {
		options   Options
		ask, want string
	}{
		"firmware":                  {newer, "FIRM?\n", "Firmware v2.010\n"},
		"firmware of two numbers":   {Options{Firmware: "2"}, "FIRM?\n", "Firmware v2\n"},
		"firmware of three":         {Options{Firmware: "2.010.1"}, "FIRM?\n", "Firmware v2.010.1\n"},
		"carriage return":           {newer, "FIRM?\r\n", "Firmware v2.010\n"},
		"crlf":                      {withCRLF, "FIRM?\n", "Firmware v2.010\r\n"},
		"counts":                    {newer, "COUN:C1?\nCOUN:C2?\nCOUN:CO?\n", "0\n0\n0\n"},
		"set commands are silent":   {newer, "CLEA\n:DWEL 2\n:GATE:ON\n:SUBT:ON\n:TRIG:MODE STOP\n:WIND 3\n:DELA 4\n:COUN:ON\n:ACKN ON\n", ""},
		"empty line":                {newer, "\n\r\n \n", ""},
		"dwell in seconds":          {newer, ":DWEL 8\nDWEL?\n", "8\n"},
		"dwell half":                {newer, ":DWEL 0.5\nDWEL?\n", "0.5\n"},
		"dwell as a float":          {newer, ":DWEL 2.0\nDWEL?\n", "2\n"},
		"dwell, old":                {older, ":DWEL 8\nDWEL?\n", "8000\n"},
		"dwell, units":              {msUnits, ":DWEL 0.5\nDWEL?\nWIND?\nDELA?\n", "500 ms\n7 ns\n0 ns\n"},
		"dwell, old units":          {oldMs, "DWEL?\n", "1000 ms\n"},
		"dwell, old and wrong":      {oldWrong, ":DWEL 2\nDWEL?\n", "2000 s\n"},
		"dwell out of range":        {newer, ":DWEL 0.05\n:DWEL 31\n:DWEL -1\n:DWEL x\n:DWEL\nDWEL?\n", strings.Repeat("Unable to comply\n", 5) + "1\n"},
		"dwell of no number":        {newer, ":DWEL NaN\n:DWEL 1e1\n:DWEL 1.2.3\n", strings.Repeat("Unable to comply\n", 3)},
		"gate":                      {newer, "GATE?\n:GATE:ON\nGATE?\n:GATE:OFF\nGATE?\n", "OFF\nON\nOFF\n"},
		"gate, old":                 {older, "GATE?\n:GATE 1\nGATE?\n:GATE 0\nGATE?\n", "0\n1\n0\n"},
		"gate, wrong generation":    {newer, ":GATE 1\nGATE?\n", "Unknown Command\nOFF\n"},
		"gate, wrong for the old":   {older, ":GATE:ON\nGATE?\n", "Unknown Command\n0\n"},
		"subtract":                  {newer, ":SUBT:ON\nSUBT?\n:SUBT:OFF\nSUBT?\n", "ON\nOFF\n"},
		"subtract, old":             {older, ":SUBT 1\nSUBT?\n:SUBT 0\nSUBT?\n", "1\n0\n"},
		"trigger":                   {newer, "TRIG?\n:TRIG:MODE STOP\nTRIG?\n:TRIG:MODE CONT\nTRIG?\n", "MODE CONT\nMODE STOP\nMODE CONT\n"},
		"trigger, old":              {older, "TRIG?\n:TRIG 1\nTRIG?\n:TRIG 0\nTRIG?\n", "0\n1\n0\n"},
		"window":                    {newer, ":WIND 0\nWIND?\n:WIND 8\nWIND?\n:WIND 9\nWIND?\n", "0\n8\nUnable to comply\n8\n"},
		"window between":            {newer, ":WIND 1.5\n:WIND 3.0\nWIND?\n", "Unable to comply\n3\n"},
		"delay":                     {newer, ":DELA 14\nDELA?\n:DELA 3\n:DELA 16\nDELA?\n", "14\nUnable to comply\nUnable to comply\n14\n"},
		"unknown":                   {newer, "*IDN?\nhello\nfirm?\n", "Unknown Command\nUnknown Command\nUnknown Command\n"},
		"acks already off":          {newer, ":ACKN OF\n", ""},
		"acks were on":              {withAcks, ":ACKN OF\n:ACKN OF\nFIRM?\n", ":ACKN OF\nFirmware v2.010\n"},
		"acks, old":                 {older, ":ACKN OF\n:ACKN ON\n", "Unknown Command\nUnknown Command\n"},
		"acks off: empty":           {Options{AckOff: ReplyEmpty}, ":ACKN OF\n", "\n"},
		"acks off: unknown":         {Options{AckOff: ReplyUnknown}, ":ACKN OF\n", "Unknown Command\n"},
		"acks off: echo":            {Options{AckOff: ReplyEcho}, ":ACKN OF\n:ACKN OF\n", ":ACKN OF\n:ACKN OF\n"},
		"acks off: silent":          {Options{Firmware: "2.001", AckOff: ReplySilent}, ":ACKN OF\n", ""},
		"acks on, then off":         {Options{AckOff: ReplyEmpty, Settings: Settings{Acks: true}}, ":ACKN OF\n:ACKN OF\n", ":ACKN OF\n\n"},
		"acks switched on":          {newer, ":ACKN ON\nDWEL?\n:DWEL 2\n:DWEL x\n", "DWEL?\n1\n:DWEL 2\n:DWEL x\nUnable to comply\n"},
		"acks on twice":             {withAcks, ":ACKN ON\nDWEL?\n", "DWEL?\n1\n"},
		"acks with carriage return": {withAcks, "COUN:C1?\r\n", "COUN:C1?\n0\n"},
		"version first unknown":     {Options{FirmUnknown: 1}, "FIRM?\nFIRM?\n", "Unknown Command\nFirmware v2.010\n"},
		"much too long":             {newer, strings.Repeat("x", 5000) + "\nFIRM?\n", "Unknown Command\nFirmware v2.010\n"},
		"no end":                    {newer, "FIRM?", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := newBench(t, nil, c.options).Ask(c.ask); got != c.want {
				t.Errorf("%q was answered %q, expected %q", c.ask, got, c.want)
			}
		})
	}
}

// 3.0 and 3.1 came after 2.2, whatever their second number.
func TestGenerationFollowsFromTheVersion(t *testing.T) {
	for version, old := range map[string]bool{
		"1.9": true, "2": true, "2.0": true, "2.001": true, "2.1": true, "2.001.9": true,
		"2.2": false, "2.010": false, "2.010.1": false, "3": false, "3.0": false, "3.1": false,
	} {
		want := "OFF\n"
		if old {
			want = "0\n"
		}
		if got := newBench(t, nil, Options{Firmware: version}).Ask("GATE?\n"); got != want {
			t.Errorf("version %s answers GATE? with %q, expected %q", version, got, want)
		}
	}
	if got := newBench(t, nil, Options{Firmware: "2.010", Commands: CommandsOld}).Ask("GATE?\n"); got != "0\n" {
		t.Errorf("2.010 told to be old answers %q", got)
	}
}

// number reads the answer to one query.
func number(t *testing.T, b *bench.Bench, query string) int {
	t.Helper()
	text := b.Ask(query + "\n")
	n, err := strconv.Atoi(strings.TrimSuffix(text, "\n"))
	if err != nil {
		t.Fatalf("%s: %q", query, text)
	}
	return n
}

func near(t *testing.T, what string, got, want int) {
	t.Helper()
	if slack := want/20 + 1; got < want-slack || got > want+slack {
		t.Errorf("%s: %d, expected about %d", what, got, want)
	}
}

func TestTotalsRunUpAndAreClearedAfterTheDwell(t *testing.T) {
	b := newBench(t, []float64{1e5, 2e5}, newer, sim.Pair{A: 0, B: 1, RateHz: 5e4})
	b.Wait(500 * time.Millisecond)
	near(t, "half a dwell", number(t, b, "COUN:C1?"), 50_000)
	near(t, "C2", number(t, b, "COUN:C2?"), 100_000)
	near(t, "CO", number(t, b, "COUN:CO?"), 25_000)
	b.Wait(450 * time.Millisecond)
	near(t, "most of a dwell", number(t, b, "COUN:C1?"), 95_000)
	b.Wait(100 * time.Millisecond)
	near(t, "after a clear", number(t, b, "COUN:C1?"), 5_000)
	b.Wait(10 * time.Second)
	near(t, "ten dwells later", number(t, b, "COUN:C1?"), 5_000)
	b.Write("CLEA\n")
	b.Wait(900 * time.Millisecond)
	near(t, "cleared by hand", number(t, b, "COUN:C1?"), 90_000)
}

// Reading clears nothing.
func TestReadingTwiceGivesTheSame(t *testing.T) {
	b := newBench(t, []float64{1e5, 1e5}, newer)
	b.Wait(300 * time.Millisecond)
	if first, second := number(t, b, "COUN:C1?"), number(t, b, "COUN:C1?"); first != second || first == 0 {
		t.Errorf("read %d, then %d", first, second)
	}
}

func TestStartStop(t *testing.T) {
	for _, c := range []struct {
		options      Options
		stop, begins string
	}{
		{newer, ":TRIG:MODE STOP\n", "CLEA\n"},
		{newer, ":TRIG:MODE STOP\n", ":COUN:ON\n"},
		{older, ":TRIG 1\n", "CLEA\n"},
	} {
		b := newBench(t, []float64{1e5, 1e5}, c.options)
		b.Write(c.stop + ":DWEL 0.5\n" + c.begins)
		b.Wait(10 * time.Second)
		first := number(t, b, "COUN:C1?")
		near(t, "half a second", first, 50_000)
		b.Wait(time.Second)
		if again := number(t, b, "COUN:C1?"); again != first {
			t.Errorf("a stopped counter went from %d to %d", first, again)
		}
		number(t, b, "COUN:C2?")
		if len(b.Rows) != 1 || b.Rows[0].After != 500*time.Millisecond || b.Rows[0].Values[0] != uint64(first) {
			t.Errorf("one stopped gate has the truth %v", b.Rows)
		}
		b.Write(c.begins)
		b.Wait(100 * time.Millisecond)
		near(t, "a tenth of a second", number(t, b, "COUN:C1?"), 10_000)
	}
}

// A dwell time begins with the mode.
func TestNewTriggerModeBeginsAnew(t *testing.T) {
	b := newBench(t, []float64{1e5, 1e5}, newer)
	b.Wait(700 * time.Millisecond)
	b.Write(":TRIG:MODE STOP\n")
	b.Wait(500 * time.Millisecond)
	near(t, "half a second", number(t, b, "COUN:C1?"), 50_000)
}

func TestCountingOff(t *testing.T) {
	b := newBench(t, []float64{1e5, 1e5}, newer)
	b.Wait(100 * time.Millisecond)
	b.Write(":COUN:OFF\n")
	b.Wait(5 * time.Second)
	near(t, "a tenth of a second", number(t, b, "COUN:C1?"), 10_000)
}

func TestGateInput(t *testing.T) {
	b := newBench(t, []float64{1e5, 1e5}, gateIsLow)
	b.Wait(100 * time.Millisecond)
	near(t, "gate off", number(t, b, "COUN:C1?"), 10_000)
	b.Write(":GATE:ON\nCLEA\n")
	b.Wait(100 * time.Millisecond)
	if got := number(t, b, "COUN:C1?"); got != 0 {
		t.Errorf("with the gate closed it counted %d", got)
	}
}

// 1e6 x 1e6 x 7 ns are 7000 accidentals a second.
func TestAccidentalsAreSubtracted(t *testing.T) {
	light, err := sim.NewLight(sim.LightSettings{Inputs: Inputs(), RatesHz: []float64{1e6, 1e6}, Window: 7 * time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	u, err := New(Options{Light: light})
	if err != nil {
		t.Fatal(err)
	}
	b := bench.New(u)
	b.Wait(900 * time.Millisecond)
	near(t, "with accidentals", number(t, b, "COUN:CO?"), 6300)
	b.Write(":SUBT:ON\n")
	if got := number(t, b, "COUN:CO?"); got > 300 {
		t.Errorf("without accidentals %d are left", got)
	}
}

func TestTruthHasWhatWasSaid(t *testing.T) {
	b := newBench(t, []float64{1e5, 2e5}, newer)
	var want []bench.Row
	for i := range 3 {
		b.Wait(130 * time.Millisecond)
		n := number(t, b, "COUN:C"+strconv.Itoa(1+i%2)+"?")
		row := b.Rows[len(b.Rows)-1]
		if row.Values[i%2] != uint64(n) {
			t.Errorf("said %d, the truth is %v", n, row)
		}
		want = append(want, bench.Row{After: time.Duration(i+1) * 130 * time.Millisecond, Values: row.Values})
	}
	if diff := cmp.Diff(b.Rows, want); diff != "" {
		t.Errorf("truth (-got +want):\n%s", diff)
	}
}

func TestDistinct(t *testing.T) {
	b := newBench(t, []float64{1e5, 2e5}, Options{Distinct: true, Left: []string{":TRIG:MODE STOP"}})
	for i, want := range []int{1_000_001, 1_000_002, 1_000_003} {
		b.Wait([]time.Duration{900, 1000, 2000}[i] * time.Millisecond)
		if got := number(t, b, "COUN:C1?"); got != want {
			t.Errorf("reading %d of C1 is %d, expected %d", i, got, want)
		}
		b.Write("CLEA\n")
	}
	b = newBench(t, []float64{1e5, 2e5}, Options{Distinct: true})
	b.Wait(900 * time.Millisecond)
	full := number(t, b, "COUN:C1?")
	b.Wait(200 * time.Millisecond)
	if got := number(t, b, "COUN:C1?"); got >= full {
		t.Errorf("C1 was %d, and %d after it was cleared in continuous mode", full, got)
	}
}

func TestFaultsOfItsOwn(t *testing.T) {
	b := newBench(t, []float64{1e5, 1e5}, Options{Settings: Settings{Acks: true}, FirmUnknown: 1})
	b.Event(sim.Event{Kind: sim.Refuse})
	if got := b.Ask("DWEL?\nDWEL?\n"); got != "DWEL?\nUnable to comply\nDWEL?\n1\n" {
		t.Errorf("refused: %q", got)
	}
	b.Write(":DWEL 2\n:ACKN OF\nFIRM?\n")
	b.Text()
	b.Event(sim.Event{Kind: sim.Reboot, For: time.Second})
	b.Wait(999 * time.Millisecond)
	if got := b.Ask("FIRM?\n"); got != "" {
		t.Errorf("while it starts it says %q", got)
	}
	b.Wait(time.Millisecond)
	if got := b.Ask("FIRM?\nDWEL?\nCOUN:C1?\n"); got != "Unknown Command\n2\n0\n" {
		t.Errorf("after a restart it says %q", got)
	}
}

func TestForgets(t *testing.T) {
	b := newBench(t, nil, Options{Forgets: true, Settings: Settings{Acks: true}})
	b.Ask(":ACKN OF\n:DWEL 2\n")
	b.Event(sim.Event{Kind: sim.Reboot})
	if got := b.Ask("DWEL?\n"); got != "DWEL?\n1\n" {
		t.Errorf("after a restart: %q", got)
	}
}

func TestLeftSettings(t *testing.T) {
	b := newBench(t, nil, Options{Left: []string{":TRIG:MODE STOP", ":DWEL 5", ":ACKN ON"}})
	if got := b.Ask("TRIG?\nDWEL?\n"); got != "TRIG?\nMODE STOP\nDWEL?\n5\n" {
		t.Errorf("left: %q", got)
	}
}

func TestReplyDelay(t *testing.T) {
	b := newBench(t, nil, Options{ReplyDelay: 200 * time.Millisecond})
	if got := b.Ask("FIRM?\n"); got != "" {
		t.Errorf("at once: %q", got)
	}
	b.Wait(200 * time.Millisecond)
	if got := b.Text(); got != "Firmware v2.010\n" {
		t.Errorf("after 200 ms: %q", got)
	}
}

// A crystal fast by a tenth ends a dwell of 1 s after 0.909 s.
func TestCrystalTimesTheDwell(t *testing.T) {
	b := newBench(t, []float64{1e5, 1e5}, Options{FastPPM: 99_999})
	b.Wait(905 * time.Millisecond)
	near(t, "before the end", number(t, b, "COUN:C1?"), 90_500)
	b.Wait(10 * time.Millisecond)
	near(t, "after the end", number(t, b, "COUN:C1?"), 590)
}

func TestNewRefuses(t *testing.T) {
	light, err := bench.Light(Inputs(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for want, o := range map[string]Options{
		"must have the inputs 1 and 2":      {},
		"expected numbers such as 2.010":    {Light: light, Firmware: "new"},
		"version \"2.x\"":                   {Light: light, Firmware: "2.x"},
		"expected auto, old or new":         {Light: light, Commands: "both"},
		"expected none, ms or s":            {Light: light, Units: "min"},
		"auto, echo, empty, unknown or sil": {Light: light, AckOff: "loud"},
		"expected within 100000":            {Light: light, FastPPM: 1e6},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, expected one with %q", err, want)
		}
	}
	u := newUnit(t, nil, newer)
	if err := u.CheckFault(sim.Fault{Kind: sim.FaultOverflow}); err == nil || !strings.Contains(err.Error(), "cc1 has no overflow") {
		t.Errorf("an overflow: %v", err)
	}
}

// However the bytes are cut, the answers are the same.
func FuzzCommandsInPieces(f *testing.F) {
	f.Add([]byte("FIRM?\n:DWEL 2\nDWEL?\n"), 3)
	f.Add([]byte(":ACKN ON\r\n:WIND 9\n:GATE 1\n"), 9)
	f.Add([]byte("COUN:C1?\nCLEA\n\n\xff\n:DELA 4.0\n"), 20)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		if cut < 0 || cut > len(data) {
			return
		}
		for _, o := range []Options{newer, older, withAcks} {
			whole, pieces := newBench(t, nil, o), newBench(t, nil, o)
			want := whole.Ask(string(data))
			if got := pieces.Ask(string(data[:cut])) + pieces.Ask(string(data[cut:])); got != want {
				t.Errorf("%q: answered %q whole and %q in pieces", data, want, got)
			}
		}
	})
}
