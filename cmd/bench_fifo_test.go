//go:build linux && (amd64 || arm64)

package cmd_test

import (
	"context"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"photongate/device"
	"photongate/device/ftdi"
	"photongate/device/homebuilt"
	"photongate/gateway"
	"photongate/instrument"
)

// fifoChip is an FT232H whose FIFO always has as much as is fetched: transfers
// made before, over and over. It is ahead of the frames by so much at most.
type fifoChip struct {
	device.USBDevice
	transfers [][]byte
	clock     device.Clock
	taken     func() int64 // bytes of data whose readings are in frames
	given     int64        // bytes of data
	closed    chan struct{}
	once      sync.Once
}

const (
	fifoPacket = 512     // bytes, two of them status
	fifoAhead  = 4 << 20 // bytes
	fifoRound  = 4 << 20 // readings
)

// fifoTransfers makes transfers of a size that hold whole records only if taken one
// after the other.
func fifoTransfers(records []byte, size int) (list [][]byte) {
	for len(records) >= size {
		var t []byte
		for len(t) < size {
			t = append(append(t, 0x01, 0x60), records[:fifoPacket-2]...)
			records = records[fifoPacket-2:]
		}
		list = append(list, t)
	}
	return list
}

// Info implements device.USBDevice.
func (c *fifoChip) Info() device.USBInfo {
	return device.USBInfo{ID: device.USBID{Vendor: 0x0403, Product: 0x6014}, Release: 0x0900, Endpoints: []device.USBEndpoint{
		{Address: 0x02, Kind: "bulk", MaxPacket: fifoPacket}, {Address: 0x81, Kind: "bulk", MaxPacket: fifoPacket},
	}}
}

// Control implements device.USBDevice.
func (c *fifoChip) Control(uint8, uint8, uint16, uint16, []byte, time.Duration) (int, error) {
	return 0, nil
}

// Name implements device.USBDevice.
func (c *fifoChip) Name() string { return c.Info().Name() }

// Close implements device.USBDevice.
func (c *fifoChip) Close() error { c.once.Do(func() { close(c.closed) }); return nil }

// Stream implements device.USBDevice.
func (c *fifoChip) Stream(_ uint8, size, _ int) (device.USBStream, error) {
	return &fifoStream{chip: c, size: size, closed: make(chan struct{})}, nil
}

// fifoStream is a stream of it.
type fifoStream struct {
	chip   *fifoChip
	size   int
	closed chan struct{}
	once   sync.Once
}

// Read implements device.USBStream. Only a stream of large transfers, which is one
// for a FIFO, has data.
func (s *fifoStream) Read(p []byte, timeout time.Duration) (int, int64, error) {
	c := s.chip
	if s.size < len(c.transfers[0]) || c.given-c.taken() > fifoAhead {
		if s.size == len(c.transfers[0]) {
			timeout = 100 * time.Microsecond
		}
		t := time.NewTimer(timeout)
		defer t.Stop()
		select {
		case <-c.closed:
			return 0, c.clock(), device.ErrClosed
		case <-s.closed:
			return 0, c.clock(), device.ErrClosed
		case <-t.C:
			return 0, c.clock(), device.ErrTimeout
		}
	}
	data := s.size / fifoPacket * (fifoPacket - 2)
	n := copy(p, c.transfers[c.given/int64(data)%int64(len(c.transfers))])
	c.given += int64(data)
	return n, c.clock(), nil
}

// Close implements device.USBStream.
func (s *fifoStream) Close() error { s.once.Do(func() { close(s.closed) }); return nil }

// fifoCounts are so many records like photonsim's, of so many counts.
func fifoCounts(records, counts int) (b []byte) {
	for i := range records {
		b = append(b, "\xA5\x5A\xF0\x0F"...)
		for c := range counts {
			b = binary.LittleEndian.AppendUint32(b, uint32((2*c+1)*i)&0xFFFFFF)
		}
	}
	return b
}

// fifoLight are such records of light: each count scatters around its mean.
func fifoLight(records, counts int) (b []byte) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range records {
		b = append(b, "\xA5\x5A\xF0\x0F"...)
		for c := range counts {
			mean := float64(10 * (c + 1))
			b = binary.LittleEndian.AppendUint32(b, uint32(max(0, math.Round(mean+math.Sqrt(mean)*rng.NormFloat64()))))
		}
	}
	return b
}

// BenchmarkFIFO is the way from the transfers of a chip, in memory, to the journal:
// what it costs of this computer's processors, in all goroutines and in the kernel.
func BenchmarkFIFO(b *testing.B) {
	const size = 64 << 10
	for _, kind := range []struct {
		name, file string
		record     int
		stream     []byte
	}{
		{"16 bytes, 3 counts", fifoRecords, fifoRecordBytes, fifoCounts(255<<10, 3)},
		{"16 bytes, 3 counts of light", fifoRecords, fifoRecordBytes, fifoLight(255<<10, 3)},
		{"64 bytes, 15 counts", longRecords, 64, fifoCounts(255<<8, 15)},
		{"64 bytes, 15 counts of light", longRecords, 64, fifoLight(255<<8, 15)},
	} {
		b.Run(kind.name, func(b *testing.B) {
			file, err := instrument.Parse("fifo.toml", []byte(kind.file))
			if err != nil {
				b.Fatal(err)
			}
			chip := &fifoChip{transfers: fifoTransfers(kind.stream, size), closed: make(chan struct{})}
			ctx, stop := context.WithCancel(b.Context())
			defer stop()
			driver := homebuilt.Driver(file)
			g, err := gateway.New(gateway.Config{
				Name: "bench", Listen: []string{"127.0.0.1:0"}, Journal: filepath.Join(b.TempDir(), "journal"),
				Devices: []gateway.DeviceConfig{{Name: "bench", Driver: driver.Name, Port: "ftdi:0403:6014"}},
			}, gateway.Deps{Drivers: []device.Driver{driver}, OpenPort: func(ctx context.Context, name string, line device.Line, clock device.Clock) (device.Port, error) {
				chip.clock = clock
				return ftdi.Open(ctx, func(context.Context, string, int, device.Clock) (device.USBDevice, error) { return chip, nil }, name, line, clock)
			}})
			if err != nil {
				b.Fatal(err)
			}
			readings := func() int64 { return int64(g.Status().Devices[0].Readings) }
			looked, last := time.Time{}, int64(0)
			chip.taken = func() int64 {
				if now := time.Now(); now.Sub(looked) > 200*time.Microsecond {
					looked, last = now, readings()*int64(kind.record)
				}
				return last
			}
			running := make(chan error, 1)
			go func() { running <- g.Run(ctx) }()
			<-g.Ready()
			awaitState(b, g)
			began, used, first := time.Now(), processorTime(b), readings()
			rounds := int64(0)
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for b.Loop() {
				for rounds++; readings()-first < rounds*fifoRound; {
					<-tick.C
				}
			}
			n := readings() - first
			used, took := processorTime(b)-used, time.Since(began)
			stop()
			if err := <-running; err != nil {
				b.Fatal(err)
			}
			if gaps := g.Status().Devices[0].Gaps; gaps > 0 {
				b.Fatalf("%d gaps", gaps)
			}
			b.ReportMetric(float64(used)/float64(n), "cpu-ns/reading")
			b.ReportMetric(float64(n)/took.Seconds()/1e6, "Mreadings/s")
			b.ReportMetric(float64(n)*float64(kind.record)/took.Seconds()/1e6, "MB/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// processorTime is what this process has had of the processors.
func processorTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
