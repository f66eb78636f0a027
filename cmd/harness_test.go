// Package cmd_test drives the real binaries from outside: simulated
// instruments on real ptys, real files, real TCP.
package cmd_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// bin is the folder the binaries under test were built into.
var bin string

// programsVariable names a folder of binaries that were built for a machine that
// cannot build them.
const programsVariable = "PHOTONGATE_PROGRAMS"

func TestMain(m *testing.M) {
	if what := os.Getenv(probeChild); what != "" {
		os.Exit(probe(what, os.Args[1:]))
	}
	if os.Getenv(gatewayChild) != "" {
		if err := serveChild(os.Getenv("PHOTONGATE_BENCH_DIR")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "photongate-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin = dir
	if err := os.Setenv("PHOTONGATE_CONFIG", filepath.Join(dir, "config")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if programs := os.Getenv(programsVariable); programs != "" {
		bin = programs
		return m.Run()
	}
	// Without cgo: the binaries under test need no USB here, and this is how they are cross-built.
	build := exec.Command("go", "build", "-o", dir+"/", "./photongate", "./photonrecv", "./photonsim", "./internal/fastgate")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the binaries under test: %v\n%s", err, out)
		return 1
	}
	// These tests wait for other processes most of the time: more of them than
	// there are processors may run at once.
	flag.Parse()
	if err := flag.Set("test.parallel", "12"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// patience bounds every wait for another process. It is no measure of speed:
// machines that run tests are slow at times.
const patience = 60 * time.Second

// proc is a running binary whose standard error is kept, line by line.
type proc struct {
	t      *testing.T
	name   string
	cmd    *exec.Cmd
	stdout bytes.Buffer

	mu    sync.Mutex
	lines []string
	at    []time.Time   // when each line was read
	more  chan struct{} // closed and replaced whenever a line arrives or stderr ends
	eof   bool
	done  chan struct{} // closed when the process has been waited for
	err   error
}

// start runs a binary; it is killed at the end of the test if it still runs.
func start(t *testing.T, name string, args ...string) *proc {
	t.Helper()
	return startAt(t, place{}, name, args...)
}

// startAs runs a binary with somebody else's rights.
func startAs(t *testing.T, who *syscall.Credential, name string, args ...string) *proc {
	t.Helper()
	return startAt(t, place{who: who}, name, args...)
}

// place is where and as whom a binary runs; the zero value is here, as the
// tests do.
type place struct {
	who    *syscall.Credential
	enter  []string // command line that runs what is behind it elsewhere
	config string   // folder of pairings; empty: the test's
}

// startAt runs a binary somewhere.
func startAt(t *testing.T, at place, name string, args ...string) *proc {
	t.Helper()
	if at.config == "" {
		at.config = configDir(t)
	}
	p := &proc{t: t, name: name, more: make(chan struct{}), done: make(chan struct{})}
	program := name
	if !filepath.IsAbs(program) {
		program = filepath.Join(bin, name)
	}
	line := slices.Concat(at.enter, []string{program}, args)
	p.cmd = exec.Command(line[0], line[1:]...)
	p.cmd.Env = append(os.Environ(), "TZ=UTC", "HOME="+t.TempDir(), "XDG_STATE_HOME=", "XDG_CONFIG_HOME=", "PHOTONGATE_CONFIG="+at.config)
	p.cmd.Dir = t.TempDir()
	p.cmd.Stdout = &p.stdout
	if at.who != nil {
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: at.who}
		p.cmd.Dir = "/"
	}
	p.launch()
	return p
}

// launch starts the command, keeps its standard error, and kills it at the end
// of the test if it still runs.
func (p *proc) launch() {
	p.t.Helper()
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go p.collect(stderr)
	p.t.Cleanup(func() {
		p.cmd.Process.Kill() //nolint:errcheck // it may have ended already
		<-p.done
		if p.t.Failed() {
			p.t.Logf("%s %s\n%s", p.name, strings.Join(p.cmd.Args[1:], " "), p.stderr())
		}
	})
}

// configDirs holds the folder of each test, by *testing.T.
var configDirs sync.Map

// configDir is where the programs of one test keep pairings and find the token
// of gateways on this machine.
func configDir(t *testing.T) string {
	t.Helper()
	dir, known := configDirs.Load(t)
	if !known {
		dir, _ = configDirs.LoadOrStore(t, t.TempDir())
	}
	return dir.(string)
}

func (p *proc) collect(stderr io.Reader) {
	scan := bufio.NewScanner(stderr)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		p.publish(func() { p.lines, p.at = append(p.lines, scan.Text()), append(p.at, time.Now()) })
	}
	p.err = p.cmd.Wait()
	p.publish(func() { p.eof = true })
	close(p.done)
}

func (p *proc) publish(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	close(p.more)
	p.more = make(chan struct{})
}

func (p *proc) stderr() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// waitFor blocks until a line of standard error holds all the words.
func (p *proc) waitFor(words ...string) string {
	p.t.Helper()
	deadline := time.After(patience)
	for from := 0; ; {
		p.mu.Lock()
		lines, more, eof := p.lines[from:], p.more, p.eof
		p.mu.Unlock()
		for _, line := range lines {
			from++
			if containsAll(line, words) {
				return line
			}
		}
		if eof {
			p.t.Fatalf("%s ended without saying %q; it said:\n%s", p.name, words, p.stderr())
		}
		select {
		case <-more:
		case <-deadline:
			p.t.Fatalf("%s did not say %q; it said:\n%s", p.name, words, p.stderr())
		}
	}
}

func containsAll(s string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(s, w) {
			return false
		}
	}
	return true
}

// exit waits for the process and returns its exit code.
func (p *proc) exit() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.cmd.Process.Signal(syscall.SIGQUIT) //nolint:errcheck // for its stack trace; it is killed anyway
		<-p.done
		p.t.Fatalf("%s did not end; it said:\n%s", p.name, p.stderr())
	}
	if exit, ok := errors.AsType[*exec.ExitError](p.err); ok {
		return exit.ExitCode()
	}
	return 0
}

// stop asks the process to end and returns its exit code.
func (p *proc) stop() int {
	p.t.Helper()
	p.cmd.Process.Signal(os.Interrupt) //nolint:errcheck // it may have ended already
	return p.exit()
}

// run runs a binary to its end.
func run(t *testing.T, name string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	p := start(t, name, args...)
	code = p.exit()
	return code, p.stdout.String(), p.stderr()
}

// addresses counts those given out by freeAddr.
var addresses atomic.Int32

// freeAddr returns a loopback address of its own. A free port found by asking
// for one might be taken by an outgoing connection before it is used.
func freeAddr(t *testing.T) string {
	t.Helper()
	n := int(addresses.Add(1))
	addr := fmt.Sprintf("127.%d.%d.%d:7310", 1+os.Getpid()%250, n/250, 1+n%250)
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return addr
}

// bench is one simulated instrument, a gateway that reads it and the files of
// both.
type bench struct {
	t       *testing.T
	dir     string
	addr    string
	link    string // the pty's name
	truth   string // what the instrument really counted
	config  string
	archive string
	sim     []string // command line of the simulator
}

// newBench writes a configuration for one device "bench". options are lines of
// TOML under [device.options].
func newBench(t *testing.T, driver, options string, simArgs ...string) *bench {
	t.Helper()
	needsLinux(t, "ptys")
	dir := t.TempDir()
	b := &bench{
		t: t, dir: dir, addr: freeAddr(t),
		link: filepath.Join(dir, "tty"), truth: filepath.Join(dir, "truth.csv"),
		config: filepath.Join(dir, "photongate.toml"), archive: filepath.Join(dir, "archive"),
	}
	b.sim = append([]string{driver, "--pty", b.link, "--truth", b.truth, "--distinct", "--seed", "7"}, simArgs...)
	text := fmt.Sprintf("[gateway]\nname = \"pi-lab3\"\nlisten = %q\njournal = %q\n\n[[device]]\nname = \"bench\"\ndriver = %q\nport = %q\n[device.options]\n%s\n",
		b.addr, filepath.Join(dir, "journal"), driver, b.link, options)
	if err := os.WriteFile(b.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) startSim(extra ...string) *proc {
	b.t.Helper()
	p := start(b.t, "photonsim", append(slices.Clip(b.sim), extra...)...)
	p.waitFor(b.link)
	return p
}

func (b *bench) startGateway() *proc {
	b.t.Helper()
	p := start(b.t, "photongate", "run", "-c", b.config)
	p.waitFor("listening", b.addr)
	return p
}

func (b *bench) startRecord(args ...string) *proc {
	b.t.Helper()
	return start(b.t, "photonrecv", append([]string{"record", b.addr, "--dir", b.archive, "--name", "ws-ana"}, args...)...)
}

// row is one reading as CSV gives it.
type row struct {
	part, index, flags string
	gateS              float64
	values             string // channels, joined by commas
}

// cat reads the archive back through the real binary.
func (b *bench) cat() []row {
	b.t.Helper()
	return b.catStream("bench")
}

func (b *bench) catStream(stream string) []row {
	b.t.Helper()
	code, out, stderr := run(b.t, "photonrecv", "cat", b.archive, "--stream", stream)
	if code != 0 {
		b.t.Fatalf("cat: exit %d\n%s", code, stderr)
	}
	records := parseCSV(b.t, out)
	head := strings.Join(records[0], ",")
	const fixed = "time_utc,t_s,gate_s,live_s,stream,part,index,flags,"
	if !strings.HasPrefix(head, fixed) {
		b.t.Fatalf("header of cat is %q, want it to begin with %q", head, fixed)
	}
	var rows []row
	for _, r := range records[1:] {
		if r[4] != "pi-lab3/"+stream {
			b.t.Fatalf("stream is %q, want pi-lab3/%s", r[4], stream)
		}
		gateS, err := strconv.ParseFloat(r[2], 64)
		if err != nil {
			b.t.Fatalf("gate_s: %v", err)
		}
		rows = append(rows, row{part: r[5], index: r[6], flags: r[7], gateS: gateS, values: strings.Join(r[8:], ",")})
	}
	return rows
}

// truthRows reads what the simulator wrote: values only, in order.
func (b *bench) truthRows() []string {
	b.t.Helper()
	text, err := os.ReadFile(b.truth)
	if err != nil {
		b.t.Fatal(err)
	}
	records := parseCSV(b.t, string(text))
	if head := strings.Join(records[0], ","); !strings.HasPrefix(head, "index,time_ns,") {
		b.t.Fatalf("header of the truth file is %q", head)
	}
	var rows []string
	for _, r := range records[1:] {
		rows = append(rows, strings.Join(r[2:], ","))
	}
	return rows
}

func parseCSV(t *testing.T, text string) [][]string {
	t.Helper()
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(records) == 0 {
		t.Fatal("no CSV at all, not even a header")
	}
	return records
}

// verifyJSON verifies the archive through the real binary.
func (b *bench) verifyJSON(args ...string) (code int, out string) {
	b.t.Helper()
	code, out, stderr := run(b.t, "photonrecv", append([]string{"verify", b.archive, "--json"}, args...)...)
	if code != 0 && out == "" {
		b.t.Fatalf("verify: exit %d\n%s", code, stderr)
	}
	return code, out
}

func appendConfig(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// retarget replaces a path in a configuration file.
func retarget(t *testing.T, path, old, with string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), old, with, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}
