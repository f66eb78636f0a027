package cmd_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"photongate/receiver"
	"photongate/sim/badline"
)

// fastGateway is a gateway in a process of its own with an instrument of so many
// readings of 8 channels per second (cmd/internal/fastgate).
type fastGateway struct {
	*proc
	addr, dir string
	asked     int
}

func startFast(t *testing.T, at place, args ...string) *fastGateway {
	t.Helper()
	g := &fastGateway{addr: freeAddr(t), dir: t.TempDir()}
	g.proc = startAt(t, at, "fastgate", append([]string{"--dir", g.dir, "--listen", g.addr}, args...)...)
	g.waitFor("listening")
	return g
}

// figures are what must stay flat.
type figures struct {
	rssKiB, goroutines, files int
	readings, gaps            uint64
}

// ask has the gateway say its figures.
func (g *fastGateway) ask() figures {
	g.t.Helper()
	g.asked++
	if err := g.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		g.t.Fatal(err)
	}
	var n int
	var f figures
	line := g.waitFor(fmt.Sprintf("figures %d ", g.asked))
	if _, err := fmt.Sscanf(line, "figures %d goroutines=%d readings=%d gaps=%d.", &n, &f.goroutines, &f.readings, &f.gaps); err != nil {
		g.t.Fatalf("%q: %v", line, err)
	}
	f.rssKiB = statusKiB(g.t, g.cmd.Process.Pid, "VmRSS:")
	f.files = openFiles(g.t, g.cmd.Process.Pid)
	return f
}

func openFiles(t *testing.T, pid int) int {
	t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// soak is a fast gateway and those who read it while everything around it breaks.
type soak struct {
	t       *testing.T
	gateway *fastGateway
	lines   [3]*badline.Line // to the receivers and to the slow client
	dirs    [2]string        // of the receivers' archives
	readers [3]*proc
	done    map[string]int // what was broken how often
}

// TestSoak lets a gateway read 10,000 readings/s of 8 channels while a receiver
// is killed, lines are cut and go dead, a client is too slow, and the disk
// stalls. Nothing is missing in either archive, and memory, goroutines and open
// files of gateway and surviving receiver stay flat.
func TestSoak(t *testing.T) {
	t.Parallel()
	t.Attr("fault", "F44")
	length, calm, longest := 20*time.Second, 2*time.Second, 2500*time.Millisecond
	if isLong() {
		length, calm, longest = 30*time.Minute, 10*time.Second, 9*time.Second
		if text := os.Getenv("PHOTONGATE_SOAK"); text != "" {
			var err error
			if length, err = time.ParseDuration(text); err != nil {
				t.Fatalf("PHOTONGATE_SOAK: %v", err)
			}
		}
	}
	s := newSoak(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	pause(t, calm)
	survivor := s.readers[1].cmd.Process.Pid
	first, firstReceiver := s.gateway.ask(), [2]int{statusKiB(t, survivor, "VmRSS:"), openFiles(t, survivor)}
	var rss []int
	for began, told := time.Now(), time.Duration(0); time.Since(began) < length; {
		s.breakOne(rng, longest)
		rss = append(rss, statusKiB(t, s.gateway.cmd.Process.Pid, "VmRSS:"))
		if gone := time.Since(began); gone > told+length/20 {
			told = gone
			progress(t, "%v of %v, %+v, broken so far %v", gone.Round(time.Second), length, s.gateway.ask(), s.done)
		}
	}
	s.mend()
	pause(t, calm)
	for i := range s.dirs {
		s.awaitArchive(i, s.gateway.ask().readings)
	}
	last, lastReceiver := s.gateway.ask(), [2]int{statusKiB(t, survivor, "VmRSS:"), openFiles(t, survivor)}

	// What a heap needs wobbles with the collector; what leaks grows with time.
	half := len(rss) / 2
	early, late := slices.Max(rss[:half]), slices.Max(rss[half:])
	if late > early+early/4+8<<10 {
		t.Errorf("the gateway's memory grew: at most %d KiB in the first half, %d KiB in the second", early, late)
	}
	if last.goroutines > first.goroutines+2 || last.files > first.files+2 {
		t.Errorf("the gateway had %d goroutines and %d files open at first, %d and %d at last", first.goroutines, first.files, last.goroutines, last.files)
	}
	if lastReceiver[0] > 2*firstReceiver[0]+16<<10 || lastReceiver[1] > firstReceiver[1]+2 {
		t.Errorf("the receiver had %d KiB and %d files open at first, %d KiB and %d at last", firstReceiver[0], firstReceiver[1], lastReceiver[0], lastReceiver[1])
	}
	if last.gaps > 0 {
		t.Errorf("%d gaps: the gateway did not keep up with its instrument", last.gaps)
	}
	rows := s.end()
	t.Attr("injected", fmt.Sprintf("%v of 10,000 readings/s; %d times the receiver killed, %d lines reset, %d gone dead, %d pulled out; a slow client; the disk stalls 2 s of each 7",
		length, s.done["kill"], s.done["reset"], s.done["stall"], s.done["unplug"]))
	t.Attr("promised", "nothing missing in two archives; memory, goroutines and open files flat")
	t.Attr("seen", fmt.Sprintf("%s and %s readings in order, none missing; gateway first %d MiB, %d goroutines, %d files, last %d MiB, %d, %d (at most %d MiB in the first half, %d in the second); receiver %d MiB, %d files, last %d MiB, %d",
		grouped(rows[0]), grouped(rows[1]), first.rssKiB>>10, first.goroutines, first.files, last.rssKiB>>10, last.goroutines, last.files, early>>10, late>>10,
		firstReceiver[0]>>10, firstReceiver[1], lastReceiver[0]>>10, lastReceiver[1]))
}

func newSoak(t *testing.T) *soak {
	t.Helper()
	s := &soak{t: t, done: map[string]int{}}
	s.gateway = startFast(t, place{}, "--rate", "10000", "--stall-every", "7s", "--stall-for", "2s")
	for i := range s.lines {
		script := func(int) badline.Script { return badline.Script{} }
		if i == 2 {
			script = func(int) badline.Script { return badline.Script{Down: badline.Way{Rate: 2000}} }
		}
		line, err := badline.Lay(s.gateway.addr, script)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { line.Close() }) //nolint:errcheck // at the end of the test
		s.lines[i] = line
	}
	for i := range s.dirs {
		s.dirs[i] = t.TempDir()
		s.start(i)
		s.readers[i].waitFor("recording")
	}
	s.start(2)
	return s
}

// start starts receiver 0 or 1, or the slow client.
func (s *soak) start(i int) {
	s.t.Helper()
	addr := s.lines[i].Addr()
	if i == 2 {
		s.readers[2] = start(s.t, "photonrecv", "cat", addr)
		return
	}
	s.readers[i] = start(s.t, "photonrecv", "record", addr, "--dir", s.dirs[i], "--name", fmt.Sprintf("ws-%d", i))
}

// breakOne breaks something and mends it after at most so long.
func (s *soak) breakOne(rng *rand.Rand, longest time.Duration) {
	s.t.Helper()
	wait := time.Duration(rng.Int64N(int64(longest)))
	line := s.lines[rng.IntN(2)]
	kinds := []string{"kill", "reset", "stall", "unplug"}
	kind := kinds[rng.IntN(len(kinds))]
	s.done[kind]++
	switch kind {
	case "kill":
		kill(s.readers[0])
		pause(s.t, wait/4)
		s.start(0)
	case "reset":
		line.Do(badline.Reset)
	case "stall":
		line.Do(badline.Stall)
	case "unplug":
		line.Unplug(badline.Freeze)
		pause(s.t, wait)
		line.Plug()
	}
	pause(s.t, wait)
}

// mend has everybody connected again.
func (s *soak) mend() {
	for _, l := range s.lines[:2] {
		l.Plug()
		l.Do(badline.Reset)
	}
}

// awaitArchive waits until an archive holds so many readings.
func (s *soak) awaitArchive(i int, want uint64) {
	s.t.Helper()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	deadline := time.After(2 * patience)
	for {
		var r receiver.Report
		_, out, _ := run(s.t, "photonrecv", "verify", s.dirs[i], "--json", "--stream", "bench")
		if err := json.Unmarshal([]byte(out), &r); err == nil && len(r.Streams) == 1 && uint64(r.Streams[0].Readings) >= want {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			s.t.Fatalf("archive %d did not get to %d readings: %s", i, want, out)
		}
	}
}

// end stops all and checks both archives, reading by reading.
func (s *soak) end() (rows [2]int64) {
	s.t.Helper()
	if code := s.gateway.stop(); code != 0 {
		s.t.Errorf("the gateway ended with %d", code)
	}
	for i, r := range s.readers {
		if code := r.stop(); i < 2 && code != 0 {
			s.t.Errorf("receiver %d ended with %d", i, code)
		}
	}
	for i, dir := range s.dirs {
		if code, out, stderr := run(s.t, "photonrecv", "verify", dir); code != 0 {
			s.t.Errorf("verify of archive %d: exit %d\n%s%s", i, code, out, stderr)
		}
		rows[i] = inOrder(s.t, dir)
	}
	return rows
}

// inOrder reads an archive and demands that the numbers in its first channel go
// up by one from row to row. It returns how many rows there are.
func inOrder(t *testing.T, dir string) int64 {
	t.Helper()
	cat := exec.Command(filepath.Join(bin, "photonrecv"), "cat", dir, "--stream", "bench")
	var said bytes.Buffer
	cat.Stderr = &said
	out, err := cat.StdoutPipe()
	if err == nil {
		err = cat.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer cat.Wait()                  //nolint:errcheck // below, unless the test has failed
	defer io.Copy(io.Discard, out)    //nolint:errcheck // so that it ends
	rows, last := int64(-1), int64(0) // the header is no row
	for scan := bufio.NewScanner(out); scan.Scan(); rows++ {
		if rows < 0 {
			continue
		}
		cells := bytes.SplitN(scan.Bytes(), []byte(","), 10)
		n, err := strconv.ParseInt(string(cells[8]), 10, 64)
		if err != nil || rows > 0 && n != last+1 {
			t.Fatalf("row %d holds packet %d after %d (%v): %s", rows, n, last, err, scan.Bytes())
		}
		last = n
	}
	if err := cat.Wait(); err != nil {
		t.Fatalf("cat: %v\n%s", err, said.String())
	}
	return rows
}

// TestDeadReceiverInLittleMemory gives the gateway 64 MiB and 100,000 readings/s
// of 8 channels while its only receiver is dead. All goes to the disk, memory
// stays flat, and when the receiver is back it gets every reading.
func TestDeadReceiverInLittleMemory(t *testing.T) {
	t.Parallel()
	t.Attr("fault", "F09")
	r := outliveDeadReceiver(t, 4<<10, "readings", "--rate", "100000", "--bits", "28")
	rows := inOrder(t, r.dir)
	t.Attr("injected", fmt.Sprintf("100,000 readings/s of 8 channels for %v, memory limit 64 MiB, the only receiver dead", r.length))
	t.Attr("promised", "everything goes to disk, memory flat, and all of it is fetched afterwards")
	t.Attr("seen", fmt.Sprintf("%s readings fetched in order, none missing; resident %d MiB at first, %d past the middle, %d at last, at most %d while it was fetched", grouped(rows), r.first.rssKiB>>10, r.middle.rssKiB>>10, r.last.rssKiB>>10, r.peakKiB>>10))
}

// outlived is what a gateway said of itself while its only receiver was dead: at
// first, past the middle, at last; and the most memory it had until all was fetched.
type outlived struct {
	dir                 string // archive
	length              time.Duration
	first, middle, last figures
	peakKiB             int
}

// outliveDeadReceiver gives a gateway 64 MiB, has it read while its only receiver is
// dead, and lets the receiver come back and fetch all of it. Past the middle the memory
// may grow by so much. What is the word for what is read.
func outliveDeadReceiver(t *testing.T, growKiB int, what string, args ...string) (r outlived) {
	t.Helper()
	const limitKiB = 64 << 10
	r.length, r.dir = 6*time.Second, t.TempDir()
	if isLong() {
		r.length = 3 * time.Minute
	}
	g := startFast(t, place{enter: []string{"env", "GOMEMLIMIT=64MiB"}}, args...)
	line, err := badline.Lay(g.addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close() //nolint:errcheck // at the end of the test
	s := &soak{t: t, gateway: g, dirs: [2]string{r.dir}}
	record := func() *proc {
		return start(t, "photonrecv", "record", line.Addr(), "--dir", r.dir, "--name", "ws-ana")
	}
	dead := record()
	dead.waitFor("recording")
	line.Do(badline.Freeze) // for the gateway it is there and says nothing
	kill(dead)
	line.Unplug(badline.Freeze)
	r.first = g.ask()
	for began := time.Now(); time.Since(began) < r.length; {
		pause(t, r.length/10)
		f := g.ask()
		if time.Since(began) < r.length*6/10 {
			r.middle = f
		}
		progress(t, "%v of %v, %+v", time.Since(began).Round(time.Second), r.length, f)
	}
	r.last = g.ask()
	// In the time between, several times as much was read.
	if r.last.rssKiB > r.middle.rssKiB+growKiB {
		t.Errorf("the gateway's memory grew: %d KiB after %d %s, %d KiB after %d", r.middle.rssKiB, r.middle.readings, what, r.last.rssKiB, r.last.readings)
	}
	line.Plug()
	again := record()
	again.waitFor("recording")
	s.awaitArchive(0, r.last.readings)
	if r.peakKiB = statusKiB(t, g.cmd.Process.Pid, "VmHWM:"); r.peakKiB > limitKiB {
		t.Errorf("the gateway took up to %d KiB, more than %d", r.peakKiB, limitKiB)
	}
	if code := g.stop(); code != 0 {
		t.Errorf("the gateway ended with %d", code)
	}
	if code := again.stop(); code != 0 {
		t.Errorf("record ended with %d", code)
	}
	return r
}
