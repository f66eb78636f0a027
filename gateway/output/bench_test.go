package output

import (
	"testing"

	"photongate/protocol"
	"photongate/protocol/table"
)

// newBlocks is what stands between a frame and the blocks, without queues.
func newBlocks(tb testing.TB, config Config) (*blocks, *table.Part, *protocol.Counts) {
	tb.Helper()
	config.Stream, config.Listen = "bench", "127.0.0.1:0"
	encoder, err := config.encoder()
	if err != nil {
		tb.Fatal(err)
	}
	b := &blocks{
		fields: config.Fields, encoder: encoder, clock: table.NewRowClock(table.NewClockTable()),
		emit: func([]byte) {}, unfit: func(err error) { tb.Error(err) }, lacking: func(_ *table.Part, err error) {
			if err != nil {
				tb.Error(err)
			}
		},
	}
	p := &table.Part{Gateway: "pi", Stream: "bench", Epoch: 1, Described: true}
	c := &protocol.Counts{}
	for i := range int64(100) {
		c.Begin, c.Length = append(c.Begin, startNs+i*gateNs), append(c.Length, gateNs)
	}
	for _, name := range []string{"A", "B", "AB"} {
		p.Desc.Channels = append(p.Desc.Channels, protocol.Channel{Name: name, Kind: protocol.KindCount})
		column := make([]uint64, len(c.Begin))
		for i := range column {
			column[i] = uint64(52000 + 7*i)
		}
		c.Values = append(c.Values, column)
	}
	return b, p, c
}

// A reading costs no memory; a block costs the block.
func TestAllocations(t *testing.T) {
	for name, config := range map[string]Config{
		"line":   {Kind: KindSerpy, PerBlock: 100, Fields: []string{"index", "t_s", "utc_s", "time_utc", "gate_s", "flags", "A", "B", "AB"}},
		"record": {Kind: KindSerpy2, Type: TypeBytes, Format: "!Qd3I", PerBlock: 100, Fields: []string{"index", "t_s", "A", "B", "AB"}},
	} {
		b, p, c := newBlocks(t, config)
		if err := b.Readings(p, 0, c); err != nil {
			t.Fatal(err)
		}
		n := testing.AllocsPerRun(20, func() {
			if err := b.Readings(p, 0, c); err != nil {
				t.Fatal(err)
			}
		})
		if n > 4 {
			t.Errorf("%s: %v allocations for 100 readings in one block", name, n)
		}
	}
}

func BenchmarkReadings(bench *testing.B) {
	b, p, c := newBlocks(bench, Config{Kind: KindSerpy})
	for bench.Loop() {
		if err := b.Readings(p, 0, c); err != nil {
			bench.Fatal(err)
		}
	}
	bench.ReportMetric(float64(bench.Elapsed().Nanoseconds())/float64(bench.N*len(c.Begin)), "ns/reading")
}
