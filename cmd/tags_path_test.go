package cmd_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"photongate/gateway"
	"photongate/protocol/journal"
)

// TestEveryTagArrives: what a simulated time tagger detected, as it wrote it down,
// is what the workstation's archive holds, tag for tag, over the clock's wraps; what
// the line lost, and a tagger that was unplugged and plugged in again, is stated
// where it is missing. In its long form there are a hundred million tags.
func TestEveryTagArrives(t *testing.T) {
	// Not beside others: at its rate they would have no time left on two cores.
	b := newBench(t, "tdc1", `mode = "timestamp"`)
	tags, light := int64(1_000_000), []string{"--rate", "60k,50k,60k,50k", "--pairs", "13=5k"}
	faultsFrom := int64(1_000_000) // bytes
	if isLong() {
		tags, light = 100_000_000, []string{"--rate", "1M,500k,1M,500k", "--pairs", "13=50k", "--speed", "max"}
		faultsFrom = 100_000_000 // it is opened for a second or two, in which as much goes by
	}
	fault := func(kind string, behind int64, how string) string {
		return fmt.Sprintf("--fault=%s@byte=%d:%s", kind, faultsFrom+behind, how)
	}
	b.sim = append([]string{"tdc1", "--pty", b.link, "--truth", b.truth, "--seed", "7", "--pair-delay", "26ns",
		fault("drop", 0, "2"), fault("garbage", 400_000, "7"), fault("drop", 800_000, "4002"), fault("unplug", 1_400_000, "500ms")}, light...)
	sim := b.startSim()
	gateways := b.startGateway()
	record := b.startRecord()
	record.waitFor("recording")
	b.awaitTruth(tags)
	sim.stop()
	b.awaitState(gateway.Gone)
	b.awaitCaughtUp("bench")
	gateways.stop()
	record.stop()

	got, err := compareTags(b.tagsFolder(), "bench", b.truth, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(got)
	damaged := got.Missing["loss"] + got.Missing["damaged bytes"] // whichever of both begins first
	if got.Parts < 2 || got.Matched < uint64(tags)/2 || damaged == 0 || got.Missing["unplugged"] == 0 {
		t.Errorf("%v: want two parts at least, most of %s tags, and the losses", got, grouped(tags))
	}
	if got.LossTicks > got.SpanTicks/4 {
		t.Errorf("%v: losses are stated for too long", got)
	}
	b.tagsForPeople(got)
}

// tagsForPeople compares what the programs say of a record of tags with what it
// holds.
func (b *bench) tagsForPeople(got tagsAgreement) {
	b.t.Helper()
	var report struct {
		Streams []struct {
			Name     string `json:"name"`
			Tags     bool   `json:"tags"`
			Readings uint64 `json:"readings,string"`
			Parts    []struct {
				Gaps []struct {
					Cause     string `json:"cause"`
					Stretches int    `json:"stretches,string"`
				} `json:"gaps"`
			} `json:"parts"`
		} `json:"streams"`
	}
	code, out := b.verifyJSON()
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		b.t.Fatal(err)
	}
	for _, s := range report.Streams {
		if s.Name != "bench" {
			continue
		}
		var losses int
		for _, p := range s.Parts {
			for _, g := range p.Gaps {
				losses += g.Stretches
			}
		}
		if code != 1 || !s.Tags || s.Readings != got.Matched || losses != got.Losses {
			b.t.Errorf("verify ends with %d and tells tags %v, %d, in %d losses; there are %v", code, s.Tags, s.Readings, losses, got)
		}
	}
	tables := b.t.TempDir()
	if code, _, stderr := run(b.t, "photonrecv", "cat", b.archive, "--stream", "bench", "--format", "npy", "--out", tables); code != 0 {
		b.t.Errorf("cat: exit %d\n%s", code, stderr)
	}
	for name, width := range map[string]int64{"bench.timestamps.npy": 8, "bench.channels.npy": 1} {
		const head = 128
		info, err := os.Stat(filepath.Join(tables, name))
		if err != nil || info.Size() != head+width*int64(got.Matched) {
			b.t.Errorf("%s: %v, %v; want %d tags", name, info, err, got.Matched)
		}
	}
	var delays struct {
		Peak struct {
			AtPs float64 `json:"at_ps"`
			Line string  `json:"delay"`
		} `json:"peak"`
	}
	code, out, stderr := run(b.t, "photonrecv", "delays", b.archive, "S1", "S3", "--json")
	if err := json.Unmarshal([]byte(out), &delays); err != nil || code != 0 {
		b.t.Fatalf("delays: exit %d, %v\n%s", code, err, stderr)
	}
	if p := delays.Peak; math.Abs(p.AtPs-26_000) > 500 || !strings.HasPrefix(p.Line, "delay = { S1 = ") {
		b.t.Errorf("delays: %+v, the pairs come 26 ns apart", p)
	}
}

// awaitTruth waits until the simulator has written so many tags.
func (b *bench) awaitTruth(tags int64) {
	b.t.Helper()
	for was, since := int64(-1), time.Now(); ; pause(b.t, 100*time.Millisecond) {
		var have int64
		if info, err := os.Stat(b.truth); err == nil {
			have = info.Size() / truthRecord
		}
		switch {
		case have >= tags:
			return
		case have > was:
			was, since = have, time.Now()
		case time.Since(since) > patience:
			b.t.Fatalf("the simulator has written %s tags and goes no further", grouped(have))
		}
		if b.t.Context().Err() != nil {
			b.t.FailNow()
		}
	}
}

// tagsFolder is the folder with the gateway's journal in the archive.
func (b *bench) tagsFolder() string {
	b.t.Helper()
	found, err := filepath.Glob(filepath.Join(b.archive, "pi-lab3-*"))
	if err != nil || len(found) != 1 {
		b.t.Fatalf("the archive holds %q (%v), want one folder of pi-lab3", found, err)
	}
	return found[0]
}

// awaitCaughtUp waits until the archive holds as much of a stream as the gateway's
// journal.
func (b *bench) awaitCaughtUp(stream string) {
	b.t.Helper()
	follow := func(folder string) (end func() journal.Position) {
		f, err := journal.OpenFolder(nil, folder)
		if err != nil {
			b.t.Fatal(err)
		}
		r := f.Reader(stream)
		b.t.Cleanup(r.Close)
		return func() journal.Position {
			for {
				if _, err := r.Next(); errors.Is(err, io.EOF) {
					return r.Position()
				} else if err != nil {
					b.t.Fatal(err)
				}
			}
		}
	}
	ours, theirs := follow(b.tagsFolder()), follow(filepath.Join(b.dir, "journal"))
	for was, since := ours(), time.Now(); ; pause(b.t, 100*time.Millisecond) {
		have, want := ours(), theirs()
		switch {
		case have == want:
			return
		case have != was:
			was, since = have, time.Now()
		case time.Since(since) > patience:
			b.t.Fatalf("the archive ends with %+v and gets no further, the journal with %+v", have, want)
		}
	}
}
