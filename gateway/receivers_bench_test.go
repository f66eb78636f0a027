package gateway

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"photongate/device"
	"photongate/protocol"
)

// BenchmarkReceivers is how the cost grows with receivers: so many archives fetch the same
// readings from the journal at once, and do nothing with them. The floor, in the same run,
// sends as many bytes of a file to as many connections.
func BenchmarkReceivers(b *testing.B) {
	const readings = 400 * device.MaxRows
	f := newBench()
	f.about = func(d *device.Description) {
		d.Channels = nil
		for c := range 8 {
			d.Channels = append(d.Channels, device.Channel{Name: string(rune('A' + c)), Kind: device.Count})
		}
		d.Gate = time.Microsecond
	}
	config := Config{Name: "pi-test", Listen: []string{"127.0.0.1:0"}, Journal: b.TempDir(), Devices: []DeviceConfig{{Name: "bench", Driver: "fake", Port: "/dev/x"}}}
	r := launchWith(b, config, Deps{Drivers: []device.Driver{f.driver("fake")}, OpenPort: f.openPort, Log: zerolog.Nop()})
	first := &fetcher{client: connect(b, r.Addr(), "first", protocol.NewID())}
	first.keepAlive()
	first.subscribe(archiveFrom(protocol.FromOldest, "bench"))
	full := device.NewBatch(8)
	word := uint64(1)
	for i := range device.MaxRows {
		values := make([]uint64, 8)
		for c := range values {
			word = word*6364136223846793005 + 1442695040888963407
			values[c] = 1000 + word>>58
		}
		addReading(full, int64(i)*1000, 1000, values...)
	}
	source := <-f.sources
	room := make(chan struct{}, 16) // batches under way: fewer than the queue holds
	go func() {
		for range readings / device.MaxRows {
			room <- struct{}{}
			source.feed <- func(in *device.Batch) { appendRows(in, full, 0, full.Len()) }
		}
	}()
	var size int64
	for n := uint64(device.MaxRows); n <= readings; n += device.MaxRows {
		size += readTo(b, first, n)
		<-room
	}
	for _, n := range []int{1, 4, 16, 64} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var took, floor time.Duration
			for b.Loop() {
				took += fetchAll(b, r, n, readings)
				floor += sendAll(b, n, size)
			}
			megabytes := float64(b.N) * float64(n) * float64(size) / 1e6
			b.ReportMetric(megabytes/took.Seconds(), "MB/s")
			b.ReportMetric(float64(b.N)*float64(n)*readings/took.Seconds()/1e6, "Mreadings/s")
			b.ReportMetric(megabytes/floor.Seconds(), "floor-MB/s")
			b.ReportMetric(floor.Seconds()/took.Seconds(), "of-file-to-tcp")
			b.ReportMetric(0, "ns/op")
		})
	}
	first.say(protocol.TypeBye, &protocol.Bye{})
}

// fetcher is a client that counts.
type fetcher struct {
	*client
	readings uint64
}

// readTo reads frames until so many readings came, and gives the bytes of the frames.
func readTo(b *testing.B, c *fetcher, readings uint64) (size int64) {
	for readings > c.readings {
		h, frame, err := c.frames.Next()
		if err != nil {
			b.Error(err)
			return size
		}
		if size += int64(len(frame)); h.Type == protocol.TypeCounts {
			c.readings = h.Index + uint64(h.Count)
		}
	}
	return size
}

// fetchAll has n receivers of their own fetch everything, and tells how long that takes.
func fetchAll(b *testing.B, r *running, n int, readings uint64) time.Duration {
	list := make([]*fetcher, n)
	for i := range list {
		list[i] = &fetcher{client: connect(b, r.Addr(), fmt.Sprint("desk", i), protocol.ID{byte(i), 1})}
	}
	done := make(chan struct{}, n)
	began := time.Now()
	for _, c := range list {
		c.keepAlive()
		c.subscribe(archiveFrom(protocol.FromOldest, "bench"))
		go func() {
			readTo(b, c, readings)
			done <- struct{}{}
		}()
	}
	for range list {
		<-done
	}
	took := time.Since(began)
	for _, c := range list {
		c.say(protocol.TypeBye, &protocol.Bye{})
		_ = c.conn.Close()
	}
	return took
}

// sendAll is the floor: a file of some bytes to n connections that throw it away.
func sendAll(b *testing.B, n int, size int64) time.Duration {
	name := filepath.Join(b.TempDir(), "plain")
	if err := os.WriteFile(name, make([]byte, size), 0o600); err != nil {
		b.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	failed := make(chan error, 2*n)
	began := time.Now()
	for range n {
		go func() {
			c, err := net.Dial("tcp", l.Addr().String())
			if err == nil {
				_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c}, make([]byte, 256<<10))
				_ = c.Close()
			}
			failed <- err
		}()
		c, err := l.Accept()
		if err != nil {
			b.Fatal(err)
		}
		go func() {
			file, err := os.Open(name)
			if err == nil {
				_, err = io.CopyBuffer(struct{ io.Writer }{c}, struct{ io.Reader }{file}, make([]byte, 256<<10))
				_ = file.Close()
			}
			_ = c.Close()
			failed <- err
		}()
	}
	for range 2 * n {
		if err := <-failed; err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(began)
}
