package sim

import "time"

// Instrument is a simulated instrument: a state machine without goroutines and
// without a clock of its own. All calls come from one goroutine, with times that
// never go back; nothing given to a call may be kept after it returns.
type Instrument interface {
	// Name is the machine name, such as "cd48". An instrument that may give tags says
	// so by a method GivesTags() bool.
	Name() string
	// Channels names the columns of the truth, in the order of Latched's values.
	Channels() []string
	// Handle takes one thing that happened to the instrument.
	Handle(ev Event, line Line)
	// Next is when Advance wants to be called again; the zero time means not
	// before something is handled.
	Next() time.Time
	// Advance does everything that was due up to and including now, each at its
	// own nominal time: a late call must neither merge nor skip anything.
	Advance(now time.Time, line Line)
}

// Line is what an instrument speaks into. It never blocks and never refuses:
// what nobody can take is lost, as on a wire.
type Line interface {
	// Send puts one message (one line, one packet) on the wire at the given time.
	// The message is copied.
	Send(at time.Time, message []byte)
	// TearNext makes the next message lose its beginning, as it looks to a host
	// that opens the port in the middle of it.
	TearNext()
	// Latched records one row of truth: at is the end of the interval counted,
	// values are what the counters held, one per channel. They are copied. An
	// instrument with a method Decimals() []int says by it how many digits of each
	// stand behind a point.
	Latched(at time.Time, values []uint64)
}

// EventKind says what happened to an instrument.
type EventKind int

// The events an [Instrument] may be told of. PowerOn comes first and once.
const (
	PowerOn    EventKind = iota // power is applied for the first time
	Opened                      // a host opened the port
	Closed                      // the host closed it
	Received                    // bytes came from the host (Event.Data)
	Unplugged                   // the cable to the host was pulled
	Plugged                     // ... and put back
	Overflow                    // counter Event.Channel is to run over (-1: any)
	Reboot                      // the instrument restarts and is silent for Event.For
	Refuse                      // the next command is to be refused
	Panel                       // somebody changes a setting at the front panel
	LostMarker                  // the next marker of a stream of tags is to be left out
	LostClock                   // the external reference clock is gone for Event.For (0: for good)
)

// Event is one thing that happened to an instrument. Only the fields named with
// its kind are set.
type Event struct {
	Kind    EventKind
	At      time.Time
	Data    []byte
	Channel int
	For     time.Duration
}

// distinctBase keeps a distinct channel above any coincidence it is part of, so
// that a row stays physically possible: 10 million coincidences per second in a
// gate of 0.1 s.
const distinctBase = 1_000_000

// DistinctValue is what channel 0 reads in the row-th row (from 0) of an
// instrument that makes its rows distinct: 1 000 000 plus the row number. It
// returns to 1 000 000 before it would exceed limit, the largest value the
// counter can hold; for 24 bits that takes 15.7 million rows. A counter that holds
// less than two million begins at the half of what it holds.
func DistinctValue(row int64, limit uint64) uint64 {
	base := min(distinctBase, limit/2)
	return base + uint64(row)%(limit-base+1)
}
