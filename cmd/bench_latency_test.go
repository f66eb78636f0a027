package cmd_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"photongate/device"
	"photongate/protocol"
	"photongate/receiver"
)

// pacedPort gives one packet every millisecond, as an instrument of 1 kHz
// gates would. Counters 0 and 1 hold the packet's number, by which a viewer
// knows when it was given.
type pacedPort struct {
	clock  device.Clock
	start  time.Time
	given  atomic.Int64
	stamps *stamps // nil: nobody asks
	ticker *time.Ticker
	closed chan struct{}
	once   sync.Once
}

// stamps remembers when the last packets were given.
type stamps [1 << 16]atomic.Int64

func newPacedPort(s *stamps) *pacedPort {
	return &pacedPort{start: time.Now(), stamps: s, ticker: time.NewTicker(time.Millisecond), closed: make(chan struct{})}
}

func (p *pacedPort) Read(b []byte, timeout time.Duration) (int, int64, error) {
	limit := time.NewTimer(timeout)
	defer limit.Stop()
	for {
		due := time.Since(p.start).Milliseconds()
		n := 0
		for p.given.Load() < due && n+41 <= len(b) {
			number := p.given.Add(1)
			packet := b[n : n+41]
			clear(packet)
			for i := range 5 {
				packet[i] = byte(number >> (7 * i) & 0x7F)
			}
			for c := 1; c < 8; c++ { // some light, so that frames have their usual size
				v := 1000 + (number*2654435761>>uint(c))&63
				packet[5*c], packet[5*c+1] = byte(v&0x7F), byte(v>>7)
			}
			packet[4] &= 0x0F
			packet[40] = 0xFF
			if p.stamps != nil {
				p.stamps[number%int64(len(p.stamps))].Store(time.Now().UnixNano())
			}
			n += 41
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

func (p *pacedPort) Write([]byte) (int64, error) { return p.clock(), nil }
func (p *pacedPort) Discard() error              { return nil }
func (p *pacedPort) Name() string                { return "memory" }
func (p *pacedPort) Close() error                { p.once.Do(func() { close(p.closed) }); return nil }

// BenchmarkLatency measures how long a reading takes from the port to a viewer,
// at 1000 readings/s of 8 channels and the default batch age of 20 ms.
func BenchmarkLatency(b *testing.B) {
	const readings = 10_000
	for b.Loop() {
		var given stamps
		port := newPacedPort(&given)
		ctx, stop := context.WithCancel(b.Context())
		g, running := startInProcess(b, ctx, b.TempDir(), port, func(c device.Clock) { port.clock = c })
		latencies := make([]time.Duration, 0, readings)
		view(b, g.Addr().String(), func(c *protocol.Counts) bool {
			now := time.Now().UnixNano()
			for _, number := range c.Values[0] {
				latencies = append(latencies, time.Duration(now-given[number%uint64(len(given))].Load()))
			}
			return len(latencies) < readings
		})
		stop()
		if err := <-running; err != nil {
			b.Fatal(err)
		}
		slices.Sort(latencies)
		b.ReportMetric(float64(latencies[len(latencies)/2])/1e6, "p50-ms")
		b.ReportMetric(float64(latencies[len(latencies)*99/100])/1e6, "p99-ms")
		b.ReportMetric(0, "ns/op")
	}
}

// view subscribes to a view of everything and hands over counts until use has
// enough.
func view(tb testing.TB, addr string, use func(c *protocol.Counts) bool) {
	tb.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close()
	send := func(t protocol.Type, v any) {
		frame, err := protocol.AppendJSON(nil, protocol.Header{Type: t}, v)
		if err == nil {
			_, err = conn.Write(frame)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	send(protocol.TypeHello, &protocol.Hello{Format: [2]int{1, 1}, Role: protocol.RoleReceiver, Name: "viewer",
		ID: protocol.NewID(), Software: "bench", Nonce: protocol.NewID()})
	send(protocol.TypeProof, &protocol.Proof{})
	send(protocol.TypeSubscribe, &protocol.Subscribe{Sub: 1, Kind: protocol.SubscribeView, Streams: []string{"*"},
		From: protocol.FromNow, Credit: 1 << 40})
	frames := protocol.NewFrameReader(conn, protocol.MaxFrame)
	var decoder protocol.CountsDecoder
	var counts protocol.Counts
	beat := time.Now()
	for {
		h, frame, err := frames.Next()
		if err != nil {
			tb.Fatal(err)
		}
		if h.Type == protocol.TypeCounts {
			if err := decoder.Decode(h, frame[protocol.HeaderSize:], &counts); err != nil {
				tb.Fatal(err)
			}
			if !use(&counts) {
				return
			}
		}
		if time.Since(beat) > time.Second {
			beat = time.Now()
			send(protocol.TypeHeartbeat, &protocol.Heartbeat{TNs: protocol.Int64(beat.UnixNano())})
		}
	}
}

// BenchmarkResident measures what a gateway of its own process costs at 1000
// readings/s of 8 channels with one archive and one view attached: part of a
// core, and resident memory, beside a process that only reads the same port, after PHOTONGATE_BENCH_RESIDENT (default 20s; `make
// bench` takes ten minutes).
func BenchmarkResident(b *testing.B) {
	length := 20 * time.Second
	if text := os.Getenv("PHOTONGATE_BENCH_RESIDENT"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		dir := b.TempDir()
		floor := startChild(b, "")
		began, idle := time.Now(), cpuTime(b, floor.pid)
		child := startChild(b, dir)
		ctx, stop := context.WithCancel(b.Context())
		recorded := make(chan error, 1)
		go func() {
			_, err := receiver.Record(ctx, receiver.RecordOptions{Addresses: []string{child.said}, Dir: filepath.Join(dir, "archive"), Name: "bench"})
			recorded <- err
		}()
		cpu := cpuTime(b, child.pid)
		view(b, child.said, func(*protocol.Counts) bool { return time.Since(began) < length })
		percent := func(d time.Duration) float64 { return 100 * d.Seconds() / time.Since(began).Seconds() }
		b.ReportMetric(percent(cpuTime(b, child.pid)-cpu), "%-of-a-core")
		b.ReportMetric(percent(cpuTime(b, floor.pid)-idle), "floor-%-of-a-core")
		b.ReportMetric(float64(statusKiB(b, child.pid, "VmRSS:"))/1024, "resident-MiB")
		b.ReportMetric(float64(statusKiB(b, child.pid, "VmHWM:"))/1024, "peak-MiB")
		b.ReportMetric(0, "ns/op")
		stop()
		if err := <-recorded; err != nil {
			b.Fatal(err)
		}
		child.kill()
		floor.kill()
	}
}

// child is this program, started once more.
type child struct {
	pid  int
	said string // its first word
	kill func()
}

// startChild starts a gateway with its journal in dir, or with dir empty what
// only reads the same port: the floor.
func startChild(b *testing.B, dir string) child {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	c := exec.Command(self)
	c.Env = append(os.Environ(), gatewayChild+"=1", "PHOTONGATE_BENCH_DIR="+dir)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	started := child{pid: c.Process.Pid, kill: func() {
		c.Process.Kill() //nolint:errcheck // it may have ended
		c.Wait()         //nolint:errcheck // killed
	}}
	if _, err := fmt.Fscanln(out, &started.said); err != nil {
		b.Fatal(err)
	}
	return started
}

// gatewayChild names the variable that makes this program a child.
const gatewayChild = "PHOTONGATE_BENCH_CHILD"

// serveChild reads a port of 1000 packets/s until it is killed: with a folder
// for the journal as a gateway, whose address it prints, otherwise for nothing.
func serveChild(dir string) error {
	port := newPacedPort(nil)
	if dir == "" {
		port.clock = func() int64 { return time.Now().UnixNano() }
		fmt.Println("reading")
		for buf := make([]byte, 64<<10); ; {
			if _, _, err := port.Read(buf, device.MaxWait); err != nil && err != device.ErrTimeout {
				return err
			}
		}
	}
	g, running, err := newInProcess(context.Background(), dir, port, func(c device.Clock) { port.clock = c })
	if err != nil {
		return err
	}
	fmt.Println(g.Addr())
	return <-running
}

// cpuTime is the user and system time a process has used.
func cpuTime(tb testing.TB, pid int) time.Duration {
	tb.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		tb.Fatal(err)
	}
	// The fields count from behind the name, which is in brackets; user and
	// system time are the 14th and 15th of all, in ticks of 10 ms.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			tb.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
