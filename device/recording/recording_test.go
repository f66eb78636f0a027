package recording_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/device"
	"photongate/device/devicetest"
	"photongate/device/recording"
)

func parse(t *testing.T, text string) *recording.Recording {
	t.Helper()
	r, err := recording.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// step is a call of a port and what has to come of it.
type step struct {
	write  string        // written; when empty: a read
	wait   time.Duration // of a read
	want   string        // bytes read
	err    error
	now    time.Duration // by the port's clock, afterwards
	saying string        // in the error
}

func play(t *testing.T, p *recording.Playback, steps []step) {
	t.Helper()
	buf := make([]byte, 2)
	for i, s := range steps {
		var got string
		var at int64
		var err error
		if s.write != "" {
			at, err = p.Write([]byte(s.write))
		} else {
			var n int
			n, at, err = p.Read(buf, s.wait)
			got = string(buf[:n])
		}
		if got != s.want || !errors.Is(err, s.err) || (err == nil) != (s.err == nil) || at != p.Clock() || time.Duration(at) != s.now {
			t.Errorf("step %d: %q, %v at %v, want %q, %v at %v", i, got, err, time.Duration(at), s.want, s.err, s.now)
		}
		if s.saying != "" && !strings.Contains(err.Error(), s.saying) {
			t.Errorf("step %d: says %q, want %q", i, err, s.saying)
		}
	}
}

const ms = time.Millisecond

// A recording in which nobody noted what was waited for: bytes come when they
// came, and as long after a question as they did.
func TestPlaybackKeepsTime(t *testing.T) {
	p := parse(t, `photongate recording 1
# a CD48 on the bench
> 0.000000000 63 0d
< 0.004000000 35 37 20
< 0.250000000 31 0d 0a
> 1.000000000 76 0d
`).Play()
	play(t, p, []step{
		{wait: 50 * ms, err: device.ErrTimeout, now: 50 * ms},
		{write: "c\r", now: 50 * ms},
		{wait: 3 * ms, err: device.ErrTimeout, now: 53 * ms},
		{wait: 1 * ms, want: "57", now: 54 * ms},
		{wait: 0, want: " ", now: 54 * ms},
		{wait: time.Second, want: "1\r", now: 300 * ms},
		{wait: time.Second, want: "\n", now: 300 * ms},
	})
	if p.Left() != 1 {
		t.Errorf("%d left, want 1", p.Left())
	}
	play(t, p, []step{
		{write: "p\r", err: recording.ErrDeviation, now: 300 * ms, saying: `70 0d "p\r" instead of 76 0d "v\r"`},
		{write: "v\r", now: 1050 * ms},
		{wait: time.Second, err: device.ErrClosed, now: 2050 * ms},
		{write: "v\r", err: recording.ErrDeviation, now: 2050 * ms, saying: "after the end"},
	})
	if err := errors.Join(p.Close(), p.Close()); err != nil {
		t.Error(err)
	}
	play(t, p, []step{{wait: time.Second, err: device.ErrClosed, now: 2050 * ms}, {write: "v\r", err: device.ErrClosed, now: 2050 * ms}})
}

// A recording that tells which reads found nothing is played call by call, also
// where the computer was late.
func TestPlaybackRepeatsEachCall(t *testing.T) {
	rec := parse(t, `photongate recording 1
# port: /dev/ttyACM0
- 0.107000000
< 0.215000000 61
- 0.316000000
- 0.400000000
> 0.410000000 62
! 0.500000000 device went away: input/output error
. 0.600000000
`)
	play(t, rec.Play(), []step{
		{wait: 100 * ms, err: device.ErrTimeout, now: 107 * ms}, // came back late
		{wait: 100 * ms, want: "a", now: 215 * ms},              // late, but the byte was there
		{wait: 185 * ms, err: device.ErrTimeout, now: 400 * ms}, // a longer wait than either that was recorded
		{wait: 5 * ms, err: device.ErrTimeout, now: 405 * ms},   // the driver's turn
		{write: "b", now: 410 * ms},                             //
		{wait: 100 * ms, err: device.ErrGone, now: 500 * ms, saying: "input/output error"},
		{wait: 100 * ms, err: device.ErrGone, now: 500 * ms},
		{write: "c", err: device.ErrGone, now: 500 * ms},
	})
	if name := rec.Play().Name(); name != "/dev/ttyACM0" {
		t.Errorf("name is %q", name)
	}
	end := parse(t, "photongate recording 1\n- 0.100000000\n. 0.300000000\n").Play()
	play(t, end, []step{
		{wait: 10 * ms, err: device.ErrTimeout, now: 100 * ms},
		{wait: 300 * ms, err: device.ErrClosed, now: 300 * ms},
	})
}

// What a driver does on a recording is what it did when it was made, and what is
// recorded when it is played is the recording.
func TestRecordAndPlay(t *testing.T) {
	answer := func(end *devicetest.End, _ *devicetest.Truth) {
		buf := make([]byte, 8)
		for {
			n, err := end.Read(buf, time.Hour)
			if err != nil || !end.Wait(3*ms) {
				return
			}
			end.Write(bytes.ToUpper(buf[:n]))
		}
	}
	talk := func(p device.Port) (got string) {
		buf := make([]byte, 8)
		for _, q := range []string{"a", "bc", "\x00~"} {
			if _, err := p.Write([]byte(q)); err != nil {
				t.Error(err)
			}
			n, _, err := p.Read(buf, time.Second)
			if err != nil {
				t.Error(err)
			}
			got += string(buf[:n])
			if _, _, err := p.Read(buf, 10*ms); !errors.Is(err, device.ErrTimeout) {
				t.Errorf("a read between: %v", err)
			}
		}
		if err := errors.Join(p.Close(), p.Close()); err != nil {
			t.Error(err)
		}
		return got
	}
	about := recording.About{
		Software: "photongate 1", System: "linux/arm64", Driver: "cd48", PortKind: "memory", Line: "9600 8N1",
		Settings: map[string]string{"gate": "100ms", "threshold": "0.8"},
		Began:    time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC), For: 5 * time.Second,
	}
	var file bytes.Buffer
	var first string
	devicetest.Bubble(t, answer, func(p device.Port) {
		first = talk(recording.Record(p, &file, devicetest.Clock, devicetest.Clock(), about))
	})
	const want = `photongate recording 1
# software: photongate 1
# system: linux/arm64
# driver: cd48
# port: memory
# port kind: memory
# line: 9600 8N1
# set gate: 100ms
# set threshold: 0.8
# began: 2026-11-21T10:00:00Z
# for: 5s
> 0.000000000 61
< 0.003000000 41
- 0.013000000
> 0.013000000 62 63
< 0.016000000 42 43
- 0.026000000
> 0.026000000 00 7e
< 0.029000000 00 7e
- 0.039000000
. 0.039000000
`
	if d := cmp.Diff(file.String(), want); d != "" {
		t.Errorf("recording (-got +want):\n%s", d)
	}
	rec := parse(t, file.String())
	about.Port = "memory"
	if d := cmp.Diff(rec.About, about); d != "" {
		t.Errorf("about (-got +want):\n%s", d)
	}
	var again bytes.Buffer
	p := rec.Play()
	if d := cmp.Diff(talk(recording.Record(p, &again, p.Clock, 0, rec.About)), first); d != "" {
		t.Errorf("played back (-got +want):\n%s", d)
	}
	if d := cmp.Diff(again.String(), want); d != "" || p.Left() != 0 {
		t.Errorf("recorded again, %d left (-got +want):\n%s", p.Left(), d)
	}
	if talk, want := rec.Exchanges(), []device.Exchange{{Sent: true, Bytes: []byte("a")}, {At: 3 * ms, Bytes: []byte("A")}}; !cmp.Equal(talk[:2], want) || len(talk) != 6 {
		t.Errorf("%d exchanges: %+v", len(talk), talk)
	}
	if rec.End() != 39*ms {
		t.Errorf("ends after %v", rec.End())
	}
}

// A port that goes away says so in the recording, once.
func TestRecordUnplugged(t *testing.T) {
	var file bytes.Buffer
	devicetest.Bubble(t, func(end *devicetest.End, _ *devicetest.Truth) {
		end.Wait(ms)
		end.Unplug()
	}, func(p device.Port) {
		p = recording.Record(p, &file, devicetest.Clock, devicetest.Clock(), recording.About{})
		for range 3 {
			if _, _, err := p.Read(make([]byte, 1), time.Second); !errors.Is(err, device.ErrGone) {
				t.Errorf("read: %v", err)
			}
		}
		_ = p.Close()
	})
	if want := "photongate recording 1\n# port: memory\n! 0.001000000 device went away\n. 0.001000000\n"; file.String() != want {
		t.Errorf("recording is\n%s", file.String())
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestRecordingThatCannotBeWritten(t *testing.T) {
	port, end := devicetest.NewPair(devicetest.Clock)
	p := recording.Record(port, fullDisk{}, devicetest.Clock, devicetest.Clock(), recording.About{})
	end.Write([]byte("x"))
	if n, _, err := p.Read(make([]byte, 4), time.Second); n != 1 || err != nil {
		t.Errorf("the port itself: %d, %v", n, err)
	}
	if err := p.Close(); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("Close: %v", err)
	}
}

func TestParseErrors(t *testing.T) {
	for text, says := range map[string]string{
		"":        "empty",
		"hello\n": "line 1",
		"photongate recording 1\n? 0.000000000 61\n":                        "line 2: expected one of",
		"photongate recording 1\n< \n":                                      "line 2: expected one of",
		"photongate recording 1\n< 0.0 61\n":                                "nine decimals",
		"photongate recording 1\n-  0.000000000\n":                          "nine decimals",
		"photongate recording 1\n< 0.000000000 6\n":                         "hexadecimal",
		"photongate recording 1\n> 0.000000000\n":                           "hexadecimal",
		"photongate recording 1\n< 1.000000000 61\n\n- 0.000000000\n":       "line 4: time runs backwards",
		"photongate recording 1\n< 99999999999999.000000000 61\n":           "nine decimals",
		"photongate recording 1\n< 0.000000000 " + strings.Repeat("z", 300): "expected pairs",
		"photongate recording 1\n# began: yesterday\n":                      "line 2: parsing time",
		"photongate recording 1\n# for: long\n":                             "line 2: time",
		"photongate recording 1\n# " + strings.Repeat("z", 1<<20):           "line 2: bufio.Scanner: token too long",
	} {
		if _, err := recording.Parse(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.50q: %v, want %q", text, err, says)
		}
	}
}

func TestDeviceSettings(t *testing.T) {
	options := []device.Option{
		{Name: "gate", Kind: device.Duration, Min: float64(ms), Max: float64(time.Second)},
		{Name: "counters", Kind: device.Integer, Check: func(v any) error {
			if v != int64(8) && v != int64(15) {
				return errors.New("must be 8 or 15")
			}
			return nil
		}},
		{Name: "threshold", Kind: device.Number, Max: 4},
		{Name: "pause", Kind: device.Bool},
		{Name: "terminator", Kind: device.Enum},
	}
	want := device.Settings{"gate": 100 * ms, "counters": int64(15), "threshold": 0.816, "pause": true, "terminator": "cr"}
	about := recording.About{Settings: recording.SettingsText(want)}
	got, err := about.DeviceSettings(options)
	if d := cmp.Diff(got, want); d != "" || err != nil {
		t.Errorf("%v (-got +want):\n%s", err, d)
	}
	for key, value := range map[string]string{
		"dwell": "1s", "gate": "100", "counters": "9", "threshold": "4.1", "pause": "perhaps",
	} {
		about := recording.About{Settings: map[string]string{key: value}}
		if _, err := about.DeviceSettings(options); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s = %s: %v", key, value, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("photongate recording 1\n# port: x\n> 0.000000000 63 0d\n< 0.100000000 31\n- 0.200000000\n! 0.300000000 gone\n. 0.300000000\n")
	f.Add("photongate recording 1\n# set gate: 1s\n# for: 1s\n< 4294967295.999999999 ff\n")
	f.Fuzz(func(t *testing.T, text string) {
		rec, err := recording.Parse(strings.NewReader(text))
		if err != nil {
			return
		}
		p := rec.Play()
		buf := make([]byte, 3)
		total, before := 0, int64(0)
		for _, e := range rec.Exchanges() {
			if e.Sent {
				if _, err := p.Write(e.Bytes); err != nil && !errors.Is(err, device.ErrGone) {
					t.Fatalf("write %x: %v", e.Bytes, err)
				}
			}
			for {
				n, at, err := p.Read(buf, time.Second)
				if at < before {
					t.Fatalf("time runs backwards from %d to %d", before, at)
				}
				before = at
				if total += n; err != nil {
					break
				}
			}
		}
		if total > len(text) {
			t.Fatalf("%d bytes from %d", total, len(text))
		}
	})
}
