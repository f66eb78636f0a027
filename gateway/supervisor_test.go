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
