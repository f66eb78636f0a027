package receiver

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/rs/zerolog"

	"photongate/protocol"
	"photongate/protocol/table"
)

// withTagger gives the stub a stream of tags, of 1 ns: 10 of A and 5 of B in each
// of so many milliseconds, the third of which is lost, with 15 tags of B known to
// be missing, and in the last of which some of A are.
func (g *stub) withTagger(frames int) *stub {
	g.t.Helper()
	m := &frameMaker{t: g.t, stream: 4, epoch: 1, time: baseNs}
	m.json(protocol.TypeDescriptor, &protocol.Descriptor{Stream: "tagger", Base: g.base, Boot: "boot", Software: "stub", Cause: "gateway started",
		Driver: "tdc1", Timing: protocol.TimingDevice, Tick: &protocol.Tick{Num: 1, Den: 1_000_000_000},
		Channels: []protocol.Channel{{Name: "A", Kind: protocol.KindTag}, {Name: "B", Kind: protocol.KindTag}}})
	const ms = 1_000_000
	for i := range uint64(frames) {
		tags := &protocol.Tags{Until: (i + 1) * ms}
		switch {
		case i == 2:
			tags.Losses = []protocol.TagLoss{{From: i * ms, To: (i + 1) * ms, Channel: 1, Missing: 15, Known: true}}
		case i == uint64(frames)-1:
			tags.Losses = []protocol.TagLoss{{From: i * ms, To: i*ms + ms, Channel: 0}, {From: i*ms + 2, To: i*ms + ms, Channel: 0}}
		}
		for k := range uint64(15) {
			tags.Ticks, tags.Channels = append(tags.Ticks, i*ms+k*1000), append(tags.Channels, uint8(k%3/2))
		}
		m.time = baseNs + int64(i*ms)
		frame, err := new(protocol.TagsEncoder).Append(nil, m.header(protocol.TypeTags), 2, tags)
		if err != nil {
			g.t.Fatal(err)
		}
		m.out = append(m.out, frame)
		m.index += 15
	}
	g.streams = append(g.streams, &stubStream{"tagger", 4, m.out})
	return g
}

// TestRecordTags: tags are counted as tags, their rates are told, and what is
// lost of them, when they are recorded and when the record is checked.
func TestRecordTags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		g := newStub(t)
		var log strings.Builder
		summary := recordTo(t, g.withTagger(100), dir, func(o *RecordOptions) { o.CSV, o.Log = true, zerolog.New(zerolog.SyncWriter(&log)) })
		one := summary.Streams[0]
		equal(t, "stream", one.Stream, "tagger")
		equal(t, "tags", one.Readings, uint64(1500))
		equal(t, "unit", one.Unit(), "tag")
		equal(t, "why", summary.Why, []string{"pi-lab3/tagger: 1,500 of 1,515 tags, and an unknown number missing in 0.0 s (3 gaps)"})
		equal(t, "rows of CSV while it is recorded", len(one.CSV), 0)
		if !strings.Contains(log.String(), "pi-lab3/tagger gives time tags, which are recorded and not written as CSV: photonrecv cat "+filepath.Join(dir, labFolder)+" --stream tagger") {
			t.Errorf("the log does not say that there will be no CSV:\n%s", log.String())
		}
		for i, want := range []float64{10_000, 5_000} { // per second; of A without the last ms, of B without the third
			ch := one.Channels[i]
			if !ch.Known || ch.Unit != "1/s" || ch.Value < want*0.999 || ch.Value > want*1.001 {
				t.Errorf("channel %s: %+v, want %v/s", ch.Name, ch, want)
			}
		}
		text, code := verified(t, dir, VerifyOptions{})
		if code != 1 {
			t.Errorf("verify ends with %d", code)
		}
		for _, says := range []string{
			"part  tags   of       first", "1     1,500  1,515+?  2026-11-20T13:30:12.100Z  2026-11-20T13:30:12.200Z  2     0",
			"part 1: gap: tags lost, from 2026-11-20T13:30:12.199Z, for 0.002 s, an unknown number of tags missing, of channel A in 2 stretches",
			"part 1: gap: tags lost, from 2026-11-20T13:30:12.102Z, for 0.001 s, 15 tags missing, of channel B in 1 stretch\n",
			"incomplete: 1,500 of 1,515 tags, and an unknown number missing in 0.0 s (2 gaps), each with its cause above",
		} {
			if !strings.Contains(text, says) {
				t.Errorf("no %q in\n%s", says, text)
			}
		}
		text, code = verified(t, dir, VerifyOptions{Allow: []string{table.CauseTagsLost}, Full: true})
		if code != 0 || !strings.Contains(text, "complete but for what was allowed (--allow 'tags lost'): 1,500 of 1,515 tags") {
			t.Errorf("allowed: exit code %d\n%s", code, text)
		}
	})
}

// TestRecordTagsAndCounts: of both, both are told.
func TestRecordTagsAndCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		recordTo(t, newStub(t).withBench(2).withTagger(2), dir)
		text, _ := verified(t, dir, VerifyOptions{Allow: []string{table.CauseTagsLost}})
		if !strings.Contains(text, "4 readings and 30 tags") {
			t.Errorf("said\n%s", text)
		}
		if _, err := Cat(t.Context(), &bytes.Buffer{}, CatOptions{Source: dir}); !errors.Is(err, ErrMixed) {
			t.Errorf("cat of both: %v, want ErrMixed", err)
		}
		for _, o := range []CatOptions{
			{Source: dir, View: table.View{Format: table.NPY}},
			{Source: dir, Folder: t.TempDir(), View: table.View{Format: table.NPY}},
			{Source: dir, Streams: []string{"bench"}, View: table.View{Format: table.Raw}},
			{Source: dir, Streams: []string{"bench"}, View: table.View{Channels: []string{"A"}}},
		} {
			if summary, err := Cat(t.Context(), &bytes.Buffer{}, o); !errors.Is(err, ErrUsage) || len(summary.Files) > 0 {
				t.Errorf("%+v: %v, %q; want ErrUsage, and no files", o, err, summary.Files)
			}
		}
	})
}

// TestCatTags: rows on the standard output, and files with what is lost beside
// them.
func TestCatTags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, out := t.TempDir(), filepath.Join(t.TempDir(), "tags")
		recordTo(t, newStub(t).withTagger(3), dir)
		var text bytes.Buffer
		summary, err := Cat(t.Context(), &text, CatOptions{Source: dir, View: table.View{Channels: []string{"B"}}})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "rows", summary.Rows, uint64(15))
		lines := strings.Split(text.String(), "\n")
		equal(t, "head", lines[0], "time_utc,t_s,part,tick,channel")
		equal(t, "row", lines[6], "2026-11-20T13:30:12.101002Z,0.001000000000,1,1002000,B")

		summary, err = Cat(t.Context(), nil, CatOptions{Source: dir, Folder: out, View: table.View{Format: table.NPY}})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "files", summary.Files, []string{filepath.Join(out, "tagger.timestamps.npy"), filepath.Join(out, "tagger.channels.npy")})
		equal(t, "rows", summary.Rows, uint64(45))
		times, channels := npyBody(t, summary.Files[0], "{'descr': '<i8', 'fortran_order': False, 'shape': (45,), }"), npyBody(t, summary.Files[1], "{'descr': '|u1', 'fortran_order': False, 'shape': (45,), }")
		equal(t, "bytes", []int{len(times), len(channels)}, []int{360, 45})
		equal(t, "time of the 17th, ps", binary.LittleEndian.Uint64(times[8*16:]), uint64(1_001_000_000))
		equal(t, "first channels", channels[:6], []byte{0, 0, 1, 0, 0, 1})

		gaps, err := os.ReadFile(filepath.Join(out, "tagger.gaps.csv"))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "gaps", strings.Split(string(gaps), "\n")[:2], []string{"time_utc,t_s,duration_s,part,first_index,tags_missing,cause,detail",
			"2026-11-20T13:30:12.102000Z,0.002000,0.001000,1,30,15,tags lost,of channel B"})
		var meta csvMeta
		about, err := os.ReadFile(filepath.Join(out, "tagger.json"))
		if err == nil {
			err = json.Unmarshal(about, &meta)
		}
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "tags", meta.Tags, protocol.Uint64(45))
		equal(t, "starts", meta.Starts, []table.TagStart{{Part: 1, UTC: "2026-11-20T13:30:12.100000Z"}})
		equal(t, "columns", meta.Columns[1].Says, "uint8: which channel: 0 A, 1 B")
		equal(t, "closed", meta.Closed, true)
	})
}

// npyBody is what stands behind the head of a file of NumPy's, which has to be one
// of version 1.0 and as long as a multiple of 64.
func npyBody(t *testing.T, name, dict string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) < 128 || string(b[:8]) != "\x93NUMPY\x01\x00" || binary.LittleEndian.Uint16(b[8:]) != 118 || b[127] != '\n' {
		t.Fatalf("%s begins with % x", name, b[:min(len(b), 128)])
	}
	equal(t, "head of "+name, strings.TrimRight(string(b[10:127]), " "), dict)
	return b[128:]
}
