package de2ccu

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/device"
	"photongate/device/devicetest"
	"photongate/device/recording"
)

// A recording worked by hand from the frame's description: a torn packet, the
// packet of the published example twice (the first is dropped), one packet with
// a byte too few, one whole.
func TestRecording(t *testing.T) {
	file, err := os.Open("testdata/torn.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	rec, err := recording.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	p := rec.Play()
	src, err := Driver.Open(t.Context(), device.OpenRequest{Port: p, Clock: p.Clock})
	if err != nil {
		t.Fatal(err)
	}
	b := device.NewBatch(8)
	for err == nil {
		err = src.Read(b)
	}
	var rows [][]uint64
	for row := range b.Len() {
		var v []uint64
		for _, c := range b.Values {
			v = append(v, c[row])
		}
		rows = append(rows, v)
	}
	want := [][]uint64{{1000, 2000, 300, 400, 50, 60, 7, 8}, {1, 2, 3, 4, 5, 6, 7, 8}, {4321, 4294967295, 0, 0, 0, 0, 0, 0}}
	if d := cmp.Diff(rows, want); d != "" {
		t.Errorf("readings (-got +want):\n%s", d)
	}
	var gaps []device.Gap
	for _, n := range b.Notes {
		if n.Gap != nil {
			if n.Row != 2 {
				t.Errorf("gap before row %d, want 2", n.Row)
			}
			gaps = append(gaps, *n.Gap)
		}
	}
	if len(gaps) != 1 || gaps[0].Cause != device.CauseDamaged || gaps[0].Missing != 1 || !gaps[0].Known ||
		gaps[0].Detail != "packet of 39 data bytes, expected 40 (40 bytes discarded)" {
		t.Errorf("gaps %+v", gaps)
	}
	// The last byte of a packet comes 21.4 ms after its gate ended.
	if d := cmp.Diff(b.Length, []int64{100e6, 100e6, 100e6}); d != "" {
		t.Errorf("lengths (-got +want):\n%s", d)
	}
	if err := src.Close(); err != nil {
		t.Error(err)
	}
}

// flood is a port whose packets are there at once.
type flood struct {
	device.Port
	data []byte
	pos  int
}

func (f *flood) Read(b []byte, _ time.Duration) (int, int64, error) {
	n := copy(b, f.data[f.pos:])
	if f.pos += n; f.pos == len(f.data) {
		f.pos = 0
	}
	return n, devicetest.Clock(), nil
}

func (f *flood) Discard() error { return nil }

// BenchmarkRead reads packets as fast as memory gives them, from the port to
// the timed batch.
func BenchmarkRead(b *testing.B) {
	port, _ := devicetest.NewPair(devicetest.Clock)
	src, err := Driver.Open(b.Context(), device.OpenRequest{
		Port: &flood{Port: port, data: bytes.Repeat(hexBytes(b, example8), benchBytes/size8)}, Clock: devicetest.Clock,
	})
	if err != nil {
		b.Fatal(err)
	}
	batch := device.NewBatch(8)
	b.ReportAllocs()
	packets := 0
	for b.Loop() {
		batch.Reset()
		if err := src.Read(batch); err != nil {
			b.Fatal(err)
		}
		packets += batch.Len()
	}
	b.ReportMetric(float64(packets)/b.Elapsed().Seconds()/1e6, "Mpackets/s")
}
