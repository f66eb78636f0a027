package cmd_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"photongate/device"
	"photongate/device/homebuilt"
	"photongate/gateway"
	"photongate/instrument"
)

// benchTagger is an instrument file for records of eight bytes: 40 bits of time in
// ticks of 1 ps, a channel, and two bytes that are always 0.
const benchTagger = `
name = "tagger"
[link]
baud = 115200
[record]
length = 8
[[record.field]]
name  = "time"
at    = 0
width = 5
[[record.field]]
name  = "channel"
at    = 5
width = 1
[[record.field]]
at    = 6
width = 2
is    = 0
[tags]
tick    = "1ps"
time    = "time"
channel = "channel"
[[channel]]
name = "A"
[[channel]]
name = "B"
[[channel]]
name = "C"
[[channel]]
name = "D"
[[example]]
bytes = "hex: 01 02 00 00 00 00 00 00  05 02 00 00 00 03 00 00"
tags = [["A", 513], ["D", 517]]
`

// tagBytes is the length of a record of benchTagger, and tagWrap the ticks until its
// time begins anew: the records of a tape fill just that, so that it can be played
// over and over.
const (
	tagBytes = 8
	tagWrap  = 1 << 40
)

// makeTagRecords builds the records of Poisson light of so many tags a second on four
// channels.
func makeTagRecords(cps float64) []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	var b []byte
	for tick := rng.ExpFloat64() * 1e12 / cps; tick < tagWrap; tick += 1 + rng.ExpFloat64()*1e12/cps { // no record comes twice
		b = binary.LittleEndian.AppendUint64(b, uint64(tick)|uint64(rng.IntN(4))<<40)
	}
	return b
}

// tagPort plays a tape of records, some at first and the rest when it is released.
// Its bytes arrive when the light's own time has come, whatever a clock on the wall
// says: records of 10 million tags a second read at 50 million arrive as if they had
// been sent in a fifth of the time.
type tagPort struct {
	floodPort
	begun int64
}

func (p *tagPort) Read(b []byte, timeout time.Duration) (int, int64, error) {
	n, _, err := p.floodPort.Read(b, timeout)
	for began := time.Now(); err == device.ErrTimeout && time.Since(began) < timeout; { // it only waited for the batcher
		n, _, err = p.floodPort.Read(b, timeout-time.Since(began))
	}
	if p.begun == 0 {
		p.begun = p.clock()
	}
	return n, p.begun + int64(float64(p.given)/float64(len(p.data))*tagWrap/1e3), err
}

// BenchmarkTagsEndToEnd is BenchmarkEndToEnd for time tags, of 64 MiB of records played
// over and over: through driver, journal, loopback TCP and receiver into the archive,
// against the same bytes over raw TCP into a file.
func BenchmarkTagsEndToEnd(b *testing.B) {
	data := makeTagRecords(8e6)
	for b.Loop() {
		const rounds = 40
		floor := rawTCPToFile(b, data, rounds)
		path, cpu := tagsEndToEnd(b, data, int64(rounds)*int64(len(data)))
		tags := float64(rounds * len(data) / tagBytes)
		b.ReportMetric(tags/path.Seconds()/1e6, "Mtags/s")
		b.ReportMetric(tags/floor.Seconds()/1e6, "floor-Mtags/s")
		b.ReportMetric(floor.Seconds()/path.Seconds(), "of-raw-tcp+file")
		b.ReportMetric(float64(cpu.Nanoseconds())/tags, "cpu-ns/tag")
		b.ReportMetric(0, "ns/op")
	}
}

// tagsEndToEnd tells how long it took, and how much of all cores, the instrument's
// part included.
func tagsEndToEnd(b *testing.B, data []byte, total int64) (took, cpu time.Duration) {
	b.Helper()
	file, err := instrument.Parse("tagger.toml", []byte(benchTagger))
	if err != nil {
		b.Fatal(err)
	}
	driver := homebuilt.Driver(file)
	dir := b.TempDir()
	port := &tagPort{floodPort: floodPort{data: data, total: total, release: make(chan struct{}), closed: make(chan struct{})}}
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	g, err := gateway.New(gateway.Config{
		Name: "bench", Listen: []string{"127.0.0.1:0"}, Journal: filepath.Join(dir, "journal"),
		Devices: []gateway.DeviceConfig{{Name: "tagger", Driver: driver.Name, Port: "tcp://127.0.0.1:1"}},
	}, gateway.Deps{Drivers: []device.Driver{driver}, OpenPort: func(_ context.Context, _ string, _ device.Line, clock device.Clock) (device.Port, error) {
		port.clock = clock
		return port, nil
	}})
	if err != nil {
		b.Fatal(err)
	}
	port.taken = takenBy(g, tagBytes)
	running := make(chan error, 1)
	go func() { running <- g.Run(ctx) }()
	<-g.Ready()
	awaitState(b, g)
	before := cpuTime(b, os.Getpid())
	took, err = recordAll(ctx, g, filepath.Join(dir, "archive"), uint64(total/tagBytes), func() { close(port.release) })
	cpu = cpuTime(b, os.Getpid()) - before
	stop()
	if err := errors.Join(err, <-running); err != nil {
		b.Fatal(err)
	}
	return took, cpu
}
