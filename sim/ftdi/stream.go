package ftdi

import (
	"encoding/binary"
	"fmt"
	"time"

	"photongate/sim"
)

// recordSync is what every record begins with.
var recordSync = [4]byte{0xA5, 0x5A, 0xF0, 0x0F}

const (
	countBytes = 4
	// MaxCounters bounds the counters of a record.
	MaxCounters = 64
	// defaultFIFO is what waits in the FPGA for a host that does not fetch it.
	defaultFIFO = 256 << 10
	// tornBytes of a record are missing when a host comes to a stream that waited.
	tornBytes = 5
)

// StreamOptions choose what an FPGA sends.
type StreamOptions struct {
	// Counters is how many counts a record holds, 1 to MaxCounters; 0: 3.
	Counters int
	// BytesPerSecond is the pace of the stream; 0: as fast as the host fetches it, and
	// nothing is ever lost.
	BytesPerSecond int64
	// FIFO is how many bytes wait for a host that does not fetch them; 0: 256 KiB.
	FIFO int64
}

// Stream is an FPGA that fills the FIFO of the chip with records of known content:
// A5 5A F0 0F, then counts of 32 bits, the low byte first. Count 0 of record i (from 0)
// is i, count k is i x (2k+1) in 24 bits.
type Stream struct {
	options StreamOptions
	length  int64 // of a record

	start time.Time
	read  int64 // bytes of the endless stream that were fetched or lost
	told  int64 // records in the truth
	held  int64 // the record that is in the buffer; -1: none
	bytes []byte
	row   []uint64
}

// NewStream makes an FPGA that has no power yet.
func NewStream(o StreamOptions) (*Stream, error) {
	if o.Counters == 0 {
		o.Counters = 3
	}
	if o.FIFO == 0 {
		o.FIFO = defaultFIFO
	}
	const most = 1 << 40
	if o.Counters < 1 || o.Counters > MaxCounters {
		return nil, fmt.Errorf("ftdi: records of %d counts, expected 1 to %d", o.Counters, MaxCounters)
	}
	if o.BytesPerSecond < 0 || o.BytesPerSecond > most || o.FIFO < 0 || o.FIFO > most {
		return nil, fmt.Errorf("ftdi: %d bytes per second and a FIFO of %d, expected 0 to %d", o.BytesPerSecond, o.FIFO, int64(most))
	}
	length := len(recordSync) + countBytes*o.Counters
	return &Stream{options: o, length: int64(length), held: -1,
		bytes: make([]byte, length), row: make([]uint64, o.Counters)}, nil
}

// Name is the machine name.
func (s *Stream) Name() string { return "ftdi" }

// Channels names the columns of the truth.
func (s *Stream) Channels() []string {
	names := make([]string, s.options.Counters)
	for i := range names {
		names[i] = fmt.Sprintf("C%d", i)
	}
	return names
}

// CheckFault refuses what an FPGA cannot have.
func (s *Stream) CheckFault(f sim.Fault) error {
	return fmt.Errorf("fault %v: a stream has no %s", f, f.Kind)
}

// Handle takes what happens to the chip: a host that comes finds the stream in the middle
// of a record, and power begins it anew.
func (s *Stream) Handle(ev sim.Event, _ sim.Line) {
	switch ev.Kind {
	case sim.PowerOn, sim.Plugged:
		s.start, s.read, s.told, s.held = ev.At, 0, 0, -1
	case sim.Opened:
		if s.options.BytesPerSecond == 0 {
			s.read += tornBytes
		}
	}
}

// produced is how long the endless stream is by now, as far as it does not wait for the
// host.
func (s *Stream) produced(now time.Time) int64 {
	elapsed := now.Sub(s.start)
	whole, rest := int64(elapsed/time.Second), int64(elapsed%time.Second)
	return whole*s.options.BytesPerSecond + int64(float64(rest)*float64(s.options.BytesPerSecond)/1e9)
}

// Next is never: the chip asks when somebody fetches.
func (s *Stream) Next() time.Time { return time.Time{} }

// Advance does nothing: bytes are made when they are fetched.
func (s *Stream) Advance(time.Time, sim.Line) {}

// Full is when so many bytes wait.
func (s *Stream) Full(bytes int) time.Time {
	if s.options.BytesPerSecond == 0 {
		return s.start
	}
	at := float64(s.read+int64(bytes)) / float64(s.options.BytesPerSecond)
	return s.start.Add(time.Duration(at*1e9) + time.Microsecond)
}

// Waiting is how many bytes Fill would find.
func (s *Stream) Waiting(now time.Time) int {
	if s.options.BytesPerSecond == 0 {
		return 1 << 20
	}
	return int(min(s.produced(now)-s.read, s.options.FIFO))
}

// Fill makes bytes.
func (s *Stream) Fill(now time.Time, p []byte, line sim.Line) (n int, lost bool) {
	n = len(p)
	if s.options.BytesPerSecond > 0 {
		waiting := s.produced(now) - s.read
		if lost = waiting > s.options.FIFO; lost {
			s.read += waiting - s.options.FIFO
		}
		n = int(min(int64(n), waiting, s.options.FIFO))
	}
	for at := 0; at < n; {
		record, inside := s.read/s.length, s.read%s.length
		if record != s.held {
			s.make(record)
		}
		moved := copy(p[at:n], s.bytes[inside:])
		at += moved
		s.read += int64(moved)
	}
	s.tell(now, line)
	return n, lost
}

// make makes a record.
func (s *Stream) make(record int64) {
	copy(s.bytes, recordSync[:])
	for i := range s.options.Counters {
		binary.LittleEndian.PutUint32(s.bytes[len(recordSync)+countBytes*i:], count(record, i))
	}
	s.held = record
}

// count is a count of a record.
func count(record int64, i int) uint32 {
	if i == 0 {
		return uint32(record)
	}
	return uint32(record) * uint32(2*i+1) & 0xFFFFFF
}

// tell writes the records that are fetched or lost into the truth.
func (s *Stream) tell(now time.Time, line sim.Line) {
	for ; s.told < s.read/s.length; s.told++ {
		for i := range s.row {
			s.row[i] = uint64(count(s.told, i))
		}
		at := now
		if pace := s.options.BytesPerSecond; pace > 0 {
			at = s.start.Add(time.Duration(float64((s.told+1)*s.length) / float64(pace) * 1e9))
		}
		line.Latched(at, s.row)
	}
}

// Hear takes what a host writes; an FPGA without a command does not listen.
func (s *Stream) Hear(time.Time, []byte, sim.Line) {}

// Purge forgets what waits.
func (s *Stream) Purge(now time.Time) {
	if s.options.BytesPerSecond > 0 {
		s.read = max(s.read, s.produced(now))
	}
}
