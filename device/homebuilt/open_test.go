package homebuilt

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"photongate/device"
	"photongate/device/devicetest"
)

const settable = head + `
[open]
ask = "?\n"
answer = "COUNTER"
send = ["INIT\n"]
[poll]
send = "R\n"
every = "100ms"
[text]
errors = ['^ERR']
skip = ['^note']
[[channel]]
name = "n"
[[setting]]
name = "threshold"
kind = "number"
unit = "V"
min = 0
max = 5
command = "T{threshold:.2}\n"
answer = '^OK$'
read = "T?\n"
read_answer = '^T (\S+)$'
live = true
[[setting]]
name = "shutter"
kind = "duration"
unit = "1ms"
default = "20ms"
command = "S{shutter}\n"
[[example]]
bytes = "12\r\n"
readings = [[12]]
`

// box is an instrument as settable describes it: it keeps what it was told.
type box struct {
	heard     []string
	threshold string
	stubborn  bool   // it acknowledges a threshold and keeps its own
	refuses   string // what it says to a threshold instead of OK
	silentT   bool   // it does not tell its threshold
}

func (x *box) play(end *devicetest.End, _ *devicetest.Truth) {
	var got []byte
	buf := make([]byte, 64)
	for k := 1; ; {
		n, err := end.Read(buf, time.Hour)
		if err != nil {
			return
		}
		got = append(got, buf[:n]...)
		for {
			line, rest, found := bytes.Cut(got, []byte("\n"))
			if !found {
				break
			}
			got = bytes.Clone(rest)
			x.heard = append(x.heard, string(line))
			answer := ""
			switch c := string(line); {
			case c == "?":
				answer = "COUNTER 3\r\n"
			case c == "R":
				answer = fmt.Sprintf("note: fine\r\n%d\r\n", k)
				k++
			case c == "T?" && !x.silentT:
				answer = "T " + x.threshold + "\r\n"
			case c == "T?":
			case c[0] == 'T' && x.refuses != "":
				answer = x.refuses
			case c[0] == 'T':
				if !x.stubborn {
					x.threshold = c[1:]
				}
				answer = "OK\r\n"
			}
			if !end.Wait(time.Millisecond) {
				return
			}
			end.Write([]byte(answer))
		}
	}
}

func setting(t *testing.T, d device.Description, key string) device.Setting {
	t.Helper()
	for _, s := range d.Settings {
		if s.Key == key {
			return s
		}
	}
	t.Fatalf("no setting %q in %+v", key, d.Settings)
	return device.Setting{}
}

func TestSettings(t *testing.T) {
	x := &box{threshold: "1.00"}
	g := session(t, settable, device.Settings{"threshold": 0.5, "shutter": 30 * time.Millisecond}, time.Second, x.play, nil)
	if g.openErr != nil || g.readErr != nil || len(g.rows) < 5 {
		t.Fatalf("%v, %v, %d readings", g.openErr, g.readErr, len(g.rows))
	}
	if got := strings.Join(x.heard[:5], " "); got != "? INIT T0.50 T? S30" {
		t.Errorf("it was told %q", got)
	}
	if s := setting(t, g.desc, "threshold"); s.How != device.ReadBack || s.Value != "0.5" || s.Differs() || s.Unit != "V" {
		t.Errorf("%+v", s)
	}
	if s := setting(t, g.desc, "shutter"); s.How != howSent || s.Value != "30ms" {
		t.Errorf("%+v", s)
	}
	if g.desc.Identity != device.Confirmed || g.desc.Unverified {
		t.Errorf("%+v", g.desc)
	}
	for i, f := range g.flags {
		if f != 0 {
			t.Errorf("reading %d is flagged %v", i, f)
		}
	}
}

func TestNothingIsSetUnasked(t *testing.T) {
	x := &box{threshold: "1.25"}
	g := session(t, settable, nil, 300*time.Millisecond, x.play, nil)
	for _, c := range x.heard {
		if c != "?" && c != "INIT" && c != "T?" && c != "R" {
			t.Errorf("it was told %q", c)
		}
	}
	if s := setting(t, g.desc, "threshold"); s.How != device.ReadBack || s.Value != "1.25" || s.Asked != "" {
		t.Errorf("%+v", s)
	}
	if s := setting(t, g.desc, "shutter"); s.How != howAssumed || s.Value != "20ms" {
		t.Errorf("%+v", s)
	}
}

func TestSettingNotTaken(t *testing.T) {
	want := device.Settings{"threshold": 0.5}
	g := session(t, settable, want, time.Second, (&box{threshold: "1.00", stubborn: true}).play, nil)
	if s := setting(t, g.desc, "threshold"); !s.Differs() || s.Value != "1" || s.Asked != "0.5" {
		t.Errorf("kept its own: %+v, %v", s, g.openErr)
	}
	g = session(t, settable, want, time.Second, (&box{threshold: "1.00", refuses: "ERR range\r\n"}).play, nil)
	if !errors.Is(g.openErr, device.ErrSetting) || !strings.Contains(g.openErr.Error(), `the instrument says "ERR range"`) {
		t.Errorf("refused: %v", g.openErr)
	}
	g = session(t, settable, want, time.Second, (&box{threshold: "1.00", silentT: true}).play, nil)
	if s := setting(t, g.desc, "threshold"); s.How != howSent || !g.desc.Unverified || len(g.flags) == 0 || g.flags[0]&device.Unverified == 0 {
		t.Errorf("not told: %+v, flags %v", s, g.flags)
	}
}

// An instrument that restarted with other settings is found when it is asked.
func TestChangedByItself(t *testing.T) {
	x := &box{threshold: "1.00"}
	n := 0
	g := session(t, settable, device.Settings{"threshold": 0.5}, 2*time.Second, x.play, func(src device.Source) {
		n++
		var err error
		switch n {
		case 3:
			if err = src.(device.Checker).Check(); err != nil {
				t.Errorf("nothing changed: %v", err)
			}
		case 6:
			x.threshold = "1.00"
			if err = src.(device.Checker).Check(); !errors.Is(err, device.ErrChanged) || !strings.Contains(err.Error(), "threshold was 0.5 and is 1") {
				t.Errorf("it changed: %v", err)
			}
		case 8:
			x.silentT = true
			if err = src.(device.Checker).Check(); err != nil {
				t.Errorf("it does not answer: %v", err)
			}
		}
	})
	if g.readErr != nil || len(g.rows) < 8 || len(g.gaps) > 0 || n < 8 {
		t.Errorf("%v: %d readings, gaps %+v", g.readErr, len(g.rows), g.gaps)
	}
}

// A live setting is changed between two readings, and none of these is lost.
func TestSetWhileRead(t *testing.T) {
	x := &box{threshold: "1.00"}
	n := 0
	g := session(t, settable, nil, 2*time.Second, x.play, func(src device.Source) {
		if n++; n != 5 {
			return
		}
		s, err := src.(device.Setter).Set("threshold", 2.5)
		if err != nil || s.Value != "2.5" || s.How != device.ReadBack {
			t.Errorf("%+v, %v", s, err)
		}
		if _, err := src.(device.Setter).Set("shutter", time.Second); !errors.Is(err, device.ErrSetting) {
			t.Errorf("what is not live: %v", err)
		}
	})
	if g.readErr != nil || x.threshold != "2.50" || setting(t, g.desc, "threshold").Value != "2.5" {
		t.Errorf("%v, threshold %s", g.readErr, x.threshold)
	}
	for i := 1; i < len(g.rows); i++ {
		if g.rows[i][0] != g.rows[i-1][0]+1 {
			t.Errorf("reading %d counts %d behind %d", i, g.rows[i][0], g.rows[i-1][0])
		}
	}
	if len(g.gaps) > 0 || len(g.rows) < 15 {
		t.Errorf("%d readings, gaps %+v", len(g.rows), g.gaps)
	}
}

func TestNotThisInstrument(t *testing.T) {
	g := session(t, settable, nil, time.Second, func(end *devicetest.End, _ *devicetest.Truth) {
		buf := make([]byte, 8)
		for {
			if _, err := end.Read(buf, time.Hour); err != nil {
				return
			}
			end.Write([]byte("SCOPE 1\r\n"))
		}
	}, nil)
	if !errors.Is(g.openErr, device.ErrNonsense) || !strings.Contains(g.openErr.Error(), `expected "COUNTER" in the answer`) {
		t.Errorf("%v", g.openErr)
	}
}

// An instrument that restarts when it is opened is waited for, and what it says
// meanwhile is no reading.
func TestRestartAtOpening(t *testing.T) {
	f := strings.Replace(freeText, "[gate]", "[open]\nsettle = \"2s\"\n[gate]", 1)
	g := session(t, f, nil, time.Second, func(end *devicetest.End, _ *devicetest.Truth) {
		end.Write([]byte("5,6\r\nboot\x00\xff\r\n"))
		end.Wait(2100 * time.Millisecond)
		for k := uint64(1); end.Wait(100 * time.Millisecond); k++ {
			end.Write(line(values(k, 2)))
		}
	}, nil)
	if g.openErr != nil || len(g.rows) < 5 || g.rows[0][0] != values(1, 2)[0] || len(g.gaps) > 0 {
		t.Errorf("%v: %v, gaps %+v", g.openErr, g.rows, g.gaps)
	}
}

// One that gives a reading a minute is not waited for.
func TestSlowInstrument(t *testing.T) {
	f := strings.Replace(freeText, `"100ms"`, `"60s"`, 1)
	g := session(t, f, nil, 200*time.Second, func(end *devicetest.End, _ *devicetest.Truth) {
		for k := uint64(1); end.Wait(time.Minute); k++ {
			end.Write(line(values(k, 2)))
		}
	}, nil)
	if g.openErr != nil || g.readErr != nil || len(g.rows) < 2 || !strings.Contains(g.events[0].Text, "no reading came in the first") {
		t.Errorf("%v, %v: %v, %+v", g.openErr, g.readErr, g.rows, g.events)
	}
}

// One that goes on with lines that cannot be read is given up, showing the last.
func TestGivenUp(t *testing.T) {
	g := session(t, freeText, nil, time.Minute, func(end *devicetest.End, _ *devicetest.Truth) {
		for k := uint64(1); end.Wait(100 * time.Millisecond); k++ {
			if k < 10 {
				end.Write(line(values(k, 2)))
			} else {
				end.Write([]byte("1;2;3\r\n"))
			}
		}
	}, nil)
	if !errors.Is(g.readErr, device.ErrNonsense) || !strings.Contains(g.readErr.Error(), `20 in a row cannot be read, the last one: line "1;2;3"`) {
		t.Errorf("%v", g.readErr)
	}
}

// A line in whose middle the instrument pauses is none, and the reader is told what
// to change.
func TestLineInTwo(t *testing.T) {
	play := func(end *devicetest.End, _ *devicetest.Truth) {
		for k := uint64(1); end.Wait(150 * time.Millisecond); k++ {
			end.Write([]byte("7"))
			if !end.Wait(150 * time.Millisecond) {
				return
			}
			end.Write(fmt.Appendf(nil, ",%d\r\n", k))
		}
	}
	g := session(t, strings.Replace(freeText, `"100ms"`, `"300ms"`, 1), nil, 5*time.Second, play, nil)
	if !errors.Is(g.openErr, device.ErrNonsense) || !strings.Contains(g.openErr.Error(), "without a line end, and then silence for 100ms (drain under [open]") {
		t.Errorf("%v", g.openErr)
	}
	patient := strings.Replace(freeText, "[gate]\ntime = \"100ms\"", "[open]\ndrain = \"200ms\"\n[gate]\ntime = \"300ms\"", 1)
	g = session(t, patient, nil, 5*time.Second, play, nil)
	if g.openErr != nil || g.readErr != nil || len(g.rows) < 10 || len(g.gaps) > 0 {
		t.Errorf("%v, %v: %d readings, gaps %+v", g.openErr, g.readErr, len(g.rows), g.gaps)
	}
}

// modem is a port that has lines to set.
type modem struct {
	device.Port
	dtr, rts string
}

func (m *modem) SetDTR(on bool) error { m.dtr = fmt.Sprint(on); return nil }
func (m *modem) SetRTS(on bool) error { m.rts = fmt.Sprint(on); return nil }

func TestModemLines(t *testing.T) {
	f := parse(t, strings.Replace(freeText, "baud = 115200", "baud = 115200\ndtr = false", 1))
	devicetest.Bubble(t, sends(2, line), func(p device.Port) {
		m := &modem{Port: p}
		src, err := Driver(f).Open(t.Context(), device.OpenRequest{Port: m, Clock: devicetest.Clock})
		if err != nil {
			t.Fatal(err)
		}
		_ = src.Close()
		if m.dtr != "false" || m.rts != "" {
			t.Errorf("DTR %q, RTS %q", m.dtr, m.rts)
		}
	})
}

func TestKeptGoing(t *testing.T) {
	var heard []byte
	f := strings.Replace(freeText, "[gate]", "[keep_alive]\nsend = \"k\"\nevery = \"300ms\"\n[gate]", 1)
	g := session(t, f, nil, 3*time.Second, func(end *devicetest.End, _ *devicetest.Truth) {
		buf := make([]byte, 8)
		for k := uint64(1); ; k++ {
			n, err := end.Read(buf, 100*time.Millisecond)
			if err != nil && !errors.Is(err, device.ErrTimeout) {
				return
			}
			heard = append(heard, buf[:n]...)
			if n == 0 {
				end.Write(line(values(k, 2)))
			}
		}
	}, nil)
	if g.openErr != nil || len(heard) < 8 || strings.Trim(string(heard), "k") != "" {
		t.Errorf("%v: it was sent %q", g.openErr, heard)
	}
}

// What a driver says of itself follows from the file.
func TestDriver(t *testing.T) {
	d := Driver(parse(t, settable))
	if d.Identity != device.Confirmed || d.Line.Baud != 115200 || !d.Inputs.May("n") || !d.Inputs.May("column 1") || d.Inputs.May("m") {
		t.Errorf("%+v", d)
	}
	if len(d.Options) != 3 || d.Options[0].Max != 5 || !d.Options[0].Live || d.Options[1].Default != "20ms" || d.Options[2].Name != gateOption {
		t.Errorf("options %+v", d.Options)
	}
	if err := d.Options[1].Check(time.Duration(-1)); err == nil {
		t.Error("a duration of less than nothing is taken")
	}
	even := parse(t, strings.Replace(freeText, "baud = 115200", "baud = 9600\nparity = \"even\"\ndata_bits = 7\nstop_bits = 2", 1))
	if got := Driver(even).Line.String(); got != "9600 7E2" {
		t.Errorf("line %s", got)
	}
	if d := Driver(parse(t, freeText)); d.Identity != device.Assumed || len(d.Options) != 0 {
		t.Errorf("%+v", d)
	}
}
