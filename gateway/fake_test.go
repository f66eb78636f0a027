package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"photongate/device"
)

// fakePort is a port that only knows whether it was closed.
type fakePort struct {
	name   string
	once   sync.Once
	closed chan struct{}
}

func newFakePort(name string) *fakePort { return &fakePort{name: name, closed: make(chan struct{})} }

func (p *fakePort) Read([]byte, time.Duration) (int, int64, error) { return 0, 0, device.ErrTimeout }
func (p *fakePort) Write(b []byte) (int64, error)                  { return 0, nil }
func (p *fakePort) Discard() error                                 { return nil }
func (p *fakePort) Name() string                                   { return p.name }
func (p *fakePort) Close() error                                   { p.once.Do(func() { close(p.closed) }); return nil }

// fakeSource delivers what a test hands to it: batches and errors, in order.
type fakeSource struct {
	port  *fakePort
	about device.Description
	feed  chan any // func(*device.Batch), or error
	take  func(name string, value any) error
	bench *bench
}

// Set takes a setting as the box understands it: it reads back in its own words.
func (s *fakeSource) Set(name string, value any) (device.Setting, error) {
	if err := s.bench.push(); err != nil {
		return device.Setting{}, err
	}
	if s.take != nil {
		if err := s.take(name, value); err != nil {
			return device.Setting{}, err
		}
	}
	return s.note(name, value), nil
}

// note notes that a setting is in force.
func (s *fakeSource) note(name string, value any) device.Setting {
	now := device.Setting{Key: name, Value: fmt.Sprint(value), How: device.ReadBack, Asked: fmt.Sprint(value)}
	if name == "threshold" {
		now.Unit = "V"
	}
	s.about.Settings = append(slices.DeleteFunc(slices.Clone(s.about.Settings), func(old device.Setting) bool { return old.Key == name }), now)
	return now
}

func (s *fakeSource) Describe() device.Description { return s.about }
func (s *fakeSource) Close() error                 { return s.port.Close() }

func (s *fakeSource) Read(b *device.Batch) error {
	limit := time.NewTimer(device.MaxWait)
	defer limit.Stop()
	select {
	case <-s.port.closed:
		return device.ErrClosed
	case <-limit.C:
		return nil
	case v := <-s.feed:
		switch v := v.(type) {
		case error:
			return v
		case func(*device.Batch):
			v(b)
		}
		return nil
	}
}

// checkedSource can be asked for its settings.
type checkedSource struct {
	*fakeSource
	check func(*fakeSource) error
}

func (s *checkedSource) Check() error { return s.check(s.fakeSource) }

// bench is a fake instrument with the channels A and B, as a driver and as a
// way to open ports. Each successful open hands its source to the test.
type bench struct {
	clock   device.Clock
	sources chan *fakeSource

	mu      sync.Mutex
	openErr error                       // what OpenPort returns
	open    func(context.Context) error // called by OpenPort when set
	about   func(*device.Description)   // changes what the instrument says of itself
	take    func(string, any) error     // refuses a setting that is pushed; nil: takes all
	gate    time.Duration
	want    device.Settings         // pushed at each opening
	check   func(*fakeSource) error // what its sources can be asked; nil: they cannot
	pushed  func() error            // refuses a setting that is pushed while it is open; nil: takes all
	pushing int                     // how often one was
}

func newBench() *bench {
	return &bench{sources: make(chan *fakeSource, 64), gate: 100 * time.Millisecond}
}

// push is told of each setting that is pushed while it is open.
func (f *bench) push() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pushing++
	if f.pushed != nil {
		return f.pushed()
	}
	return nil
}

// pushes is how many settings were pushed while it was open.
func (f *bench) pushes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pushing
}

// now is the time base of the gateway that opened the port last.
func (f *bench) now() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.clock()
}

func (f *bench) set(change func(*bench)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *bench) driver(name string) device.Driver {
	return device.Driver{
		Name: name, Title: "fake instrument", Transport: device.Serial, Identity: device.Confirmed,
		Line: device.Line{Baud: 115200},
		Options: []device.Option{
			{Name: "gate", Title: "integration time", Kind: device.Duration, Min: float64(time.Millisecond), Max: float64(time.Minute)},
			{Name: "threshold", Title: "discriminator threshold", Kind: device.Number, Unit: "V", Min: -2, Max: 2, Live: true},
			{Name: "counters", Title: "number of counters", Kind: device.Integer, Min: 1, Max: 15},
			{Name: "trigger", Title: "which edge counts", Kind: device.Enum, Choices: []string{"rising", "falling"}},
			{Name: "termination", Title: "50 ohm termination", Kind: device.Bool},
			{Name: "label", Title: "text on the display", Kind: device.Text, Check: func(v any) error {
				if len(v.(string)) > 8 {
					return errors.New("the display has 8 letters (expected a shorter text)")
				}
				return nil
			}},
			{Name: "dac", Title: "output voltage", Kind: device.Number, Unit: "V", Max: 4, Live: true, Guarded: true},
		},
		Open: func(_ context.Context, req device.OpenRequest) (device.Source, error) {
			f.mu.Lock()
			about, gate, take := f.about, f.gate, f.take
			f.mu.Unlock()
			s := &fakeSource{port: req.Port.(*fakePort), feed: make(chan any, 1024), take: take, bench: f}
			s.about = device.Description{
				Model: "fake", Serial: "7", Identity: device.Confirmed, Port: req.Port.Name(), Gate: gate, Timing: device.ByDevice,
				Channels: []device.Channel{
					{Name: "A", Input: "counter 0", Kind: device.Count, Width: 24}, {Name: "B", Input: "counter 1", Kind: device.Count, Width: 24},
				},
				Settings: []device.Setting{{Key: "gate", Value: gate.String(), How: "read back"}},
			}
			for name, value := range req.Settings {
				if take != nil {
					if err := take(name, value); err != nil {
						return nil, err
					}
				}
				s.note(name, value)
			}
			if about != nil {
				about(&s.about)
			}
			select {
			case f.sources <- s:
			default:
			}
			if check := f.check; check != nil {
				return &checkedSource{s, check}, nil
			}
			return s, nil
		},
	}
}

func (f *bench) openPort(ctx context.Context, name string, _ device.Line, clock device.Clock) (device.Port, error) {
	f.mu.Lock()
	f.clock = clock
	err, open := f.openErr, f.open
	f.mu.Unlock()
	if open != nil {
		if err := open(ctx); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	return newFakePort(name), nil
}

// readings gives n readings of the gate that follow each other from begin on,
// with the values 100, 101, ... in A and 200, 201, ... in B.
func readings(begin int64, gate time.Duration, n int) func(*device.Batch) {
	return func(b *device.Batch) {
		for range n {
			addReading(b, begin, int64(gate), uint64(100+b.Len()), uint64(200+b.Len()))
			begin += int64(gate)
		}
	}
}

func addReading(b *device.Batch, begin, length int64, values ...uint64) {
	b.Begin = append(b.Begin, begin)
	b.Length = append(b.Length, length)
	b.Live = append(b.Live, length)
	b.Uncertainty = append(b.Uncertainty, 0)
	b.Flags = append(b.Flags, 0)
	for c, v := range values {
		b.Values[c] = append(b.Values[c], v)
		b.ValueFlags[c] = append(b.ValueFlags[c], 0)
	}
}

func testConfig(t *testing.T, names ...string) Config {
	t.Helper()
	c := Config{Name: "pi-test", Listen: []string{"127.0.0.1:0"}, Journal: t.TempDir()}
	for _, name := range names {
		c.Devices = append(c.Devices, DeviceConfig{Name: name, Driver: "fake", Port: "/dev/" + name})
	}
	return c
}

// running is a gateway that runs until the test ends.
type running struct {
	*Gateway
	t    testing.TB
	stop context.CancelFunc
	done chan error
}

func launch(t *testing.T, c Config, f *bench) *running {
	t.Helper()
	return launchWith(t, c, Deps{Drivers: []device.Driver{f.driver("fake")}, OpenPort: f.openPort, Log: zerolog.New(zerolog.NewTestWriter(t))})
}

func launchWith(t testing.TB, c Config, deps Deps) *running {
	t.Helper()
	deps.Software = "test"
	g, err := New(c, deps)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	r := &running{Gateway: g, t: t, stop: stop, done: make(chan error, 1)}
	go func() { r.done <- g.Run(ctx) }()
	t.Cleanup(r.end)
	select {
	case <-g.Ready():
	case err := <-r.done:
		close(r.done)
		t.Fatalf("the gateway ended: %v", err)
	}
	return r
}

// end stops the gateway in order.
func (r *running) end() {
	r.t.Helper()
	r.stop()
	if err, ok := <-r.done; ok {
		if err != nil {
			r.t.Errorf("Run: %v", err)
		}
		close(r.done)
	}
}
