package homebuilt

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"photongate/device"
	"photongate/instrument"
)

// fifoPort is a stream behind a chip that can have it as a FIFO.
type fifoPort struct {
	streaming
	on bool
}

func (p *fifoPort) SetFIFO(on bool) error { p.on = on; return nil }

func fifoFile(t *testing.T) *instrument.File {
	t.Helper()
	f, err := instrument.Parse("fifo.toml", []byte(strings.Replace(fifoText, "baud = 115200", "fifo = true", 1)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A port that has no FIFO is refused with the kind of port that has one, and one
// that has is told to use it.
func TestFIFO(t *testing.T) {
	f := fifoFile(t)
	open := func(p device.Port) (device.Source, error) {
		return Driver(f).Open(t.Context(), device.OpenRequest{Port: p, Clock: func() int64 { return 0 }})
	}
	_, err := open(&streaming{piece: []byte(f.Examples[0].Bytes)})
	if !errors.Is(err, device.ErrSetting) || !strings.Contains(err.Error(), "ftdi:VID:PID") {
		t.Errorf("a plain port: %v", err)
	}
	port := &fifoPort{streaming: streaming{piece: []byte(f.Examples[0].Bytes)}}
	if _, err := open(port); err != nil || !port.on {
		t.Errorf("turned on %v, %v", port.on, err)
	}
}

// pausing is a stream that hands over what it is told to, a pause after each.
type pausing struct {
	fifoPort
	pieces []int
	pause  time.Duration
}

func (p *pausing) Read(b []byte, timeout time.Duration) (int, int64, error) {
	if len(p.pieces) == 0 {
		p.now += int64(timeout)
		return 0, p.now, device.ErrTimeout
	}
	p.now += int64(p.pause)
	b = b[:p.pieces[0]]
	p.pieces = p.pieces[1:]
	return p.streaming.Read(b, timeout)
}

// countedUp are records of the kind of fifoText, one more in each.
func countedUp(n int) []byte {
	var b []byte
	for i := range uint32(n) {
		b = append(b, "\xA5\x5A\xF0\x0F"...)
		for k := range uint32(3) {
			b = binary.LittleEndian.AppendUint32(b, i*(2*k+1))
		}
	}
	return b
}

// A computer that is held up for a second in the middle of a record reads on where
// it was: always from a FIFO, and on a line when the records prove it.
func TestHeldUpInARecord(t *testing.T) {
	for _, fifo := range []bool{true, false} {
		f := fifoFile(t)
		if !fifo {
			f.Link = instrument.Link{Baud: 115200, DataBits: 8, StopBits: 1}
		}
		port := &pausing{pause: time.Second, pieces: []int{16 * 10, 16*10 + 7, 16*10 + 1, 16*10 - 8}}
		port.piece = countedUp(40)
		src, err := Driver(f).Open(t.Context(), device.OpenRequest{Port: port, Clock: func() int64 { return port.now }})
		if err != nil {
			t.Fatal(err)
		}
		b := device.NewBatch(3)
		for range 6 {
			if err := src.Read(b); err != nil {
				t.Fatal(err)
			}
		}
		if b.Len() != 40 || b.Values[2][39] != 39*5 || len(b.Notes) != 1 {
			t.Errorf("fifo %v: %d readings, notes %+v", fifo, b.Len(), b.Notes)
		}
	}
}

// What one look at a port that has more brings is in one batch: shared between two,
// the second would have none of its time.
func TestArrivalsStayTogether(t *testing.T) {
	f, err := instrument.Parse("fifo.toml", []byte(fifoText))
	if err != nil {
		t.Fatal(err)
	}
	port := &streaming{piece: []byte(f.Examples[0].Bytes), at: 7, every: 60} // it comes in the middle of a record
	port.most = 1 << 20
	src, err := Driver(f).Open(t.Context(), device.OpenRequest{Port: port, Clock: func() int64 { return port.now }})
	if err != nil {
		t.Fatal(err)
	}
	b := device.NewBatch(3)
	for i := range 50 {
		b.Reset()
		if err := src.Read(b); err != nil {
			t.Fatal(err)
		}
		for row, length := range b.Length {
			if i > 5 && length < 60*16 { // what opening has looked at is behind
				t.Fatalf("look %d, reading %d of %d: %d ns, and %d before, of bytes that take %d", i, row, b.Len(), length, b.Length[max(row, 1)-1], 60*16)
			}
		}
	}
}
