package cmd_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// loaded is a bench with two instruments, as fast as these go: "bench", a DE2
// unit of 0.1 s gates, and "cd", a CD48 that is asked every 10 ms. Their readings
// wait for others for as long as batch says.
type loaded struct {
	*bench
	second *bench // the CD48's simulator and truth
}

const (
	de2Gate = 99_993_600 * time.Nanosecond // of the unit's crystal
	cdGate  = 10 * time.Millisecond
)

func newLoaded(t *testing.T, batch string) loaded {
	t.Helper()
	l := loaded{newBench(t, "de2ccu", ""), newBench(t, "cd48", "")}
	retarget(t, l.config, "[[device]]\n", "[[device]]\nbatch = \""+batch+"\"\n")
	appendConfig(t, l.config, "\n[[device]]\nname = \"cd\"\ndriver = \"cd48\"\nbatch = \""+batch+"\"\nport = \""+l.second.link+"\"\n[device.options]\ngate = \"10ms\"\n")
	l.startSim()
	l.second.startSim()
	return l
}

// record starts the receiver, which reaches the gateway through the snoop.
func (l loaded) record(s *snoop) *proc {
	l.t.Helper()
	return start(l.t, "photonrecv", "record", s.addr, "--dir", l.archive, "--name", "ws-ana")
}

// down adds up for one instrument how long there was no gateway that read it.
type down struct {
	word  string    // the gateway says it of the instrument
	since time.Time // zero: it is read
	total time.Duration
}

// TestKilledAgainAndAgain kills gateway and receiver in turn, and both at once,
// at random moments while two instruments count, some of them before everything
// runs again. Afterwards archive and truth agree in every row but those under a
// gap, the gaps are no longer than the time without a gateway and one gate each
// time, whatever the receiver acknowledged is there, and both ends hold the same
// bytes. The one who killed remembers when and what.
func TestKilledAgainAndAgain(t *testing.T) {
	t.Parallel()
	t.Attr("fault", "F01")
	t.Attr("fault", "F02")
	t.Attr("fault", "F03")
	rounds := 6
	if isLong() {
		rounds = 200
	}
	l := newLoaded(t, "1ms")
	s := listenIn(t, l.addr)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))

	gateway, record := l.startGateway(), l.record(s)
	downs := []*down{{word: "device=bench"}, {word: "device=cd"}}
	awaitDevices(gateway, downs)
	record.waitFor("recording")
	var killed [3]int
	for round := range rounds {
		if round > 0 && round%20 == 0 {
			progress(t, "round %d of %d, the gateway was away for %.1f s", round, rounds, downs[0].total.Seconds())
		}
		// Now and then it is killed again before the instruments are read.
		if rng.IntN(4) > 0 || round == rounds-1 {
			awaitDevices(gateway, downs)
			pause(t, time.Duration(rng.IntN(1500))*time.Millisecond)
		} else {
			pause(t, time.Duration(rng.IntN(300))*time.Millisecond)
			noteDevices(gateway, downs)
		}
		what := round % 3
		killed[what]++
		if what != 1 {
			beginDown(downs, time.Now())
			kill(gateway)
		}
		if what != 0 {
			kill(record)
		}
		pause(t, time.Duration(rng.IntN(400))*time.Millisecond)
		if what != 1 {
			gateway = l.startGateway()
		}
		if what != 0 {
			record = l.record(s)
		}
	}
	awaitDevices(gateway, downs)
	record.waitFor("recording")
	l.awaitRows(10)
	if code := gateway.stop(); code != 0 {
		t.Errorf("the gateway ended with %d", code)
	}
	if code := record.stop(); code != 0 && code != 1 {
		t.Errorf("record ended with %d", code)
	}

	report := l.report()
	de2 := l.checkLedger(report, "bench", l.truth, de2Gate)
	cd := l.checkLedger(report, "cd", l.second.truth, cdGate)
	gatewayKills := killed[0] + killed[2]
	for i, c := range []struct {
		ledger
		gate time.Duration
	}{{de2, de2Gate}, {cd, cdGate}} {
		if most := downs[i].total + time.Duration(gatewayKills)*c.gate; c.missed > most {
			t.Errorf("%s: the gaps are %v long in all, the gateway was away for %v, with a gate for each time %v", downs[i].word, c.missed, downs[i].total, most)
		}
		if c.causes["gateway crashed"] != c.gaps {
			t.Errorf("%s: gaps %v, want nothing but crashes of the gateway", downs[i].word, c.causes)
		}
	}
	frames := l.checkAcked(report, s.all())
	if frames == 0 {
		t.Error("nothing was ever acknowledged")
	}
	l.checkDigests()
	t.Attr("injected", fmt.Sprintf("kill -9 at random: %d times the gateway, %d the receiver, %d both, while a DE2 gave 10 and a CD48 up to 100 readings/s", killed[0], killed[1], killed[2]))
	t.Attr("promised", "archive and truth agree but under gaps; gaps are at most the time without a gateway and a gate each; what was acknowledged is there")
	t.Attr("seen", fmt.Sprintf("DE2: %v (without a gateway for %.2f s); CD48: %v (%.2f s); all %s acknowledged frames are there",
		de2, downs[0].total.Seconds(), cd, downs[1].total.Seconds(), grouped(frames)))
}

func kill(p *proc) {
	p.t.Helper()
	p.cmd.Process.Kill() //nolint:errcheck // it may have ended already
	p.exit()
}

// beginDown notes that nothing reads the instruments any more.
func beginDown(list []*down, now time.Time) {
	for _, d := range list {
		if d.since.IsZero() {
			d.since = now
		}
	}
}

// awaitDevices waits until the gateway reads all instruments.
func awaitDevices(gateway *proc, list []*down) {
	gateway.t.Helper()
	for _, d := range list {
		d.end(gateway.saidAt("running", d.word))
	}
}

// noteDevices notes which instruments the gateway reads by now.
func noteDevices(gateway *proc, list []*down) {
	gateway.mu.Lock()
	defer gateway.mu.Unlock()
	for _, d := range list {
		for i, line := range gateway.lines {
			if containsAll(line, []string{"running", d.word}) {
				d.end(gateway.at[i])
			}
		}
	}
}

func (d *down) end(at time.Time) {
	if !d.since.IsZero() && at.After(d.since) {
		d.total += at.Sub(d.since)
		d.since = time.Time{}
	}
}

// TestEndedUnderFullLoad asks the gateway to end while two instruments count and
// a receiver records. It ends by itself with 0, and whatever the instruments had
// given by then is in the archive, closed in good order.
func TestEndedUnderFullLoad(t *testing.T) {
	t.Parallel()
	t.Attr("fault", "F07")
	rounds := 2
	if isLong() {
		rounds = 20
	}
	l := newLoaded(t, "1s") // so that readings wait when it is asked to end
	s := listenIn(t, l.addr)
	record := l.record(s)
	rng := rand.New(rand.NewPCG(rand.Uint64(), 0))
	var longest time.Duration
	for range rounds {
		gateway := l.startGateway()
		gateway.waitFor("running", "device=bench")
		gateway.waitFor("running", "device=cd")
		l.awaitRows(10)
		pause(t, time.Duration(rng.IntN(100))*time.Millisecond)
		de2, cd := l.truthRows(), l.second.truthRows()
		asked := time.Now()
		if err := gateway.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if code := gateway.exit(); code != 0 {
			t.Errorf("asked to end, the gateway exits with %d, want 0", code)
		}
		took := time.Since(asked)
		longest = max(longest, took)
		if took > 5*time.Second {
			t.Errorf("the gateway took %v to end, want at most 5 s", took)
		}
		// The journal is what has to hold it: one reading may be on its way at
		// the moment of the signal.
		checkKept(t, filepath.Join(l.dir, "journal"), "bench", de2[:len(de2)-1])
		checkKept(t, filepath.Join(l.dir, "journal"), "cd", cd[:len(cd)-1])
	}
	gateway := l.startGateway() // so that the receiver gets the rest
	gateway.waitFor("running", "device=bench")
	l.awaitRows(5)
	gateway.stop()
	if code := record.stop(); code != 0 && code != 1 {
		t.Errorf("record ended with %d", code)
	}
	report := l.report()
	de2 := l.checkLedger(report, "bench", l.truth, de2Gate)
	cd := l.checkLedger(report, "cd", l.second.truth, cdGate)
	if n := de2.causes["gateway stopped"] + cd.causes["gateway stopped"]; n != de2.gaps+cd.gaps {
		t.Errorf("gaps: %s, want nothing but the gateway stopped", causesOf(de2, cd))
	}
	for _, st := range report.Streams {
		for _, p := range st.Parts {
			if !p.Ended {
				t.Errorf("%s part %d was not closed in good order", st.Name, p.Part)
			}
		}
	}
	t.Attr("injected", fmt.Sprintf("SIGTERM, %d times, under the load of two instruments and a receiver", rounds))
	t.Attr("promised", "exit 0 within 5 s, everything given so far is in the journal, each part closed in good order")
	t.Attr("seen", fmt.Sprintf("at most %.2f s; DE2: %v; CD48: %v; nothing missing but while it was not there (%.2f s)", longest.Seconds(), de2, cd, (de2.missed+cd.missed).Seconds()))
}

// checkKept demands that a journal holds the last of the readings given, and so
// by its order all before.
func checkKept(t *testing.T, journal, stream string, given []string) {
	t.Helper()
	code, out, stderr := run(t, "photonrecv", "cat", journal, "--stream", stream)
	if code != 0 {
		t.Fatalf("cat %s: exit %d\n%s", journal, code, stderr)
	}
	want := given[len(given)-1]
	for _, r := range parseCSV(t, out)[1:] {
		if strings.Join(r[8:], ",") == want {
			return
		}
	}
	t.Errorf("%s: the journal does not hold %s, which the instrument had given before the gateway was asked to end", stream, want)
}
