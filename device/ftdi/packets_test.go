package ftdi

import (
	"bytes"
	"testing"

	"photongate/device"
)

func TestPackets(t *testing.T) {
	full := append([]byte{0x01, 0x60}, "abcdef"...)
	for _, tc := range []struct {
		transfer []byte
		want     string
		trouble  device.Trouble
	}{
		{nil, "", device.Trouble{}},
		{[]byte{0x01}, "", device.Trouble{}},
		{[]byte{0x01, 0x60}, "", device.Trouble{}},
		{[]byte{0x01, 0x60, 'x'}, "x", device.Trouble{}},
		{append(bytes.Clone(full), 0x01, 0x60), "abcdef", device.Trouble{}},
		{append(bytes.Clone(full), 0x01, 0x62, 'g'), "abcdefg", device.Trouble{Overrun: 1}},
		{[]byte{0x01, 0x7E}, "", device.Trouble{}}, // idle: said before
		{[]byte{0x01, 0x7C, 0}, "\x00", device.Trouble{Parity: 1, Framing: 1, Break: 1}},
	} {
		got, trouble := "", device.Trouble{}
		for status, data := range packets(tc.transfer, 8) {
			got += string(data)
			note(&trouble, status)
		}
		if got != tc.want || trouble != tc.trouble {
			t.Errorf("% x: %q %+v, want %q %+v", tc.transfer, got, trouble, tc.want, tc.trouble)
		}
	}
}

// Each packet loses its two bytes of status and nothing else, whatever comes.
func FuzzPackets(f *testing.F) {
	f.Add([]byte{0x01, 0x60, 'a', 'b', 'c', 'd', 'e', 'f', 0x01, 0x60, 'g'}, 8)
	f.Add([]byte{0x01, 0x60, 0x01}, 2)
	f.Fuzz(func(t *testing.T, transfer []byte, size int) {
		var want []byte
		if size > 2 {
			for at := range transfer {
				if at%size >= 2 {
					want = append(want, transfer[at])
				}
			}
		}
		var got []byte
		for _, data := range packets(transfer, size) {
			got = append(got, data...)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("% x in packets of %d: % x, want % x", transfer, size, got, want)
		}
	})
}

// The ring gives back what was put in, in order, up to its bound.
func TestRing(t *testing.T) {
	var r ring
	next, want := byte(0), byte(0)
	buf := make([]byte, 50000)
	for range 300 {
		in := buf[:30011]
		for i := range in {
			in[i] = next
			next++
		}
		if n := r.push(in); n != len(in) {
			t.Fatalf("took %d", n)
		}
		out := buf[:29000]
		if n := r.pop(out); n != len(out) {
			t.Fatalf("gave %d", n)
		}
		for i, b := range out {
			if b != want {
				t.Fatalf("byte %d is %d, want %d", i, b, want)
			}
			want++
		}
	}
	if n := r.push(make([]byte, 2*ringMost)); r.len() != ringMost || len(r.buf) != ringMost || n >= 2*ringMost {
		t.Errorf("%d bytes in %d, took %d", r.len(), len(r.buf), n)
	}
}

// What is fetched at full speed costs little and allocates nothing.
func BenchmarkPackets(b *testing.B) {
	transfer := make([]byte, 64<<10)
	out := make([]byte, 64<<10)
	var r ring
	var trouble device.Trouble
	b.SetBytes(int64(len(transfer)))
	b.ReportAllocs()
	for b.Loop() {
		for status, data := range packets(transfer, 512) {
			if status != 0 {
				note(&trouble, status)
			}
			r.push(data)
		}
		r.pop(out)
	}
}
