package homebuilt

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"photongate/device"
	"photongate/device/devicetest"
	"photongate/instrument"
)

// tagger8 sends 64 bits for each tag: 48 of time, a channel, and what it is.
const tagger8 = `
name = "tagger8"
[link]
baud = 115200
[record]
length = 8
[[record.field]]
name  = "time"
at    = 0
width = 6
[[record.field]]
name  = "channel"
at    = 6
width = 1
[[record.field]]
name  = "kind"
at    = 7
width = 1
mask  = 1
[[record.field]]
at    = 7
width = 1
mask  = 0xFE
is    = 0
[tags]
tick    = "10ns"
time    = "time"
channel = "channel"
[[tags.special]]
value = "kind"
is    = 1
means = "lost"
[[channel]]
name = "A"
[[channel]]
name = "B"
[[channel]]
name = "C"
[[example]]
bytes = """hex: 01 02 00 00 00 00 00 00  01 02 00 00 00 00 02 00
  00 00 00 00 00 00 00 01  FF FF FF FF FF FF 01 00  05 00 00 00 00 00 00 00"""
tags = [["A", 513], ["C", 513], ["B", 281474976710655], ["A", 281474976710661]]
lost = 1
`

// tagger4 sends 32 bits for each tag, 28 of time, the most significant byte first,
// and says when that begins anew.
const tagger4 = `
name = "tagger4"
[link]
baud = 115200
[record]
order = "big"
[[record.field]]
name  = "time"
width = 4
mask  = 0x0FFFFFFF
[[record.field]]
name  = "channel"
width = 4
mask  = 0xF0000000
shift = 28
[tags]
tick    = "1us"
time    = "time"
wrap    = 0x10000000
channel = "channel"
[[tags.special]]
value = "channel"
is    = 15
means = "wrap"
count = "time"
[[channel]]
name   = "A"
number = 1
[[channel]]
name   = "B"
number = 2
[[example]]
bytes = "hex: 10 00 00 07  20 00 00 08  F0 00 00 02  10 00 00 07"
tags = [["A", 7], ["B", 8], ["A", 536870919]]
`

// patterned sends records with a sync, a bit for each of four inputs, and a checksum.
const patterned = `
name = "patterned"
[link]
baud = 115200
[record]
sync     = "\xA5"
checksum = "xor8"
[[record.field]]
name  = "time"
at    = 1
width = 4
[[record.field]]
name  = "inputs"
at    = 5
width = 1
[tags]
tick    = "81ps"
time    = "time"
wrap    = 0x80000000000
high    = "turns"
pattern = "inputs"
disorder = 40
[[record.field]]
name  = "turns"
at    = 6
width = 2
[[channel]]
name = "A"
[[channel]]
name = "B"
[[channel]]
name = "C"
[[channel]]
name = "marker"
kind = "marker"
[[example]]
bytes = "hex: A5 10 00 00 00 0A 01 00 BE"
tags = [["B", 4294967312], ["marker", 4294967312]]
`

// tagLines are lines with a time in seconds.
const tagLines = `
name = "taglines"
[link]
baud = 115200
[text]
skip = ['^#']
[tags]
tick    = "1us"
unit    = "1s"
time    = 2
channel = 1
lost    = ['^lost']
[[channel]]
name   = "A"
number = 1
[[channel]]
name   = "B"
number = 2
[[example]]
bytes = "# hello\n1 0.000012\nlost\n2 1.5\n"
tags = [["A", 12], ["B", 1500000]]
lost = 1
skipped = 1
`

// playTags plays an instrument that sends a tag about every mean ticks of a length,
// one of so many channels, as record writes it.
func playTags(tick time.Duration, mean uint64, record func(tick uint64, rng *rand.Rand, tell func(channel uint8)) []byte) func(*devicetest.End, *devicetest.TagTruth) {
	return func(end *devicetest.End, truth *devicetest.TagTruth) {
		rng := rand.New(rand.NewPCG(1, 7))
		now := uint64(1000)
		for {
			step := 1 + rng.Uint64N(2*mean)
			now += step
			if !end.Wait(time.Duration(step) * tick) {
				return
			}
			b := record(now, rng, func(ch uint8) { truth.Add(now, ch) })
			if !end.Write(b) {
				return
			}
		}
	}
}

func TestTagConformance(t *testing.T) {
	var wraps, before uint64 // of tagger4
	sends := func(ch func(*rand.Rand) uint8, record func(tick uint64, ch uint8) []byte) func(uint64, *rand.Rand, func(uint8)) []byte {
		return func(tick uint64, rng *rand.Rand, tell func(uint8)) []byte {
			c := ch(rng)
			tell(c)
			return record(tick, c)
		}
	}
	of := func(n int) func(*rand.Rand) uint8 { return func(rng *rand.Rand) uint8 { return uint8(rng.IntN(n)) } }
	for name, s := range map[string]struct {
		text    string
		subject devicetest.TagSubject
	}{
		"8 bytes": {tagger8, devicetest.TagSubject{Every: 3 * time.Millisecond, Unseen: 280, Astray: 2, Inserts: []byte{0, 1},
			Play: playTags(10, 300_000, sends(of(3), func(tick uint64, ch uint8) []byte {
				return binary.LittleEndian.AppendUint64(nil, tick|uint64(ch)<<48)
			}))}},
		"4 bytes": {tagger4, devicetest.TagSubject{Every: 3 * time.Millisecond, Unseen: 235, Astray: 2, Inserts: []byte{0, 0x10},
			Play: playTags(1000, 3000, sends(of(2), func(tick uint64, ch uint8) []byte {
				var b []byte
				if tick < before { // it was switched on again
					wraps = 0
				}
				before = tick
				tick += 0x0FFFF800 // so that it begins anew soon
				for ; wraps < tick>>28; wraps++ {
					b = binary.BigEndian.AppendUint32(b, 0xF0000001)
				}
				return binary.BigEndian.AppendUint32(b, uint32(tick)&0x0FFFFFFF|uint32(ch+1)<<28)
			}))}},
		"patterns": {patterned, devicetest.TagSubject{Every: 3 * time.Millisecond, Unseen: 4, Inserts: []byte{0, 0xA5}, Disorder: 40,
			Play: playTags(10, 300_000, func(tick uint64, rng *rand.Rand, tell func(uint8)) []byte {
				inputs := byte(1 + rng.IntN(15))
				for ch := range uint8(4) {
					if inputs>>ch&1 != 0 {
						tell(ch)
					}
				}
				b := binary.LittleEndian.AppendUint32([]byte{0xA5}, uint32(tick))
				b = binary.LittleEndian.AppendUint16(append(b, inputs), uint16(tick>>32))
				sum := byte(0)
				for _, c := range b {
					sum ^= c
				}
				return append(b, sum)
			})}},
		"lines": {tagLines, devicetest.TagSubject{Every: 3 * time.Millisecond, Unseen: 275, Astray: 2, Inserts: []byte("0 .\n"),
			Play: playTags(1000, 3000, sends(of(2), func(tick uint64, ch uint8) []byte {
				return fmt.Appendf(nil, "%d %d.%06d\n", ch+1, tick/1e6, tick%1e6)
			}))}},
	} {
		t.Run(name, func(t *testing.T) {
			f := parse(t, s.text)
			if name == "patterns" {
				f.Tags.Tick = instrument.Span{Num: 1, Den: 1e8} // what is played takes 10 ns a tick
			}
			s.subject.Driver = Driver(f)
			s.subject.Mute, s.subject.Quiet = true, true
			devicetest.RunTags(t, s.subject)
		})
	}
}

// What a tag costs, from the port's bytes to the columns of a batch.
func BenchmarkTags(b *testing.B) {
	const (
		tags = 1 << 16
		step = 30 // ticks of 1 us
	)
	rng := rand.New(rand.NewPCG(1, 1))
	for _, kind := range []struct {
		name, text string
		record     func(now uint64) []byte
	}{
		{"8 bytes", tagger8, func(now uint64) []byte { return binary.LittleEndian.AppendUint64(nil, now|rng.Uint64N(3)<<48) }},
		{"4 bytes", tagger4, func(now uint64) []byte { return binary.BigEndian.AppendUint32(nil, uint32(now)|(1+rng.Uint32N(2))<<28) }},
		{"pattern", patterned, func(now uint64) []byte {
			p := binary.LittleEndian.AppendUint32([]byte{0xA5}, uint32(now))
			p = append(p, 1<<rng.UintN(4), 0, 0)
			return append(p, sumOf(instrument.Xor8, p))
		}},
		{"lines", tagLines, func(now uint64) []byte { return fmt.Appendf(nil, "%d %d.%06d\n", 1+rng.UintN(2), now/1e6, now%1e6) }},
	} {
		b.Run(kind.name, func(b *testing.B) {
			f := parse(b, kind.text)
			f.Tags.Tick, f.Tags.UnitTicks = instrument.Span{Num: 1, Den: 1e6}, big.NewRat(1e6, 1)
			f.Tags.Wrap = tags * step
			port := &streaming{}
			for i := range uint64(tags) {
				port.piece = append(port.piece, kind.record(i*step)...)
			}
			if kind.name == "4 bytes" {
				port.piece = binary.BigEndian.AppendUint32(port.piece, 0xF0000001)
			}
			port.every = tags * step * 1000 / int64(len(port.piece))
			src, err := Driver(f).Open(b.Context(), device.OpenRequest{Port: port, Clock: func() int64 { return port.now }})
			if err != nil {
				b.Fatal(err)
			}
			batch := device.NewBatch(len(f.Channels))
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				batch.Reset()
				if err := src.Read(batch); err != nil {
					b.Fatal(err)
				}
				n += batch.Len()
			}
			b.ReportMetric(float64(b.Elapsed())/float64(n), "ns/tag")
		})
	}
}

// How far out of order tags may come is told, so that who counts them waits as long.
func TestDisorderIsTold(t *testing.T) {
	for file, want := range map[string]uint64{patterned: 40, tagger8: 0} {
		g := session(t, file, nil, time.Millisecond, func(*devicetest.End, *devicetest.Truth) {}, nil)
		if g.openErr != nil || g.desc.Tick.Num == 0 || g.desc.Disorder != want {
			t.Errorf("%.20q: disorder %d, want %d (%v)", file, g.desc.Disorder, want, g.openErr)
		}
	}
}
