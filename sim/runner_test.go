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
	for _, text := range faults {
		f, err := ParseFault(text)
		if err != nil {
			t.Fatal(err)
		}
		o.Faults = append(o.Faults, f)
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

// Faults at a byte position are exact.
func TestFaultsAtAByte(t *testing.T) {
	for name, c := range map[string]struct {
		fault string
		want  string // of five lines; a dot stands for a byte that may be any
	}{
		"torn":        {"torn@byte=23", "line-0001\nline-0002\ne-0003\nline-0004\nline-0005\n"},
		"garbage":     {"garbage@byte=23:4", "line-0001\nline-0002\nlin....e-0003\nline-0004\nline-0005\n"},
		"drop":        {"drop@byte=18:4", "line-0001\nline-000ne-0003\nline-0004\nline-0005\n"},
		"drop whole":  {"drop@byte=10:20", "line-0001\nline-0004\nline-0005\n"},
		"flip":        {"flip@byte=23", "line-0001\nline-0002\nlin.-0003\nline-0004\nline-0005\n"},
		"lost packet": {"lostpacket@byte=5:33", "line-4\nline-0005\n"},
		"stall":       {"stall@byte=23:150ms", "line-0001\nline-0002\nlinline-0005\n"},
		"duplicate":   {"duplicate@byte=23", "line-0001\nline-0002\nline-0003\nline-0003\nline-0004\nline-0005\n"},
		"first byte":  {"drop@byte=0", "ine-0001\nline-0002\nline-0003\nline-0004\nline-0005\n"},
		"border":      {"drop@byte=10", "line-0001\nine-0002\nline-0003\nline-0004\nline-0005\n"},
		"last byte":   {"drop@byte=9", "line-0001line-0002\nline-0003\nline-0004\nline-0005\n"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := tell(t, 550*time.Millisecond, c.fault)
				if got := s.text(); !matches(got, c.want) {
					t.Errorf("read %q, expected %q", got, c.want)
				}
				if len(s.fired) != 1 {
					t.Fatalf("%d faults fired, expected 1: %v", len(s.fired), s.fired)
				}
				if f := s.fired[0]; f.Byte != f.Fault.Byte {
					t.Errorf("fired at byte %d: %v", f.Byte, f)
				}
				if rows := strings.Count(s.truth, "\n") - 1; rows != 5 {
					t.Errorf("the truth has %d rows, expected 5: what is counted does not depend on the wire", rows)
				}
			})
		})
	}
}

// matches reports whether got is pattern, where a dot matches any byte.
func matches(got, pattern string) bool {
	if len(got) != len(pattern) {
		return false
	}
	for i := range pattern {
		if pattern[i] != '.' && pattern[i] != got[i] {
			return false
		}
	}
	return true
}

// Faults at a time hit the first message sent then, somewhere.
func TestFaultsAtATime(t *testing.T) {
	const before, after = "line-0001\nline-0002\n", "line-0004\nline-0005\n"
	for fault, bytesOfThird := range map[string]int{
		"torn@250ms":      -1,
		"garbage@250ms:7": 17,
		"drop@300ms:1":    9,
		"flip@210ms":      10,
		"duplicate@250ms": 20,
	} {
		synctest.Test(t, func(t *testing.T) {
			s := tell(t, 550*time.Millisecond, fault)
			third, ok := strings.CutPrefix(s.text(), before)
			third, ok2 := strings.CutSuffix(third, after)
			// One lost byte may be the newline, so no more than lengths are compared.
			if !ok || !ok2 || third == "line-0003\n" || bytesOfThird >= 0 && len(third) != bytesOfThird || len(third) > 20 {
				t.Errorf("%s: read %q", fault, s.text())
			}
			if len(s.fired) != 1 || s.fired[0].After != 300*time.Millisecond {
				t.Errorf("%s: fired %v", fault, s.fired)
			}
		})
	}
}

func TestStallAtATimeLosesWhatIsSaidInIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := tell(t, 550*time.Millisecond, "stall@150ms:200ms")
		if got, want := s.text(), "line-0001\nline-0004\nline-0005\n"; got != want {
			t.Errorf("read %q, expected %q", got, want)
		}
		if len(s.fired) != 1 || s.fired[0].After != 150*time.Millisecond || s.fired[0].Byte != 10 {
			t.Errorf("fired %v", s.fired)
		}
	})
}

func TestLateMessageHoldsUpTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := tell(t, 550*time.Millisecond, "late@byte=20:150ms")
		want := []piece{
			{100 * time.Millisecond, "line-0001\n"},
			{200 * time.Millisecond, "line-0002\n"},
			{450 * time.Millisecond, "line-0003\nline-0004\n"},
			{500 * time.Millisecond, "line-0005\n"},
		}
		if diff := cmp.Diff(s.pieces, want); diff != "" {
			t.Errorf("read (-got +want):\n%s", diff)
		}
	})
}

func TestSplitMessageComesInTwoPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := tell(t, 250*time.Millisecond, "split@byte=13:30ms")
		want := []piece{
			{100 * time.Millisecond, "line-0001\n"},
			{200 * time.Millisecond, "lin"},
			{230 * time.Millisecond, "e-0002\n"},
		}
		if diff := cmp.Diff(s.pieces, want); diff != "" {
			t.Errorf("read (-got +want):\n%s", diff)
		}
	})
}

func TestTwoFaultsInOneMessageKeepTheirPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := tell(t, 150*time.Millisecond, "drop@byte=2:2", "drop@byte=7:1")
		if got, want := s.text(), "li-001\n"; got != want {
			t.Errorf("read %q, expected %q", got, want)
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

// plain is a teller without faults of its own.
type plain struct{ Instrument }

func TestFaultTheInstrumentCannotHave(t *testing.T) {
	for _, kind := range []FaultKind{FaultOverflow, FaultReboot} {
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

func TestPacedBytesComeAtTheSpeedOfTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		conn, _ := running(t, &teller{}, Options{BytePace: 5 * time.Millisecond})
		time.Sleep(145 * time.Millisecond) // line 1: 8 bytes at 140 ms, 2 at 150 ms
		port := open(t, conn)
		var got []piece
		for range 3 {
			text := read(t, port)
			got = append(got, piece{time.Since(start), text})
		}
		want := []piece{
			{150 * time.Millisecond, "1\n"},
			{240 * time.Millisecond, "line-000"},
			{250 * time.Millisecond, "2\n"},
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("read (-got +want):\n%s", diff)
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
