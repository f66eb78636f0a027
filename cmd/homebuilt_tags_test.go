package cmd_test

import (
	"strings"
	"testing"

	"photongate/gateway"
)

// wordTagger is an instrument file for records of 32 bits: 28 of time, which begins
// anew every quarter of a second, as a record tells, a channel, and what was lost. In
// such records every bit means something: one that is a byte off may look like a tag,
// so no bytes are lost here.
const wordTagger = `name = "word-tagger"
[link]
baud = 115200
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
tick    = "1ns"
time    = "time"
wrap    = 0x10000000
channel = "channel"
[[tags.special]]
value = "channel"
is    = 15
means = "wrap"
count = "time"
[[tags.special]]
value = "channel"
is    = 14
means = "lost"
count = "time"
[[channel]]
name   = "A"
number = 0
[[channel]]
name   = "B"
number = 1
[[example]]
bytes = "hex: 07 00 00 00  08 00 00 10  02 00 00 F0  09 00 00 E0  07 00 00 00"
tags  = [["A", 7], ["B", 8], ["A", 536870919]]
lost  = 1
`

// TestHomeBuiltTags: nothing but an instrument file on either side, and every tag
// is recorded as it was; what is not is in a loss.
func TestHomeBuiltTags(t *testing.T) {
	// Not beside others: at its rate they would have no time left on two cores.
	for name, c := range map[string]struct {
		driver string
		sim    []string
		tags   int64
		causes []string // why some are missing
	}{
		"lectrotic-4":      {"lectrotic-4", []string{"--rate", "50k", "--fault", "overflow@byte=500000", "--fault", "unplug@byte=2000000:500ms"}, 600_000, []string{"loss", "unplugged"}},
		"lectrotic-4-text": {"lectrotic-4-text", []string{"--rate", "5k", "--fault", "unplug@byte=500000:500ms"}, 50_000, []string{"unplugged"}},
		"word-tagger":      {counterFile(t, wordTagger), []string{"--rate", "100k", "--fault", "overflow@byte=500000", "--fault", "unplug@byte=900000:500ms"}, 600_000, []string{"loss", "unplugged"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, c.driver, "")
			b.sim = append([]string{c.driver, "--pty", b.link, "--truth", b.truth, "--seed", "7"}, c.sim...)
			sim := b.startSim()
			gateways := b.startGateway()
			record := b.startRecord()
			record.waitFor("recording")
			b.awaitTruth(c.tags)
			sim.stop()
			b.awaitState(gateway.Gone)
			b.awaitCaughtUp("bench")
			gateways.stop()
			record.stop()
			got, err := compareTags(b.tagsFolder(), "bench", b.truth, 0)
			if err != nil {
				t.Fatal(err)
			}
			t.Log(got)
			if got.Parts < 2 || got.Matched < uint64(c.tags)/4 {
				t.Errorf("%v: want two parts at least, and many of %s tags", got, grouped(c.tags))
			}
			for _, cause := range c.causes {
				if got.Missing[cause] == 0 {
					t.Errorf("%v: want some that are missing, and stated as %s", got, cause)
				}
			}
		})
	}
}

// TestTryTags: a trial of a tagger shows its records as tags, and sums them up.
func TestTryTags(t *testing.T) {
	t.Parallel()
	b := newBench(t, "lectrotic-4", "")
	b.sim = []string{"lectrotic-4", "--pty", b.link, "--rate", "200", "--seed", "7"}
	b.startSim()
	code, out, _ := run(t, "photongate", "try", "lectrotic-4", "--port", b.link, "--for", "1s")
	for _, want := range []string{"time tags in ticks of 4 ns", ": tag of A at tick ", "tag 1: ", "\n  A: ", "works as documented: "} {
		if code != 0 || !strings.Contains(out, want) {
			t.Fatalf("exit %d, no %q in\n%.4000s", code, want, out)
		}
	}
}
