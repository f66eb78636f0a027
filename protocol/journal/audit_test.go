package journal_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"photongate/protocol/journal"
)

// TestVerifyTellsOfBytesThatCostNoFrame: a flipped bit in a preamble or a mark is
// told with its file and place, at the first look and from what that left; and no
// frame is said to be missing.
func TestVerifyTellsOfBytesThatCostNoFrame(t *testing.T) {
	fsys := threeFiles(t)
	tried := 0
	for _, path := range segmentsOf(fsys, "bench") {
		data := fsys.Data(path)
		for _, p := range partsOf(t, data) {
			if p.seq > 0 {
				continue // a frame: TestFlippedBitCostsTheFrameItHits
			}
			what, from, to := journal.DamagedMark, p.from, p.to-1
			if p.from == 0 {
				what = journal.DamagedHead
			}
			for at := p.from; at < p.to && !t.Failed(); at++ {
				flipped := fsys.Clone()
				flipped.Flip(path, at, 1<<(at%8))
				tried++
				for look := range 2 {
					r := verify(t, flipped, journal.VerifyOptions{})
					e := r.Streams[0].Epochs[0]
					want := fmt.Sprintf("bench/%s %s %d-%d", filepath.Base(path), what, from, to)
					var got []string
					for _, d := range e.Damage {
						got = append(got, fmt.Sprintf("%s %s %d-%d", filepath.ToSlash(d.File), d.What, d.From, d.To))
					}
					same(t, fmt.Sprintf("byte %d, look %d", at, look+1), strings.Join(got, ", "), want)
					if len(e.Holes) > 0 || e.Frames != 12 {
						t.Errorf("byte %d: %d frames, holes %+v", at, e.Frames, e.Holes)
					}
				}
			}
		}
	}
	if tried < 800 {
		t.Errorf("only %d bytes tried", tried)
	}
}

// TestFlippedBitInTheChecksumItself is told like any other.
func TestFlippedBitInTheChecksumItself(t *testing.T) {
	whole := journal.WithCRC([]byte("{\n \"a\": 1\n}"))
	if err := journal.CheckCRC(whole); err != nil {
		t.Fatal(err)
	}
	for at := range whole {
		for bit := range 8 {
			b := append([]byte{}, whole...)
			b[at] ^= 1 << bit
			if journal.CheckCRC(b) == nil {
				t.Errorf("byte %d, bit %d: %q is taken as it is", at, bit, b)
			}
		}
	}
	for _, without := range []string{"", "{}", `{"format":1,"name":"ws-ana","crc":1}`, `{"format":1,"archive":"00","name":"ws-ana"}` + "\n"} {
		if err := journal.CheckCRC([]byte(without)); err != nil {
			t.Errorf("%s: %v", without, err)
		}
	}
}

// TestVerifyTellsOfOtherNotes: a JSON file that somebody keeps beside journal.json,
// as a gateway its list of archives, is checked where it bears a checksum.
func TestVerifyTellsOfOtherNotes(t *testing.T) {
	fsys := threeFiles(t)
	path := filepath.Join(folder, "archives.json")
	for text, want := range map[string]string{"{}": "", string(journal.WithCRC([]byte(`{"a":1}`))): "", strings.Replace(string(journal.WithCRC([]byte(`{"a":1}`))), "1", "2", 1): path} {
		fsys.Put(path, []byte(text))
		r := verify(t, fsys, journal.VerifyOptions{})
		if said := strings.Join(r.Trouble, "\n"); !strings.HasPrefix(said, want) || (said == "") != (want == "") {
			t.Errorf("%s: %q, want %q", text, said, want)
		}
	}
}
