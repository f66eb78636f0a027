package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"photongate/device"
	"photongate/protocol"
	"photongate/protocol/journal"
)

// names writes frames of one stream for people: epoch.sequence, type, and what
// is in it where that does not depend on the clock.
func names(list []got, stream uint32) []string {
	var out []string
	for _, g := range list {
		if g.Stream != stream {
			continue
		}
		line := fmt.Sprintf("%d.%d %v", g.Epoch, g.Seq, g.Type)
		switch g.Type {
		case protocol.TypeCounts:
			line += fmt.Sprintf(" %d+%d", g.Index, g.Count)
		case protocol.TypeEnd, protocol.TypeHole:
			line += " " + string(g.payload)
		}
		out = append(out, line)
	}
	return out
}

// untilIndex reads frames up to the one that holds this reading of a stream.
func (c *client) untilIndex(stream uint32, index uint64) []got {
	c.t.Helper()
	var list []got
	for {
		g, err := c.next()
		if err != nil {
			c.t.Fatalf("waiting for reading %d: %v", index, err)
		}
		list = append(list, g)
		if g.Type == protocol.TypeCounts && g.Stream == stream && g.Index+uint64(g.Count) > index {
			return list
		}
	}
}

func (c *client) ack(sub int, list []got) {
	last := map[uint32]protocol.AckStream{}
	for _, g := range list {
		if g.Type.Numbered() {
			last[g.Stream] = protocol.AckStream{ID: g.Stream, Epoch: g.Epoch, Seq: protocol.Uint64(g.Seq)}
		}
	}
	var a protocol.Ack
	a.Sub = sub
	for _, s := range last {
		a.Streams = append(a.Streams, s)
	}
	c.say(protocol.TypeAck, &a)
}

const benchID = 2 // of the stream bench: gateway is made first

func TestReadingsReachAnArchiveAndShutdownDrains(t *testing.T) {
	t.Parallel()
	f := newBench()
	config := testConfig(t, "bench")
	r := launch(t, config, f)
	id := protocol.NewID()
	c := connect(t, r.Addr(), "desk", id)
	if c.hello.Name != "pi-test" || c.hello.ID != r.Status().Journal.ID || c.hello.Base.IsZero() || c.hello.Boot == "" || c.hello.NowNs == 0 {
		t.Errorf("hello: got %+v", c.hello)
	}
	answer := c.subscribe(archiveFrom(protocol.FromOldest, "bench"))
	if len(answer.Streams) != 2 || answer.Streams[0].Name != "bench" || answer.Streams[0].ID != benchID || answer.Streams[0].Answer != "start" ||
		answer.Streams[1].Name != "gateway" || answer.Streams[1].Epoch != 1 || answer.Streams[1].Seq != 1 {
		t.Fatalf("subscribed: got %+v", answer)
	}
	source := <-f.sources
	begin := f.now()
	source.feed <- readings(begin, 100*time.Millisecond, 3)
	list := c.untilIndex(benchID, 2)
	c.ack(1, list)

	// What is read while the gateway stops is sent, and waited for.
	source.feed <- readings(begin+int64(300*time.Millisecond), 100*time.Millisecond, 2)
	list = append(list, c.untilIndex(benchID, 4)...)
	r.stop()
	for i := 0; i < 2; {
		g, err := c.next()
		if err != nil {
			t.Fatal(err)
		}
		if list = append(list, g); g.Type == protocol.TypeEnd {
			i++
		}
	}
	select {
	case err := <-r.done:
		t.Fatalf("the gateway ended before the archive had acknowledged: %v", err)
	default:
	}
	c.ack(1, list)
	var bye protocol.Bye
	c.expect(protocol.TypeBye, &bye)
	if bye.Reason != "gateway stops" {
		t.Errorf("bye: got %q", bye.Reason)
	}
	c.conn.Close()
	r.end()

	if d := cmp.Diff(names(list, benchID), []string{
		`1.1 descriptor`, `1.2 counts 0+3`, `1.3 counts 3+2`, `1.4 end {"cause":"gateway stopped"}`,
	}); d != "" {
		t.Errorf("stream bench (-got +want):\n%s", d)
	}
	if d := cmp.Diff(names(list, 1), []string{`1.1 descriptor`, `1.2 clock`, `1.3 end {"cause":"gateway stopped"}`}); d != "" {
		t.Errorf("stream gateway (-got +want):\n%s", d)
	}
	for _, g := range list {
		if g.turn != 1 && g.Type.Stored() {
			t.Errorf("frame %d of stream %d came in turn %d, want 1", g.Seq, g.Stream, g.turn)
		}
	}
	text, err := os.ReadFile(filepath.Join(config.Journal, archivesFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"name": "desk"`, `"id": "` + id.String() + `"`, `"seq": "4"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s lacks %s:\n%s", archivesFile, want, text)
		}
	}
}

// A restart begins a new epoch with the gap since the last reading, and an
// archive goes on from its cursor.
func TestRestart(t *testing.T) {
	for _, crash := range []bool{false, true} {
		t.Run(map[bool]string{false: "stopped", true: "crashed"}[crash], func(t *testing.T) {
			f := newBench()
			config := testConfig(t, "bench")
			r := launch(t, config, f)
			id := protocol.NewID()
			c := connect(t, r.Addr(), "desk", id)
			c.subscribe(archiveFrom(protocol.FromOldest, "bench"))
			source := <-f.sources
			begin := f.now() - int64(10*time.Second)
			source.feed <- readings(begin, 100*time.Millisecond, 3)
			list := c.untilIndex(benchID, 2)
			last := list[len(list)-1]
			cause := "gateway stopped"
			if crash {
				cause = "gateway crashed"
				if err := r.journal.Sync(t.Context()); err != nil {
					t.Fatal(err)
				}
				config.Journal = copyFolder(t, config.Journal)
			}
			c.say(protocol.TypeBye, &protocol.Bye{})
			r.end()

			r = launch(t, config, f)
			c = connect(t, r.Addr(), "desk", id)
			req := archiveFrom(protocol.FromCursor, "bench")
			req.Cursors = []protocol.Cursor{{Stream: "bench", Epoch: 1, Seq: protocol.Uint64(last.Seq), CRC: protocol.CRC(last.HeaderCRC)}}
			if a := c.subscribe(req).Streams[0]; a.Answer != "resumed" {
				t.Errorf("answer: got %+v, want resumed", a)
			}
			source = <-f.sources
			source.feed <- readings(f.now(), 100*time.Millisecond, 1)
			list = c.untilIndex(benchID, 0)
			for len(names(list, benchID)) < 4 && list[len(list)-1].Epoch < 2 {
				list = append(list, c.untilIndex(benchID, 0)...)
			}
			want := []string{`1.3 end {"cause":"gateway stopped"}`, `2.1 descriptor`, `2.2 gap`, `2.3 counts 0+1`}
			if crash {
				want = want[1:]
			}
			if d := cmp.Diff(names(list, benchID), want); d != "" {
				t.Errorf("stream bench (-got +want):\n%s", d)
			}
			for _, g := range list {
				if g.Stream != benchID || g.Epoch != 2 {
					continue
				}
				switch g.Type {
				case protocol.TypeDescriptor:
					var d protocol.Descriptor
					if err := protocol.DecodeJSON(g.payload, &d); err != nil || d.Previous == nil || d.Previous.Epoch != 1 || d.Previous.Cause != cause {
						t.Errorf("descriptor: got %+v, previous %+v", d, d.Previous)
					}
				case protocol.TypeGap:
					var gap protocol.Gap
					if err := protocol.DecodeJSON(g.payload, &gap); err != nil {
						t.Fatal(err)
					}
					end := begin + int64(300*time.Millisecond)
					if gap.Cause != cause || gap.Approximate == (runtime.GOOS == "linux") || gap.DurationNs == nil || max(g.Time-end, end-g.Time) > int64(50*time.Millisecond) {
						t.Errorf("gap: got %s at %d, want %s at about %d", g.payload, g.Time, cause, end)
					}
				}
			}
			c.say(protocol.TypeBye, &protocol.Bye{})
			r.end()
		})
	}
}

// copyFolder copies a journal as a crash would leave it.
func copyFolder(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// One device that fails in every way does not disturb another one.
func TestDevicesAreIsolated(t *testing.T) {
	t.Parallel()
	good, bad := newBench(), newBench()
	config := testConfig(t, "good", "bad")
	config.Devices[1].Driver = "bad"
	driver := bad.driver("bad")
	opens := make(chan struct{}, 100)
	driver.Open = func(_ context.Context, _ device.OpenRequest) (device.Source, error) {
		opens <- struct{}{}
		panic("boom")
	}
	r := launchWith(t, config, Deps{Drivers: []device.Driver{good.driver("fake"), driver}, OpenPort: good.openPort})
	c := connect(t, r.Addr(), "desk", protocol.NewID())
	answer := c.subscribe(archiveFrom(protocol.FromOldest, "good"))
	source := <-good.sources
	for i := range 3 {
		<-opens
		source.feed <- readings(good.now(), 100*time.Millisecond, 1)
		c.untilIndex(answer.Streams[len(answer.Streams)-1].ID, uint64(i))
	}
	status := r.Status()
	if d := status.Devices[1]; d.State != Failed || !strings.Contains(d.Cause, "panic: boom") {
		t.Errorf("the bad device: got %+v", d)
	}
	if d := status.Devices[0]; d.Readings != 3 || d.Epoch != 1 {
		t.Errorf("the good device: got %+v", d)
	}
	c.say(protocol.TypeBye, &protocol.Bye{})
}

func TestSecondGatewayIsRefused(t *testing.T) {
	config := testConfig(t, "bench")
	r := launch(t, config, newBench())
	second, err := New(config, Deps{Drivers: []device.Driver{newBench().driver("fake")}, OpenPort: newBench().openPort})
	if err != nil {
		t.Fatal(err)
	}
	err = second.Run(t.Context())
	if !errors.Is(err, journal.ErrLocked) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("got %v, want one that names process %d", err, os.Getpid())
	}
	other := testConfig(t, "bench")
	other.Listen = []string{r.Addr().String()}
	third, err := New(other, Deps{Drivers: []device.Driver{newBench().driver("fake")}, OpenPort: newBench().openPort})
	if err != nil {
		t.Fatal(err)
	}
	if err := third.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "listen on "+r.Addr().String()) || !strings.Contains(err.Error(), "is another photongate running?") {
		t.Errorf("got %v, want one that names the address and what to do", err)
	}
}

// A damaged list of archives is put aside, and said so.
func TestDamagedListOfArchives(t *testing.T) {
	config := testConfig(t, "bench")
	list := filepath.Join(config.Journal, archivesFile)
	if err := os.WriteFile(list, []byte(`{"format":1,"archives":[{`), 0o600); err != nil {
		t.Fatal(err)
	}
	f, log := newBench(), &logLines{}
	launchWith(t, config, Deps{Drivers: []device.Driver{f.driver("fake")}, OpenPort: f.openPort, Log: zerolog.New(log)})
	if text, err := os.ReadFile(list + ".damaged"); err != nil || !strings.HasSuffix(string(text), "[{") {
		t.Errorf("put aside: got %q, %v", text, err)
	}
	if all := strings.Join(log.messages(), "\n"); !strings.Contains(all, list+".damaged") {
		t.Errorf("the log does not say where it is:\n%s", all)
	}
}

func TestAddrAndStatusBeforeRun(t *testing.T) {
	g, err := New(testConfig(t, "bench"), Deps{Drivers: []device.Driver{newBench().driver("fake")}, OpenPort: newBench().openPort})
	if err != nil {
		t.Fatal(err)
	}
	if addr := g.Addr(); addr != net.Addr(nil) {
		t.Errorf("address: got %v", addr)
	}
	if s := g.Status(); len(s.Devices) != 1 || s.Devices[0].State != Stopped || s.Name != "pi-test" {
		t.Errorf("status: got %+v", s)
	}
}

func TestNoGoroutineIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	f, log := newBench(), &logLines{}
	r := launchWith(t, testConfig(t, "bench", "other"), Deps{
		Drivers: []device.Driver{f.driver("fake")}, OpenPort: f.openPort, Log: zerolog.New(log),
	})
	for range 3 {
		c := connect(t, r.Addr(), "desk", protocol.NewID())
		c.subscribe(protocol.Subscribe{Sub: 1, Kind: "view", Streams: []string{"*"}, From: "oldest"})
		c.conn.Close()
	}
	half := dial(t, r.Addr()) // has not said hello
	(<-f.sources).feed <- readings(f.now(), 100*time.Millisecond, 1)
	if text, err := json.Marshal(r.Status()); err != nil || !bytes.Contains(text, []byte(`"name":"bench"`)) {
		t.Errorf("status: got %s, %v", text, err)
	}
	r.end()
	half.Close()
	if all := strings.Join(log.messages(), "\n"); strings.Contains(all, "turned away") {
		t.Errorf("who was connecting when the gateway stopped was called turned away:\n%s", all)
	}
	limit := time.After(patience)
	for runtime.NumGoroutine() > before {
		select {
		case <-limit:
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
		default:
			runtime.Gosched()
		}
	}
}
