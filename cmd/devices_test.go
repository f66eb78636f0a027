package cmd_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"photongate/gateway"
	"photongate/protocol"
)

// gapOpens is how long after an unplugging the gap opens at the latest.
const gapOpens = 2 * time.Second

// partReport is what verify says of a part of a stream, in a journal and in an
// archive.
type partReport struct {
	Epoch  int            `json:"epoch"`
	Ended  bool           `json:"ended"`
	LastNs protocol.Int64 `json:"last_ns"` // of its last frame, which is the end
}

// parts reads what a folder holds of a stream. It may be written meanwhile.
func (b *bench) parts(folder, stream string) []partReport {
	b.t.Helper()
	code, out, stderr := run(b.t, "photongate", "journal", "verify", "--json", folder)
	var r struct {
		Streams []struct {
			Name   string       `json:"name"`
			Epochs []partReport `json:"epochs"`
		} `json:"streams"`
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		b.t.Fatalf("verify %s: exit %d, %v\n%s", folder, code, err, stderr)
	}
	for _, s := range r.Streams {
		if s.Name == stream {
			return s.Epochs
		}
	}
	return nil
}

// awaitEnd waits until a folder has the end of the latest part of a stream. It
// returns the part, and how long after since it was there for sure, and was surely
// not yet: looking takes time.
func (b *bench) awaitEnd(folder string, since time.Time) (p partReport, there, notYet time.Duration) {
	b.t.Helper()
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		asked := time.Now()
		if list := b.parts(folder, "bench"); len(list) > 0 && list[len(list)-1].Ended {
			return list[len(list)-1], time.Since(since), notYet
		}
		notYet = asked.Sub(since)
	}
	b.t.Fatalf("%s: no end of the part within %v", folder, patience)
	return p, 0, 0
}

// awaitState waits until the gateway says of the device that it is so.
func (b *bench) awaitState(state string) protocol.DeviceStatus {
	b.t.Helper()
	deadline := time.Now().Add(patience)
	var last protocol.DeviceStatus
	for time.Now().Before(deadline) {
		_, s := b.status()
		if last = s.Devices[0]; last.State == state {
			return last
		}
		pause(b.t, 200*time.Millisecond)
	}
	b.t.Fatalf("the device is %s (%s), waited for %s", last.State, last.Cause, state)
	return last
}

// descriptors counts the open files of a process.
func descriptors(t *testing.T, p *proc) int {
	t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// goroutines ends a process with a signal that makes it list its goroutines, and
// counts those that the runtime did not start for itself.
func goroutines(p *proc) (started int) {
	p.t.Helper()
	signal(p.t, p, syscall.SIGQUIT)
	<-p.done
	for line := range strings.SplitSeq(p.stderr(), "\n") {
		if by, found := strings.CutPrefix(line, "created by "); found && !strings.HasPrefix(by, "runtime.") {
			started++
		}
	}
	return started
}

// overTCP puts the instrument behind a serial server on TCP.
func (b *bench) overTCP() {
	addr := freeAddr(b.t)
	b.sim = slices.Clone(b.sim)
	b.sim[1], b.sim[2] = "--tcp", addr
	retarget(b.t, b.config, b.link, "tcp://"+addr)
	b.link = addr
}

// TestUnpluggedWhileReading pulls the cable while an instrument is read, again and
// again: the end of the part is in the journal, at a reader and in the status within
// two seconds, archive and truth agree but under a gap, and nothing of the gateway
// is left behind.
func TestUnpluggedWhileReading(t *testing.T) {
	for _, c := range []struct{ driver, how string }{{"cd48", "pty"}, {"de2ccu", "pty"}, {"de2ccu", "serial server"}} {
		t.Run(c.driver+" on a "+c.how, func(t *testing.T) {
			t.Parallel()
			rounds := 3
			if isLong() {
				rounds = 30
			}
			t.Attr("fault", "F31")
			t.Attr("injected", fmt.Sprintf("%s on a %s unplugged %d times while it is read", c.driver, c.how, rounds))
			t.Attr("promised", "the gap opens within 2 s in journal, view and status; files and goroutines as before")
			options := map[string]string{"cd48": `gate = "100ms"`}[c.driver]
			b := newBench(t, c.driver, options)
			if c.how != "pty" {
				b.overTCP()
			}
			// As many goroutines as a gateway has that nobody ever unplugged.
			sim, fresh := b.startSim(), b.startGateway()
			record := b.startRecord()
			record.waitFor("recording")
			b.awaitState(gateway.Running)
			b.awaitRows(5)
			usual := goroutines(fresh)

			gateways := b.startGateway()
			b.awaitState(gateway.Running)
			b.awaitRows(5)
			before := descriptors(t, gateways)
			var inJournal, inView time.Duration
			for range rounds {
				pulled := time.Now()
				if c.how == "pty" {
					signal(t, sim, syscall.SIGUSR1)
				} else {
					kill(sim)
				}
				end, _, _ := b.awaitEnd(filepath.Join(b.dir, "journal"), pulled)
				inJournal = max(inJournal, time.Unix(0, int64(end.LastNs)).Sub(pulled))
				_, there, notYet := b.awaitEnd(b.gatewayFolder(), pulled)
				inView = max(inView, there)
				if notYet > gapOpens {
					t.Errorf("the end is not at the reader %v after it was unplugged", notYet)
				}
				gone := b.awaitState(gateway.Gone)
				if late := gone.Since.Sub(pulled); late > gapOpens {
					t.Errorf("the status says so %v after it was unplugged", late)
				}
				if c.how == "pty" {
					signal(t, sim, syscall.SIGUSR2)
				} else {
					sim = b.startSim("--append", "--seed", fmt.Sprint(time.Now().UnixNano()%1e6))
				}
				b.awaitState(gateway.Running)
				b.awaitRows(3)
			}
			if inJournal > gapOpens {
				t.Errorf("the end is in the journal %v after it was unplugged", inJournal)
			}
			after := descriptors(t, gateways)
			if after > before {
				t.Errorf("%d open files, before it was %d", after, before)
			}
			left := goroutines(gateways)
			if left > usual {
				t.Errorf("%d goroutines, without an unplugging %d", left, usual)
			}
			record.stop()
			seen := fmt.Sprintf("end in the journal after %v, at the reader after %v at most; open files %d -> %d, goroutines %d -> %d",
				inJournal.Round(time.Millisecond), inView.Round(time.Millisecond), before, after, usual, left)
			if c.how == "pty" { // one that was killed begins its distinct values again
				l := b.checkLedger(b.report(), "bench", b.truth, 100*time.Millisecond)
				if l.causes["unplugged"] != rounds {
					t.Errorf("causes of gaps: %v, want %d times unplugged", l.causes, rounds)
				}
				seen += "; " + l.String()
			}
			t.Attr("seen", seen)
		})
	}
}

// TestSilentDevice makes an instrument silent with its port open.
func TestSilentDevice(t *testing.T) {
	// It shows as stalled and is opened again: archive and truth agree but under a gap.
	t.Run("for long", func(t *testing.T) {
		t.Parallel()
		t.Attr("fault", "F34")
		t.Attr("injected", "a DE2 silent for 9 s with its port open")
		t.Attr("promised", "stalled after three gates and 0.5 s, opened again, a gap and no invented zeros")
		b := newBench(t, "de2ccu", "", "--fault", "stall@4s:9s")
		sim := b.startSim()
		b.startGateway()
		b.awaitState(gateway.Running)
		record := b.startRecord()
		silent := sim.saidAt("stall@4s")
		stalled := b.awaitState(gateway.Stalled)
		end, _, _ := b.awaitEnd(filepath.Join(b.dir, "journal"), silent)
		b.awaitState(gateway.Running)
		b.awaitRows(5)
		record.stop()
		l := b.checkLedger(b.report(), "bench", b.truth, 99_993_600)
		if l.causes["stalled"] != 1 || l.gaps != 1 || l.missing < 80 {
			t.Errorf("%v, causes %v, want one gap, stalled", l, l.causes)
		}
		if l.parts != 2 {
			t.Errorf("%d parts for one silence", l.parts)
		}
		t.Attr("seen", fmt.Sprintf("stalled %v after it fell silent, the part ended after %v; %v",
			stalled.Since.Sub(silent).Round(10*time.Millisecond), time.Unix(0, int64(end.LastNs)).Sub(silent).Round(10*time.Millisecond), l))
	})
	// Six gates show, though nothing is opened again for them. Three gates are 3 s
	// here, so that a slow machine sees it too.
	t.Run("for six gates", func(t *testing.T) {
		t.Parallel()
		t.Attr("fault", "F34")
		t.Attr("injected", "a CD48 of 1 s gates silent for 6 s with its port open")
		t.Attr("promised", "stalled after three gates, running again by itself, in the same part")
		b := newBench(t, "cd48", `gate = "1s"`, "--fault", "stall@5s:6s")
		b.startSim()
		gateways := b.startGateway()
		gateways.waitFor("bench", "running")
		record := b.startRecord()
		told := gateways.waitFor("bench", "no reading comes")
		b.awaitState(gateway.Running)
		b.awaitRows(2)
		gateways.stop()
		record.stop()
		l := b.checkLedger(b.report(), "bench", b.truth, time.Second)
		if l.parts != 1 {
			t.Errorf("%d parts: %v", l.parts, l)
		}
		t.Attr("seen", fmt.Sprintf("%s; then %v", told[strings.Index(told, "WRN")+4:], l))
	})
}

// TestPowerOnDefaults has a CD48 that answers well and does not have the settings
// of the configuration: after an unplugging, after a restart by itself, or since it
// did not heed what it was told.
func TestPowerOnDefaults(t *testing.T) {
	const options = "gate = \"100ms\"\nthreshold = 0.96"
	t.Run("unplugged", func(t *testing.T) {
		t.Parallel()
		t.Attr("fault", "F32")
		t.Attr("fault", "F33")
		t.Attr("injected", "a CD48 that forgets its settings is unplugged and plugged in again, under another pty")
		t.Attr("promised", "settings are pushed, read back and compared before readings count as verified")
		b := newBench(t, "cd48", options, "--forget")
		sim := b.startSim()
		gateways := b.startGateway()
		b.awaitState(gateway.Running)
		record := b.startRecord()
		record.waitFor("recording")
		b.awaitRows(5)
		signal(t, sim, syscall.SIGUSR1)
		b.awaitState(gateway.Gone)
		signal(t, sim, syscall.SIGUSR2)
		b.awaitState(gateway.Running)
		b.awaitRows(5)
		b.tell("bench threshold: 0.960 V (read back)", "get", "bench", "threshold")
		gateways.stop()
		record.stop()
		l := b.checkLedger(b.report(), "bench", b.truth, 100*time.Millisecond)
		second := 0
		for _, r := range b.cat() {
			if strings.Contains(r.flags, "unverified") {
				t.Errorf("flagged: %+v", r)
			}
			if r.part == "2" {
				second++
			}
		}
		if second == 0 || l.causes["unplugged"] != 1 {
			t.Errorf("%d readings in part 2, causes of gaps %v", second, l.causes)
		}
		t.Attr("seen", fmt.Sprintf("threshold 0.960 V read back, %d verified readings in part 2; %v", second, l))
	})
	t.Run("not heeded", func(t *testing.T) {
		t.Parallel()
		t.Attr("fault", "F33")
		t.Attr("injected", "a CD48 that does not heed the threshold it is told at its opening")
		t.Attr("promised", "readings are flagged unverified and the status says why, until it is pushed again and taken")
		b := newBench(t, "cd48", options, "--ignore", "L=2")
		b.startSim()
		gateways := b.startGateway()
		gateways.waitFor("settings are not verified")
		b.awaitState(gateway.Running)
		record := b.startRecord()
		const why = "threshold: asked for 0.960 V, the instrument says 0.800 V"
		if got := b.awaitState(gateway.Running).Unverified; got != why {
			t.Errorf("status: unverified %q, want %q", got, why)
		}
		b.tell("UNVERIFIED, readings are flagged: "+"threshold: asked for 0.960 V,", "status")
		gateways.waitFor("settings are verified")
		b.awaitRows(5)
		if got := b.awaitState(gateway.Running).Unverified; got != "" {
			t.Errorf("status, after it was taken: unverified %q", got)
		}
		b.tell("bench threshold: 0.960 V (read back)", "get", "bench", "threshold")
		gateways.stop()
		record.stop()
		flagged, verified := 0, 0
		for i, r := range b.cat() {
			switch unverified := strings.Contains(r.flags, "unverified"); {
			case unverified && verified > 0:
				t.Errorf("row %d is flagged after %d that are not: %+v", i, verified, r)
			case unverified:
				flagged++
			default:
				verified++
			}
		}
		if flagged == 0 || verified == 0 {
			t.Errorf("%d readings flagged, %d not", flagged, verified)
		}
		t.Attr("seen", fmt.Sprintf("%d readings flagged, then %d verified; status: %s", flagged, verified, why))
	})
	t.Run("restarted by itself", func(t *testing.T) {
		t.Parallel()
		t.Attr("fault", "F33")
		t.Attr("injected", "a polled CD48 restarts by itself while it is read, and comes back with other settings")
		t.Attr("promised", "it is asked after the gap, the doubt is told, and it is opened anew with its settings")
		b := newBench(t, "cd48", "gate = \"50ms\"\nthreshold = 0.96", "--forget", "--fault", "brownout@8s:700ms")
		b.startSim()
		gateways := b.startGateway()
		b.awaitState(gateway.Running)
		record := b.startRecord("--csv")
		record.waitFor("recording")
		said := gateways.waitFor("settings changed by themselves")
		if !strings.Contains(said, "threshold was 0.960 V and is 0.800 V") {
			t.Errorf("said %s", said)
		}
		b.awaitState(gateway.Running)
		b.awaitRows(5)
		b.tell("bench threshold: 0.960 V (read back)", "get", "bench", "threshold")
		gateways.stop()
		record.stop()
		text, err := os.ReadFile(filepath.Join(b.gatewayFolder(), "bench.events.csv"))
		if err != nil {
			t.Fatal(err)
		}
		doubts := slices.DeleteFunc(parseCSV(t, string(text)), func(row []string) bool { return row[5] != "settings in doubt" })
		if len(doubts) != 1 || !strings.Contains(doubts[0][8], "threshold was 0.960 V and is 0.800 V; they were last known to be right") {
			t.Fatalf("doubts: %q", doubts)
		}
		_, said, _ = strings.Cut(doubts[0][8], "settings changed")
		t.Attr("seen", "settings changed"+said)
	})
}

// TestGatewayIsStopped stops the process of the gateway for a while and lets it go
// on: what the instruments gave meanwhile is there, or a gap; nothing is out of
// order, no instrument is taken for silent, and the receiver is back.
func TestGatewayIsStopped(t *testing.T) {
	t.Parallel()
	stopped := 10 * time.Second
	if isLong() {
		stopped = time.Minute
	}
	t.Attr("fault", "F08")
	t.Attr("injected", fmt.Sprintf("SIGSTOP for %v, then SIGCONT, to a gateway that reads a DE2 and a CD48 and feeds a receiver", stopped))
	t.Attr("promised", "what was missed is flagged or under a gap, nothing is out of order, the receiver is back by itself")
	l := newLoaded(t, "1ms")
	gateways := l.startGateway()
	gateways.waitFor("running", "device=bench")
	gateways.waitFor("running", "device=cd")
	record := l.startRecord()
	record.waitFor("recording")
	l.awaitRows(10)
	signal(t, gateways, syscall.SIGSTOP)
	pause(t, stopped)
	signal(t, gateways, syscall.SIGCONT)
	l.awaitRows(30)
	for _, d := range func() []protocol.DeviceStatus { _, s := l.status(); return s.Devices }() {
		if d.State != gateway.Running {
			t.Errorf("%s is %s", d.Name, d.State)
		}
	}
	gateways.stop()
	record.stop()
	report := l.report()
	de2 := l.checkLedger(report, "bench", l.truth, de2Gate)
	cd := l.checkLedger(report, "cd", l.second.truth, cdGate)
	if de2.rows+de2.missing < int(stopped/de2Gate) {
		t.Errorf("DE2: %v, want more than %v gave", de2, stopped)
	}
	if n := strings.Count(gateways.stderr(), "stalled"); n > 0 {
		t.Errorf("taken for silent %d times", n)
	}
	// The CD48 counts on until it is asked: its gates are as long as nobody did. An
	// answer that waited meanwhile tells not when it was given, so there may be two.
	late, lateS := 0, 0.0
	for _, r := range l.catStream("cd") {
		if !strings.Contains(r.flags, "late") {
			if r.gateS > 2*cdGate.Seconds()+0.001 {
				t.Errorf("CD48: a gate of %v s is not flagged: %+v", r.gateS, r)
			}
			continue
		}
		late, lateS = late+1, lateS+r.gateS
	}
	if lateS < stopped.Seconds()-0.1 && cd.gaps == 0 {
		t.Errorf("CD48: %d gates flagged late, %v s long in all, and no gap", late, lateS)
	}
	t.Attr("seen", fmt.Sprintf("DE2: %v; CD48: %v, %d gates flagged late, %.1f s in all; %d and %d parts", de2, cd, late, lateS, de2.parts, cd.parts))
}

// TestTwoGatewaysOnOneJournal refuses the second, naming the process of the first.
func TestTwoGatewaysOnOneJournal(t *testing.T) {
	t.Parallel()
	t.Attr("fault", "F37")
	t.Attr("injected", "a second gateway on the journal of one that runs")
	t.Attr("promised", "refused with the holder's process, the first one goes on")
	b := newBench(t, "de2ccu", "")
	b.startSim()
	first := b.startGateway()
	other := newBench(t, "de2ccu", "")
	retarget(t, other.config, filepath.Join(other.dir, "journal"), filepath.Join(b.dir, "journal"))
	code, _, stderr := run(t, "photongate", "run", "-c", other.config)
	if pid := fmt.Sprintf("process id %d;", first.cmd.Process.Pid); code == 0 || !strings.Contains(stderr, pid) {
		t.Errorf("exit %d, said %q, want the holder, %s", code, stderr, pid)
	}
	b.awaitState(gateway.Running)
	_, said, _ := strings.Cut(stderr, "/lock: ")
	t.Attr("seen", fmt.Sprintf("exit %d: %s", code, said))
}
