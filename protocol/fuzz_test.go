package protocol

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// addVectors gives a fuzz target all golden vectors whose names begin with one
// of the prefixes, but long ones.
func addVectors(f *testing.F, add func(content []byte), prefixes ...string) {
	f.Helper()
	paths, err := filepath.Glob("testdata/vectors/*.bin")
	if err != nil || len(paths) == 0 {
		f.Fatalf("%d vectors, %v", len(paths), err)
	}
	for _, path := range paths {
		for _, prefix := range prefixes {
			if !strings.HasPrefix(filepath.Base(path), prefix) {
				continue
			}
			content, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			if len(content) < 2000 {
				add(content)
			}
			break
		}
	}
}

func FuzzFrame(f *testing.F) {
	addVectors(f, func(b []byte) { f.Add(b) }, "")
	f.Fuzz(func(t *testing.T, b []byte) {
		h, payload, rest, err := ParseFrame(b)
		if err != nil {
			return
		}
		if h.FrameLen()+len(rest) != len(b) || len(payload) != h.PayloadLen {
			t.Fatalf("%d bytes in a frame of %d and %d behind it", len(b), h.FrameLen(), len(rest))
		}
		if h.HeaderLen != HeaderSize || h.Type == TypeDescriptor && !h.Critical {
			return // may be read, is not written
		}
		again, err := AppendFrame(nil, h, payload)
		if err != nil || !bytes.Equal(again, b[:h.FrameLen()]) {
			t.Fatalf("written again as % x, %v", again, err)
		}
	})
}

// FuzzFrameReader: whether a stream comes whole or in two, the same frames and
// the same end. TestFrameReaderCuts cuts good frames at every byte.
func FuzzFrameReader(f *testing.F) {
	addVectors(f, func(b []byte) {
		for _, cut := range []int{1, 5, 30, 57, len(b) - 1} {
			f.Add(b, uint16(cut))
		}
	}, "frames", "truncated", "header", "payload", "session", "hello", "magic")
	f.Fuzz(func(t *testing.T, b []byte, cut uint16) {
		want, wantErr := readAll(NewFrameReader(bytes.NewReader(b), MaxFrame))
		if n := len(bytes.Join(want, nil)); n > len(b) || !bytes.Equal(bytes.Join(want, nil), b[:n]) {
			t.Fatal("frames are not the begin of the stream")
		}
		at := min(int(cut), len(b))
		r := &halves{parts: [][]byte{b[:at], b[at:]}}
		got, err := readAll(NewFrameReader(iotest.DataErrReader(r), MaxFrame))
		if !reflect.DeepEqual(want, got) || errorKind(err) != errorKind(wantErr) {
			t.Fatalf("cut after %d: %d frames and %v, expected %d and %v", at, len(got), err, len(want), wantErr)
		}
	})
}

// halves reads its parts one by one.
type halves struct{ parts [][]byte }

func (h *halves) Read(b []byte) (int, error) {
	for len(h.parts) > 0 && len(h.parts[0]) == 0 {
		h.parts = h.parts[1:]
	}
	if len(h.parts) == 0 {
		return 0, io.EOF
	}
	n := copy(b, h.parts[0])
	h.parts[0] = h.parts[0][n:]
	return n, nil
}

func FuzzCounts(f *testing.F) {
	addVectors(f, func(b []byte) {
		if h, payload, _, err := ParseFrame(b); err == nil {
			f.Add(h.Count, h.Time, payload)
		}
	}, "counts", "codec", "column", "uvarint")
	f.Fuzz(func(t *testing.T, count uint32, time int64, payload []byte) {
		if count <= MaxValues {
			count %= 1 << 13 // so that a run takes no time: limits have vectors of their own
		}
		h := Header{Type: TypeCounts, Count: count, Time: time}
		var want, got Counts
		if err := new(CountsDecoder).Decode(h, payload, &want); err != nil {
			if kind := errorKind(err); kind != "format" && kind != "limit" && kind != "unknown" {
				t.Fatalf("refused as %s: %v", kind, err)
			}
			return
		}
		frame, err := new(CountsEncoder).Append(nil, Header{}, &want)
		if err != nil {
			t.Fatal(err)
		}
		h, payload, _, err = ParseFrame(frame)
		if err != nil {
			t.Fatal(err)
		}
		if err := new(CountsDecoder).Decode(h, payload, &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(want.Begin, got.Begin) || !reflect.DeepEqual(want.Values, got.Values) {
			t.Fatal("begins or values differ")
		}
		if d := cmp.Diff(withoutZeros(&want), &got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(Counts{}, "Begin", "Values")); d != "" {
			t.Fatal(d)
		}
	})
}

// fuzzColumn is the target of one family of codecs.
func fuzzColumn(f *testing.F, families ...byte) {
	for _, c := range handColumns {
		b := unhex(f, c.hex)
		f.Add(b[0], uint16(len(c.values)), b[1:])
	}
	f.Fuzz(func(t *testing.T, codec byte, n uint16, b []byte) {
		for _, family := range families {
			column := append([]byte{family | codec&codecParameter}, b...)
			switch family {
			case codecRaw, codecConstant:
				column[0] = family
			case codecBell:
				column[0] = bellCodec(uint(codec)%(maxBellShift+1), uint(codec)/(maxBellShift+1)%maxBellPairs+1)
			}
			x := make([]uint64, n)
			rest, err := decodeColumn(column, x)
			if err != nil {
				if len(rest) > 0 || errorKind(err) != "format" && errorKind(err) != "unknown" {
					t.Fatalf("rest % x, %v", rest, err)
				}
				return
			}
			if n == 0 {
				return
			}
			again := new(columnEncoder).append(nil, x)
			if len(again) > 1+8*len(x) {
				t.Fatalf("codec %#02x: %d values take %d bytes", again[0], n, len(again))
			}
			y := make([]uint64, n)
			if rest, err := decodeColumn(again, y); err != nil || len(rest) > 0 || !reflect.DeepEqual(x, y) {
				t.Fatalf("codec %#02x: %v, rest % x", again[0], err, rest)
			}
		}
	})
}

func FuzzColumnRaw(f *testing.F)         { fuzzColumn(f, codecRaw) }
func FuzzColumnConstant(f *testing.F)    { fuzzColumn(f, codecConstant) }
func FuzzColumnBell(f *testing.F)        { fuzzColumn(f, codecBell) }
func FuzzColumnFixed(f *testing.F)       { fuzzColumn(f, codecFixed) }
func FuzzColumnRice(f *testing.F)        { fuzzColumn(f, codecRice) }
func FuzzColumnDifferences(f *testing.F) { fuzzColumn(f, codecRiceDiff) }

// FuzzColumnValues encodes any values.
func FuzzColumnValues(f *testing.F) {
	f.Add(byte(1), []byte("any values"))
	f.Add(byte(8), bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7, 255}, 40))
	f.Fuzz(func(t *testing.T, width byte, b []byte) {
		size := int(width)%8 + 1
		var x []uint64
		for ; len(b) >= size; b = b[size:] {
			x = append(x, tailWord(b[:size]))
		}
		if len(x) == 0 {
			return
		}
		y := make([]uint64, len(x))
		column := new(columnEncoder).append(nil, x)
		if rest, err := decodeColumn(column, y); err != nil || len(rest) > 0 || !reflect.DeepEqual(x, y) {
			t.Fatalf("codec %#02x: %v, rest % x", column[0], err, rest)
		}
	})
}

func FuzzJSON(f *testing.F) {
	addVectors(f, func(b []byte) {
		for len(b) > 0 {
			h, payload, rest, err := ParseFrame(b)
			if err != nil {
				return
			}
			f.Add(byte(h.Type), payload)
			b = rest
		}
	}, "")
	f.Fuzz(func(t *testing.T, typ byte, payload []byte) {
		v := payloadOf(Type(typ))
		if v == nil {
			return
		}
		if err := DecodeJSON(payload, v); err != nil {
			if kind := errorKind(err); kind != "format" && kind != "limit" {
				t.Fatalf("refused as %s: %v", kind, err)
			}
			return
		}
		text, err := EncodeJSON(v)
		if err != nil {
			return // longer than what it came from: escapes
		}
		again := payloadOf(Type(typ))
		if err := json.Unmarshal(text, again); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if d := cmp.Diff(v, again, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("%s: %s", text, d)
		}
	})
}

func FuzzPreamble(f *testing.F) {
	addVectors(f, func(b []byte) { f.Add(b) }, "preamble", "segment")
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, size := MendPreamble(b); size > len(b) || size > MaxPreamble {
			t.Errorf("a preamble of %d bytes in %d", size, len(b))
		}
		p, size, err := ParsePreamble(b)
		if err != nil {
			return
		}
		if n, err := PreambleSize(b); n != size || err != nil || size > len(b) {
			t.Fatalf("%d bytes, %d from the head (%v), of %d", size, n, err, len(b))
		}
		again, err := AppendPreamble(nil, p)
		if err != nil {
			t.Fatal(err)
		}
		p2, size, err := ParsePreamble(again)
		if err != nil || size != len(again) {
			t.Fatalf("%d bytes of %d, %v", size, len(again), err)
		}
		if d := cmp.Diff(p, p2); d != "" {
			t.Fatal(d)
		}
	})
}

func FuzzMark(f *testing.F) {
	addVectors(f, func(b []byte) { f.Add(b) }, "mark")
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseMark(b)
		if err != nil {
			return
		}
		if again, err := ParseMark(AppendMark(nil, m)); again != m || err != nil {
			t.Fatalf("%+v comes back as %+v, %v", m, again, err)
		}
	})
}

// FuzzFindFrame: what is found is whole, and nothing before it was.
func FuzzFindFrame(f *testing.F) {
	addVectors(f, func(b []byte) { f.Add(b, 1) }, "segment", "frames", "mark")
	f.Fuzz(func(t *testing.T, b []byte, from int) {
		at := FindFrame(b, from)
		for i := max(from, 0); i < len(b); i++ {
			_, _, _, frameErr := ParseFrame(b[i:])
			_, markErr := ParseMark(b[i:])
			if whole := frameErr == nil || markErr == nil; whole != (i == at) {
				t.Fatalf("from %d on found at %d; at %d: %v, %v", from, at, i, frameErr, markErr)
			}
			if i == at {
				return
			}
		}
		if at >= 0 {
			t.Fatalf("found at %d of %d", at, len(b))
		}
	})
}
