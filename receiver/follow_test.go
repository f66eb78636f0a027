package receiver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"photongate/protocol"
	"photongate/protocol/table"
)

// TestResumedCSVKnowsWhereReadingsEnd: a gateway whose power was cut tells of a gap
// that begins before the end of what is held. Files that a second recording begins
// have it from where the readings end, as cat has it.
func TestResumedCSVKnowsWhereReadingsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, dir := newStub(t).withBench(4), t.TempDir()
		csv := func(o *RecordOptions) { o.CSV = true }
		recordTo(t, g, dir, csv)
		later := &frameMaker{t: t, stream: 2, epoch: 2, time: baseNs + 300*ms}
		later.json(protocol.TypeDescriptor, &protocol.Descriptor{Stream: "bench", Base: g.base, Boot: "boot", Software: "stub", Cause: "gateway started",
			Driver: "cd48", GateNs: 100_000_000, Timing: protocol.TimingDevice, Channels: twoChannels(), Previous: &protocol.Previous{Epoch: 1, Seq: 2}})
		later.json(protocol.TypeGap, &protocol.Gap{Cause: "gateway crashed", DurationNs: protocol.Ref(protocol.Int64(1700 * ms))})
		later.time = baseNs + 2000*ms
		g.streams[1].frames = append(g.streams[1].frames, later.counts([]uint64{1, 2}).out...)
		recordTo(t, g, dir, csv)
		out := t.TempDir()
		catText(t, CatOptions{Source: dir, Folder: out})
		text, err := os.ReadFile(filepath.Join(out, "bench.gaps.csv"))
		if err != nil {
			t.Fatal(err)
		}
		resumed, whole := fileIn(t, dir, "bench-2.gaps.csv"), string(text)
		// 8 gates of 100 ms from 12.1 s on end at 12.9 s, where the gap begins; it was to end 2 s after 12.1 s.
		const want = "2026-11-20T13:30:12.900000Z,"
		for _, text := range []string{resumed, whole} {
			row := strings.TrimPrefix(text, table.GapsHeader)
			if !strings.HasPrefix(row, want) || !strings.Contains(row, ",1.200000,2,0,,gateway crashed,") {
				t.Errorf("the gap is %q", row)
			}
		}
		equal(t, "readings", strings.Count(fileIn(t, dir, "bench-2.csv"), "\n"), 2)
	})
}
