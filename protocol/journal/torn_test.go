package journal_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/journal/journaltest"
)

// unsynced makes a journal with frames that no sync has saved behind those
// that one has, in a file each of two streams.
func unsynced(t *testing.T, rnd *rand.Rand) (fsys *journaltest.FS, saved, all uint64) {
	t.Helper()
	fsys = journaltest.New()
	j := open(t, fsys, journal.Options{SyncEvery: time.Hour, Journal: protocol.ID{1}})
	s := stream(t, j, "bench")
	epoch := begin(t, s, 0, 1)
	saved = 1 + rnd.Uint64N(8)
	all = saved + 1 + rnd.Uint64N(20)
	for seq := uint64(1); seq <= all; seq++ {
		appendFrames(t, s, epoch, seq, seq, rnd.IntN(1500))
		if seq == saved {
			if err := j.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	s2 := stream(t, j, "other") // its number is taken, nothing of it is synced
	appendFrames(t, s2, begin(t, s2, 0, 1), 1, 3, 100)
	written(t, fsys, all)
	t.Cleanup(func() { _ = j.Close() })
	return fsys, saved, all
}

// written waits until the appender has written all.
func written(t *testing.T, fsys *journaltest.FS, all uint64) {
	t.Helper()
	for readFolder(t, fsys, "bench") != without(all, "") || readFolder(t, fsys, "other") != "1:1-3" {
		runtime.Gosched() // the appender writes
	}
}

// A power cut tears the tail in every way a disk can: recovery changes nothing
// it finds, every frame whose bytes are there is kept, also behind a torn one,
// and the rest is a hole of the right name.
func TestPowerCutTearsTheTail(t *testing.T) {
	kinds := map[string]journaltest.After{"lost": journaltest.Lost, "cut short": journaltest.Part, "zeroed sectors": journaltest.Scrambled, "reordered sectors": journaltest.Shuffled}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		t.Run(kind, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(5, 6))
			kept, lost, behind := 0, 0, 0
			for range 30 {
				whole, saved, all := unsynced(t, rnd)
				path := segmentsOf(whole, "bench")[0]
				data := slices.Clone(whole.Data(path))
				fsys := whole.PowerCut(kinds[kind], rnd)
				left := fsys.Data(path)
				want := map[uint64]bool{}
				torn := false
				for _, p := range partsOf(t, data) {
					if p.seq == 0 {
						continue
					}
					want[p.seq] = p.to <= len(left) && bytes.Equal(left[p.from:p.to], data[p.from:p.to])
					switch {
					case !want[p.seq]:
						torn = true
						lost++
					case torn:
						behind++
					default:
						kept++
					}
				}
				before := contents(fsys)
				j := open(t, fsys, journal.Options{})
				if after := contents(fsys); !maps.Equal(before, after) {
					t.Fatalf("recovery changed the files:\n%v\n%v", before, after)
				}
				got := readStream(t, stream(t, j, "bench"), journal.Position{}, 1<<20)
				checkTail(t, got, want, saved, all)
				begin(t, stream(t, j, "bench"), 0, 1) // the old epoch is over: its end is told
				checkTail(t, strings.TrimSuffix(readStream(t, stream(t, j, "bench"), journal.Position{}, 1<<20), ", "), want, saved, all)
				closeJournal(t, j)
			}
			t.Attr("fault", "F06")
			if kind == "lost" || kind == "cut short" {
				t.Attr("fault", "F05")
			}
			t.Attr("injected", "power cuts that leave the unsynced tail "+kind)
			t.Attr("promised", "recovery deletes nothing, whole frames are kept also behind a torn one, the rest is a hole unsynced tail")
			t.Attr("seen", fmt.Sprintf("30 cuts: %d frames kept before and %d behind torn ones, %d lost, no file changed", kept, behind, lost))
			if kind != "lost" && lost == 0 || strings.HasSuffix(kind, "sectors") && behind == 0 {
				t.Errorf("%d frames lost, %d kept behind torn ones: the test proves nothing", lost, behind)
			}
		})
	}
}

// checkTail compares what is read with the frames that are whole. What lies
// behind the last of them does not exist any more.
func checkTail(t *testing.T, read string, want map[uint64]bool, saved, all uint64) {
	t.Helper()
	last := all
	for last > 0 && !want[last] {
		last--
	}
	if last < saved {
		t.Fatalf("only %d frames are whole, %d were synced", last, saved)
	}
	var missing []uint64
	for seq := uint64(1); seq <= last; seq++ {
		if !want[seq] {
			missing = append(missing, seq)
		}
	}
	same(t, "read", splitHoles(read, last), without(last, protocol.CauseUnsyncedTail, missing...))
}

// splitHoles writes holes of several frames as one for each, and leaves out
// what lies behind last.
func splitHoles(read string, last uint64) string {
	var words []string
	for word := range strings.SplitSeq(read, ", ") {
		var from, to uint64
		_, _ = fmt.Sscanf(word, "1:%d-%d", &from, &to)
		_, cause, hole := strings.Cut(word, " ")
		if !hole {
			words = append(words, word)
			continue
		}
		for seq := from; seq <= min(to, last); seq++ {
			words = append(words, fmt.Sprintf("1:%d-%d %s", seq, seq, cause))
		}
	}
	return strings.Join(words, ", ")
}

// contents are all segment files and what is in them.
func contents(fsys *journaltest.FS) map[string]string {
	out := map[string]string{}
	for _, path := range fsys.Files() {
		if strings.HasSuffix(path, ".pgs") {
			out[path] = string(fsys.Data(path))
		}
	}
	return out
}

// Names of files and their times say nothing: shuffled at random, all is read
// in the order that stands in the files.
func TestOrderFromHeadersOnly(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	const rounds = 200
	for round := range rounds {
		fsys := threeEpochs(t, journal.InJournal)
		want := readFolder(t, fsys, "bench")
		paths := segmentsOf(fsys, "bench")
		for i, to := range rnd.Perm(len(paths)) {
			if err := fsys.Rename(paths[i], filepath.Join(folder, "bench", fmt.Sprintf("x%d.pgs", to))); err != nil {
				t.Fatal(err)
			}
		}
		names := segmentsOf(fsys, "bench")
		for i, to := range rnd.Perm(len(names)) { // each gets the name another one had
			if err := fsys.Rename(names[i], paths[to]); err != nil {
				t.Fatal(err)
			}
			fsys.SetTime(paths[to], time.Unix(rnd.Int64N(1<<33)-1<<32, 0))
		}
		readBoth(t, fsys, fmt.Sprintf("round %d", round), want)
		j := open(t, fsys, journal.Options{})
		if epoch := begin(t, stream(t, j, "bench"), 0, 1); epoch != 4 {
			t.Errorf("epoch %d begun, want 4", epoch)
		}
		closeJournal(t, j)
		if t.Failed() {
			break
		}
	}
	t.Attr("fault", "F18")
	t.Attr("injected", fmt.Sprintf("names of all files of 3 parts exchanged and their times set at random, %d times", rounds))
	t.Attr("promised", "order from headers only")
	t.Attr("seen", fmt.Sprintf("%d of %d read in order, the next part has the next number", rounds, rounds))
}

// An archive asks again for what a power cut tore out of its tail, as far as it
// asks for anything: it begins where the first frame is torn, and is whole when
// that has come again. What it held behind it is not lost meanwhile.
func TestArchiveAsksForTornFramesAgain(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 10))
	torn, behind := 0, 0
	for range 60 {
		fsys := journaltest.New()
		o := journal.Options{SyncEvery: time.Hour, Journal: protocol.ID{1}, Place: journal.InArchive}
		j := open(t, fsys, o)
		s := stream(t, j, "bench")
		appendFrames(t, s, begin(t, s, 0, 1), 1, 3, 100)
		epoch := begin(t, s, 0, 1)
		saved, all := rnd.Uint64N(4), 5+rnd.Uint64N(20)
		for seq := uint64(1); seq <= all; seq++ {
			appendFrames(t, s, epoch, seq, seq, 300)
			if seq == saved {
				if err := j.Sync(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		for readFolder(t, fsys, "bench") != fmt.Sprintf("1:1-3, 2:1-%d", all) {
			runtime.Gosched() // the appender writes
		}
		cut := fsys.PowerCut(journaltest.Shuffled, rnd)
		_ = j.Close()
		before := readFolder(t, cut, "bench")
		words := strings.Split(strings.TrimPrefix(before, "1:1-3, "), ", ")
		first := uint64(0) // frames of epoch 2 before the first torn one
		if n, _ := fmt.Sscanf(words[0], "2:1-%d", &first); n == 0 || strings.Contains(words[0], " ") {
			first = 0
		}
		if len(words) > 1 || first == 0 {
			torn++
		}
		if len(words) > 2 || first == 0 && len(words) > 1 {
			behind++
		}
		j = open(t, cut, o)
		s = stream(t, j, "bench")
		last, _ := s.Last()
		if want := (journal.Position{Epoch: 2, Seq: first}); first > 0 && (last.Epoch != 2 || last.Seq != first) || first == 0 && (last.Epoch != 1 || last.Seq != 3) {
			t.Fatalf("the archive holds %s and goes on behind %v, expected %v", before, last, want)
		}
		if d := s.Durable(); s.NextSeq() != first+1 || s.Epoch() != 2 || d.Epoch != last.Epoch || d.Seq != last.Seq || d.HeaderCRC != last.HeaderCRC {
			t.Fatalf("next %d of epoch %d, durable %v after %v", s.NextSeq(), s.Epoch(), d, last)
		}
		same(t, "nothing is gone", readFolder(t, cut, "bench"), before)
		begin(t, s, 2, first+1)
		appendFrames(t, s, 2, first+1, all+2, 300)
		closeJournal(t, j)
		same(t, "whole again", readFolder(t, cut, "bench"), fmt.Sprintf("1:1-3, 2:1-%d", all+2))
	}
	if torn < 20 || behind < 10 {
		t.Errorf("%d tails were torn, %d with frames behind: the test proves nothing", torn, behind)
	}
	t.Attr("fault", "F05")
	t.Attr("fault", "F06")
	t.Attr("injected", "60 power cuts of an archive that reorder the sectors of its unsynced tail")
	t.Attr("promised", "the archive goes on before the first torn frame, and is whole when that comes again")
	t.Attr("seen", fmt.Sprintf("%d tails torn, %d of them with whole frames behind, all whole afterwards", torn, behind))
}
