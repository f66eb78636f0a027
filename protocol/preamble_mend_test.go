package protocol

import (
	"bytes"
	"testing"
)

// TestMendPreamble: whichever byte of a preamble changes, what follows it is found,
// and its copies are told from the frames of the file, which begins at 92.
func TestMendPreamble(t *testing.T) {
	descriptor := testFrame(t, Header{Type: TypeDescriptor, Critical: true, Stream: 2, Epoch: 3, Seq: 1})
	clock := testFrame(t, Header{Type: TypeClock, Stream: 1, Epoch: 9, Seq: 77})
	first := testFrame(t, Header{Type: TypeCounts, Count: 1, Stream: 2, Epoch: 3, Seq: 92})
	whole := Preamble{Format: 1, Journal: ID{1}, Gateway: "pi-lab3", Stream: "bench", StreamID: 2, Epoch: 3, FirstSeq: 92, Place: PlaceArchive,
		Copies: [][]byte{descriptor, clock}}
	head, err := AppendPreamble(nil, whole)
	if err != nil {
		t.Fatal(err)
	}
	for name, behind := range map[string][]byte{
		"a frame": first, "a mark": AppendMark(nil, Mark{Offset: 1, LastSeq: 91}), "nothing": nil, "a frame longer than what was read": first[:HeaderSize],
	} {
		for at := range len(head) {
			b := append(bytes.Clone(head), behind...)
			b[at] ^= 1 << (at % 8)
			p, size := MendPreamble(b)
			if at >= PreambleHeadSize { // the head is right, and is not asked
				size, err = PreambleSize(b)
				if err != nil {
					t.Errorf("%s, byte %d: %v", name, at, err)
				}
			}
			if size != len(head) {
				t.Errorf("%s, byte %d: the preamble ends at %d, want %d", name, at, size, len(head))
			}
			if inSum := at >= 12 && at < 16 || at >= PreambleHeadSize; !inSum && (p.FirstSeq != 92 || len(p.Copies) != 2 || p.Journal != whole.Journal) {
				t.Errorf("%s, byte %d: it is read as %+v", name, at, p)
			}
		}
	}
	// A head of which nothing is left, and JSON that lost bytes too.
	b := append(bytes.Clone(head), first...)
	clear(b[:100])
	if _, size := MendPreamble(b); size != len(head) {
		t.Errorf("without a head the preamble ends at %d, want %d", size, len(head))
	}
	clear(b)
	if _, size := MendPreamble(b); size != 0 {
		t.Errorf("in zeros it ends at %d", size)
	}
}

// testFrame is a frame whose payload does not matter.
func testFrame(t *testing.T, h Header) []byte {
	t.Helper()
	frame, err := AppendFrame(nil, h, []byte(`{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	return frame
}
