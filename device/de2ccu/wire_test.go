package de2ccu

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// hexBytes decodes hex with spaces.
func hexBytes(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The worked example of the frame: 1000 2000 300 400 50 60 7 8.
const example8 = "6807000000 500F000000 2C02000000 1003000000 3200000000 3C00000000 0700000000 0800000000 FF"

// Fifteen counters by hand: 4321, 4294967295, then 1..13.
const example15 = "6121000000 7F7F7F7F0F 0100000000 0200000000 0300000000 0400000000 0500000000 0600000000" +
	"0700000000 0800000000 0900000000 0A00000000 0B00000000 0C00000000 0D00000000 FF"

func columns(n, rows int) [][]uint64 {
	cols := make([][]uint64, n)
	for c := range cols {
		cols[c] = make([]uint64, rows)
	}
	return cols
}

func TestDecode(t *testing.T) {
	for _, tc := range []struct {
		name, bytes string
		size        int
		want        []uint64
	}{
		{"example", example8, size8, []uint64{1000, 2000, 300, 400, 50, 60, 7, 8}},
		{"zero", strings.Repeat("00", 40) + "FF", size8, make([]uint64, 8)},
		{"full scale", strings.Repeat("7F7F7F7F0F", 8) + "FF", size8,
			[]uint64{4294967295, 4294967295, 4294967295, 4294967295, 4294967295, 4294967295, 4294967295, 4294967295}},
		{"one bit each", "0100000000 4000000000 0001000000 0040000000 0000010000 0000400000 0000000100 0000000001 FF", size8,
			[]uint64{1, 64, 1 << 7, 1 << 13, 1 << 14, 1 << 20, 1 << 21, 1 << 28}},
		{"upper bits", "0000004000 0000000001 0000000002 0000000004 0000000008 000000000F 7F00000000 0000000008 FF", size8,
			[]uint64{1 << 27, 1 << 28, 1 << 29, 1 << 30, 1 << 31, 15 << 28, 127, 1 << 31}},
		{"fifteen", example15, size15, []uint64{4321, 4294967295, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := hexBytes(t, tc.bytes)
			if !valid(p, tc.size) {
				t.Fatal("not valid")
			}
			// Three packets in a row, so that neighbours are told apart.
			run := bytes.Repeat(p, 3)
			if n := countValid(run, tc.size, 10); n != 3 {
				t.Fatalf("%d valid packets of 3", n)
			}
			cols := columns(len(tc.want), 3)
			decode(run, tc.size, 3, cols)
			for row := range 3 {
				var got []uint64
				for _, c := range cols {
					got = append(got, c[row])
				}
				if d := cmp.Diff(got, tc.want); d != "" {
					t.Errorf("row %d (-got +want):\n%s", row, d)
				}
			}
		})
	}
}

func TestValidRefuses(t *testing.T) {
	for _, size := range []int{size8, size15} {
		good := hexBytes(t, map[int]string{size8: example8, size15: example15}[size])
		for i := range good {
			for _, bit := range []byte{0x80, 0x10} {
				p := bytes.Clone(good)
				p[i] |= bit
				p[i] ^= bit & good[i] // sets, and for the end mark clears
				fifth := i%5 == 4
				want := bit == 0x10 && !fifth && i != size-1
				if got := valid(p, size); got != want {
					t.Errorf("size %d, bit %02x of byte %d: valid = %v, want %v", size, bit, i, got, want)
				}
			}
		}
		for n := range good {
			if valid(good[:n], size) {
				t.Errorf("size %d: valid with %d bytes", size, n)
			}
		}
	}
}

func TestDetect(t *testing.T) {
	p8, p15 := hexBytes(t, example8), hexBytes(t, example15)
	for _, tc := range []struct {
		name  string
		bytes []byte
		size  int
		used  int
	}{
		{"nothing", nil, 0, 0},
		{"one packet is not enough", p8, 0, 41},
		{"two packets", bytes.Repeat(p8, 2), size8, 82},
		{"torn then whole", append(bytes.Clone(p8[17:]), p8...), size8, 24 + 41},
		{"fifteen", bytes.Repeat(p15, 2), size15, 152},
		{"end marks", append([]byte{0xFF, 0xFF, 0xFF}, p8...), size8, 44},
		{"short packet between", append(append([]byte{0xFF}, p8[1:]...), p8...), size8, 82},
		{"text", []byte("hello, world"), 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			size, used := detect(tc.bytes, size8, size15)
			if size != tc.size || used != tc.used {
				t.Errorf("detect = %d, %d, want %d, %d", size, used, tc.size, tc.used)
			}
		})
	}
}

func TestDescribeSegment(t *testing.T) {
	p := hexBytes(t, example8)
	for _, tc := range []struct {
		segment []byte
		want    string
	}{
		{p[1:], "packet of 39 data bytes, expected 40"},
		{[]byte{0xFF}, "an end mark with no data before it"},
		{make([]byte, 4096), "4096 bytes without an end mark"},
		{append(append([]byte{0x80}, p[1:40]...), 0xFF), "packet with a byte no counter contains"},
	} {
		if got := describe(tc.segment, size8); got != tc.want {
			t.Errorf("describe = %q, want %q", got, tc.want)
		}
	}
}

// split runs bytes through the splitter as the driver does and returns the
// values of the packets found and the number of bytes discarded.
func split(chunks ...[]byte) (values []uint64, discarded int) {
	var buf []byte
	for _, c := range chunks {
		buf = append(buf, c...)
		for len(buf) > 0 {
			if n := countValid(buf, size8, 100); n > 0 {
				cols := columns(8, n)
				decode(buf, size8, n, cols)
				for row := range n {
					for _, col := range cols {
						values = append(values, col[row])
					}
				}
				buf = buf[n*size8:]
				continue
			}
			n := badSegment(buf)
			if n == 0 {
				break
			}
			discarded += n
			buf = buf[n:]
		}
	}
	return values, discarded
}

// Whatever comes, and however it is cut in two, is read in the same way; no
// value is beyond what a packet can hold.
func FuzzSplit(f *testing.F) {
	p := hexBytes(f, example8)
	f.Add(p)
	f.Add(bytes.Repeat(p, 3))
	f.Add(p[5:])
	f.Add([]byte{0xFF, 0xFF, 0x00, 0x80})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 2048 {
			data = data[:2048]
		}
		whole, lost := split(data)
		for _, v := range whole {
			if v > 1<<32-1 {
				t.Fatalf("value %d from 32 bits", v)
			}
		}
		for cut := range data {
			got, gotLost := split(data[:cut], data[cut:])
			if d := cmp.Diff(got, whole); d != "" || gotLost != lost {
				t.Fatalf("cut at %d: %d bytes discarded instead of %d\n%s", cut, gotLost, lost, d)
			}
		}
	})
}

const benchBytes = 64 << 20

func benchPackets(b *testing.B, packet string) []byte {
	p := hexBytes(b, packet)
	return bytes.Repeat(p, benchBytes/len(p)+1)
}

func benchDecode(b *testing.B, packet string, size int) {
	data := benchPackets(b, packet)
	const block = 1024
	cols := columns(size/counterBytes, block)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	packets := 0
	for b.Loop() {
		for rest := data; len(rest) >= size; {
			n := countValid(rest, size, block)
			decode(rest, size, n, cols)
			rest = rest[n*size:]
			packets += n
		}
	}
	b.ReportMetric(float64(packets)/b.Elapsed().Seconds()/1e6, "Mpackets/s")
}

func BenchmarkDecode8(b *testing.B)  { benchDecode(b, example8, size8) }
func BenchmarkDecode15(b *testing.B) { benchDecode(b, example15, size15) }

// The bound: copying the same bytes.
func BenchmarkCopy(b *testing.B) {
	data := benchPackets(b, example8)
	dst := make([]byte, len(data))
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		copy(dst, data)
	}
	b.ReportMetric(float64(b.N)*float64(len(data))/size8/b.Elapsed().Seconds()/1e6, "Mpackets/s")
}
