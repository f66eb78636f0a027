package cmd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestFaultsOnTheLine injects each kind of fault once into an instrument on a
// real pty and follows what becomes of it through the whole path. What the bytes
// make detectable is a flag or a gap; one fault gives at most two gaps, none
// longer than the fault and three gates; every row that is not flagged was
// counted, in order, and the index says how many are missing between two: but for
// the rows of which a gap says that it may have been before or behind them.
//
// Package devicetest injects faults at every byte; here it is one place each.
func TestFaultsOnTheLine(t *testing.T) {
	for _, c := range []struct {
		driver, fault string
		faultS        float64
		blind         bool // the bytes cannot reveal it: wrong rows are counted and printed
	}{
		{"de2ccu", "torn@3s", 0, false},
		{"de2ccu", "garbage@3s:8", 0, false},
		{"de2ccu", "flood@3s", 0, false}, /* of what ends a packet */
		{"de2ccu", "drop@3s:1", 0, false},
		{"de2ccu", "drop@3s:41", 0, true}, /* two halves make one good packet */
		{"de2ccu", "lostpacket@3s:64", 0, false},
		{"de2ccu", "flip@3s", 0, true},
		{"de2ccu", "stall@3s:2s", 2, false},
		{"de2ccu", "late@3s:1500ms", 0, false},
		{"de2ccu", "split@3s:20ms", 0, false},
		{"de2ccu", "unplug@3s:2s", 2, false},
		{"cd48", "torn@3s", 0, true},
		{"cd48", "garbage@3s:8", 0, true},
		{"cd48", "flood@3s", 0, false},
		{"cd48", "drop@3s:1", 0, true},
		{"cd48", "lostpacket@3s:64", 0, true},
		{"cd48", "flip@3s", 0, true},
		{"cd48", "stall@3s:2s", 2, false},
		{"cd48", "late@3s:1500ms", 0, false},
		{"cd48", "split@3s:20ms", 0, false},
		{"cd48", "unplug@3s:2s", 2, false},
		{"cd48", "overflow@3s:7", 0, false},
	} {
		// Without @, which the name of the pty would have as well: what happened is looked for by it.
		t.Run(c.driver+" "+strings.Replace(c.fault, "@", " at ", 1), func(t *testing.T) {
			t.Parallel()
			kind, _, _ := strings.Cut(c.fault, "@")
			number, known := map[string]string{"stall": "F34", "late": "F39", "split": "F39", "unplug": "F31", "overflow": "F36"}[kind]
			if !known {
				number = "F35" // what damages bytes
			}
			t.Attr("fault", number)
			t.Attr("injected", c.driver+" "+c.fault+" on a pty")
			t.Attr("promised", "a flag or at most two gaps of the right length and count; what is not flagged was counted, in order")
			options := ""
			if c.driver == "cd48" {
				options = `gate = "100ms"`
			}
			b := newBench(t, c.driver, options, "--fault", c.fault)
			sim := b.startSim()
			gateway := b.startGateway()
			gateway.waitFor("bench", "running")
			if code := b.startRecord("--for", "12s", "--csv").exit(); code != 0 && code != 1 {
				t.Fatalf("record: exit %d", code)
			}
			sim.waitFor(strings.Split(c.fault, "@")[0] + "@") // it did happen
			seen := b.checkFaulty(c.faultS, c.blind)
			if kind == "overflow" {
				n := 0
				for _, r := range b.cat() {
					if strings.Contains(r.flags, "overflow:") {
						n++
					}
				}
				if n != 1 {
					t.Errorf("%d rows tell of the overflow, want 1", n)
				}
				seen += fmt.Sprintf(", %d with the overflow flag", n)
			}
			t.Attr("seen", seen)
		})
	}
}

// checkFaulty aligns a record with one fault in it with the truth.
func (b *bench) checkFaulty(faultS float64, blind bool) (seen string) {
	b.t.Helper()
	gaps := b.gaps()
	if len(gaps) > 2 {
		b.t.Errorf("%d gaps for one fault", len(gaps))
	}
	const gateS = 0.1
	for _, g := range gaps {
		// A port that is gone is looked for once a second, and then the instrument
		// is asked what it is and how it is set.
		const reopenS = 3
		longest := faultS + 3*gateS
		if faultS > 0 {
			longest += reopenS
		}
		if g.durationS > longest {
			b.t.Errorf("a gap of %.3f s (%s) for a fault of %.3f s", g.durationS, g.cause, faultS)
		}
	}
	truth := b.truthRows()
	at, sure := -1, -1 // in the truth: the last row, and the last of which the place is certain
	var last row       // that one
	var wrong, flagged, doubts int
	for i, r := range b.cat() {
		n := slices.Index(truth[at+1:], r.values)
		may := b.doubt(gaps, r)
		if may > 0 { // said of its place, not of its values
			doubts++
			r.flags = strings.Trim(strings.Replace(r.flags, "late", "", 1), "|")
		}
		switch {
		case n < 0 && r.flags != "":
			flagged++
			continue
		case n < 0 && blind:
			wrong++
			continue
		case n < 0:
			b.t.Fatalf("row %d was never counted, or is out of order, and carries no flag: %+v", i, r)
		}
		at += 1 + n
		if sure >= 0 && r.part == last.part && !b.unknownGapBetween(gaps, last, r) {
			moved := number(b.t, r.index) - number(b.t, last.index)
			if off := moved - (at - sure); off < -may || off > may {
				b.t.Errorf("row %d: the index moved by %d, the instrument counted %d, uncertain by %d; gaps %+v", i, moved, at-sure, may, gaps)
			}
		}
		if may == 0 {
			sure, last = at, r
		}
	}
	if wrong+flagged > 2 {
		b.t.Errorf("one fault changed %d rows", wrong+flagged)
	}
	seen = fmt.Sprintf("%d gaps, %d rows flagged, %d of uncertain place, %d rows changed that the bytes do not reveal", len(gaps), flagged, doubts, wrong)
	b.t.Log("tally: " + seen)
	return seen
}

// gap is one row of the gaps file.
type gap struct {
	durationS  float64
	part       string
	firstIndex int
	missing    string // empty when not known
	cause      string
	earlier    int // rows before it of which the place is uncertain, as its detail says
	later      int // and behind it
}

var (
	mayBeEarlier = regexp.MustCompile(`it may have been up to (\d+) readings? earlier`)
	mayBeLater   = regexp.MustCompile(`it may have been up to .*?(\d+) readings? later`)
)

// doubt is by how many the index of a row may be off, as the gaps beside it say. It
// must be flagged then.
func (b *bench) doubt(gaps []gap, r row) (may int) {
	b.t.Helper()
	at := number(b.t, r.index)
	for _, g := range gaps {
		if g.part != r.part {
			continue
		}
		missing := 0
		if g.missing != "" {
			missing = number(b.t, g.missing)
		} else if at >= g.firstIndex-g.earlier && at < g.firstIndex+g.later {
			may += 1 << 20 // any number
		}
		if at >= g.firstIndex-g.earlier && at < g.firstIndex+missing+g.later {
			may += missing
		}
	}
	if may > 0 && !strings.Contains(r.flags, "late") {
		b.t.Errorf("the place of row %+v is uncertain, and it is not flagged: %+v", r, gaps)
	}
	return may
}

// gaps reads the gaps file that record --csv wrote.
func (b *bench) gaps() []gap {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join(b.gatewayFolder(), "bench.gaps.csv"))
	if err != nil {
		b.t.Fatal(err)
	}
	var list []gap
	for _, r := range parseCSV(b.t, string(text))[1:] {
		g := gap{part: r[3], firstIndex: number(b.t, r[4]), missing: r[5], cause: r[6]}
		if m := mayBeEarlier.FindStringSubmatch(r[7]); m != nil {
			g.earlier = number(b.t, m[1])
		}
		if m := mayBeLater.FindStringSubmatch(r[7]); m != nil {
			g.later = number(b.t, m[1])
		}
		if g.cause == "not held" {
			continue // before the recording began
		}
		if g.cause == "" {
			b.t.Errorf("a gap without a cause: %v", r)
		}
		if r[2] != "" {
			if g.durationS, err = strconv.ParseFloat(r[2], 64); err != nil {
				b.t.Fatal(err)
			}
		}
		list = append(list, g)
	}
	return list
}

func (b *bench) unknownGapBetween(gaps []gap, from, to row) bool {
	for _, g := range gaps {
		if g.missing == "" && g.part == to.part && g.firstIndex > number(b.t, from.index) && g.firstIndex <= number(b.t, to.index) {
			return true
		}
	}
	return false
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
