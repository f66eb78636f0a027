//go:build linux || darwin || freebsd || netbsd || openbsd

package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// asProgram makes the test binary be the program.
const asProgram = "PHOTONSIM_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// program is a running photonsim.
type program struct {
	t       *testing.T
	cmd     *exec.Cmd
	notices *bufio.Scanner
	ready   string // its first notice
}

func start(t *testing.T, args ...string) *program {
	t.Helper()
	p := &program{t: t, cmd: exec.CommandContext(t.Context(), os.Args[0], args...)}
	p.cmd.Env = append(os.Environ(), asProgram+"=1")
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.notices = bufio.NewScanner(stderr)
	p.ready = p.notice()
	return p
}

// notice waits for the next line on stderr.
func (p *program) notice() string {
	p.t.Helper()
	if !p.notices.Scan() {
		p.t.Fatalf("the program said nothing more: %v", p.notices.Err())
	}
	return p.notices.Text()
}

// end sends a signal and returns the exit code.
func (p *program) end(s os.Signal) int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
	for p.notices.Scan() {
	}
	err := p.cmd.Wait()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		p.t.Fatal(err)
	}
	return p.cmd.ProcessState.ExitCode()
}

// openTTY opens a pty as a host does; what waits too long fails.
func openTTY(t *testing.T, link string) *os.File {
	t.Helper()
	f, err := os.OpenFile(link, os.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return f
}

// waitFor polls a condition that nothing signals.
func waitFor(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for !condition() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("waited in vain for " + what)
		}
	}
}

// readTruth reads the rows of a truth file below its header.
func readTruth(t *testing.T, name string) (header []string, rows [][]string) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasSuffix(b, []byte("\n")) {
		t.Errorf("the truth ends in mid-line: %q", b[max(0, len(b)-80):])
	}
	all, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return all[0], all[1:]
}

// decodePacket reads a DE2 packet without its FF: five groups of seven bits per
// counter, least significant first.
func decodePacket(packet []byte) []string {
	var values []string
	for i := 0; i+5 <= len(packet); i += 5 {
		v := uint64(0)
		for j := 4; j >= 0; j-- {
			v = v<<7 | uint64(packet[i+j])
		}
		values = append(values, strconv.FormatUint(v, 10))
	}
	return values
}

// What a host reads from the DE2 unit is what the truth file says, and the file
// is complete when the program is killed.
func TestDE2BytesAreTheTruth(t *testing.T) {
	for counters, length := range map[string]int{"8": 40, "15": 75} {
		dir := t.TempDir()
		link, truth := filepath.Join(dir, "de2"), filepath.Join(dir, "truth.csv")
		p := start(t, "de2ccu", "--pty", link, "--counters", counters, "--truth", truth, "--distinct", "--seed", "7")
		if !regexp.MustCompile(`^de2ccu on ` + regexp.QuoteMeta(link) + ` \(pty /dev/.+\), seed 7$`).MatchString(p.ready) {
			t.Errorf("ready line %q", p.ready)
		}
		r := bufio.NewReader(openTTY(t, link))
		if torn, err := r.ReadBytes(0xFF); err != nil || len(torn) > length {
			t.Errorf("the first packet has %d bytes (%v), expected a torn one", len(torn), err)
		}
		var got [][]string
		for range 5 {
			packet, err := r.ReadBytes(0xFF)
			if err != nil || len(packet) != length+1 {
				t.Fatalf("packet of %d bytes (%v)", len(packet), err)
			}
			got = append(got, decodePacket(packet[:length]))
		}
		p.end(syscall.SIGKILL)
		_, rows := readTruth(t, truth)
		var want [][]string
		for _, row := range rows {
			if len(want) > 0 || row[2] == got[0][0] {
				want = append(want, row[2:])
			}
		}
		if len(want) < len(got) {
			t.Fatalf("the truth has %d rows from the first one read, %d were read", len(want), len(got))
		}
		if diff := cmp.Diff(got, want[:len(got)]); diff != "" {
			t.Errorf("read and truth differ (-read +truth):\n%s", diff)
		}
	}
}

func TestCD48RepliesAreTheTruth(t *testing.T) {
	dir := t.TempDir()
	link, truth := filepath.Join(dir, "cd48"), filepath.Join(dir, "truth.csv")
	p := start(t, "cd48", "--pty", link, "--truth", truth, "--rate", "50k,48k,20k,20k", "--pairs", "AB=3k,AC=1k")
	host := openTTY(t, link)
	r := bufio.NewReader(host)
	var got []string
	for _, terminator := range []string{"\r", "\n", "", "\r\n"} {
		io.WriteString(host, "c"+terminator)
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, strings.TrimSuffix(strings.ReplaceAll(line, " ", ","), ",0\r\n"))
	}
	if code := p.end(syscall.SIGTERM); code != exitDone {
		t.Errorf("exit code %d after SIGTERM", code)
	}
	if _, err := os.Lstat(link); !os.IsNotExist(err) {
		t.Errorf("the link is left behind: %v", err)
	}
	header, rows := readTruth(t, truth)
	if diff := cmp.Diff(header, strings.Split("index,time_ns,A,B,C,D,AB,AC,AD,ABC", ",")); diff != "" {
		t.Errorf("header (-got +want):\n%s", diff)
	}
	var want []string
	for i, row := range rows {
		if row[0] != strconv.Itoa(i) {
			t.Errorf("row %d has index %s", i, row[0])
		}
		want = append(want, strings.Join(row[2:], ","))
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("read and truth differ (-read +truth):\n%s", diff)
	}
}

// Every fault is told on stderr, and the bytes show it.
func TestFaultsAreTold(t *testing.T) {
	link := filepath.Join(t.TempDir(), "de2")
	p := start(t, "de2ccu", "--pty", link, "--seed", "1", "--fault", "drop@byte=60:3", "--fault", "unplug@byte=150:100ms")
	r := bufio.NewReader(openTTY(t, link))
	var lengths []int
	for {
		packet, err := r.ReadBytes(0xFF)
		lengths = append(lengths, len(packet))
		if err != nil {
			break
		}
	}
	// Bytes 0-40 torn, 41-81 short of three, 82-122 whole, 123-149 and no more;
	// the last ones are lost with the pty if this test reads too late.
	if len(lengths) != 4 || lengths[0] > 40 || lengths[1] != 38 || lengths[2] != 41 || lengths[3] > 27 {
		t.Errorf("packets of %v bytes, expected a torn one, 38, 41 and 27", lengths)
	}
	for _, want := range []string{`^fault drop@byte=60 fired at \d+\.\d+ s, byte 60: 3 bytes lost$`, `^fault unplug@byte=150 fired at \d+\.\d+ s, byte 150: unplugged for 100ms$`} {
		if got := p.notice(); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("told %q, expected %s", got, want)
		}
	}
	waitFor(t, "the port to return", func() bool { _, err := os.Stat(link); return err == nil })
	if _, err := bufio.NewReader(openTTY(t, link)).ReadBytes(0xFF); err != nil {
		t.Errorf("reading after the return: %v", err)
	}
	if code := p.end(os.Interrupt); code != exitDone {
		t.Errorf("exit code %d after an interrupt", code)
	}
}

func TestSignalsPullTheCable(t *testing.T) {
	link := filepath.Join(t.TempDir(), "cd48")
	p := start(t, "cd48", "--pty", link)
	host := openTTY(t, link)
	if err := p.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, host); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the cable was not pulled")
	}
	if got := p.notice(); got != "unplugged by SIGUSR1; SIGUSR2 plugs it in again" {
		t.Errorf("told %q", got)
	}
	if err := p.cmd.Process.Signal(syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	if got := p.notice(); got != "plugged in by SIGUSR2" {
		t.Errorf("told %q", got)
	}
	waitFor(t, "the port to return", func() bool { _, err := os.Stat(link); return err == nil })
	host = openTTY(t, link)
	io.WriteString(host, "c")
	if _, err := bufio.NewReader(host).ReadString('\n'); err != nil {
		t.Errorf("reading after the return: %v", err)
	}
	p.end(os.Interrupt)
}

// A second simulator does not take the link of the first, but that of one that
// was killed.
func TestSecondOnTheSameLink(t *testing.T) {
	link := filepath.Join(t.TempDir(), "cd48")
	first := start(t, "cd48", "--pty", link)
	second := start(t, "de2ccu", "--pty", link)
	want := "photonsim: " + link + " has a simulated instrument already (process " + strconv.Itoa(first.cmd.Process.Pid) + "): end it, or choose another name for the pty"
	if second.ready != want {
		t.Errorf("said %q, expected %q", second.ready, want)
	}
	second.cmd.Wait()
	if code := second.cmd.ProcessState.ExitCode(); code != exitUsage {
		t.Errorf("exit code %d, expected %d", code, exitUsage)
	}
	host := openTTY(t, link)
	io.WriteString(host, "c")
	if _, err := bufio.NewReader(host).ReadString('\n'); err != nil {
		t.Errorf("reading the first: %v", err)
	}
	first.end(syscall.SIGKILL)
	third := start(t, "de2ccu", "--pty", link)
	if !strings.HasPrefix(third.ready, "de2ccu on "+link) {
		t.Errorf("after a kill: %q", third.ready)
	}
	third.end(syscall.SIGTERM)
}

func TestTCP(t *testing.T) {
	p := start(t, "de2ccu", "--tcp", "127.0.0.1:0")
	_, address, _ := strings.Cut(p.ready, "tcp://")
	address, _, _ = strings.Cut(address, ",")
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReader(c)
	for i := range 3 {
		if packet, err := r.ReadBytes(0xFF); err != nil || i > 0 && len(packet) != 41 {
			t.Errorf("packet %d has %d bytes (%v)", i, len(packet), err)
		}
	}
	if code := p.end(syscall.SIGTERM); code != exitDone {
		t.Errorf("exit code %d after SIGTERM", code)
	}
}

func TestForEndsByItself(t *testing.T) {
	link := filepath.Join(t.TempDir(), "cd48")
	p := start(t, "cd48", "--pty", link, "--for", "50ms")
	if err := p.cmd.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(link); !os.IsNotExist(err) {
		t.Errorf("the link is left behind: %v", err)
	}
}

func TestTruthIsContinued(t *testing.T) {
	truth := filepath.Join(t.TempDir(), "truth.csv")
	lines := func() int {
		b, err := os.ReadFile(truth)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return bytes.Count(b, []byte("\n"))
	}
	for range 2 {
		before := lines()
		p := start(t, "de2ccu", "--tcp", "127.0.0.1:0", "--truth", truth, "--append")
		waitFor(t, "two rows", func() bool { return lines() >= before+3 })
		p.end(syscall.SIGTERM)
	}
	_, rows := readTruth(t, truth) // a second header would stand among them
	starts := 0
	for i, row := range rows {
		if row[0] == "0" {
			starts++
		} else if before, err := strconv.Atoi(rows[i-1][0]); err != nil || row[0] != strconv.Itoa(before+1) {
			t.Errorf("row %d has index %s after %s", i, row[0], rows[i-1][0])
		}
	}
	if starts != 2 {
		t.Errorf("the index begins %d times, expected 2", starts)
	}
}

func TestExitCodeOfAWrongFlag(t *testing.T) {
	p := start(t, "cd48", "--pty")
	if want := "photonsim: flag needs an argument: --pty"; p.ready != want {
		t.Errorf("said %q, expected %q", p.ready, want)
	}
	p.cmd.Wait()
	if code := p.cmd.ProcessState.ExitCode(); code != exitUsage {
		t.Errorf("exit code %d, expected %d", code, exitUsage)
	}
}
