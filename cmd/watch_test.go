package cmd_test

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// terminal is a terminal emulator in which a shell runs a command.
type terminal struct {
	t      *testing.T
	tmux   string
	socket string
	dir    string
}

// newTerminal runs a command in a terminal of w x h. What the terminal was set
// to before and after stands in the files before and after of its folder, the
// command's exit code on its screen.
func newTerminal(t *testing.T, w, h int, env []string, command ...string) *terminal {
	t.Helper()
	e := &terminal{t: t, tmux: needs(t, "tmux", "tmux"), dir: t.TempDir()}
	e.socket = filepath.Join(e.dir, "tmux")
	for i, word := range command {
		command[i] = "'" + word + "'"
	}
	script := filepath.Join(e.dir, "run.sh")
	text := fmt.Sprintf("stty -a > %[1]s/before\n%[2]s 2> %[1]s/stderr\ncode=$?\nstty -a > %[1]s/after\necho exit code $code\nexec sleep 1000\n", e.dir, strings.Join(command, " "))
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(e.tmux, "-S", e.socket, "-f", "/dev/null", "new-session", "-d", "-x", strconv.Itoa(w), "-y", strconv.Itoa(h), "sh", script)
	cmd.Env = append(append(os.Environ(), "LC_ALL=C.UTF-8", "TERM=xterm-256color"), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("tmux: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if t.Failed() {
			stderr, _ := os.ReadFile(filepath.Join(e.dir, "stderr"))
			t.Logf("screen:\n%s\nstandard error:\n%s", e.screen(), stderr)
		}
		e.do("kill-server")
	})
	return e
}

// do gives tmux a command and returns what it prints.
func (e *terminal) do(args ...string) string {
	e.t.Helper()
	out, err := exec.Command(e.tmux, append([]string{"-S", e.socket}, args...)...).CombinedOutput()
	if err != nil {
		e.t.Errorf("tmux %v: %v: %s", args, err, out)
	}
	return string(out)
}

// screen is the text of the screen, coloured its control sequences too.
func (e *terminal) screen() string   { return e.do("capture-pane", "-p") }
func (e *terminal) coloured() string { return e.do("capture-pane", "-p", "-e") }

// waitFor waits until the screen is as it should be.
func (e *terminal) waitFor(what string, ok func(screen string) bool) string {
	e.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		if s := e.screen(); ok(s) {
			return s
		} else if time.Now().After(end) {
			e.t.Fatalf("%s did not come on the screen:\n%s", what, s)
		}
	}
}

func (e *terminal) waitForText(text string) string {
	e.t.Helper()
	return e.waitFor(text, func(s string) bool { return strings.Contains(s, text) })
}

// restored demands that the terminal is as it was: the shell's screen, the
// cursor, the modes.
func (e *terminal) restored() {
	e.t.Helper()
	e.waitForText("exit code 0")
	if got := strings.TrimSpace(e.do("display-message", "-p", "#{alternate_on} #{cursor_flag} #{mouse_any_flag} #{keypad_flag}")); got != "0 1 0 0" {
		e.t.Errorf("alternate screen, cursor, mouse, keypad are %s, want 0 1 0 0", got)
	}
	var modes [2]string
	for i, name := range []string{"before", "after"} {
		text, err := os.ReadFile(filepath.Join(e.dir, name))
		if err != nil {
			e.t.Fatal(err)
		}
		modes[i] = regexp.MustCompile(`(rows|columns) \d+`).ReplaceAllString(string(text), "")
	}
	if modes[0] == "" || modes[0] != modes[1] {
		e.t.Errorf("modes of the terminal before\n%s\nand after\n%s", modes[0], modes[1])
	}
}

// segments are the digits as someone sees them: which of 3 x 5 points are lit.
var segments = map[string]string{
	"###|#.#|#.#|#.#|###": "0", ".#.|##.|.#.|.#.|###": "1", "###|..#|###|#..|###": "2", "###|..#|###|..#|###": "3", "#.#|#.#|###|..#|..#": "4",
	"###|#..|###|..#|###": "5", "###|#..|###|#.#|###": "6", "###|..#|..#|..#|..#": "7", "###|#.#|###|#.#|###": "8", "###|#.#|###|..#|###": "9",
}

// bigNumber reads digits whose points are wide x high cells, from a row and
// column on.
func bigNumber(screen string, row, column, wide, high int) (float64, bool) {
	lines := strings.Split(screen, "\n")
	lit := func(x, y int) string {
		if y >= len(lines) {
			return "."
		}
		if r := []rune(lines[y]); x < len(r) && r[x] == '█' {
			return "#"
		}
		return "."
	}
	text := ""
	for x := column; ; x += 4 * wide {
		var rows []string
		for y := range 5 {
			rows = append(rows, lit(x, row+y*high)+lit(x+wide, row+y*high)+lit(x+2*wide, row+y*high))
		}
		digit, ok := segments[strings.Join(rows, "|")]
		if !ok {
			break
		}
		text += digit
	}
	v, err := strconv.ParseFloat(text, 64)
	return v, err == nil
}

// signal sends a running binary a signal.
func signal(t *testing.T, p *proc, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// TestWatch looks at the live number as a person does: in a terminal.
func TestWatch(t *testing.T) {
	t.Parallel()
	needs(t, "tmux", "tmux")
	b := newBench(t, "cd48", `gate = "100ms"`, "--rate", "52000,31000,21000,19000")
	sim := b.startSim()
	gateway := b.startGateway()
	gateway.waitFor("bench", "running")
	e := newTerminal(t, 80, 24, nil, filepath.Join(bin, "photonrecv"), "watch", b.addr, "--channels", "B,C")

	// On 80 x 24 the digits of two channels are made of points of 2 x 1.
	e.waitFor("± of a whole second", func(s string) bool { return strings.Count(s, "± ") == 2 && strings.Contains(s, "var/mean") })
	number := func(row int) float64 {
		t.Helper()
		var v float64
		e.waitFor("a number of large digits", func(s string) (ok bool) {
			v, ok = bigNumber(s, row, 0, 2, 1)
			return ok
		})
		return v
	}
	rows := strings.Split(e.screen(), "\n")
	for name, rate := range map[string]float64{"B": 31000, "C": 21000} {
		at := -1
		for i, r := range rows {
			if strings.HasPrefix(r, name+" ") || r == name {
				at = i
			}
		}
		if at < 0 {
			t.Fatalf("no panel of %s:\n%s", name, strings.Join(rows, "\n"))
		}
		if v := number(at + 1); math.Abs(v-rate) > 10*math.Sqrt(rate) {
			t.Errorf("%s shows %v/s, the light is %v/s", name, v, rate)
		}
	}
	if !strings.Contains(e.coloured(), "\x1b[32m") {
		t.Errorf("fresh digits are not green:\n%q", e.coloured())
	}

	e.do("resize-window", "-x", "160", "-y", "50")
	e.waitFor("larger digits", func(s string) bool {
		lines := strings.Split(s, "\n")
		return len(lines) >= 50 && strings.HasPrefix(lines[49], "q quit") && strings.Contains(s, strings.Repeat("█", 12))
	})
	e.do("resize-window", "-x", "30", "-y", "6")
	e.waitFor("one line for each channel", func(s string) bool {
		return strings.Contains(s, "B  ") && strings.Contains(s, "C  ") && !strings.Contains(s, "██")
	})
	e.do("resize-window", "-x", "80", "-y", "24")

	// A frozen instrument: the numbers are old, and the gateway says why.
	signal(t, sim, syscall.SIGSTOP)
	e.waitForText("OLD ")
	if s := e.coloured(); strings.Contains(s, "\x1b[32m") || !regexp.MustCompile(`\x1b\[(90|38;5;8|38;5;244|38;2;128;128;128)m`).MatchString(s) {
		t.Errorf("old digits are not grey:\n%q", s)
	}
	e.waitForText("bench is STALLED")
	signal(t, sim, syscall.SIGCONT)
	e.waitFor("fresh numbers", func(s string) bool { return !strings.Contains(s, "OLD ") && !strings.Contains(s, "STALLED") })

	// A gateway that goes, and comes back.
	gateway.stop()
	e.waitForText("NOT CONNECTED: ")
	b.startGateway().waitFor("bench", "running")
	e.waitFor("connected again", func(s string) bool {
		return !strings.Contains(s, "NOT CONNECTED") && strings.Contains(s, "± ") && !strings.Contains(s, "OLD ")
	})

	e.do("send-keys", "+")
	e.waitForText("smoothing 2s")
	e.do("send-keys", "q")
	e.restored()
}

// TestWatchEnds: whatever ends it, the terminal is given back.
func TestWatchEnds(t *testing.T) {
	t.Parallel()
	needs(t, "tmux", "tmux")
	b := newBench(t, "de2ccu", ``)
	b.startSim()
	b.startGateway().waitFor("bench", "running")
	for name, end := range map[string]func(*terminal){
		"Ctrl-C": func(e *terminal) { e.do("send-keys", "C-c") },
		"Escape": func(e *terminal) { e.do("send-keys", "Escape") },
		"SIGTERM": func(e *terminal) {
			pane := strings.TrimSpace(e.do("display-message", "-p", "#{pane_pid}"))
			children, err := os.ReadFile(filepath.Join("/proc", pane, "task", pane, "children"))
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(string(children)))
			if err != nil {
				t.Fatalf("children of the shell: %q: %v", children, err)
			}
			if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newTerminal(t, 80, 24, nil, filepath.Join(bin, "photonrecv"), "watch", b.addr, "--smooth", "500ms")
			e.waitForText("± ")
			end(e)
			e.restored()
		})
	}
}

// TestWatchFolder watches what a receiver is recording.
func TestWatchFolder(t *testing.T) {
	t.Parallel()
	needs(t, "tmux", "tmux")
	b := newBench(t, "cd48", `gate = "100ms"`, "--rate", "52000,31000,21000,19000")
	sim := b.startSim()
	b.startGateway().waitFor("bench", "running")
	b.startRecord().waitFor("recording from")
	e := newTerminal(t, 100, 40, nil, filepath.Join(bin, "photonrecv"), "watch", b.archive, "--channels", "B")
	e.waitForText("± ")
	var v float64
	e.waitFor("large digits", func(s string) (ok bool) {
		for _, wide := range []int{4, 6, 8} {
			if v, ok = bigNumber(s, 2, 0, wide, wide/2); ok && v > 1000 {
				return true
			}
		}
		return false
	})
	if math.Abs(v-31000) > 10*math.Sqrt(31000) {
		t.Errorf("B shows %v/s, the light is 31000/s", v)
	}
	signal(t, sim, syscall.SIGSTOP)
	e.waitForText("OLD ")
	signal(t, sim, syscall.SIGCONT)
	e.waitFor("fresh numbers", func(s string) bool { return !strings.Contains(s, "OLD ") })
	e.do("send-keys", "q")
	e.restored()
}

// TestWatchBeep: the tone's player is fed while watch runs, and ends with it.
func TestWatchBeep(t *testing.T) {
	t.Parallel()
	needs(t, "tmux", "tmux")
	b := newBench(t, "cd48", `gate = "100ms"`)
	b.startSim()
	b.startGateway().waitFor("bench", "running")
	dir := t.TempDir()
	player := "#!/bin/sh\nhead -c 20000 >" + dir + "/heard\ncat >/dev/null\necho over >" + dir + "/over\n"
	if err := os.WriteFile(filepath.Join(dir, "pw-cat"), []byte(player), 0o700); err != nil {
		t.Fatal(err)
	}
	e := newTerminal(t, 80, 24, []string{"PATH=" + dir + ":" + os.Getenv("PATH")}, filepath.Join(bin, "photonrecv"), "watch", b.addr, "--beep", "B")
	e.waitFor("the tone", func(s string) bool { return regexp.MustCompile(`B 4[34]\d Hz \(pw-cat\)`).MatchString(s) })
	e.waitFor("half a second of samples", func(string) bool {
		info, err := os.Stat(filepath.Join(dir, "heard"))
		return err == nil && info.Size() == 20000
	})
	e.do("send-keys", "b")
	e.waitForText("B off")
	e.do("send-keys", "q")
	e.restored()
}

// TestWatchCannot: what cannot be watched is said before the terminal is used.
func TestWatchCannot(t *testing.T) {
	t.Parallel()
	needs(t, "tmux", "tmux")
	for _, c := range []struct{ source, want string }{
		{freeAddr(t), "no gateway listens on"},
		{t.TempDir(), "no recording here"},
	} {
		e := newTerminal(t, 80, 24, nil, filepath.Join(bin, "photonrecv"), "watch", c.source)
		e.waitFor("an exit code", func(s string) bool { return strings.Contains(s, "exit code 1") || strings.Contains(s, "exit code 2") })
		text, err := os.ReadFile(filepath.Join(e.dir, "stderr"))
		if err != nil || !strings.Contains(string(text), c.want) {
			t.Errorf("%s: %q (%v), want %q", c.source, text, err, c.want)
		}
	}
	if code, _, stderr := run(t, "photonrecv", "watch", freeAddr(t)); code != 1 || !strings.Contains(stderr, "photonrecv cat prints numbers") {
		t.Errorf("without a terminal: exit %d, %q", code, stderr)
	}
}
