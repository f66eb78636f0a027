package umass

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"photongate/device"
)

// tape is a stream from which prebuilt packets come, as fast as they are read. Its clock
// is that of the records.
type tape struct {
	device.USBStream
	records []byte
	ticks   []uint64 // of the last record of each packet
	at      int
	now     int64
}

const (
	tapePackets = 64 << 20 / 510 // beyond any cache
	tapeBytes   = tapePackets * 510
)

func newTape() *tape {
	p := &tape{}
	rng := rand.New(rand.NewPCG(1, 2))
	tick := uint64(0)
	for len(p.records) < tapeBytes {
		w := (uint64(1)<<(36+rng.IntN(inputs)) | tick) << 16
		p.records = append(p.records, binary.BigEndian.AppendUint64(nil, w)[:6]...)
		if len(p.records)%510 == 0 {
			p.ticks = append(p.ticks, tick)
		}
		tick += 1 + uint64(rng.ExpFloat64()*188) // 680 kcps at 128 MHz
	}
	return p
}

func (p *tape) clock() int64 { return p.now }

func (p *tape) Read(b []byte, _ time.Duration) (int, int64, error) {
	if p.at == tapePackets {
		return 0, p.now, device.ErrTimeout
	}
	n := copy(b, p.records[p.at*510:(p.at+1)*510])
	p.now = int64(p.ticks[p.at])*1000/128 + 1e6
	p.at++
	return n, p.now, nil
}

// BenchmarkStream reads prebuilt packets as Source.Read does.
func BenchmarkStream(b *testing.B) {
	p := newTape()
	batch := device.NewBatch(inputs)
	tags := 0
	b.SetBytes(tapeBytes)
	b.ReportAllocs()
	for b.Loop() {
		p.at, p.now, tags = 0, 0, 0
		s := newSource(wire(0xF, 0))
		s.stream, s.clock = p, p.clock
		for p.at < tapePackets {
			batch.Reset()
			if err := s.read(batch); err != nil {
				b.Fatal(err)
			}
			tags += batch.Len()
		}
	}
	if tags != tapeBytes/recordBytes {
		b.Fatalf("%d tags", tags)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(tags), "ns/tag")
}

// BenchmarkCopy is the floor: as many tags of 9 bytes are copied.
func BenchmarkCopy(b *testing.B) {
	const tags = tapeBytes / recordBytes
	src, dst := make([]byte, 9*tags), make([]byte, 9*tags)
	b.SetBytes(9 * tags)
	for b.Loop() {
		copy(dst, src)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/tags, "ns/tag")
}
