package ftdi

import (
	"fmt"
	"strconv"
	"time"

	"photongate/sim"
)

// LinesOptions choose what a counter of lines does.
type LinesOptions struct {
	// Light falls on the inputs A, B, C...
	Light *sim.Light
	// Gate is the time between two lines; 0: 100 ms.
	Gate time.Duration
	// FastPPM is how fast its crystal runs, in parts per million.
	FastPPM float64
	// Distinct makes the first count of a line [sim.DistinctValue] of its number.
	Distinct bool
}

// Lines is the simplest of counters, as a student builds it: at the end of each gate it
// writes the counts with commas between them and \r\n. It implements [sim.Instrument].
type Lines struct {
	options LinesOptions
	crystal sim.Crystal
	scaler  *sim.Scaler
	before  []uint64 // totals at the end of the last gate
	row     []uint64
	n       int64 // gates that are over
	message []byte
}

// lineInputs are the names of the inputs there may be.
const lineInputs = "ABCDEFGH"

// LineInputs names n inputs.
func LineInputs(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = lineInputs[i : i+1]
	}
	return names
}

// NewLines makes one that has no power yet.
func NewLines(o LinesOptions) (*Lines, error) {
	if o.Light == nil {
		return nil, fmt.Errorf("ftdi: a counter of lines needs light")
	}
	if o.Gate == 0 {
		o.Gate = 100 * time.Millisecond
	}
	if o.Gate < time.Millisecond {
		return nil, fmt.Errorf("ftdi: a line each %v, expected at least 1ms", o.Gate)
	}
	if !(o.FastPPM > -1e5 && o.FastPPM < 1e5) {
		return nil, fmt.Errorf("ftdi: a crystal off by %g ppm; expected within 100000", o.FastPPM)
	}
	n := o.Light.Inputs()
	return &Lines{options: o, before: make([]uint64, n), row: make([]uint64, n)}, nil
}

// Name implements [sim.Instrument].
func (l *Lines) Name() string { return "ftdi" }

// Channels implements [sim.Instrument].
func (l *Lines) Channels() []string { return LineInputs(len(l.row)) }

// Handle implements [sim.Instrument].
func (l *Lines) Handle(ev sim.Event, _ sim.Line) {
	switch ev.Kind {
	case sim.PowerOn:
		l.scaler = sim.NewScaler(l.options.Light, ev.At)
		l.restart(ev.At)
	case sim.Plugged, sim.Reboot:
		l.restart(ev.At.Add(ev.For))
	}
}

func (l *Lines) restart(at time.Time) {
	l.crystal = sim.Crystal{Start: at, PeriodS: l.options.Gate.Seconds(), FastPPM: l.options.FastPPM}
	copy(l.before, l.scaler.Totals(at))
	l.n = 0
}

// Next implements [sim.Instrument].
func (l *Lines) Next() time.Time { return l.crystal.Edge(l.n + 1) }

// Advance implements [sim.Instrument].
func (l *Lines) Advance(now time.Time, line sim.Line) {
	for end := l.Next(); !end.After(now); end = l.Next() {
		l.message = l.message[:0]
		for i, total := range l.scaler.Totals(end) {
			l.row[i] = total - l.before[i]
			l.before[i] = total
			if i == 0 && l.options.Distinct {
				l.row[i] = sim.DistinctValue(l.n, 1<<32-1)
			}
			if i > 0 {
				l.message = append(l.message, ',')
			}
			l.message = strconv.AppendUint(l.message, l.row[i], 10)
		}
		l.n++
		line.Latched(end, l.row)
		line.Send(end, append(l.message, '\r', '\n'))
	}
}
