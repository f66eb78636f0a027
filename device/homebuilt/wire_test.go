package homebuilt

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"photongate/device"
	"photongate/instrument"
)

// pieces cuts what came in chunks as a reader does: what is left waits for more. It
// returns the values of the readings and how much was no reading.
func pieces(f *instrument.File, chunks ...[]byte) (rows [][]uint64, unread int) {
	format, row := newFormat(f), newRow(len(f.Channels))
	var rest []byte
	for _, c := range chunks {
		rest = append(rest, c...)
		for len(rest) > 0 {
			n, v := format.cut(rest, &row)
			if v == unclear {
				break
			}
			switch v {
			case reading, event:
				rows = append(rows, slices.Clone(row.values))
			case unfit:
				unread += n
			}
			rest = rest[n:]
		}
	}
	return rows, unread
}

// Whatever comes is cut without an end in itself, explained, and never more than
// there is.
func fuzzCut(f *testing.F, files []*instrument.File, seeds ...[]byte) {
	for i := range files {
		for _, e := range files[i].Examples {
			f.Add(uint8(i), []byte(e.Bytes))
			f.Add(uint8(i), []byte(e.Bytes)[len(e.Bytes)/2:])
		}
		for _, s := range seeds {
			f.Add(uint8(i), s)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		file := files[int(which)%len(files)]
		data = data[:min(len(data), 1024)]
		format, row := newFormat(file), newRow(len(file.Channels))
		for rest := data; len(rest) > 0; {
			n, v := format.cut(rest, &row)
			if v == unclear {
				break
			}
			if n < 1 || n > len(rest) {
				t.Fatalf("%d of %d bytes", n, len(rest))
			}
			if text := format.explain(rest[:n], v); text == "" {
				t.Fatalf("%q is not explained", rest[:n])
			}
			for c, ch := range file.Channels {
				if v == reading && ch.Max != nil && ch.Factor == 1 && ch.Decimals == 0 && row.flags[c] == 0 && row.values[c] > *ch.Max {
					t.Fatalf("channel %s reads %d, at most %d", ch.Name, row.values[c], *ch.Max)
				}
			}
			rest = rest[n:]
		}
		if file.Text == nil {
			return // records are judged by what follows them
		}
		whole, lost := pieces(file, data)
		for cut := 0; cut < len(data); cut += 1 + len(data)/16 {
			got, gotLost := pieces(file, data[:cut], data[cut:])
			if d := cmp.Diff(got, whole); d != "" || gotLost != lost {
				t.Fatalf("cut at %d: %d bytes are no reading instead of %d\n%s", cut, gotLost, lost, d)
			}
		}
	})
}

// ofKind are the presets and files of this package's tests that send text, or that
// do not.
func ofKind(f *testing.F, isText bool) []*instrument.File {
	var list []*instrument.File
	for _, file := range instrument.Presets() {
		if (file.Text != nil) == isText {
			list = append(list, file)
		}
	}
	for _, text := range []string{freeText, polledText, syncRecord, idleRecord, hexText, marked} {
		if file := parse(f, text); (file.Text != nil) == isText {
			list = append(list, file)
		}
	}
	return list
}

func FuzzText(f *testing.F) {
	fuzzCut(f, ofKind(f, true), []byte("1,2\r\n"), []byte("-1\n\n99999999999999999999\n1.5\n"), bytes.Repeat([]byte{'x'}, 600))
}

func FuzzRecord(f *testing.F) {
	fuzzCut(f, ofKind(f, false), []byte{0xFF, 0xFF, 0, 0x80}, bytes.Repeat([]byte{0xAA, 0x55}, 40))
}

const hexText = head + `
[gate]
time = "1s"
[text]
base = 16
max_length = 16
[[channel]]
name = "A"
absent = ["--", -1]
overflow = "OVL"
width = 16
[[channel]]
name = "B"
kind = "auxiliary"
signed = true
scale = 0.5
[[example]]
bytes = "0x1F -2\nOVL 0\n-- ff\n"
readings = [[31, -1], ["overflow", 0], ["absent", 127.5]]
`

const marked = head + `
[gate]
time = "1s"
[text]
ends = ["!", "\r"]
start = "<"
stop = ">"
split = "/"
[[channel]]
name = "A"
decimals = 1
max = 100
[[channel]]
name = "B"
absent = [-1]
[[example]]
bytes = "noise<1.5/2>!<100/-1>\r\r!"
readings = [[1.5, 2], [100, "absent"]]
`

const groupText = head + `
[gate]
time = "1s"
[text]
pattern = 'T=(?P<T>[-\d.]+)\*'
[[channel]]
name = "T"
kind = "auxiliary"
decimals = 1
[[example]]
bytes = "T=21.4*\r\n"
readings = [[21.4]]
`

// Each way of going wrong is told in words that say what to change.
func TestExplained(t *testing.T) {
	for name, c := range map[string]struct{ file, bytes, want string }{
		"columns":         {freeText, "1,2,3\r\n", `line "1,2,3" has 3 columns, expected 2: 1: "1", 2: "2", 3: "3" (columns = 3 under [text] if all lines are so)`},
		"no number":       {freeText, "1,x\r\n", `column 2, "x", is no number channel B can be: expected digits`},
		"point":           {freeText, "1,2.5\r\n", "no point (decimals = 2 allows two digits behind one)"},
		"sign":            {freeText, "1,-2\r\n", "no sign"},
		"too many places": {marked, "<1.55/2>!", "at most 1 behind the point"},
		"too large":       {marked, "<101/2>!", "at most 100"},
		"a bit too large": {marked, "<100.1/2>!", "at most 100"},
		"marks":           {marked, "1/2!", `line "1/2" has not "<" and ">" around a reading`},
		"too long":        {hexText, "0123456789 0123456789\n", "16 bytes without a line end"},
		"checksum":        {syncRecord, "\xAA\x55\x01\x00\x00\x00\x02\x00\x00\x00\x00\x01\x00\x00\x04", "record whose sum8 is 04 and not as its bytes have it"},
		"group's point":   {groupText, "T=21.45*\r\n", `"21.45" is no number channel T can be: expected digits, at most 1 behind the point`},
		"group's sign":    {groupText, "T=-2*\r\n", `"-2" is no number channel T can be: expected digits, at most 1 behind the point, no sign`},
		"no group":        {groupText, "U=2*\r\n", `does not match`},
		"its sum":         {syncRecord, "\xAA\x55\x01\x00\x00\x00\x02\x00\x00\x00\x00\x01\x00\x00\x09", "that of bytes 0 to 13 is 03"},
		"sum less sync":   {syncRecord, "\xAA\x55\x01\x00\x00\x00\x02\x00\x00\x00\x00\x01\x00\x00\x04", `checksum = "sum8" with checksum_over = [2, 13] fits this one`},
		"another sum":     {syncRecord, "\xAA\x55\x01\x00\x00\x00\x02\x00\x00\x00\x00\x01\x00\x00\xFD", `checksum = "xor8" with checksum_over = [0, 13] fits this one`},
		"sync":            {syncRecord, "abc\xAA\x55", "3 bytes before what a record begins with, aa 55"},
	} {
		t.Run(name, func(t *testing.T) {
			f := parse(t, c.file)
			p := Driver(f).Cut([]byte(c.bytes))
			if p.Kind != device.Unfit || !strings.Contains(p.What, c.want) {
				t.Errorf("%+v, want %q", p, c.want)
			}
		})
	}
}

// A value that the counter cannot hold is kept and not trusted.
func TestBeyondTheCounter(t *testing.T) {
	f := parse(t, hexText)
	row := newRow(2)
	if _, v := newFormat(f).cut([]byte("10000 1\n"), &row); v != reading || row.flags[0] != device.Suspect || row.marks != device.Implausible {
		t.Errorf("verdict %d, flags %v, marks %v", v, row.flags, row.marks)
	}
}

func TestSentBack(t *testing.T) {
	f := parse(t, head+`
[poll]
send = "GET\r"
every = "1s"
[text]
echo = true
[[channel]]
name = "A"
[[example]]
bytes = "GET\r\n12\r\nGET 13\r\n"
readings = [[12], [13]]
`)
	if p := Driver(f).Cut([]byte("GET\r\n")); p.Kind != device.Other || p.What != "echo of what was sent" {
		t.Errorf("%+v", p)
	}
}

// Nothing is allocated for a reading, but by a pattern.
func TestReadingAllocatesNothing(t *testing.T) {
	for name, f := range map[string]*instrument.File{"text": parse(t, freeText), "record": parse(t, syncRecord)} {
		format, row := newFormat(f), newRow(len(f.Channels))
		b := []byte(f.Examples[0].Bytes)
		if n := testing.AllocsPerRun(100, func() {
			if _, v := format.cut(b, &row); v != reading {
				t.Fatal("no reading")
			}
		}); n > 0 {
			t.Errorf("%s: %.0f allocations", name, n)
		}
	}
}

// An example that is not read as it says is told with file and line.
// A number whose bytes are the other way round is told from one that is wrong.
func TestExampleOfTheOtherOrder(t *testing.T) {
	for _, tc := range []struct{ record, want string }{
		{"sync = \"S\"\n[[record.field]]\nat = 1\nwidth = 4", `channel A reads 16777216 (expected 1); it would with order = "big"`},
		{"sync = \"S\"\nformat = \"<I\"", `channel A reads 16777216 (expected 1); it would with ">" at the begin of format`},
	} {
		f, err := instrument.Parse("test.toml", []byte("name = \"x\"\n[link]\nbaud = 9600\n[gate]\ntime = \"1s\"\n[record]\n"+tc.record+
			"\n[[channel]]\nname = \"A\"\n[[example]]\nbytes = \"hex: 53 00 00 00 01\"\nreadings = [[1]]\n"))
		if err != nil {
			t.Fatal(err)
		}
		if err := Check(f); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v, want %q", err, tc.want)
		}
	}
}

func TestExamplesThatFail(t *testing.T) {
	for want, text := range map[string]string{
		"channel A reads 12345 (expected 1)":                strings.Replace(freeText, "[[12345, 99]]", "[[1, 99]]", 1),
		"0 readings came of it":                             strings.Replace(freeText, `"12345,99\r\n"`, `"\r\n"`, 1),
		"a reading more than the 0 expected: A 12345, B 99": strings.Replace(freeText, "[[12345, 99]]", "[]", 1),
		"has 1 column, expected 2":                          strings.Replace(freeText, "12345,99", "12345", 1),
		`(if such lines are no readings: skip = ['^%'] under [text]; if it is sent damaged: refused = 1 expects this)`: strings.Replace(freeText, `99\r\n`, `99\r\n% warm, 1, 2\r\n`, 1),
		"channel A reads 12345, which a counter of 8 bits cannot hold (width is in bits)":                              strings.Replace(freeText, "name = \"A\"\n", "name = \"A\" #\nwidth = 8\n", 1),
		`skip = ['^Lab'] under [text]`:                    strings.Replace(freeText, `"12345,99`, `"Lab 2\r\n12345,99`, 1),
		"if all lines are so) (refused = 1 expects this)": strings.Replace(freeText, "12345,99", "#12345", 1),
		"is the line 115200 Bd, as the file says?":        strings.Replace(freeText, "12345,99", `12\xFE\x99`, 1),
		"8 bytes at its end are no whole line":            strings.Replace(freeText, `12345,99\r\n`, "12345,99", 1),
	} {
		f, err := instrument.Parse("test.toml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		err = Check(f)
		if err == nil || !strings.Contains(err.Error(), want) || !regexp.MustCompile(`^test.toml:1[34]: example 1: `).MatchString(err.Error()) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
