package cmd_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"photongate/device"
	"photongate/device/de2ccu"
	"photongate/gateway"
	"photongate/receiver"
)

// packets is a stretch of DE2 packets with Poisson counts of mean 1000, larger
// than any cache: 64 MiB and more.
const floodPackets = 1_700_000 // x 41 bytes = 66.5 MiB

// makePackets builds n packets by hand: eight counters of five bytes, 7 bits
// each, least significant first, then FF.
func makePackets(n int, mean float64) []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, 0, 41*n)
	for range n {
		for range 8 {
			v := uint64(max(0, math.Round(mean+math.Sqrt(mean)*rng.NormFloat64())))
			for range 5 {
				b = append(b, byte(v&0x7F))
				v >>= 7
			}
		}
		b = append(b, 0xFF)
	}
	return b
}

// floodPort delivers prebuilt bytes as fast as they are read: the first few
// packets at once, the rest from release on, over and over until total packets
// have been given.
type floodPort struct {
	clock   device.Clock
	data    []byte
	given   int64 // bytes
	total   int64 // bytes
	release chan struct{}
	closed  chan struct{}
	once    sync.Once
	taken   func() int64 // bytes whose readings are in frames, see takenBy
}

// floodAhead is how far the port may be ahead of what is in frames. Memory has
// no pace of its own; without this it would outrun the batcher, and the gateway
// would rightly drop what finds no room, and say so.
const floodAhead = 8 << 20

const floodHead = 41 * 64 // bytes given before release

// takenBy is what a gateway has put into frames, of readings or tags of so many bytes
// each. While half the memory for frames that wait for the disk is taken it says
// nothing, so that the port waits: memory has no pace of its own, and a disk that is
// slower makes the path slower, not its record shorter.
func takenBy(g *gateway.Gateway, bytes int64) func() int64 {
	return func() int64 {
		s := g.Status()
		if s.Journal.TailUsedBytes > s.Journal.TailBytes/2 {
			return 0
		}
		return bytes * int64(s.Devices[0].Readings)
	}
}

func (p *floodPort) Read(b []byte, timeout time.Duration) (int, int64, error) {
	if p.given >= floodHead {
		if p.given >= p.total {
			return p.idle(timeout, nil)
		}
		select {
		case <-p.release:
		default:
			return p.idle(timeout, p.release)
		}
		if p.given-p.taken() > floodAhead {
			return p.idle(100*time.Microsecond, nil)
		}
	} else {
		b = b[:min(int64(len(b)), floodHead-p.given)]
	}
	at := p.given % int64(len(p.data))
	n := copy(b[:min(int64(len(b)), p.total-p.given)], p.data[at:])
	p.given += int64(n)
	return n, p.clock(), nil
}

func (p *floodPort) idle(timeout time.Duration, wake <-chan struct{}) (int, int64, error) {
	t := time.NewTimer(timeout)
	defer t.Stop()
	select {
	case <-p.closed:
		return 0, p.clock(), device.ErrClosed
	case <-wake:
	case <-t.C:
	}
	return 0, p.clock(), device.ErrTimeout
}

func (p *floodPort) Write([]byte) (int64, error) { return p.clock(), nil }
func (p *floodPort) Discard() error              { return nil }
func (p *floodPort) Name() string                { return "memory" }
func (p *floodPort) Close() error                { p.once.Do(func() { close(p.closed) }); return nil }

// BenchmarkEndToEnd measures the whole path: prebuilt device bytes through the
// driver, the batcher, the journal, loopback TCP and the receiver into the
// archive, both sides synced at their defaults. The clock stops when the last
// reading is acked. The floor, in the same run: the same bytes over raw TCP into
// a file that is synced at the end.
func BenchmarkEndToEnd(b *testing.B) {
	data := makePackets(floodPackets, 1000)
	for b.Loop() {
		const rounds = 40
		total := int64(rounds) * int64(len(data))
		floor := rawTCPToFile(b, data, rounds)
		path := endToEnd(b, data, total)
		readings := float64(total / 41)
		b.ReportMetric(readings/path.Seconds(), "readings/s")
		b.ReportMetric(readings/floor.Seconds(), "floor-readings/s")
		b.ReportMetric(floor.Seconds()/path.Seconds(), "of-raw-tcp+file")
		b.ReportMetric(0, "ns/op")
	}
}

func endToEnd(b *testing.B, data []byte, total int64) time.Duration {
	b.Helper()
	dir := b.TempDir()
	port := &floodPort{data: data, total: total, release: make(chan struct{}), closed: make(chan struct{})}
	ctx, stop := context.WithCancel(b.Context())
	g, running := startInProcess(b, ctx, dir, port, func(c device.Clock) { port.clock = c })
	port.taken = takenBy(g, 41)
	// From the oldest reading on, so that none is missed; the driver drops the
	// first two packets, which lie before what it can be sure of.
	took, err := recordAll(ctx, g, filepath.Join(dir, "archive"), uint64(total/41)-2, func() { close(port.release) })
	stop()
	if err := errors.Join(err, <-running); err != nil {
		b.Fatal(err)
	}
	return took
}

// recordAll records so many readings or tags of a gateway, which come from release on,
// and tells how long that took. It gives up when some are missing or none come any
// more: a recording waits for as long as it takes.
func recordAll(ctx context.Context, g *gateway.Gateway, dir string, want uint64, release func()) (took time.Duration, err error) {
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	var released, since time.Time
	had := uint64(0)
	_, err = receiver.Record(ctx, receiver.RecordOptions{
		Addresses: []string{g.Addr().String()}, Dir: dir, Name: "bench", Readings: want, Resume: true,
		OnProgress: func(p receiver.Progress) {
			if released.IsZero() && p.Connected > 0 {
				released = time.Now()
				since = released
				release()
			}
			for _, s := range p.Streams {
				if s.Readings != had {
					had, since = s.Readings, time.Now()
				}
				if s.Missing > 0 || s.Gaps > 0 || s.Holes > 0 {
					giveUp(fmt.Errorf("after %d of %d, %d are missing, in %d gaps and %d holes", s.Readings, want, s.Missing, s.Gaps, s.Holes))
				}
			}
			if !since.IsZero() && time.Since(since) > patience {
				giveUp(fmt.Errorf("nothing came for %v after %d of %d; the device is %+v", patience, had, want, g.Status().Devices[0]))
			}
		},
	})
	return time.Since(released), errors.Join(err, context.Cause(ctx))
}

// startInProcess runs a gateway with the DE2 driver on one port, and returns
// when readings come.
func startInProcess(tb testing.TB, ctx context.Context, dir string, port device.Port, setClock func(device.Clock)) (*gateway.Gateway, <-chan error) {
	tb.Helper()
	g, running, err := newInProcess(ctx, dir, port, setClock)
	if err != nil {
		tb.Fatal(err)
	}
	awaitState(tb, g)
	return g, running
}

func newInProcess(ctx context.Context, dir string, port device.Port, setClock func(device.Clock), change ...func(*gateway.Config)) (*gateway.Gateway, <-chan error, error) {
	config := gateway.Config{
		Name: "bench", Listen: []string{"127.0.0.1:0"}, Journal: filepath.Join(dir, "journal"),
		Devices: []gateway.DeviceConfig{{Name: "de2", Driver: "de2ccu", Port: "tcp://127.0.0.1:1"}},
	}
	for _, c := range change {
		c(&config)
	}
	g, err := gateway.New(config, gateway.Deps{
		Drivers: []device.Driver{fastUnit},
		OpenPort: func(_ context.Context, _ string, _ device.Line, clock device.Clock) (device.Port, error) {
			setClock(clock)
			return port, nil
		},
	})
	if err != nil {
		return nil, nil, err
	}
	running := make(chan error, 1)
	go func() { running <- g.Run(ctx) }()
	<-g.Ready()
	return g, running, nil
}

// fastUnit is the DE2 driver for a unit of 1 ms gates: readings wait for each
// other as those of any fast instrument do.
var fastUnit = func() device.Driver {
	d := de2ccu.Driver
	d.Open = func(ctx context.Context, r device.OpenRequest) (device.Source, error) {
		s, err := de2ccu.Driver.Open(ctx, r)
		if err != nil {
			return nil, err
		}
		return fastSource{s}, nil
	}
	return d
}()

type fastSource struct{ device.Source }

func (s fastSource) Describe() device.Description {
	d := s.Source.Describe()
	d.Gate = time.Millisecond
	return d
}

func awaitState(tb testing.TB, g *gateway.Gateway) {
	tb.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for g.Status().Devices[0].State != gateway.Running {
		select {
		case <-tick.C:
		case <-deadline:
			tb.Fatalf("the device is %+v", g.Status().Devices[0])
		}
	}
}

// rawTCPToFile is the floor: the same bytes over loopback into a file.
func rawTCPToFile(b *testing.B, data []byte, rounds int) time.Duration {
	b.Helper()
	l, err := new(net.ListenConfig).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	sent := make(chan error, 1)
	start := time.Now()
	go func() {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			sent <- err
			return
		}
		for range rounds {
			for at := 0; at < len(data) && err == nil; at += 256 << 10 {
				_, err = c.Write(data[at:min(at+256<<10, len(data))])
			}
		}
		c.Close()
		sent <- err
	}()
	c, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	f, err := os.Create(filepath.Join(b.TempDir(), "raw"))
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 256<<10)
	for {
		n, err := c.Read(buf)
		if n > 0 {
			if _, err := f.Write(buf[:n]); err != nil {
				b.Fatal(err)
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	took := time.Since(start)
	f.Close()
	os.Remove(f.Name())
	if err := <-sent; err != nil {
		b.Fatal(err)
	}
	return took
}
