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
