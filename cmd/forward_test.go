package cmd_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// deskIP is the workstation's address in a lab.
func (l *lab) deskIP() string { return strings.TrimSuffix(l.piIP, ".1") + ".2" }

// ip runs ip in one of the namespaces.
func (l *lab) ip(at place, args ...string) {
	l.t.Helper()
	if out, err := exec.Command("ip", append([]string{"-n", at.enter[3]}, args...)...).CombinedOutput(); err != nil {
		l.t.Fatalf("ip %q: %v\n%s", args, err, out)
	}
}

// firewall sets the rules of one end of the cable.
func (l *lab) firewall(at place, rules string) {
	l.t.Helper()
	nft := needs(l.t, "nft", "nftables")
	c := exec.Command(at.enter[0], append(at.enter[1:], nft, "-f", "-")...)
	c.Stdin = strings.NewReader(rules)
	if out, err := c.CombinedOutput(); err != nil {
		l.t.Fatalf("nft: %v\n%s", err, out)
	}
}

// nobodyIn lets nothing in that was not asked for.
const nobodyIn = `table inet wall {
	chain in {
		type filter hook input priority 0; policy drop;
		iif lo accept
		ct state established,related accept
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
	}
}
`

// behindWall is a lab whose gateway nobody reaches; it dials addresses.
func behindWall(t *testing.T, forward ...string) (*lab, *bench) {
	t.Helper()
	l := newLab(t)
	if !l.separated {
		leftOut(t, "a firewall between two computers needs network namespaces")
	}
	l.firewall(l.pi, nobodyIn)
	b := newBench(t, "cd48", `gate = "100ms"`)
	for i, address := range forward {
		forward[i] = strings.NewReplacer("DESK6", strings.TrimSuffix(l.piIP6, ":1")+":2", "DESK", l.deskIP()).Replace(address)
	}
	retarget(t, b.config, "journal =", fmt.Sprintf("forward = [%s]\njournal =", quoted(forward)))
	b.startSim()
	return l, b
}

func quoted(list []string) string {
	var words []string
	for _, s := range list {
		words = append(words, fmt.Sprintf("%q", s))
	}
	return strings.Join(words, ", ")
}

// TestGatewayBehindAFirewall: nobody reaches the gateway, which dials: pairing
// without reaching it, recording, and everything that must not be let in, each
// told in words of its own at both ends.
func TestGatewayBehindAFirewall(t *testing.T) {
	t.Parallel()
	l, b := behindWall(t, "DESK:7310")
	gateway, line := l.startGateway(b)
	words := strings.Fields(line)
	if !strings.HasPrefix(words[2], "pi-lab3@/") {
		t.Fatalf("the line of a gateway that only dials is %q", line)
	}
	gateway.waitFor("no session with a receiver", "nothing listens at "+l.deskIP()+":7310", "photonrecv record --listen")
	record := func(more ...string) *proc {
		return l.onDesk("photonrecv", append([]string{"record", "--listen", ":7310", "--dir", b.archive, "--name", "ws-ana"}, more...)...)
	}

	// Not paired: both ends say so.
	stranger := record()
	stranger.waitFor("a gateway dials in from "+l.piIP+" that is not paired with this computer", "photongate pair", "--unreached")
	gateway.waitFor("is not paired with this gateway", "photongate pair")
	if code := stranger.stop(); code != 1 || !strings.Contains(stranger.stdout.String(), "no gateway dialled in at ") {
		t.Errorf("not paired: exit %d, %s", code, stranger.stdout.String())
	}

	// It cannot be reached, which names the way.
	reachable := strings.Replace(words[2], "@/", "@"+l.piIP+":7310/", 1)
	if code, _, stderr := l.runOnDesk("pair", reachable); code == 0 || !containsAll(stderr, []string{"does not answer", "firewall", "nothing was kept", "--unreached"}) {
		t.Errorf("pair: exit %d, %s", code, stderr)
	}
	for _, args := range [][]string{{"pair", "--unreached", reachable}, {"pair", words[2]}} {
		if code, out, stderr := l.runOnDesk(args...); code != 0 || !containsAll(out, []string{"with pi-lab3, which was not asked", "record --listen"}) {
			t.Fatalf("%q: exit %d\n%s%s", args, code, out, stderr)
		}
	}
	if code, _, stderr := l.runOnDesk("record", "pi-lab3", "--dir", b.archive); code != 2 || !strings.Contains(stderr, "cannot be dialled") {
		t.Errorf("dialled all the same: exit %d, %s", code, stderr)
	}

	// A recording; a cable that is pulled; either end started again.
	stopListening := l.listenAtCable()
	recv := record()
	recv.waitFor("recording from pi-lab3")
	b.awaitRows(10)
	status := l.onPi("photongate", "status", "-c", b.config)
	status.exit()
	if out := status.stdout.String(); !containsAll(out, []string{"forward", l.deskIP() + ":7310", "connected for", "dialled from here", "TLS"}) {
		t.Errorf("status:\n%s", out)
	}
	file := filepath.Join(l.desk.config, "gateways", "pi-lab3.json")
	good, err := os.ReadFile(file)
	if err != nil || !regexp.MustCompile(`"journal": "[0-9a-f]{32}"`).Match(good) {
		t.Errorf("the journal is not noted: %v", err)
	}
	l.ip(l.pi, "link", "set", labLink, "down")
	recv.waitFor("nothing came from", "waiting for it to dial in again")
	b.awaitRows(10)
	l.ip(l.pi, "link", "set", labLink, "up")
	recv.waitFor("connected again")
	gateway.stop()
	gateway, _ = l.startGateway(b)
	b.awaitRows(10)
	if code := recv.stop(); code != 0 && code != 1 {
		t.Errorf("record ended with %d", code)
	}
	gateway.waitFor("the receiver at", "is done, and said goodbye")
	b.awaitRows(5)
	recv = record("--resume", "--for", "2s")
	recv.waitFor("recording goes on")
	if code := recv.exit(); code != 0 && code != 1 {
		t.Errorf("record: exit %d", code)
	}
	checkCapture(t, stopListening(), line, b)

	// A wrong token.
	wrong := regexp.MustCompile(`"token": "[^"]*"`).ReplaceAll(good, []byte(`"token": "`+strings.Repeat("A", 43)+`"`))
	if bytes.Equal(wrong, good) {
		t.Fatalf("no token in %s", file)
	}
	writeFile(t, file, wrong)
	recv = record()
	recv.waitFor("refuses: the token shown is not this gateway's")
	gateway.waitFor("does not know the token", "photonrecv pair --unreached")
	recv.stop()
	writeFile(t, file, good)

	// What overhears a session and listens there later gets nothing out of it.
	if said := l.probeAt(l.desk, "listen", l.deskIP()+":7310", line); !containsAll(said, []string{"overheard a session",
		"cable again: a frame in the answer: false", "hello and proof again: ", "not this gateway's", "no token: ", "no token was shown", "without encryption: a frame in the answer: false"}) {
		t.Errorf("replayed:\n%s", said)
	}

	// Another key, and then another journal with the right one.
	gateway.stop()
	key := filepath.Join(b.dir, "journal", "tls.pem")
	kept, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	gateway, _ = l.startGateway(b)
	recv = record()
	recv.waitFor("is not paired with this computer", "--fingerprint")
	gateway.waitFor("is not paired with this gateway, or with another key of it")
	gateway.stop()
	writeFile(t, key, kept)
	b.checkForwarded()
	makeClone(t, b)
	gateway, _ = l.startGateway(b)
	recv.waitFor("calls itself pi-lab3", "another journal", "cloned card")
	gateway.waitFor("refuses", "another journal")
	recv.stop()
	gateway.stop()
}

// checkForwarded compares what was recorded with what was counted and with the
// journal: nothing damaged, nothing twice, nothing that was not counted.
func (b *bench) checkForwarded() {
	b.t.Helper()
	code, out := b.verifyJSON()
	if code != 0 && code != 1 {
		b.t.Fatalf("verify: exit %d\n%s", code, out)
	}
	checkCauses(b.t, verifyFolder(b.t, b.gatewayFolder()))
	b.checkDigests()
	left := map[string]int{}
	for _, v := range b.truthRows() {
		left[v]++
	}
	rows := b.cat()
	for i, r := range rows {
		if left[r.values]--; left[r.values] < 0 {
			b.t.Fatalf("row %d (%s) was never counted, or is there twice", i, r.values)
		}
	}
	if len(rows) < 25 {
		b.t.Errorf("%d rows were recorded", len(rows))
	}
}

// TestForwardOnOneComputer: over loopback nothing needs to be paired; a run of
// many gateways ends when all have given what it asks for, and one that is dialled
// as well is recorded once.
func TestForwardOnOneComputer(t *testing.T) {
	t.Parallel()
	b := newBench(t, "cd48", `gate = "100ms"`)
	listen := freeAddr(t)
	retarget(t, b.config, "journal =", fmt.Sprintf("forward = %q\njournal =", listen))
	b.startSim()
	gateway := b.startGateway()
	gateway.waitFor("bench", "running")
	if strings.Contains(gateway.stderr(), "photonrecv pair") {
		t.Errorf("a gateway that serves its own computer alone tells its secret:\n%s", gateway.stderr())
	}
	record := func(more ...string) *proc {
		return start(t, "photonrecv", append([]string{"record", "--listen", listen, "--dir", b.archive, "--name", "ws-ana"}, more...)...)
	}
	p := record("--readings", "20")
	if code := p.exit(); code != 0 || !containsAll(p.stdout.String(), []string{"pi-lab3/bench: 2", "complete: nothing is missing"}) {
		t.Errorf("--readings: exit %d\n%s", code, p.stdout.String())
	}
	p = record("--resume", "--for", "2s")
	if code := p.exit(); code != 0 {
		t.Errorf("--for: exit %d\n%s", code, p.stdout.String())
	}
	checkAgainstTruth(t, b.cat(), b.truthRows(), 0.1)

	// Both ways at once: whichever comes second waits.
	both := record(b.addr)
	both.waitFor("recording from pi-lab3")
	b.awaitRows(30)
	if code := both.stop(); code != 0 {
		t.Errorf("both ways: exit %d\n%s", code, both.stdout.String())
	}
	checkAgainstTruth(t, b.cat(), b.truthRows(), 0.1)
	b.checkDigests()

	taken := record()
	taken.waitFor("recording from pi-lab3")
	if code, _, stderr := run(t, "photonrecv", "record", "--listen", listen, "--dir", filepath.Join(b.dir, "other")); code != 2 || !containsAll(stderr, []string{"listen on " + listen, "choose another"}) {
		t.Errorf("a port that is taken: exit %d, %s", code, stderr)
	}
	gateway.stop()
	taken.waitFor("waiting for it to dial in again")
	taken.stop()
}

// TestNamesAreLookedUpElsewhere: a name server that does not answer delays
// neither the start nor the recording by a fixed IPv6 address.
func TestNamesAreLookedUpElsewhere(t *testing.T) {
	t.Parallel()
	t.Attr("fault", "F30")
	t.Attr("injected", "a name server that never answers, one name to be looked up, and a workstation with an IPv6 address alone")
	t.Attr("promised", "the fixed address works, start-up is not delayed")
	l, b := behindWall(t, "ws-that-is-nowhere.lan:7310", "[DESK6]:7310")
	if l.piIP6 == "" {
		leftOut(t, "this computer has no IPv6")
	}
	if os.Mkdir("/etc/netns", 0o755) == nil { // ip-netns(8): where a namespace has files of its own
		t.Cleanup(func() { _ = os.Remove("/etc/netns") }) // another test may use it
	}
	resolver := filepath.Join("/etc/netns", l.namespace)
	if err := os.MkdirAll(resolver, 0o755); err != nil {
		leftOut(t, "a name server for a namespace cannot be set: "+err.Error())
	}
	t.Cleanup(func() { os.RemoveAll(resolver) })
	writeFile(t, filepath.Join(resolver, "resolv.conf"), []byte("nameserver "+l.deskIP()+"\n"))
	l.firewall(l.desk, "table inet deaf { chain in { type filter hook input priority 0; udp dport 53 drop; tcp dport 53 drop; }; }\n")
	l.ip(l.desk, "addr", "del", l.deskIP()+"/24", "dev", labLink) // IPv6 alone
	l.ip(l.desk, "addr", "add", l.deskIP()+"/32", "dev", "lo")    // but for the name server, which swallows all
	l.ip(l.pi, "route", "add", l.deskIP()+"/32", "via", "inet6", strings.TrimSuffix(l.piIP6, ":1")+":2", "dev", labLink)
	gateway, line := l.startGateway(b)
	if code, _, stderr := l.runOnDesk(strings.Fields(line)[1:]...); code != 0 {
		t.Fatalf("pair: %s", stderr)
	}
	recv := l.onDesk("photonrecv", "record", "--listen", ":7310", "--dir", b.archive, "--name", "ws-ana", "--readings", "20")
	if code := recv.exit(); code != 0 {
		t.Fatalf("record: exit %d\n%s", code, recv.stdout.String())
	}
	checkAgainstTruth(t, b.cat(), b.truthRows(), 0.1)
	early := strings.Contains(gateway.stderr(), "cannot be looked up")
	gateway.waitFor("ws-that-is-nowhere.lan cannot be looked up", "no name server answers", "write the computer's number")
	if code := gateway.stop(); code != 0 {
		t.Errorf("the gateway ended with %d", code)
	}
	t.Attr("seen", fmt.Sprintf("%d readings came by the fixed address; the name had been given up by then: %v", len(b.cat()), early))
}
