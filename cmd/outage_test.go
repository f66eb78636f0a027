package cmd_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"photongate/gateway"
	"photongate/receiver"
)

// openGap is the only gap of the stream "bench" in a report, which goes on.
func openGap(t *testing.T, what string, r *receiver.Report) receiver.LossReport {
	t.Helper()
	var gaps []receiver.LossReport
	for _, s := range r.Streams {
		for _, p := range s.Parts {
			gaps = append(gaps, p.Gaps...)
		}
	}
	if len(gaps) != 1 || !gaps[0].Open || gaps[0].Cause != "unplugged" || r.ExitCode() != 1 {
		t.Fatalf("%s: %s, gaps %+v, want one that is open", what, r.State, gaps)
	}
	return gaps[0]
}

// TestOutageThatGoesOn unplugs an instrument that does not come back: the end of a
// recording, the gateway's status, and who reads the record say that readings are
// missing, also after the gateway was stopped.
func TestOutageThatGoesOn(t *testing.T) {
	t.Parallel()
	t.Attr("fault", "F31")
	t.Attr("injected", "a CD48 is unplugged in a recording and does not come back; then the gateway is stopped")
	t.Attr("promised", "a gap that is still open: for the status, record, verify and the CSV files; no recording is called complete")
	b := newBench(t, "cd48", `gate = "100ms"`)
	sim, gateways := b.startSim(), b.startGateway()
	b.awaitState(gateway.Running)
	record := b.startRecord("--for", "8s", "--stream", "bench", "--csv")
	record.waitFor("recording from")
	b.awaitRows(10)
	signal(t, sim, syscall.SIGUSR1)
	pulled := time.Now()
	if d := b.awaitState(gateway.Gone); d.Gaps != 1 {
		t.Errorf("the status tells of %d gaps while it is gone, want 1", d.Gaps)
	}
	if code := record.exit(); code != 1 || strings.Contains(record.stdout.String(), "complete: nothing") || !strings.Contains(record.stdout.String(), "incomplete: pi-lab3/bench") {
		t.Errorf("record: exit %d\n%s", code, record.stdout.String())
	}
	csv, err := os.ReadFile(filepath.Join(b.gatewayFolder(), "bench.gaps.csv"))
	if err != nil || strings.Count(string(csv), ",unplugged,still open at ") != 1 {
		t.Errorf("bench.gaps.csv: %v\n%s", err, csv)
	}
	report := b.report()
	first := openGap(t, "archive", &report)
	if code := gateways.stop(); code != 0 {
		t.Errorf("the gateway ends with %d", code)
	}
	code, out, _ := run(t, "photonrecv", "verify", filepath.Join(b.dir, "journal"), "--json")
	var journal receiver.Report
	if err := json.Unmarshal([]byte(out), &journal); err != nil || code != 1 {
		t.Fatalf("verify of the journal: exit %d, %v", code, err)
	}
	last := openGap(t, "journal", &journal)
	stopped := time.Since(pulled)
	// The simulator may take a while to pull the plug, on a busy machine.
	if begin := time.Unix(0, int64(*last.BeginNs)); begin.Sub(pulled).Abs() > time.Second {
		t.Errorf("the gap begins at %v, unplugged at %v", begin, pulled)
	}
	if lasts := time.Duration(*last.DurationNs); lasts > stopped+time.Second || lasts < 5*time.Second {
		t.Errorf("the gap lasted %v when the gateway stopped, which was %v after it was unplugged", lasts, stopped)
	}
	t.Attr("seen", fmt.Sprintf("record and verify exit 1; the gap is open for %.1f s at the end of the recording, %.1f s when the gateway stopped",
		time.Duration(*first.DurationNs).Seconds(), time.Duration(*last.DurationNs).Seconds()))
}

// TestGapAfterALostTail kills a gateway and takes the end of its journal from it,
// as a power cut does, which a receiver has: the gap before the next reading begins
// where the receiver's readings end.
func TestGapAfterALostTail(t *testing.T) {
	t.Parallel()
	t.Attr("fault", "F05")
	t.Attr("injected", "a gateway is killed, and the last 3000 bytes of a stream are gone, which a receiver has")
	t.Attr("promised", "the gap begins at the end of the last reading that the receiver has")
	b := newBench(t, "cd48", `gate = "100ms"`)
	b.startSim()
	first := b.startGateway()
	b.awaitState(gateway.Running)
	record := b.startRecord()
	record.waitFor("recording from")
	b.awaitRows(50)
	kill(first)
	killed := time.Now()
	files, err := filepath.Glob(filepath.Join(b.dir, "journal", "bench", "*.pgs"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files of the stream: %v %v", files, err)
	}
	info, err := os.Stat(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(files[0], info.Size()-3000); err != nil {
		t.Fatal(err)
	}
	b.startGateway()
	b.awaitState(gateway.Running)
	b.awaitRows(20)
	record.stop()
	report := b.report()
	for _, s := range report.Streams {
		if s.Name != "bench" {
			continue
		}
		if len(s.Parts) != 2 || len(s.Parts[1].Gaps) != 1 || s.Parts[1].Gaps[0].DurationNs == nil {
			t.Fatalf("parts: %+v", s.Parts)
		}
		before, gap := s.Parts[0], s.Parts[1].Gaps[0]
		begin, end := time.Unix(0, int64(*gap.BeginNs)), time.Unix(0, int64(*gap.BeginNs+*gap.DurationNs))
		if apart := time.Duration(*gap.BeginNs - before.LastNs).Abs(); apart > 100*time.Millisecond {
			t.Errorf("the gap begins %v from the end of the last reading held", apart)
		}
		// The two gateways set their clocks by UTC, each for itself.
		if begin.Sub(killed) > 100*time.Millisecond || killed.Sub(begin) > 2*time.Second || end.Before(killed) {
			t.Errorf("the gap is from %v to %v, the gateway was killed at %v", begin, end, killed)
		}
		t.Attr("seen", fmt.Sprintf("the receiver's readings end %.1f s before the kill, and there the gap begins; it lasts %.1f s", killed.Sub(begin).Seconds(), end.Sub(begin).Seconds()))
	}
}
