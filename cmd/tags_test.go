package cmd_test

import (
	"testing"

	"photongate/gateway"
)

// taggedRun is a simulated time tagger, what it goes through, and what the record is
// to say of it.
type taggedRun struct {
	options string
	sim     []string // its name first, then flags
	tags    int64    // how many it is to send
	parts   int
	losses  bool // some are stated
}

// tdc1Runs are of a TDC1 that streams.
var tdc1Runs = map[string]taggedRun{
	"undisturbed": {options: `mode = "timestamp"`, sim: []string{"tdc1", "--rate", "40k,50k,30k,20k", "--pairs", "13=5k,24=2k"}, tags: 400_000, parts: 1},
	"hardly any light, and markers are missing": {
		options: `mode = "timestamp"`, tags: 60, parts: 1,
		sim: []string{"tdc1", "--rate", "3,2,2,2", "--dark", "0", "--pairs", "13=1", "--fault", "lostmarker@3s", "--fault", "lostmarker@4s", "--fault", "lostmarker@5s"},
	},
	"left streaming, in bursts": {
		options: `mode = "timestamp"`, tags: 300_000, parts: 1,
		sim: []string{"tdc1", "--left", "timestamp;time 0;counts?", "--tail", "6", "--rate", "60k", "--bursts", "2ms/20ms"},
	},
	"two bytes are lost": {
		options: `mode = "timestamp"`, tags: 400_000, parts: 1, losses: true,
		sim: []string{"tdc1", "--rate", "60k", "--fault", "drop@byte=700000:2", "--fault", "drop@byte=900000:2", "--fault", "drop@byte=1100002:2"},
	},
}

// TestTDC1Tags: what a simulated TDC1 detected is what the archive holds, tag for tag.
func TestTDC1Tags(t *testing.T) {
	// Not beside others: at its rate they would have no time left on two cores.
	for name, x := range tdc1Runs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "tdc1", x.options)
			b.sim = append([]string{x.sim[0], "--pty", b.link, "--truth", b.truth, "--seed", "11"}, x.sim[1:]...)
			sim := b.startSim()
			gateways := b.startGateway()
			x.record(t, b, sim, gateways)
			x.check(t, b, sim)
		})
	}
}

// record records until the tagger has sent enough, and it is unplugged.
func (x taggedRun) record(t *testing.T, b *bench, sim, gateways *proc) {
	t.Helper()
	record := b.startRecord()
	record.waitFor("recording")
	b.awaitTruth(x.tags)
	sim.stop()
	b.awaitState(gateway.Gone)
	b.awaitCaughtUp("bench")
	gateways.stop()
	record.stop()
}

// check compares the archive with the truth.
func (x taggedRun) check(t *testing.T, b *bench, sim *proc) {
	t.Helper()
	got, err := compareTags(b.tagsFolder(), "bench", b.truth, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("tally: %v", got)
	// What was under way when the tagger was unplugged is gone: on a busy machine, whose
	// bus lags behind, that is much.
	// Where the simulator was held up for so long that its clock fell behind, as it says
	// then, the driver cannot know whether wraps were missed, and begins a part of its own.
	anew := got.Missing["reopened"] > 0
	if anew && !sim.said("clock goes slower from now on") {
		t.Errorf("%v: opened anew, and the simulator was never held up", got)
	}
	if got.Parts != x.parts && !anew || got.Matched < uint64(x.tags)/2 {
		t.Errorf("%v: want %d parts, and half of %s tags at least", got, x.parts, grouped(x.tags))
	}
	if (got.missing() > 0) != (x.losses || x.parts > 1 || anew) || (got.Losses > 0) != x.losses && !anew {
		t.Errorf("%v: want losses: %v", got, x.losses)
	}
	if got.LossTicks > got.SpanTicks/10 {
		t.Errorf("%v: losses are stated for too long", got)
	}
}
