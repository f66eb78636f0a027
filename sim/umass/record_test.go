package umass

import (
	"encoding/hex"
	"math/bits"
	"testing"

	"photongate/sim"
	"photongate/sim/bench"
)

// Records by hand, from the layout of record_format.h.
func TestRecordBytes(t *testing.T) {
	for name, c := range map[string]struct {
		record uint64
		want   string
	}{
		"input 1 at 500":               {1<<inputShift | 500, "0010000001f4"},
		"inputs 1, 2 and 4 at 2^32":    {11<<inputShift | 1<<32, "00b100000000"},
		"input 4 at the last tick":     {8<<inputShift | 0xFFFFFFFFF, "008fffffffff"},
		"input 1 at 0, wrapped":        {1<<inputShift | wrapFlag, "401000000000"},
		"input 2 at 7, samples lost":   {2<<inputShift | 7 | lostFlag, "802000000007"},
		"both flags":                   {4<<inputShift | 0x123456789 | wrapFlag | lostFlag, "c04123456789"},
		"levels of delta 3, time 1000": {4<<inputShift | 1000 | deltaFlag, "2040000003e8"},
		"cut behind two bytes":         {1<<inputShift | 500 | 2<<cutShift, "0010"},
	} {
		var f fifo
		f.push(c.record)
		packet := make([]byte, 512)
		if n := f.fetch(packet); hex.EncodeToString(packet[:n]) != c.want || f.bytes != 0 || f.cuts != 0 {
			t.Errorf("%s is %x, expected %s, and %d bytes are left", name, packet[:n], c.want, f.bytes)
		}
	}
}

// However packets are cut, the bytes are the same; one that is cut short ends a packet.
func TestFIFO(t *testing.T) {
	var f fifo
	var got []byte
	packet := make([]byte, 7)
	for i := range uint64(1000) {
		f.push(i)
		if i == 500 {
			f.push(0xFFFFFFFFFFFF | 1<<cutShift)
		}
		if i%3 > 0 && f.bytes >= len(packet) {
			n := f.fetch(packet)
			got = append(got, packet[:n]...)
			if n < len(packet) && got[len(got)-1] != 0xFF {
				t.Fatalf("a packet of %d bytes before record %d", n, i)
			}
		}
	}
	for f.bytes > 0 {
		got = append(got, packet[:f.fetch(packet)]...)
	}
	if len(got) != 6001 || cap(f.records) > 2000 {
		t.Fatalf("%d bytes, expected 6001; room for %d records", len(got), cap(f.records))
	}
	for i := range 1000 {
		r := got[6*i : 6*i+6]
		if i > 500 {
			r = got[6*i+1 : 6*i+7]
		}
		if n := int(r[4])<<8 | int(r[5]); n != i {
			t.Fatalf("record %d is % x", i, r)
		}
	}
}

// Bytes made beforehand are whole records in order, and the first has the flag of a wrap.
func TestPrebuilt(t *testing.T) {
	light, err := bench.Light(Inputs(), []float64{1e6, 5e5, 0, 0})
	if err != nil {
		t.Fatal(err)
	}
	data, n, err := Prebuilt(light, sim.TagSettings{}, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	records := decode(t, data)
	tags := 0
	for i, r := range records {
		tags += bits.OnesCount8(r.Inputs)
		if r.Wrap != (i == 0) || r.Lost || r.Delta || i > 0 && r.Time <= records[i-1].Time {
			t.Fatalf("record %d is %+v", i, r)
		}
	}
	if int64(tags) != n || len(records) < 100_000 || len(records) > 102_000 {
		t.Errorf("%d records with %d tags, said to be %d", len(records), tags, n)
	}
}
