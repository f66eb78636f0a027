package gateway

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"photongate/device"
	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/sim/badline"
)

// prebuild writes a journal as a gateway leaves it: the stream bench has one
// epoch of frames with 100 readings of 100 ms each, and its end.
func prebuild(t *testing.T, dir string, frames int) {
	t.Helper()
	j, err := journal.Open(dir, journal.Options{Gateway: "pi-test", WaitWhenFull: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Stream(gatewayStream, 0); err != nil {
		t.Fatal(err)
	}
	st, err := j.Stream("bench", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.Begin(0, 1); err != nil {
		t.Fatal(err)
	}
	put := putter(t, st)
	header := func(typ protocol.Type) protocol.Header {
		return protocol.Header{Type: typ, Stream: st.ID(), Epoch: 1, Seq: st.NextSeq()}
	}
	put(protocol.AppendJSON(nil, header(protocol.TypeDescriptor), &protocol.Descriptor{Stream: "bench", Channels: []protocol.Channel{
		{Name: "A", Kind: protocol.KindCount, Width: 24}, {Name: "B", Kind: protocol.KindCount, Width: 24}}}))
	const each, gate = 100, int64(100 * time.Millisecond)
	random := rand.New(rand.NewPCG(1, 2))
	c := protocol.Counts{Begin: make([]int64, each), Length: make([]int64, each), Values: [][]uint64{make([]uint64, each), make([]uint64, each)}}
	var encoder protocol.CountsEncoder
	for f := range frames {
		h := header(protocol.TypeCounts)
		h.Index = uint64(f * each)
		h.Time = int64(f*each) * gate
		for i := range each {
			c.Begin[i], c.Length[i] = h.Time+int64(i)*gate, gate
			c.Values[0][i], c.Values[1][i] = uint64(random.Uint32()>>12), uint64(random.Uint32()>>20)
		}
		put(encoder.Append(nil, h, &c))
	}
	put(protocol.AppendJSON(nil, header(protocol.TypeEnd), &protocol.End{Cause: protocol.CauseGatewayStopped}))
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// putter returns what appends a frame that was just made to a stream of a journal.
func putter(t testing.TB, st *journal.Stream) func(frame []byte, err error) {
	return func(frame []byte, err error) {
		t.Helper()
		if err == nil {
			err = st.Append(frame)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// feedSteadily gives a reading every so often until the test ends; each bears
// the moment when it was given as its begin.
func feedSteadily(t *testing.T, f *bench, source *fakeSource, every time.Duration) {
	t.Helper()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				source.feed <- readings(f.now(), every/2, 1)
			case <-stop:
				return
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-done })
}

// After three days without a receiver, its archive is sent everything in order,
// over a line that takes its time, and a view on the same session is current
// from the first moment.
func TestViewAheadOfThreeDaysOfBackfill(t *testing.T) {
	t.Run("a fast line", func(t *testing.T) { viewAhead(t, 72, 4<<20) })
	t.Run("a slow line", func(t *testing.T) { viewAhead(t, 3, 128<<10) })
}

func viewAhead(t *testing.T, hours, rate int) {
	t.Parallel()
	t.Attr("fault", "F19")
	t.Attr("promised", "backfill complete and in order; the view is current in less than 2 s while it runs behind")
	frames := hours * 360 // 100 readings of 100 ms
	f := newBench()
	config := testConfig(t, "bench")
	prebuild(t, config.Journal, frames)
	r := launch(t, config, f)
	line, err := badline.Lay(r.Addr().String(), func(int) badline.Script { return badline.Script{Down: badline.Way{Rate: rate}} })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { line.Close() })
	source := <-f.sources
	feedSteadily(t, f, source, 100*time.Millisecond)
	c := &client{t: t, conn: through(t, line)}
	c.frames = protocol.NewFrameReader(c.conn, protocol.MaxFrame)
	c.open("desk", protocol.NewID())
	c.keepAlive()
	view := protocol.Subscribe{Sub: 2, Kind: protocol.SubscribeView, Streams: []string{"bench"}, From: protocol.FromNow, Credit: 1 << 30}
	c.say(protocol.TypeSubscribe, &view)
	archive := archiveFrom(protocol.FromOldest, "bench")
	archive.Credit = 1 << 30
	c.say(protocol.TypeSubscribe, &archive)
	began := time.Now()
	next, seen, views, worst, bytes := uint64(1), 0, 0, time.Duration(0), 0
	for epoch := uint32(1); epoch == 1; {
		g, err := c.next()
		if err != nil {
			t.Fatalf("after %d frames, %d bytes and %d of the view: %v", next, bytes, views, err)
		}
		bytes += len(g.frame)
		switch {
		case g.turn == 2 && g.Type == protocol.TypeCounts:
			views++
			worst = max(worst, time.Duration(f.now()-g.Time))
		case g.turn == 1 && g.Stream == benchID && g.Type.Numbered():
			if epoch = g.Epoch; epoch > 1 {
				break
			}
			if g.Seq != next {
				t.Fatalf("frame %d follows %d", g.Seq, next-1)
			}
			next++
			if g.Type == protocol.TypeCounts {
				seen++
			}
		}
	}
	took := time.Since(began)
	if seen != frames || next != uint64(frames+3) {
		t.Errorf("%d frames of readings arrived, want %d; %d in all", seen, frames, next-1)
	}
	if worst > 2*time.Second || views < 5 {
		t.Errorf("of %d frames of the view one was %v old", views, worst)
	}
	c.say(protocol.TypeBye, &protocol.Bye{})
	t.Attr("injected", fmt.Sprintf("%d h without a receiver: %d frames in the journal, then a line of %d kB/s", hours, frames, rate>>10))
	t.Attr("seen", fmt.Sprintf("%d frames, %d MB, in order in %v; meanwhile %d frames of the view, the oldest %v old", seen, bytes>>20, took.Round(10*time.Millisecond), views, worst.Round(time.Millisecond)))
}

// slowConn is read at 1 kB/s until it is to hurry.
type slowConn struct {
	net.Conn
	hurry <-chan struct{}
}

func (c slowConn) Read(p []byte) (int, error) {
	select {
	case <-c.hurry:
		return c.Conn.Read(p)
	default:
	}
	n, err := c.Conn.Read(p[:min(len(p), 100)])
	select {
	case <-c.hurry:
	case <-time.After(time.Duration(n) * time.Millisecond):
	}
	return n, err
}

// An archive and a view that read 1 kB/s: the archive lags, is alive and
// loses nothing; the view is moved forward and told so; others do not notice.
func TestSlowReceiversHoldUpNobody(t *testing.T) {
	t.Parallel()
	t.Attr("fault", "F24")
	t.Attr("injected", "one archive and one view at 1 kB/s, one archive at full speed")
	t.Attr("promised", "the slow archive lags and lives, the fast one misses nothing, the slow view skips with a marker")
	f := newBench()
	r := launch(t, testConfig(t, "bench"), f)
	hurry := make(chan struct{})
	slow := func(name string) *client {
		c := &client{t: t, conn: slowConn{Conn: dial(t, r.Addr()), hurry: hurry}}
		c.frames = protocol.NewFrameReader(c.conn, protocol.MaxFrame)
		c.open(name, protocol.NewID())
		c.keepAlive()
		return c
	}
	archive, view := slow("slow"), slow("viewer")
	archive.say(protocol.TypeSubscribe, &protocol.Subscribe{Sub: 1, Kind: protocol.SubscribeArchive, Streams: []string{"bench"}, From: protocol.FromOldest, Credit: 1 << 40})
	view.say(protocol.TypeSubscribe, &protocol.Subscribe{Sub: 1, Kind: protocol.SubscribeView, Streams: []string{"bench"}, From: protocol.FromNow, Credit: 1 << 40})
	fast := connect(t, r.Addr(), "fast", protocol.NewID())
	fast.keepAlive()
	fast.subscribe(archiveFrom(protocol.FromOldest, "bench"))
	source := <-f.sources
	begin := f.now()
	random := rand.New(rand.NewPCG(1, 2))
	given := uint64(0)
	more := func() { // 32 kB that cannot be packed
		from := begin + int64(given)
		given += 2000
		source.feed <- func(b *device.Batch) {
			for i := range int64(2000) {
				addReading(b, from+i, 1, random.Uint64(), random.Uint64())
			}
		}
	}
	next := uint64(0)
	var skip protocol.Skip
	for done := false; !done; {
		more()
		next = contiguous(t, fast.untilIndex(benchID, given-1), next)
		<-time.After(20 * time.Millisecond) // a pace, no measure
		// As what is sent at 1 kB/s stands before the skip, it is looked for where it is made.
		skip, done = r.skipOf("viewer")
	}
	s := r.Status()
	var lag int64
	sessions := 0
	for _, x := range s.Sessions {
		sessions++
		if x.Name == "slow" {
			lag = int64(x.Behind)
		}
	}
	if sessions != 3 || lag == 0 || s.Devices[0].Gaps != 0 || s.Devices[0].Readings != protocol.Uint64(given) {
		t.Errorf("%d sessions, the slow archive is %d bytes behind; device: %+v", sessions, lag, s.Devices[0])
	}
	// What was sent to the slow ones arrives now, in the same sessions.
	close(hurry)
	if got := contiguous(t, archive.untilIndex(benchID, given-1), 0); got != given {
		t.Errorf("%d readings at the slow archive, want %d", got, given)
	}
	var told protocol.Skip
	list := view.until(protocol.TypeSkip)
	if err := protocol.DecodeJSON(list[len(list)-1].payload, &told); err != nil || told.Sub != skip.Sub || told.Stream != skip.Stream || told.Seq != skip.Seq {
		t.Errorf("the view was told of %+v, %v; it was moved to %+v", told, err, skip)
	}
	more()
	first := protocol.Header{}
	for first.Stream != benchID || first.Type != protocol.TypeCounts {
		g, err := view.next()
		if err != nil {
			t.Fatal(err)
		}
		first = g.Header
	}
	if first.Seq != uint64(told.Seq) {
		t.Errorf("the view goes on with frame %d, and was told %d", first.Seq, told.Seq)
	}
	t.Attr("seen", fmt.Sprintf("all %d readings at the fast archive at once; the slow one alive, %d kB behind, and then all %d; the view was told to go on with frame %d, and did", next, lag>>10, given-2000, first.Seq))
}

// contiguous checks that readings follow each other without a gap from one on, and
// returns the one that is next.
func contiguous(t *testing.T, list []got, next uint64) uint64 {
	t.Helper()
	for _, g := range list {
		if g.Stream != benchID || g.Type != protocol.TypeCounts {
			continue
		}
		if g.Index != next {
			t.Fatalf("reading %d follows %d", g.Index, next)
		}
		next += uint64(g.Count)
	}
	return next
}

// skipOf is where the first subscription of a session was moved forward to.
func (r *running) skipOf(name string) (skip protocol.Skip, moved bool) {
	r.server.mu.Lock()
	defer r.server.mu.Unlock()
	for s := range r.server.sessions {
		s.mu.Lock()
		for _, sub := range s.subs {
			for _, f := range sub.feeds {
				if s.peer.Name == name && f.skipped > 0 {
					skip, moved = protocol.Skip{Sub: sub.id, Stream: f.stream.ID(), Seq: protocol.Uint64(f.skipped)}, true
				}
			}
		}
		s.mu.Unlock()
	}
	return skip, moved
}

// latencies are how old readings were when they came to a view, sorted.
func latencies(t *testing.T, c *client, f *bench, source *fakeSource, n int, every time.Duration) []time.Duration {
	t.Helper()
	go func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for range n {
			<-tick.C
			source.feed <- readings(f.now(), 1, 1)
		}
	}()
	var list []time.Duration
	for len(list) < n {
		g, err := c.next()
		if err != nil {
			t.Fatal(err)
		}
		if g.Type == protocol.TypeCounts {
			for range g.Count {
				list = append(list, time.Duration(f.now()-g.Time))
			}
		}
	}
	slices.Sort(list)
	return list
}

func p99(list []time.Duration) time.Duration { return list[len(list)*99/100] }

// crowdCosts is what a crowd may add to the latency of those who behave.
const crowdCosts = 50 * time.Millisecond

// Two hundred connections that say nothing and fifty that say anything: what
// they may take is bounded, and those who behave go on.
func TestCrowd(t *testing.T) {
	t.Attr("fault", "F25")
	t.Attr("injected", "200 idle connections and 50 that send random bytes again and again")
	t.Attr("promised", "limits hold; good clients see less than 50 ms more latency")
	f := newBench()
	config := testConfig(t, "bench")
	config.Devices[0].Batch = time.Millisecond
	r := launch(t, config, f)
	source := <-f.sources
	c := connect(t, r.Addr(), "viewer", protocol.NewID())
	c.keepAlive()
	c.subscribe(protocol.Subscribe{Sub: 1, Kind: protocol.SubscribeView, Streams: []string{"bench"}, From: protocol.FromNow})
	before := latencies(t, c, f, source, 300, 4*time.Millisecond)
	stop := make(chan struct{})
	var done []chan struct{}
	for i := range 50 {
		d := make(chan struct{})
		done = append(done, d)
		go func() {
			defer close(d)
			random := rand.New(rand.NewPCG(uint64(i), 9))
			noise := make([]byte, 32<<10)
			for k := range noise {
				noise[k] = byte(random.Uint32())
			}
			for {
				select {
				case <-stop:
					return
				case <-time.After(100 * time.Millisecond): // a pace, no measure
				}
				conn, err := net.Dial("tcp", r.Addr().String())
				if err != nil {
					continue
				}
				from := random.IntN(len(noise))
				_, _ = conn.Write(noise[from:]) // it is cut off
				_ = conn.SetReadDeadline(time.Now().Add(time.Second))
				_, _ = io.Copy(io.Discard, conn)
				conn.Close()
			}
		}()
	}
	most := make(chan int)
	go func() { // openings at once
		n := 0
		for {
			r.server.mu.Lock()
			n = max(n, len(r.server.greeting))
			r.server.mu.Unlock()
			select {
			case <-stop:
				most <- n
				return
			case <-time.After(time.Millisecond): // a pace, no measure
			}
		}
	}()
	// A machine that has more to do than this is slow for a while; a gateway that
	// lets the crowd in first is so each time.
	var during []time.Duration
	for round := 0; round < 8 && (round == 0 || p99(during)-p99(before) > crowdCosts); round++ {
		for range 200 { // those of an earlier round are gone, or will be soon
			dial(t, r.Addr())
		}
		during = latencies(t, c, f, source, 300, 4*time.Millisecond)
	}
	close(stop)
	greeting := <-most
	for _, d := range done {
		<-d
	}
	if greeting < 32 || greeting > 64 { // of a computer of one's own
		t.Errorf("%d connections were being opened at once, want at most 64, and that there was a crowd", greeting)
	}
	if p99(during)-p99(before) > crowdCosts {
		t.Errorf("99 of 100 readings came within %v, with the crowd within %v, again and again", p99(before), p99(during))
	}
	t.Attr("seen", fmt.Sprintf("%d openings at once at most; 99 of 100 readings within %v without and %v with the crowd", greeting,
		p99(before).Round(10*time.Microsecond), p99(during).Round(10*time.Microsecond)))
}

// What all sessions may hold is bounded: who finds no room is told so, and room
// that was given back is there again.
func TestBudget(t *testing.T) {
	r := recordedGateway(t)
	t.Attr("fault", "F25")
	t.Attr("injected", "sessions and subscriptions beyond the memory that is kept for all of them")
	t.Attr("promised", "refused `busy` with a sentence; those that are there go on; room is free again when they end")
	for r.server.used() > 0 {
		<-time.After(time.Millisecond) // the recorder's session ends
	}
	r.server.budget.mu.Lock()
	r.server.budget.limit = r.server.budget.used + 2*sessionBytes + 3*feedBytes
	r.server.budget.mu.Unlock()
	first := connect(t, r.Addr(), "first", protocol.NewID())
	first.keepAlive()
	first.subscribe(archiveFrom(protocol.FromOldest, "bench")) // two streams
	second := connect(t, r.Addr(), "second", protocol.NewID())
	req := archiveFrom(protocol.FromOldest, "*")
	req.Credit = 1
	second.say(protocol.TypeSubscribe, &req)
	said := second.refusedWith(protocol.RefuseBusy).Text
	if !strings.Contains(said, "no room for a subscription of 2 streams") {
		t.Errorf("said %q", said)
	}
	for r.server.used() > sessionBytes+3*feedBytes {
		<-time.After(time.Millisecond) // the refused session ends
	}
	before := r.server.used()
	connect(t, r.Addr(), "third", protocol.NewID()).keepAlive()
	for r.server.used() < before+sessionBytes {
		<-time.After(time.Millisecond) // it is told that it is let in before it is counted
	}
	full := &client{t: t, conn: dial(t, r.Addr())}
	full.frames = protocol.NewFrameReader(full.conn, protocol.MaxFrame)
	full.open("full", protocol.NewID())
	if said := full.refusedWith(protocol.RefuseBusy).Text; !strings.Contains(said, "no room for another session") {
		t.Errorf("said %q", said)
	}
	first.untilIndex(benchID, 2)
	t.Attr("seen", "the second subscription was told: "+said)
}

func (v *server) used() int64 {
	v.budget.mu.Lock()
	defer v.budget.mu.Unlock()
	return v.budget.used
}

// Answers wait for a receiver that does not fetch them; they do not pile up.
func TestAnswersWaitForTheirReader(t *testing.T) {
	f := newBench()
	r := launch(t, testConfig(t, "bench"), f)
	c := connect(t, r.Addr(), "desk", protocol.NewID())
	ask := protocol.Request{Do: protocol.DoStatus}
	asked := make(chan error, 1)
	go func() {
		for i := range 3000 { // far more than sockets hold; at most 16 may wait
			ask.ID = protocol.Uint64(i + 1)
			if err := say(c.conn, protocol.TypeRequest, &ask); err != nil {
				asked <- err
				return
			}
		}
		asked <- nil
	}()
	err := <-asked
	r.server.mu.Lock()
	most := 0
	for s := range r.server.sessions {
		s.mu.Lock()
		most = max(most, s.pending)
		s.mu.Unlock()
	}
	r.server.mu.Unlock()
	if most > pendingBytes+2*sessionFrame {
		t.Errorf("%d bytes of answers wait (%v)", most, err)
	}
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("asking: %v", err)
	}
}
