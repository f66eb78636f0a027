package output

import (
	"bytes"
	"errors"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func wholes(list ...int64) []value {
	values := make([]value, len(list))
	for i, n := range list {
		magnitude := uint64(n)
		if n < 0 {
			magnitude = -magnitude
		}
		values[i].setWhole(n < 0, magnitude)
	}
	return values
}

func aReal(f float64) value         { return value{kind: real64, real: f} }
func aWord(s string) value          { return value{kind: words, text: []byte(s)} }
func aWhole(magnitude uint64) value { return value{kind: whole, whole: magnitude} }

// What Python 3.11 answers to struct.pack.
func TestPackIsPythons(t *testing.T) {
	for _, c := range []struct {
		format string
		values []value
		want   string
	}{
		{"!Qd8I", append([]value{aWhole(7), aReal(1.5)}, wholes(1, 2, 3, 4, 5, 6, 7, 8)...),
			"0000000000000007 3ff8000000000000 00000001 00000002 00000003 00000004 00000005 00000006 00000007 00000008"},
		{"<?bBhHiIlLqQfd3s2x",
			[]value{aWhole(1), wholes(-2)[0], aWhole(200), wholes(-3)[0], aWhole(60000), wholes(-4)[0], aWhole(4000000000), wholes(-5)[0],
				aWhole(5), wholes(-6)[0], aWhole(1 << 63), aReal(0.5), aReal(-1.25), aWord("ab")},
			"01 fe c8 fdff 60ea fcffffff 00286bee fbffffff 05000000 faffffffffffffff 0000000000000080 0000003f 000000000000f4bf 616200 0000"},
		{"> ?2B", wholes(0, 0, 255), "00 00 ff"},
	} {
		f, err := parseRecordFormat(c.format)
		if err != nil {
			t.Errorf("%s: %v", c.format, err)
			continue
		}
		got, err := f.pack([]byte("x"), c.values)
		if want := append([]byte("x"), unhex(t, c.want)...); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s:\ngot  % X, %v\nwant % X", c.format, got, err, want)
		}
	}
}

// What Python 3.11 answers to struct.calcsize.
func TestRecordSizes(t *testing.T) {
	for format, want := range map[string]int{"!Qd8I": 48, "<3s2xI": 9, ">?f": 5, "=lLqQ": 24, "! 2H 3B": 7, "<0Ib": 1, "!04b": 4} {
		f, err := parseRecordFormat(format)
		if err != nil || f.size != want {
			t.Errorf("%s: got %d, %v, want %d", format, f.size, err, want)
		}
	}
}

func TestRecordFormatRefused(t *testing.T) {
	const needs = " does not say its byte order (expected ! or > for big-endian, < for little-endian before it)"
	for format, want := range map[string]string{
		"":                             `it is empty (expected a format of Python's struct, as in "!Qd8I")`,
		"Qd8I":                         `"Qd8I"` + needs + `; on a PC or a Pi it is "<Qd` + strings.Repeat("I", 8) + `"`,
		"@Id":                          `"@Id"` + needs + `; on a PC or a Pi it is "<I4xd"`, // calcsize says 16
		"BQ":                           `"BQ"` + needs + `; on a PC or a Pi it is "<B7xQ"`,
		"hI":                           `"hI"` + needs + `; on a PC or a Pi it is "<h2xI"`, // and 8
		"lI":                           `"lI"` + needs + `; l and L have 8 bytes in such a format on Linux and macOS and 4 on Windows: write q and Q for 8, i and I for 4`,
		"spam":                         `"spam"` + needs,
		"!":                            `"!" carries no value`,
		"!4x":                          `"!4x" carries no value`,
		"!0s":                          `"!0s" carries no value`,
		"!Qn":                          `"!Qn": code 'n' is not understood (expected ?, b, B, h, H, i, I, l, L, q, Q, f, d, s, x)`,
		"!Q3":                          `"!Q3": it ends with a count (expected a code behind it: ?, b, B, h, H, i, I, l, L, q, Q, f, d, s, x)`,
		"!1449B":                       `"!1449B": count 1449 before 'B' is too large (expected at most 1448)`,
		"!182Q":                        `"!182Q": a record of 1456 bytes is too long (expected at most 1448, which travel in one piece)`,
		"!99999999999999999999999999B": `"!99999999999999999999999999B": count 1048576 before 'B' is too large (expected at most 1448)`,
	} {
		if _, err := parseRecordFormat(format); err == nil || err.Error() != want {
			t.Errorf("%q:\ngot  %v\nwant %s", format, err, want)
		}
	}
}

// What is said of the size of a record is its size.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	format := regexp.MustCompile(`format = "(!.*)"`).FindSubmatch(text)
	sizes := regexp.MustCompile(`recv\((\d+)`).FindAllSubmatch(text, -1)
	if format == nil || len(sizes) == 0 {
		t.Fatal("there is no example")
	}
	f, err := parseRecordFormat(string(format[1]))
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range sizes {
		if string(size[1]) != strconv.Itoa(f.size) {
			t.Errorf("recv(%s) of records of %d bytes (%s)", size[1], f.size, format[1])
		}
	}
}

func TestFits(t *testing.T) {
	for _, c := range []struct {
		code byte
		size int
		v    value
		want bool
	}{
		{'B', 1, aWhole(255), true}, {'B', 1, aWhole(256), false}, {'B', 1, wholes(-1)[0], false},
		{'b', 1, aWhole(127), true}, {'b', 1, aWhole(128), false}, {'b', 1, wholes(-128)[0], true}, {'b', 1, wholes(-129)[0], false},
		{'I', 4, aWhole(math.MaxUint32), true}, {'I', 4, aWhole(math.MaxUint32 + 1), false},
		{'Q', 8, aWhole(math.MaxUint64), true}, {'q', 8, aWhole(math.MaxInt64), true}, {'q', 8, aWhole(math.MaxInt64 + 1), false},
		{'q', 8, value{kind: whole, negative: true, whole: 1 << 63}, true},
		{'I', 4, aReal(1), false}, {'I', 4, value{}, false}, {'d', 8, value{}, true}, {'f', 4, value{}, true}, {'f', 4, aReal(1e39), false},
		{'s', 2, aWord("ab"), true}, {'s', 2, aWord("abc"), false}, {'d', 8, aWord("1"), false}, {'?', 1, aWhole(9), true}, {'?', 1, aReal(9), false},
	} {
		if got := c.v.fits(recordItem{c.code, c.size}); got != c.want {
			t.Errorf("%+v in code %q: got %v", c.v, c.code, got)
		}
	}
	f, err := parseRecordFormat("!fdI")
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.pack(nil, []value{{}, {}, {}})
	if e := (unfit{}); !errors.As(err, &e) || e.at != 2 || len(got) != 0 {
		t.Errorf("got % X, %v, want the third refused", got, err)
	}
}

func TestScaled(t *testing.T) {
	for _, c := range []struct {
		text     string
		word     uint64
		exponent int
		whole    bool
		want     float64
	}{
		{"42", 42, 0, true, 42}, {"4200", 42, 2, true, 4200}, {"4.2", 42, -1, false, 4.2}, {"42.0", 420, -1, true, 42}, {"0.00", 0, -2, true, 0},
		{"18446744073709551615000", math.MaxUint64, 3, false, 18446744073709551615000},
	} {
		for _, negative := range []bool{false, true} {
			v := value{text: []byte(c.text)}
			if negative {
				v.text = append([]byte("-"), v.text...)
				c.want = -c.want
			}
			v.setScaled(negative, c.word, c.exponent)
			if (v.kind == whole) != c.whole || v.float() != c.want {
				t.Errorf("%s: got %+v, want %v", v.text, v, c.want)
			}
		}
	}
}

func FuzzRecordFormat(f *testing.F) {
	for _, format := range []string{"!Qd8I", "<3s2x?f", "@Id", "=0I1448x", "!9999999999b"} {
		f.Add(format)
	}
	f.Fuzz(func(t *testing.T, text string) {
		format, err := parseRecordFormat(text)
		if err != nil {
			return
		}
		if format.size < 1 || format.size > segmentBytes {
			t.Fatalf("%q: %d bytes", text, format.size)
		}
		values := make([]value, format.values)
		next := 0
		for _, item := range format.items {
			if item.code == 'x' {
				continue
			}
			if values[next].setWhole(false, 1); item.code == 's' {
				values[next] = value{kind: words}
			}
			next++
		}
		record, err := format.pack(nil, values)
		if err != nil || len(record) != format.size {
			t.Fatalf("%q: %d bytes of %d, %v", text, len(record), format.size, err)
		}
	})
}
