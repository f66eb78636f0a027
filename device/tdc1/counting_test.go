package tdc1

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/device"
	"photongate/device/devicetest"
)

// A question stays open over many Reads, and each measurement lies where the unit
// made it, within the uncertainty stated. Between two of them is dead time.
func TestWhereMeasurementsLie(t *testing.T) {
	for _, gate := range []time.Duration{3 * time.Millisecond, 100 * time.Millisecond, 5 * time.Second} {
		x := newBox()
		x.latency = 4 * time.Millisecond // of the question and of the answer
		b := device.NewBatch(inputs)
		err := use(t, x, device.Settings{"gate": gate}, 20*gate+time.Second, func(_ device.Description, got *device.Batch) { b = got })
		if err != nil || b.Len() < 10 {
			t.Fatalf("%v: %d readings, %v", gate, b.Len(), err)
		}
		for row := range b.Len() {
			if off := b.Begin[row] - x.began[row]; max(off, -off) > b.Uncertainty[row] {
				t.Errorf("%v: reading %d begins %d ns from where it did and says %d ns", gate, row, off, b.Uncertainty[row])
			}
			if b.Length[row] != int64(gate) || b.Live[row] != int64(gate) || b.Uncertainty[row] != 4e6 || b.Flags[row] != 0 {
				t.Errorf("%v: reading %d: length %d, live %d, uncertainty %d, flags %v", gate, row, b.Length[row], b.Live[row], b.Uncertainty[row], b.Flags[row])
			}
			if row > 0 && b.Begin[row]-b.Begin[row-1]-b.Length[row-1] != 8e6 {
				t.Errorf("%v: %d ns between readings %d and %d, want 8 ms", gate, b.Begin[row]-b.Begin[row-1]-b.Length[row-1], row-1, row)
			}
		}
	}
}

// A unit whose clock is fast answers before its time is over by ours: intervals
// still do not overlap, and nothing drifts.
func TestFastClock(t *testing.T) {
	x := newBox()
	x.mishear = func(int) int { return 9995 } // of 10000 ms, as it says
	devicetest.Bubble(t, x.play, func(p device.Port) {
		x.by(func(x *box) { x.ms = 9995 })
		c := newCounting(p, devicetest.Clock, 10*time.Second, inputs, true)
		b := device.NewBatch(inputs)
		for b.Len() < 20 {
			if err := c.fill(b); err != nil {
				t.Fatal(err)
			}
		}
		x.by(func(x *box) {
			for row := range b.Len() {
				if b.Length[row] != 9995e6 || b.Uncertainty[row] != 0 || b.Flags[row] != 0 || b.Begin[row] != x.began[row] {
					t.Errorf("reading %d: begins %d ns off, length %d, flags %v", row, b.Begin[row]-x.began[row], b.Length[row], b.Flags[row])
				}
			}
		})
		_ = p.Close()
	})
}

// An answer that comes after its time is not taken for that to the next question.
func TestLateAnswers(t *testing.T) {
	x := newBox()
	x.late = 4
	b := device.NewBatch(inputs)
	err := use(t, x, device.Settings{"gate": 50 * time.Millisecond}, 20*time.Second, func(_ device.Description, got *device.Batch) { b = got })
	if err != nil || b.Len() < 20 {
		t.Fatalf("%d readings, %v", b.Len(), err)
	}
	gaps := 0
	for _, n := range b.Notes {
		if n.Gap != nil {
			gaps++
			if n.Gap.Cause != device.CauseLost || n.Gap.Missing != 1 || !n.Gap.Known || n.Gap.Begin+n.Gap.Duration != b.Begin[n.Row] {
				t.Errorf("gap %+v, the reading behind it begins at %d", *n.Gap, b.Begin[n.Row])
			}
		}
	}
	if gaps < 5 {
		t.Errorf("%d gaps", gaps)
	}
	for row, v := range b.Values[0] {
		if n := v - 81403; n%4 == 0 || x.began[n-1] != b.Begin[row] {
			t.Errorf("reading %d is measurement %d, which began %d ns off", row, n, x.began[n-1]-b.Begin[row])
		}
	}
}

// scripted answers each question for counts with the next of these texts, after
// the gate unless it begins with "!": then after 30 ms, and nines after the gate.
func scripted(answers ...string) func(*devicetest.End, *devicetest.Truth) {
	return func(end *devicetest.End, _ *devicetest.Truth) {
		buf := make([]byte, 64)
		for _, a := range answers {
			if _, err := end.Read(buf, time.Hour); err != nil {
				return
			}
			text, early := strings.CutPrefix(a, "!")
			wait := 100 * time.Millisecond
			if early {
				wait = 30 * time.Millisecond
			}
			if !end.Wait(wait) {
				return
			}
			end.Write([]byte(text))
			if early && end.Wait(100*time.Millisecond) {
				end.Write([]byte("9 9 9 9\r\n"))
			}
		}
		end.Wait(time.Hour)
	}
}

// counted reads answers by hand, until there are rows or reading fails.
func counted(t *testing.T, rows int, answers ...string) (*device.Batch, error) {
	t.Helper()
	b, err := device.NewBatch(inputs), error(nil)
	devicetest.Bubble(t, scripted(answers...), func(p device.Port) {
		c := newCounting(p, devicetest.Clock, 100*time.Millisecond, inputs, true)
		for begin := time.Now(); b.Len() < rows && err == nil && time.Since(begin) < time.Minute; {
			err = c.fill(b)
		}
		_ = p.Close()
	})
	return b, err
}

func TestAnswers(t *testing.T) {
	const good = "81403 79218 5 0\r\n"
	for name, tc := range map[string]struct {
		answers []string
		first   []uint64 // of each row
		flags   []device.ReadingFlags
		missing uint64
	}{
		"good":                       {[]string{good, "81404 79218 5 0\r\n"}, []uint64{81403, 81404}, []device.ReadingFlags{0, 0}, 0},
		"commas, tabs, semicolons":   {[]string{" 1,\t2;3  4 \r\n", good}, []uint64{1, 81403}, []device.ReadingFlags{0, 0}, 0},
		"empty line and echo before": {[]string{"\r\nCOUNTS?\r\n" + good}, []uint64{81403}, []device.ReadingFlags{0}, 0},
		"an older answer before":     {[]string{"!" + good}, []uint64{9}, []device.ReadingFlags{0}, 0},
		"three numbers":              {[]string{good, "1 2 3\r\n", good}, []uint64{81403, 81403}, []device.ReadingFlags{0, 0}, 1},
		"torn":                       {[]string{good, "1 2 3", "1 2", good}, []uint64{81403, 81403}, []device.ReadingFlags{0, 0}, 2},
		"line end put in":            {[]string{good, "81403 79218 5 1\n2\r\n", good}, []uint64{81403, 81403, 81403}, []device.ReadingFlags{0, device.Implausible, 0}, 0},
		"more behind it":             {[]string{good + "7\r\n", good}, []uint64{81403, 81403}, []device.ReadingFlags{device.Implausible, 0}, 0},
		"LF of some":                 {[]string{good, "1 2 3 4\n", good}, []uint64{81403, 1, 81403}, []device.ReadingFlags{0, device.Implausible, 0}, 0},
		"LF from now on":             {[]string{good, "1 2 3 4\n", "2 2 3 4\n"}, []uint64{81403, 1, 2}, []device.ReadingFlags{0, device.Implausible, 0}, 0},
		"more than 250 MHz":          {[]string{"25000000 0 0 0\r\n", "26000000 0 0 0\r\n"}, []uint64{25e6, 26e6}, []device.ReadingFlags{0, device.Implausible}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := counted(t, len(tc.first), tc.answers...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(b.Values[0], tc.first); diff != "" {
				t.Errorf("input 1 (-got +want):\n%s", diff)
			}
			if diff := cmp.Diff(b.Flags, tc.flags); diff != "" {
				t.Errorf("flags (-got +want):\n%s", diff)
			}
			var missing uint64
			for _, n := range b.Notes {
				if n.Gap != nil {
					missing += n.Gap.Missing
				}
			}
			if missing != tc.missing {
				t.Errorf("%d missing, want %d: %+v", missing, tc.missing, b.Notes)
			}
		})
	}
}

// An older answer is told, and the measurement cannot have begun before it.
func TestOlderAnswer(t *testing.T) {
	b, err := counted(t, 1, "!1 1 1 1\r\n")
	if err != nil || len(b.Notes) != 1 || b.Notes[0].Event == nil || b.Notes[0].Event.What != "answer dropped" {
		t.Fatalf("%+v, %v", b.Notes, err)
	}
	if b.Begin[0] != b.Notes[0].Event.Time || b.Uncertainty[0] != 0 {
		t.Errorf("begins %d ns after the older answer came, uncertain by %d ns", b.Begin[0]-b.Notes[0].Event.Time, b.Uncertainty[0])
	}
}

// After an answer that is lost, the next question waits until what is left of it has
// come and the measurement is over.
func TestNextQuestion(t *testing.T) {
	type said struct {
		after time.Duration // the question
		text  string
	}
	for name, tc := range map[string]struct {
		says []said
		next time.Duration // after the first question, the second
	}{
		"damaged":              {[]said{{time.Second, "1 2 3\r\n"}}, 1100 * time.Millisecond},
		"torn":                 {[]said{{time.Second, "1 2"}}, 1350 * time.Millisecond},
		"torn early":           {[]said{{200 * time.Millisecond, "1 2"}}, 1350 * time.Millisecond},
		"noise":                {[]said{{200 * time.Millisecond, "noise\r\n"}}, 1100 * time.Millisecond},
		"noise and the answer": {[]said{{200 * time.Millisecond, "noise\r\n"}, {time.Second, "1 2 3 4\r\n"}}, 1100 * time.Millisecond},
		"noise twice":          {[]said{{200 * time.Millisecond, "noise\r\n"}, {400 * time.Millisecond, "noise\r\n"}}, 1100 * time.Millisecond},
		"none":                 {nil, 3 * time.Second},
		"a late one":           {[]said{{2300 * time.Millisecond, "1 2 3 4\r\n"}}, 2400 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			var asked []time.Time
			devicetest.Bubble(t, func(end *devicetest.End, _ *devicetest.Truth) {
				buf := make([]byte, 64)
				for len(asked) < 2 {
					if _, err := end.Read(buf, time.Hour); err != nil {
						return
					}
					asked = append(asked, time.Now())
					for _, s := range tc.says {
						if len(asked) == 2 {
							break
						}
						if !end.Wait(time.Until(asked[0].Add(s.after))) {
							return
						}
						end.Write([]byte(s.text))
					}
				}
				end.Wait(time.Second)
				end.Write([]byte("9 9 9 9\r\n"))
				end.Wait(time.Hour)
			}, func(p device.Port) {
				c := newCounting(p, devicetest.Clock, time.Second, inputs, true)
				b := device.NewBatch(inputs)
				for begin := time.Now(); b.Len() == 0 && time.Since(begin) < 10*time.Second; {
					if err := c.fill(b); err != nil {
						t.Fatal(err)
					}
				}
				if b.Len() != 1 || b.Values[0][0] != 9 {
					t.Errorf("read %v", b.Values[0])
				}
				_ = p.Close()
			})
			if len(asked) != 2 || asked[1].Sub(asked[0]) != tc.next {
				t.Errorf("asked at %v, want %v after the first", asked, tc.next)
			}
		})
	}
}

// What goes wrong before the first reading is told too.
func TestLostAtFirst(t *testing.T) {
	b, err := counted(t, 1, "1 2 3\r\n", "1 2 3 4\r\n")
	if err != nil || len(b.Notes) != 1 || b.Notes[0].Event == nil || b.Notes[0].Event.What != "answer lost" {
		t.Fatalf("%+v, %v", b.Notes, err)
	}
}

// A unit that counts in the other mode, or sends something else, is given up.
func TestGivenUp(t *testing.T) {
	for answer, want := range map[string]error{"1 2 3 4 5 6 7 8\r\n": device.ErrChanged, "ERROR 7\r\n": device.ErrNonsense} {
		b, err := counted(t, 2, "1 2 3 4\r\n", answer, answer, answer, answer, answer)
		if !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", answer, err, want)
		}
		if n := b.Notes[len(b.Notes)-1]; n.Gap == nil || n.Gap.Missing != 5 || n.Gap.Cause != device.CauseDamaged {
			t.Errorf("%q: %+v", answer, n)
		}
	}
}
