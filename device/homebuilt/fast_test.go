package homebuilt

import (
	"testing"
	"time"

	"photongate/device"
	"photongate/device/devicetest"
	"photongate/instrument"
)

// preset returns one of the presets.
func preset(t *testing.T, name string) *instrument.File {
	t.Helper()
	for _, f := range instrument.Presets() {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("no preset %q", name)
	return nil
}

// Forty thousand records a second, which a USB adapter hands over each millisecond:
// all are read, and what a lost byte costs is told.
func TestManyRecordsASecond(t *testing.T) {
	f := preset(t, "ccu-fpga")
	const perMs = 40
	lose := 2_000_017 // a byte in the middle of a record
	var rows, gaps int
	var missing uint64
	var wrong int
	var first, last int64
	devicetest.Bubble(t, func(end *devicetest.End, _ *devicetest.Truth) {
		sent := 0
		for k := 0; end.Wait(time.Millisecond); {
			var b []byte
			for range perMs {
				for i := range 10 {
					c := byte(k % 100)
					if i == 0 {
						c = 0xFF
					}
					if sent++; sent != lose {
						b = append(b, c)
					}
				}
				k++
			}
			end.Write(b)
		}
	}, func(p device.Port) {
		src, err := Driver(f).Open(t.Context(), device.OpenRequest{Port: p, Clock: devicetest.Clock})
		if err != nil {
			t.Fatal(err)
		}
		b := device.NewBatch(9)
		for until := time.Now().Add(8 * time.Second); time.Now().Before(until); {
			b.Reset()
			if err := src.Read(b); err != nil {
				t.Fatal(err)
			}
			for _, n := range b.Notes {
				if n.Gap != nil {
					gaps++
					missing += n.Gap.Missing
				}
			}
			for row := range b.Len() {
				if rows == 0 && row == 0 {
					first = b.Begin[0]
				}
				last = b.Begin[row]
				for c := range b.Values {
					if b.Values[c][row] != b.Values[0][row] || b.Values[c][row] > 99 {
						wrong++
					}
				}
			}
			rows += b.Len()
		}
		_ = src.Close()
	})
	if gates := int((last-first)/int64(25*time.Microsecond)) + 1; rows < 300_000 || rows+int(missing)-gates > 40 || gates-rows-int(missing) > 40 {
		t.Errorf("%d readings and %d missing in %d gates", rows, missing, gates)
	}
	if gaps != 1 || missing != 1 || wrong > 0 {
		t.Errorf("%d gaps with %d readings, %d wrong values, want 1, 1, 0", gaps, missing, wrong)
	}
}
