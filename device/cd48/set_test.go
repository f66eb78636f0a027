package cd48

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/device"
	"photongate/device/devicetest"
)

// setting in the midst of reading: do is called with the open source after a
// second, then it is read for two more. It returns all that was read, and how
// many readings there were when do returned.
func setWhileReading(t *testing.T, x *box, s device.Settings, do func(device.Source)) (b *device.Batch, before int) {
	t.Helper()
	b = device.NewBatch(counters)
	devicetest.Bubble(t, x.play, func(p device.Port) {
		src, err := Driver.Open(t.Context(), device.OpenRequest{Port: p, Settings: s, Clock: devicetest.Clock})
		if err != nil {
			t.Error(err)
			return
		}
		read := func(d time.Duration) {
			for end := time.Now().Add(d); err == nil && time.Now().Before(end); {
				err = src.Read(b)
			}
		}
		read(time.Second)
		before = b.Len()
		do(src)
		read(2 * time.Second)
		if err != nil {
			t.Error(err)
		}
		_ = src.Close()
	})
	return b, before
}

// nothingLost checks that every reading the box gave is there, once and in order:
// counter 0 counts them.
func nothingLost(t *testing.T, b *device.Batch) {
	t.Helper()
	for _, n := range b.Notes {
		if n.Gap != nil {
			t.Errorf("gap before row %d: %+v", n.Row, *n.Gap)
		}
	}
	for row := range b.Len() {
		if row > 0 && (b.Values[0][row] != b.Values[0][row-1]+1 || b.Begin[row] != b.Begin[row-1]+b.Length[row-1]) {
			t.Errorf("row %d: value %d begins at %d, after %d that ended at %d", row, b.Values[0][row], b.Begin[row], b.Values[0][row-1], b.Begin[row-1]+b.Length[row-1])
		}
	}
}

// Levels are set while lines come or between two questions, whatever the box
// answers to it, and not a reading is lost.
func TestSetWhileReading(t *testing.T) {
	for name, change := range map[string]func(*box){
		"silent":   func(*box) {},
		"OK":       func(x *box) { x.acks = "OK\r\n" },
		"echo":     func(x *box) { x.echo = true },
		"both":     func(x *box) { x.echo, x.acks = true, "OK\r\n" },
		"reversed": func(x *box) { x.reversed = true },
		"slow OK":  func(x *box) { x.acks, x.latency = "OK\r\n", 80*time.Millisecond },
	} {
		for _, gate := range []time.Duration{100 * time.Millisecond, 50 * time.Millisecond} {
			t.Run(name+" "+gate.String(), func(t *testing.T) {
				x := newBox()
				change(x)
				if gate < minRepeatGate && x.latency > 0 {
					gate = 90 * time.Millisecond // longer than an answer takes
				}
				b, before := setWhileReading(t, x, device.Settings{"gate": gate, "dac": 0.5}, func(src device.Source) {
					held := src.Describe()
					for _, c := range []struct {
						name  string
						value any
						want  device.Setting
					}{
						{"threshold", 1.6, device.Setting{Key: "threshold", Value: "1.600", Unit: "V", How: device.ReadBack, Asked: "1.600"}},
						{"impedance", "50", device.Setting{Key: "impedance", Value: "50", How: howSent, Asked: "50"}},
						{"dac", 2.032, device.Setting{Key: "dac", Value: "2.032", Unit: "V", How: howSent, Asked: "2.032"}},
					} {
						got, err := src.(device.Setter).Set(c.name, c.value)
						if err != nil || got != c.want || setting(src.Describe(), c.name) != c.want {
							t.Errorf("set %s: %+v, %v; described as %+v; want %+v", c.name, got, err, setting(src.Describe(), c.name), c.want)
						}
					}
					if setting(held, "dac").Value != "0.496" || src.Describe().Unverified {
						t.Errorf("described before as %+v, now unverified %v", setting(held, "dac"), src.Describe().Unverified)
					}
				})
				if before < 7 || b.Len() < before+15 {
					t.Errorf("%d readings before, %d in all", before, b.Len())
				}
				nothingLost(t, b)
				for row, f := range b.Flags {
					if f&^device.Late != 0 {
						t.Errorf("reading %d has flags %b", row, f)
					}
				}
				if x.trigger != 100 || x.high != 0 {
					t.Errorf("the box has threshold %d and impedance %d", x.trigger, x.high)
				}
				var set []string
				for _, c := range x.commands[slices.Index(x.commands, "V031")+1:] {
					if c[0] == 'L' || c[0] == 'z' || c[0] == 'V' {
						set = append(set, c)
					}
				}
				if diff := cmp.Diff(set, []string{"L100", "z", "V127"}); diff != "" {
					t.Errorf("commands (-got +want):\n%s", diff)
				}
			})
		}
	}
}

// A box that does not take a threshold says so, and goes on as it was.
func TestSetRefused(t *testing.T) {
	for _, gate := range []time.Duration{100 * time.Millisecond, 50 * time.Millisecond} {
		x := newBox()
		x.deaf = "L"
		b, _ := setWhileReading(t, x, device.Settings{"gate": gate}, func(src device.Source) {
			_, err := src.(device.Setter).Set("threshold", 1.6)
			if want := "set threshold memory: setting was not accepted: sent 100, the box says 050 (try again; if it stays so the unit's firmware may want another terminator)"; !errors.Is(err, device.ErrSetting) || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
			if got := setting(src.Describe(), "threshold"); got.Value != "0.800" {
				t.Errorf("described as %+v", got)
			}
			if _, err := src.(device.Setter).Set("gate", time.Second); !errors.Is(err, device.ErrSetting) {
				t.Errorf("set gate: %v", err)
			}
		})
		nothingLost(t, b)
	}
}

// A box that took another threshold does not go on as it was: its source says so
// by an error after which it is opened anew.
func TestSetMisheard(t *testing.T) {
	for _, gate := range []time.Duration{100 * time.Millisecond, 50 * time.Millisecond} {
		x := newBox()
		x.mishears = true
		setWhileReading(t, x, device.Settings{"gate": gate}, func(src device.Source) {
			_, err := src.(device.Setter).Set("threshold", 1.6)
			if want := "set threshold memory: not what this instrument sends: sent 100, the box says 010, before it was 050 (the box is opened again, which shows what it has then)"; err == nil || errors.Is(err, device.ErrSetting) || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

// What cannot be read back is sent, and the readings from then on say that
// their settings are not verified, as when it was in the configuration.
func TestSetWithoutReadBack(t *testing.T) {
	for _, gate := range []time.Duration{100 * time.Millisecond, 50 * time.Millisecond} {
		x := newBox()
		b, before := setWhileReading(t, x, device.Settings{"gate": gate}, func(src device.Source) {
			x.by(func(x *box) { x.mute = "p" })
			if _, err := src.(device.Setter).Set("impedance", "50"); err != nil || src.Describe().Unverified {
				t.Errorf("impedance: %v, unverified %v", err, src.Describe().Unverified)
			}
			begin := time.Now()
			got, err := src.(device.Setter).Set("threshold", 1.6)
			if err != nil || got.How != howSent || !src.Describe().Unverified {
				t.Errorf("threshold: %+v, %v, unverified %v", got, err, src.Describe().Unverified)
			}
			if took := time.Since(begin); took > device.MaxSet {
				t.Errorf("took %v of the bubble's time", took)
			}
		})
		nothingLost(t, b)
		for row, f := range b.Flags {
			if want := row >= before; f&device.Unverified != 0 != want && row != before {
				t.Errorf("gate %v: reading %d of %d has flags %b", gate, row, before, f)
			}
		}
		if b.Len() < before+10 || x.trigger != 100 {
			t.Errorf("%d readings, %d of them before; threshold %d", b.Len(), before, x.trigger)
		}
	}
}

// A box that is gone is said to be gone.
func TestSetOfABoxThatIsGone(t *testing.T) {
	port, end := devicetest.NewPair(devicetest.Clock)
	o := &opening{talk: talk{port: port, clock: devicetest.Clock, term: "\r"}, want: device.Settings{}, readable: true}
	s := &source{port: port, box: o}
	s.reader = newRepeating(o, 100*time.Millisecond, rows{})
	end.Unplug()
	if _, err := s.Set("threshold", 1.6); !errors.Is(err, device.ErrGone) {
		t.Errorf("got %v", err)
	}
	if len(o.want) != 0 || len(s.Describe().Settings) != 0 {
		t.Errorf("wants %v, says %v", o.want, s.Describe().Settings)
	}
}

// The bytes of a conversation worked by hand from the command table: lines of
// counts come while "p" is answered, one of them torn by the end of a read.
func TestSetBytes(t *testing.T) {
	const counts1, counts2, counts3 = "100 27003 26944 101 3007 2988 12 60 0\r\n", "101 27003 26944 101 3007 2988 12 60 0\r\n", "102 27003 26944 101 3007 2988 12 60 0\r\n"
	const answer = "8 4 2 1 12 10 9 15 100 1 100 1\r\n"
	var sent []string
	devicetest.Bubble(t, func(end *devicetest.End, _ *devicetest.Truth) {
		buf := make([]byte, 64)
		for _, reply := range []string{counts1 + "101 27003 ", counts2[10:] + answer, answer + counts3} {
			n, err := end.Read(buf, time.Hour)
			if err != nil {
				return
			}
			sent = append(sent, string(buf[:n]))
			end.Write([]byte(reply))
		}
	}, func(port device.Port) {
		o := &opening{talk: talk{port: port, clock: devicetest.Clock, term: "\r", crlf: true, sent: []string{"of before"}}, want: device.Settings{}, readable: true}
		s := &source{port: port, box: o}
		r := newRepeating(o, 100*time.Millisecond, rows{})
		r.skip = false
		s.reader = r
		got, err := s.Set("threshold", 1.6)
		if want := (device.Setting{Key: "threshold", Value: "1.600", Unit: "V", How: device.ReadBack, Asked: "1.600"}); err != nil || got != want {
			t.Errorf("%+v, %v", got, err)
		}
		if diff := cmp.Diff(string(r.buf[r.start:r.end]), counts1+counts2+counts3); diff != "" {
			t.Errorf("what is left to be read (-got +want):\n%s", diff)
		}
		// Of thousands of changes the conversation keeps the last.
		if diff := cmp.Diff(o.sent, []string{`"L100\r"`, `"p\r"`, `"p\r"`}); diff != "" {
			t.Errorf("kept (-got +want):\n%s", diff)
		}
	})
	if diff := cmp.Diff(sent, []string{"L100\r", "p\r", "p\r"}); diff != "" {
		t.Errorf("sent (-got +want):\n%s", diff)
	}
}
