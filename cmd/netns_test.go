package cmd_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// lab is two computers and the cable between them: network namespaces joined by
// a veth pair, each with pairings of its own. Files and ptys are shared. Where
// namespaces cannot be made, both are this computer, at an address that is not
// loopback: then there is no cable to listen at.
type lab struct {
	t         *testing.T
	pi, desk  place  // where the gateway runs, and the receiver
	piIP      string // the gateway's address
	piIP6     string // the same, IPv6; empty: none
	separated bool   // there are namespaces
	namespace string // the pi's
}

// labLink is the name of either end of the cable.
const labLink = "lab0"

var labs atomic.Int32

// newLab makes the two computers; they are gone after the test.
func newLab(t *testing.T) *lab {
	t.Helper()
	needsLinux(t, "network namespaces")
	l := &lab{t: t, pi: place{config: t.TempDir()}, desk: place{config: t.TempDir()}}
	why := l.separate(int(labs.Add(1)))
	if why == "" {
		return l
	}
	if os.Getenv("CI") != "" {
		leftOut(t, "network namespaces cannot be made: "+why)
	}
	t.Logf("no network namespaces (%s): both ends are this computer", why)
	l.pi.enter, l.desk.enter, l.piIP6 = nil, nil, ""
	if l.piIP = ownAddress(t); l.piIP == "" {
		leftOut(t, "this computer has no address but loopback, and no namespaces can be made: "+why)
	}
	return l
}

// separate makes the namespaces. It returns why that cannot be done.
func (l *lab) separate(n int) (why string) {
	if _, err := exec.LookPath("ip"); err != nil {
		return "ip is not installed (Debian: apt-get install iproute2)"
	}
	names := [2]string{fmt.Sprintf("pg%d-%d-pi", os.Getpid(), n), fmt.Sprintf("pg%d-%d-desk", os.Getpid(), n)}
	subnet := fmt.Sprintf("10.77.%d", n)
	subnet6 := fmt.Sprintf("fd77:%x:", n)
	steps := [][]string{
		{"netns", "add", names[0]},
		{"netns", "add", names[1]},
		{"link", "add", labLink, "netns", names[0], "type", "veth", "peer", "name", labLink, "netns", names[1]},
	}
	for i, name := range names {
		steps = append(steps,
			[]string{"-n", name, "link", "set", "lo", "up"},
			[]string{"-n", name, "addr", "add", fmt.Sprintf("%s.%d/24", subnet, i+1), "dev", labLink},
			[]string{"-n", name, "link", "set", labLink, "up"},
		)
	}
	for _, name := range names {
		l.t.Cleanup(func() { _ = exec.Command("ip", "netns", "delete", name).Run() }) // it may not have been made
	}
	for _, step := range steps {
		if out, err := exec.Command("ip", step...).CombinedOutput(); err != nil {
			return fmt.Sprintf("ip %s: %s", strings.Join(step, " "), strings.TrimSpace(string(out)))
		}
	}
	// IPv6 is not everywhere; without it there is one address less.
	l.piIP6 = subnet6 + ":1"
	for i, name := range names {
		if exec.Command("ip", "-n", name, "addr", "add", fmt.Sprintf("%s:%d/64", subnet6, i+1), "dev", labLink, "nodad").Run() != nil {
			l.piIP6 = ""
		}
	}
	l.pi.enter = []string{"ip", "netns", "exec", names[0]}
	l.desk.enter = []string{"ip", "netns", "exec", names[1]}
	l.piIP, l.separated, l.namespace = subnet+".1", true, names[0]
	return ""
}

// ownAddress is an IPv4 address of this computer that is not loopback.
func ownAddress(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	return ""
}

// onPi runs a binary on the gateway's computer, onDesk on the receiver's.
func (l *lab) onPi(name string, args ...string) *proc   { return startAt(l.t, l.pi, name, args...) }
func (l *lab) onDesk(name string, args ...string) *proc { return startAt(l.t, l.desk, name, args...) }

// desks runs photonrecv on the receiver's computer to its end.
func (l *lab) runOnDesk(args ...string) (code int, stdout, stderr string) {
	l.t.Helper()
	p := l.onDesk("photonrecv", args...)
	code = p.exit()
	return code, p.stdout.String(), p.stderr()
}

// serve makes a bench whose gateway can be reached over the cable: its simulator
// runs, the gateway is started with startGateway.
func (l *lab) serve(driver, options string, simArgs ...string) *bench {
	l.t.Helper()
	b := newBench(l.t, driver, options, simArgs...)
	here := b.addr
	b.addr = net.JoinHostPort(l.piIP, "7310")
	listen := b.addr
	if l.separated {
		listen = ":7310"
	} else if l, err := net.Listen("tcp", listen); err != nil {
		b.addr = here // taken: the port of this test's loopback address is as good
		b.t.Fatalf("the port of gateways is taken on this computer: %v", err)
	} else {
		l.Close()
	}
	retarget(l.t, b.config, here, listen)
	b.startSim()
	return b
}

// startGateway starts the gateway of a bench on the pi, and returns the line to
// paste as well.
func (l *lab) startGateway(b *bench) (gateway *proc, line string) {
	l.t.Helper()
	gateway = l.onPi("photongate", "run", "-c", b.config)
	line = strings.TrimSpace(gateway.waitFor("photonrecv pair "))
	gateway.waitFor("bench", "running")
	return gateway, line
}

// listenAtCable records what crosses the cable until the function that it
// returns is called, which returns it as the file of tcpdump.
func (l *lab) listenAtCable() (stop func() []byte) {
	l.t.Helper()
	tcpdump := needs(l.t, "tcpdump", "tcpdump")
	file := filepath.Join(l.t.TempDir(), "cable.pcap")
	p := startAt(l.t, l.pi, tcpdump, "-i", labLink, "-s", "0", "-U", "-Z", "root", "-w", file)
	p.waitFor("listening on " + labLink)
	return func() []byte {
		p.stop()
		captured, err := os.ReadFile(file)
		if err != nil {
			l.t.Fatal(err)
		}
		return captured
	}
}
