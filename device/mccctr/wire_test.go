package mccctr

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"photongate/device"
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The bytes of one counter at 10 Hz are those of the description.
func TestScanBytes(t *testing.T) {
	list, last := scanList([]int{0})
	if want := append(unhex(t, "00 08 10 18"), make([]byte, 29)...); !bytes.Equal(list[:], want) || last != 3 {
		t.Errorf("list % x, last %d", list, last)
	}
	list, last = scanList([]int{2, 7})
	if want := unhex(t, "02 0A 12 1A 07 0F 17 1F"); !bytes.Equal(list[:8], want) || last != 7 {
		t.Errorf("list % x, last %d", list, last)
	}
	start := scanStart(100*time.Millisecond, 4)
	if want := unhex(t, "00000000 00000000 FF7B9200 03 01"); !bytes.Equal(start, want) { // 01: the counts are kept
		t.Errorf("start % x", start)
	}
	if p := pacer(maxGate); p != 3839999999 {
		t.Errorf("pacer of %v: %d", maxGate, p)
	}
	for _, tc := range []struct {
		gate           time.Duration
		counters, want int
	}{{100 * time.Millisecond, 1, 4}, {100 * time.Millisecond, 8, 32}, {time.Millisecond, 1, 80}, {time.Millisecond, 8, 256}, {9 * time.Millisecond, 3, 24}} {
		if got := samplesOf(tc.gate, tc.counters, 512); got != tc.want {
			t.Errorf("%v, %d counters: %d samples", tc.gate, tc.counters, got)
		}
	}
	if got := samplesOf(time.Millisecond, 8, 64); got != 32 {
		t.Errorf("full speed: %d samples", got)
	}
}

func TestParse(t *testing.T) {
	if v, err := parseStatus(unhex(t, "02 01")); err != nil || v != statusPacer|statusConfigured {
		t.Errorf("%x, %v", v, err)
	}
	if v, err := parseCounter(unhex(t, "01 02 03 04 05 06 07 80")); err != nil || v != 0x8007060504030201 {
		t.Errorf("%x, %v", v, err)
	}
	if v := appendScan(nil, unhex(t, "01 00 02 00 00 00 00 00 FF FF FF FF FF FF FF FF")); !slices.Equal(v, []uint64{0x20001, 1<<64 - 1}) {
		t.Errorf("%x", v)
	}
	if s, err := parseSerial([]byte("0000001\x00")); err != nil || s != "0000001" {
		t.Errorf("%q, %v", s, err)
	}
	for _, text := range []string{"", "00000001 ", "\x00\x00\x00\x00\x00\x00\x00\x00", "0000\x0101A", "abcdef\xff0"} {
		if s, err := parseSerial([]byte(text)); !errors.Is(err, device.ErrNonsense) {
			t.Errorf("%q is the serial number %q, %v", text, s, err)
		}
	}
	p, err := parseParams(unhex(t, "01 06 03 02 21"))
	if err != nil || p.plain() || p.odd() != "measures periods, stops at a limit, counts down" {
		t.Errorf("%v, %q, %v", p, p.odd(), err)
	}
	for n := range 10 {
		b := make([]byte, n)
		_, e1 := parseStatus(b)
		_, e2 := parseCounter(b)
		_, e3 := parseParams(b)
		_, e4 := parseVersion(b)
		if (e1 == nil) != (n == 2) || (e2 == nil) != (n == 8) || (e3 == nil) != (n == 5) || (e4 == nil) != (n == 2) {
			t.Errorf("%d bytes: %v, %v, %v, %v", n, e1, e2, e3, e4)
		}
	}
}

func TestQuirksShow(t *testing.T) {
	talk := []device.Exchange{{Bytes: []byte{0, 2}}, {Bytes: nil}}
	for i, want := range []string{"status 0200 says that there is none", "1 empty packets"} {
		if got := Driver.Quirks[i].Met(talk); got != want {
			t.Errorf("%q", got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(unhex(f, "01 00 02 00 00 00 00 00"))
	f.Add(unhex(f, "01 06 03 02 21"))
	f.Fuzz(func(t *testing.T, p []byte) {
		if s, err := parseSerial(p); err == nil && (s == "" || len(p) != 8) {
			t.Errorf("% x is a serial number %q", p, s)
		}
		if v, err := parseParams(p); err == nil && v.plain() != (v.odd() == "") {
			t.Errorf("%v is plain: %v, odd: %q", v, v.plain(), v.odd())
		}
		s := &scanning{counters: []int{0, 1}, phase: device.NewPhase(time.Millisecond, 2, 0), last: make([]uint64, 2)}
		b := device.NewBatch(2)
		err := s.take(b, p, 5)
		s.phase.Flush(b)
		if err == nil && b.Len() != len(p)/16 {
			t.Errorf("%d readings of %d bytes", b.Len(), len(p))
		}
	})
}
