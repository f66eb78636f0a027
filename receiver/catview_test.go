package receiver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/table"
)

// withTimer gives the stub a second device: gates of 100 ms, 50 ms later than
// those of bench, of one channel.
func (g *stub) withTimer(rows ...uint64) *stub {
	m := (&frameMaker{t: g.t, stream: 3, epoch: 1, time: baseNs + 50_000_000}).describe(g.base, "timer", protocol.Channel{Name: "A", Kind: protocol.KindCount})
	for _, v := range rows {
		m.counts([]uint64{v})
	}
	g.streams = append(g.streams, &stubStream{"timer", 3, m.out})
	return g
}

const mergedRows5 = `time_utc,t_s,gate_s,flags,bench_live_s,bench_A,bench_B,timer_live_s,timer_A
2026-11-20T13:30:12.000000Z,0.000000,0.200000,short:bench|short:timer,0.100000,1000,7,0.100000,1
2026-11-20T13:30:12.200000Z,0.200000,0.200000,,0.200000,2003,15,0.200000,6
2026-11-20T13:30:12.400000Z,0.400000,0.200000,short:bench|short:timer,0.100000,1003,8,0.100000,8
`

// TestCatMerge: side by side, as text and as files.
func TestCatMerge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		recordTo(t, newStub(t).withBench(2).withTimer(1, 2, 4, 8), dir)
		merged := func(every time.Duration) CatOptions {
			return CatOptions{Source: dir, View: table.View{Merge: true, Every: every}}
		}
		equal(t, "text", catText(t, merged(200*time.Millisecond)), mergedRows5)

		var out bytes.Buffer
		summary, err := Cat(t.Context(), &out, merged(0))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "notes", summary.Notes, []string{"rows of 100ms, the longest gate: --every chooses another length", "clocks: all streams are of pi-lab3 and share its clock"})
		equal(t, "rows", summary.Rows, uint64(strings.Count(out.String(), "\n")-1))

		o := merged(200 * time.Millisecond)
		o.Folder = filepath.Join(t.TempDir(), "tables")
		if summary, err = Cat(t.Context(), nil, o); err != nil {
			t.Fatal(err)
		}
		equal(t, "files", summary.Files, []string{filepath.Join(o.Folder, "merged.csv")})
		read := func(name string) string {
			text, err := os.ReadFile(filepath.Join(o.Folder, name))
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		equal(t, "rows", read("merged.csv"), mergedRows5)
		equal(t, "events", read("merged.events.csv"), table.EventsHeader+
			"2026-11-20T13:30:12.100000Z,0.100000,1,0,gateway,part began,,gateway started,pi-lab3/bench\n"+
			"2026-11-20T13:30:12.150000Z,0.150000,1,0,gateway,part began,,gateway started,pi-lab3/timer\n")
		var meta csvMeta
		if err := json.Unmarshal([]byte(read("merged.json")), &meta); err != nil {
			t.Fatal(err)
		}
		equal(t, "clocks", meta.Clocks, []string{"clocks: all streams are of pi-lab3 and share its clock"})
		var of []string
		for _, p := range meta.Parts {
			of = append(of, p.Stream)
		}
		equal(t, "parts", of, []string{"pi-lab3/bench", "pi-lab3/timer"})
		equal(t, "columns", len(meta.Columns), 9)

		o = merged(50 * time.Millisecond)
		if _, err := Cat(t.Context(), &out, o); !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), "--every 100ms or more") {
			t.Errorf("bins shorter than gates: %v", err)
		}
		if _, err := Cat(t.Context(), &out, CatOptions{Source: dir, View: table.View{Correct: table.CorrectDead}, Streams: []string{"timer"}}); !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), "dead_time") {
			t.Errorf("nothing to correct with: %v", err)
		}
	})
}

// TestCatMergeInOrder: streams are read in turns by their times, so that rows
// do not gather in memory.
func TestCatMergeInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStub(t)
		m := (&frameMaker{t: t, stream: 2, epoch: 1, time: baseNs}).describe(g.base, "bench", twoChannels()...)
		n := (&frameMaker{t: t, stream: 3, epoch: 1, time: baseNs}).describe(g.base, "timer", twoChannels()...)
		for i := range uint64(800) {
			var rows [][]uint64
			for k := range uint64(100) {
				rows = append(rows, []uint64{i * k * 0x9e3779b97f4a7c15 >> 30, i}) // so that a stream has many pieces
			}
			m.counts(rows...)
			n.counts(rows...)
		}
		g.streams = []*stubStream{{"bench", 2, m.out}, {"timer", 3, n.out}}
		dir := t.TempDir()
		recordTo(t, g, dir)
		c := &catter{o: &CatOptions{Source: dir, View: table.View{Merge: true, Every: time.Second, Format: table.NDJSON}}, w: io.Discard}
		sources, err := c.sources()
		if err != nil {
			t.Fatal(err)
		}
		streams, err := c.openFolder(sources[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := c.expect(streams); err != nil {
			t.Fatal(err)
		}
		read := &turns{at: map[string]int64{}}
		for _, s := range c.streams {
			s.first = read
		}
		if err := c.readAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		if lead := time.Duration(read.lead); lead == 0 || lead > time.Minute {
			t.Errorf("one stream ran %v ahead of the other", lead)
		}
		if err := c.finish(); err != nil {
			t.Fatal(err)
		}
	})
}

// turns is a sink that notes how far one stream runs ahead of the other.
type turns struct {
	at   map[string]int64
	lead int64
}

func (r *turns) Readings(p *table.Part, _ uint64, c *protocol.Counts) error {
	r.at[p.Stream] = c.Begin[0]
	if len(r.at) == 2 {
		r.lead = max(r.lead, r.at["bench"]-r.at["timer"], r.at["timer"]-r.at["bench"])
	}
	return nil
}

func (*turns) Gap(*table.Part, table.Gap) error     { return nil }
func (*turns) Event(*table.Part, table.Event) error { return nil }

// TestAgreement: what is said of the clocks of two gateways.
func TestAgreement(t *testing.T) {
	base := mustID(t, "b0000000000000000000000000000001")
	gateway := func(name, dir, sync string, estimate *protocol.Int64, offsets string) *gatewayClock {
		g := &gatewayClock{name: name, path: filepath.Join(dir, name), streams: 1, clocks: table.NewClockTable()}
		g.clocks.Add(base, baseNs, &protocol.Clock{Kind: "host", UTCNs: protocol.Int64(baseNs + 2_000_000), Sync: sync, EstErrorNs: estimate})
		if offsets != "" {
			if err := os.MkdirAll(g.path, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(g.path, clockFile), []byte("receiver_utc,base,base_ns,offset_ns,round_trip_ns\n"+offsets), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return g
	}
	dir := t.TempDir()
	line := func(offset, trip string) string {
		return "2026-11-20T13:30:12.100000Z," + base.String() + ",1795181412100000000," + offset + "," + trip + "\n"
	}
	const yes, no = protocol.SyncSynchronised, protocol.SyncUnsynchronised
	estimate := func(ns int64) *protocol.Int64 { return protocol.Ref(protocol.Int64(ns)) }
	a := gateway("pi-lab3", dir, yes, estimate(1_100_000), line("5000000", "900000")+"cut\n"+line("1000000", "400000"))
	for want, b := range map[string]*gatewayClock{
		"both were synchronised; by their own estimates they agree within 3.2ms; as this receiver measured, pi-lab4 is 1.3ms ahead of pi-lab3, to within 500µs": gateway("pi-lab4", dir, yes, estimate(2_100_000), line("2300000", "600000")),
		"both were synchronised, and do not say how well":                                        gateway("pi-lab4", t.TempDir(), yes, nil, ""),
		"pi-lab4 does not say that its clock was synchronised: how well they agree is not known": gateway("pi-lab4", t.TempDir(), no, estimate(5), ""),
	} {
		equal(t, "words", agreement([]*gatewayClock{a, b}), []string{"clocks: pi-lab3 and pi-lab4: " + want})
	}
}

// TestCatLiveFrom: a gateway is asked for what it has kept, by its time base,
// and the end is the end.
func TestCatLiveFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStub(t).withBench(2)
		g.nowNs = baseNs + 7*second // and UTC is the same
		var out bytes.Buffer
		summary, err := Cat(t.Context(), &out, CatOptions{Source: "pi-lab3", Dial: g.dial,
			View: table.View{From: time.Unix(0, baseNs+150_000_000), To: time.Unix(0, baseNs+300_000_000)}})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "rows", strings.Split(out.String(), "\n")[1:], []string{"2026-11-20T13:30:12.300000Z,0.000000,0.100000,0.100000,pi-lab3/bench,1,2,,1002,7", ""})
		equal(t, "number", summary.Rows, uint64(1))
		ask := g.asks[0]
		equal(t, "from", ask.From, protocol.FromTime)
		equal(t, "times", []int64{int64(*ask.TimeNs), int64(*ask.ToNs)}, []int64{baseNs + 150_000_000 - 10*second, baseNs + 300_000_000 + second})
	})
}

// TestCatLiveFromGoesOn: after a lost connection nothing is shown twice, and
// nothing left out.
func TestCatLiveFromGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStub(t).withBench(2)
		g.stay = true
		ctx, cancel := context.WithCancel(t.Context())
		var out bytes.Buffer
		done := make(chan error, 1)
		go func() {
			_, err := Cat(ctx, &out, CatOptions{Source: "pi-lab3", Dial: g.dial, View: table.View{From: time.Unix(0, baseNs)}})
			done <- err
		}()
		synctest.Wait()
		g.mu.Lock()
		conn := g.conns[0]
		g.mu.Unlock()
		conn.Close()
		time.Sleep(time.Second)
		synctest.Wait()
		g.mu.Lock()
		ask := g.asks[1]
		g.mu.Unlock()
		equal(t, "from", ask.From, protocol.FromCursor)
		cursors := map[string]uint64{}
		for _, c := range ask.Cursors {
			cursors[c.Stream] = uint64(c.Seq)
		}
		equal(t, "cursors", cursors["bench"], uint64(3))
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		equal(t, "rows", out.String(), fourRows)
	})
}

// TestCatFollowsNewStreams that appear in a folder.
func TestCatFollowsNewStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		g := newStub(t).withBench(2)
		j, err := journal.Open(filepath.Join(dir, labFolder), journal.Options{Place: journal.InArchive, Journal: g.journal, Gateway: g.name})
		if err != nil {
			t.Fatal(err)
		}
		write := func(name string, id uint32, frames [][]byte) {
			s, err := j.Stream(name, id)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Begin(1, 1); err != nil {
				t.Fatal(err)
			}
			for _, f := range frames {
				if err := s.Append(f); err != nil {
					t.Fatal(err)
				}
			}
			if err := j.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		write("bench", 2, g.streams[1].frames)
		ctx, cancel := context.WithCancel(t.Context())
		var out bytes.Buffer
		done := make(chan error, 1)
		go func() {
			_, err := Cat(ctx, &out, CatOptions{Source: dir, Follow: true})
			done <- err
		}()
		time.Sleep(time.Second)
		second := (&frameMaker{t: t, stream: 3, epoch: 1, time: baseNs}).describe(g.base, "bench2", twoChannels()...).counts([]uint64{5, 6})
		write("bench2", 3, second.out)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		equal(t, "rows", out.String(), fourRows+"2026-11-20T13:30:12.100000Z,0.000000,0.100000,0.100000,pi-lab3/bench2,1,0,,5,6\n")
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestExcelFiles: a new set before a sheet is full.
func TestExcelFiles(t *testing.T) {
	dir := t.TempDir()
	f := &csvFiles{dir: dir, clocks: table.NewClockTable(), view: &table.View{Excel: table.ExcelFor("de")}}
	const rows = 100_000
	c := &protocol.Counts{Begin: make([]int64, rows), Length: make([]int64, rows), Values: [][]uint64{make([]uint64, rows)}}
	p := &table.Part{Gateway: "pi-lab3", Stream: "bench", Epoch: 1, Described: true, Desc: protocol.Descriptor{Channels: []protocol.Channel{{Name: "A"}}}}
	for i := range uint64(11) {
		if err := f.Readings(p, i*rows, c); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.finish(); err != nil {
		t.Fatal(err)
	}
	equal(t, "files", f.names, []string{filepath.Join(dir, "bench.csv"), filepath.Join(dir, "bench-2.csv")})
	for i, want := range []int{10*rows + 1, rows + 1} {
		text, err := os.ReadFile(f.names[i])
		if got := bytes.Count(text, []byte{'\n'}); err != nil || got != want || !bytes.HasPrefix(text, []byte("\xef\xbb\xbftime_utc;t_s;")) {
			t.Errorf("%s: %d lines, want %d, %v", f.names[i], got, want, err)
		}
	}
}

// TestCatRefuses what does not go together, with the way out.
func TestCatRefuses(t *testing.T) {
	dir := t.TempDir()
	for says, o := range map[string]CatOptions{
		"--merge of a live gateway needs": {Source: "pi-lab3", View: table.View{Merge: true}},
		"--measurement cuts out of":       {Source: "pi-lab3", Measurement: "x"},
		"--out writes CSV files":          {Source: dir, Folder: "x", View: table.View{Format: table.NDJSON}},
		"--listen waits for a gateway":    {Source: dir, Listen: []string{":7310"}},
		"--follow waits for more":         {Source: dir, Follow: true, View: table.View{To: time.Unix(0, baseNs)}},
	} {
		if _, err := Cat(t.Context(), nil, o); !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}
