package output

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Blocks as the notes on the protocol describe them, added up by hand.
func TestSerpy2Blocks(t *testing.T) {
	for _, c := range []struct {
		typ  byte
		data string
		want string
	}{
		{serpy2Text, "AB", "DECAFECAFE 21 83000000 02000000 4142"}, // 41+42 = 83
		{serpy2Integer, "\xff\xff\xff\xff\xff\xff\xff\xff", "DECAFECAFE 01 F8070000 08000000 FFFFFFFFFFFFFFFF"},
		{serpy2Float, "0x1p+00", "DECAFECAFE 11 D4010000 07000000 30783170 2B3030"}, // 30+78+31+70+2B+30+30 = 1D4
		{serpy2Bytes, "", "DECAFECAFE 81 00000000 00000000"},
	} {
		want := unhex(t, c.want)
		if got := appendSerpy2Block(nil, c.typ, []byte(c.data)); !bytes.Equal(got, want) {
			t.Errorf("%q: got % X, want % X", c.data, got, want)
		}
	}
}

// What C99 and Python's float.fromhex read.
func TestHexFloat(t *testing.T) {
	for v, want := range map[float64]string{
		1: "0x1p+00", 3.5: "0x1.cp+01", -57120: "-0x1.be4p+15", 0: "0x0p+00", 0.1: "0x1.999999999999ap-04",
		math.Inf(1): "inf", math.Inf(-1): "-inf",
	} {
		if got := string(appendHexFloat(nil, v)); got != want {
			t.Errorf("%v: got %s, want %s", v, got, want)
		}
	}
	if got := string(appendHexFloat(nil, math.NaN())); got != "nan" {
		t.Errorf("got %s, want nan", got)
	}
}

func TestSerpy2Reader(t *testing.T) {
	question := "DECAFECAFE 21 3F000000 01000000 3F"
	for name, c := range map[string]struct {
		in   string
		want []string
		fail string
	}{
		"two blocks":         {in: question + "DECAFECAFE 81 00000000 00000000", want: []string{"21 ?", "81 "}},
		"half a block":       {in: question + "DECAFECAFE 21 3F", want: []string{"21 ?"}},
		"not ours":           {in: "474554202F", fail: "it begins with 47 45 54 20 2F (expected DE CA FE CA FE)"},
		"wrong after good":   {in: question + "00", want: []string{"21 ?"}, fail: "it begins with 00 (expected DE CA FE CA FE)"},
		"a wrong sum":        {in: "DECAFECAFE 21 40000000 01000000 3F", fail: "its bytes add up to 63 (expected 64, as its header says)"},
		"far too long":       {in: "DECAFECAFE 21 40000000 FFFFFFFF", fail: "it holds 4294967295 bytes (expected at most 65536)"},
		"an integer of five": {in: "DECAFECAFE 01 05000000 08000000 0500000000000000", want: []string{"01 \x05\x00\x00\x00\x00\x00\x00\x00"}},
	} {
		for _, piece := range []int{1, 3, 1 << 20} {
			var r serpy2Reader
			var got []string
			var err error
			for rest := unhex(t, c.in); len(rest) > 0 && err == nil; {
				n := min(piece, len(rest))
				err = r.take(rest[:n], func(typ byte, data []byte) {
					got = append(got, hex.EncodeToString([]byte{typ})+" "+string(data))
				})
				rest = rest[n:]
			}
			if d := cmp.Diff(got, c.want); d != "" {
				t.Errorf("%s, in pieces of %d (-got +want):\n%s", name, piece, d)
			}
			says := ""
			if err != nil {
				says = err.Error()
			}
			if c.fail != "" && piece > 10 && !strings.Contains(says, c.fail) || (c.fail == "") != (err == nil) || err != nil && !errors.Is(err, errSerpy2) {
				t.Errorf("%s, in pieces of %d: got %q, want %q", name, piece, says, c.fail)
			}
		}
	}
}

func FuzzSerpy2Reader(f *testing.F) {
	f.Add(unhex(f, "DECAFECAFE 21 3F000000 01000000 3F"), uint8(1))
	f.Add(unhex(f, "DECAFECAFE 81 00000000 00000000 DECAFECAFE 01 05000000 08000000 0500000000000000"), uint8(5))
	f.Add(unhex(f, "DECAFECAFE 21 40000000 FFFFFFFF"), uint8(0))
	f.Fuzz(func(t *testing.T, data []byte, piece uint8) {
		read := func(piece int) (out []byte, err error) {
			var r serpy2Reader
			for rest := data; len(rest) > 0; {
				n := min(piece, len(rest))
				if err = r.take(rest[:n], func(typ byte, body []byte) { out = appendSerpy2Block(out, typ, body) }); err != nil {
					break
				}
				rest = rest[n:]
			}
			return out, err
		}
		torn, tornErr := read(int(piece) + 1)
		whole, wholeErr := read(len(data) + 1)
		if !bytes.Equal(torn, whole) || (tornErr == nil) != (wholeErr == nil) {
			t.Errorf("in pieces: % X, %v; at once: % X, %v", torn, tornErr, whole, wholeErr)
		}
		if !bytes.HasPrefix(data, whole) {
			t.Errorf("read % X", whole)
		}
	})
}
