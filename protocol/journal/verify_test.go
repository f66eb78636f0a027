package journal_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/journal/journaltest"
)

func verify(t *testing.T, fsys journal.FS, o journal.VerifyOptions) journal.Report {
	t.Helper()
	o.Now = func() time.Time { return time.Unix(1_900_000_000, 0) }
	r, err := journal.Verify(t.Context(), fsys, folder, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func ptr[T any](v T) *T { return &v }

func TestReportOfAnEpoch(t *testing.T) {
	fsys := journaltest.New()
	j := open(t, fsys, journal.Options{SegmentBytes: 400})
	s := stream(t, j, "gateway")
	e := begin(t, s, 0, 1)
	gap := protocol.Gap{Cause: protocol.CauseStalled, Detail: "no bytes", DurationNs: ptr(protocol.Int64(5)), Missing: ptr(protocol.Uint64(2))}
	frames := [][]byte{
		jsonFrame(t, protocol.TypeDescriptor, s.ID(), e, 1, &protocol.Descriptor{Stream: "gateway", Cause: protocol.CauseGatewayStarted, Channels: []protocol.Channel{}}),
		frameOf(t, s.ID(), e, 2, 100),
		jsonFrame(t, protocol.TypeGap, s.ID(), e, 3, &gap),
		frameOf(t, s.ID(), e, 4, 100),
		jsonFrame(t, protocol.TypeClock, s.ID(), e, 5, &protocol.Clock{Kind: protocol.ClockHost, UTCNs: 1, Cause: protocol.ClockStart, Sync: protocol.SyncUnsynchronised, MaxErrorNs: ptr(protocol.Int64(16_000_000))}),
		jsonFrame(t, protocol.TypeClock, s.ID(), e, 6, &protocol.Clock{Kind: protocol.ClockHost, UTCNs: 1, Cause: protocol.ClockSync, Sync: protocol.SyncSynchronised, MaxErrorNs: ptr(protocol.Int64(900))}),
		// 7 to 9 are missing, as told by a hole
		jsonFrame(t, protocol.TypeHole, s.ID(), e, 7, &protocol.Hole{To: 9, Cause: protocol.CauseQuota, By: "pi-lab3"}),
		jsonFrame(t, protocol.TypeEnd, s.ID(), e, 10, &protocol.End{Cause: protocol.CauseGatewayStopped}),
	}
	bytes := 0
	for _, f := range frames {
		if err := s.Append(f); err != nil {
			t.Fatal(err)
		}
		if h, _ := protocol.ParseHeader(f); h.Type != protocol.TypeHole {
			bytes += len(f)
		}
	}
	closeJournal(t, j)
	r := verify(t, fsys, journal.VerifyOptions{})
	got := r.Streams[0].Epochs[0]
	f, err := journal.OpenFolder(fsys, folder)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Digest("gateway", 1, 1, 10); !errors.Is(err, journal.ErrNotHeld) || !strings.Contains(err.Error(), "frames 7 to 9") || !strings.Contains(err.Error(), "1 to 6, 10 to 10") {
		t.Errorf("a digest over frames that are not held: %v", err)
	}
	sum := sha256.New()
	for i, f := range frames {
		if i != 6 { // the hole
			sum.Write(f)
		}
	}
	digest := hex.EncodeToString(sum.Sum(nil))
	want := journal.EpochReport{Epoch: 1, Frames: 7, Readings: 2, Tags: 2, OfTags: true, Bytes: protocol.Uint64(bytes), Files: got.Files, FirstNs: 1000, LastNs: 10000, LastData: 4,
		Held: [][2]protocol.Uint64{{1, 6}, {10, 10}}, Digest: digest,
		Gaps:  []journal.GapReport{{Seq: 3, Ns: 3000, Gap: gap}},
		Holes: []journal.HoleReport{{From: 7, Hole: protocol.Hole{To: 9, Cause: protocol.CauseQuota, By: "pi-lab3"}}},
		Ended: true,
		Clock: journal.ClockReport{Synchronised: 1, Unsynchronised: 1, MaxErrorNs: ptr(protocol.Int64(16_000_000))}}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("report (-got +want):\n%s", diff)
	}
	if r.Complete || got.Files < 3 {
		t.Errorf("complete %t, %d files", r.Complete, got.Files)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"held":[["1","6"],["10","10"]]`, `"holes":[{"from":"7","to":"9","cause":"quota"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("JSON lacks %s: %s", want, text)
		}
	}
}

// Files that were read are not read again until they change; what is reported
// is the same either way.
func TestVerifyReadsClosedFilesOnce(t *testing.T) {
	fsys := threeFiles(t)
	plain := func(r journal.Report) journal.Report {
		r.Read, r.Earlier, r.AsOfNs = 0, 0, 0
		return r
	}
	first := verify(t, fsys, journal.VerifyOptions{})
	if first.Read == 0 || first.Earlier != 0 || !first.Complete {
		t.Fatalf("first: %+v", first)
	}
	second := verify(t, fsys, journal.VerifyOptions{})
	if second.Read != 0 || second.Earlier != 3 {
		t.Errorf("second read %d bytes, %d files were read earlier", second.Read, second.Earlier)
	}
	if diff := cmp.Diff(plain(second), plain(first)); diff != "" {
		t.Errorf("second report (-second +first):\n%s", diff)
	}
	full := verify(t, fsys, journal.VerifyOptions{Full: true})
	if full.Read != first.Read || full.Earlier != 0 {
		t.Errorf("full read %d bytes, want %d", full.Read, first.Read)
	}

	paths := segmentsOf(fsys, "bench")
	p := partsOf(t, fsys.Data(paths[1]))[3]
	damage := func() { fsys.Data(paths[1])[p.from+60] ^= 4 }

	damage() // the disk did it by itself: size and time are as before
	if r := verify(t, fsys, journal.VerifyOptions{}); r.Earlier != 3 || !r.Complete {
		t.Errorf("unchanged by size and time: %+v", r)
	}
	if r := verify(t, fsys, journal.VerifyOptions{Full: true}); r.Complete || len(r.Streams[0].Epochs[0].Holes) != 1 {
		t.Errorf("full after damage: %+v", r)
	}
	damage()
	fsys.SetTime(paths[1], time.Unix(1_900_000_001, 0))
	r := verify(t, fsys, journal.VerifyOptions{})
	if r.Earlier != 1 || !r.Complete {
		t.Errorf("after a file's time changed: %d files read earlier, want 1; complete %t", r.Earlier, r.Complete)
	}
	if diff := cmp.Diff(plain(r), plain(first)); diff != "" {
		t.Errorf("report (-got +first):\n%s", diff)
	}
	for _, bad := range []string{"", "{", `{"format":1,"epochs":[null]}`} {
		fsys.Put(filepath.Join(folder, "bench", "verified.json"), []byte(bad))
		r := verify(t, fsys, journal.VerifyOptions{})
		if len(r.NotUsed) != 1 || !strings.Contains(r.NotUsed[0], "verified.json is damaged") {
			t.Errorf("with verified.json %q: %q", bad, r.NotUsed)
		}
		r.NotUsed = nil
		if diff := cmp.Diff(plain(r), plain(first)); diff != "" {
			t.Errorf("with verified.json %q (-got +first):\n%s", bad, diff)
		}
	}
}

// What is kept of files also holds when the journal grows.
func TestVerifyGoesOnInAGrowingJournal(t *testing.T) {
	fsys := journaltest.New()
	j := open(t, fsys, journal.Options{SegmentBytes: 800})
	s := stream(t, j, "bench")
	epoch := begin(t, s, 0, 1)
	for seq := uint64(1); seq <= 60; seq += 4 {
		appendFrames(t, s, epoch, seq, seq+3, 40)
		if err := j.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := verify(t, fsys, journal.VerifyOptions{})
		fresh := verify(t, fsys, journal.VerifyOptions{NoCache: true})
		if diff := cmp.Diff(got.Streams, fresh.Streams); diff != "" {
			t.Fatalf("after %d frames (-kept +fresh):\n%s", seq+3, diff)
		}
		if fresh.Streams[0].Epochs[0].Frames != protocol.Uint64(seq+3) {
			t.Fatalf("%d frames reported, want %d", fresh.Streams[0].Epochs[0].Frames, seq+3)
		}
		if seq > 30 && (got.Earlier == 0 || got.Read > 2500) {
			t.Errorf("after %d frames: %d files read earlier, %d bytes read", seq+3, got.Earlier, got.Read)
		}
	}
	closeJournal(t, j)
}

// A journal and its archive cut their files at other places, and have the same
// digests.
func TestDigestsOfJournalAndArchive(t *testing.T) {
	a, b := journaltest.New(), journaltest.New()
	from := open(t, a, journal.Options{SegmentBytes: 700})
	s := stream(t, from, "bench")
	epoch := begin(t, s, 0, 1)
	appendFrames(t, s, epoch, 1, 50, 33)
	to, err := journal.Open(folder, journal.Options{FS: b, Place: journal.InArchive, Journal: from.ID(), Gateway: "pi-lab3", SegmentBytes: 1700, WaitWhenFull: true})
	if err != nil {
		t.Fatal(err)
	}
	d, err := to.Stream("bench", s.ID())
	if err != nil {
		t.Fatal(err)
	}
	begin(t, d, epoch, 1)
	r := s.Reader(journal.Position{})
	defer r.Close()
	for r.Position().Seq < 50 {
		frames, err := r.Next(t.Context(), 300)
		if err != nil {
			t.Fatal(err)
		}
		for len(frames) > 0 {
			h, _, rest, err := protocol.ParseFrame(frames)
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Append(frames[:h.FrameLen()]); err != nil {
				t.Fatal(err)
			}
			frames = rest
		}
	}
	closeJournal(t, from)
	closeJournal(t, to)
	ra, rb := verify(t, a, journal.VerifyOptions{}), verify(t, b, journal.VerifyOptions{})
	ea, eb := ra.Streams[0].Epochs[0], rb.Streams[0].Epochs[0]
	if ea.Digest != eb.Digest || ea.Files == eb.Files {
		t.Errorf("digests %s in %d files, %s in %d", ea.Digest, ea.Files, eb.Digest, eb.Files)
	}
	fa, err := journal.OpenFolder(a, folder)
	if err != nil {
		t.Fatal(err)
	}
	fb, err := journal.OpenFolder(b, folder)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := fa.Digest("bench", 1, 1, 50)
	if err != nil || whole != ea.Digest {
		t.Errorf("digest %s, %v, want %s", whole, err, ea.Digest)
	}
	x, errx := fa.Digest("bench", 1, 7, 31)
	y, erry := fb.Digest("bench", 1, 7, 31)
	if x != y || errx != nil || erry != nil || x == whole {
		t.Errorf("digests of a part: %s %v, %s %v", x, errx, y, erry)
	}
}

// A file that comes back is read, although verified.json knows of the hole it
// had left; the last one leaves a hole too when nothing else is there.
func TestVerifyReadsAFileThatCameBack(t *testing.T) {
	fsys := threeFiles(t)
	whole := verify(t, fsys, journal.VerifyOptions{NoCache: true}).Streams[0].Epochs[0]
	for i, path := range segmentsOf(fsys, "bench") {
		data := fsys.Data(path)
		if err := fsys.Remove(path); err != nil {
			t.Fatal(err)
		}
		if r := verify(t, fsys, journal.VerifyOptions{Full: true}); i < 2 && r.Complete {
			t.Errorf("without %s: complete", path)
		}
		fsys.Put(path, data)
		if r := verify(t, fsys, journal.VerifyOptions{}); !r.Complete || r.Streams[0].Epochs[0].Digest != whole.Digest {
			t.Errorf("with %s again: %+v", path, r.Streams[0].Epochs[0])
		}
	}
}

// An archive drops nothing: a first file that is not there is a loss, and so is
// a part without any file.
func TestVerifyAnArchiveWithoutItsFirstFiles(t *testing.T) {
	fsys := journaltest.New()
	j, err := journal.Open(folder, journal.Options{FS: fsys, Place: journal.InArchive, Journal: protocol.ID{1}, Gateway: "pi-lab3", SegmentBytes: 300, WaitWhenFull: true})
	if err != nil {
		t.Fatal(err)
	}
	s, err := j.Stream("bench", 7)
	if err != nil {
		t.Fatal(err)
	}
	begin(t, s, 3, 1)
	for seq := uint64(1); seq <= 12; seq++ {
		appendFrames(t, s, 3, seq, seq, 60)
		if err := j.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	closeJournal(t, j)
	paths := segmentsOf(fsys, "bench")
	holes := func() string {
		r := verify(t, fsys, journal.VerifyOptions{})
		var words []string
		for _, e := range r.Streams[0].Epochs {
			for _, h := range e.Holes {
				words = append(words, fmt.Sprintf("%d:%d-%d %s", e.Epoch, h.From, h.To, h.Cause))
			}
		}
		return strings.Join(words, ", ")
	}
	same(t, "whole", holes(), "")
	p, _, err := protocol.ParsePreamble(fsys.Data(paths[1]))
	if err != nil {
		t.Fatal(err)
	}
	if err := fsys.Remove(paths[0]); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("3:1-%d file missing", p.FirstSeq-1)
	same(t, "without the first file", holes(), want)
	same(t, "without the first file, again", holes(), want)
	same(t, "read", strings.Split(readFolder(t, fsys, "bench"), ",")[0], want)
	for _, path := range paths[1:] {
		if err := fsys.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	same(t, "without any file", holes(), "3:1-12 file missing")
}
