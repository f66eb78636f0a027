package cmd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"photongate/device"
	"photongate/device/de2ccu"
	"photongate/gateway"
	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/receiver"
	"photongate/sim"
	sim2 "photongate/sim/de2ccu"
)

// fastDays is a counting unit behind a serial adapter, whose days pass as fast
// as its packets are read: bytes and arrivals are those of the real thing, and
// the computer's clock shows when the packet arrived that was read last.
type fastDays struct {
	unit    *sim2.Unit
	rng     *rand.Rand
	packets int64 // in all
	now     atomic.Int64
	clock   device.Clock
	taken   func() int64 // readings in frames

	sent   []sentPacket // not read yet
	made   int64
	given  int64
	last   int64
	stall  int64 // nothing is handed on before
	closed chan struct{}
	once   sync.Once
}

type sentPacket struct {
	bytes []byte
	at    int64
}

// fastAhead is how far the instrument may be ahead of what is in frames: what
// the queue between reading and batching surely holds.
const fastAhead = 2500

// Send implements sim.Line: the last byte arrives after 41 bytes at 19200 Bd, and
// what the adapter and the host take for it: 0 to 16 ms, and now and then a host
// that does nothing for up to two seconds.
func (d *fastDays) Send(end time.Time, packet []byte) {
	at := end.UnixNano() + int64(len(packet))*int64(sim2.ByteTime) + d.rng.Int64N(16e6)
	if d.rng.IntN(2000) == 0 {
		d.stall = at + d.rng.Int64N(2e9)
	}
	d.last = max(d.last, at, d.stall)
	d.sent = append(d.sent, sentPacket{append([]byte(nil), packet...), d.last})
	d.made++
}

func (d *fastDays) TearNext()                   {}
func (d *fastDays) Latched(time.Time, []uint64) {}

func (d *fastDays) Read(b []byte, timeout time.Duration) (int, int64, error) {
	switch {
	case d.given >= d.packets:
		return d.idle(timeout)
	case d.given-d.taken() > fastAhead:
		return d.idle(50 * time.Microsecond)
	}
	for len(d.sent) < 32 { // more than one stall holds back
		d.unit.Advance(d.unit.Next(), d)
	}
	at, n := d.sent[0].at, 0
	for len(d.sent) > 0 && d.sent[0].at == at && n+len(d.sent[0].bytes) <= len(b) {
		n += copy(b[n:], d.sent[0].bytes)
		d.sent = d.sent[1:]
		d.given++
	}
	d.now.Store(at)
	return n, d.clock(), nil
}

func (d *fastDays) idle(timeout time.Duration) (int, int64, error) {
	t := time.NewTimer(timeout)
	defer t.Stop()
	select {
	case <-d.closed:
		return 0, d.clock(), device.ErrClosed
	case <-t.C:
	}
	return 0, d.clock(), device.ErrTimeout
}

func (d *fastDays) Write([]byte) (int64, error) { return d.clock(), nil }
func (d *fastDays) Discard() error              { return nil }
func (d *fastDays) Name() string                { return "memory" }
func (d *fastDays) Close() error                { d.once.Do(func() { close(d.closed) }); return nil }

// TestADayOfADriftingCrystal: 24 hours of a counting unit whose crystal is 200
// ppm fast and wanders by 1 ppm in the course of six hours, in seconds. The edges
// stated are the true ones to what the driver promises, and the rate that verify
// reports is the crystal's.
func TestADayOfADriftingCrystal(t *testing.T) {
	t.Parallel()
	const packets, fast, wander, every = 864_000, 200.0, 1.0, 6 * time.Hour
	t.Attr("fault", "F42")
	t.Attr("injected", fmt.Sprintf("%d packets of a crystal %g ppm fast, wandering by %g ppm in %v; arrivals 0-16 ms late, stalls to 2 s", packets, fast, wander, every))
	t.Attr("promised", "rate within 1 ppm, residual reported, edges within what the driver states")

	start := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	inputs, err := sim2.Inputs(8)
	if err != nil {
		t.Fatal(err)
	}
	light, err := sim.NewLight(sim.LightSettings{Inputs: inputs})
	if err != nil {
		t.Fatal(err)
	}
	unit, err := sim2.New(sim2.Options{Counters: 8, Light: light, FastPPM: fast, WanderPPM: wander, WanderEvery: every, Distinct: true})
	if err != nil {
		t.Fatal(err)
	}
	d := &fastDays{unit: unit, rng: rand.New(rand.NewPCG(7, 42)), packets: packets, closed: make(chan struct{})}
	unit.Handle(sim.Event{Kind: sim.PowerOn, At: start}, d)
	d.now.Store(start.UnixNano())
	dir := filepath.Join(t.TempDir(), "journal")
	playDays(t, dir, d)

	// Nominally 2604 x 1920 / 50 MHz.
	crystal := sim.Crystal{Start: start, PeriodS: 0.0999936, FastPPM: fast, WanderPPM: wander, WanderEvery: every}
	early, late, beyond, readings := compareEdges(t, dir, crystal)
	if readings < packets-5 {
		t.Errorf("%d readings of %d packets", readings, packets)
	}
	// Of 100 ms told: 0.1 s / 99.9936 ms x 1.0002 - 1.
	const truth = 264.0169
	report, err := receiver.Verify(t.Context(), dir, receiver.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	clock := clockOf(t, &report, "de2")
	t.Logf("%+v", *clock)
	t.Logf("edges from %v before to %v after the true ones", -early, late)
	if off := clock.RatePPM - truth; math.Abs(off) > 1 || math.Abs(off) > 10*clock.WithinPPM {
		t.Errorf("rate %.3f ± %.3f ppm, truth %.3f", clock.RatePPM, clock.WithinPPM, truth)
	}
	// The wander alone: 1e-6 x 6 h / 2 pi = 3.438 ms of amplitude, 2.43 ms rms.
	if rms := time.Duration(clock.ResidualRMSNs); rms < 2200*time.Microsecond || rms > 2700*time.Microsecond {
		t.Errorf("residual %v rms, the wander alone makes 2.43 ms", rms)
	}
	if most := time.Duration(clock.ResidualMaxNs); most < 3*time.Millisecond || most > 6*time.Millisecond {
		t.Errorf("residual at most %v, the wander alone makes 3.44 ms", most)
	}
	// 20 ms is what the driver states for adapter and host.
	if beyond > 0 {
		t.Errorf("%d edges lie further from the true ones than what is stated", beyond)
	}
	if clock.SpanNs < protocol.Int64(84_600*time.Second) {
		t.Errorf("the rate is that of %v", time.Duration(clock.SpanNs))
	}
	t.Attr("seen", fmt.Sprintf("%d readings; %.3f ± %.3f ppm, truth %.3f; residual %v rms, %v at most; edges %v before to %v after the true ones",
		readings, clock.RatePPM, clock.WithinPPM, truth, time.Duration(clock.ResidualRMSNs).Round(time.Microsecond), time.Duration(clock.ResidualMaxNs).Round(time.Microsecond),
		(-early).Round(time.Microsecond), late.Round(time.Microsecond)))
}

// playDays runs a gateway on the instrument until all packets are in its journal.
func playDays(t *testing.T, dir string, d *fastDays) {
	t.Helper()
	source := gateway.ClockSource{
		Even: d.now.Load, UTC: d.now.Load, Mono: d.now.Load, Boot: "a boot",
		Quality: func() gateway.ClockQuality { return gateway.ClockQuality{Sync: protocol.SyncSynchronised} },
	}
	g, err := gateway.New(gateway.Config{
		Name: "fast", Listen: []string{"127.0.0.1:0"}, Journal: dir,
		Devices: []gateway.DeviceConfig{{Name: "de2", Driver: "de2ccu", Port: "tcp://127.0.0.1:1", Batch: 10 * time.Millisecond}},
	}, gateway.Deps{
		Drivers: []device.Driver{de2ccu.Driver}, Clock: &source,
		OpenPort: func(_ context.Context, _ string, _ device.Line, clock device.Clock) (device.Port, error) {
			d.clock = clock
			return d, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	d.taken = func() int64 {
		if n := int64(g.Status().Devices[0].Readings); n > 0 {
			return n
		}
		return fastAhead/2 - fastAhead // until its part has begun
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	running := make(chan error, 1)
	go func() { running <- g.Run(ctx) }()
	<-g.Ready()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(3 * patience); int64(g.Status().Devices[0].Readings) < d.packets-5; {
		select {
		case <-tick.C:
		case err := <-running:
			t.Fatalf("the gateway ended: %v", err)
		case <-deadline:
			t.Fatalf("the device is %+v", g.Status().Devices[0])
		}
	}
	stop()
	if err := <-running; err != nil {
		t.Fatal(err)
	}
}

// compareEdges holds the ends of all readings in a journal against the crystal:
// the value of the first counter tells which gate it was. Beyond counts those that
// lie further off than uncertainty and late_ns say, the scatter of arrivals of 1 ms
// allowed for.
func compareEdges(t *testing.T, dir string, crystal sim.Crystal) (early, late time.Duration, beyond, readings int) {
	t.Helper()
	folder, err := journal.OpenFolder(nil, dir)
	if err != nil {
		t.Fatal(err)
	}
	r := folder.Reader("de2")
	defer r.Close()
	var decoder protocol.CountsDecoder
	var c protocol.Counts
	var lateNs, expected int64
	for {
		frames, err := r.Next()
		if err != nil {
			return early, late, beyond, readings
		}
		for len(frames) > 0 {
			h, payload, rest, err := protocol.ParseFrame(frames)
			if err != nil {
				t.Fatal(err)
			}
			frames = rest
			switch h.Type {
			case protocol.TypeDescriptor:
				var desc protocol.Descriptor
				if err := protocol.DecodeJSON(payload, &desc); err != nil {
					t.Fatal(err)
				}
				lateNs = int64(desc.LateNs)
			case protocol.TypeGap:
				t.Errorf("gap: %s", payload)
			case protocol.TypeCounts:
				if err := decoder.Decode(h, payload, &c); err != nil {
					t.Fatal(err)
				}
				for i := range c.Begin {
					number := int64(c.Values[0][i]) - 1_000_000
					if expected != 0 && number != expected {
						t.Fatalf("gate %d behind gate %d", number, expected-1)
					}
					expected = number + 1
					off := time.Duration(c.Begin[i] - crystal.Edge(number).UnixNano())
					early, late = min(early, off), max(late, off)
					var uncertainty int64
					if len(c.Uncertainty) > 0 {
						uncertainty = c.Uncertainty[i]
					}
					if int64(off) > lateNs+uncertainty+1e6 || int64(off) < -uncertainty-1e6 {
						beyond++
					}
					readings++
				}
			}
		}
	}
}

// clockOf is what a report says of an instrument's clock.
func clockOf(t *testing.T, r *receiver.Report, stream string) *receiver.DeviceClock {
	t.Helper()
	for _, s := range r.Streams {
		if s.Name == stream && s.Clock != nil {
			return s.Clock
		}
	}
	text, err := json.MarshalIndent(r, "", " ")
	t.Fatalf("nothing about the clock of %s: %s, %v", stream, text, err)
	return nil
}

// TestDriftOfAMinute: the rate of a simulated crystal, through the binaries, to
// what a minute allows.
func TestDriftOfAMinute(t *testing.T) {
	t.Parallel()
	readings := "150"
	if os.Getenv("PHOTONGATE_CHAOS") == "long" {
		readings = "550" // what the wait for a process allows
	}
	t.Attr("fault", "F42")
	t.Attr("injected", readings+" gates of photonsim de2ccu --ppm 400 on a pty")
	t.Attr("promised", "the rate in verify's report is the crystal's, to what it states")
	b := newBench(t, "de2ccu", "", "--ppm", "400")
	b.startSim()
	b.startGateway()
	if code := b.startRecord("--readings", readings).exit(); code != 0 {
		t.Fatalf("record ended with %d", code)
	}
	code, out := b.verifyJSON()
	var report receiver.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 {
		t.Fatalf("verify ended with %d: %v", code, err)
	}
	clock := clockOf(t, &report, "bench")
	// 0.1 s / 99.9936 ms x 1.0004 - 1.
	const truth = 464.0297
	// A host that is busy adds to what the pairs scatter; one pair that is off by a
	// millisecond at one end of the time is the least that is allowed for.
	allowed := 4*clock.WithinPPM + 1e6*float64(time.Millisecond)/float64(clock.SpanNs)
	if math.Abs(clock.RatePPM-truth) > allowed {
		t.Errorf("%.1f ± %.1f ppm, truth %.1f ± %.1f", clock.RatePPM, clock.WithinPPM, truth, allowed)
	}
	t.Attr("seen", fmt.Sprintf("%.1f ± %.1f ppm in %v, truth %.1f; residual %v rms", clock.RatePPM, clock.WithinPPM,
		time.Duration(clock.SpanNs).Round(time.Second), truth, time.Duration(clock.ResidualRMSNs)))
}
