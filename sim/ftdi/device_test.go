package ftdi

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"photongate/sim"
	"photongate/sim/bench"
	"photongate/sim/usbip/usbiptest"
)

const second = time.Second

// plug makes a chip and plugs it in; without a stream two inputs' lines hang on it.
func plug(t testing.TB, o Options, stream *StreamOptions, faults ...string) *usbiptest.Bench {
	t.Helper()
	light, err := bench.Light(LineInputs(2), []float64{50_000, 20_000})
	if err != nil {
		t.Fatal(err)
	}
	if stream != nil {
		if o.Stream, err = NewStream(*stream); err != nil {
			t.Fatal(err)
		}
	} else if o.Instrument, err = NewLines(LinesOptions{Light: light}); err != nil {
		t.Fatal(err)
	}
	chip, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	list, err := sim.ParseFaults(faults)
	if err != nil {
		t.Fatal(err)
	}
	return usbiptest.Plug(t, chip, sim.Options{Light: light, Faults: list})
}

// set does a request without data.
func set(t testing.TB, c *usbiptest.Client, request uint8, value, index uint16) {
	t.Helper()
	if _, err := c.Control(0x40, request, value, index, nil, second); err != nil {
		t.Fatalf("request %02x %04x %04x: %v", request, value, index, err)
	}
}

// in reads one transfer.
func in(t testing.TB, c *usbiptest.Client, n int) []byte {
	t.Helper()
	b, err := c.In(0x81, n, second)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// An idle chip tells its status each latency time, and asking costs nobody else's time.
func TestIdlePackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := plug(t, Options{}, &StreamOptions{BytesPerSecond: 1}).Import()
		for _, ms := range []uint16{16, 40, 2} {
			set(t, c, 9, ms, 0)
			if got, err := c.Control(0xC0, 10, 0, 0, make([]byte, 1), second); err != nil || got[0] != byte(ms) {
				t.Errorf("latency %x, %v", got, err)
			}
			in(t, c, 64)
			begin := time.Now()
			if got := in(t, c, 512); !bytes.Equal(got, []byte{0x01, 0x60}) {
				t.Errorf("idle: % x", got)
			}
			if got := time.Since(begin); got != time.Duration(ms)*time.Millisecond {
				t.Errorf("a latency of %d ms took %v", ms, got)
			}
		}
	})
}

// The table of libftdi and pyftdi.
func TestBaud(t *testing.T) {
	for _, c := range []struct {
		word uint32
		h    bool
		baud int
	}{
		{0x4138, false, 9600}, {0x809C, false, 19200}, {0xC034, false, 57600}, {0x001A, false, 115200},
		{0x000D, false, 230400}, {0x000C, false, 250000}, {0x8003, false, 921600}, {0x0003, false, 1_000_000},
		{0x0000, false, 3_000_000}, {0x0001, false, 2_000_000},
		{0x0200C068, true, 115200}, {0x0200000D, true, 921600}, {0x02000004, true, 3_000_000}, {0x02000000, true, 12_000_000},
	} {
		if got := baudOf(c.word, c.h); max(got-c.baud, c.baud-got)*100 > c.baud {
			t.Errorf("divisor %08x makes %d, expected %d", c.word, got, c.baud)
		}
	}
}

func TestLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := plug(t, Options{Baud: 19200}, nil)
		c := b.Import()
		set(t, c, 3, 0x809C, 0)
		set(t, c, 0, 1, 0)
		var text []byte
		for bytes.Count(text, []byte("\n")) < 3 {
			packet := in(t, c, 64)
			text = append(text, packet[2:]...)
		}
		var want strings.Builder
		for _, row := range b.Truth() {
			fmt.Fprintf(&want, "%d,%d\r\n", row[0], row[1])
		}
		if string(text) != want.String() {
			t.Errorf("read %q, the truth is %q", text, want.String())
		}
		set(t, c, 3, 0x4138, 0)
		for range 20 {
			if noise := in(t, c, 64); bytes.Contains(noise[2:], []byte("\r\n")) {
				t.Errorf("at the wrong speed: %q", noise)
			}
		}
	})
}

// What came before a purge is not read after it; what nobody fetches is bounded, and the
// chip tells that some was lost.
func TestPurge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := plug(t, Options{}, nil).Import()
		time.Sleep(1050 * time.Millisecond)
		set(t, c, 0, 1, 0)
		if got := in(t, c, 64); len(got) != 2 {
			t.Errorf("after a purge: %q", got)
		}
		time.Sleep(1000 * second)
		if got := in(t, c, 64); got[1] != 0x62 {
			t.Errorf("after 1000 s without a host the status is %02x", got[1])
		}
		read := 62
		for packet := in(t, c, 64); len(packet) == 64; packet = in(t, c, 64) {
			read += 62
		}
		if read > 20<<10 || read < 19<<10 {
			t.Errorf("%d bytes were kept", read)
		}
	})
}

func TestRequestsItHasNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := plug(t, Options{}, nil).Import()
		for _, r := range [][4]uint16{{0x40, 9, 0, 0}, {0x40, 9, 256, 0}, {0x40, 0, 3, 0}, {0x40, 0x20, 0, 0}, {0x40, 0, 0, 2}, {0xC0, 0x30, 0, 0}} {
			if _, err := c.Control(uint8(r[0]), uint8(r[1]), r[2], r[3], nil, second); !errors.Is(err, usbiptest.ErrStall) {
				t.Errorf("request %04x: %v", r, err)
			}
		}
	})
}

// strip takes the status bytes out of a transfer and returns them besides.
func strip(transfer []byte, packet int) (data, status []byte) {
	for len(transfer) > 0 {
		n := min(packet, len(transfer))
		status = append(status, transfer[1])
		data = append(data, transfer[2:n]...)
		transfer = transfer[n:]
	}
	return data, status
}

// Record 5 of three counts: 5, 15 and 25.
func TestStreamIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := plug(t, Options{Chip: FT232H}, &StreamOptions{}).Import()
		if c.Device.Product != 0x6014 || c.Device.Speed != 3 {
			t.Errorf("it is %+v", c.Device)
		}
		var data []byte
		for range 4 {
			transfer := in(t, c, 4096)
			if len(transfer) != 4096 {
				t.Fatalf("a transfer of %d", len(transfer))
			}
			d, status := strip(transfer, 512)
			if !bytes.Equal(status, bytes.Repeat([]byte{0x60}, 8)) {
				t.Errorf("status % x", status)
			}
			data = append(data, d...)
		}
		// A host comes in the middle of a record: 11 bytes of the first are left.
		record, _ := hex.DecodeString("a55af00f" + "05000000" + "0f000000" + "19000000")
		if at := 11 + 4*16; !bytes.Equal(data[at:at+16], record) {
			t.Errorf("record 5 is % x, expected % x", data[at:at+16], record)
		}
		if n := bytes.Count(data, record[:4]); n != (len(data)-11)/16+0 && n != (len(data)-11)/16+1 {
			t.Errorf("%d records in %d bytes", n, len(data))
		}
	})
}

// 16 kB/s are a thousand records a second.
func TestStreamAtItsPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := plug(t, Options{}, &StreamOptions{BytesPerSecond: 16_000, FIFO: 4000}, "overflow@2s")
		c := b.Import()
		var data []byte
		begin := time.Now()
		for len(data) < 16_000 {
			d, status := strip(in(t, c, 4096), 64)
			if bytes.ContainsAny(status, "\x62") {
				t.Fatalf("overrun after %d bytes", len(data))
			}
			data = append(data, d...)
		}
		want := time.Duration(len(data)) * second / 16_000
		if took := time.Since(begin); took < want-10*time.Millisecond || took > want+10*time.Millisecond {
			t.Errorf("%d bytes took %v", len(data), took)
		}
		if rows := b.Truth(); len(rows) < 1000 || rows[999][0] != 999 || rows[999][1] != 3*999 {
			t.Errorf("%d rows of truth", len(rows))
		}
		time.Sleep(1200 * time.Millisecond)
		_, status := strip(in(t, c, 64), 64)
		if status[0] != 0x62 {
			t.Errorf("after bytes were lost the status is %02x", status[0])
		}
		if _, status = strip(in(t, c, 64), 64); status[0] != 0x60 {
			t.Errorf("told twice: %02x", status[0])
		}
	})
}

func TestUnpluggedInMidTransfer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := plug(t, Options{Chip: FT232H}, &StreamOptions{BytesPerSecond: 16_000}, "unplug@byte=5000:1s")
		c := b.Import()
		read := 0
		for {
			// A latency of 16 ms makes a packet of 258 bytes and ends a transfer.
			transfer, err := c.In(0x81, 16384, second)
			if err != nil {
				if !errors.Is(err, usbiptest.ErrGone) {
					t.Error(err)
				}
				break
			}
			read += len(transfer)
		}
		if read > 5000 || read < 4000 {
			t.Errorf("unplugged after %d bytes", read)
		}
		time.Sleep(1100 * time.Millisecond)
		if got := in(t, b.Import(), 512); len(got) < 2 {
			t.Errorf("plugged in again: % x", got)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	stream, err := NewStream(StreamOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for want, o := range map[string]Options{
		"chip \"ft9\"":           {Chip: "ft9", Stream: stream},
		"an instrument or a str": {},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, expected %q", err, want)
		}
	}
	for _, o := range []StreamOptions{{Counters: 65}, {Counters: -1}, {BytesPerSecond: -1}, {FIFO: -1}} {
		if _, err := NewStream(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
	if _, err := NewLines(LinesOptions{}); err == nil {
		t.Error("lines without light are taken")
	}
}

// BenchmarkStream is the whole way from the FPGA to a host in the same process.
func BenchmarkStream(b *testing.B) {
	c := plug(b, Options{Chip: FT232H}, &StreamOptions{}).Import()
	const size = 64 << 10
	b.SetBytes(size)
	var pending [8]*usbiptest.Pending
	for i := range pending {
		pending[i], _ = c.Submit(0x81, size)
	}
	i := 0
	for b.Loop() {
		if got, err := pending[i%8].Wait(10 * second); err != nil || len(got) != size {
			b.Fatal(len(got), err)
		}
		pending[i%8], _ = c.Submit(0x81, size)
		i++
	}
}
