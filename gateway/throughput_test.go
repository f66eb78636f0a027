package gateway

import (
	"testing"
	"time"

	"github.com/rs/zerolog"

	"photongate/device"
	"photongate/protocol"
)

// BenchmarkGateway is the whole way of readings of eight channels: device,
// queue, batcher, journal, TCP, a receiver that only counts.
func BenchmarkGateway(b *testing.B) {
	const channels = 8
	f := newBench()
	f.about = func(d *device.Description) {
		d.Channels = nil
		for c := range channels {
			d.Channels = append(d.Channels, device.Channel{Name: string(rune('A' + c)), Kind: device.Count})
		}
		d.Gate = time.Microsecond
	}
	full := device.NewBatch(channels)
	word := uint64(1)
	for i := range device.MaxRows {
		values := make([]uint64, channels)
		for c := range values {
			word = word*6364136223846793005 + 1442695040888963407
			values[c] = 1000 + word>>58
		}
		addReading(full, int64(i)*1000, 1000, values...)
	}
	config := Config{Name: "pi-test", Listen: []string{"127.0.0.1:0"}, Journal: b.TempDir(), Devices: []DeviceConfig{{Name: "bench", Driver: "fake", Port: "/dev/x"}}}
	r := launchWith(b, config, Deps{Drivers: []device.Driver{f.driver("fake")}, OpenPort: f.openPort, Log: zerolog.Nop()})
	c := connect(b, r.Addr(), "desk", protocol.NewID())
	c.keepAlive()
	c.subscribe(archiveFrom(protocol.FromOldest, "bench"))
	source := <-f.sources
	n := uint64(0)
	room := make(chan struct{}, 32) // batches under way: fewer than the queue holds
	go func() {
		for range b.N {
			room <- struct{}{}
			source.feed <- func(in *device.Batch) { appendRows(in, full, 0, full.Len()) }
		}
	}()
	b.ResetTimer()
	for n < uint64(b.N)*device.MaxRows {
		h, _, err := c.frames.Next()
		if err != nil {
			b.Fatal(err)
		}
		if h.Type == protocol.TypeCounts {
			before := n / device.MaxRows
			for n = h.Index + uint64(h.Count); before < n/device.MaxRows; before++ {
				<-room
			}
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds()/1e6, "Mreadings/s")
	b.ReportMetric(float64(r.Status().Devices[0].Gaps), "gaps")
	c.say(protocol.TypeBye, &protocol.Bye{})
}
