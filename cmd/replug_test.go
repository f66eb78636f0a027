package cmd_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"photongate/gateway"
)

// usb is a computer's USB serial ports as the kernel shows them: a folder that a
// gateway has for /sys/class/tty, and one for /dev. A gateway that is started with
// enter sees them.
type usb struct {
	t        *testing.T
	sys, dev string
	enter    []string
}

// newUSB makes a computer without ports.
func newUSB(t *testing.T) *usb {
	t.Helper()
	unshare := needs(t, "unshare", "util-linux")
	u := &usb{t: t, sys: t.TempDir(), dev: t.TempDir()}
	for _, folder := range []string{filepath.Join(u.sys, "class"), filepath.Join(u.dev, "pts")} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(u.dev, "null"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf(`mount --bind %[1]s/class /sys/class/tty && mount --bind /dev/null %[2]s/null && mount --rbind /dev/pts %[2]s/pts && mount --rbind %[2]s /dev && exec "$@"`, u.sys, u.dev)
	u.enter = []string{unshare, "--mount", "sh", "-c", script, "sh"}
	if out, err := exec.Command(u.enter[0], append(u.enter[1:], "true")...).CombinedOutput(); err != nil {
		leftOut(t, "a gateway cannot be given ports of its own: "+strings.TrimSpace(string(out)))
	}
	return u
}

// plug puts an adapter with a serial number into a socket, as a tty.
func (u *usb) plug(socket, tty, serial string) {
	u.t.Helper()
	adapter := filepath.Join(u.sys, socket)
	port := filepath.Join(adapter, socket+":1.0", tty)
	for _, err := range []error{
		os.MkdirAll(port, 0o755),
		os.WriteFile(filepath.Join(adapter, "idVendor"), []byte("0403\n"), 0o644),
		os.WriteFile(filepath.Join(adapter, "idProduct"), []byte("6001\n"), 0o644),
		os.WriteFile(filepath.Join(adapter, "serial"), []byte(serial+"\n"), 0o644),
		os.MkdirAll(filepath.Join(u.sys, "class", tty), 0o755),
		os.Symlink(port, filepath.Join(u.sys, "class", tty, "device")),
	} {
		if err != nil {
			u.t.Fatal(err)
		}
	}
}

// unplug takes an adapter out.
func (u *usb) unplug(socket, tty string) {
	u.t.Helper()
	for _, path := range []string{filepath.Join(u.sys, "class", tty), filepath.Join(u.sys, socket)} {
		if err := os.RemoveAll(path); err != nil {
			u.t.Fatal(err)
		}
	}
}

// TestReplugUnderAnotherName plugs an instrument out and in again, which gives its
// port another name, while another adapter takes the old name: it is found by its
// serial number or by its socket, has its settings again, and its stream goes on in
// a new part.
func TestReplugUnderAnotherName(t *testing.T) {
	for port, by := range map[string]string{"usb:0403:6001:FT7": "serial number", "usb-path:1-1.4": "socket"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			t.Attr("fault", "F32")
			t.Attr("injected", "a CD48 on ttyUSB0 that forgets its settings is unplugged and comes back as ttyUSB1, while another adapter is ttyUSB0")
			t.Attr("promised", "found by its "+by+"; settings pushed, read back and compared; a new part of the same stream of the same journal")
			u := newUSB(t)
			b := newBench(t, "cd48", "gate = \"100ms\"\nthreshold = 0.96")
			retarget(t, b.config, b.link, port)
			u.plug("1-1.4", "ttyUSB0", "FT7")
			b.link = filepath.Join(u.dev, "ttyUSB0")
			b.sim[2] = b.link
			sim := b.startSim()
			gateways := startAt(t, place{enter: u.enter}, "photongate", "run", "-c", b.config)
			gateways.waitFor("listening", b.addr)
			record := b.startRecord()
			record.waitFor("recording")
			b.awaitState(gateway.Running)
			b.awaitRows(5)
			ids := fmt.Sprint(b.streamIDs())

			u.unplug("1-1.4", "ttyUSB0")
			if err := sim.cmd.Process.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			<-sim.done
			if err := os.Remove(b.link); err != nil {
				t.Fatal(err)
			}
			b.awaitState(gateway.Gone)
			stranger := newBench(t, "cd48", "")
			stranger.link = b.link
			stranger.sim[2] = b.link
			stranger.startSim()
			u.plug("1-2", "ttyUSB0", "FT8")
			pause(t, 1500*time.Millisecond) // it is looked for once a second
			if d := b.awaitState(gateway.Gone); !strings.Contains(d.Hint, "present: /dev/ttyUSB0 usb:0403:6001:FT8 usb-path:1-2") {
				t.Errorf("while another one has its name: %s (%s)", d.Cause, d.Hint)
			}
			b.link = filepath.Join(u.dev, "ttyUSB1")
			b.sim[2] = b.link
			b.startSim("--append", "--seed", "8")
			u.plug("1-1.4", "ttyUSB1", "FT7")
			b.awaitState(gateway.Running)
			b.awaitRows(5)
			b.tell("bench threshold: 0.960 V (read back)", "get", "bench", "threshold")
			if got := fmt.Sprint(b.streamIDs()); got != ids {
				t.Errorf("streams %s, before %s", got, ids)
			}
			gateways.stop()
			record.stop()
			report := b.report()
			for _, s := range report.Streams {
				if s.Name == "bench" && (len(s.Parts) != 2 || len(s.Parts[1].Gaps) != 1 || s.Parts[1].Gaps[0].Cause != "unplugged") {
					t.Errorf("parts: %+v", s.Parts)
				}
			}
			counted := map[string]bool{}
			for _, v := range b.truthRows() {
				counted[v] = true
			}
			rows := b.cat()
			for _, r := range rows {
				if !counted[r.values] || strings.Contains(r.flags, "unverified") {
					t.Errorf("a row that this instrument did not count, or not verified: %+v", r)
				}
			}
			t.Attr("seen", fmt.Sprintf("%d verified rows of this instrument in 2 parts of one stream; threshold 0.960 V read back on ttyUSB1", len(rows)))
		})
	}
}
