package mccctr

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/sim"
	"photongate/sim/bench"
	"photongate/sim/usb"
	"photongate/sim/usbip/usbiptest"
)

const second = time.Second

func plug(t testing.TB, o Options, faults ...string) *usbiptest.Bench {
	t.Helper()
	rates := []float64{50_000, 20_000, 1000, 0}
	if o.Model != CTR04 {
		rates = append(rates, 0, 0, 0, 0)
	}
	light, err := bench.Light(Inputs(o.Model), rates)
	if err != nil {
		t.Fatal(err)
	}
	o.Light = light
	box, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	list, err := sim.ParseFaults(faults)
	if err != nil {
		t.Fatal(err)
	}
	return usbiptest.Plug(t, box, sim.Options{Light: light, Faults: list})
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// get asks for n bytes.
func get(t testing.TB, c *usbiptest.Client, request uint8, index uint16, n int) []byte {
	t.Helper()
	b, err := c.Control(0xC0, request, 0, index, make([]byte, n), second)
	if err != nil {
		t.Fatalf("C0 %02x: %v", request, err)
	}
	return b
}

// set does a request with data.
func set(t testing.TB, c *usbiptest.Client, request uint8, value, index uint16, data string) {
	t.Helper()
	if _, err := c.Control(0x40, request, value, index, unhex(t, data), second); err != nil {
		t.Fatalf("40 %02x: %v", request, err)
	}
}

// stalls wants a request refused.
func stalls(t testing.TB, c *usbiptest.Client, kind, request uint8, value, index uint16, data string) {
	t.Helper()
	if _, err := c.Control(kind, request, value, index, unhex(t, data), second); !errors.Is(err, usbiptest.ErrStall) {
		t.Errorf("%02x %02x %04x %04x: %v, expected a stall", kind, request, value, index, err)
	}
}

func status(t testing.TB, c *usbiptest.Client) uint16 {
	t.Helper()
	return binary.LittleEndian.Uint16(get(t, c, 0x40, 0, 2))
}

func counter(t testing.TB, c *usbiptest.Client, n uint16) uint64 {
	t.Helper()
	return binary.LittleEndian.Uint64(get(t, c, 0x10, n, 8))
}

func near(t *testing.T, what string, got uint64, want int) {
	t.Helper()
	if slack := want/20 + 1; int(got) < want-slack || int(got) > want+slack {
		t.Errorf("%s: %d, expected about %d", what, got, want)
	}
}

func TestImage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := plug(t, Options{ImageBytes: 100})
		c := b.Import()
		if d := c.Device; d.Vendor != 0x09DB || d.Product != 0x0127 || d.Speed != 3 {
			t.Errorf("it is %+v", d)
		}
		if got := string(get(t, c, 0x48, 0, 8)); got != "01A2B3C4" {
			t.Errorf("serial number %q", got)
		}
		if got := status(t, c); got != 0 {
			t.Errorf("at first the status is %04x", got)
		}
		block := strings.Repeat("00", 64)
		stalls(t, c, 0xC0, 0x10, 0, 0, "0000000000000000")
		stalls(t, c, 0xC0, 0x52, 0, 0, "0000")
		stalls(t, c, 0x40, 0x51, 0, 0, block)
		stalls(t, c, 0x40, 0x50, 0, 0, "AC")
		set(t, c, 0x50, 0, 0, "AD")
		if got := status(t, c); got != 0x0200 {
			t.Errorf("unlocked the status is %04x", got)
		}
		stalls(t, c, 0x40, 0x51, 0, 0, block+"00")
		set(t, c, 0x51, 0, 0, block)
		if got := status(t, c); got != 0x0200 {
			t.Errorf("half of it gives the status %04x", got)
		}
		set(t, c, 0x51, 0, 0, block[:72])
		if got := status(t, c); got != 0x0100 {
			t.Errorf("configured the status is %04x", got)
		}
		stalls(t, c, 0x40, 0x51, 0, 0, "00")
		if got := get(t, c, 0x52, 0, 2); got[0] != 3 || got[1] != 1 {
			t.Errorf("version % x", got)
		}
		// A reset takes it from the bus, and it comes back empty.
		set(t, c, 0x42, 0, 0, "")
		<-c.Gone()
		<-time.After(second)
		c = b.Import()
		if got := status(t, c); got != 0 || c.Device.Number != 2 {
			t.Errorf("after a reset %+v has the status %04x", c.Device, got)
		}
	})
}

func TestImageOfAnyLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, bad := range []bool{false, true} {
			c := plug(t, Options{BadImage: bad}).Import()
			set(t, c, 0x50, 0, 0, "AD")
			set(t, c, 0x51, 0, 0, "010203")
			if got := status(t, c); got != map[bool]uint16{false: 0x0100, true: 0}[bad] {
				t.Errorf("bad image %t: status %04x", bad, got)
			}
		}
	})
}

func TestCounters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := plug(t, Options{Model: CTR04, Configured: true}, "refuse@10s")
		c := b.Import()
		set(t, c, 0x12, 1, 0, "") // counter 0 clears on read
		counter(t, c, 0)
		counter(t, c, 1)
		time.Sleep(second)
		near(t, "a second", counter(t, c, 0), 50_000)
		time.Sleep(second)
		near(t, "the second one", counter(t, c, 0), 50_000)
		near(t, "what does not clear", counter(t, c, 1), 40_000)
		set(t, c, 0x10, 0, 1, "F0FFFFFFFF000000")
		if got := counter(t, c, 1); got != 0xFFFFFFFFF0 {
			t.Errorf("written, it reads %x", got)
		}
		time.Sleep(second)
		near(t, "over 40 bits", counter(t, c, 1)-0xFFFFFFFFF0, 20_000)
		set(t, c, 0x11, 2, 2, "")
		set(t, c, 0x13, 5, 2, "")
		set(t, c, 0x14, 3, 2, "")
		set(t, c, 0x15, 1, 2, "")
		if got := get(t, c, 0x18, 2, 5); !cmp.Equal(got, []byte{2, 0, 3, 1, 5}) {
			t.Errorf("parameters % x", got)
		}
		if got := counter(t, c, 2); got != 0 {
			t.Errorf("another mode reads %d", got)
		}
		time.Sleep(second)
		set(t, c, 0x11, 0, 2, "")
		if got := counter(t, c, 2); got != 0 {
			t.Errorf("what came in another mode counts: %d", got)
		}
		stalls(t, c, 0xC0, 0x10, 0, 4, "0000000000000000")
		stalls(t, c, 0x40, 0x11, 0, 4, "")
		stalls(t, c, 0x40, 0x10, 0, 1, "00")
		stalls(t, c, 0x40, 0x60, 0, 0, "")
		if rows := b.Truth(); len(rows) != 9 || len(rows[0]) != 4 || rows[5][1] != 0xFFFFFFFFF0 {
			t.Errorf("truth %v", rows)
		}
		time.Sleep(10 * second)
		stalls(t, c, 0xC0, 0x40, 0, 0, "0000")
	})
}

const (
	listOne  = "00 08 10 18" + " 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"
	tenHertz = "00000000 00000000 FF7B9200 03 00"
)

// One counter of 64 bits ten times a second, a packet each.
func TestScan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := plug(t, Options{Configured: true}, "overflow@3s")
		c := b.Import()
		set(t, c, 0x12, 1, 0, "")
		set(t, c, 0x20, 0, 3, listOne)
		set(t, c, 0x21, 0, 0, tenHertz)
		stalls(t, c, 0x40, 0x20, 0, 3, listOne)
		stalls(t, c, 0x40, 0x21, 0, 0, tenHertz)
		begin := time.Now()
		var got, want []uint64
		for range 10 {
			p, err := c.In(0x86, 512, second)
			if err != nil || len(p) != 8 {
				t.Fatalf("% x, %v", p, err)
			}
			got = append(got, binary.LittleEndian.Uint64(p))
			near(t, "a tenth of a second", got[len(got)-1], 5000)
		}
		if took := time.Since(begin); took != second {
			t.Errorf("ten took %v", took)
		}
		for _, row := range b.Truth() {
			want = append(want, row[0])
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("truth (-got +want):\n%s", diff)
		}
		if s := status(t, c); s != 0x0102 {
			t.Errorf("status %04x", s)
		}
		time.Sleep(2 * second)
		if s := status(t, c); s != 0x0104 {
			t.Errorf("overrun: %04x", s)
		}
		set(t, c, 0x22, 0, 0, "")
		set(t, c, 0x23, 0, 0, "")
		set(t, c, 0x24, 5, 0, "")
		if _, err := c.In(0x86, 512, 10*second); !errors.Is(err, usbiptest.ErrTimeout) {
			t.Errorf("cleared: %v", err)
		}
		if s := status(t, c); s != 0x0100 {
			t.Errorf("cleared: %04x", s)
		}
		set(t, c, 0x21, 0, 0, tenHertz)
		if p, err := c.In(0x86, 512, second); err != nil || len(p) != 8 {
			t.Errorf("% x, %v", p, err)
		}
	})
}

// 64 scans of 8 bytes are one packet of 512, and an empty one.
func TestScanWithAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			start   string
			lengths []int
		}{
			{"40000000 00000000 7F770100 FF 00", []int{512, 0}}, // 1 kHz
			{"41000000 00000000 7F770100 FF 00", []int{520}},
			{"03000000 00000000 7F770100 03 00", []int{8, 8, 8}},
		} {
			host := plug(t, Options{Configured: true}).Import()
			set(t, host, 0x20, 0, 3, listOne)
			set(t, host, 0x21, 0, 0, c.start)
			var lengths []int
			for {
				p, err := host.In(0x86, 1024, second)
				if err != nil {
					break
				}
				lengths = append(lengths, len(p))
			}
			want := c.lengths
			if want[0] == 512 {
				want = []int{512} // the empty packet ends the transfer
			}
			if diff := cmp.Diff(lengths, want); diff != "" {
				t.Errorf("%s (-got +want):\n%s", c.start, diff)
			}
			if s := status(t, host); s != 0x0120 {
				t.Errorf("%s: status %04x", c.start, s)
			}
		}
	})
}

// A scan begins at 0, unless bit 0 of its options keeps what was counted.
func TestScanKeepsCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for options, want := range map[string]int{"00": 5000, "01": 55_000} {
			c := plug(t, Options{Configured: true}).Import()
			set(t, c, 0x20, 0, 3, listOne)
			time.Sleep(second)
			set(t, c, 0x21, 0, 0, "00000000 00000000 FF7B9200 03"+options)
			p, err := c.In(0x86, 512, second)
			if err != nil || len(p) != 8 {
				t.Fatalf("% x, %v", p, err)
			}
			near(t, "options "+options, binary.LittleEndian.Uint64(p), want)
		}
	})
}

// Nobody fetches: 8 KiB are a second and a bit of 1 kHz.
func TestOverrun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := plug(t, Options{Configured: true}).Import()
		set(t, c, 0x20, 0, 3, listOne)
		set(t, c, 0x21, 0, 0, "00000000 00000000 7F770100 03 00")
		time.Sleep(second)
		if s := status(t, c); s != 0x0102 {
			t.Errorf("after a second: %04x", s)
		}
		time.Sleep(second)
		if s := status(t, c); s != 0x0104 {
			t.Errorf("after two: %04x", s)
		}
	})
}

func TestUnpluggedInMidScan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := plug(t, Options{Configured: true}, "unplug@byte=84:1s")
		c := b.Import()
		set(t, c, 0x20, 0, 3, listOne)
		set(t, c, 0x21, 0, 0, tenHertz)
		for {
			if _, err := c.In(0x86, 512, second); err != nil {
				if !errors.Is(err, usbiptest.ErrGone) {
					t.Error(err)
				}
				break
			}
		}
		time.Sleep(1100 * time.Millisecond)
		if s := status(t, b.Import()); s != 0 {
			t.Errorf("plugged in again: %04x", s)
		}
	})
}

func FuzzRequests(f *testing.F) {
	f.Add(true, uint8(0x21), uint16(0), uint16(3), []byte("\x00\x00\x00\x00\x00\x00\x00\x00\xFF\x7B\x92\x00\x03\x00"))
	f.Add(false, uint8(0x10), uint16(0), uint16(0), []byte("12345678"))
	f.Add(true, uint8(0x20), uint16(0), uint16(32), make([]byte, 33))
	f.Fuzz(func(t *testing.T, out bool, request uint8, value, index uint16, data []byte) {
		light, err := bench.Light(Inputs(CTR08), nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := New(Options{Light: light, Configured: true})
		if err != nil {
			t.Fatal(err)
		}
		b.Handle(sim.Event{Kind: sim.PowerOn, At: bench.PowerOn}, nowhere{})
		s := usb.Setup{Type: 0xC0, Request: request, Value: value, Index: index, Length: uint16(len(data))}
		if out {
			s.Type = 0x40
		}
		b.Control(bench.PowerOn, s, data, nowhere{})
		b.Advance(bench.PowerOn.Add(time.Microsecond), nowhere{})
	})
}

// nowhere takes truth and does nothing with it.
type nowhere struct{}

func (nowhere) Latched(time.Time, []uint64) {}
func (nowhere) Leave(time.Duration)         {}
