package cmd_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"photongate/receiver"
)

// ledger is what a comparison of an archive with the truth came to, for one
// stream.
type ledger struct {
	rows    int // archived, each of them counted, in order, once
	missing int // counted between the first and the last archived, and not archived
	gaps    int
	missed  time.Duration // the gaps, added up
	parts   int
	causes  map[string]int
}

func (l ledger) String() string {
	return fmt.Sprintf("%s rows agree, %s missing under %d gaps of %.2f s in all", grouped(l.rows), grouped(l.missing), l.gaps, l.missed.Seconds())
}

// checkLedger compares the archive of one stream with what its instrument
// counted, truth: every row archived was counted, in order and once, and every
// stretch that is missing is covered by a gap that is long enough, whose count,
// where it has one, is right. Rows are known by their values, so the simulator
// must run with --distinct.
func (b *bench) checkLedger(report receiver.Report, stream, truth string, gate time.Duration) ledger {
	b.t.Helper()
	counted := map[string]int{}
	for i, values := range truthOf(b.t, truth) {
		counted[values] = i
	}
	at := slices.IndexFunc(report.Streams, func(s receiver.StreamReport) bool { return s.Name == stream })
	if at < 0 {
		b.t.Fatalf("the report has no stream %q", stream)
	}
	s := report.Streams[at]
	l := ledger{parts: len(s.Parts), causes: map[string]int{}}
	for _, p := range s.Parts {
		for _, g := range p.Gaps {
			l.gaps++
			l.causes[g.Cause]++
			l.missed += durationOf(g)
		}
		for _, h := range p.Holes {
			b.t.Errorf("%s part %d: a hole %d..%d, %s %s", stream, p.Part, h.From, h.To, h.Cause, h.Detail)
		}
	}
	last := -1
	var before row
	for i, r := range b.catStream(stream) {
		n, ok := counted[r.values]
		if !ok || n <= last {
			b.t.Fatalf("%s: row %d of the archive was never counted, is there twice, or is out of order: %+v after %+v", stream, i, r, before)
		}
		if missing := n - last - 1; last >= 0 && missing > 0 {
			l.missing += missing
			if why := uncovered(s, before, r, missing, gate); why != "" {
				b.t.Errorf("%s: %d readings are missing between %+v and %+v: %s", stream, missing, before, r, why)
			}
		}
		last, before = n, r
		l.rows++
	}
	if l.rows == 0 {
		b.t.Errorf("%s: the archive holds no row", stream)
	}
	return l
}

func durationOf(g receiver.LossReport) time.Duration {
	if g.DurationNs == nil {
		return 0
	}
	return time.Duration(*g.DurationNs)
}

// uncovered says why the gaps between two rows do not account for so many
// missing readings; empty when they do.
func uncovered(s receiver.StreamReport, from, to row, missing int, gate time.Duration) string {
	var long time.Duration
	known, gaps := 0, 0
	for _, p := range s.Parts {
		part := fmt.Sprint(p.Part)
		if partOf(part) < partOf(from.part) || partOf(part) > partOf(to.part) {
			continue
		}
		for _, g := range p.Gaps {
			index := uint64(0)
			if g.Index != nil {
				index = uint64(*g.Index)
			}
			if part == from.part && index <= uint64(partOf(from.index)) || part == to.part && index > uint64(partOf(to.index)) {
				continue
			}
			gaps++
			long += durationOf(g)
			if g.Missing != nil {
				known += int(*g.Missing)
			} else {
				known = -1 << 40
			}
		}
	}
	switch {
	case gaps == 0:
		return "no gap tells of it"
	case known > 0 && known != missing:
		return fmt.Sprintf("the gaps tell of %d", known)
	case long < time.Duration(missing-1)*gate:
		return fmt.Sprintf("the gaps are %v long, too short for as many gates of %v", long, gate)
	}
	return ""
}

// partOf reads a number of a row.
func partOf(text string) int {
	n := 0
	for _, c := range text {
		n = 10*n + int(c-'0')
	}
	return n
}

// truthOf reads a truth file: values only, in order.
func truthOf(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, r := range parseCSV(t, string(text))[1:] {
		rows = append(rows, strings.Join(r[2:], ","))
	}
	return rows
}

// report verifies the archive through the real binary.
func (b *bench) report() receiver.Report {
	b.t.Helper()
	code, out := b.verifyJSON()
	if code != 0 && code != 1 {
		b.t.Fatalf("verify: exit %d, want 0 or 1\n%s", code, out)
	}
	var r receiver.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		b.t.Fatal(err)
	}
	return r
}

// checkAcked demands that the archive holds, and both ends alike, every frame
// that was ever acknowledged. It returns how many those were.
func (b *bench) checkAcked(report receiver.Report, acked map[position]uint64) (frames uint64) {
	b.t.Helper()
	names := b.streamIDs()
	for at, seq := range acked {
		frames += seq
		held := uint64(0)
		for _, s := range report.Streams {
			for _, p := range s.Parts {
				if s.Name != names[at.id] || p.Part != at.epoch {
					continue
				}
				for _, stretch := range p.Held {
					if stretch[0] <= 1 {
						held = uint64(stretch[1])
					}
				}
			}
		}
		if held < seq {
			b.t.Errorf("%s part %d was acknowledged up to frame %d, the archive holds it up to %d", names[at.id], at.epoch, seq, held)
		}
	}
	return frames
}

// streamIDs reads the names of streams by id from the journal.
func (b *bench) streamIDs() map[uint32]string {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join(b.dir, "journal", "journal.json"))
	if err != nil {
		b.t.Fatal(err)
	}
	var j struct {
		Streams []struct {
			Name string `json:"name"`
			ID   uint32 `json:"id"`
		} `json:"streams"`
	}
	if err := json.Unmarshal(text, &j); err != nil {
		b.t.Fatal(err)
	}
	names := map[uint32]string{}
	for _, s := range j.Streams {
		names[s.ID] = s.Name
	}
	return names
}

// causesOf joins what gaps said, for a line.
func causesOf(list ...ledger) string {
	all := map[string]int{}
	for _, l := range list {
		for cause, n := range l.causes {
			all[cause] += n
		}
	}
	var said []string
	for _, cause := range slices.Sorted(maps.Keys(all)) {
		said = append(said, fmt.Sprintf("%d %s", all[cause], cause))
	}
	return strings.Join(said, ", ")
}
