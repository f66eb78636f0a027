//go:build linux && (amd64 || arm64)

package cmd_test

import (
	"os"
	"testing"

	"photongate/device/usbport/mockbus"
)

// umassRuns are of a UMass tagger.
var umassRuns = map[string]taggedRun{
	"undisturbed":              {sim: []string{"umass", "--rate", "8k,10k,6k,4k", "--pairs", "2k"}, tags: 80_000, parts: 1},
	"low rates, small packets": {options: `packet = 2`, sim: []string{"umass", "--rate", "20,30,20,20", "--dark", "0", "--pairs", "5"}, tags: 300, parts: 1},
	"its memory runs over, and it wraps": {
		sim:  []string{"umass", "--rate", "6k", "--clock", "4000M", "--wrap-in", "3s", "--fault", "overflow@4s", "--fault", "overflow@5s"},
		tags: 140_000, parts: 1, losses: true,
	},
	"edges of the delta inputs": {
		options: `deltas = "0 1 2 3"`, tags: 60_000, parts: 1, losses: true, // which of them changed first is open
		sim: []string{"umass", "--rate", "5k", "--delta", "200us"},
	},
	"it is unplugged": {sim: []string{"umass", "--rate", "20k", "--fault", "unplug@3s:500ms"}, tags: 400_000, parts: 2},
}

// TestUMassTags: what a simulated UMass tagger detected is what the archive holds, tag
// for tag. The gateway and libusb are the real ones.
func TestUMassTags(t *testing.T) {
	// Not beside others: at its rate they would have no time left on two cores.
	for name, x := range umassRuns {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			switch real := mockbus.RealKernel(); { // it is slow
			case real && x.parts > 1: // and is to have it open before, and again after
				x.sim, x.tags = []string{"umass", "--rate", "2k", "--fault", "unplug@12s:500ms"}, 200_000
			case real:
				x.tags /= 4
			}
			b := newPluggedBench(t, "umass", "usb:04b4:1004", x.options, x.sim...)
			sim := b.startSim()
			gateways := b.startGateway()
			x.record(t, b.bench, sim, gateways)
			if name == "edges of the delta inputs" {
				edgesOfChanges(t, b.truth)
			}
			x.check(t, b.bench, sim)
		})
	}
}

// edgesOfChanges rewrites a truth file of a UMass tagger, which has a channel for the
// changes of each delta input, 4 to 7, so that it has one for either edge, as the driver
// has: the inputs are low at first.
func edgesOfChanges(t *testing.T, name string) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var high [4]bool
	for at := truthRecord - 1; at < len(b); at += truthRecord {
		if n := b[at] - 4; b[at] >= 4 {
			high[n] = !high[n]
			if b[at] = 4 + 2*n; !high[n] {
				b[at]++
			}
		}
	}
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
