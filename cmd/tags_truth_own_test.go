package cmd_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"photongate/protocol"
	"photongate/protocol/journal"
)

// tagsWriter writes an archive of one stream of tags, as a recording leaves it.
type tagsWriter struct {
	t       *testing.T
	dir     string
	journal *journal.Journal
	stream  *journal.Stream
	codec   protocol.TagsEncoder
	buf     []byte
	base    protocol.ID
	h       protocol.Header
}

func newTagsWriter(t *testing.T) *tagsWriter {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "pi-lab3-00112233")
	j, err := journal.Open(dir, journal.Options{Place: journal.InArchive, Journal: protocol.ID{1, 2, 3}, Gateway: "pi-lab3"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := j.Stream("tagger", 2)
	if err != nil {
		t.Fatal(err)
	}
	return &tagsWriter{t: t, dir: dir, journal: j, stream: s, base: protocol.ID{9}}
}

// part begins the next part.
func (w *tagsWriter) part() {
	w.t.Helper()
	epoch, err := w.stream.Begin(0, 1)
	if err != nil {
		w.t.Fatal(err)
	}
	w.h = protocol.Header{Stream: w.stream.ID(), Epoch: epoch, Time: 1_795_181_412_000_000_000 + int64(epoch)*1_000_000_000_000}
	channels := make([]protocol.Channel, 4)
	for i := range channels {
		channels[i] = protocol.Channel{Name: string(rune('A' + i)), Kind: protocol.KindTag}
	}
	w.json(protocol.TypeDescriptor, &protocol.Descriptor{Stream: "tagger", Base: w.base, Software: "test", Cause: "gateway started", Timing: protocol.TimingDevice,
		Tick: &protocol.Tick{Num: 1, Den: 1_000_000_000_000}, Channels: channels})
}

func (w *tagsWriter) json(typ protocol.Type, v any) {
	w.t.Helper()
	w.h.Seq++
	h := w.h
	h.Type = typ
	frame, err := protocol.AppendJSON(nil, h, v)
	if err == nil {
		err = w.stream.Append(frame)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *tagsWriter) tags(tags *protocol.Tags) {
	w.t.Helper()
	var err error
	w.h.Seq++
	if w.buf, err = w.codec.Append(w.buf[:0], w.h, 4, tags); err == nil {
		err = w.stream.Append(w.buf)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.h.Index += uint64(len(tags.Ticks))
}

func (w *tagsWriter) close() string {
	w.t.Helper()
	if err := w.journal.Sync(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	if err := w.journal.Close(); err != nil {
		w.t.Fatal(err)
	}
	return w.dir
}

// writeTruth writes tags as a simulated instrument does.
func writeTruth(t *testing.T, tags []oneTag) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "truth")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(file)
	for _, one := range tags {
		var b [truthRecord]byte
		binary.LittleEndian.PutUint64(b[:], one.tick)
		b[8] = one.channel
		if _, err := w.Write(b[:]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

// makeTags are tags of four channels, some of the same tick.
func makeTags(n int) []oneTag {
	r := rand.New(rand.NewPCG(7, 8))
	var all []oneTag
	at := uint64(5_000_000)
	for len(all) < n {
		at += 1 + r.Uint64N(2000)
		first := len(all)
		all = append(all, oneTag{at, uint8(r.IntN(4))})
		if r.IntN(10) == 0 {
			all = append(all, oneTag{at, all[first].channel ^ 1})
		}
	}
	return all[:n]
}

// columns are tags of a part whose clock began at a tick of the truth's.
func columns(tags []oneTag, begin uint64) *protocol.Tags {
	t := &protocol.Tags{}
	for _, one := range tags {
		t.Ticks, t.Channels = append(t.Ticks, one.tick-begin), append(t.Channels, one.channel)
	}
	if n := len(t.Ticks); n > 0 {
		t.Until = slices.Max(t.Ticks) + 1
	}
	return t
}

// TestTruthAgrees: a record that lacks nothing but what it says it lacks agrees
// with the truth, and the sums are right.
func TestTruthAgrees(t *testing.T) {
	t.Parallel()
	all := makeTags(40_000)
	truth := writeTruth(t, all)
	w := newTagsWriter(t)

	w.part()                                   // 0 to 999 are before it
	w.tags(columns(all[1000:1010], 4_999_990)) // too few to recognise it by
	w.tags(&protocol.Tags{Until: all[1009].tick - 4_999_990 + 1})
	w.tags(columns(all[1010:5000], 4_999_990))
	lossy := columns(all[5100:6000], 4_999_990) // 100 are lost, and it says so
	lossy.Losses = []protocol.TagLoss{{From: all[4999].tick - 4_999_990 + 1, To: lossy.Ticks[0], Channel: -1, Missing: 100, Known: true}}
	w.tags(lossy)
	w.json(protocol.TypeGap, &protocol.Gap{Cause: "stalled"}) // and 200 more in a gap
	w.tags(columns(all[6200:7000], 4_999_990))
	ofOne := slices.Clone(all[7000:8000]) // all of channel 2 are lost, which is told with the tags behind
	lost := 0
	ofOne = slices.DeleteFunc(ofOne, func(o oneTag) bool {
		if o.channel == 2 {
			lost++
		}
		return o.channel == 2
	})
	w.tags(columns(ofOne, 4_999_990))
	behind := columns(all[8000:9000], 4_999_990)
	behind.Losses = []protocol.TagLoss{{From: all[7000].tick - 4_999_990, To: behind.Ticks[0], Channel: 2}}
	w.tags(behind)
	last := columns(nil, 0) // 9000 to 9099 are lost at the end
	last.Until = all[9099].tick - 4_999_990 + 1
	last.Losses = []protocol.TagLoss{{From: behind.Until, To: last.Until, Channel: -1}}
	w.tags(last)

	w.part() // plugged in again: its clock begins anew
	w.json(protocol.TypeGap, &protocol.Gap{Cause: "unplugged"})
	w.tags(columns(all[20_000:20_020], all[19_999].tick))
	w.tags(columns(all[20_020:30_000], all[19_999].tick))

	got, err := compareTags(w.close(), "tagger", truth, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := tagsAgreement{Parts: 2, Matched: uint64(8000 - 100 - 200 - lost + 10_000), Before: 1000, After: 10_000,
		Missing: map[string]uint64{"loss": uint64(100 + lost + 100), "stalled": 200, "unplugged": 20_000 - 9100}, Losses: 3,
		LossTicks: got.LossTicks, SpanTicks: got.SpanTicks}
	if got.String() != want.String() {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if got.LossTicks == 0 || got.LossTicks > got.SpanTicks/2 {
		t.Errorf("losses of %d ticks in %d", got.LossTicks, got.SpanTicks)
	}
}

// TestTruthNotices: each way in which a record can be wrong is noticed.
func TestTruthNotices(t *testing.T) {
	t.Parallel()
	all := makeTags(3000)
	truth := writeTruth(t, all)
	last := func(w *tagsWriter, tags []oneTag) { w.tags(columns(tags, 0)) }
	for name, c := range map[string]struct {
		change func(tags []oneTag) []oneTag
		more   func(w *tagsWriter, tags []oneTag)
		slack  uint64
		want   string // in the error; empty: all is well
	}{
		"nothing":           {want: ""},
		"a tag is missing":  {change: func(s []oneTag) []oneTag { return slices.Delete(s, 1500, 1501) }, want: "nothing says so"},
		"the last but one":  {change: func(s []oneTag) []oneTag { return slices.Delete(s, 1998, 1999) }, want: "nothing says so"},
		"a tick changed":    {change: func(s []oneTag) []oneTag { s[1500].tick++; return s }, want: "not in the truth"},
		"a channel changed": {change: func(s []oneTag) []oneTag { s[1500].channel = 3 - s[1500].channel; return s }, want: "not in the truth"},
		"a tag twice":       {change: func(s []oneTag) []oneTag { return slices.Insert(s, 1500, s[1500]) }, want: "recorded before"},
		"a tag of nobody":   {change: func(s []oneTag) []oneTag { return slices.Insert(s, 1500, oneTag{s[1500].tick - 1, 1}) }, want: "not in the truth"},
		"two are swapped":   {change: swap(1500, 1503), want: "not in the truth"},
		"swapped, allowed":  {change: swap(1500, 1503), slack: 20_000, want: ""},
		"beyond the slack":  {change: swap(1500, 1900), slack: 20_000, want: "behind its time"},
		"too many tags":     {change: func(s []oneTag) []oneTag { return append(s, oneTag{1 << 40, 0}) }, want: "not in the truth"},
		"first tags change": {change: func(s []oneTag) []oneTag { s[20].tick++; return s }, want: "nowhere in the truth"},
		"a loss that counts wrong": {want: "tells 7 missing tags", more: func(w *tagsWriter, tags []oneTag) {
			lossy := columns(tags[10:], 0)
			lossy.Losses = []protocol.TagLoss{{From: tags[0].tick, To: lossy.Ticks[0], Channel: -1, Missing: 7, Known: true}}
			w.tags(lossy)
		}},
		"a loss of another channel": {want: "nothing says so", more: func(w *tagsWriter, tags []oneTag) {
			lossy := columns(tags[10:], 0)
			lossy.Losses = []protocol.TagLoss{{From: tags[0].tick, To: lossy.Ticks[0], Channel: 1}}
			w.tags(lossy)
		}},
		"a loss that is too short": {want: "nothing says so", more: func(w *tagsWriter, tags []oneTag) {
			lossy := columns(tags[10:], 0)
			lossy.Losses = []protocol.TagLoss{{From: tags[1].tick + 1, To: lossy.Ticks[0], Channel: -1}}
			w.tags(lossy)
		}},
		"the clock went on": {want: "nothing says so", more: func(w *tagsWriter, tags []oneTag) {
			w.tags(&protocol.Tags{Until: tags[20].tick})
		}},
		"a new part without a word": {want: "no gap says why", more: func(w *tagsWriter, tags []oneTag) {
			w.part()
			last(w, tags[100:])
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tags := slices.Clone(all[:2000])
			if c.change != nil {
				tags = c.change(tags)
			}
			w := newTagsWriter(t)
			w.part()
			for len(tags) > 0 {
				n := min(300, len(tags))
				w.tags(&protocol.Tags{Ticks: columns(tags[:n], 0).Ticks, Channels: columns(tags[:n], 0).Channels, Until: max(tags[n-1].tick, all[min(2000, 2000-len(tags)+n)-1].tick) + 1})
				tags = tags[n:]
			}
			if c.more != nil {
				c.more(w, slices.Clone(all[2000:]))
			}
			_, err := compareTags(w.close(), "tagger", truth, c.slack)
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("error %v, want one that says %q", err, c.want)
			}
		})
	}
}

func swap(a, b int) func([]oneTag) []oneTag {
	return func(s []oneTag) []oneTag {
		s[a], s[b] = s[b], s[a]
		return s
	}
}
