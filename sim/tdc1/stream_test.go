package tdc1

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/sim"
	"photongate/sim/bench"
)

// The records of the reference.
func TestWords(t *testing.T) {
	const half = 67_112_824 - 3960 // 2^26
	for name, c := range map[string]struct {
		tick uint64
		bits uint32
		want string
	}{
		"input 1 at 1000 ns":     {500, 1, "81 3e 00 00"},
		"inputs 1 and 3, 2000":   {1000, 5, "05 7d 00 00"},
		"marker":                 {3960, 0x11, "11 ef 01 00"},
		"marker of the half":     {half + 3960, 0x11, "11 ef 01 80"},
		"last tick, input 4":     {1<<27 - 1, 8, "e8 ff ff ff"},
		"wrapped":                {1<<27 + 500, 1, "81 3e 00 00"},
		"after a day":            {43_200_000_000_000 - 43_200_000_000_000%(1<<27) + 500, 1, "81 3e 00 00"},
		"input 1, 46.96543 ms":   {315_400_890/2 - 1<<27, 1, "a1 2b ca 2c"},
		"input 1, 815.423402 ms": {815_423_402 / 2, 1, "a1 fa a5 09"},
	} {
		w := word(c.tick, c.bits)
		if got := fmt.Sprintf("%02x %02x %02x %02x", w&0xFF, w>>8&0xFF, w>>16&0xFF, w>>24); got != c.want {
			t.Errorf("%s is %s, expected %s", name, got, c.want)
		}
	}
}

// record is a word taken apart with nothing of the code under test.
type record struct {
	Tick    int
	Marker  bool
	Pattern int
}

func decode(t *testing.T, text string) []record {
	t.Helper()
	if len(text)%4 != 0 {
		t.Fatalf("%d bytes are no whole words", len(text))
	}
	var records []record
	for i := 0; i < len(text); i += 4 {
		w := uint32(text[i]) + uint32(text[i+1])*256 + uint32(text[i+2])*65536 + uint32(text[i+3])*16777216
		records = append(records, record{int(w / 32), w/16%2 == 1, int(w % 16)})
	}
	return records
}

// In the dark the markers alone tell of time: 3960 and 67112824, half a period
// (134.217728 ms) apart.
func TestMarkers(t *testing.T) {
	b := newBench(t, nil, Options{})
	b.Wait(100 * time.Millisecond)
	b.Ask("timestamp;time 600;INPKT;counts?\n")
	b.Step(time.Second)
	want := []record{{67_112_824, true, 1}, {3960, true, 1}, {67_112_824, true, 1}, {3960, true, 1}, {67_112_824, true, 1}}
	text := b.Text()
	if diff := cmp.Diff(decode(t, text), want); diff != "" {
		t.Errorf("markers (-got +want):\n%s", diff)
	}
	if !strings.HasPrefix(text, "\x11\xEF\x01\x80\x11\xEF\x01\x00") {
		t.Errorf("the first words are % x", text[:8])
	}
	b.Event(sim.Event{Kind: sim.LostMarker})
	b.Ask("counts?\n") // from 1.1 s: the marker of 1.2080 s is lost, those of 1.3422, 1.4764, 1.6106 s come
	b.Step(time.Second)
	want = []record{{3960, true, 1}, {67_112_824, true, 1}, {3960, true, 1}}
	if diff := cmp.Diff(decode(t, b.Text()), want); diff != "" {
		t.Errorf("one marker missing (-got +want):\n%s", diff)
	}
}

func TestStream(t *testing.T) {
	b := newBench(t, []float64{1e5, 2e4, 1e3, 0}, Options{}, sim.Pair{A: 0, B: 1, RateHz: 1e4})
	b.Ask("timestamp\r\n")
	b.Ask("INPKT;time 2000;counts?;\r\n")
	b.Step(3 * time.Second)
	last, wraps := 0, 0
	var seen [16]int
	for _, r := range decode(t, b.Text()) {
		if r.Tick < last {
			wraps++
		}
		last = r.Tick
		if !r.Marker {
			seen[r.Pattern]++
		}
	}
	if wraps != 7 {
		t.Errorf("time wrapped %d times in 2 s, expected 7", wraps)
	}
	for pattern, want := range []int{0, 180_000, 20_000, 20_000, 2000} {
		if got := seen[pattern]; got < want*9/10-5 || got > want*11/10+5 {
			t.Errorf("pattern %d came %d times, expected about %d", pattern, got, want)
		}
	}
	if got := b.Ask("mode?;counts?;time 0\n"); got != "3\r\n" {
		t.Errorf("after the stream: %q", got)
	}
}

// seen undoes the wraps of records that begin at a time of the unit.
func seen(records []record, start uint64) []sim.Tag {
	var tags []sim.Tag
	last := start
	for _, r := range records {
		const period = 134_217_728
		tick := last/period*period + uint64(r.Tick)
		if tick < last {
			tick += period
		}
		last = tick
		for input := range 4 {
			if !r.Marker && r.Pattern>>input&1 == 1 {
				tags = append(tags, sim.NewTag(tick, input))
			}
		}
	}
	return tags
}

// What is sent is the truth, and goes on after the cable was pulled, while the unit's
// own time begins anew.
func TestTruthOfTags(t *testing.T) {
	pair := sim.Pair{A: 0, B: 2, RateHz: 5000}
	b := newBench(t, []float64{2e4, 1e3, 1e4, 0}, Options{Tags: sim.TagSettings{PairDelayNs: 20, JitterNs: 4}, Tail: 6}, pair)
	b.Step(100 * time.Millisecond)
	b.Ask("timestamp;time 1000;counts?\n")
	b.Step(2 * time.Second)
	words := b.Text()
	sent := seen(decode(t, words[:len(words)-2]), 50_000_000)
	if diff := cmp.Diff(sent, b.Truth); diff != "" || len(sent) < 30_000 || len(b.Losses) > 0 {
		t.Errorf("%d tags, losses %v (-sent +truth):\n%s", len(sent), b.Losses, diff)
	}
	b.Truth = nil
	b.Event(sim.Event{Kind: sim.Unplugged})
	b.Step(time.Second)
	b.Event(sim.Event{Kind: sim.Plugged})
	b.Ask("timestamp;time 0;counts?\n")
	b.Step(time.Second)
	words = b.Text()
	sent = seen(decode(t, words), 0)
	for i := range sent {
		sent[i] = sim.NewTag(sent[i].Tick()+3_100_000_000/2, sent[i].Channel())
	}
	if diff := cmp.Diff(sent, b.Truth); diff != "" || len(sent) < 30_000 {
		t.Errorf("plugged in again %d tags (-sent +truth):\n%s", len(sent), diff)
	}
	b.Event(sim.Event{Kind: sim.Unplugged})
	const gone = 4_100_000_000 / 2
	if len(b.Losses) != 1 || b.Losses[0].To != gone || b.Losses[0].From >= gone || b.Losses[0].Channel != -1 {
		t.Errorf("losses %v, expected one up to tick %d", b.Losses, gone)
	}
}

// The truth is not of a stream that was left on, but of the one a host asks for.
func TestTruthIsNotOfAStreamLeftOn(t *testing.T) {
	b := newBench(t, []float64{1e4, 0, 0, 0}, Options{Left: "timestamp;time 0;counts?"})
	b.Step(time.Second)
	if n := len(b.Text()); n < 30_000 || len(b.Truth) > 0 {
		t.Errorf("%d bytes, %d tags of truth", n, len(b.Truth))
	}
	b.Ask("abort;counts?\n")
	b.Step(time.Second)
	if len(b.Truth) < 9000 {
		t.Errorf("asked for, %d tags of truth", len(b.Truth))
	}
}

// A host that does not take the bytes loses whole words; one whose bytes are harmed is
// told of as well.
func TestLossesOfTags(t *testing.T) {
	b := newBench(t, []float64{1e6, 0, 0, 0}, Options{FIFO: 10_000})
	b.Ask("timestamp;time 0;counts?\n")
	b.Step(10 * time.Millisecond)
	before := len(b.Text())
	b.Full = 9000
	b.Step(2 * time.Millisecond)
	b.Full = 0
	b.Step(time.Millisecond)
	b.Harm = "drop"
	b.Step(time.Millisecond)
	want := []bench.Loss{
		{From: 5_000_000, To: 5_500_000, Channel: -1, Reason: "the host did not take them in time"},
		{From: 5_500_000, To: 6_000_000, Channel: -1, Reason: "the host did not take them in time"},
		{From: 6_500_000, To: 7_000_000, Channel: -1, Reason: "drop"},
	}
	if diff := cmp.Diff(b.Losses, want); diff != "" {
		t.Errorf("losses (-got +want):\n%s", diff)
	}
	if after := len(b.Text()); before < 36_000 || after < 6000 || after > 10_000 {
		t.Errorf("%d bytes in 10 ms, %d in the two of four that came", before, after)
	}
}

// While the external clock is there the crystal does not matter.
func TestLostClock(t *testing.T) {
	b := newBench(t, []float64{1e3, 0, 0, 0}, Options{ExternalClock: true, FastPPM: 10_000})
	ends := func() (tick uint64) {
		t.Helper()
		b.Truth = nil
		b.Ask("timestamp;time 0;counts?\n")
		b.Step(100 * time.Millisecond)
		b.Ask("abort\n")
		return b.Truth[len(b.Truth)-1].Tick() / 500_000 * 500_000 // to a millisecond
	}
	if got := ends(); got < 48_000_000 || got > 50_000_000 {
		t.Errorf("after 0.1 s with the external clock tick %d", got)
	}
	b.Event(sim.Event{Kind: sim.LostClock, For: time.Second})
	if got := b.Ask("eclock?\n"); !strings.HasSuffix(got, "0\r\n") {
		t.Errorf("it says %q", got)
	}
	b.Step(900 * time.Millisecond)
	if got, want := ends(), uint64(50_000_000+505_000_000); got < want-3_000_000 || got > want {
		t.Errorf("after another second without it tick %d, expected about %d", got, want)
	}
	if got := b.Ask("eclock?\n"); !strings.HasSuffix(got, "1\r\n") {
		t.Errorf("it says %q", got)
	}
	b.Step(900 * time.Millisecond)
	if got, want := ends(), uint64(50_000_000+505_000_000+500_000_000); got < want-3_000_000 || got > want {
		t.Errorf("after another second with it tick %d, expected about %d", got, want)
	}
	b.Ask("refclk 2\n")
	b.Step(900 * time.Millisecond)
	if got, want := ends(), uint64(50_000_000+505_000_000+500_000_000+505_000_000); got < want-3_000_000 || got > want {
		t.Errorf("after another second by the crystal tick %d, expected about %d", got, want)
	}
}

func TestEndlessStreamAndAbort(t *testing.T) {
	b := newBench(t, []float64{1e4, 0, 0, 0}, Options{Tail: 6})
	b.Ask("time 0;timestamp;counts?\n")
	b.Step(70*time.Second + 300*time.Microsecond)
	got := b.Text()
	if n := len(got) / 4; n < 690_000 || n > 710_000 {
		t.Errorf("%d words in 70 s of 1E4 per second", n)
	}
	if len(got)%4 != 0 {
		t.Errorf("%d bytes before the end", len(got))
	}
	answer := b.Ask("mode?;abort\r\nmode?;")
	if !strings.HasPrefix(answer, "3\r\n") || !strings.HasSuffix(answer, "3\r\n") || (len(answer)-6)%4 != 2 {
		t.Errorf("abort was answered % x, expected words, six bytes more and the mode", answer)
	}
	b.Step(10 * time.Second)
	if got := b.Text(); got != "" {
		t.Errorf("it goes on: %d bytes", len(got))
	}
}

// Ten million tags per second are what it can tell.
func TestTooMuchLightForTags(t *testing.T) {
	b := newBench(t, []float64{4e7, 2e7, 0, 0}, Options{})
	b.Ask("timestamp;time 10;counts?\n")
	b.Step(time.Second)
	records := decode(t, b.Text())
	if n := len(records); n < 99_900 || n > 100_020 {
		t.Errorf("%d words in 10 ms", n)
	}
	// Of the ticks 0.0769 have input 1 and 0.0392 input 2, so that 2.7 % of the words
	// have both.
	together := 0
	for i, r := range records {
		if r.Pattern == 3 {
			together++
		}
		if i > 0 && r.Tick == records[i-1].Tick && !r.Marker && !records[i-1].Marker {
			t.Fatalf("two words tell of tick %d", r.Tick)
		}
	}
	if together < 2450 || together > 3000 {
		t.Errorf("%d words have both inputs, expected about 2700", together)
	}
	// What was too much is in the truth, and said to be lost: the last part of each
	// millisecond.
	if n := len(b.Truth); n < 570_000 || n > 600_000 {
		t.Errorf("%d tags in the truth, expected about 580000", n)
	}
	if len(b.Losses) != 10 {
		t.Fatalf("losses %v", b.Losses)
	}
	kept := slices.DeleteFunc(slices.Clone(b.Truth), func(tag sim.Tag) bool {
		return slices.ContainsFunc(b.Losses, func(l bench.Loss) bool { return l.From <= tag.Tick() && tag.Tick() < l.To })
	})
	if diff := cmp.Diff(seen(records, 0), kept); diff != "" {
		t.Errorf("(-sent +truth):\n%s", diff)
	}
}

func TestCrystal(t *testing.T) {
	b := newBench(t, []float64{1e5, 0, 0, 0}, Options{FastPPM: 99_999})
	b.Ask("time 1000;counts?\n")
	b.Wait(2 * time.Second)
	if got := b.Rows[0].After.Round(time.Millisecond); got != 909*time.Millisecond {
		t.Errorf("a second by a crystal fast by a tenth took %v", got)
	}
	// From 2 s on, that is 2.2 s of its own: the next marker is that of 2.281701 s.
	b.Text()
	b.Ask("timestamp;counts?\n")
	b.Step(time.Second)
	var markers []time.Duration
	for _, m := range b.Sent {
		for _, r := range decode(t, m.Text) {
			if r.Marker {
				markers = append(markers, m.After.Round(2*time.Millisecond))
			}
		}
	}
	if len(markers) == 0 || markers[0] != 2074*time.Millisecond && markers[0] != 2076*time.Millisecond {
		t.Errorf("markers at %v, expected the first at 2.0743 s", markers)
	}
}

// Bytes made beforehand go round without a seam.
func TestPrebuilt(t *testing.T) {
	light, err := bench.Light(Inputs(), []float64{1e5, 0, 5e4, 0})
	if err != nil {
		t.Fatal(err)
	}
	words, n, err := Prebuilt(light, sim.TagSettings{}, 3)
	if err != nil {
		t.Fatal(err)
	}
	records := decode(t, string(words)+string(words))
	markers := 0
	for _, r := range records {
		if r.Marker {
			markers++
		}
	}
	tags := seen(records, 0)
	if last := tags[len(tags)-1].Tick(); int64(len(tags)) != 2*n || markers != 12 || last < 6<<27-100_000 || last >= 6<<27 {
		t.Errorf("twice %d tags are %d, up to tick %d, with %d markers", n, len(tags), last, markers)
	}
}
