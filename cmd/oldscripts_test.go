package cmd_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// oldScript runs one of the clients of testdata/oldscripts.py, which share no
// code with photongate.
type oldScript struct {
	*proc
	out string // file of standard output
}

func startScript(t *testing.T, args ...string) *oldScript {
	t.Helper()
	script, err := filepath.Abs("testdata/oldscripts.py")
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	p := &proc{t: t, name: "oldscripts.py", more: make(chan struct{}), done: make(chan struct{})}
	p.cmd = exec.Command(needs(t, "python3", "python3"), append([]string{script}, args...)...)
	p.cmd.Stdout = out
	t.Cleanup(func() { out.Close() }) // after the script, which launch has killed by then
	p.launch()
	return &oldScript{p, out.Name()}
}

// lines are what the script has printed so far.
func (s *oldScript) lines() []string {
	s.t.Helper()
	text, err := os.ReadFile(s.out)
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' })
}

// waitLines waits until the script has printed so many lines.
func (s *oldScript) waitLines(n int) []string {
	s.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		if lines := s.lines(); len(lines) >= n {
			return lines
		} else if time.Now().After(end) {
			s.t.Fatalf("%d lines of %d after %v", len(lines), n, patience)
		}
	}
}

// oldBench is a bench whose gateway has an output of each kind.
type oldBench struct {
	*bench
	channels []string
	addr     map[string]string
	dialled  string // port that the gateway dials
}

func newOldBench(t *testing.T) *oldBench {
	t.Helper()
	b := &oldBench{bench: newBench(t, "cd48", `gate = "20ms"`), addr: map[string]string{}, channels: []string{"A", "B", "C", "D", "AB", "AC", "AD", "ABC"}}
	quoted := `"` + strings.Join(b.channels, `", "`) + `"`
	var text strings.Builder
	output := func(name, keys string) {
		b.addr[name] = freeAddr(t)
		fmt.Fprintf(&text, "\n[[output]]\nname = %q\nstream = \"bench\"\nlisten = %q\n%s\n", name, b.addr[name], keys)
	}
	for mode := range 4 {
		output(fmt.Sprintf("serpy%d", mode), fmt.Sprintf("kind = \"serpy\"\nmode = %d\nfields = [%s]", mode, quoted))
	}
	output("blobs", fmt.Sprintf("kind = \"serpy2\"\nfields = [%s]", quoted))
	output("records", fmt.Sprintf("kind = \"struct\"\nformat = \"!8I\"\nfields = [%s]", quoted))
	output("text", `kind = "text"`)
	_, b.dialled, _ = net.SplitHostPort(freePort(t))
	fmt.Fprintf(&text, "\n[[output]]\nname = \"dials\"\nkind = \"struct\"\nstream = \"bench\"\nformat = \"<8I\"\nfields = [%s]\ndial = \"127.0.0.1:%s\"\n", quoted, b.dialled)
	appendConfig(t, b.config, text.String())
	return b
}

// freePort is an address of 127.0.0.1 that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// clients are the scripts that read to the end, by name.
func (b *oldBench) clients(count int) map[string]*oldScript {
	n := fmt.Sprint(count)
	list := map[string]*oldScript{
		"serpy2": startScript(b.t, "serpy2", b.addr["blobs"], n),
		"client": startScript(b.t, "struct-client", b.addr["records"], "!8I", n),
		"server": startScript(b.t, "struct-server", b.dialled, "<8I", n),
	}
	for mode := range 4 {
		list[fmt.Sprintf("serpy, mode %d", mode)] = startScript(b.t, "serpy", b.addr[fmt.Sprintf("serpy%d", mode)], fmt.Sprint(mode), n)
	}
	return list
}

// check demands that lines are readings that the instrument gave, in order,
// none twice, and none missing between them unless that is allowed.
func (b *oldBench) check(name string, lines []string, missingAllowed bool) {
	b.t.Helper()
	truth := b.truthRows()
	at := -1
	for i, line := range lines {
		next := slices.Index(truth[at+1:], line)
		if next < 0 {
			b.t.Errorf("%s: line %d, %q, is no reading that comes after the one before", name, i, line)
			return
		}
		if at >= 0 && next > 0 && !missingAllowed {
			b.t.Errorf("%s: %d readings are missing before line %d", name, next, i)
		}
		at += 1 + next
	}
	if len(lines) == 0 {
		b.t.Errorf("%s got nothing", name)
	}
}

// acked reports whether a client acknowledges each block: on a busy machine
// more of them come meanwhile than wait for it, and whole ones are dropped.
func acked(name string) bool { return name == "serpy, mode 1" || name == "serpy, mode 3" }

// TestOldScripts: eight clients at once, one of which never reads. The others
// get every reading.
func TestOldScripts(t *testing.T) {
	t.Parallel()
	b := newOldBench(t)
	b.startSim()
	b.startGateway().waitFor("bench", "running")
	stalled := startScript(t, "stall", b.addr["serpy1"])
	stalled.waitLines(1)
	list := b.clients(60)
	for name, s := range list {
		if code := s.exit(); code != 0 {
			t.Errorf("%s: exit %d: %s", name, code, s.stderr())
		}
		b.check(name, s.lines()[:60], acked(name))
	}
	// The one that never acknowledged lost whole blocks, and that is known.
	code, out, stderr := run(t, "photongate", "status", b.addrOfGateway(), "--json")
	if code > 1 || !strings.Contains(out, `"name":"serpy1"`) && !strings.Contains(out, `"name": "serpy1"`) {
		t.Fatalf("status: exit %d\n%s\n%s", code, out, stderr)
	}
	if dropped := outputField(t, out, "serpy1", "dropped"); dropped == "0" || dropped == "" {
		t.Errorf("a client that never acknowledged lost %q blocks, want some:\n%s", dropped, out)
	}
	for _, name := range []string{"serpy0", "serpy2", "blobs", "records"} {
		if dropped := outputField(t, out, name, "dropped"); dropped != "0" {
			t.Errorf("%s dropped %s blocks, want 0", name, dropped)
		}
	}
}

// addrOfGateway is where the gateway itself listens.
func (b *oldBench) addrOfGateway() string { return b.bench.addr }

// TestOldScriptsComeAndGo: clients and gateway are started and stopped in any
// order, and cut in the middle of a block.
func TestOldScriptsComeAndGo(t *testing.T) {
	t.Parallel()
	b := newOldBench(t)
	b.startSim()
	// The script that waits to be dialled, and those that dial, are there first.
	server := startScript(t, "struct-server", b.dialled, "<8I", "20")
	client := startScript(t, "serpy", b.addr["serpy0"], "0", "20")
	gateway := b.startGateway()
	for name, s := range map[string]*oldScript{"server": server, "client": client} {
		if code := s.exit(); code != 0 {
			t.Errorf("%s, started before the gateway: exit %d: %s", name, code, s.stderr())
		}
		b.check(name, s.lines(), false)
	}
	// A client that goes in mid-block harms nobody, and the next begins with a
	// whole block.
	steady := startScript(t, "serpy", b.addr["serpy2"], "2", "100000")
	for _, name := range []string{"serpy2", "blobs", "records", "serpy0"} {
		for range 3 {
			conn, err := net.Dial("tcp", b.addr[name])
			if err != nil {
				t.Fatal(err)
			}
			// All blocks are longer than that.
			if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(conn, make([]byte, 5)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			conn.Close()
		}
	}
	for name, s := range b.clients(20) {
		if code := s.exit(); code != 0 {
			t.Errorf("%s, after others were cut: exit %d: %s", name, code, s.stderr())
		}
		b.check(name, s.lines()[:20], acked(name))
	}
	b.check("steady", steady.lines(), false)
	// The gateway goes while they read, and comes back.
	going := b.clients(100000)
	for _, s := range going {
		s.waitLines(5)
	}
	gateway.stop()
	for name, s := range going {
		if code := s.exit(); code != 0 {
			t.Errorf("%s when the gateway stopped: exit %d: %s", name, code, s.stderr())
		}
		b.check(name, s.lines(), acked(name))
	}
	b.startGateway().waitFor("bench", "running")
	for name, s := range b.clients(20) {
		if code := s.exit(); code != 0 {
			t.Errorf("%s after the gateway came back: exit %d: %s", name, code, s.stderr())
		}
		b.check(name, s.lines()[:20], acked(name))
	}
}

// TestNoPickle: who asks for pickled objects gets none, what they send is not
// read, and the log says so.
func TestNoPickle(t *testing.T) {
	t.Parallel()
	b := newOldBench(t)
	b.startSim()
	gateway := b.startGateway()
	gateway.waitFor("bench", "running")
	s := startScript(t, "pickle", b.addr["serpy0"])
	b.check("who asked for pickles", s.waitLines(1), true)
	if line := gateway.waitFor("pickle"); !strings.Contains(line, "WRN") {
		t.Errorf("the log says %q, want a warning", line)
	}
}

// TestTextOutput asks the text port as netcat would.
func TestTextOutput(t *testing.T) {
	t.Parallel()
	b := newOldBench(t)
	b.startSim()
	b.startGateway().waitFor("bench", "running")
	ask := func(request string, bytes int) string {
		t.Helper()
		conn, err := net.Dial("tcp", b.addr["text"])
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, request+"\r\n"); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, bytes)
		if _, err := io.ReadFull(conn, got); err != nil {
			t.Fatalf("%s: %v", request, err)
		}
		return string(got)
	}
	text := ask("csv bench", 4000)
	rows := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	if want := "time_utc,t_s,gate_s,live_s,stream,part,index,flags," + strings.Join(b.channels, ","); rows[0] != want {
		t.Fatalf("header %q, want %q", rows[0], want)
	}
	var values []string
	for _, r := range rows[1 : len(rows)-1] {
		values = append(values, strings.Join(strings.Split(r, ",")[8:], ","))
	}
	b.check("csv bench", values, false)
	if text := ask("csv bench --every 1s", 300); !strings.Contains(text, ",1.000000,") && !strings.Contains(text, "short") {
		t.Errorf("--every 1s gives\n%s", text)
	}
	if text := ask("ndjson bench", 200); !strings.HasPrefix(text, "{") {
		t.Errorf("ndjson gives %q", text)
	}
	if text := ask("please", 10); strings.Contains(text, "time_utc") {
		t.Errorf("nonsense gives %q", text)
	}
}

// outputField finds a number in the status of an output.
func outputField(t *testing.T, status, name, field string) string {
	t.Helper()
	flat := strings.NewReplacer(" ", "", "\n", "").Replace(status)
	_, after, ok := strings.Cut(flat, `"name":"`+name+`"`)
	if !ok {
		return ""
	}
	after, _, _ = strings.Cut(after, "}")
	_, value, ok := strings.Cut(after, `"`+field+`":`)
	if !ok {
		return ""
	}
	value, _, _ = strings.Cut(value, ",")
	return strings.Trim(value, `"`)
}
