package gateway

import (
	"bufio"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"photongate/device"
	"photongate/gateway/output"
)

// An output serves what a device counts, through its restarts, and says goodbye
// with the gateway.
func TestOutputs(t *testing.T) {
	f := newBench()
	c := testConfig(t, "bench")
	c.Outputs = []output.Config{
		{Kind: output.KindSerpy, Name: "old", Stream: "bench", Listen: "127.0.0.1:0", Fields: []string{"part", "index", "A", "B"}},
		{Kind: output.KindText, Listen: "127.0.0.1:0"},
	}
	g := launch(t, c, f)
	s := g.Status().Outputs
	if len(s) != 2 || s[0].Name != "old" || s[0].Kind != "serpy" || s[1].Name != "text" {
		t.Fatalf("status: %+v", s)
	}
	old, text := dial(t, addrOf(s[0].Address)), dial(t, addrOf(s[1].Address))
	lines := bufio.NewReader(text)
	fmt.Fprintln(text, "csv bench\nlist")
	if line, err := lines.ReadString('\n'); err != nil || line != "bench\n" {
		t.Fatalf("list: %q, %v", line, err)
	}
	source := <-f.sources
	for g.Status().Outputs[0].Clients == 0 {
		runtime.Gosched()
	}

	begin := f.now()
	source.feed <- readings(begin, f.gate, 2)
	expectText(t, old, "1,0,100,200\x1f1,1,101,201\x1f")
	source.feed <- device.ErrGone
	source = <-f.sources
	source.feed <- readings(begin+int64(time.Second), f.gate, 1)
	expectText(t, old, "2,0,100,200\x1f")
	var rows []string
	for range 4 {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		cells := strings.SplitN(strings.TrimSpace(line), ",", 5)
		rows = append(rows, cells[4])
	}
	want := "stream,part,index,flags,A,B pi-test/bench,1,0,,100,200 pi-test/bench,1,1,,101,201 pi-test/bench,2,0,,100,200"
	if got := strings.Join(rows, " "); got != want {
		t.Errorf("rows\ngot  %s\nwant %s", got, want)
	}
	g.end()
	for _, conn := range []io.Reader{old, lines} {
		if rest, err := io.ReadAll(conn); err != nil || len(rest) > 0 {
			t.Errorf("at the end: %q, %v", rest, err)
		}
	}
}

// Clients of an output have no token: what they may change says the
// configuration alone.
func TestOutputControl(t *testing.T) {
	f := newBench()
	c := testConfig(t, "bench")
	c.Outputs = []output.Config{
		{Kind: output.KindSerpy2, Name: "may", Stream: "bench", Listen: "127.0.0.1:0", AnswersOnly: true, AllowSet: true},
		{Kind: output.KindSerpy2, Name: "may not", Stream: "bench", Listen: "127.0.0.1:0", AnswersOnly: true},
	}
	g := launch(t, c, f)
	<-f.sources
	for i, want := range []string{
		"error: bench has no setting \"gain\"",
		"error: output may not does not allow set",
	} {
		conn := dial(t, addrOf(g.Status().Outputs[i].Address))
		// 73+65+74+20+67+61+69+6E+3D+33 = 37B
		if _, err := io.WriteString(conn, "\xDE\xCA\xFE\xCA\xFE\x21\x7B\x03\x00\x00\x0A\x00\x00\x00set gain=3"); err != nil {
			t.Fatal(err)
		}
		head := make([]byte, 14)
		if _, err := io.ReadFull(conn, head); err != nil {
			t.Fatal(err)
		}
		body := make([]byte, int(head[10])+int(head[11])<<8)
		if _, err := io.ReadFull(conn, body); err != nil || !strings.HasPrefix(string(body), want) {
			t.Errorf("got %q, %v, want %q", body, err, want)
		}
	}
}

// addrOf is an address of a status.
type addrOf string

func (addrOf) Network() string  { return "tcp" }
func (a addrOf) String() string { return string(a) }

func expectText(t *testing.T, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(r, got); err != nil || string(got) != want {
		t.Fatalf("got %q, %v, want %q", got[:n], err, want)
	}
}
