package homebuilt

import (
	"testing"
	"time"

	"photongate/device"
	"photongate/instrument"
)

// streaming is a port that always has as much as is asked for: one piece of bytes
// over and over.
type streaming struct {
	piece []byte
	at    int
	now   int64
	every int64 // ns that a byte takes
	most  int   // bytes of one look; 0: about what a transfer has
	read  int
}

func (p *streaming) Read(b []byte, _ time.Duration) (int, int64, error) {
	most := p.most
	if most == 0 {
		most = 64 << 10
		most = max(most-most%len(p.piece), most/2)
	}
	b = b[:min(len(b), most)]
	n := 0
	for n < len(b) {
		k := copy(b[n:], p.piece[p.at:])
		p.at = (p.at + k) % len(p.piece)
		n += k
	}
	p.read += n
	p.now += int64(n) * p.every
	return n, p.now, nil
}

func (p *streaming) Write([]byte) (int64, error) { return p.now, nil }
func (p *streaming) Discard() error              { return nil }
func (p *streaming) Name() string                { return "memory" }
func (p *streaming) Close() error                { return nil }

// benchFile parses an instrument file.
func benchFile(b *testing.B, text string) *instrument.File {
	b.Helper()
	f, err := instrument.Parse("bench.toml", []byte(text))
	if err != nil {
		b.Fatal(err)
	}
	return f
}

// fifoText is a stream of records of 16 bytes.
const fifoText = `name = "fifo"
[link]
baud = 115200
[gate]
by = "arrival"
[record]
sync = "\xA5\x5A\xF0\x0F"
[[record.field]]
name   = "count"
at     = 4
width  = 4
repeat = 3
[[channel]]
name = "C0"
from = 1
[[channel]]
name = "C1"
from = 2
[[channel]]
name = "C2"
from = 3
[[example]]
bytes    = '\xA5\x5A\xF0\x0F\x01\x00\x00\x00\x03\x00\x00\x00\x05\x00\x00\x00\xA5\x5A\xF0\x0F\x02\x00\x00\x00\x06\x00\x00\x00\x0A\x00\x00\x00'
readings = [[1, 3, 5], [2, 6, 10]]
`

// What a reading costs, from the port's bytes to the columns of a batch.
func BenchmarkRecords(b *testing.B) {
	for _, kind := range []struct {
		name string
		file *instrument.File
	}{{"fifo", benchFile(b, fifoText)}, {"ccu-fpga", presetFile(b, "ccu-fpga")}, {"de2-frame", presetFile(b, "de2-frame")}} {
		b.Run(kind.name, func(b *testing.B) {
			f := kind.file
			port := &streaming{piece: []byte(f.Examples[0].Bytes), every: 60}
			if f.Gate.Time > 0 {
				port.every = int64(f.Gate.Time) / int64(f.Record.Length)
			}
			src, err := Driver(f).Open(b.Context(), device.OpenRequest{Port: port, Clock: func() int64 { return port.now }})
			if err != nil {
				b.Fatal(err)
			}
			batch := device.NewBatch(len(f.Channels))
			rows := 0
			b.ReportAllocs()
			for b.Loop() {
				batch.Reset()
				if err := src.Read(batch); err != nil {
					b.Fatal(err)
				}
				rows += batch.Len()
			}
			b.ReportMetric(float64(b.Elapsed())/float64(rows), "ns/reading")
			b.ReportMetric(float64(rows)/float64(b.Elapsed())*1e3, "Mreadings/s")
		})
	}
}

func presetFile(b *testing.B, name string) *instrument.File {
	b.Helper()
	for _, f := range instrument.Presets() {
		if f.Name == name {
			return f
		}
	}
	b.Fatalf("no preset %q", name)
	return nil
}
