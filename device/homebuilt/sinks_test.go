package homebuilt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"photongate/device"
	"photongate/device/devicetest"
	"photongate/device/recording"
	"photongate/device/trial"
)

// got is what was read in a session.
type got struct {
	openErr, readErr error
	desc             device.Description
	rows             [][]uint64
	begin, length    []int64
	live             []int64
	uncertainty      []int64
	flags            []device.ReadingFlags
	valueFlags       [][]device.ChannelFlags
	gaps             []device.Gap
	gapRows          []int
	events           []device.Event
	started          int64
}

// session opens what a file describes on a played instrument, reads it for a time
// and returns what came.
func session(t *testing.T, file string, settings device.Settings, d time.Duration, play func(*devicetest.End, *devicetest.Truth), between func(src device.Source)) got {
	t.Helper()
	f := parse(t, file)
	var g got
	devicetest.Bubble(t, play, func(p device.Port) {
		g.started = devicetest.Clock()
		src, err := Driver(f).Open(t.Context(), device.OpenRequest{Port: p, Clock: devicetest.Clock, Settings: settings})
		if err != nil {
			g.openErr = err
			return
		}
		g.desc = src.Describe()
		b := device.NewBatch(len(g.desc.Channels))
		for end := time.Now().Add(d); time.Now().Before(end) && g.readErr == nil; {
			b.Reset()
			g.readErr = src.Read(b)
			g.take(b)
			if between != nil {
				between(src)
			}
		}
		g.desc = src.Describe()
		_ = src.Close()
	})
	return g
}

func (g *got) take(b *device.Batch) {
	for _, n := range b.Notes {
		if n.Gap != nil {
			g.gaps, g.gapRows = append(g.gaps, *n.Gap), append(g.gapRows, len(g.rows)+n.Row)
		}
		if n.Event != nil {
			g.events = append(g.events, *n.Event)
		}
	}
	for row := range b.Len() {
		var values []uint64
		var flags []device.ChannelFlags
		for c := range b.Values {
			values, flags = append(values, b.Values[c][row]), append(flags, b.ValueFlags[c][row])
		}
		g.rows, g.valueFlags = append(g.rows, values), append(g.valueFlags, flags)
	}
	g.begin, g.length = append(g.begin, b.Begin...), append(g.length, b.Length...)
	g.live, g.uncertainty = append(g.live, b.Live...), append(g.uncertainty, b.Uncertainty...)
	g.flags = append(g.flags, b.Flags...)
}

// says is an instrument that sends each text when it is time.
func says(every time.Duration, texts ...string) func(*devicetest.End, *devicetest.Truth) {
	return func(end *devicetest.End, _ *devicetest.Truth) {
		for _, text := range texts {
			if !end.Wait(every) {
				return
			}
			end.Write([]byte(text))
		}
		end.Wait(time.Hour)
	}
}

const head = "name = \"test\"\n[link]\nbaud = 115200\n"

func TestEventsAreCountedTogether(t *testing.T) {
	file := head + `
[gate]
time = "1s"
[text]
pattern = '\d+,\d+'
skip = ['^READY$']
[[channel]]
name = "n"
kind = "event"
[[example]]
bytes = "READY\r\n1,2\r\n1,2\r\n"
readings = [[2]]
`
	g := session(t, file, nil, 5*time.Second, func(end *devicetest.End, _ *devicetest.Truth) {
		end.Wait(500 * time.Millisecond)
		end.Write([]byte("10,20\r\n10,20\r\n")) // end the opening, and are in no interval
		end.Wait(500 * time.Millisecond)
		for range 4 {
			end.Write([]byte("10,20\r\n"))
			end.Wait(100 * time.Millisecond)
		}
		end.Wait(time.Hour)
	}, nil)
	if g.openErr != nil || g.readErr != nil {
		t.Fatal(g.openErr, g.readErr)
	}
	if want := [][]uint64{{4}, {0}, {0}, {0}, {0}}; !slices.EqualFunc(g.rows, want, slices.Equal) {
		t.Errorf("read %v, want %v", g.rows, want)
	}
	for i := range g.rows {
		if g.length[i] != int64(time.Second) || g.flags[i] != 0 || i > 0 && g.begin[i] != g.begin[i-1]+g.length[i-1] {
			t.Errorf("interval %d: begins %d, %v long, flags %v", i, g.begin[i], time.Duration(g.length[i]), g.flags[i])
		}
	}
}

func TestArrivalEndsTheInterval(t *testing.T) {
	file := head + `
[gate]
by = "arrival"
[text]
[[channel]]
name = "n"
[[example]]
bytes = "1\n"
readings = [[1]]
`
	g := session(t, file, nil, 3*time.Second, says(300*time.Millisecond, "1\n", "2\n", "3\n4\n", "x\n", "5\n"), nil)
	if g.openErr != nil || g.readErr != nil {
		t.Fatal(g.openErr, g.readErr)
	}
	if want := [][]uint64{{1}, {2}, {3}, {4}, {5}}; !slices.EqualFunc(g.rows, want, slices.Equal) {
		t.Fatalf("read %v, want %v", g.rows, want)
	}
	ms := int64(time.Millisecond)
	for i, want := range []struct {
		length int64
		flags  device.ReadingFlags
	}{{0, device.First}, {300 * ms, 0}, {150 * ms, device.Late}, {150 * ms, device.Late}, {300 * ms, 0}} {
		if g.length[i] != want.length || g.flags[i] != want.flags {
			t.Errorf("reading %d: %v long, flags %v, want %v and %v", i, time.Duration(g.length[i]), g.flags[i], time.Duration(want.length), want.flags)
		}
	}
	if len(g.gaps) != 1 || g.gapRows[0] != 4 || g.gaps[0].Duration != 300*ms || g.gaps[0].Known {
		t.Errorf("gaps %+v at %v", g.gaps, g.gapRows)
	}
}

const clockFile = head + `
[gate]
time = "200ms"
clock = 1
[text]
split = ","
columns = 2
[[channel]]
name = "n"
from = 2
[[example]]
bytes = "200,7\r\n"
readings = [[7]]
`

// The instrument's clock says how many are missing, and what intervals are, however
// its bytes are held up.
func TestInstrumentClock(t *testing.T) {
	g := session(t, clockFile, nil, 4*time.Second, says(200*time.Millisecond,
		"5200,1\r\n", "5400,2\r\n", "5600,3\r\n", "", "6000,5\r\n", "6200,6\r\n", "64x0,7\r\n", "6600,8\r\n", "6800,9\r\n"), nil)
	if g.openErr != nil || g.readErr != nil {
		t.Fatal(g.openErr, g.readErr)
	}
	if want := [][]uint64{{1}, {2}, {3}, {5}, {6}, {8}, {9}}; !slices.EqualFunc(g.rows, want, slices.Equal) {
		t.Fatalf("read %v, want %v", g.rows, want)
	}
	if g.flags[0] != device.First || len(g.gaps) != 2 || g.gapRows[0] != 3 || g.gapRows[1] != 5 {
		t.Fatalf("flags %v, gaps %+v at %v", g.flags, g.gaps, g.gapRows)
	}
	for i, cause := range []string{device.CauseLost, device.CauseDamaged} {
		if gap := g.gaps[i]; gap.Cause != cause || !gap.Known || gap.Missing != 1 || gap.Duration != int64(200*time.Millisecond) {
			t.Errorf("gap %+v", gap)
		}
	}
	for i := 1; i < len(g.rows); i++ {
		if g.live[i] < int64(199*time.Millisecond) || g.live[i] > int64(200*time.Millisecond) || g.flags[i] != 0 {
			t.Errorf("reading %d is live for %v, flags %v", i, time.Duration(g.live[i]), g.flags[i])
		}
	}
}

func TestClockThatBeginsAgain(t *testing.T) {
	g := session(t, clockFile, nil, 4*time.Second, says(200*time.Millisecond,
		"5200,1\r\n", "5400,2\r\n", "200,3\r\n", "100,4\r\n"), nil)
	if !errors.Is(g.readErr, device.ErrChanged) {
		t.Errorf("read %v: %v, want ErrChanged", g.rows, g.readErr)
	}
}

func TestNumbersTellWhatIsMissing(t *testing.T) {
	file := head + `
[gate]
time = "100ms"
number = 1
[text]
columns = 2
[[channel]]
name = "n"
from = 2
[[example]]
bytes = "1, 7\r\n"
readings = [[7]]
`
	numbered := func(from, to int, skip ...int) (list []string) {
		for k := from; k <= to; k++ {
			text := fmt.Sprintf("%d, %d\r\n", k, 100+k)
			if slices.Contains(skip, k) {
				text = ""
			}
			list = append(list, text)
		}
		return list
	}
	g := session(t, file, nil, 6*time.Second, says(100*time.Millisecond, numbered(1, 40, 10, 11, 25)...), nil)
	if g.readErr != nil || len(g.rows) != 37 || len(g.gaps) != 2 {
		t.Fatalf("%d readings, gaps %+v, %v", len(g.rows), g.gaps, g.readErr)
	}
	if g.gaps[0].Missing != 2 || g.gapRows[0] != 9 || g.gaps[1].Missing != 1 || g.gapRows[1] != 22 {
		t.Errorf("gaps %+v at %v, want 2 before reading 9 and 1 before 22", g.gaps, g.gapRows)
	}
	g = session(t, file, nil, 6*time.Second, says(100*time.Millisecond, append(numbered(500, 510), numbered(1, 10)...)...), nil)
	if !errors.Is(g.readErr, device.ErrChanged) || !strings.Contains(g.readErr.Error(), "numbered anew") {
		t.Errorf("restart: %v, want ErrChanged", g.readErr)
	}
	if text := fmt.Sprint(g.readErr); strings.Contains(text, "settings changed") || !strings.Contains(text, "gate.number_max") {
		t.Error(text)
	}
	wraps := strings.Replace(file, "number = 1", "number = 1\nnumber_max = 99", 1)
	g = session(t, wraps, nil, 6*time.Second, says(100*time.Millisecond, slices.Concat(numbered(90, 99), numbered(0, 20, 10))...), nil)
	if g.readErr != nil || len(g.gaps) != 1 || g.gaps[0].Missing != 1 || len(g.rows) < 29 {
		t.Errorf("wraps: %d readings, gaps %+v, %v", len(g.rows), g.gaps, g.readErr)
	}
	g = session(t, wraps, nil, 6*time.Second, says(100*time.Millisecond, slices.Concat(numbered(85, 99, 98, 99), numbered(0, 20, 0, 1, 2))...), nil)
	if g.readErr != nil || len(g.gaps) != 1 || g.gaps[0].Missing != 5 {
		t.Errorf("five are missing where it wraps: gaps %+v, %v", g.gaps, g.readErr)
	}
	g = session(t, wraps, nil, 6*time.Second, says(100*time.Millisecond, slices.Concat(numbered(50, 60), numbered(0, 20))...), nil)
	if !errors.Is(g.readErr, device.ErrChanged) {
		t.Errorf("restart of one that wraps: %v, want ErrChanged", g.readErr)
	}
}

// A running total is stored as it comes; the first one is what the next is compared
// with.
func TestPolledTotal(t *testing.T) {
	file := head + `
[poll]
send = "r"
every = "100ms"
[text]
[[channel]]
name = "n"
kind = "total"
width = 16
[[example]]
bytes = "65535\n"
readings = [[65535]]
`
	g := session(t, file, nil, time.Second, func(end *devicetest.End, _ *devicetest.Truth) {
		buf := make([]byte, 8)
		for total := 65000; ; total = (total + 200) % 65536 {
			if _, err := end.Read(buf, time.Hour); err != nil || !end.Wait(2*time.Millisecond) {
				return
			}
			end.Write(fmt.Appendf(nil, "%d\n", total))
		}
	}, nil)
	if g.readErr != nil || len(g.rows) < 5 || g.flags[0] != device.First || g.length[0] != 0 {
		t.Fatalf("%v: rows %v, flags %v", g.readErr, g.rows, g.flags)
	}
	if ch := g.desc.Channels[0]; ch.Width != 16 || ch.Kind != device.Total {
		t.Errorf("channel %+v", ch)
	}
	for i := 1; i < len(g.rows); i++ {
		if (g.rows[i][0]-g.rows[i-1][0])&0xFFFF != 200 || g.flags[i] != 0 || g.uncertainty[i] > int64(time.Millisecond) {
			t.Errorf("reading %d: total %d behind %d, flags %v, uncertain by %d ns", i, g.rows[i][0], g.rows[i-1][0], g.flags[i], g.uncertainty[i])
		}
	}
}

// A gate that is counted when it is asked for is as long as the instrument says, and
// what lies between two of them was not counted.
func TestGateWhenAsked(t *testing.T) {
	file := head + `
[poll]
send = "{gate:u32be}"
every = "300ms"
[gate]
by = "answer"
setting = "gate"
[record]
format = ">I"
[[channel]]
name = "n"
width = 32
overflow = 0xFFFFFFFF
[[setting]]
name = "gate"
kind = "duration"
unit = "500ns"
default = "100ms"
[[example]]
bytes = "hex: 00 00 30 39"
readings = [[12345]]
`
	var asked [][]byte
	g := session(t, file, device.Settings{"gate": 200 * time.Millisecond}, 2*time.Second, func(end *devicetest.End, _ *devicetest.Truth) {
		buf := make([]byte, 16)
		for k := byte(0); ; k++ {
			n, err := end.Read(buf, time.Hour)
			if err != nil || !end.Wait(201*time.Millisecond) {
				return
			}
			asked = append(asked, bytes.Clone(buf[:n]))
			if k == 3 {
				end.Write([]byte{0xFF, 0xFF, 0xFF, 0xFF})
				continue
			}
			end.Write([]byte{0, 0, 1, k})
		}
	}, nil)
	if g.readErr != nil || len(g.rows) < 5 || string(asked[0]) != "\x00\x06\x1a\x80" { // 400000 half microseconds
		t.Fatalf("%v: asked % x, rows %v", g.readErr, asked, g.rows)
	}
	for i := range g.rows {
		if g.length[i] != int64(200*time.Millisecond) || g.uncertainty[i] > int64(time.Millisecond) || g.flags[i] != 0 {
			t.Errorf("reading %d is %v long, uncertain by %d ns, flags %v", i, time.Duration(g.length[i]), g.uncertainty[i], g.flags[i])
		}
	}
	if g.valueFlags[2][0] != device.Overflow|device.Absent || g.desc.Timing != device.ByDeviceAsked {
		t.Errorf("flags %v, timing %s", g.valueFlags, g.desc.Timing)
	}
}

// A trial of an instrument that sends each event by itself counts them itself.
func TestTrialOfEvents(t *testing.T) {
	f := preset(t, "geigerlink")
	var shown bytes.Buffer
	devicetest.Bubble(t, func(end *devicetest.End, _ *devicetest.Truth) {
		end.Write([]byte("0\r\nREADY\r\n"))
		for end.Wait(300 * time.Millisecond) {
			end.Write([]byte("120,340\r\n"))
		}
	}, func(p device.Port) {
		report, err := trial.Trial{
			Driver: Driver(f), Port: p, Clock: devicetest.Clock, About: recording.About{For: 5 * time.Second}, Out: &shown,
		}.Run(context.Background()) // the test's own belongs to no bubble
		if err != nil || report.Surprise != "" || report.Readings < 4 {
			t.Errorf("%v, %d readings, surprise %q\n%s", err, report.Readings, report.Surprise, shown.String())
		}
	})
}

// A trial shows values as the instrument has them, with their point and unit.
func TestTrialShowsUnits(t *testing.T) {
	f := parse(t, head+`
[gate]
time = "100ms"
[[channel]]
name = "T"
kind = "auxiliary"
decimals = 1
signed = true
unit = "degC"
[[channel]]
name = "n"
[[example]]
bytes = "21.4 7\n"
readings = [[21.4, 7]]
`)
	var out bytes.Buffer
	devicetest.Bubble(t, says(100*time.Millisecond, "8 7\n", "21.2 7\n", "-0.5 8\n", "0.1 7\n", "8.1 9\n", "8.1 9\n"), func(p device.Port) {
		_, err := trial.Trial{
			Driver: Driver(f), Port: p, Clock: devicetest.Clock, About: recording.About{For: 600 * time.Millisecond}, Out: &out,
		}.Run(context.Background()) // the test's own belongs to no bubble
		for _, want := range []string{"  T 21.2 degC  n 7\n", "  T -0.5 degC  n 8\n", "T 0.1 degC", ", -0.5 degC to 21.2 degC, mean 7.50\n", "  n: 6 values, 7 to 9, mean 7.8"} {
			if err != nil || !strings.Contains(out.String(), want) {
				t.Errorf("%v, no %q in\n%s", err, want, out.String())
			}
		}
	})
}

// What cannot be shared equally among those that arrived together is for the next, and
// no time is lost.
func TestArrivalsShareEqually(t *testing.T) {
	var s arriving
	b := device.NewBatch(1)
	values := row{values: []uint64{1}, flags: []device.ChannelFlags{0}}
	for _, together := range []struct {
		n  int
		at int64
	}{{1, 1000}, {7, 2000}, {1, 3000}, {2, 3001}} {
		for range together.n {
			if err := s.add(b, &values, 0); err != nil {
				t.Fatal(err)
			}
		}
		s.flush(b, together.at)
	}
	if want := []int64{0, 142, 142, 142, 142, 142, 142, 142, 1006, 1, 1}; !slices.Equal(b.Length, want) || !slices.Equal(b.Live, want) {
		t.Errorf("lengths %v, live %v, want %v", b.Length, b.Live, want)
	}
	if want := []int64{1000, 1000, 1142, 1284, 1426, 1568, 1710, 1852, 1994, 3000, 3001}; !slices.Equal(b.Begin, want) {
		t.Errorf("begins %v, want %v", b.Begin, want)
	}
	if want := []int64{0, 852, 852, 852, 852, 852, 852, 852, 0, 1, 1}; !slices.Equal(b.Uncertainty, want) {
		t.Errorf("uncertainties %v, want %v", b.Uncertainty, want)
	}
}
