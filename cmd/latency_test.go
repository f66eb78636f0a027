package cmd_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"photongate/device"
	"photongate/gateway"
	"photongate/protocol"
)

// TestSmallBatchesAreNotHeldBack reads batches of 10 ms at 1000 readings/s over
// loopback with the defaults of both sides. The last reading of a batch, which
// need not wait for others, is at the viewer within 5 ms for 99 % of the batches
// of a window; within 15 in the short form, beside which a computer does much else. A
// sender that waits for acknowledgements (Nagle's algorithm against delayed ones: 30 to
// 40 ms) is late in every window; a computer that is busy with something else is not,
// so one window of several is asked for.
func TestSmallBatchesAreNotHeldBack(t *testing.T) {
	t.Attr("fault", "F29")
	const batch, frames = 10 * time.Millisecond, 200
	windows, limit := 15, 15*time.Millisecond
	if isLong() {
		windows, limit = 60, 5*time.Millisecond
	}
	var given stamps
	port := newPacedPort(&given)
	ctx, stop := context.WithCancel(t.Context())
	g, running, err := newInProcess(ctx, t.TempDir(), port, func(c device.Clock) { port.clock = c }, func(c *gateway.Config) { c.Devices[0].Batch = batch })
	if err != nil {
		t.Fatal(err)
	}
	awaitState(t, g)
	var late []time.Duration
	best, windowsSeen, readings := time.Hour, 0, 0
	view(t, g.Addr().String(), func(c *protocol.Counts) bool {
		now := time.Now().UnixNano()
		numbers := c.Values[0]
		readings += len(numbers)
		late = append(late, time.Duration(now-given[numbers[len(numbers)-1]%uint64(len(given))].Load()))
		if len(late) < frames {
			return true
		}
		slices.Sort(late)
		best, windowsSeen, late = min(best, late[frames*99/100]), windowsSeen+1, late[:0]
		return windowsSeen < windows && (isLong() || best >= limit)
	})
	stop()
	if err := <-running; err != nil {
		t.Fatal(err)
	}
	if best >= limit {
		t.Errorf("the last reading of a batch was late by %v for 1 %% of the batches in the best of %d windows, want less than %v", best, windowsSeen, limit)
	}
	t.Attr("injected", fmt.Sprintf("batches of 10 ms, %s readings in %d windows of %d batches, defaults of TCP on both sides", grouped(readings), windowsSeen, frames))
	t.Attr("promised", "less than 5 ms added for 99 % of the batches on one computer")
	t.Attr("seen", fmt.Sprintf("99 %% within %.2f ms in the best window", float64(best)/1e6))
}
