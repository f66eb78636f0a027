package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// teller is an instrument that says "line-0001\n", ten bytes, every 100 ms.
type teller struct {
	next   time.Time
	told   uint64
	silent bool
	events []string
}

const tellerPeriod = 100 * time.Millisecond

var eventNames = map[EventKind]string{
	PowerOn: "power", Opened: "opened", Closed: "closed", Received: "received",
	Unplugged: "unplugged", Plugged: "plugged", Overflow: "overflow", Reboot: "reboot",
	Refuse: "refuse", Panel: "panel", LostMarker: "lostmarker",
}

func (w *teller) Name() string           { return "teller" }
func (w *teller) Channels() []string     { return []string{"lines", "twice"} }
func (w *teller) Next() time.Time        { return w.next }
func (w *teller) CheckFault(Fault) error { return nil }

func (w *teller) Handle(ev Event, line Line) {
	name := eventNames[ev.Kind]
	switch ev.Kind {
	case PowerOn:
		w.next = ev.At.Add(tellerPeriod)
	case Received:
		name += " " + string(ev.Data)
		line.Send(ev.At, append([]byte("re:"), ev.Data...))
	case Overflow:
		name += fmt.Sprintf(" %d", ev.Channel)
	case Reboot:
		name += fmt.Sprintf(" %v", ev.For)
	}
	w.events = append(w.events, name)
}

func (w *teller) Advance(now time.Time, line Line) {
	for !w.next.After(now) {
		w.told++
		line.Latched(w.next, []uint64{w.told, 2 * w.told})
		if !w.silent {
			line.Send(w.next, fmt.Appendf(nil, "line-%04d\n", w.told))
		}
		w.next = w.next.Add(tellerPeriod)
	}
}

// piece is what one Read gave, with its time since the start.
type piece struct {
	After time.Duration
	Text  string
}

// story is what happened while a host read a teller.
type story struct {
	pieces []piece
	fired  []Fired
	truth  string
	teller *teller
	end    error // of the host's last read
}

func (s story) text() string {
	var b strings.Builder
	for _, p := range s.pieces {
		b.WriteString(p.Text)
	}
	return b.String()
}

// tell lets a host read a teller for a while; it must run in a synctest bubble.
func tell(t *testing.T, d time.Duration, faults ...string) story {
	t.Helper()
	s := story{teller: &teller{}}
	var truth bytes.Buffer
	o := Options{Truth: &truth, OnFault: func(f Fired) { s.fired = append(s.fired, f) }, Seed: 3}
	var err error
	if o.Faults, err = ParseFaults(faults); err != nil {
		t.Fatal(err)
	}
	conn := NewMemory()
	runner, err := NewRunner(s.teller, conn, o)
	if err != nil {
		t.Fatal(err)
	}
	port, err := conn.Open()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- runner.Run(ctx) }()
	buf := make([]byte, 256)
	for s.end == nil {
		var n int
		if n, s.end = port.Read(buf); n > 0 {
			s.pieces = append(s.pieces, piece{time.Since(start), string(buf[:n])})
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	s.truth = truth.String()
	return s
}

func TestRunnerWithoutFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := tell(t, 350*time.Millisecond)
		want := []piece{
			{100 * time.Millisecond, "line-0001\n"},
			{200 * time.Millisecond, "line-0002\n"},
			{300 * time.Millisecond, "line-0003\n"},
		}
		if diff := cmp.Diff(s.pieces, want); diff != "" {
			t.Errorf("read (-got +want):\n%s", diff)
		}
		// The bubble's clock starts at 2000-01-01 00:00 UTC.
		const truth = "index,time_ns,lines,twice\n" +
			"0,946684800100000000,1,2\n1,946684800200000000,2,4\n2,946684800300000000,3,6\n"
		if diff := cmp.Diff(s.truth, truth); diff != "" {
			t.Errorf("truth (-got +want):\n%s", diff)
		}
		if diff := cmp.Diff(s.teller.events, []string{"power", "opened"}); diff != "" {
			t.Errorf("events (-got +want):\n%s", diff)
		}
	})
}

func TestUnplugInMidMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := tell(t, 550*time.Millisecond, "unplug@byte=23:1s")
		if got, want := s.text(), "line-0001\nline-0002\nlin"; got != want {
			t.Errorf("read %q, expected %q", got, want)
		}
		if !errors.Is(s.end, ErrUnplugged) {
			t.Errorf("the last read gave %v", s.end)
		}
		if diff := cmp.Diff(s.teller.events, []string{"power", "opened", "unplugged"}); diff != "" {
			t.Errorf("events (-got +want):\n%s", diff)
		}
		if rows := strings.Count(s.truth, "\n") - 1; rows != 5 {
			t.Errorf("the truth has %d rows, expected 5", rows)
		}
	})
}

// running starts a runner in the bubble and returns when everything is idle.
func running(t *testing.T, instrument Instrument, o Options) (*Memory, *Runner) {
	t.Helper()
	conn := NewMemory()
	runner, err := NewRunner(instrument, conn, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- runner.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	synctest.Wait()
	return conn, runner
}

func read(t *testing.T, p *MemoryPort) string {
	t.Helper()
	buf := make([]byte, 1024)
	n, err := p.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

func open(t *testing.T, m *Memory) *MemoryPort {
	t.Helper()
	p, err := m.Open()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return p
}

func TestUnpluggedPortReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &teller{}
		conn, _ := running(t, w, Options{Faults: []Fault{{Kind: FaultUnplug, After: 150 * time.Millisecond, Byte: -1, For: time.Second}}})
		time.Sleep(200 * time.Millisecond)
		if _, err := conn.Open(); !errors.Is(err, ErrUnplugged) {
			t.Errorf("opening an unplugged port gave %v", err)
		}
		time.Sleep(time.Second)
		if got := read(t, open(t, conn)); got != "line-0013\n" {
			t.Errorf("after the return read %q", got)
		}
		if diff := cmp.Diff(w.events, []string{"power", "unplugged", "plugged", "opened"}); diff != "" {
			t.Errorf("events (-got +want):\n%s", diff)
		}
	})
}

func TestCableByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, runner := running(t, &teller{}, Options{})
		port := open(t, conn)
		runner.Unplug()
		runner.Unplug()
		synctest.Wait()
		if _, err := port.Read(make([]byte, 10)); !errors.Is(err, ErrUnplugged) {
			t.Errorf("reading an unplugged port gave %v", err)
		}
		runner.Plug()
		synctest.Wait()
		if got := read(t, open(t, conn)); got != "line-0001\n" {
			t.Errorf("after the return read %q", got)
		}
	})
}

func TestRebootAtEachOpening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &teller{}
		var fired []Fired
		conn, _ := running(t, w, Options{
			Faults:  []Fault{{Kind: FaultReboot, After: 50 * time.Millisecond, Byte: -1, For: 2 * time.Second}},
			OnFault: func(f Fired) { fired = append(fired, f) },
		})
		open(t, conn).Close()
		time.Sleep(time.Second)
		open(t, conn).Close()
		open(t, conn).Close()
		synctest.Wait()
		want := []string{"power", "opened", "closed", "opened", "reboot 2s", "closed", "opened", "reboot 2s", "closed"}
		if diff := cmp.Diff(w.events, want); diff != "" {
			t.Errorf("events (-got +want):\n%s", diff)
		}
		if len(fired) != 2 {
			t.Errorf("%d reboots told, expected 2: %v", len(fired), fired)
		}
	})
}

func TestOverflowReachesTheInstrument(t *testing.T) {
	for _, fault := range []string{"overflow@150ms:3", "overflow@byte=10:3"} {
		synctest.Test(t, func(t *testing.T) {
			s := tell(t, 350*time.Millisecond, fault)
			if diff := cmp.Diff(s.teller.events, []string{"power", "opened", "overflow 3"}); diff != "" {
				t.Errorf("%s: events (-got +want):\n%s", fault, diff)
			}
			if len(s.fired) != 1 {
				t.Errorf("%s: fired %v", fault, s.fired)
			}
		})
	}
}

func TestFaultsOfItsOwnReachTheInstrument(t *testing.T) {
	for _, kind := range []string{"refuse", "panel", "lostmarker"} {
		for _, when := range []string{"@150ms", "@byte=10"} {
			synctest.Test(t, func(t *testing.T) {
				s := tell(t, 350*time.Millisecond, kind+when)
				if diff := cmp.Diff(s.teller.events, []string{"power", "opened", kind}); diff != "" {
					t.Errorf("%s: events (-got +want):\n%s", kind+when, diff)
				}
			})
		}
	}
}

func TestJunkComesBeforeAMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := tell(t, 350*time.Millisecond, "junk@byte=13", "junk@250ms", "junk@260ms")
		if got, want := s.text(), "line-0001\nbusy\r\nline-0002\nbusy\r\nbusy\r\nline-0003\n"; got != want {
			t.Errorf("read %q, expected %q", got, want)
		}
	})
}

// plain is a teller without faults of its own.
type plain struct{ Instrument }

func TestFaultTheInstrumentCannotHave(t *testing.T) {
	for _, kind := range []FaultKind{FaultOverflow, FaultReboot, FaultRefuse, FaultPanel, FaultLostMarker} {
		_, err := NewRunner(plain{&teller{}}, NewMemory(), Options{Faults: []Fault{{Kind: kind}}})
		if err == nil || !strings.Contains(err.Error(), "teller has no "+string(kind)) {
			t.Errorf("%s: got error %v", kind, err)
		}
	}
}

// What is said while nobody listens is not kept for who comes later.
func TestNothingIsKeptForALateReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, _ := running(t, &teller{}, Options{})
		time.Sleep(1050 * time.Millisecond)
		port := open(t, conn)
		if got := read(t, port); got != "line-0011\n" {
			t.Errorf("the first thing read is %q", got)
		}
		time.Sleep(200 * time.Millisecond) // unread: lines 12 and 13
		port.Close()
		time.Sleep(100 * time.Millisecond)
		port = open(t, conn)
		if got := read(t, port); got != "line-0015\n" {
			t.Errorf("the first thing read after reopening is %q", got)
		}
	})
}

// A host that does not read loses what does not fit, and the instrument goes on.
func TestFullPortDropsBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &teller{}
		conn, _ := running(t, w, Options{})
		port := open(t, conn)
		time.Sleep(time.Hour)
		synctest.Wait()
		if w.told < 35_000 {
			t.Errorf("the instrument stopped after %d lines", w.told)
		}
		buf := make([]byte, 100_000)
		n, err := port.Read(buf)
		if err != nil || n != memoryBytes {
			t.Errorf("%d bytes were waiting (%v), expected %d", n, err, memoryBytes)
		}
		if !bytes.HasPrefix(buf, []byte("line-0001\nline-0002\n")) {
			t.Errorf("what waits begins with %q, not with the oldest line", buf[:20])
		}
	})
}

func TestHostsBytesReachTheInstrumentInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &teller{silent: true}
		conn, _ := running(t, w, Options{})
		port := open(t, conn)
		var want strings.Builder
		for i := range 2000 { // more than the inbox holds
			text := fmt.Sprintf("command %d;", i)
			want.WriteString("re:" + text)
			if n, err := port.Write([]byte(text)); n != len(text) || err != nil {
				t.Fatal(n, err)
			}
			if i%100 == 99 {
				synctest.Wait()
				if got := read(t, port) + readMore(port); got != want.String() {
					t.Fatalf("got %q\nexpected %q", got, want.String())
				}
				want.Reset()
			}
		}
	})
}

// readMore reads what is waiting.
func readMore(p *MemoryPort) string {
	var b strings.Builder
	buf := make([]byte, 1024)
	for {
		p.SetReadDeadline(time.Now().Add(time.Millisecond))
		n, err := p.Read(buf)
		if err != nil {
			p.SetReadDeadline(time.Time{})
			return b.String()
		}
		b.Write(buf[:n])
	}
}

// slowDisk takes 400 ms for the row of line 2.
type slowDisk struct{ writes int }

func (d *slowDisk) Write(p []byte) (int, error) {
	if d.writes++; d.writes == 3 {
		<-time.After(400 * time.Millisecond)
	}
	return len(p), nil
}

// A runner that comes late does everything at its own time all the same: line 3,
// due before the stall, is said; line 4, due in it, is not.
func TestLateRunnerKeepsTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &teller{}
		conn, _ := running(t, w, Options{
			Truth:  &slowDisk{},
			Faults: []Fault{{Kind: FaultStall, After: 350 * time.Millisecond, Byte: -1, For: 100 * time.Millisecond}},
		})
		port := open(t, conn)
		time.Sleep(650 * time.Millisecond)
		if got, want := readMore(port), "line-0001\nline-0002\nline-0003\nline-0005\nline-0006\n"; got != want {
			t.Errorf("read %q, expected %q", got, want)
		}
	})
}

// brokenDisk takes the header and nothing else.
type brokenDisk struct{ writes int }

func (b *brokenDisk) Write(p []byte) (int, error) {
	if b.writes++; b.writes > 1 {
		return 0, errors.New("no space left")
	}
	return len(p), nil
}

func TestRunEndsWhenTheTruthCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runner, err := NewRunner(&teller{}, NewMemory(), Options{Truth: &brokenDisk{}})
		if err != nil {
			t.Fatal(err)
		}
		if err := runner.Run(t.Context()); err == nil || err.Error() != "write truth, row 0: no space left" {
			t.Errorf("got error %v", err)
		}
	})
}

// Faults that are all due when a simulator runs again after a pause happen in
// the order of their times.
func TestFaultsInOrderOfTime(t *testing.T) {
	start := time.Now()
	w := &teller{next: start.Add(time.Hour)}
	r, err := NewRunner(w, NewMemory(), Options{Faults: []Fault{
		{Kind: FaultOverflow, Byte: -1, After: 3 * time.Second, Count: 3},
		{Kind: FaultOverflow, Byte: -1, After: time.Second, Count: 1},
		{Kind: FaultOverflow, Byte: -1, After: 2 * time.Second, Count: 2},
	}})
	if err != nil {
		t.Fatal(err)
	}
	r.wire.start = start
	if err := r.advance(start.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(w.events, []string{"overflow 1", "overflow 2", "overflow 3"}); d != "" {
		t.Errorf("events (-got +want):\n%s", d)
	}
}
