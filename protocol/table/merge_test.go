package table

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"photongate/protocol"
)

// merging is an output that merges streams, in memory.
type merging struct {
	t    *testing.T
	o    *Output
	text bytes.Buffer
}

func newMerging(t *testing.T, words ...string) *merging {
	m := &merging{t: t}
	var err error
	if m.o, err = NewOutput(&m.text, viewOf(t, append(words, "--merge")...)); err != nil {
		t.Fatal(err)
	}
	return m
}

// stream is one more stream of a gateway, with a clock table of its own.
func (m *merging) stream(gateway, name string, channels ...protocol.Channel) (*record, *Pipe) {
	m.t.Helper()
	pipe := m.o.Stream(NewClockTable())
	r := bench(m.t, pipe, channels...)
	r.part.Gateway, r.part.Stream = gateway, name
	if err := pipe.Expect(&r.part); err != nil {
		m.t.Fatal(err)
	}
	return r, pipe
}

// lines are the lines written until now, without their day.
func (m *merging) lines() []string {
	m.t.Helper()
	if err := m.o.Flush(); err != nil {
		m.t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(strings.ReplaceAll(m.text.String(), "2026-11-20T13:30:", ""), "\n"), "\n")
}

func (m *merging) finish() []string {
	m.t.Helper()
	if err := m.o.Finish(); err != nil {
		m.t.Fatal(err)
	}
	return m.lines()
}

// TestMerge: two streams with gates of 100 ms and 250 ms, in bins of 500 ms. In
// the second bin bench has a hole, in the third it has nothing.
func TestMerge(t *testing.T) {
	m := newMerging(t, "--every", "500ms")
	a, _ := m.stream("pi-lab3", "bench", count("A"), count("B"))
	b, _ := m.stream("pi-lab3", "timer", count("A"))
	a.at, b.at = baseNs-100*ms, baseNs-100*ms // 13:30:12.0
	a.gates(100*ms, []uint64{1, 9}, []uint64{1, 9}, []uint64{1, 9}, []uint64{1, 9}, []uint64{1, 9}, []uint64{2, 9}).gap(0, 1000*ms)
	b.gates(250*ms, []uint64{10}, []uint64{20}, []uint64{30}, []uint64{40}, []uint64{50}, []uint64{60}, []uint64{70})
	a.gates(100*ms, []uint64{3, 9}, []uint64{3, 9}, []uint64{3, 9}, []uint64{3, 9})
	equal(t, "text", m.finish(), []string{
		"time_utc,t_s,gate_s,flags,bench_live_s,bench_A,bench_B,timer_live_s,timer_A",
		"12.000000Z,0.000000,0.500000,,0.500000,5,45,0.500000,30",
		"12.500000Z,0.500000,0.500000,short:bench,0.100000,2,9,0.500000,70",
		"13.000000Z,1.000000,0.500000,short:bench,0.000000,,,0.500000,110",
		"13.500000Z,1.500000,0.500000,short:bench|short:timer,0.400000,12,36,0.250000,70",
	})
}

// TestMergeRates: each with its own live time, corrections by the channels of
// its own stream.
func TestMergeRates(t *testing.T) {
	m := newMerging(t, "--every", "1s", "--rate", "--correct", "acc")
	ab := protocol.Channel{Name: "AB", Kind: protocol.KindCount, Of: []string{"A", "B"}, WindowNs: 1000}
	a, _ := m.stream("pi-lab3", "bench", count("A"), count("B"), ab)
	b, _ := m.stream("pi-lab3", "timer", count("A"))
	a.at, b.at = baseNs-100*ms, baseNs-100*ms
	a.gates(500*ms, []uint64{500, 2000, 3}) // 1000/s and 4000/s: 4/s of 6/s are accidental, sqrt(12 + 0.032 + 0.008)
	b.gates(1000*ms, []uint64{16})
	equal(t, "text", m.finish(), []string{
		"time_utc,t_s,gate_s,flags,bench_live_s,bench_A_cps,bench_A_cps_err,bench_B_cps,bench_B_cps_err,bench_AB_cps,bench_AB_cps_err,bench_AB_corr_cps,bench_AB_corr_cps_err,timer_live_s,timer_A_cps,timer_A_cps_err",
		"12.000000Z,0.000000,1.000000,short:bench,0.500000,1000.000000,44.721360,4000.000000,89.442719,6.000000,3.464102,2.000000,3.469870,1.000000,16.000000,4.000000",
	})
}

// TestMergeWaits: a row is written when all streams have gone beyond it, or one
// lies too far behind.
func TestMergeWaits(t *testing.T) {
	m := newMerging(t, "--every", "1s")
	a, _ := m.stream("pi-lab3", "bench", count("A"))
	b, pipe := m.stream("pi-lab4", "bench", count("A"))
	rows := func() int { return len(m.lines()) - 1 }
	a.at, b.at = baseNs-100*ms, baseNs-100*ms
	a.gates(1000*ms, []uint64{1}, []uint64{1}, []uint64{1})
	if rows() != 0 {
		t.Errorf("%d rows before the other stream is heard of", rows())
	}
	b.gates(1000*ms, []uint64{2}, []uint64{2})
	if rows() != 1 {
		t.Errorf("%d rows, want that of 12 s: in 13 s the second stream goes on", rows())
	}
	for range 12 {
		a.gates(1000*ms, []uint64{1})
	}
	if err := m.o.Merger().Overdue(10 * second); err != nil {
		t.Fatal(err)
	}
	if rows() != 3 {
		t.Errorf("%d rows, want three: the newest bin is that of 25 s", rows())
	}
	b.gates(1000*ms, []uint64{2}, []uint64{2}) // those of 13 s and 14 s close: 13 s is late, 14 s too
	if late := m.o.Merger().Late(); late != 2 {
		t.Errorf("%d bins are late, want 2", late)
	}
	if err := pipe.Finish(); err != nil {
		t.Fatal(err)
	}
	if rows() != 14 {
		t.Errorf("%d rows, want 14: nobody waits for what has ended", rows())
	}
	lines := m.finish()
	equal(t, "lines", []string{lines[0], lines[1], lines[2], lines[4]}, []string{"time_utc,t_s,gate_s,flags,pi-lab3_bench_live_s,pi-lab3_bench_A,pi-lab4_bench_live_s,pi-lab4_bench_A",
		"12.000000Z,0.000000,1.000000,,1.000000,1,1.000000,2",
		"13.000000Z,1.000000,1.000000,short:pi-lab4_bench,1.000000,1,0.000000,", "15.000000Z,3.000000,1.000000,,1.000000,1,1.000000,2"})
}

// TestMergeNDJSON: values by the names of the columns, notes by their streams.
func TestMergeNDJSON(t *testing.T) {
	m := newMerging(t, "--every", "1s", "--format", "ndjson")
	a, _ := m.stream("pi-lab3", "bench", count("A"))
	a.at -= 100 * ms
	b, _ := m.stream("pi-lab3", "timer", count("C"))
	a.gates(1000*ms, []uint64{1}).gap(1, second)
	b.part.Desc.Channels[0].Name = "B"
	equal(t, "text", m.finish(), []string{
		`{"type":"gap","time_utc":"13.000000Z","duration_s":1.000000,"stream":"pi-lab3/bench","part":1,"first_index":1,"readings_missing":1,"cause":"stalled","detail":""}`,
		`{"type":"reading","time_utc":"12.000000Z","t_s":0.000000,"gate_s":1.000000,"flags":["short:timer"],"values":{"bench_live_s":1.000000,"bench_A":1,"timer_live_s":0.000000,"timer_C":null}}`})
}

// TestMergeWithoutUTC: streams of one gateway share its base; those of two have
// nothing in common.
func TestMergeWithoutUTC(t *testing.T) {
	for gateway, want := range map[string]uint64{"pi-lab3": 0, "pi-lab4": 2} {
		m := newMerging(t, "--every", "1s")
		for _, from := range []string{"pi-lab3", gateway} {
			clocks := NewClockTable()
			clocks.Add(mustID(t, baseID), 1000, &protocol.Clock{UTCNs: 1000, Sync: protocol.SyncUnsynchronised})
			pipe := m.o.Stream(clocks)
			r := bench(t, pipe, count("A"))
			r.part.Gateway = from
			r.at = 5 * second
			if err := pipe.Expect(&r.part); err != nil {
				t.Fatal(err)
			}
			r.gates(second, []uint64{1})
		}
		m.finish()
		if late := m.o.Merger().Late(); late != want {
			t.Errorf("%s: %d bins have no place, want %d", gateway, late, want)
		}
	}
}

// TestMixed: different channels are refused before the first byte, in one CSV
// and in one merged stream.
func TestMixed(t *testing.T) {
	var text bytes.Buffer
	o, err := NewOutput(&text, View{})
	if err != nil {
		t.Fatal(err)
	}
	first, second := bench(t, nil, count("A")), bench(t, nil, count("A"), count("B"))
	if err := o.Stream(NewClockTable()).Expect(&first.part); err != nil {
		t.Fatal(err)
	}
	err = o.Stream(NewClockTable()).Expect(&second.part)
	mixed, ok := errors.AsType[*MixedError](err)
	if !ok || !errors.Is(err, ErrMixed) || mixed.Stream != "pi-lab3/bench" || !strings.HasSuffix(err.Error(), "pi-lab3/bench has the channels A,B, what comes before it A") {
		t.Errorf("%v", err)
	}
	m := newMerging(t, "--every", "1s")
	_, pipe := m.stream("pi-lab3", "bench", count("A"))
	if err := pipe.Expect(&second.part); !errors.Is(err, ErrMixed) {
		t.Errorf("merged: %v", err)
	}
	if text.Len() > 0 {
		t.Errorf("wrote %q", text.String())
	}
}

// TestMergeLateStream: rows of a stream do not gather while another one, whose
// first gate is known to come much later, has given no bin yet; and its columns
// are there from the first row on.
func TestMergeLateStream(t *testing.T) {
	m := newMerging(t, "--every", "1s")
	bench, benchPipe := m.stream("pi", "bench", count("A"))
	scan, scanPipe := m.stream("pi", "scan", count("B"))
	scan.at += 60_000 * ms
	scan.gates(100*ms, []uint64{7})
	for range 30 {
		bench.gates(1000*ms, []uint64{5})
	}
	if n := len(m.o.merger.waiting); n > 1 {
		t.Errorf("%d rows wait", n)
	}
	if got := m.lines(); len(got) < 29 || !strings.Contains(got[0], "scan_B") {
		t.Errorf("%d lines, the first %q", len(got), got[0])
	}
	for _, p := range []*Pipe{benchPipe, scanPipe} {
		if err := p.Finish(); err != nil {
			t.Fatal(err)
		}
	}
	if got := m.finish(); len(got) != 32 {
		t.Errorf("%d lines, want the header, 30 of bench and 1 of scan", len(got))
	}
}
