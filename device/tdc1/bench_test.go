package tdc1

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"photongate/device"
)

// tape is a port from which prebuilt records come, as fast as they are read. Its clock
// is that of the records.
type tape struct {
	device.Port
	records []byte
	at      int
	ticks   []uint64 // of every 1024th record
	now     int64
}

const tapeBytes = 64 << 20 // beyond any cache

// newTape has events on four inputs, so many ticks apart in the mean, and markers.
func newTape(apart float64) *tape {
	p := &tape{}
	rng := rand.New(rand.NewPCG(1, 2))
	tick, marker := uint64(1e9), uint64(15<<26+3960)
	for len(p.records) < tapeBytes {
		if len(p.records)%4096 == 0 {
			p.ticks = append(p.ticks, tick)
		}
		if marker <= tick {
			p.records = binary.LittleEndian.AppendUint32(p.records, uint32(marker)<<5|0x11)
			marker += period / 2
			continue
		}
		p.records = binary.LittleEndian.AppendUint32(p.records, uint32(tick)<<5|1<<rng.IntN(inputs))
		tick += uint64(rng.ExpFloat64() * apart)
	}
	return p
}

func (p *tape) clock() int64 { return p.now }

func (p *tape) Read(b []byte, _ time.Duration) (int, int64, error) {
	n := copy(b, p.records[p.at:])
	if p.at += n; n == 0 {
		return 0, p.now, device.ErrTimeout
	}
	p.now = int64(p.ticks[min((p.at+4095)/4096, len(p.ticks)-1)])*tickNs + 2e6
	return n, p.now, nil
}

// BenchmarkStream reads prebuilt records as Source.Read does.
func BenchmarkStream(b *testing.B) {
	for name, apart := range map[string]float64{"10Mcps": 50, "1Mcps": 500, "100kcps": 5000} {
		b.Run(name, func(b *testing.B) {
			p := newTape(apart)
			batch := device.NewBatch(inputs)
			tags := 0
			b.SetBytes(tapeBytes)
			b.ReportAllocs()
			for b.Loop() {
				p.at, p.now, tags = 0, 0, 0
				s := newStreaming(p, p.clock, marks{true, 3960}, nil)
				for p.at < tapeBytes {
					batch.Reset()
					if err := s.fill(batch); err != nil {
						b.Fatal(err)
					}
					tags += batch.Len()
				}
			}
			if tags < tapeBytes/recordBytes*9/10 {
				b.Fatalf("%d tags", tags)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(tags), "ns/tag")
		})
	}
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
