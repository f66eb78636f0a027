package serialport

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"photongate/device"
)

// holderChild makes the test binary a program that holds a port: the lock and an
// open node ("lock"), or an open node only ("open").
const holderChild = "PHOTONGATE_TEST_HOLDER"

func TestMain(m *testing.M) {
	how, node, holds := strings.Cut(os.Getenv(holderChild), ":")
	if !holds {
		os.Exit(m.Run())
	}
	f, err := os.OpenFile(node, os.O_RDWR|unix.O_NOCTTY, 0)
	if err == nil && how == "lock" {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
	}
	fmt.Println(err)
	_, _ = os.Stdin.Read(make([]byte, 1)) // until the test ends it
}

// hold has another process hold a port. release ends it.
func hold(t *testing.T, node, how string) (pid int, release func()) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), holderChild+"="+how+":"+node)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	release = func() { _ = in.Close(); _ = c.Wait() }
	t.Cleanup(release)
	said := make([]byte, 64)
	if n, err := out.Read(said); err != nil || strings.TrimSpace(string(said[:n])) != "<nil>" {
		t.Fatalf("the holder: %q, %v", said[:n], err)
	}
	return c.Process.Pid, release
}

// A port that another program uses is refused with its name and process, whether
// that program locks or not, and opened when it is gone.
func TestHolderIsNamed(t *testing.T) {
	for _, how := range []string{"lock", "open"} {
		t.Run(how, func(t *testing.T) {
			t.Attr("fault", "F37")
			t.Attr("injected", "another process holds the port: "+how)
			t.Attr("promised", "refused with the holder's process; opened when it is gone")
			_, node := openPty(t)
			pid, release := hold(t, node, how)
			_, err := Open(t.Context(), node, line, clock)
			if err == nil {
				t.Fatal("opened")
			}
			want := fmt.Sprintf("open %s: port is in use by %s (process %d)", node, programOf(pid), pid)
			if !errors.Is(err, device.ErrBusy) || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("got  %v\nwant %s", err, want)
			}
			release()
			mustOpen(t, node)
			t.Attr("seen", "refused: "+strings.TrimPrefix(err.Error(), "open "))
		})
	}
}

// Who holds a lock is known also of processes whose open files are not ours to see.
func TestLockIsSeen(t *testing.T) {
	_, node := openPty(t)
	pid, _ := hold(t, node, "lock")
	if got := lockPids(node); len(got) != 1 || got[0] != pid {
		t.Errorf("locked by %v, want %d", got, pid)
	}
}

// A program that only looks at a port in passing is waited for.
func TestHolderInPassing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for stays, want := range map[int]bool{0: false, 1: false, passingLooks: false, passingLooks + 1: true} {
			looks := 0
			if got := occupied(func() bool { looks++; return looks <= stays }); got != want {
				t.Errorf("seen %d times: occupied %v, want %v", stays, got, want)
			}
		}
	})
}

func TestOwnPortTwice(t *testing.T) {
	_, node := openPty(t)
	p := mustOpen(t, node)
	_, err := Open(t.Context(), node, line, clock)
	if err == nil || !strings.Contains(err.Error(), "in use by this program itself (is it named twice") {
		t.Errorf("second open: %v", err)
	}
	if pids := fdsOf(node); len(pids[os.Getpid()]) < 2 {
		t.Errorf("descriptors %v: want the lock's and the library's", pids)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if pids := fdsOf(node); len(pids) != 0 {
		t.Errorf("after Close still open: %v", pids)
	}
}

func TestLockFiles(t *testing.T) {
	dir := t.TempDir()
	own, gone := os.Getpid(), 1<<22+7 // beyond pid_max: nobody's
	for name, text := range map[string]string{
		"LCK..ttyUSB0": fmt.Sprintf("%10d\n", own), "LCK..ttyUSB1": fmt.Sprintf("%10d minicom root\n", own),
		"LCK..ttyUSB2": strconv.Itoa(gone), "LCK..ttyUSB3": "", "LCK..ttyUSB4": "minicom", "LCK..pts_3": fmt.Sprint(own),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for node, want := range map[string]bool{
		"/dev/ttyUSB0": true, "/dev/ttyUSB1": true, "/dev/ttyUSB2": false, "/dev/ttyUSB3": false, "/dev/ttyUSB4": false, "/dev/ttyUSB5": false,
		"/dev/pts/3": true,
	} {
		pid, alive := uucpHolder(node, []string{filepath.Join(dir, "none"), dir})
		if alive != want || alive && pid != own {
			t.Errorf("%s: process %d, %v; want %v", node, pid, alive, want)
		}
	}
}

// A lock file that is older than the process whose number it holds is that of
// another one, which ended without removing it.
func TestLockFileOfAReusedNumber(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "LCK..ttyUSB0")
	if err := os.WriteFile(file, fmt.Appendf(nil, "%10d\n", os.Getpid()), 0o600); err != nil {
		t.Fatal(err)
	}
	if pid, alive := uucpHolder("/dev/ttyUSB0", []string{dir}); !alive || pid != os.Getpid() {
		t.Errorf("just written: process %d, %v; want ours", pid, alive)
	}
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		t.Fatal(err)
	}
	began, ok := startOf(string(stat))
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &up); err != nil || !ok {
		t.Fatal(err, ok)
	}
	boot := time.Now().Add(-time.Duration(up.Nano()))
	for _, tt := range []struct {
		name    string
		written time.Time
		alive   bool
	}{
		{"between the boot and the begin of the process", boot.Add(began / 2), false},
		{"before the boot: the clock was set since", boot.Add(-time.Hour), true},
		{"in the future: the clock was set since", time.Now().Add(time.Hour), true},
	} {
		if err := os.Chtimes(file, tt.written, tt.written); err != nil {
			t.Fatal(err)
		}
		if pid, alive := uucpHolder("/dev/ttyUSB0", []string{dir}); alive != tt.alive {
			t.Errorf("written %s: process %d, %v; want %v", tt.name, pid, alive, tt.alive)
		}
	}
}

// The line of proc_pid_stat(5), with a name that misleads who counts words; its
// field 22 is 12345, in 1/100 s.
func TestStartOfAProcess(t *testing.T) {
	const line = "4711 (a) b (c) S 1 4711 4711 0 -1 4194304 100 0 0 0 5 6 0 0 20 0 1 0 12345 1000 200 18446744073709551615\n"
	if got, ok := startOf(line); !ok || got != 123450*time.Millisecond {
		t.Errorf("got %v, %v; want 123.45 s", got, ok)
	}
	for _, bad := range []string{"", "4711 (a", "4711 (a) S 1 2 3", "4711 (a) S 1 4711 4711 0 -1 4194304 100 0 0 0 5 6 0 0 20 0 1 0 x 1000"} {
		if got, ok := startOf(bad); ok {
			t.Errorf("%q: got %v", bad, got)
		}
	}
}
