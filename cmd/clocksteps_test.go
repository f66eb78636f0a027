package cmd_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/device"
	"photongate/gateway"
	"photongate/protocol"
	"photongate/receiver"
)

// computer is the clocks of one, moved by hand. It stands still between.
type computer struct {
	mu                     sync.Mutex
	even, utc, mono, slept int64
	sync, boot             string
	looks                  int
	looked                 chan struct{} // closed and replaced at each look
}

func (c *computer) source() *gateway.ClockSource {
	read := func(ns *int64) func() int64 {
		return func() int64 {
			c.mu.Lock()
			defer c.mu.Unlock()
			return *ns
		}
	}
	return &gateway.ClockSource{Even: read(&c.even), UTC: read(&c.utc), Mono: read(&c.mono), Slept: read(&c.slept), Boot: c.boot, Quality: func() gateway.ClockQuality {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.looks++
		close(c.looked)
		c.looked = make(chan struct{})
		return gateway.ClockQuality{Sync: c.sync}
	}}
}

func (c *computer) change(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

func (c *computer) pass(d time.Duration) {
	c.change(func() { c.even, c.utc, c.mono = c.even+int64(d), c.utc+int64(d), c.mono+int64(d) })
}

// clockedBench is a gateway on such a computer with an instrument of gates of 1 s
// that counts 1, 2, 3..., and an archive.
type clockedBench struct {
	t        *testing.T
	computer *computer
	dir      string
	feed     chan reading
	opened   chan device.Clock
	clock    device.Clock
	g        *gateway.Gateway
	stop     func()
	counts   uint64
	archived uint64
}

type reading struct {
	begin int64
	value uint64
}

// countSource is the instrument, opened.
type countSource struct {
	*countPort
	feed <-chan reading
}

type countPort struct {
	once   sync.Once
	closed chan struct{}
}

func (p *countPort) Write([]byte) (int64, error) { return 0, nil }
func (p *countPort) Discard() error              { return nil }
func (p *countPort) Name() string                { return "memory" }
func (p *countPort) Close() error                { p.once.Do(func() { close(p.closed) }); return nil }

// idlePort is the port that countSource does not read.
type idlePort struct{ *countPort }

func (idlePort) Read([]byte, time.Duration) (int, int64, error) { return 0, 0, device.ErrTimeout }

// Describe tells of longer gates than there are: an instrument that is silent for
// ten of them is opened again, and tests may take their time.
func (s countSource) Describe() device.Description {
	return device.Description{Model: "counter", Port: "memory", Gate: time.Minute, Timing: device.ByDevice, Channels: []device.Channel{{Name: "A", Kind: device.Count, Width: 32}}}
}

func (s countSource) Read(b *device.Batch) error {
	limit := time.NewTimer(device.MaxWait)
	defer limit.Stop()
	select {
	case <-s.closed:
		return device.ErrClosed
	case <-limit.C:
	case r := <-s.feed:
		b.Begin, b.Length, b.Live = append(b.Begin, r.begin), append(b.Length, 1e9), append(b.Live, 1e9)
		b.Uncertainty, b.Flags = append(b.Uncertainty, 0), append(b.Flags, 0)
		b.Values[0], b.ValueFlags[0] = append(b.Values[0], r.value), append(b.ValueFlags[0], 0)
	}
	return nil
}

func newClockedBench(t *testing.T, utc string, sync string) *clockedBench {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, utc)
	if err != nil {
		t.Fatal(err)
	}
	// The computer was booted 1000 s ago.
	const since = int64(1000 * time.Second)
	b := &clockedBench{
		t: t, dir: t.TempDir(), opened: make(chan device.Clock, 16), feed: make(chan reading),
		computer: &computer{even: since, mono: since, utc: at.UnixNano(), sync: sync, boot: "a boot", looked: make(chan struct{})},
	}
	b.start()
	t.Cleanup(func() { b.stop() })
	return b
}

// start starts the gateway, or starts it again after stop.
func (b *clockedBench) start() {
	b.t.Helper()
	g, err := gateway.New(gateway.Config{
		Name: "pi", Listen: []string{"127.0.0.1:0"}, Journal: filepath.Join(b.dir, "journal"),
		Devices: []gateway.DeviceConfig{{Name: "bench", Driver: "counter", Port: "/dev/none", Batch: 10 * time.Millisecond}},
	}, gateway.Deps{
		Clock: b.computer.source(),
		Drivers: []device.Driver{{Name: "counter", Title: "counter", Transport: device.Serial, Line: device.Line{Baud: 9600},
			Open: func(_ context.Context, r device.OpenRequest) (device.Source, error) {
				b.opened <- r.Clock
				return countSource{r.Port.(idlePort).countPort, b.feed}, nil
			}}},
		OpenPort: func(context.Context, string, device.Line, device.Clock) (device.Port, error) {
			return idlePort{&countPort{closed: make(chan struct{})}}, nil
		},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(b.t.Context()))
	running := make(chan error, 1)
	go func() { running <- g.Run(ctx) }()
	b.g, b.stop = g, sync.OnceFunc(func() {
		stop()
		if err := <-running; err != nil {
			b.t.Errorf("the gateway ended: %v", err)
		}
	})
	b.awaitOpen()
}

func (b *clockedBench) awaitOpen() {
	b.t.Helper()
	select {
	case b.clock = <-b.opened:
	case <-time.After(patience):
		b.t.Fatal("the instrument is not opened")
	}
}

// read lets n seconds pass, and the instrument count them.
func (b *clockedBench) read(n int) {
	b.t.Helper()
	had := uint64(b.g.Status().Devices[0].Readings)
	for range n {
		begin := b.clock()
		b.computer.pass(time.Second)
		b.counts++
		select {
		case b.feed <- reading{begin, b.counts}:
		case <-time.After(patience):
			b.t.Fatal("the instrument is not read")
		}
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); uint64(b.g.Status().Devices[0].Readings) < had+uint64(n); {
		select {
		case <-tick.C:
		case <-deadline:
			b.t.Fatalf("the device is %+v", b.g.Status().Devices[0])
		}
	}
}

// set steps UTC, as a person or a time service does, and waits until the gateway
// has seen it.
func (b *clockedBench) set(step time.Duration, sync string) {
	b.t.Helper()
	b.computer.change(func() { b.computer.utc, b.computer.sync = b.computer.utc+int64(step), sync })
	b.look()
}

// look waits for a whole look at the clocks: the second one that ends from now on
// began after now.
func (b *clockedBench) look() {
	b.t.Helper()
	b.computer.mu.Lock()
	want := b.computer.looks + 2
	b.computer.mu.Unlock()
	for deadline := time.After(patience); ; {
		b.computer.mu.Lock()
		looks, looked := b.computer.looks, b.computer.looked
		b.computer.mu.Unlock()
		if looks >= want {
			return
		}
		select {
		case <-looked:
		case <-deadline:
			b.t.Fatal("nobody looks at the clocks")
		}
	}
}

// sleep suspends the computer, and waits until the instrument was opened again.
func (b *clockedBench) sleep(d time.Duration) {
	b.t.Helper()
	c := b.computer
	c.change(func() { c.even, c.utc, c.slept = c.even+int64(d), c.utc+int64(d), c.slept+int64(d) })
	b.awaitOpen()
	b.look()
}

// reboot switches the computer off and, 30 s before the gateway starts, on again.
func (b *clockedBench) reboot(utc, sync string) {
	b.t.Helper()
	b.stop()
	at, err := time.Parse(time.RFC3339Nano, utc)
	if err != nil {
		b.t.Fatal(err)
	}
	b.computer.change(func() {
		c := b.computer
		c.even, c.mono, c.utc, c.sync, c.boot = 30e9, 30e9, at.UnixNano(), sync, "another boot"
	})
	b.start()
}

// rows brings the archive up to date and returns its CSV: part, time_utc, t_s, A
// and flags.
func (b *clockedBench) rows() []string {
	b.t.Helper()
	archive := filepath.Join(b.dir, "archive")
	if more := b.counts - b.archived; more > 0 {
		s, err := receiver.Record(b.t.Context(), receiver.RecordOptions{Addresses: []string{b.g.Addr().String()}, Dir: archive, Name: "desk", Readings: more, Resume: true})
		if err != nil {
			b.t.Fatalf("record: %v, %+v", err, s)
		}
		b.archived = b.counts
	}
	var text strings.Builder
	if _, err := receiver.Cat(b.t.Context(), &text, receiver.CatOptions{Source: archive, Streams: []string{"bench"}}); err != nil {
		b.t.Fatal(err)
	}
	var rows []string
	for _, r := range parseCSV(b.t, text.String())[1:] {
		rows = append(rows, strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s", r[5], r[0], r[1], r[8], r[7])))
	}
	return rows
}

// samePython holds the times that the Python client gives against those of CSV.
func (b *clockedBench) samePython(want []string) {
	b.t.Helper()
	for _, p := range pythons(b.t) {
		code, out, stderr := p.run(b.t, place{}, "times.py", filepath.Join(b.dir, "archive"), "bench")
		if d := cmp.Diff(strings.Split(strings.TrimSpace(out), "\n"), want); code != 0 || d != "" {
			b.t.Errorf("Python %s: exit code %d (-got +want):\n%s\n%s", p.name, code, d, stderr)
		}
	}
}

func (b *clockedBench) verify() string {
	b.t.Helper()
	report, err := receiver.Verify(b.t.Context(), filepath.Join(b.dir, "archive"), receiver.VerifyOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	var text strings.Builder
	if err := report.WriteText(&text); err != nil {
		b.t.Fatal(err)
	}
	return text.String()
}

const (
	synced, unsynced = protocol.SyncSynchronised, protocol.SyncUnsynchronised
	noonish          = "2026-11-20T13:30:12Z"
)

// clockCase plays one trouble with the clock; says is what verify must tell.
type clockCase struct {
	utc, sync string
	injected  string
	play      func(b *clockedBench)
	want      []string
	says      string
}

// steady is nine readings in one part, whatever happened to UTC.
func steady(times ...string) []string {
	var rows []string
	for i, at := range times {
		rows = append(rows, fmt.Sprintf("1 2026-11-20T%s.000000Z %d.000000 %d", at, i, i+1))
	}
	return rows
}

var clockCases = map[string]clockCase{
	"an hour ahead and back": {noonish, synced, "UTC set 1 h ahead by hand, 3 s later back by the time service",
		func(b *clockedBench) {
			b.read(3)
			b.set(time.Hour, unsynced) // a kernel whose clock is set forgets that it was synchronised
			b.read(3)
			b.set(-time.Hour, synced)
			b.read(3)
		},
		steady("13:30:12", "13:30:13", "13:30:14", "13:30:15", "13:30:16", "13:30:17", "13:30:18", "13:30:19", "13:30:20"),
		"was set 1h0m ahead, noticed 2026-11-20T13:30:15.000Z\n  was set 1h0m back, noticed 2026-11-20T13:30:18.000Z"},
	"an hour back, which the time service wants": {noonish, synced, "UTC set 1 h back, synchronised before and after",
		func(b *clockedBench) {
			b.read(3)
			b.set(-time.Hour, synced)
			b.read(3)
		},
		steady("13:30:12", "13:30:13", "13:30:14", "12:30:15", "12:30:16", "12:30:17"), "was set 1h0m back"},
	"an hour back, where nobody synchronises": {noonish, unsynced, "UTC set 1 h back by hand",
		func(b *clockedBench) {
			b.read(3)
			b.set(-time.Hour, unsynced)
			b.read(3)
		},
		steady("12:30:12", "12:30:13", "12:30:14", "12:30:15", "12:30:16", "12:30:17"), "never synchronised with UTC in 6s"},
	"to 1970 and back": {noonish, synced, "UTC set to 1970 for 3 s",
		func(b *clockedBench) {
			b.read(3)
			b.set(-1795181410*time.Second, unsynced)
			b.read(3)
			b.set(1795181410*time.Second, synced)
			b.read(3)
		},
		steady("13:30:12", "13:30:13", "13:30:14", "13:30:15", "13:30:16", "13:30:17", "13:30:18", "13:30:19", "13:30:20"), "was set 20777.6 d back"},
	"to 1970 and back, on a system that does not tell": {noonish, protocol.SyncUnknown, "UTC set to 1970 for 3 s, synchronisation not told",
		func(b *clockedBench) {
			b.read(3)
			b.set(-1795181410*time.Second, protocol.SyncUnknown)
			b.read(3)
			b.set(1795181410*time.Second, protocol.SyncUnknown)
			b.read(3)
		},
		steady("13:30:12", "13:30:13", "13:30:14", "13:30:15", "13:30:16", "13:30:17", "13:30:18", "13:30:19", "13:30:20"), "does not tell whether"},
	"a leap second": {"2026-12-31T23:59:57Z", synced, "23:59:59 comes twice, as Linux does it",
		func(b *clockedBench) {
			b.read(3)
			b.set(-time.Second, synced)
			b.read(3)
		},
		[]string{
			"1 2026-12-31T23:59:57.000000Z 0.000000 1", "1 2026-12-31T23:59:58.000000Z 1.000000 2", "1 2026-12-31T23:59:59.000000Z 2.000000 3",
			"1 2026-12-31T23:59:59.000000Z 3.000000 4", "1 2027-01-01T00:00:00.000000Z 4.000000 5", "1 2027-01-01T00:00:01.000000Z 5.000000 6",
		}, "was set 1s back, noticed 2026-12-31T23:59:59.000Z"},
	"suspended for an hour": {noonish, synced, "suspended for 1 h",
		func(b *clockedBench) {
			b.read(2)
			b.sleep(time.Hour)
			b.read(2)
		},
		[]string{
			"1 2026-11-20T13:30:12.000000Z 0.000000 1", "1 2026-11-20T13:30:13.000000Z 1.000000 2",
			"2 2026-11-20T14:30:14.000000Z 3602.000000 3", "2 2026-11-20T14:30:15.000000Z 3603.000000 4",
		}, "part 2: gap: host slept, from 2026-11-20T13:30:14.000Z, for 3600.000 s"},
	"stopped in 1970, started when the time was right": {"1970-01-01T00:16:40Z", unsynced, "a gateway that ended before the clock was set, and another after it",
		func(b *clockedBench) {
			b.read(2) // 1000 s after the boot
			b.stop()
			b.computer.pass(598 * time.Second)
			b.computer.change(func() { b.computer.utc, b.computer.sync = 1795181412e9, synced })
			b.start()
			b.read(2)
		},
		[]string{
			"1 2026-11-20T13:20:12.000000Z 0.000000 1", "1 2026-11-20T13:20:13.000000Z 1.000000 2",
			"2 2026-11-20T13:30:12.000000Z 600.000000 3", "2 2026-11-20T13:30:13.000000Z 601.000000 4",
		}, "part 2: gap: gateway stopped, from 2026-11-20T13:20:14.000Z, for 598.000 s"},
	"booted with the time of Friday": {"2026-11-20T18:00:00Z", synced, "switched off over the weekend; the clock of the next boot goes on 43 min before it was, and is set 2 s later",
		func(b *clockedBench) {
			b.read(2)
			b.reboot("2026-11-20T17:17:00Z", unsynced)
			b.read(2)
			b.set(63*time.Hour+43*time.Minute, synced)
			b.read(1)
		},
		[]string{
			"1 2026-11-20T18:00:00.000000Z 0.000000 1", "1 2026-11-20T18:00:01.000000Z 1.000000 2",
			"2 2026-11-23T09:00:00.000000Z 226800.000000 3", "2 2026-11-23T09:00:01.000000Z 226801.000000 4",
			"2 2026-11-23T09:00:02.000000Z 226802.000000 5",
		}, "part 2: gap: gateway stopped, from 2026-11-20T18:00:02.000Z, for 226798.000 s"},
	"booted in 1970, after a day that was known": {"2026-11-20T18:00:00Z", synced, "switched off for 63 h; the next boot begins in 1970, and is set 2 s later",
		func(b *clockedBench) {
			b.read(2)
			b.reboot("1970-01-01T00:00:30Z", unsynced)
			b.read(2)
			b.set(time.Date(2026, 11, 23, 9, 0, 2, 0, time.UTC).Sub(time.Unix(32, 0)), synced)
			b.read(1)
		},
		[]string{
			"1 2026-11-20T18:00:00.000000Z 0.000000 1", "1 2026-11-20T18:00:01.000000Z 1.000000 2",
			"2 2026-11-23T09:00:00.000000Z 226800.000000 3", "2 2026-11-23T09:00:01.000000Z 226801.000000 4",
			"2 2026-11-23T09:00:02.000000Z 226802.000000 5",
		}, "part 2: gap: gateway stopped, from 2026-11-20T18:00:02.000Z, for 226798.000 s"},
	"stopped in 1970, started after another boot": {"1970-01-01T00:16:40Z", unsynced, "a computer that never knew the time, and was booted again",
		func(b *clockedBench) {
			b.read(2)
			b.stop()
			b.computer.change(func() { b.computer.utc, b.computer.sync, b.computer.boot = 1795181412e9, synced, "another boot" })
			b.start()
			b.read(1)
		},
		// Nothing ties the two boots: t_s cannot know.
		[]string{"1  0.000000 1 utc_unknown", "1  1.000000 2 utc_unknown", "2 2026-11-20T13:30:12.000000Z 1795180412.000000 3"},
		"part 2: gap: gateway stopped, from 2026-11-20T13:30:12.000Z, for an unknown time"},
}

// TestClockTroubles: whatever is done to the computer's clock, order and
// intervals of readings stay what they are, and times are right where they can be
// known; through gateway, journal, archive and CSV.
func TestClockTroubles(t *testing.T) {
	t.Parallel()
	for name, c := range clockCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Attr("fault", "F41")
			t.Attr("injected", c.injected)
			t.Attr("promised", "order and t_s unchanged, time_utc as known afterwards, verify tells of it")
			b := newClockedBench(t, c.utc, c.sync)
			c.play(b)
			rows := b.rows()
			if d := cmp.Diff(rows, c.want); d != "" {
				t.Errorf("rows (-got +want):\n%s", d)
			}
			b.samePython(c.want)
			text := b.verify()
			if !strings.Contains(text, c.says) {
				t.Errorf("verify does not say %q:\n%s", c.says, text)
			}
			t.Attr("seen", fmt.Sprintf("%d rows; last: %s", len(rows), rows[len(rows)-1]))
		})
	}
}

// TestFirstSynchronisation: a computer without a clock of its own begins in 1970
// and is synchronised after ten minutes. Times are empty before, and then right of
// all readings of that boot: those of a process that had ended by then too, though
// the computer slept for an hour in between.
func TestFirstSynchronisation(t *testing.T) {
	t.Parallel()
	t.Attr("fault", "F41")
	t.Attr("injected", "boot in 1970; a process of the gateway ends; 1 h suspended; another starts; first synchronisation 10 min later")
	t.Attr("promised", "no times before, all times right afterwards, those of the earlier process and parts too; t_s always right")
	b := newClockedBench(t, "1970-01-01T00:16:40Z", unsynced) // booted at 0 h
	b.read(2)
	if d := cmp.Diff(b.rows(), []string{"1  0.000000 1 utc_unknown", "1  1.000000 2 utc_unknown"}); d != "" {
		t.Errorf("in 1970 (-got +want):\n%s", d)
	}
	b.stop()
	c := b.computer
	c.change(func() { c.even, c.utc, c.slept = c.even+3600e9, c.utc+3600e9, c.slept+3600e9 })
	b.start()
	b.read(2)
	early := []string{"1  0.000000 1 utc_unknown", "1  1.000000 2 utc_unknown", "2  3602.000000 3 utc_unknown", "2  3603.000000 4 utc_unknown"}
	if d := cmp.Diff(b.rows(), early); d != "" {
		t.Errorf("two processes in 1970 (-got +want):\n%s", d)
	}
	b.samePython(early)
	if text := b.verify(); !strings.Contains(text, "UTC is not known of 4 readings") {
		t.Errorf("verify says:\n%s", text)
	}
	c.pass(596 * time.Second)
	// 5200 s after the boot it is 13:30:00 UTC: the boot was at 12:03:20.
	b.set(1795181400*time.Second-5200*time.Second, synced)
	b.read(2)
	rows := b.rows()
	want := []string{
		"1 2026-11-20T12:20:00.000000Z 0.000000 1", "1 2026-11-20T12:20:01.000000Z 1.000000 2",
		"2 2026-11-20T13:20:02.000000Z 3602.000000 3", "2 2026-11-20T13:20:03.000000Z 3603.000000 4",
		"2 2026-11-20T13:30:00.000000Z 4200.000000 5", "2 2026-11-20T13:30:01.000000Z 4201.000000 6",
	}
	if d := cmp.Diff(rows, want); d != "" {
		t.Errorf("synchronised (-got +want):\n%s", d)
	}
	b.samePython(want)
	text := b.verify()
	if strings.Contains(text, "is not known") || !strings.Contains(text, "was set 20777.5 d ahead, noticed 2026-11-20T13:30:00.000Z") ||
		!strings.Contains(text, "part 2: gap: gateway stopped, from 2026-11-20T12:20:02.000Z, for 3600.000 s") {
		t.Errorf("verify says:\n%s", text)
	}
	t.Attr("seen", fmt.Sprintf("%d rows in %d parts, the first %s", len(rows), 2, rows[0]))
}
