package cmd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"photongate/device"
	cd48driver "photongate/device/cd48"
	de2driver "photongate/device/de2ccu"
	"photongate/gateway"
	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/journal/journaltest"
	"photongate/receiver"
)

// seedOf is the seed of a random test: the one asked for, or a new one; it is
// printed either way.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("PHOTONGATE_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("PHOTONGATE_SEED: %v", err)
		}
	}
	t.Logf("seed %d: PHOTONGATE_SEED=%d go test ./cmd -run '^%s$'", seed, seed, t.Name())
	return seed
}

// life is something that runs until it is stopped.
type life struct {
	stop context.CancelFunc
	done chan error
}

func live(f func(ctx context.Context) error) *life {
	ctx, stop := context.WithCancel(context.Background())
	l := &life{stop: stop, done: make(chan error, 1)}
	go func() { l.done <- f(ctx) }()
	return l
}

// end stops it and waits; what takes longer than patience hangs.
func (l *life) end(t *testing.T, what string) error {
	t.Helper()
	l.stop()
	select {
	case err := <-l.done:
		return err
	case <-time.After(patience):
		t.Fatalf("%s does not end", what)
		return nil
	}
}

// powerLab is a gateway and two receivers on disks that lose what was not
// synced. The archive "ana" loses its power as the gateway does; "calm" never
// does, so that it is ahead whenever the gateway has lost something.
type powerLab struct {
	t      *testing.T
	rnd    *rand.Rand
	bench  *memoryLab
	oracle *oracle
	dir    string

	disk    *journaltest.FS // the gateway's
	gateway *life
	addr    chan string // of the gateway that runs; one at most
	archive map[string]*journaltest.FS
	records map[string]*life
	cuts    map[string]int
	epochs  uint32 // of the stream cd, before the gateway that runs now
}

func newPowerLab(t *testing.T, seed uint64) *powerLab {
	l := &powerLab{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), bench: newMemoryLab(t), oracle: newOracle(), dir: t.TempDir(),
		disk: journaltest.New(), addr: make(chan string, 1), records: map[string]*life{}, cuts: map[string]int{},
		archive: map[string]*journaltest.FS{"ana": journaltest.New(), "calm": journaltest.New()}}
	t.Cleanup(func() {
		for _, r := range l.records {
			r.end(t, "a receiver")
		}
		if l.gateway != nil {
			l.gateway.end(t, "the gateway")
		}
	})
	return l
}

func (l *powerLab) journal() string { return filepath.Join(l.dir, "journal") }

// startGateway starts a gateway on its disk as it is.
func (l *powerLab) startGateway() {
	l.t.Helper()
	log := zerolog.Nop()
	if testing.Verbose() {
		log = zerolog.New(zerolog.NewTestWriter(l.t)).Level(zerolog.PanicLevel)
	}
	g, err := gateway.New(gateway.Config{
		Name: "pi-lab3", Listen: []string{"127.0.0.1:0"}, Journal: l.journal(),
		Devices: []gateway.DeviceConfig{
			{Name: "bench", Driver: "de2ccu", Port: "/memory/bench"},
			{Name: "cd", Driver: "cd48", Port: "/memory/cd", Options: map[string]any{"gate": "20ms"}},
		},
	}, gateway.Deps{Drivers: []device.Driver{de2driver.Driver, cd48driver.Driver}, OpenPort: l.bench.open, FS: l.disk, Log: log})
	if err != nil {
		l.t.Fatal(err)
	}
	if f, err := journal.OpenFolder(l.disk, l.journal()); err == nil {
		for _, s := range f.Streams() {
			if s.ID == l.cd() {
				l.epochs = s.LastEpoch
			}
		}
	}
	l.gateway = live(g.Run)
	select {
	case <-g.Ready():
	case err := <-l.gateway.done:
		l.gateway = nil
		l.t.Fatalf("the gateway does not start: %v", err)
	}
	l.addr <- g.Addr().String()
}

// cutGateway ends a gateway as a power cut does, or as kill -9 does.
func (l *powerLab) cutGateway(how int) {
	l.t.Helper()
	l.cuts[cutNames[how]]++
	l.t.Logf("power cut of the gateway: %s", cutNames[how])
	<-l.addr
	if how == killed {
		l.disk = l.disk.Kill()
	} else {
		l.disk = l.disk.PowerCut(journaltest.After(how), l.rnd)
	}
	l.oracle.cutOff()
	_ = l.gateway.end(l.t, "a gateway without power") // it cannot end well
	l.gateway = nil
	if _, err := l.oracle.checkJournal(l.disk, l.journal()); err != nil {
		l.t.Fatal(err)
	}
}

// startReceiver starts a receiver on its disk as it is.
func (l *powerLab) startReceiver(name string) {
	log := zerolog.Nop()
	if testing.Verbose() {
		log = zerolog.New(zerolog.NewTestWriter(l.t)).Level(zerolog.PanicLevel)
	}
	l.archive[name].SlowSync(50 * time.Millisecond) // so that a cut finds frames that are not synced
	o := receiver.RecordOptions{Addresses: []string{"127.0.0.1:7310"}, Dir: "arch", Name: name, FS: l.archive[name], Log: log,
		Dial: func(ctx context.Context, _ string) (net.Conn, error) {
			var addr string
			select {
			case addr = <-l.addr:
				l.addr <- addr
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
			if err != nil {
				return nil, fmt.Errorf("%w: %w", receiver.ErrUnreachable, err)
			}
			return l.oracle.tap(conn, name), nil
		}}
	l.records[name] = live(func(ctx context.Context) error {
		_, err := receiver.Record(ctx, o)
		return err
	})
}

// cutReceiver ends a receiver as a power cut does, or kill -9, and compares its
// archive with what it acked.
func (l *powerLab) cutReceiver(name string, how int) {
	l.t.Helper()
	l.cuts["receiver: "+cutNames[how]]++
	l.t.Logf("power cut of the receiver %s: %s", name, cutNames[how])
	if how == killed {
		l.archive[name] = l.archive[name].Kill()
	} else {
		l.archive[name] = l.archive[name].PowerCut(journaltest.After(how), l.rnd)
	}
	_ = l.records[name].end(l.t, "a receiver without power")
	delete(l.records, name)
	l.oracle.forget(name)
	l.check(name)
}

func (l *powerLab) check(name string) (acked int) {
	l.t.Helper()
	acked, err := l.oracle.checkArchive(l.archive[name], "arch", name)
	if err != nil {
		l.t.Fatal(err)
	}
	return acked
}

// Ways in which a computer ends: journaltest.After, and the process alone.
const (
	killed = 4
	ways   = 5
)

var cutNames = [ways]string{"unsynced lost", "part of it lost", "sectors zeroed", "sectors reordered", "killed alone"}

// awaitAcks waits until every receiver has acked frames that the gateway made
// which runs now, and acks more: that it did before it was cut off says nothing of
// whether it is back.
func (l *powerLab) awaitAcks() {
	l.t.Helper()
	limit := time.After(patience)
	before := map[string]map[position]uint64{}
	l.oracle.mu.Lock()
	for name := range l.records {
		before[name] = maps.Clone(l.oracle.acked[name])
	}
	l.oracle.mu.Unlock()
	for {
		l.oracle.mu.Lock()
		more, done := l.oracle.more, true
		for name := range l.records {
			has := false
			for at, seq := range l.oracle.acked[name] {
				has = has || at.id == l.cd() && at.epoch > l.epochs && seq > before[name][at]
			}
			done = done && has
		}
		l.oracle.mu.Unlock()
		if done {
			return
		}
		select {
		case <-more:
		case <-limit:
			l.t.Fatalf("the receivers do not ack: %s", l.oracle.complaints())
		}
	}
}

// cd is the id of the stream of the CD48: gateway, bench, cd.
func (l *powerLab) cd() uint32 { return 3 }

// The power goes at the gateway, at a receiver, at both, at random moments and
// in every way, while a second receiver is ahead of what the gateway has left.
// No number is used twice, nothing acked changes or vanishes, nothing new is
// taken for a duplicate, and what is missing is covered.
func TestPowerCutsWithReceiversAttached(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	rounds := 10
	if isLong() {
		rounds = 300
	}
	l := newPowerLab(t, seed)
	l.startGateway()
	for _, name := range []string{"ana", "calm"} {
		l.startReceiver(name)
	}
	l.awaitAcks()
	acked := 0
	for round := range rounds {
		pause(t, time.Duration(l.rnd.Int64N(int64(1200*time.Millisecond))))
		how, what := l.rnd.IntN(ways), l.rnd.IntN(4)
		if what >= 2 { // both, in either order
			l.cutGateway(l.rnd.IntN(ways))
		}
		if what >= 1 {
			l.cutReceiver("ana", how)
			acked = l.check("ana")
			l.startReceiver("ana")
		}
		if what == 0 {
			l.cutGateway(how)
		}
		if l.gateway == nil {
			l.startGateway()
		}
		if round%4 == 3 {
			l.awaitAcks()
		}
		if wrong := l.oracle.complaints(); wrong != "" {
			t.Fatalf("round %d: %s", round, wrong)
		}
		if isLong() && round%20 == 19 {
			progress(t, "%d of %d rounds, %d frames acked", round+1, rounds, acked)
		}
	}
	l.awaitAcks()
	if err := l.gateway.end(t, "the gateway"); err != nil { // in good order: what it has goes to both
		t.Errorf("the gateway's end: %v", err)
	}
	l.gateway = nil
	for _, name := range []string{"ana", "calm"} {
		if err := l.records[name].end(t, "a receiver"); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		delete(l.records, name)
		acked += l.check(name)
	}
	whole, err := l.oracle.checkJournal(l.disk, l.journal())
	if err != nil {
		t.Fatal(err)
	}
	missing := 0
	for name, fsys := range l.archive {
		missing += l.compare(whole, fsys, name)
	}
	if wrong := l.oracle.complaints(); wrong != "" {
		t.Fatal(wrong)
	}
	ahead := l.oracle.answers[protocol.AnswerAhead]
	if ahead == 0 || l.oracle.answers[protocol.AnswerDiverged] > 0 || l.oracle.answers[protocol.AnswerUnknownJournal] > 0 {
		t.Errorf("answers %v: want some ahead, none diverged or unknown", l.oracle.answers)
	}
	t.Attr("fault", "F05")
	t.Attr("fault", "F06")
	t.Attr("injected", fmt.Sprintf("%d rounds of power cuts of gateway, receiver or both: %v", rounds, l.cuts))
	t.Attr("promised", "no number is used twice, nothing acked changes or vanishes, nothing new is taken for a duplicate; gaps and holes cover the rest")
	t.Attr("seen", fmt.Sprintf("%s frames left gateways, %s acks of frames by two receivers, all held; answers %v; %d readings that had left were lost with both copies; seed %d",
		grouped(len(l.oracle.left)), grouped(acked), l.oracle.answers, missing, seed))
}

// compare holds an archive against the journal and the truth: the archive has
// all that the journal has and more, every reading was counted, once and in
// order, and where one is missing there is a gap, a hole or another epoch. It
// returns how many readings left a gateway and are not in the archive.
func (l *powerLab) compare(whole map[string][]*part, fsys *journaltest.FS, name string) (missing int) {
	l.t.Helper()
	entries, err := fsys.ReadDir("arch")
	if err != nil {
		l.t.Fatal(err)
	}
	i := slices.IndexFunc(entries, func(e os.DirEntry) bool { return e.IsDir() })
	all, err := readParts(fsys, filepath.Join("arch", entries[i].Name()))
	if err != nil {
		l.t.Fatal(err)
	}
	for stream, parts := range whole {
		mine := map[uint32]*part{}
		for _, p := range all[stream] {
			mine[p.epoch] = p
		}
		for _, p := range parts {
			for seq, frame := range p.frames {
				if m := mine[p.epoch]; m == nil || !bytes.Equal(m.frames[seq], frame) {
					l.t.Errorf("%s: frame %d of epoch %d of stream %s is in the journal and not in the archive", name, seq, p.epoch, stream)
				}
			}
		}
	}
	for stream, parts := range all {
		for i, p := range parts {
			if i > 0 {
				l.follows(name, stream, parts[i-1], p)
			}
		}
		if truth := l.bench.truth[stream]; truth != nil {
			l.compareTruth(name+", "+stream, parts, truth.rows())
		}
	}
	for id, frame := range l.oracle.left {
		for _, p := range all[map[uint32]string{1: "gateway", 2: "bench", 3: "cd"}[id.id]] {
			if h, _ := protocol.ParseHeader(frame); p.epoch == id.epoch && p.frames[id.seq] == nil {
				missing += int(h.Count)
			}
		}
	}
	return missing
}

// follows checks that an epoch says how far the one before went, and that the
// archive has it so far.
func (l *powerLab) follows(name, stream string, before, p *part) {
	l.t.Helper()
	h, payload, _, err := protocol.ParseFrame(p.frames[1])
	var d protocol.Descriptor
	if err != nil || h.Type != protocol.TypeDescriptor || protocol.DecodeJSON(payload, &d) != nil {
		if len(p.holes) == 0 {
			l.t.Errorf("%s, %s: epoch %d does not begin with its descriptor", name, stream, p.epoch)
		}
		return
	}
	if d.Previous == nil || d.Previous.Epoch > before.epoch || d.Previous.Epoch == before.epoch && uint64(d.Previous.Seq) > before.last {
		l.t.Errorf("%s, %s: epoch %d follows %+v, the archive has %d up to %d", name, stream, p.epoch, d.Previous, before.epoch, before.last)
	}
}

// compareTruth checks by index arithmetic, and by values, that nothing is
// missing without a gap or a hole.
func (l *powerLab) compareTruth(what string, parts []*part, truth []string) {
	l.t.Helper()
	at := map[string]int{}
	for i, row := range truth {
		at[row] = i
	}
	var d protocol.CountsDecoder
	var c protocol.Counts
	lastRow, rows := -1, 0
	for _, p := range parts {
		next, known := uint64(0), true // index of the next reading
		together := false              // with the row before
		seqs := uint64(0)
		for _, seq := range p.order {
			if seq != seqs+1 { // a hole
				known, together = false, false
			}
			seqs = seq
			h, payload, _, err := protocol.ParseFrame(p.frames[seq])
			if err != nil {
				l.t.Fatal(err)
			}
			switch h.Type {
			case protocol.TypeGap:
				var gap protocol.Gap
				if err := protocol.DecodeJSON(payload, &gap); err != nil {
					l.t.Fatal(err)
				}
				together = false
				if next = h.Index; gap.Missing != nil {
					next += uint64(*gap.Missing)
				}
			case protocol.TypeCounts:
				if err := d.Decode(h, payload, &c); err != nil {
					l.t.Fatal(err)
				}
				if known && h.Index != next {
					l.t.Errorf("%s: epoch %d, frame %d begins with reading %d, expected %d", what, p.epoch, seq, h.Index, next)
				}
				next, known = h.Index+uint64(len(c.Begin)), true
				for i := range c.Begin {
					row, counted := at[rowOf(&c, i)]
					if !counted || row <= lastRow || together && row != lastRow+1 {
						l.t.Errorf("%s: epoch %d, frame %d, reading %d (%s) is row %d of the truth (%t) after row %d", what, p.epoch, seq, i, rowOf(&c, i), row, counted, lastRow)
					}
					lastRow, together = row, true
					rows++
				}
			}
			if l.t.Failed() {
				return
			}
		}
	}
	if rows == 0 {
		l.t.Errorf("%s: no readings", what)
	}
}

func rowOf(c *protocol.Counts, i int) string {
	words := make([]string, len(c.Values))
	for n, v := range c.Values {
		words[n] = strconv.FormatUint(v[i], 10)
	}
	return strings.Join(words, ",")
}
