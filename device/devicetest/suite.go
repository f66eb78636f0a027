package devicetest

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"photongate/device"
)

// Subject is a driver and an instrument for it, as a test provides them.
type Subject struct {
	Driver   device.Driver
	Settings device.Settings

	// Play plays the instrument at its end of the port until that ends (Wait and
	// Write report false, Read returns ErrClosed). It is written from the
	// instrument's description, not from the driver, and notes in truth every
	// reading just before it sends it. No two readings may be the same.
	Play func(end *End, truth *Truth)

	// PlayUSB is Play for a driver on USB; USB is what the device says of itself,
	// with its endpoints.
	PlayUSB func(end *USBEnd, truth *Truth)
	USB     device.USBInfo

	Gate time.Duration // interval of the readings

	// Exact says that gaps count the readings missing: the instrument times its
	// gates itself.
	Exact bool

	// Pauses says that the instrument counts nothing for a while between two readings:
	// their intervals need not touch.
	Pauses bool

	// Fleeting says that what is not asked for in time is gone: a host that stalls
	// finds a gap.
	Fleeting bool

	// Mute says that the instrument cannot be asked: its silence is all that can
	// be noticed, and nothing is written to it.
	Mute bool

	// Unseen is how many faults, of those done to every byte of a few readings, the
	// bytes cannot reveal: where there is no checksum a digit that became another
	// digit is a good one. A driver that judges its bytes less strictly lets more
	// pass. A twentieth more is allowed. On USB, where the bus has a checksum, it is
	// of the faults done to every transfer.
	Unseen int

	// Inserts are the bytes put in by the fault tests: what is worst for the wire
	// format.
	Inserts []byte

	// FaultReadings is of how many readings each byte gets faults; 0: five. Fewer are
	// enough where the conversation about one is like that about the next.
	FaultReadings int

	// OpeningStride has only each so manieth byte that comes while the driver opens
	// get faults; 0: each. For instruments that are asked for many settings, all alike.
	OpeningStride int
}

// Run holds a driver to the contract of device.Source. Its subtests print what
// cannot be detected. A driver on USB needs no Cut.
func Run(t *testing.T, s Subject) {
	if onUSB := s.Driver.Transport == device.USB; onUSB != (s.PlayUSB != nil) {
		t.Fatalf("the driver is for %q: Play is for serial ones, PlayUSB for USB", s.Driver.Transport)
	}
	t.Run("Undisturbed", s.testUndisturbed)
	if s.PlayUSB == nil || s.Driver.Cut != nil {
		t.Run("Cut", s.testCut)
	}
	t.Run("Quirks", s.testQuirks)
	if s.PlayUSB == nil {
		t.Run("OneByteAtATime", s.testOneByteAtATime)
	}
	t.Run("GarbageBefore", s.testGarbageBefore)
	t.Run("StalledHost", s.testStalledHost)
	t.Run("Silence", s.testSilence)
	t.Run("Nonsense", s.testNonsense)
	t.Run("OpenCancelled", s.testOpenCancelled)
	t.Run("Close", s.testClose)
	t.Run("Unplug", s.testUnplug)
	t.Run("Replug", s.testReplug)
	if s.PlayUSB != nil {
		t.Run("FaultAtEveryTransfer", s.testFaultAtEveryTransfer)
		return
	}
	t.Run("FaultAtEveryByte", s.testFaultAtEveryByte)
	t.Run("ManyFaults", s.testManyFaults)
}

func (s Subject) session(readings int) session {
	return session{subject: s, length: time.Duration(readings) * s.Gate}
}

// mustRead runs a session that has to work.
func (s session) mustRead(t *testing.T) *record {
	t.Helper()
	r := s.run(t)
	if r.openErr != nil {
		t.Fatalf("open: %v", r.openErr)
	}
	if r.readErr != nil {
		t.Fatalf("read: %v", r.readErr)
	}
	return r
}

// whole fails unless a record has all readings but a few at either end, with no
// flag and no gap.
func (s Subject) whole(t *testing.T, r *record, least int) {
	t.Helper()
	wrong, err := s.compare(r)
	if err != nil {
		t.Error(err)
	}
	if wrong > 0 {
		t.Errorf("%d wrong values", wrong)
	}
	if len(r.rows) < least {
		t.Errorf("%d readings, want at least %d", len(r.rows), least)
	}
	if g := r.gaps(-1); len(g) > 0 {
		t.Errorf("%d gaps, first %+v", len(g), g[0])
	}
	for row := range r.rows {
		if !r.clean(row) && !r.base(row) {
			t.Fatalf("row %d carries flags %b", row, r.flags[row])
		}
	}
}

func (s Subject) testUndisturbed(t *testing.T) {
	r := s.session(60).mustRead(t)
	s.whole(t, r, 50)
	if r.slowest > device.MaxWait {
		t.Errorf("a Read took %v, at most %v is allowed", r.slowest, device.MaxWait)
	}
	if len(r.notes) == 0 || r.notes[0].Event == nil || r.notes[0].Event.What != "opened" || r.notes[0].Event.Text == "" {
		t.Errorf("the first note is no event \"opened\": %+v", r.notes)
	}
	d := r.desc
	if d.Model == "" || d.Identity != s.Driver.Identity || d.Port == "" || d.Timing == "" || d.Gate != s.Gate {
		t.Errorf("description %+v", d)
	}
	seen := map[string]bool{}
	for _, c := range d.Channels {
		if c.Name == "" || seen[c.Name] || c.Input == "" || c.Kind == "" {
			t.Errorf("channel %+v is incomplete or not the only one of its name", c)
		}
		seen[c.Name] = true
		counter, _, _ := strings.Cut(c.Input, ":")
		if may := s.Driver.Inputs.May; may != nil && (!may(c.Name) || !may(counter)) {
			t.Errorf("channel %+v may not be named in a configuration", c)
		}
	}
	if in := s.Driver.Inputs; in.May != nil && (in.Title == "" || in.May("") || in.May("no such channel")) {
		t.Errorf("a configuration may name any channel, or nobody says which: %q", in.Title)
	}
	if s.Mute && len(r.sent) > 0 {
		t.Errorf("wrote %q to an instrument that listens to nothing", r.sent)
	}
}

// chopped is a port that hands out one byte at a time.
type chopped struct{ device.Port }

func (c chopped) Read(b []byte, timeout time.Duration) (int, int64, error) {
	return c.Port.Read(b[:1], timeout)
}

func (s Subject) testOneByteAtATime(t *testing.T) {
	se := s.session(30)
	se.wrap = func(p device.Port) device.Port { return chopped{p} }
	s.whole(t, se.mustRead(t), 20)
}

func (s Subject) testGarbageBefore(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		se := s.session(20)
		se.before = make([]byte, rng.IntN(300))
		for i := range se.before {
			se.before[i] = byte(rng.Uint32())
		}
		s.whole(t, se.mustRead(t), 10)
	}
}

// A host that does not read for five seconds loses nothing of an instrument
// that goes on by itself, and knows what it did to one that waits to be asked.
func (s Subject) testStalledHost(t *testing.T) {
	se := s.session(100)
	se.pause = 5 * time.Second
	r := se.mustRead(t)
	if s.Exact && !s.Fleeting {
		s.whole(t, r, 60)
		return
	}
	if wrong, err := s.compare(r); err != nil || wrong > 0 {
		t.Errorf("%d wrong values, %v", wrong, err)
	}
	g := r.gaps(-1)
	if s.Fleeting {
		if len(g) != 1 || g[0].Missing == 0 || g[0].Duration < int64(se.pause)/2 {
			t.Errorf("gaps %+v, want one for a pause of %v", g, se.pause)
		}
		return
	}
	if len(g) > 0 {
		t.Errorf("gap %+v", g[0])
	}
	late := 0
	for _, f := range r.flags {
		if f&device.Late != 0 {
			late++
		}
	}
	if late != 1 && !(s.Pauses && late == 0) { // in a pause, nothing is late
		t.Errorf("%d readings are flagged late, want 1", late)
	}
}

func (s Subject) mustRefuse(t *testing.T, se session, kinds ...error) {
	t.Helper()
	r := se.run(t)
	if r.openErr == nil {
		t.Fatal("opened")
	}
	fits := false
	for _, k := range kinds {
		fits = fits || errors.Is(r.openErr, k)
	}
	var e *device.Error
	if !fits || !errors.As(r.openErr, &e) || e.Op == "" || e.Port == "" {
		t.Errorf("open: %v, want one of %v with operation and port", r.openErr, kinds)
	}
	if e != nil && e.Hint == "" {
		t.Errorf("open: %v says nothing about what to try", r.openErr)
	}
}

func (s Subject) testSilence(t *testing.T) {
	s.mustRefuse(t, s.silent().session(1), device.ErrTimeout)
}

// silent is the subject with an instrument that answers nothing.
func (s Subject) silent() Subject {
	if s.PlayUSB != nil {
		s.PlayUSB = func(end *USBEnd, _ *Truth) { end.Wait(time.Hour) }
	} else {
		s.Play = func(end *End, _ *Truth) { end.Wait(time.Hour) }
	}
	return s
}

// Another instrument, or another baud rate, is refused, showing what came.
func (s Subject) testNonsense(t *testing.T) {
	if s.PlayUSB != nil {
		s.testNonsenseUSB(t)
		return
	}
	for name, noise := range map[string]func(n int) []byte{
		"text":   func(int) []byte { return []byte("temperature 21.5 C\r\n") },
		"zeros":  func(int) []byte { return make([]byte, 17) },
		"random": func(n int) []byte { return []byte{byte(n * 7), byte(n * 31), byte(n*n) | 1, 0xF0} },
	} {
		t.Run(name, func(t *testing.T) {
			s.Play = func(end *End, _ *Truth) {
				for n := 0; end.Wait(20 * time.Millisecond); n++ {
					end.Write(noise(n))
				}
			}
			s.mustRefuse(t, s.session(1), device.ErrNonsense)
		})
	}
}

func (s Subject) testOpenCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := s.silent().session(1).plug(&Truth{}, nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		begin := time.Now()
		src, err := s.Driver.Open(ctx, p.request)
		if err == nil {
			_ = src.Close()
			t.Error("opened with a context that has ended")
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("gave up after %v", took)
		}
		p.end()
	})
}

func (s Subject) testClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := s.session(1).plug(&Truth{}, nil)
		src, err := s.Driver.Open(t.Context(), p.request)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() {
			b := device.NewBatch(len(src.Describe().Channels))
			for {
				b.Reset()
				if err := src.Read(b); err != nil {
					done <- err
					return
				}
			}
		}()
		time.Sleep(3*s.Gate + s.Gate/3) // in the middle of a Read
		if err := src.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := <-done; !errors.Is(err, device.ErrClosed) {
			t.Errorf("Read ended by Close: %v, want ErrClosed", err)
		}
		if err := src.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
		if err := src.Read(device.NewBatch(len(src.Describe().Channels))); !errors.Is(err, device.ErrClosed) {
			t.Errorf("Read after Close: %v, want ErrClosed", err)
		}
		p.playing.Wait()
	})
}

func (s Subject) testUnplug(t *testing.T) {
	se := s.session(20)
	se.unplug = true
	r := se.run(t)
	if r.openErr != nil || !errors.Is(r.readErr, device.ErrGone) {
		t.Fatalf("open: %v, read: %v, want ErrGone", r.openErr, r.readErr)
	}
	if wrong, err := s.compare(r); err != nil || wrong > 0 || len(r.gaps(-1)) > 0 {
		t.Errorf("%d wrong values, gaps %v, %v", wrong, r.gaps(-1), err)
	}
}

// Opened again, the instrument gets the same settings.
func (s Subject) testReplug(t *testing.T) {
	first, second := s.session(10).mustRead(t), s.session(10).mustRead(t)
	if s.PlayUSB != nil {
		if before, after := first.sent[:first.asked], second.sent[:second.asked]; !bytes.Equal(before, after) {
			t.Errorf("sent at first % x, then % x", before, after)
		}
		return
	}
	before := bytes.Split(first.sent, []byte("c\r"))
	after := bytes.Split(second.sent, []byte("c\r"))
	if string(bytes.Join(before[:min(2, len(before))], nil)) != string(bytes.Join(after[:min(2, len(after))], nil)) {
		t.Errorf("sent at first %q, then %q", first.sent, second.sent)
	}
}
