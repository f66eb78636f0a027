//go:build linux && (amd64 || arm64)

package cmd_test

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestUSBInstrumentsDisturbed disturbs each instrument of the USB bus once. What is not
// flagged was counted, in order; what is missing stands under a gap; the gateway
// goes on.
func TestUSBInstrumentsDisturbed(t *testing.T) {
	t.Parallel()
	const lost, damaged, reopened, unplugged = "bytes lost", "damaged bytes", "reopened", "unplugged"
	for _, c := range []struct {
		box, fault string
		faultS     float64
		parts      int    // of the record
		cause      string // of the gap; empty: there is none
		flag       string // that a reading has
		blind      int    // rows that may be wrong, since the bytes cannot reveal it
		light      bool   // counts are those of light, since with numbers of their own the fault does not show
		orReopens  bool   // which byte it hits depends on how packets come; some end the part
	}{
		{box: "labjack u6", fault: "lostpacket@4s", parts: 1, cause: lost},
		{box: "labjack u6", fault: "drop@4s:1", parts: 1, cause: damaged},
		{box: "labjack u6", fault: "flip@4s", parts: 1, cause: damaged},
		{box: "labjack u6", fault: "late@4s:1500ms", faultS: 1.5, parts: 1, cause: lost},
		{box: "labjack u6", fault: "stall@4s:2s", faultS: 2, parts: 1, cause: lost},
		{box: "labjack u6", fault: "refuse@4s", parts: 2, cause: reopened},
		{box: "labjack u6", fault: "overflow@4s:1", parts: 1},
		{box: "labjack u6", fault: "unplug@4s:1s", faultS: 1, parts: 2, cause: unplugged},
		{box: "labjack u6", fault: "brownout@4s:300ms", faultS: 0.3, parts: 2, cause: unplugged},
		{box: "labjack u6, totals", fault: "lostpacket@4s", parts: 1, flag: "late"},
		{box: "labjack u6, totals", fault: "overflow@4s:1", light: true, parts: 2, cause: reopened}, // set to what no light can have brought
		{box: "labjack u6, totals", fault: "unplug@4s:1s", faultS: 1, parts: 2, cause: unplugged},
		{box: "ni6501", fault: "lostpacket@4s", parts: 1, flag: "late"},
		{box: "ni6501", fault: "drop@4s:1", parts: 1},
		{box: "ni6501", fault: "late@4s:1500ms", faultS: 1.5, parts: 1, flag: "late"},
		{box: "ni6501", fault: "stall@4s:2s", faultS: 2, parts: 1, flag: "late"},
		{box: "ni6501", fault: "refuse@4s", parts: 1},
		{box: "ni6501", fault: "overflow@4s", light: true, parts: 2, cause: reopened},
		{box: "ni6501", fault: "unplug@4s:1s", faultS: 1, parts: 2, cause: unplugged},
		{box: "ni6501", fault: "brownout@4s:300ms", faultS: 0.3, parts: 2, cause: unplugged},
		{box: "h11890", fault: "lostpacket@4s", parts: 1, cause: lost},
		{box: "h11890", fault: "drop@4s:1", parts: 1, cause: damaged},
		{box: "h11890", fault: "flip@4s", parts: 1, blind: 1, orReopens: true},
		{box: "h11890", fault: "late@4s:1500ms", faultS: 1.5, parts: 1},
		{box: "h11890", fault: "stall@4s:2s", faultS: 2, parts: 1, cause: lost},
		{box: "h11890, left running", fault: "overflow@4s", parts: 1, flag: "overflow:PMT"},
		{box: "h11890", fault: "unplug@4s:1s", faultS: 1, parts: 2, cause: unplugged},
		{box: "h11890", fault: "brownout@4s:300ms", faultS: 0.3, parts: 2, cause: unplugged},
		{box: "mcc-ctr04, scan", fault: "lostpacket@4s", parts: 1, cause: lost},
		{box: "mcc-ctr04, scan", fault: "stall@4s:2s", faultS: 2, parts: 1, cause: lost},
		{box: "mcc-ctr04, scan", fault: "late@4s:1500ms", faultS: 1.5, parts: 1},
		{box: "mcc-ctr04, scan", fault: "overflow@4s", parts: 2, cause: reopened},
		{box: "mcc-ctr04, scan", fault: "refuse@4s", parts: 1},
		{box: "mcc-ctr04, scan", fault: "unplug@4s:1s", faultS: 1, parts: 2, cause: unplugged},
		{box: "mcc-ctr04, scan", fault: "brownout@4s:300ms", faultS: 0.3, parts: 2, cause: unplugged},
		{box: "mcc-ctr08, totals", fault: "lostpacket@4s", parts: 1, flag: "late"},
		{box: "mcc-ctr08, totals", fault: "refuse@4s", parts: 1},
		{box: "mcc-ctr08, totals", fault: "unplug@4s:1s", faultS: 1, parts: 2, cause: unplugged},
	} {
		x := usbBoxes[c.box]
		t.Run(c.box+" "+strings.Replace(c.fault, "@", " at ", 1), func(t *testing.T) {
			t.Parallel()
			flags := []string{"--fault", c.fault}
			if !c.light {
				flags = append(flags, "--distinct")
			}
			b := x.bench(t, flags...)
			sim := b.startSim()
			gateway := b.startGateway()
			record := b.startRecord("--csv")
			kind, _, _ := strings.Cut(c.fault, "@")
			disturbed := sim.saidAt(kind + "@")
			b.awaitRecord(time.Now().Add(time.Duration((c.faultS + 10*x.gateS) * float64(time.Second))))
			if code := record.stop(); code != 0 && code != 1 {
				t.Errorf("record: exit %d", code)
			}
			if code := gateway.stop(); code != 0 {
				t.Errorf("gateway: exit %d", code)
			}
			rows, gaps := b.cat(), b.gaps()
			seen := b.follow(x, rows, gaps)
			if c.orReopens && seen.parts == 2 {
				c.parts, c.cause, c.blind = 2, reopened, 0
			}
			if seen.never > c.blind {
				t.Errorf("%d rows were never counted and carry no flag", seen.never)
			}
			if seen.parts != c.parts {
				t.Errorf("%d parts, want %d", seen.parts, c.parts)
			}
			caused := slices.ContainsFunc(gaps, func(g gap) bool { return g.cause == c.cause })
			if c.cause == "" && len(gaps) > 0 && !x.heldUp(gaps) || c.cause != "" && !caused {
				t.Errorf("gaps %+v, want cause %q", gaps, c.cause)
			}
			flagged := false
			for flags := range seen.flags {
				flagged = flagged || strings.Contains(flags, c.flag)
			}
			if c.flag != "" && !flagged {
				t.Errorf("no reading is flagged %s: %v", c.flag, seen.flags)
			}
			before := 0
			for _, at := range b.recorded() {
				if at.Before(disturbed) {
					before++
				}
			}
			if before == 0 {
				t.Error("it was disturbed before anything was recorded")
			}
			t.Logf("tally: %d rows before it, %+v, gaps %+v", before, seen, gaps)
		})
	}
}

// follow follows the record through what the instrument counted. Where it times its
// gates itself, the index moves as they do, within what a gap says that it may be off;
// where the gateway asks for them, by at least one for answers that are not in the
// record, which cost nothing where they are running totals.
func (b *pluggedBench) follow(x usbBox, rows []row, gaps []gap) comparison {
	b.t.Helper()
	truth := b.told(x.box)
	seen := comparison{flags: map[string]int{}}
	at, sure := -1, -1 // in the truth: the last row, and the last of which the place is certain
	var last row       // that one
	for i, r := range rows {
		seen.rows++
		if i == 0 || r.part != rows[i-1].part {
			seen.parts++
		}
		if r.flags != "" {
			seen.flags[r.flags]++
		}
		n := find(truth, at+1, r.values)
		if n < 0 {
			seen.never++
			b.t.Logf("row %d was never counted, or is out of order: %+v", i, r)
			continue
		}
		if at >= 0 {
			seen.missing += truth[n].gate - truth[at].gate - 1
		}
		at = n
		may := b.doubt(gaps, r)
		if sure >= 0 && r.part == last.part && !b.unknownGapBetween(gaps, last, r) {
			x.checkIndex(b.t, number(b.t, r.index)-number(b.t, last.index), truth[n].gate-truth[sure].gate, may, r, gaps)
		}
		if may == 0 {
			sure, last = at, r
		}
	}
	if at < 0 {
		b.t.Fatal("nothing in the record was counted")
	}
	return seen
}

// checkIndex compares by how much the index moved with the gates that the instrument
// told.
func (x usbBox) checkIndex(t *testing.T, moved, gates, may int, r row, gaps []gap) {
	t.Helper()
	off := moved - gates
	if x.totals || x.asked && (gates == 1 || moved > 1) || !x.asked && off >= -may && off <= may {
		return
	}
	t.Errorf("row %+v: the index moved by %d, the instrument counted %d gates; gaps %+v", r, moved, gates, gaps)
}
