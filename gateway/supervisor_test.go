package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"photongate/device"
	"photongate/protocol"
)

// logLines collects log lines.
type logLines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logLines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logLines) messages() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Split(strings.TrimSpace(l.buf.String()), "\n")
}

// taskRig is one supervised device in a synctest bubble.
type taskRig struct {
	*task
	bench *bench
	frame *memoryLog
	lines *logLines
	slept atomic.Int64
	end   func()
}

func startTask(t *testing.T, change func(*task, *bench)) *taskRig {
	t.Helper()
	r := &taskRig{bench: newBench(), frame: &memoryLog{}, lines: &logLines{}}
	wall := func() int64 { return time.Now().UnixNano() }
	base := newTimeBase(ClockSource{Even: wall, UTC: wall, Slept: r.slept.Load, Boot: "boot"})
	log := zerolog.New(r.lines)
	r.task = &task{
		cfg: DeviceConfig{Name: "bench", Driver: "fake", Port: "/dev/bench", Batch: DefaultBatch}, driver: r.bench.driver("fake"),
		openPort: r.bench.openPort, base: base, log: log, frames: r.frame, software: "test", status: &deviceStatus{log: log},
	}
	if change != nil {
		change(r.task, r.bench)
	}
	r.control = newDeviceControl(r.cfg, r.driver, r.bench.want)
	stop, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.run(stop, t.Context()) }()
	r.end = func() { cancel(); <-done }
	return r
}

// shapes writes the frames without what depends on the clock.
func (r *taskRig) shapes(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, line := range r.frame.lines(t) {
		words := strings.Fields(line)
		words = append(words[:4], words[6:]...) // without the time
		out = append(out, strings.Join(words, " "))
	}
	return out
}

func (r *taskRig) state(t *testing.T, want string) protocol.DeviceStatus {
	t.Helper()
	synctest.Wait()
	s := r.status.snapshot()
	if s.State != want {
		t.Errorf("state: got %s (%s), want %s", s.State, s.Cause, want)
	}
	return s
}

func TestUnplugAndReplug(t *testing.T) {
	t.Attr("fault", "F31")
	t.Attr("injected", "the device goes away under a read, its port is gone for 5 s")
	t.Attr("promised", "the end of the epoch is written at once with its cause, then a gap to the next")
	synctest.Test(t, func(t *testing.T) {
		r := startTask(t, nil)
		defer r.end()
		r.state(t, Opening)
		s := <-r.bench.sources
		begin := time.Now().UnixNano()
		s.feed <- readings(begin, 100*time.Millisecond, 3)
		time.Sleep(500 * time.Millisecond)
		r.state(t, Running)
		pulled := time.Now()
		s.feed <- &device.Error{Op: "read", Port: "/dev/bench", Err: device.ErrGone, Hint: "plug it in again"}
		synctest.Wait()
		r.bench.set(func(b *bench) {
			b.openErr = &device.Error{Op: "open", Port: "/dev/bench", Err: device.ErrNoPort, Hint: "look at the cable"}
		})
		got := r.state(t, Gone)
		if got.Cause != "read /dev/bench: device went away" || got.Hint != "plug it in again" {
			t.Errorf("cause and hint: got %q, %q", got.Cause, got.Hint)
		}
		if d := cmp.Diff(r.shapes(t), []string{
			`1.1 descriptor index 0`, `1.2 counts index 0 count 3`, `1.3 end index 3 {"cause":"unplugged","detail":"read /dev/bench: device went away (plug it in again)"}`,
		}); d != "" {
			t.Errorf("the end is not written at once (-got +want):\n%s", d)
		}
		t.Attr("seen", fmt.Sprintf("the end after %v", time.Since(pulled)))
		time.Sleep(5 * time.Second)
		r.state(t, Gone)
		r.bench.set(func(b *bench) { b.openErr = nil })
		s = <-r.bench.sources
		s.feed <- readings(begin+int64(20*time.Second), 100*time.Millisecond, 1)
		time.Sleep(500 * time.Millisecond)
		r.state(t, Running)
		r.end()
		r.state(t, Stopped)
		want := []string{
			`2.1 descriptor index 0`,
			`2.2 gap index 0 {"cause":"unplugged","detail":"read /dev/bench: device went away (plug it in again)","duration_ns":"19700000000"}`,
			`2.3 counts index 0 count 1`,
			`2.4 end index 1 {"cause":"gateway stopped"}`,
		}
		if d := cmp.Diff(r.shapes(t)[3:], want); d != "" {
			t.Errorf("second epoch (-got +want):\n%s", d)
		}
		for i, want := range []string{"gateway started", "reopened"} {
			var d protocol.Descriptor
			_, payload, _, _ := protocol.ParseFrame(r.frame.all()[[]int{0, 3}[i]])
			if err := protocol.DecodeJSON(payload, &d); err != nil || d.Cause != want {
				t.Errorf("epoch %d began because of %q, want %q", i+1, d.Cause, want)
			}
		}
	})
}

// A device that never gave a reading leaves nothing in its stream.
func TestNeverReadNoEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startTask(t, nil)
		time.Sleep(time.Minute)
		r.state(t, Stalled)
		r.end()
		if len(r.frame.all()) > 0 {
			t.Errorf("frames: %q", r.shapes(t))
		}
	})
}

// What began is told of the first epoch, however often it took to open the
// device until a reading came.
func TestFirstEpochAfterSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startTask(t, nil)
		defer r.end()
		<-r.bench.sources
		s := <-r.bench.sources
		s.feed <- readings(time.Now().UnixNano(), 100*time.Millisecond, 1)
		synctest.Wait()
		var d protocol.Descriptor
		_, payload, _, _ := protocol.ParseFrame(r.frame.all()[0])
		if err := protocol.DecodeJSON(payload, &d); err != nil || d.Cause != "gateway started" {
			t.Errorf("the first epoch began because of %q, want gateway started", d.Cause)
		}
	})
}

func TestSilentDevice(t *testing.T) {
	t.Attr("fault", "F34")
	t.Attr("injected", "a device of 800 ms gates falls silent with its port open, comes back, and falls silent for good")
	t.Attr("promised", "stalled after three gates and 500 ms for what a reading may take to get here; opened again after ten")
	synctest.Test(t, func(t *testing.T) {
		r := startTask(t, func(_ *task, b *bench) { b.gate = 800 * time.Millisecond })
		defer r.end()
		s := <-r.bench.sources
		s.feed <- readings(time.Now().UnixNano(), 800*time.Millisecond, 1)
		time.Sleep(2400 * time.Millisecond) // 3 gates, and not yet what a reading may take to get here
		r.state(t, Running)
		time.Sleep(600 * time.Millisecond)
		if got := r.state(t, Stalled); got.Cause != silent.cause || got.Hint != silent.hint {
			t.Errorf("cause and hint: got %q, %q", got.Cause, got.Hint)
		}
		s.feed <- readings(time.Now().UnixNano(), 800*time.Millisecond, 1) // it comes back by itself
		time.Sleep(300 * time.Millisecond)
		r.state(t, Running)
		time.Sleep(8100 * time.Millisecond) // more than 10 gates
		r.state(t, Stalled)
		s2 := <-r.bench.sources
		if s2 == s {
			t.Fatal("it was not opened again")
		}
		select {
		case <-s.port.closed:
		default:
			t.Error("the first port is still open")
		}
		got := r.shapes(t)
		if len(got) != 4 || !strings.Contains(got[3], `{"cause":"stalled"`) {
			t.Errorf("got %q, want the two readings and an end", got)
		}
		t.Attr("seen", fmt.Sprintf("stalled between 2.4 s and 3 s; %d frames: %s", len(got), got[len(got)-1]))
	})
}

// Readings that arrive and are held back by the driver, which wants to see where
// they belong, are no silence.
func TestHeldBackIsNotSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startTask(t, nil)
		defer r.end()
		s := <-r.bench.sources
		s.feed <- readings(time.Now().UnixNano(), 100*time.Millisecond, 1)
		for held := range 200 {
			s.feed <- func(b *device.Batch) { b.Held = held + 1 }
			time.Sleep(100 * time.Millisecond)
		}
		r.state(t, Running)
		s.feed <- func(b *device.Batch) { b.Held = 200 } // and nothing more comes
		time.Sleep(2 * time.Second)
		r.state(t, Stalled)
	})
}

func TestSilenceWithoutGate(t *testing.T) {
	s := newSilence(0, 0)
	const sec = time.Second
	if s.look(0); s.stallAfter() <= 8*sec {
		t.Errorf("stalled after %v without any reading, want more than 8 s", s.stallAfter())
	}
	s.look(9 * sec)
	s.look(69 * sec) // a reading a minute
	s.look(69 * sec)
	if s.stallAfter() != 180*sec+silenceLatency || s.reopenAfter() != 600*sec {
		t.Errorf("stalled after %v and reopened after %v, want 3 and 10 of the longest intervals", s.stallAfter(), s.reopenAfter())
	}
}

// Ten seconds in which nothing of this process ran are no silence of a device:
// it has as long as ever to show itself.
func TestProcessWasStopped(t *testing.T) {
	const sec = time.Second
	var w wakefulness
	now := sec
	for ; now < 3*sec; now += watchEvery {
		w.look(now)
	}
	if got := w.since(now, sec); got != 2*sec {
		t.Errorf("running all the time: %v, want 2 s", got)
	}
	now += 10 * sec
	w.look(now)
	if got := w.since(now, 3*sec); got != 0 {
		t.Errorf("just awake again: %v, want 0", got)
	}
	for range 24 {
		now += watchEvery
		w.look(now)
	}
	if got := w.since(now, 3*sec); got != 6*sec {
		t.Errorf("awake for six seconds: %v", got)
	}
	if got := w.since(now, now-sec); got != sec {
		t.Errorf("since it came again: %v, want 1 s", got)
	}
}

func TestBackoffGrowsForEver(t *testing.T) {
	t.Run("in use", func(t *testing.T) { testBackoff(t, device.ErrBusy, Waiting, backoffMax) })
	t.Run("gone", func(t *testing.T) { testBackoff(t, device.ErrNoPort, Waiting, backoffAbsent) })
}

func testBackoff(t *testing.T, kind error, state string, longest time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		begin := time.Now()
		r := startTask(t, func(_ *task, b *bench) {
			b.open = func(context.Context) error {
				at = append(at, time.Since(begin))
				return &device.Error{Op: "open", Port: "/dev/bench", Err: kind, Hint: "do something"}
			}
		})
		time.Sleep(5 * time.Minute)
		got := r.state(t, state)
		r.end()
		if got.Hint != "do something" || got.Attempts != len(at) {
			t.Errorf("hint %q after %d attempts of %d", got.Hint, got.Attempts, len(at))
		}
		nominal := backoffFirst
		for i := 1; i < len(at); i++ {
			if pause := at[i] - at[i-1]; pause > nominal || pause < nominal*3/4 {
				t.Errorf("pause %d: got %v, want %v or up to a quarter less", i, pause, nominal)
			}
			nominal = min(2*nominal, longest)
		}
		if len(at) < 30 {
			t.Errorf("only %d attempts in five minutes", len(at))
		}
		// One line at once, one about every ten seconds in the first minute, then
		// one a minute with the count, and the ends.
		var trouble int
		for _, line := range r.lines.messages() {
			if strings.Contains(line, kind.Error()) {
				trouble++
			}
		}
		if trouble < 9 || trouble > 14 {
			t.Errorf("%d lines about the same trouble in five minutes:\n%s", trouble, strings.Join(r.lines.messages(), "\n"))
		}
	})
}

// How often one trouble came again is not told with another one.
func TestTimesBelongToTheirTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := &logLines{}
		d := &deviceStatus{log: zerolog.New(lines)}
		gone := condition{state: Gone, kind: "gone", cause: "no such port"}
		for range 5 {
			d.set(gone)
		}
		d.set(condition{state: Running})
		d.set(gone)
		for range 3 {
			d.set(gone)
		}
		d.set(condition{state: Waiting, kind: "busy", cause: "port is in use"})
		time.Sleep(repeatEvery)
		d.set(condition{state: Stopped})
		d.set(gone)
		d.set(gone)
		time.Sleep(repeatEvery)
		d.set(gone)
		if got := lines.messages(); len(got) != 7 || strings.Count(strings.Join(got, ""), "times") != 1 || !strings.Contains(got[6], `"times":1`) {
			t.Errorf("want times in the last of 7 lines only, got\n%s", strings.Join(got, "\n"))
		}
	})
}

func TestClassify(t *testing.T) {
	for _, tt := range []struct {
		err   error
		state string
		cause string
		hint  string
	}{
		{&device.Error{Op: "open", Port: "p", Err: device.ErrNoPort, Hint: "h"}, Gone, "open p: no such port", "h"},
		{fmt.Errorf("read: %w", device.ErrGone), Gone, "read: device went away", ""},
		{&device.Error{Op: "open", Port: "p", Err: device.ErrPermission, Hint: "add yourself to dialout"}, Failed, "open p: permission denied", "add yourself to dialout"},
		{&device.Error{Op: "identify", Port: "p", Err: device.ErrNonsense}, Failed, "identify p: not what this instrument sends", ""},
		{&device.Error{Op: "set gate", Port: "p", Err: device.ErrSetting}, Failed, "set gate p: setting was not accepted", ""},
		{device.ErrAmbiguous, Failed, "more than one device fits", ""},
		{device.ErrBusy, Waiting, "port is in use", ""},
		{device.ErrTimeout, Waiting, "no answer in time", ""},
	} {
		got := classify(tt.err, true)
		if got.state != tt.state || got.cause != tt.cause || got.hint != tt.hint {
			t.Errorf("%v: got %+v; want %s, %q, %q", tt.err, got, tt.state, tt.cause, tt.hint)
		}
	}
	// The same trouble with other words is the same trouble.
	nonsense := func(text string) condition {
		return classify(&device.Error{Op: "identify", Port: "p", Err: fmt.Errorf("%w: got %s", device.ErrNonsense, text)}, true)
	}
	if a, b := nonsense("01 02"), nonsense("03 04"); a.kind != b.kind || a.cause == b.cause {
		t.Errorf("got %+v and %+v, want one kind and two causes", a, b)
	}
}

// An open that hangs is abandoned, and there is no second one on that port
// until it returns.
func TestOpenHangs(t *testing.T) {
	t.Attr("fault", "F38")
	t.Attr("injected", "an open that does not return for ten minutes")
	t.Attr("promised", "abandoned after 12 s, told in the status, no second one until it returns, then opened again")
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var opens atomic.Int64
		r := startTask(t, func(_ *task, b *bench) {
			b.open = func(context.Context) error {
				if opens.Add(1) == 1 {
					<-release
				}
				return nil
			}
		})
		time.Sleep(openLimit + openGrace + time.Second)
		got := r.state(t, Failed)
		if !strings.Contains(got.Cause, "open /dev/bench: does not return since ") || got.Hint == "" {
			t.Errorf("cause and hint: got %q, %q", got.Cause, got.Hint)
		}
		if got.LeftBehind != got.Cause {
			t.Errorf("left behind: got %q, want %q", got.LeftBehind, got.Cause)
		}
		t.Attr("seen", "left behind: "+got.LeftBehind)
		time.Sleep(10 * time.Minute)
		if n := opens.Load(); n != 1 {
			t.Errorf("%d opens while the first one hangs", n)
		}
		close(release)
		late := <-r.bench.sources
		time.Sleep(backoffMax)
		synctest.Wait()
		select {
		case <-late.port.closed:
		default:
			t.Error("the late source was not closed")
		}
		if left := r.status.snapshot().LeftBehind; left != "" {
			t.Errorf("left behind, after it returned: %q", left)
		}
		r.end()
		if opens.Load() < 2 {
			t.Error("it was not opened again")
		}
	})
}

// An open that returns at the moment it is given up is either used or closed.
func TestOpenReturnsLate(t *testing.T) {
	for range 64 {
		synctest.Test(t, func(t *testing.T) {
			r := startTask(t, func(_ *task, b *bench) {
				b.open = func(ctx context.Context) error { <-ctx.Done(); time.Sleep(openGrace); return nil }
			})
			defer r.end()
			time.Sleep(openLimit + openGrace + 10*time.Millisecond)
			synctest.Wait()
			if got := r.status.snapshot(); strings.Contains(got.Cause, device.ErrClosed.Error()) {
				t.Errorf("a source that had been closed was read: %s", got.Cause)
			}
		})
	}
}

// deafSource hangs in Read, whatever happens.
type deafSource struct {
	*fakeSource
	release chan struct{}
}

func (s *deafSource) Read(*device.Batch) error { <-s.release; return device.ErrClosed }

func TestReadHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		r := startTask(t, func(k *task, _ *bench) {
			open := k.driver.Open
			k.driver.Open = func(ctx context.Context, req device.OpenRequest) (device.Source, error) {
				s, err := open(ctx, req)
				return &deafSource{s.(*fakeSource), release}, err
			}
		})
		time.Sleep(readLimit + closeLimit + 10*time.Minute)
		if got := r.state(t, Failed); !strings.HasPrefix(got.Cause, "read /dev/bench: does not return since ") || got.LeftBehind != got.Cause {
			t.Errorf("cause: got %q, left behind %q", got.Cause, got.LeftBehind)
		}
		if n := len(r.bench.sources); n != 1 {
			t.Errorf("opened %d times while the first read hangs", n)
		}
		close(release)
		time.Sleep(backoffMax)
		synctest.Wait()
		if n := len(r.bench.sources); n < 2 {
			t.Errorf("opened %d times, want once more after the first read returned", n)
		}
		r.end()
	})
}

// A panic of a driver is trouble of its device, wherever it comes.
func TestDriverPanics(t *testing.T) {
	for _, where := range []string{"open", "read", "close", "describe"} {
		t.Run(where, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var port *fakePort
				r := startTask(t, func(k *task, _ *bench) {
					open := k.driver.Open
					k.driver.Open = func(ctx context.Context, req device.OpenRequest) (device.Source, error) {
						port = req.Port.(*fakePort)
						if where == "open" {
							panic("boom")
						}
						s, err := open(ctx, req)
						return &panicSource{s.(*fakeSource), where}, err
					}
				})
				time.Sleep(100 * time.Millisecond)
				if where != "close" {
					if got := r.state(t, Failed); !strings.Contains(got.Cause, "mistake in the driver fake: panic: boom") {
						t.Errorf("cause: got %q", got.Cause)
					}
					select {
					case <-port.closed:
					default:
						t.Error("the port is still open")
					}
				}
				r.end()
				if !strings.Contains(strings.Join(r.lines.messages(), "\n"), "driver panicked") {
					t.Error("the log says nothing of the panic")
				}
			})
		})
	}
}

type panicSource struct {
	*fakeSource
	where string
}

func (s *panicSource) Read(b *device.Batch) error {
	if s.where == "read" {
		panic("boom")
	}
	return s.fakeSource.Read(b)
}

func (s *panicSource) Close() error {
	err := s.fakeSource.Close()
	if s.where == "close" {
		panic("boom")
	}
	return err
}

func (s *panicSource) Describe() device.Description {
	if s.where == "describe" {
		panic("boom")
	}
	return s.fakeSource.Describe()
}

// Columns that do not agree never reach the record.
func TestDriverGivesNonsense(t *testing.T) {
	for name, spoil := range map[string]func(*device.Batch){
		"short column":  func(b *device.Batch) { b.Live = b.Live[:0] },
		"short values":  func(b *device.Batch) { b.Values[1] = nil },
		"channel less":  func(b *device.Batch) { b.Values = b.Values[:1] },
		"note too late": func(b *device.Batch) { b.Notes = []device.Note{{Row: 2, Event: &device.Event{What: "x"}}} },
		"notes disorder": func(b *device.Batch) {
			b.Notes = []device.Note{{Row: 1, Event: &device.Event{}}, {Row: 0, Event: &device.Event{}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := startTask(t, nil)
				s := <-r.bench.sources
				s.feed <- func(b *device.Batch) { readings(1, time.Second, 1)(b); spoil(b) }
				r.state(t, Failed)
				r.end()
				if len(r.frame.all()) > 0 {
					t.Errorf("frames: %q", r.shapes(t))
				}
			})
		})
	}
}

func TestHostSlept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startTask(t, nil)
		s := <-r.bench.sources
		begin := time.Now().UnixNano()
		s.feed <- readings(begin, 100*time.Millisecond, 1)
		synctest.Wait()
		r.slept.Store(int64(time.Hour))
		s.feed <- readings(begin+int64(time.Hour), 100*time.Millisecond, 1)
		s = <-r.bench.sources
		s.feed <- readings(begin+int64(time.Hour), 100*time.Millisecond, 1)
		time.Sleep(time.Second)
		r.end()
		if d := cmp.Diff(r.shapes(t), []string{
			`1.1 descriptor index 0`, `1.2 counts index 0 count 1`, `1.3 end index 1 {"cause":"host slept"}`,
			`2.1 descriptor index 0`, `2.2 gap index 0 {"cause":"host slept","duration_ns":"3599900000000"}`, `2.3 counts index 0 count 1`,
			`2.4 end index 1 {"cause":"gateway stopped"}`,
		}); d != "" {
			t.Errorf("frames (-got +want):\n%s", d)
		}
	})
}

func TestChannelNames(t *testing.T) {
	about := device.Description{Channels: []device.Channel{
		{Name: "A", Input: "counter 0", Kind: device.Count, Width: 24}, {Name: "T", Input: "sensor: Pt100", Kind: device.Auxiliary, Exponent: -2, Unit: "°C", Signed: true},
	}}
	got, err := channelsOf(about, DeviceConfig{Channels: []ChannelConfig{
		{Input: "A", Name: "idler", Detector: "SPCM", DeadTime: 22, DarkCPS: 250}, {Input: "sensor", Name: "room"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := []protocol.Channel{
		{Name: "idler", Input: "counter 0", Kind: "count", Width: 24, Detector: "SPCM", DeadTimeNs: 22, DarkCPS: 250},
		{Name: "room", Input: "sensor: Pt100", Kind: "auxiliary", Exponent: -2, Unit: "°C", Signed: true},
	}
	if d := cmp.Diff(got, want); d != "" {
		t.Errorf("channels (-got +want):\n%s", d)
	}
	for want, cfg := range map[string]ChannelConfig{
		`there is no channel "Q" (expected one of A, T)`: {Input: "Q"},
		`two channels are called "T"`:                    {Input: "A", Name: "T"},
	} {
		if _, err := channelsOf(about, DeviceConfig{Channels: []ChannelConfig{cfg}}); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := channelsOf(device.Description{}, DeviceConfig{}); !errors.Is(err, errDriver) {
		t.Errorf("no channels: got %v", err)
	}
}
