package cmd_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"
)

// TestRestartsInAnyOrder stops and restarts gateway, receiver and simulator ten
// times in a random order. Afterwards the archive verifies: nothing damaged,
// every gap and hole with its cause, every recorded row one that the
// instrument really counted, and both ends hold the same bytes.
func TestRestartsInAnyOrder(t *testing.T) {
	for _, driver := range []string{"cd48", "de2ccu"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			options := ""
			if driver == "cd48" {
				options = `gate = "100ms"`
			}
			b := newBench(t, driver, options)
			sim := b.startSim()
			gateway := b.startGateway()
			record := b.startRecord()
			record.waitFor("recording")

			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			rng := rand.New(rand.NewPCG(seed, 0))
			for round := range 10 {
				switch rng.IntN(3) {
				case 0:
					gateway.stop()
					gateway = b.startGateway()
				case 1:
					if code := record.stop(); code != 0 && code != 1 {
						t.Fatalf("round %d: record ended with %d", round, code)
					}
					record = b.startRecord()
					record.waitFor("recording")
				case 2:
					sim.stop()
					sim = b.startSim("--append", "--seed", fmt.Sprint(100+round))
				}
				// Let some readings pass, so that every stretch holds data.
				gateway.waitFor("bench", "running")
				b.awaitRows(3)
			}
			gateway.stop()
			if code := record.stop(); code != 0 && code != 1 {
				t.Fatalf("record ended with %d", code)
			}

			code, out := b.verifyJSON()
			if code != 0 && code != 1 {
				t.Fatalf("verify: exit %d, want 0 or 1\n%s", code, out)
			}
			checkCauses(t, verifyFolder(t, b.gatewayFolder()))
			b.checkDigests()
			truth := map[string]int{}
			for _, v := range b.truthRows() {
				truth[v]++
			}
			for i, r := range b.cat() {
				if truth[r.values] == 0 {
					t.Fatalf("row %d (%s) was never counted, or is there twice", i, r.values)
				}
				truth[r.values]--
			}
		})
	}
}

// awaitRows blocks until the instrument has counted n more readings.
func (b *bench) awaitRows(n int) {
	b.t.Helper()
	want := len(b.truthRows()) + n
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for len(b.truthRows()) < want {
		select {
		case <-tick.C:
		case <-deadline:
			b.t.Fatalf("the instrument counted %d readings, waited for %d", len(b.truthRows()), want)
		}
	}
}

// journalReport is what photongate journal verify --json says, as far as it
// matters here.
type journalReport struct {
	Streams []struct {
		Name   string `json:"name"`
		Epochs []struct {
			Epoch int         `json:"epoch"`
			Held  [][2]string `json:"held"`
			Gaps  []struct {
				Cause string `json:"cause"`
			} `json:"gaps"`
			Holes []struct {
				Cause string `json:"cause"`
			} `json:"holes"`
		} `json:"epochs"`
	} `json:"streams"`
}

// verifyFolder verifies a journal or the folder of one gateway in an archive.
func verifyFolder(t *testing.T, dir string) journalReport {
	t.Helper()
	code, out, stderr := run(t, "photongate", "journal", "verify", "--json", dir)
	if code != 0 && code != 1 {
		t.Fatalf("verify %s: exit %d\n%s", dir, code, stderr)
	}
	var r journalReport
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// gatewayFolder is the folder of the one gateway in the archive.
func (b *bench) gatewayFolder() string {
	b.t.Helper()
	dirs, err := filepath.Glob(filepath.Join(b.archive, "pi-lab3-*"))
	if err != nil || len(dirs) != 1 {
		b.t.Fatalf("folders of gateways in the archive: %v %v, want one", dirs, err)
	}
	return dirs[0]
}

// checkCauses demands that every gap and every hole says why.
func checkCauses(t *testing.T, r journalReport) {
	t.Helper()
	causes := map[string]int{}
	for _, s := range r.Streams {
		for _, e := range s.Epochs {
			for _, g := range e.Gaps {
				causes["gap: "+g.Cause]++
			}
			for _, h := range e.Holes {
				causes["hole: "+h.Cause]++
			}
		}
	}
	if n := causes["gap: "] + causes["hole: "]; n > 0 {
		t.Errorf("%d gaps or holes have no cause", n)
	}
	t.Logf("%v", causes)
}

// checkDigests compares the frames that both the journal and the archive hold.
func (b *bench) checkDigests() {
	b.t.Helper()
	journal := filepath.Join(b.dir, "journal")
	compared := 0
	for _, s := range verifyFolder(b.t, b.gatewayFolder()).Streams {
		for _, e := range s.Epochs {
			for _, held := range e.Held {
				args := []string{s.Name, fmt.Sprint(e.Epoch), held[0], held[1]}
				_, ours, _ := run(b.t, "photongate", append([]string{"journal", "digest", b.gatewayFolder()}, args...)...)
				_, theirs, said := run(b.t, "photongate", append([]string{"journal", "digest", journal}, args...)...)
				if ours == "" || ours != theirs {
					b.t.Errorf("%v: digest %q in the archive, %q in the journal (%s)", args, ours, theirs, said)
				}
				compared++
			}
		}
	}
	if compared == 0 {
		b.t.Error("the archive holds nothing to compare")
	}
}
