package cd48

import (
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/device"
	"photongate/device/devicetest"
	"photongate/device/recording"
)

// takeAll gives chunks of bytes, all at one time, to a box that repeats and
// returns what is read of them.
func takeAll(t *testing.T, chunks ...[]byte) (rows [][counters]uint64, flags []device.ReadingFlags) {
	port, _ := devicetest.NewPair(devicetest.Clock)
	o := &opening{talk: talk{port: port, clock: func() int64 { return 1e18 }, crlf: true}}
	s := newRepeating(o, 100*time.Millisecond, rowsOf(o))
	b := device.NewBatch(counters)
	for _, c := range chunks {
		for len(c) > 0 {
			n := copy(s.buf[s.end:], c)
			s.end += n
			c = c[n:]
			if _, err := s.take(b); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.tellDamage()
	s.phase.Flush(b)
	for row := range b.Len() {
		var v [counters]uint64
		for n := range v {
			v[n] = b.Values[n][row]
		}
		rows = append(rows, v)
	}
	return rows, b.Flags
}

func rowsOf(*opening) rows { return rows{subsets: subsets([counters]uint8{8, 4, 2, 1, 12, 10, 9, 15})} }

// Whatever comes, and however it is cut in two, is read in the same way, and
// every reading is as long as a batch wants it.
func FuzzLines(f *testing.F) {
	f.Add([]byte("0 0\r\n57012 27003 26944 101 3007 2988 12 60 0\r\n57012 27003 26944 101 3007 2988 12 60 129\r\nOK\r\n1 2 3\r\n"))
	f.Add([]byte("\n\n\nE\r129\r\n1 2 3 4 5 6 7 8 9\n1 2 3 4 5 6 7 8 9\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 512 {
			data = data[:512]
		}
		whole, wholeFlags := takeAll(t, data)
		for cut := range data {
			got, gotFlags := takeAll(t, data[:cut], data[cut:])
			if d := cmp.Diff(got, whole); d != "" {
				t.Fatalf("cut at %d:\n%s", cut, d)
			}
			if d := cmp.Diff(gotFlags, wholeFlags); d != "" {
				t.Fatalf("cut at %d, flags:\n%s", cut, d)
			}
		}
	})
}

// A conversation worked by hand from the command table: a box at rest, set to
// repeat every second, with a bad line among the good ones.
func TestRecording(t *testing.T) {
	file, err := os.Open("testdata/repeat.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	rec, err := recording.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	p := rec.Play()
	src, err := Driver.Open(t.Context(), device.OpenRequest{
		Port: p, Clock: p.Clock, Settings: device.Settings{"gate": time.Second, "threshold": 0.8},
	})
	if err != nil {
		t.Fatal(err)
	}
	b := device.NewBatch(counters)
	for err == nil {
		err = src.Read(b)
	}
	if got, want := b.Values[0], []uint64{57012, 57013, 57015}; !cmp.Equal(got, want) {
		t.Errorf("counter 0 reads %v, want %v", got, want)
	}
	gaps := 0
	for _, n := range b.Notes {
		if n.Gap != nil {
			gaps++
			if n.Row != 2 || n.Gap.Missing != 1 || n.Gap.Cause != device.CauseDamaged {
				t.Errorf("gap before row %d: %+v", n.Row, *n.Gap)
			}
		}
	}
	if gaps != 1 || p.Left() != 0 {
		t.Errorf("%d gaps, %d exchanges left over", gaps, p.Left())
	}
	_ = src.Close()
}

// What looks like a whole line may be the rest of a broken one; it is kept, and
// flagged where the bytes show it.
func TestBrokenLinesAreFlagged(t *testing.T) {
	const good = "57012 27003 26944 101 3007 2988 12 60 0\r\n"
	for name, tc := range map[string]struct {
		bytes string
		flags []device.ReadingFlags
	}{
		"line end put into the first number": {good + "5\n7012 27003 26944 101 3007 2988 12 60 0\r\n" + good,
			[]device.ReadingFlags{0, device.Implausible, 0}},
		"line end put into the last number": {good + "57012 27003 26944 101 3007 2988 12 60 1\n29\r\n" + good,
			[]device.ReadingFlags{0, device.Implausible, 0}},
		"CR lost":                     {good + good[:len(good)-2] + "\n" + good, []device.ReadingFlags{0, device.Implausible, 0}},
		"a whole line damaged":        {good + "x" + good + good, []device.ReadingFlags{0, 0}},
		"two lines run into one":      {good + good[:len(good)-1] + good + good, []device.ReadingFlags{0, 0}},
		"empty lines and OK are none": {good + "\r\n\n" + good, []device.ReadingFlags{0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			_, flags := takeAll(t, []byte("torn\n"+tc.bytes))
			if d := cmp.Diff(flags, tc.flags); d != "" {
				t.Errorf("flags (-got +want):\n%s", d)
			}
		})
	}
}
