package homebuilt

import (
	"testing"
	"time"

	"photongate/sim/bench"
)

// BenchmarkFastest plays the fastest preset, 40000 records a second; an operation
// is one second of it.
func BenchmarkFastest(b *testing.B) {
	board := bench.New(newCounter(b, preset(b, "ccu-fpga"), 0, Options{}))
	for b.Loop() {
		board.Wait(time.Second)
		board.Sent, board.Rows = nil, nil
	}
}
