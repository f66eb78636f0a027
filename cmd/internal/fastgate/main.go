//go:build unix

// Command fastgate is a gateway with an instrument that is faster than any there
// is, for tests that want load: a DE2 unit of 8 counters whose packets come at a
// given rate instead of every 0.1 s, and whose counters 0 and 1 hold the number
// of the packet, so that a record can be checked without a file of truth; or of
// one that gives time tags. All else is the gateway's own code. Its disk can be made
// to stall.
//
// It says on standard error where it listens, and at each SIGUSR1 how many
// goroutines it has and how much it has read. SIGINT ends it in good order.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"photongate/device"
	"photongate/device/de2ccu"
	"photongate/gateway"
	"photongate/protocol/journal"
)

func main() {
	dir := flag.String("dir", "", "folder of the journal")
	listen := flag.String("listen", "127.0.0.1:0", "address")
	rate := flag.Int64("rate", 10_000, "packets per second")
	bits := flag.Int("bits", 6, "of noise in counters 1 to 7: what a reading needs on the disk")
	tags := flag.Uint64("tags", 0, "time tags per second, instead of packets; 0: packets")
	stallEvery := flag.Duration("stall-every", 0, "the disk stalls so often; 0: never")
	stallFor := flag.Duration("stall-for", 2*time.Second, "and for so long")
	flag.Parse()
	driver := fastUnit(time.Second / time.Duration(*rate))
	if *tags > 0 {
		driver = tagger(*tags)
	}
	if err := run(*dir, *listen, driver, newFastPort(*rate, *bits), stalls{every: *stallEvery, length: *stallFor}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(dir, listen string, driver device.Driver, port *fastPort, s stalls) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	g, err := gateway.New(gateway.Config{
		Name: "fast", Listen: []string{listen}, Journal: filepath.Join(dir, "journal"),
		Devices: []gateway.DeviceConfig{{Name: "bench", Driver: driver.Name, Port: "tcp://127.0.0.1:1"}},
	}, gateway.Deps{
		Drivers: []device.Driver{driver},
		FS:      &slowDisk{stalls: s, began: time.Now()},
		OpenPort: func(_ context.Context, _ string, _ device.Line, clock device.Clock) (device.Port, error) {
			port.clock = clock
			return port, nil
		},
	})
	if err != nil {
		return err
	}
	running := make(chan error, 1)
	go func() { running <- g.Run(ctx) }()
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	defer signal.Stop(asked)
	select {
	case err := <-running:
		return err // before it was ready
	case <-g.Ready():
	}
	fmt.Fprintf(os.Stderr, "listening %s\n", g.Addr())
	for n := 1; ; {
		select {
		case err := <-running:
			return err
		case <-asked:
			fmt.Fprintf(os.Stderr, "figures %d goroutines=%d readings=%d gaps=%d.\n", n, runtime.NumGoroutine(), g.Status().Devices[0].Readings, g.Status().Devices[0].Gaps)
			n++
		}
	}
}

// fastUnit is the driver of the DE2 unit for one with shorter gates.
func fastUnit(gate time.Duration) device.Driver {
	d := de2ccu.Driver
	d.Open = func(ctx context.Context, r device.OpenRequest) (device.Source, error) {
		s, err := de2ccu.Driver.Open(ctx, r)
		if err != nil {
			return nil, err
		}
		return fastSource{s, gate}, nil
	}
	return d
}

type fastSource struct {
	device.Source
	gate time.Duration
}

func (s fastSource) Describe() device.Description {
	d := s.Source.Describe()
	d.Gate = s.gate
	return d
}

// packetBytes is the length of a packet of 8 counters (package de2ccu).
const packetBytes = 41

// fastPort gives packets at a rate, those that were not read in time later: it
// loses nothing by itself. One goroutine reads; another may close it.
type fastPort struct {
	clock  device.Clock
	rate   int64
	noise  int64 // a mask
	begun  time.Time
	given  int64
	ticker *time.Ticker
	closed chan struct{}
	once   sync.Once
}

func newFastPort(rate int64, bits int) *fastPort {
	return &fastPort{rate: rate, noise: 1<<bits - 1, begun: time.Now(), ticker: time.NewTicker(time.Millisecond), closed: make(chan struct{})}
}

func (p *fastPort) Read(b []byte, timeout time.Duration) (int, int64, error) {
	limit := time.NewTimer(timeout)
	defer limit.Stop()
	for {
		due := time.Since(p.begun).Milliseconds() * p.rate / 1000
		n := 0
		for p.given < due && n+packetBytes <= len(b) {
			p.given++
			fill(b[n:n+packetBytes], p.given, p.noise)
			n += packetBytes
		}
		if n > 0 {
			return n, p.clock(), nil
		}
		select {
		case <-p.ticker.C:
		case <-limit.C:
			return 0, p.clock(), device.ErrTimeout
		case <-p.closed:
			return 0, p.clock(), device.ErrClosed
		}
	}
}

// fill writes packet number n: seven bits a byte, the number in counter 0, some
// light in the others.
func fill(packet []byte, n, noise int64) {
	count(packet[:5], n)
	for c := range int64(7) {
		count(packet[5*c+5:5*c+10], 1000+(n*7+c)*0x1E3779B97F4A7C15>>20&noise)
	}
	packet[40] = 0xFF
}

// count writes one counter of 32 bits.
func count(b []byte, v int64) {
	for i := range 5 {
		b[i] = byte(v >> (7 * i) & 0x7F)
	}
	b[4] &= 0x0F
}

func (p *fastPort) Write([]byte) (int64, error) { return p.clock(), nil }
func (p *fastPort) Discard() error              { return nil }
func (p *fastPort) Name() string                { return "memory" }
func (p *fastPort) Close() error                { p.once.Do(func() { close(p.closed) }); return nil }

// stalls says how a disk stalls.
type stalls struct{ every, length time.Duration }

// slowDisk is the system's own, but at times a sync takes long.
type slowDisk struct {
	journal.OS
	stalls
	began time.Time
}

func (d *slowDisk) Create(name string) (journal.File, error) {
	f, err := d.OS.Create(name)
	if err != nil {
		return nil, err
	}
	return slowFile{f, d}, nil
}

type slowFile struct {
	journal.File
	disk *slowDisk
}

// Sync takes until the end of the stall that it falls into.
func (f slowFile) Sync() error {
	if f.disk.every > 0 {
		into := time.Since(f.disk.began) % f.disk.every
		if begins := f.disk.every - f.disk.length; into > begins {
			<-time.After(f.disk.every - into)
		}
	}
	return f.File.Sync()
}
