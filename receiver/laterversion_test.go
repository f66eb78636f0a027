package receiver

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
)

// later changes a frame to one that version 1 cannot have made: change sees the
// bytes and may lengthen them; both checksums are made anew, by hand (SPEC.md,
// section 4).
func later(frame []byte, change func(f []byte) []byte) []byte {
	f := change(slices.Clone(frame))
	headerLen := 4 * int(f[4])
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	binary.LittleEndian.PutUint32(f[16:], crc32.Checksum(f[headerLen:], castagnoli))
	clear(f[12:16])
	binary.LittleEndian.PutUint32(f[12:], crc32.Checksum(f[:headerLen], castagnoli))
	return f
}

// inPlaceOf gives the payload of a golden vector the place of another frame.
func inPlaceOf(t *testing.T, frame []byte, vectors fs.FS, name string) []byte {
	t.Helper()
	golden, err := fs.ReadFile(vectors, name+".bin")
	if err != nil {
		t.Fatal(err)
	}
	return later(frame, func(f []byte) []byte {
		payload := golden[4*int(golden[4]):]
		binary.LittleEndian.PutUint32(f[8:], uint32(len(payload)))
		return append(f[:56:56], payload...)
	})
}

// TestLaterVersion has a gateway of a later version of the format send what
// version 1 does not know. The archive keeps every byte and acknowledges all of
// it; reading it skips what may be skipped, says so, and stops only in the part
// that holds what must be understood.
func TestLaterVersion(t *testing.T) {
	t.Attr("fault", "F43")
	folder, err := filepath.Abs("../protocol/testdata/vectors")
	if err != nil {
		t.Fatal(err)
	}
	vectors := os.DirFS(folder)
	t.Chdir(t.TempDir()) // cat and verify read real files
	var sent [][]byte
	var acked protocol.AckStream
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 9) // frame 1 of the part is its descriptor, 2 to 10 hold two readings each
		bench := l.streams[1]
		f := bench.frames
		f[0] = later(f[0], func(f []byte) []byte { // a key of JSON
			f = slices.Concat(f[:56], []byte(`{"colour":"red",`), f[57:])
			binary.LittleEndian.PutUint32(f[8:], uint32(len(f)-56))
			return f
		})
		f[2] = later(f[2], func(f []byte) []byte { f[5] = 20; return f }) // a type
		f[3] = later(f[3], func(f []byte) []byte {                        // a longer header
			f[4] = 16
			return slices.Concat(f[:56], []byte("8 bytes."), f[56:])
		})
		f[4] = inPlaceOf(t, f[4], vectors, "counts-codec-3c")
		f[5] = later(f[5], func(f []byte) []byte { f[6] = 0x55; return f }) // flags that need not be understood
		f[6] = inPlaceOf(t, f[6], vectors, "counts-schema-2")
		f[7] = inPlaceOf(t, f[7], vectors, "counts-column-bit-5")
		next := (&frameMaker{t: t, stream: 2, epoch: 2, time: baseNs + 60*second}).describe(l.base, "bench", twoChannels()...)
		next.counts([]uint64{2000, 1}).counts([]uint64{2001, 1}).counts([]uint64{2002, 1})
		next.out[2] = later(next.out[2], func(f []byte) []byte { f[5] = 20 | 0x80; return f }) // a type that must be understood
		third := (&frameMaker{t: t, stream: 2, epoch: 3, time: baseNs + 120*second}).describe(l.base, "bench", twoChannels()...)
		third.counts([]uint64{3000, 1}).counts([]uint64{3001, 1})
		third.out[2] = later(third.out[2], func(f []byte) []byte { f[7] = 1; return f }) // a flag that must be
		bench.frames = slices.Concat(f, next.out, third.out)
		sent = bench.frames
		// Bounded, as a receiver that does not keep all would ask for it again and again.
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := l.record(ctx, func(o *RecordOptions) { o.FS = nil }); err != nil {
			t.Fatal(err)
		}
		acked = l.acks[2]
	})
	equal(t, "acknowledged", acked, protocol.AckStream{ID: 2, Epoch: 3, Seq: 3})
	equal(t, "archive", held(t, journal.OS{}, labFolder, "bench"), sent)

	report, err := Verify(t.Context(), "arch", VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "damage", report.Damage, []string(nil))

	var out strings.Builder
	summary, err := Cat(t.Context(), &out, CatOptions{Source: "arch", Streams: []string{"bench"}})
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for line := range strings.Lines(out.String()) {
		cells := strings.Split(strings.TrimSpace(line), ",")
		rows = append(rows, strings.Join(slices.Concat(cells[5:7], cells[8:]), " "))
	}
	// Frames 3, 5, 7 and 8 cannot be decoded; the index tells that something is there.
	equal(t, "rows", rows, []string{"part index A B",
		"1 0 1000 7", "1 1 1001 8", "1 4 1004 7", "1 5 1005 8", "1 8 1008 7", "1 9 1009 8", "1 14 1014 7", "1 15 1015 8", "1 16 1016 7", "1 17 1017 8",
		"2 0 2000 1", "3 0 3000 1"})
	t.Attr("injected", "an unknown type, codec, schema, column, flag and key and a longer header among known frames; then a type and a flag that must be understood")
	t.Attr("promised", "the archive keeps every byte; reading skips what may be skipped, stops only in the part with what must be understood")
	t.Attr("seen", fmt.Sprintf("%d of %d frames archived byte for byte and acknowledged, %d rows read, %d stretches said to be undecoded", len(sent), len(sent), len(rows)-1, summary.Gaps))
}
