package devicetest

import (
	"testing"

	"photongate/device"
)

// The suite is only as good as its comparison: it must find what drivers can do
// wrong.
func TestCompareFindsTrouble(t *testing.T) {
	truth := [][]uint64{{10}, {11}, {12}, {13}, {14}, {15}}
	gap := func(row int, missing uint64, begin int64) device.Note {
		return device.Note{Row: row, Gap: &device.Gap{Begin: begin, Duration: int64(missing) * 100, Missing: missing, Known: true}}
	}
	for _, tc := range []struct {
		name   string
		rows   []uint64
		begin  []int64
		flags  []device.ReadingFlags
		notes  []device.Note
		wrong  int
		fails  bool
		pauses bool
	}{
		{name: "whole", rows: []uint64{11, 12, 13}},
		{name: "gap told", rows: []uint64{11, 13}, begin: []int64{0, 200}, notes: []device.Note{gap(1, 1, 100)}},
		{name: "gap miscounted", rows: []uint64{11, 13}, begin: []int64{0, 300}, notes: []device.Note{gap(1, 2, 100)}, fails: true},
		{name: "gap where nothing is missing", rows: []uint64{11, 12}, begin: []int64{0, 200}, notes: []device.Note{gap(1, 1, 100)}, fails: true},
		{name: "lost in silence", rows: []uint64{11, 13}, fails: true},
		{name: "doubled", rows: []uint64{11, 11}, fails: true},
		{name: "out of order", rows: []uint64{12, 11}, fails: true},
		{name: "wrong value", rows: []uint64{11, 99, 13}, wrong: 1},
		{name: "wrong value at first", rows: []uint64{99, 12}, wrong: 1},
		{name: "wrong value flagged", rows: []uint64{11, 99, 13}, flags: []device.ReadingFlags{0, device.Implausible, 0}},
		{name: "intervals not contiguous", rows: []uint64{11, 12}, begin: []int64{0, 101}, fails: true},
		{name: "pauses", rows: []uint64{11, 12}, begin: []int64{0, 101}, pauses: true},
		{name: "intervals overlap", rows: []uint64{11, 12}, begin: []int64{0, 99}, pauses: true, fails: true},
		{name: "gap ends before the reading", rows: []uint64{11, 13}, begin: []int64{0, 201}, notes: []device.Note{gap(1, 1, 100)}, pauses: true, fails: true},
		{name: "gap of wrong extent", rows: []uint64{11, 13}, begin: []int64{0, 250}, notes: []device.Note{gap(1, 1, 100)}, fails: true},
		{name: "notes out of order", rows: []uint64{11, 12}, notes: []device.Note{{Row: 1}, {Row: 0}}, fails: true},
		{name: "nothing right", rows: []uint64{98, 99}, fails: true},
		{name: "more than was sent", rows: []uint64{14, 15, 99}, fails: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := &record{truth: truth, begin: tc.begin, flags: tc.flags, notes: tc.notes}
			for row, v := range tc.rows {
				r.rows = append(r.rows, []uint64{v})
				r.suspect = append(r.suspect, false)
				r.length = append(r.length, 100)
				if tc.begin == nil {
					r.begin = append(r.begin, int64(row)*100)
				}
				if tc.flags == nil {
					r.flags = append(r.flags, 0)
				}
			}
			wrong, err := r.compare(true, tc.pauses)
			if wrong != tc.wrong && err == nil || (err != nil) != tc.fails {
				t.Errorf("compare = %d, %v, want %d, failure %v", wrong, err, tc.wrong, tc.fails)
			}
		})
	}
	long := &record{rows: [][]uint64{{10}}, begin: []int64{0}, length: []int64{1}, flags: []device.ReadingFlags{0}, suspect: []bool{false}}
	for n := range uint64(20) {
		long.truth = append(long.truth, []uint64{10 + n})
	}
	if _, err := long.compare(true, false); err == nil {
		t.Error("a driver that stops delivering was not found")
	}
}

func TestBreak(t *testing.T) {
	for _, tc := range []struct {
		fault Fault
		want  string
		gone  bool
	}{
		{Fault{1, Drop, 0}, "acd", false},
		{Fault{1, Flip, 0x20}, "aBcd", false},
		{Fault{1, Insert, 'x'}, "axbcd", false},
		{Fault{2, Gone, 0}, "ab", true},
		{Fault{9, Drop, 0}, "abcd", false},
	} {
		for size := 1; size <= 8; size++ {
			port, end := NewPair(Clock)
			end.Write([]byte("abcd"))
			p := Break(port, tc.fault)
			got := ""
			buf := make([]byte, size)
			for {
				n, _, err := p.Read(buf, 0)
				if err != nil {
					if gone := err == device.ErrGone; gone != tc.gone {
						t.Errorf("%+v ends with %v", tc.fault, err)
					}
					break
				}
				got += string(buf[:n])
			}
			if got != tc.want {
				t.Errorf("%+v, %d bytes at a time: read %q, want %q", tc.fault, size, got, tc.want)
			}
		}
	}
}
