package cmd_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestIPv6OnlyWithoutNames has a gateway and a workstation on a cable that
// carries IPv6 only, whose name service swallows every question. A question
// asked first waits for its answer all the time; meanwhile the gateway starts,
// the workstation pairs by the address in the line, and records.
func TestIPv6OnlyWithoutNames(t *testing.T) {
	t.Parallel()
	t.Attr("fault", "F30")
	l := newLab(t)
	if !l.separated || l.piIP6 == "" {
		leftOut(t, "needs network namespaces with IPv6")
	}
	l.swallowNames()
	began := time.Now()
	question := startAt(t, l.desk, needs(t, "getent", "libc-bin"), "ahosts", "photons.example.org")
	b := l.serve("cd48", `gate = "100ms"`)
	b.addr = net.JoinHostPort(l.piIP6, "7310")
	_, line := l.startGateway(b)
	running := time.Since(began)
	if !strings.Contains(line, b.addr) {
		t.Errorf("the line to paste is %q, want the address %s in it", line, b.addr)
	}
	if code, out, stderr := l.runOnDesk(strings.Fields(line)[1:]...); code != 0 {
		t.Fatalf("pair: exit %d\n%s%s", code, out, stderr)
	}
	if code, _, stderr := l.runOnDesk("record", "pi-lab3", "--dir", b.archive, "--for", "2s"); code != 0 {
		t.Fatalf("record: exit %d\n%s", code, stderr)
	}
	recorded := time.Since(began)
	rows := b.cat()
	checkAgainstTruth(t, rows, b.truthRows(), 0.1)
	select {
	case <-question.done:
		t.Errorf("the name service has answered: %v, %s", question.err, question.stderr())
	default:
	}
	t.Attr("injected", "two computers on a cable with IPv6 only, no mDNS, a name service that swallows each question for a minute")
	t.Attr("promised", "start, pairing by the fixed address and recording wait for no name")
	t.Attr("seen", fmt.Sprintf("running %.1f s after the question was asked, %d rows recorded after %.1f s; the question still waited", running.Seconds(), len(rows), recorded.Seconds()))
}

// swallowNames leaves the cable with IPv6 only, and both computers with a name
// service at an address where nobody is: what is sent there is gone.
func (l *lab) swallowNames() {
	l.t.Helper()
	nobody := strings.TrimSuffix(l.piIP6, "1") + "99"
	for _, name := range []string{l.namespace, strings.TrimSuffix(l.namespace, "pi") + "desk"} {
		for _, args := range [][]string{
			{"-4", "-n", name, "addr", "flush", "dev", labLink},
			{"-n", name, "neigh", "add", nobody, "lladdr", "02:00:00:00:00:99", "dev", labLink},
		} {
			if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
				l.t.Fatalf("ip %s: %s", strings.Join(args, " "), out)
			}
		}
		// ip netns exec puts what is in this folder over the computer's own files.
		dir := filepath.Join("/etc/netns", name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			l.t.Fatal(err)
		}
		l.t.Cleanup(func() {
			os.RemoveAll(dir)
			os.Remove(filepath.Dir(dir)) //nolint:errcheck // others may have folders in it
		})
		if err := os.WriteFile(filepath.Join(dir, "resolv.conf"), []byte("nameserver "+nobody+"\noptions timeout:30 attempts:2\n"), 0o644); err != nil {
			l.t.Fatal(err)
		}
	}
}
