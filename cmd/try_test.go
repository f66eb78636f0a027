package cmd_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"
)

// tryRun runs photongate try and returns what it says; the verdict is its last
// line.
func tryRun(t *testing.T, args ...string) (code int, out, verdict string) {
	t.Helper()
	code, out, stderr := run(t, "photongate", append([]string{"try"}, args...)...)
	if out == "" {
		t.Fatalf("photongate try %v: exit %d, said nothing but %q", args, code, stderr)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return code, out, lines[len(lines)-1]
}

// TestTryHealthy: an instrument that works is said to work, and the file that
// was kept shows the same once more, byte by byte.
func TestTryHealthy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sim  []string
		args []string
		says []string
	}{
		"cd48 that repeats": {[]string{"cd48"}, []string{"--set", "gate=100ms", "--set", "threshold=0.8"}, []string{
			`> 63 0d "c\r"`, "line of counts, overflow byte 0", "answer to v: 1.4", "settings to push: gate=100ms threshold=0.8",
			"line end: CR LF after each of", "answers to set commands: silence after 3 of 3", "order of masks: A is the highest bit",
			"did not show: repeats unasked, full counter, clearing of overflow flags", "timed by device",
		}},
		"cd48 as it is, polled": {[]string{"cd48", "--ack", "ok"}, nil, []string{"timed by host-clearing", `answer to v: "CD48 firmware 1.4\r\n"`}},
		"cd48 left repeating": {[]string{"cd48", "--repeat-on", "--interval-ms", "100", "--ack", "echo"}, []string{"--set", "impedance=50"}, []string{
			"repeats unasked: ", "answers to set commands: echo of a command after 1 of 1",
		}},
		"cd48 that overflows": {[]string{"cd48", "--overflow", "stick", "--read-clears-flags", "--fault", "overflow@byte=700:1"}, []string{"--set", "gate=100ms"}, []string{
			"(overflow)", "full counter: counter 1 stayed at 16777215", "clearing of overflow flags: c clears them: E answered 0 after overflow byte 2",
			"first line of repeat mode: it was wrong: counter ",
		}},
		"de2ccu of 8":  {[]string{"de2ccu"}, nil, []string{"packet of 8 counters", "counters: 8: packets of 41 bytes", "nothing was sent to it"}},
		"de2ccu of 15": {[]string{"de2ccu", "--counters", "15", "--pace"}, nil, []string{"packet of 15 counters", "counters: 15: packets of 76 bytes"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, c.sim[0], "", c.sim[1:]...)
			b.startSim()
			saved := filepath.Join(b.dir, "saved.txt")
			code, out, verdict := tryRun(t, append([]string{c.sim[0], "--port", b.link, "--for", "2500ms", "--save", saved}, c.args...)...)
			if code != 0 || !strings.HasPrefix(verdict, "works as documented: ") {
				t.Fatalf("exit %d, verdict %q:\n%s", code, verdict, out)
			}
			if !containsAll(out, c.says) {
				t.Errorf("want %q in\n%s", c.says, out)
			}
			code, again, _ := tryRun(t, "--replay", saved)
			if code != 0 || again != out {
				t.Errorf("exit %d; the file shows\n%s\nthe instrument was\n%s", code, again, out)
			}
			text, err := os.ReadFile(saved)
			if err != nil {
				t.Fatal(err)
			}
			if !containsAll(string(text), []string{"photongate recording 1\n", "# software: photongate ", "# system: linux/", "# driver: " + c.sim[0],
				"# port kind: pseudo-terminal", "# began: 2", "# for: 2.5s", "\n. "}) {
				t.Errorf("kept\n%s", text)
			}
			if code, _, stderr := run(t, "photongate", "try", c.sim[0], "--port", b.link, "--save", saved); code != 2 || !strings.Contains(stderr, "not overwritten") {
				t.Errorf("the file again: exit %d, said %q", code, stderr)
			}
		})
	}
}

// TestTryFirstSurprise: what is not as documented is named, first things first,
// and so it is in the file.
func TestTryFirstSurprise(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		driver, fault string
		want          []string // in the verdict
		also          string   // in what comes before it
	}{
		{"de2ccu", "drop@byte=600:1", []string{"39 data bytes before an end mark, expected 40 or 75", `\x`}, ""},
		{"de2ccu", "garbage@byte=600:8", []string{"after ", "bytes "}, ""},
		{"de2ccu", "unplug@byte=800:0s", []string{"after ", "device went away"}, ""},
		{"de2ccu", "stall@byte=600:1500ms", []string{"after "}, "gap after reading"}, // in the middle of a packet, or between two
		{"de2ccu", "stall@byte=600:60s", []string{"silence: nothing came for the last ", "a reading is due every 100ms"}, ""},
		{"cd48", "garbage@byte=900:8", []string{"after ", "line"}, ""},
		{"cd48", "unplug@byte=900:0s", []string{"after ", "device went away"}, ""},
	} {
		t.Run(c.driver+" "+c.fault, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, c.driver, "", "--fault", c.fault)
			b.startSim()
			saved := filepath.Join(b.dir, "saved.txt")
			args := []string{c.driver, "--port", b.link, "--for", "5s", "--save", saved}
			if c.driver == "cd48" {
				args = append(args, "--set", "gate=100ms")
			}
			code, out, verdict := tryRun(t, args...)
			if code != 1 || !strings.HasPrefix(verdict, "first surprise: ") || !containsAll(verdict, c.want) {
				t.Errorf("exit %d, verdict %q, want %q in it", code, verdict, c.want)
			}
			if !strings.Contains(out, c.also) {
				t.Errorf("want %q in\n%s", c.also, out)
			}
			code, again, _ := tryRun(t, "--replay", saved)
			if code != 1 || again != out {
				t.Errorf("exit %d; the file shows\n%s\nthe instrument was\n%s", code, again, out)
			}
		})
	}
}

// TestTryFlippedByte flips one bit in the file of an instrument that works.
func TestTryFlippedByte(t *testing.T) {
	t.Parallel()
	b := newBench(t, "de2ccu", "")
	b.startSim()
	saved := filepath.Join(b.dir, "saved.txt")
	if code, _, verdict := tryRun(t, "de2ccu", "--port", b.link, "--for", "4s", "--save", saved); code != 0 {
		t.Fatalf("exit %d, %s", code, verdict)
	}
	text, err := os.ReadFile(saved)
	if err != nil {
		t.Fatal(err)
	}
	// One in the middle: a computer that is busy gives several packets in a line, and
	// those behind it show by their times that one is missing.
	lines := strings.Split(string(text), "\n")
	var packets []int
	for i, l := range lines {
		if strings.HasSuffix(l, "00 ff") {
			packets = append(packets, i)
		}
	}
	if len(packets) < 4 {
		t.Fatalf("only %d lines end a packet:\n%s", len(packets), text)
	}
	middle := packets[len(packets)/2]
	lines[middle] = strings.TrimSuffix(lines[middle], "00 ff") + "80 ff" // counters beyond 2^28 never are
	flipped := filepath.Join(b.dir, "flipped.txt")
	if err := os.WriteFile(flipped, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, verdict := tryRun(t, "--replay", flipped)
	if code != 1 || !containsAll(verdict, []string{"first surprise: after ", "packet with a byte no counter contains"}) {
		t.Errorf("exit %d, verdict %q\n%s", code, verdict, out)
	}
	if !strings.Contains(out, "gap after reading") {
		t.Errorf("no gap in\n%s", out)
	}
}

// TestTryWrongInstrument: another instrument on the port is named when a driver
// knows it.
func TestTryWrongInstrument(t *testing.T) {
	t.Parallel()
	for driver, other := range map[string][]string{
		"de2ccu": {"cd48", "--repeat-on", "--interval-ms", "100"},
		"cd48":   {"de2ccu"},
	} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, other[0], "", other[1:]...)
			b.startSim()
			code, out, verdict := tryRun(t, driver, "--port", b.link, "--for", "2s")
			if code != 1 || !containsAll(verdict, []string{"first surprise: identify " + b.link, "not what this instrument sends"}) {
				t.Errorf("exit %d, verdict %q", code, verdict)
			}
			if want := fmt.Sprintf("try: photongate try %s --port %s", other[0], b.link); !strings.Contains(out, want) {
				t.Errorf("want %q in\n%s", want, out)
			}
		})
	}
}

// fakePort plays an instrument on a pty: play may write to it until done is
// closed.
func fakePort(t *testing.T, play func(master *os.File, done <-chan struct{})) (name string) {
	t.Helper()
	needsLinux(t, "ptys")
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := term.MakeRaw(int(slave.Fd())); err != nil { // no echo before photongate sets it so
		t.Fatal(err)
	}
	name = slave.Name()
	slave.Close() // a port that is held is refused
	done := make(chan struct{})
	var playing sync.WaitGroup
	playing.Go(func() { play(master, done) })
	t.Cleanup(func() {
		close(done)
		master.Close() // frees a blocked read
		playing.Wait()
	})
	return name
}

func silent(_ *os.File, done <-chan struct{}) { <-done }

// each calls say every 20 ms.
func each(say func(n int) string) func(*os.File, <-chan struct{}) {
	return func(master *os.File, done <-chan struct{}) {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-tick.C:
				if _, err := master.WriteString(say(n)); err != nil {
					return
				}
			case <-done:
				return
			}
		}
	}
}

// TestTrySilence: a port on which nothing comes is no instrument that works.
func TestTrySilence(t *testing.T) {
	t.Parallel()
	for driver, want := range map[string]string{
		"cd48":    `no answer in time to "c" (is this the CD48's port?`,
		"de2ccu":  "nothing came for 3 s from a unit that sends ten packets a second by itself",
		"unknown": "--for 2m",
	} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			code, out, verdict := tryRun(t, driver, "--port", fakePort(t, silent), "--for", "1s")
			if code != 1 || !strings.Contains(verdict, want) {
				t.Errorf("exit %d, verdict %q, want %q", code, verdict, want)
			}
			if driver == "unknown" && !containsAll(out, []string{"nothing is sent", "a pseudo-terminal has no baud rate", "nothing came in 1", "it may speak only when asked"}) {
				t.Errorf("said\n%s", out)
			}
		})
	}
}

// TestTryUnknown: what the bytes of an instrument nobody has named look like.
func TestTryUnknown(t *testing.T) {
	t.Parallel()
	text := each(func(n int) string { return fmt.Sprintf("%d,%d,0.5\r\n", n, 4000+n*37%100) })
	noise := each(func(n int) string { return string([]byte{byte(n * n), 0x80 | byte(n*7), byte(n*n*n) >> 1}[:1+n*5%3]) })
	asked := func(master *os.File, done <-chan struct{}) {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		buf := make([]byte, 16)
		for {
			n, err := master.Read(buf)
			switch {
			case err != nil: // nobody has opened the other side yet, or all have closed it
				select {
				case <-tick.C:
				case <-done:
					return
				}
			case string(buf[:n]) == "?\r":
				if _, err := master.WriteString("PhotonCounter\r\n"); err != nil {
					return
				}
			}
		}
	}
	for name, c := range map[string]struct {
		play func(*os.File, <-chan struct{})
		args []string
		says []string
		not  string
	}{
		"text": {text, nil, []string{"nothing is sent", "looks like text", "lines end in CR LF", "3 columns between commas", "always 1 more",
			"column 2: integers, changing", "column 3: decimal fractions, always 0.5", "lines come every ", "keep the bytes with --save FILE"}, "driver"},
		"noise": {noise, nil, []string{"looks like binary, or like another baud rate"}, "looks like text"},
		"asked": {asked, []string{"--send", `?\r`}, []string{`sent after a while: 3f 0d "?\r"`, `> 3f 0d "?\r"`,
			`looks like an answer: nothing came before 3f 0d "?\r" was sent, 15 bytes after it`}, "number of the line"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			saved := filepath.Join(t.TempDir(), "saved.txt")
			code, out, _ := tryRun(t, append([]string{"unknown", "--port", fakePort(t, c.play), "--for", "2s", "--baud", "9600", "--save", saved}, c.args...)...)
			if code != 0 || !containsAll(out, c.says) || strings.Contains(out[strings.Index(out, "what it looks like"):strings.Index(out, "next:")], c.not) {
				t.Errorf("exit %d, want %q and not %q in\n%s", code, c.says, c.not, out)
			}
			if code, again, _ := tryRun(t, "--replay", saved); code != 0 || again != out {
				t.Errorf("exit %d, the file shows\n%s\nthe instrument was\n%s", code, again, out)
			}
		})
	}
}

// TestTryUnknownIsKnown: an instrument that a driver knows is recognised without
// a byte being sent, on a pty and on TCP.
func TestTryUnknownIsKnown(t *testing.T) {
	t.Parallel()
	t.Run("pty", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, "de2ccu", "")
		b.startSim()
		code, out, verdict := tryRun(t, "unknown", "--port", b.link, "--for", "2s")
		want := []string{"byte ff comes every 41 bytes", "bit 7 is set in no byte but ff", "looks like the instrument of driver de2ccu"}
		if code != 0 || !containsAll(out, want) || strings.TrimSpace(verdict) != "photongate try de2ccu --port "+b.link {
			t.Errorf("exit %d, want %q in\n%s", code, want, out)
		}
	})
	t.Run("TCP", func(t *testing.T) {
		t.Parallel()
		host, _, err := net.SplitHostPort(freeAddr(t))
		if err != nil {
			t.Fatal(err)
		}
		sim := start(t, "photonsim", "cd48", "--tcp", host+":7400", "--repeat-on", "--interval-ms", "100", "--seed", "7")
		sim.waitFor(":7400")
		code, out, verdict := tryRun(t, "unknown", "--port", "tcp://"+host+":7400", "--for", "2s")
		want := []string{"a TCP port has no baud rate", "9 columns between blanks", "looks like the instrument of driver cd48"}
		if code != 0 || !containsAll(out, want) || !strings.HasPrefix(strings.TrimSpace(verdict), "photongate try cd48 --port tcp://") {
			t.Errorf("exit %d, want %q in\n%s", code, want, out)
		}
	})
}

// TestTryMistakes: a wrong command line is answered with what is wrong.
func TestTryMistakes(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.txt")
	if err := os.WriteFile(empty, []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]struct {
		code int
		says string
	}{
		"":                         {2, "which instrument?"},
		"cd49 --port /dev/ttyACM0": {2, "did you mean cd48?"},
		"cd48":                     {2, "--port is missing"},
		"cd48 --port /dev/ttyACM0 --set gate=100":           {2, "gate: 100 has no unit"},
		"cd48 --port /dev/ttyACM0 --set dwell=1s":           {2, "dwell"},
		"cd48 --port /dev/ttyACM0 --send c":                 {2, "go with unknown only"},
		"cd48 --port /dev/ttyACM0 --for 0s":                 {2, "--for"},
		"unknown --port /dev/ttyACM0 --baud fast":           {2, "--baud fast: expected a number"},
		"unknown --port /dev/ttyACM0 --set gate=1s":         {2, "only --send"},
		`unknown --port /dev/ttyACM0 --send \q`:             {2, "--send"},
		"unknown --port /nonexistent --save " + empty + "2": {1, "no such port"},
		"cd48 --port /nonexistent --save " + empty + "2":    {1, "no such port"},
		"--replay /nonexistent/file":                        {2, "/nonexistent/file"},
		"--replay " + empty:                                 {3, "line 1: this is no recording"},
		"--replay " + empty + " --port x":                   {2, "goes alone"},
	} {
		code, _, stderr := run(t, "photongate", append([]string{"try"}, strings.Fields(line)...)...)
		if code != want.code || !strings.Contains(stderr, want.says) {
			t.Errorf("try %s: exit %d, said %q; want %d and %q", line, code, stderr, want.code, want.says)
		}
	}
	if _, err := os.Stat(empty + "2"); !os.IsNotExist(err) {
		t.Errorf("a file is left for a port that was not there: %v", err)
	}
}
