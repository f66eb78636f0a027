//go:build linux || darwin || freebsd || netbsd || openbsd

package sim

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// openTTY opens a pty as a host does, with a limit on how long a test waits.
func openTTY(t *testing.T, link string) *os.File {
	t.Helper()
	f, err := os.OpenFile(link, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return f
}

func servePTY(t *testing.T, instrument Instrument) (link string, conn *PTY, runner *Runner) {
	t.Helper()
	link = filepath.Join(t.TempDir(), "tty")
	conn, err := OpenPTY(link)
	if err != nil {
		t.Fatal(err)
	}
	return link, conn, serve(t, instrument, conn)
}

// parrot says what it hears and nothing else.
type parrot struct{}

func (parrot) Name() string               { return "parrot" }
func (parrot) Channels() []string         { return nil }
func (parrot) Next() time.Time            { return time.Time{} }
func (parrot) Advance(time.Time, Line)    {}
func (parrot) Handle(ev Event, line Line) { line.Send(ev.At, ev.Data) }

func TestPTYSurvivesOpeningAndClosing(t *testing.T) {
	link, _, _ := servePTY(t, &teller{})
	for range 3 {
		host := openTTY(t, link)
		io.WriteString(host, "hello")
		expect(t, host, "re:hello")
		host.Close()
	}
}

// All 256 byte values pass unchanged, in both directions: no line discipline
// meddles.
func TestPTYChangesNoByte(t *testing.T) {
	link, _, _ := servePTY(t, parrot{})
	host := openTTY(t, link)
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	if _, err := host.Write(all); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(all))
	if _, err := io.ReadFull(host, got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, all); diff != "" {
		t.Errorf("read (-got +want):\n%s", diff)
	}
}

// What a host leaves unread, the next one does not get, nor its line settings.
func TestPTYKeepsNothingForALateReader(t *testing.T) {
	link, conn, _ := servePTY(t, parrot{})
	first := openTTY(t, link)
	io.WriteString(first, "stale")
	expect(t, first, "st") // the rest is there as well, unread
	first.Close()
	waitFor(t, func() bool {
		pair := conn.current
		pair.mu.Lock()
		defer pair.mu.Unlock()
		return !pair.attached
	})
	second := openTTY(t, link)
	io.WriteString(second, "fresh")
	if before := expect(t, second, "fresh"); before != "" {
		t.Errorf("the second host read %q", before)
	}
}

// waitFor polls a condition that nothing signals.
func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.After(10 * time.Second)
	for !condition() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("the condition did not come true")
		}
	}
}

func TestPTYWriteWithoutReaderNeverBlocks(t *testing.T) {
	conn, err := OpenPTY(filepath.Join(t.TempDir(), "tty"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if n := conn.TryWrite([]byte("nobody")); n != 0 {
		t.Errorf("%d bytes were taken with nobody there", n)
	}
	host := openTTY(t, conn.link)
	waitFor(t, func() bool { return conn.TryWrite([]byte("x")) == 1 })
	taken := 0
	for {
		n := conn.TryWrite(make([]byte, 1000))
		taken += n
		if n < 1000 {
			break
		}
		if taken > 1<<20 {
			t.Fatal("a pty nobody reads took a megabyte")
		}
	}
	t.Logf("a pty nobody reads took %d bytes", taken)
	host.Close()
}

func TestPTYReturnsUnderAnotherNumber(t *testing.T) {
	link, _, runner := servePTY(t, &teller{})
	before, err := os.Readlink(link)
	if err != nil {
		t.Fatal(err)
	}
	host := openTTY(t, link)
	expect(t, host, "line-")
	runner.Unplug()
	if _, err := io.Copy(io.Discard, host); err != nil && !strings.Contains(err.Error(), "input/output error") {
		t.Errorf("the host's read ended with %v", err)
	}
	waitFor(t, func() bool { _, err := os.Lstat(link); return os.IsNotExist(err) })
	runner.Plug()
	waitFor(t, func() bool { _, err := os.Lstat(link); return err == nil })
	after, err := os.Readlink(link)
	if err != nil || after == before {
		t.Errorf("the port returned as %s (%v), it was %s", after, err, before)
	}
	expect(t, openTTY(t, link), "line-")
}

func TestPTYLink(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenPTY(file); err == nil || !strings.Contains(err.Error(), "is no symbolic link") {
		t.Errorf("over a file: %v", err)
	}
	if content, err := os.ReadFile(file); err != nil || string(content) != "precious" {
		t.Errorf("the file now holds %q (%v)", content, err)
	}
	toFile := filepath.Join(dir, "to-file")
	if err := os.Symlink(file, toFile); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenPTY(toFile); err == nil || !strings.Contains(err.Error(), "not to a terminal") {
		t.Errorf("over a link to a file: %v", err)
	}
	if _, err := OpenPTY(filepath.Join(dir, "no", "folder")); err == nil || !strings.Contains(err.Error(), "does the folder exist?") {
		t.Errorf("in no folder: %v", err)
	}
	stale := filepath.Join(dir, "stale")
	if err := os.Symlink("/dev/pts/99999", stale); err != nil {
		t.Fatal(err)
	}
	conn, err := OpenPTY(stale)
	if err != nil {
		t.Fatalf("over a stale link: %v", err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(stale); !os.IsNotExist(err) {
		t.Errorf("the link is left behind: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".*")); len(left) != 0 || err != nil {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// A link belongs to one instrument for as long as that runs, plugged in or not.
func TestPTYLinkIsTaken(t *testing.T) {
	link := filepath.Join(t.TempDir(), "tty")
	lock := filepath.Join(filepath.Dir(link), ".tty.lock")
	if err := os.WriteFile(lock, []byte("4711\n"), 0o600); err != nil { // as a killed one leaves it
		t.Fatal(err)
	}
	first, err := OpenPTY(link)
	if err != nil {
		t.Fatalf("after one that was killed: %v", err)
	}
	before, err := os.Readlink(link)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%s has a simulated instrument already (process %d)", link, os.Getpid())
	if _, err := OpenPTY(link); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("while another runs: %v, want %q", err, want)
	}
	if after, err := os.Readlink(link); err != nil || after != before {
		t.Errorf("the link points to %s (%v), before to %s", after, err, before)
	}
	if err := first.Unplug(); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenPTY(link); err == nil {
		t.Error("the link of one that is unplugged was taken over")
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	second, err := OpenPTY(link)
	if err != nil {
		t.Fatalf("after the first ended: %v", err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(lock); !os.IsNotExist(err) {
		t.Errorf("the lock is left behind: %v", err)
	}
}
