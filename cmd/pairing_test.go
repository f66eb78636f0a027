package cmd_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestAcrossTheLab is a gateway in one room and a workstation in another: pairing
// and recording, and then everything that must not be let in, each told in words
// of its own. What crosses the cable shows neither token nor counts.
func TestAcrossTheLab(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	b := l.serve("cd48", `gate = "100ms"`)
	gateway, line := l.startGateway(b)
	refused := func(want []string, args ...string) string {
		t.Helper()
		code, stdout, stderr := l.runOnDesk(args...)
		if code == 0 || stdout != "" && !strings.HasPrefix(stdout, "incomplete:") {
			t.Errorf("%q: exit %d, %q", args, code, stdout)
		}
		if !containsAll(stderr, want) {
			t.Errorf("%q says\n%s\nwant %q in it", args, stderr, want)
		}
		return stderr
	}
	record := func(more ...string) []string {
		return append([]string{"record", "pi-lab3", "--dir", b.archive, "--name", "ws-ana"}, more...)
	}

	// Before pairing: nothing, neither by photonrecv nor by what speaks the protocol without TLS.
	refused([]string{"is another computer", "not paired", "`photongate pair` there"}, "record", b.addr, "--dir", b.archive, "--readings", "1")
	if said := l.probeAt(l.desk, "plain", b.addr); !containsAll(said, []string{`"code":"token"`, "without encryption to programs on its own computer only", "photongate pair"}) {
		t.Errorf("without TLS: %s", said)
	}
	if said := l.probeAt(l.desk, "no token", b.addr); !containsAll(said, []string{`"code":"token"`, "no token was shown"}) {
		t.Errorf("without a token: %s", said)
	}

	var stopListening func() []byte
	if l.separated {
		stopListening = l.listenAtCable()
	}
	if code, out, stderr := l.runOnDesk(strings.Fields(line)[1:]...); code != 0 || !containsAll(out, []string{"paired with pi-lab3", "device: bench (cd48, running)", "photonrecv record pi-lab3"}) {
		t.Fatalf("pair: exit %d\n%s%s", code, out, stderr)
	}
	if code, _, stderr := l.runOnDesk(record("--for", "4s")...); code != 0 {
		t.Fatalf("record: exit %d\n%s", code, stderr)
	}
	rows := b.cat()
	if len(rows) < 20 {
		t.Fatalf("%d rows in 4 s", len(rows))
	}
	checkAgainstTruth(t, rows, b.truthRows(), 0.1)
	if stopListening != nil {
		checkCapture(t, stopListening(), line, b)
	}
	if said := l.probeAt(l.desk, "replay", b.addr, line); !containsAll(said, []string{"overheard a session", "cable again: a frame in the answer: false", "hello and proof again: ", "not this gateway's"}) {
		t.Errorf("replayed:\n%s", said)
	}

	// A wrong token.
	file := filepath.Join(l.desk.config, "gateways", "pi-lab3.json")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	wrong := regexp.MustCompile(`"token": "[^"]*"`).ReplaceAll(good, []byte(`"token": "`+strings.Repeat("A", 43)+`"`))
	if bytes.Equal(wrong, good) {
		t.Fatalf("no token in %s", file)
	}
	writeFile(t, file, wrong)
	refused([]string{"the token shown is not this gateway's", "photongate pair"}, record("--readings", "1")...)
	writeFile(t, file, good)

	// The token is renewed while a recording goes on: it is told, and goes on when paired anew.
	standing := l.onDesk("photonrecv", record("--resume", "--for", "10m")...)
	standing.waitFor("recording from pi-lab3")
	renew := l.onPi("photongate", "pair", "-c", b.config, "--renew")
	if code := renew.exit(); code != 0 {
		t.Fatalf("renew: %s", renew.stderr())
	}
	renewed := strings.TrimSpace(renew.stdout.String())
	if renewed == line || !strings.HasPrefix(renewed, "photonrecv pair pi-lab3@") {
		t.Errorf("the line after --renew is %q", renewed)
	}
	standing.waitFor("was renewed")
	refused([]string{"an old one, which was renewed on", "photongate pair"}, "cat", "pi-lab3")
	if code, out, stderr := l.runOnDesk("pair", renewed); code != 0 || !strings.Contains(out, "paired again with pi-lab3") {
		t.Fatalf("pair anew: exit %d\n%s%s", code, out, stderr)
	}
	standing.waitFor("connected again")
	standing.stop()

	// Another key, which is what somebody in between would have.
	gateway.stop()
	if err := os.Remove(filepath.Join(b.dir, "journal", "tls.pem")); err != nil {
		t.Fatal(err)
	}
	gateway, line = l.startGateway(b)
	said := refused([]string{"is not the one that pi-lab3 was paired with", "set up anew", "in between", "`photongate pair --fingerprint`"}, record("--readings", "1")...)
	fingerprint := l.onPi("photongate", "pair", "-c", b.config, "--fingerprint")
	if fingerprint.exit() != 0 || !strings.Contains(said, "prints "+strings.TrimSpace(fingerprint.stdout.String())+" there") {
		t.Errorf("the fingerprint is %q, and photonrecv said\n%s", fingerprint.stdout.String(), said)
	}

	// A cloned card: the same name and key, another journal.
	if code, _, stderr := l.runOnDesk("pair", line); code != 0 {
		t.Fatalf("pair: %s", stderr)
	}
	gateway.stop()
	makeClone(t, b)
	_, line = l.startGateway(b)
	refused([]string{"calls itself pi-lab3", "another journal", "cloned card"}, record("--readings", "1")...)
	refused([]string{"another gateway is paired under this name", "--as NAME", "--replace"}, "pair", line)
	if code, out, _ := l.runOnDesk("pair", line, "--as", "pi-lab3b"); code != 0 || !strings.Contains(out, "called pi-lab3b here") {
		t.Errorf("--as: exit %d, %s", code, out)
	}
	if _, out, _ := l.runOnDesk("pair", "--list"); !containsAll(out, []string{"pi-lab3 at " + b.addr, "pi-lab3b (pi-lab3) at " + b.addr}) {
		t.Errorf("list:\n%s", out)
	}
	if code, _, _ := l.runOnDesk("pair", "--remove", "pi-lab3"); code != 0 {
		t.Errorf("remove: exit %d", code)
	}
}

// makeClone gives the gateway of a bench a new journal and leaves its key and
// token.
func makeClone(t *testing.T, b *bench) {
	t.Helper()
	old := filepath.Join(b.dir, "journal")
	if err := os.Rename(old, old+".before"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(old, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tls.pem", "token"} {
		text, err := os.ReadFile(filepath.Join(old+".before", name))
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(old, name), text)
	}
}

func writeFile(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// checkCapture searches what crossed the cable for what must not be seen there.
func checkCapture(t *testing.T, captured []byte, line string, b *bench) {
	t.Helper()
	token := line[strings.LastIndex(line, "/")+1:]
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	for what, secret := range map[string][]byte{
		"the token": []byte(token), "the token, raw": raw, "the token, hex": []byte(hex.EncodeToString(raw)),
		"a frame": []byte("\xf5PG\x01"), "a stream's name": []byte(`"bench"`), "a driver": []byte("cd48"), "the gateway's name": []byte("pi-lab3"),
		"the receiver's name": []byte("ws-ana"), "a nonce": []byte(`"nonce"`),
	} {
		if at := bytes.Index(captured, secret); at >= 0 {
			t.Errorf("what crosses the cable shows %s at byte %d", what, at)
		}
	}
	// It is the right cable: TLS begins on it, and the record is not longer than what crossed.
	if !bytes.Contains(captured, []byte("\x16\x03\x01")) {
		t.Error("no TLS crosses the cable")
	}
	stored := int64(0)
	err = filepath.WalkDir(b.archive, func(path string, d os.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".pgs" {
			info, err := d.Info()
			if err != nil {
				return err
			}
			stored += info.Size()
		}
		return err
	})
	if err != nil || int64(len(captured)) < stored {
		t.Errorf("%d bytes crossed the cable, %d are stored: %v", len(captured), stored, err)
	}
}

// TestLocalProgramsFindTheToken: on the gateway's own computer nothing is pasted;
// its user's programs may change things, another user's may read.
func TestLocalProgramsFindTheToken(t *testing.T) {
	t.Parallel()
	b := newBench(t, "cd48", `gate = "100ms"`)
	b.startSim()
	gateway := b.startGateway()
	gateway.waitFor("bench", "running")
	if strings.Contains(gateway.stderr(), "photonrecv pair") {
		t.Errorf("a gateway on loopback tells its secret:\n%s", gateway.stderr())
	}
	if code, _, stderr := run(t, "photonrecv", "note", b.addr, "aligned"); code != 0 {
		t.Errorf("note by the gateway's user: exit %d\n%s", code, stderr)
	}
	stranger := place{config: t.TempDir()}
	p := startAt(t, stranger, "photonrecv", "note", b.addr, "aligned")
	if code := p.exit(); code == 0 || !containsAll(p.stderr(), []string{"token"}) {
		t.Errorf("note by another user: exit %d\n%s", code, p.stderr())
	}
	p = startAt(t, stranger, "photonrecv", "record", b.addr, "--dir", b.archive, "--readings", "3")
	if code := p.exit(); code != 0 {
		t.Errorf("record by another user: exit %d\n%s", code, p.stderr())
	}
	code, out, stderr := run(t, "photongate", "pair", "-c", b.config)
	if code != 2 || out != "" || !containsAll(stderr, []string{"only its own computer reaches it", `listen = "0.0.0.0:7310"`}) {
		t.Errorf("pair of a gateway on loopback: exit %d, %q\n%s", code, out, stderr)
	}
	if code := gateway.stop(); code != 0 {
		t.Errorf("gateway: exit %d", code)
	}
	if left, err := filepath.Glob(filepath.Join(configDir(t), "local", "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}
