package cmd_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"photongate/sim/badline"
)

// in runs a program in the namespace of the gateway's computer, or of the
// receiver's, and ends the test when that cannot be done.
func (l *lab) in(at place, line ...string) {
	l.t.Helper()
	if out, err := exec.Command(at.enter[0], append(at.enter[1:], line...)...).CombinedOutput(); err != nil {
		leftOut(l.t, fmt.Sprintf("%s: %s", strings.Join(line, " "), out))
	}
}

// filter has packets that come over the cable to a computer thrown away, those
// that a condition of nft fits; mend has all come again.
func (l *lab) filter(at place, condition string) (mend func()) {
	l.t.Helper()
	needs(l.t, "nft", "nftables")
	rule := append([]string{"nft", "add", "rule", "inet", "cable", "in", "iifname", labLink}, strings.Fields(condition)...)
	for _, line := range [][]string{
		{"nft", "add", "table", "inet", "cable"},
		{"nft", "add chain inet cable in { type filter hook input priority 0; }"},
		append(rule, "drop"),
	} {
		l.in(at, line...)
	}
	return func() { l.in(at, "nft", "delete", "table", "inet", "cable") }
}

// pairedRecorder starts a recording on the workstation, paired.
func (l *lab) pairedRecorder(b *bench, line string, more ...string) *proc {
	l.t.Helper()
	if code, out, stderr := l.runOnDesk(strings.Fields(line)[1:]...); code != 0 {
		l.t.Fatalf("pair: exit %d\n%s%s", code, out, stderr)
	}
	p := l.onDesk("photonrecv", append([]string{"record", "pi-lab3", "--dir", b.archive, "--name", "ws-ana"}, more...)...)
	p.waitFor("recording from")
	return p
}

// until waits for something to become so, and looks now and then.
func until(t *testing.T, what string, limit time.Duration, so func() bool) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(limit)
	for !so() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited %v until %s", limit, what)
		}
	}
}

// A cable that goes silent without a word: both ends notice, and when it is back
// the recording goes on with everything.
func TestSilentCable(t *testing.T) {
	for name, cut := range map[string]func(l *lab) (mend func()){
		"packets vanish": func(l *lab) func() {
			pi, desk := l.filter(l.pi, ""), l.filter(l.desk, "")
			return func() { pi(); desk() }
		},
		"the plug is out": func(l *lab) func() {
			l.in(l.pi, "ip", "link", "set", labLink, "down")
			return func() { l.in(l.pi, "ip", "link", "set", labLink, "up") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			if !l.separated {
				leftOut(t, "there is no cable to cut without network namespaces")
			}
			t.Attr("fault", "F21")
			t.Attr("injected", "between two network namespaces "+name+", without FIN or RST; TLS, real programs")
			t.Attr("promised", "found within 5 s on both sides, the slot is freed, the recording goes on by itself with all rows")
			b := l.serve("de2ccu", "")
			gateway, line := l.startGateway(b)
			record := l.pairedRecorder(b, line)
			b.awaitRows(10)
			mend := cut(l)
			began := time.Now()
			record.waitFor("nothing came from")
			here := time.Since(began)
			gateway.waitFor("no byte came or went")
			there := time.Since(began)
			mend()
			record.waitFor("connected again")
			back := time.Since(began)
			after := len(b.truthRows())
			until(t, fmt.Sprintf("%d rows are here that were counted before the cable was back", after), patience, func() bool { return len(b.cat()) >= after })
			if code := record.stop(); code != 0 {
				t.Errorf("record: exit %d", code)
			}
			rows := b.cat()
			checkAgainstTruth(t, rows, b.truthRows(), 0.1)
			// A wait of the test for a busy machine is in these times; the exact limit is held in simulated time.
			if here > 15*time.Second || there > 15*time.Second {
				t.Errorf("found after %v by the receiver, after %v by the gateway", here, there)
			}
			t.Attr("seen", fmt.Sprintf("receiver noticed after %.1f s, gateway after at most %.1f s; back %.1f s after the cut, %d rows, none missing", here.Seconds(), there.Seconds(), back.Seconds(), len(rows)))
		})
	}
}

// A cable that loses every tenth packet, either way, and is slow: the same rows,
// and nobody takes the other for dead.
func TestLossyCable(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	if !l.separated {
		leftOut(t, "there is no cable without network namespaces")
	}
	t.Attr("fault", "F22")
	t.Attr("injected", "10 % of packets lost each way and 256 kbit/s between two network namespaces; TLS, real programs")
	t.Attr("promised", "same rows out, nobody is taken for dead")
	b := l.serve("de2ccu", "")
	gateway, line := l.startGateway(b)
	took := 12 * time.Second
	if os.Getenv("PHOTONGATE_CHAOS") == "long" {
		took = 3 * time.Minute
	}
	record := l.pairedRecorder(b, line)
	for _, at := range []place{l.pi, l.desk} {
		l.in(at, "tc", "qdisc", "add", "dev", labLink, "root", "tbf", "rate", "256kbit", "burst", "3000", "latency", "500ms")
		l.filter(at, "numgen random mod 10 lt 1")
	}
	before := len(b.cat())
	<-time.After(took)                       // the experiment
	enough := before + int(took.Seconds()*5) // half of what was counted, at least
	until(t, fmt.Sprintf("%d rows are here", enough), patience, func() bool { return len(b.cat()) >= enough })
	if code := record.stop(); code != 0 {
		t.Errorf("record: exit %d", code)
	}
	rows := b.cat()
	checkAgainstTruth(t, rows, b.truthRows(), 0.1)
	deaths := strings.Count(gateway.stderr(), "taken for dead") + strings.Count(record.stderr(), "nothing came from")
	if deaths > 0 {
		t.Errorf("the other end was taken for dead %d times", deaths)
	}
	t.Attr("seen", fmt.Sprintf("%d rows in %v, all as counted, nobody was taken for dead", len(rows), took))
}

// Connections that are reset or damaged wherever they are, again and again,
// between the real programs: every row arrives once.
func TestBadLine(t *testing.T) {
	t.Parallel()
	t.Attr("fault", "F20")
	t.Attr("fault", "F23")
	t.Attr("fault", "F27") // `resumed`, through both real ends
	t.Attr("promised", "every session resumes, no row is lost, twice, or damaged")
	b := newBench(t, "de2ccu", "")
	b.startSim()
	gateway := b.startGateway()
	gateway.waitFor("bench", "running")
	most := 6
	if os.Getenv("PHOTONGATE_CHAOS") == "long" {
		most = 150
	}
	line, err := badline.Lay(b.addr, func(n int) badline.Script {
		if n > most {
			return badline.Script{}
		}
		at := int64(900 + 53*(n%24)) // behind the greeting, within frames; the way up has a few hundred bytes a second
		breaks := []badline.Break{{At: at, Do: []badline.Action{badline.Reset, badline.Flip}[n%2], Bit: uint8(n % 8)}}
		if n%4 > 1 {
			return badline.Script{Up: badline.Way{Breaks: breaks}}
		}
		return badline.Script{Down: badline.Way{Breaks: breaks}}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { line.Close() })
	record := start(t, "photonrecv", "record", line.Addr(), "--dir", b.archive, "--name", "ws-ana")
	until(t, "all connections that break were made", patience+time.Duration(most)*12*time.Second, func() bool { return line.Conns() > most })
	counted := len(b.truthRows())
	until(t, "the rows counted so far are here", patience, func() bool { return len(b.cat()) >= counted-10 })
	if code := record.stop(); code != 0 {
		t.Errorf("record: exit %d", code)
	}
	rows := b.cat()
	checkAgainstTruth(t, rows, b.truthRows(), 0.1)
	if code, out := b.verifyJSON(); code != 0 {
		t.Errorf("verify: exit %d\n%s", code, out)
	}
	folders, err := filepath.Glob(filepath.Join(b.archive, "pi-lab3-*"))
	if err != nil || len(folders) != 1 {
		t.Errorf("folders: %v, %v", folders, err)
	}
	t.Attr("injected", fmt.Sprintf("%d connections between the real programs reset or damaged within frames, either way", most))
	t.Attr("seen", fmt.Sprintf("%d connections, %d rows, all as counted, verify says whole; %d times a frame was said to be bad", line.Conns(), len(rows), strings.Count(gateway.stderr(), "arrived damaged")))
}
