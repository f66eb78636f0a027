package output

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"photongate/protocol"
	"photongate/protocol/journal"
)

// patience bounds every wait for the other side. It is no measure of speed.
const patience = 30 * time.Second

// Times of the readings in tests: 2026-11-20T13:30:12Z, how much later that is
// than what the time base says, and a gate.
const (
	startNs = int64(1795181412_000000000)
	aheadNs = int64(time.Hour)
	gateNs  = int64(100 * time.Millisecond)
)

// bench is a journal with the stream "bench", to which a test adds readings.
type bench struct {
	t       testing.TB
	journal *journal.Journal
	stream  *journal.Stream
	base    protocol.ID
	clock   []byte
	epoch   uint32
	index   uint64
	at      int64
	encoder protocol.CountsEncoder
}

func newBench(t testing.TB) *bench {
	t.Helper()
	j, err := journal.Open(t.TempDir(), journal.Options{Place: journal.InJournal, Gateway: "pi", By: "pi"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	b := &bench{t: t, journal: j, base: protocol.NewID(), at: startNs - aheadNs}
	own := b.open("gateway")
	epoch, err := own.Begin(0, 1)
	if err != nil {
		t.Fatal(err)
	}
	b.append(own, epoch, protocol.TypeDescriptor, &protocol.Descriptor{Stream: "gateway", Base: b.base, Software: "test", Cause: "test"})
	b.clock = b.clockFrame(own, epoch, aheadNs)
	b.stream = b.open("bench")
	return b
}

func (b *bench) open(name string) *journal.Stream {
	b.t.Helper()
	st, err := b.journal.Stream(name, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	return st
}

func (b *bench) append(st *journal.Stream, epoch uint32, typ protocol.Type, v any) []byte {
	b.t.Helper()
	frame, err := protocol.AppendJSON(nil, protocol.Header{
		Type: typ, Stream: st.ID(), Epoch: epoch, Seq: st.NextSeq(), Index: b.index, Time: b.at,
	}, v)
	if err == nil {
		err = st.Append(frame)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return frame
}

// clockFrame says how much UTC is ahead of the time base from now on.
func (b *bench) clockFrame(own *journal.Stream, epoch uint32, aheadNs int64) []byte {
	b.t.Helper()
	return b.append(own, epoch, protocol.TypeClock, &protocol.Clock{
		Kind: protocol.ClockHost, UTCNs: protocol.Int64(b.at + aheadNs), Cause: protocol.ClockStart, Sync: protocol.SyncSynchronised,
	})
}

// begin begins a part with these channels.
func (b *bench) begin(channels ...string) {
	b.t.Helper()
	list := make([]protocol.Channel, len(channels))
	for i, name := range channels {
		list[i] = protocol.Channel{Name: name, Kind: protocol.KindCount}
	}
	b.beginWith(list)
}

func (b *bench) beginWith(list []protocol.Channel) { b.beginAt(gateNs, list) }

func (b *bench) beginAt(gate int64, list []protocol.Channel) {
	b.t.Helper()
	epoch, err := b.stream.Begin(0, 1)
	if err != nil {
		b.t.Fatal(err)
	}
	b.epoch, b.index = epoch, 0
	b.append(b.stream, epoch, protocol.TypeDescriptor, &protocol.Descriptor{
		Stream: "bench", Base: b.base, Software: "test", Cause: "test", GateNs: protocol.Int64(gate), Channels: list,
	})
}

// reading adds one reading, in a frame of its own.
func (b *bench) reading(values ...uint64) {
	b.t.Helper()
	columns := make([][]uint64, len(values))
	for i, v := range values {
		columns[i] = []uint64{v}
	}
	b.frame(&protocol.Counts{Begin: []int64{b.at}, Length: []int64{gateNs}, Values: columns})
}

// long begins a part with the channels A and AB whose gates last so long, and
// adds one reading.
func (b *bench) long(gate time.Duration, a, ab uint64) {
	b.t.Helper()
	b.beginAt(int64(gate), []protocol.Channel{{Name: "A", Kind: protocol.KindCount}, {Name: "AB", Kind: protocol.KindCount}})
	b.frame(&protocol.Counts{Begin: []int64{b.at}, Length: []int64{int64(gate)}, Values: [][]uint64{{a}, {ab}}})
}

func (b *bench) frame(c *protocol.Counts) {
	b.t.Helper()
	frame, err := b.encoder.Append(nil, protocol.Header{Stream: b.stream.ID(), Epoch: b.epoch, Seq: b.stream.NextSeq(), Index: b.index}, c)
	if err == nil {
		err = b.stream.Append(frame)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	b.index += uint64(len(c.Begin))
	b.at = c.Begin[len(c.Begin)-1] + gateNs
}

// gap says that n readings are missing.
func (b *bench) gap(n uint64) {
	missing := protocol.Uint64(n)
	b.append(b.stream, b.epoch, protocol.TypeGap, &protocol.Gap{Cause: protocol.CauseBytesLost, Missing: &missing})
	b.index += n
	b.at += int64(n) * gateNs
}

func (b *bench) deps() Deps {
	return Deps{
		Journal: b.journal, Gateway: "pi", Devices: []string{"bench"}, Clock: func() []byte { return b.clock },
		Log: zerolog.New(zerolog.NewTestWriter(b.t)),
	}
}

// running is an output that runs until the test ends.
type running struct {
	*Output
	t    testing.TB
	stop context.CancelFunc
	done chan struct{}
}

func (b *bench) run(c Config, change ...func(*Deps)) *running {
	b.t.Helper()
	if c.Listen == "" && c.Dial == "" {
		c.Listen = "127.0.0.1:0"
	}
	deps := b.deps()
	for _, f := range change {
		f(&deps)
	}
	o, err := New(c, deps)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := o.Open(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(b.t.Context()))
	r := &running{Output: o, t: b.t, stop: stop, done: make(chan struct{})}
	go func() { o.Run(ctx); close(r.done) }()
	b.t.Cleanup(r.end)
	return r
}

// end stops the output in order.
func (r *running) end() {
	r.stop()
	select {
	case <-r.done:
	case <-time.After(patience):
		r.t.Error("the output does not end")
	}
}

// peer is a client made of nothing but a connection.
type peer struct {
	t    testing.TB
	conn net.Conn
}

// connect dials the output and waits until it counts the client.
func (r *running) connect() *peer {
	r.t.Helper()
	before := r.total()
	conn, err := net.Dial("tcp", r.Status().Address)
	if err != nil {
		r.t.Fatal(err)
	}
	p := newPeer(r.t, conn)
	r.wait(func() bool { return r.total() > before })
	return p
}

// total is how many clients there ever were.
func (r *running) total() uint64 { return r.served.Load() }

func newPeer(t testing.TB, conn net.Conn) *peer {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &peer{t, conn}
}

// wait waits until something holds.
func (r *running) wait(holds func() bool) {
	r.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for !holds() {
		select {
		case <-tick.C:
		case <-limit:
			r.t.Fatal("waited too long")
		}
	}
}

func (p *peer) say(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p.conn, text); err != nil {
		p.t.Fatal(err)
	}
}

// expect reads exactly these bytes.
func (p *peer) expect(want string) {
	p.t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(p.conn, got)
	if err != nil || string(got) != want {
		p.t.Fatalf("got  %q, %v\nwant %q", got[:n], err, want)
	}
}

// until reads up to a text, which it returns with.
func (p *peer) until(end string) string {
	p.t.Helper()
	var got []byte
	one := make([]byte, 1)
	for !bytes.HasSuffix(got, []byte(end)) {
		if _, err := p.conn.Read(one); err != nil {
			p.t.Fatalf("got %q and %v, waiting for %q", got, err, end)
		}
		got = append(got, one[0])
	}
	return string(got)
}

// closed reads to the end, and fails when something comes before it.
func (p *peer) closed() {
	p.t.Helper()
	if rest, err := io.ReadAll(p.conn); err != nil || len(rest) > 0 {
		p.t.Fatalf("got %q, %v, want the end", rest, err)
	}
}
