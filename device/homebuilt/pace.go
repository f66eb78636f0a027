package homebuilt

import (
	"fmt"
	"slices"
	"time"

	"photongate/device"
	"photongate/instrument"
)

// pace watches whether readings come as often as the file says, which times them
// all. It judges a stretch of four equal parts, each of at least paceReadings and
// paceNs: all four must be off by the same, since a computer that was held up, or
// readings that are lost now and then, show in some of them only.
type pace struct {
	nominal  int64
	numbered bool // readings that are missing are counted, and not only late
	began    bool
	total    int64 // readings since the stretch began, with those missing by their numbers
	last     int64 // when the last arrival was
	marks    [paceParts + 1]paceMark
	n        int   // of marks
	scale    int64 // a part is so many times the least
	early    int64 // least and most by which an arrival was later than by the nominal
	late     int64
}

// paceMark is the end of a part.
type paceMark struct{ total, at int64 }

const (
	paceParts    = 4
	paceReadings = 5
	paceNs       = int64(500 * time.Millisecond)
	// paceScale bounds the stretch: arrivals that scatter need a longer one.
	paceScale = 16
	// paceOff is the part of a gate that is not yet wrong: a resonator, not a crystal.
	paceOff = 100
	// paceScatter is how many times the scatter of arrivals the whole must be off.
	paceScatter = 4
)

// begin begins a stretch at an arrival.
func (p *pace) begin(at int64) {
	p.began, p.total, p.last = true, 0, at
	p.marks[0], p.n, p.scale = paceMark{at: at}, 1, 1
	p.early, p.late = 1<<62, -1<<62
}

// came takes in that so many readings have come to be by then, those missing
// included. It reports how often they come when that is surely not the nominal, else
// 0.
func (p *pace) came(n int, at int64) time.Duration {
	if !p.began || n == 0 {
		if n > 0 {
			p.begin(at)
		}
		return 0
	}
	by := at - p.last - int64(n)*p.nominal
	p.early, p.late = min(p.early, by), max(p.late, by)
	p.total, p.last = p.total+int64(n), at
	m := p.marks[p.n-1]
	if p.total-m.total < paceReadings*p.scale || at-m.at < paceNs*p.scale {
		return 0
	}
	p.marks[p.n] = paceMark{p.total, at}
	if p.n++; p.n <= paceParts {
		return 0
	}
	mean, wrong := p.judge()
	switch {
	case wrong:
		return mean
	case p.scale >= paceScale:
		p.begin(at)
	default: // a stretch of twice the length, of which this is the first half
		p.marks[1], p.marks[2] = p.marks[2], p.marks[4]
		p.n, p.scale = 3, 2*p.scale
	}
	return 0
}

// judge looks at a whole stretch.
func (p *pace) judge() (mean time.Duration, wrong bool) {
	first, last := p.marks[0], p.marks[paceParts]
	every := (last.at - first.at) / last.total
	off := every - p.nominal
	var parts []int64
	for i := range paceParts {
		a, b := p.marks[i], p.marks[i+1]
		parts = append(parts, (b.at-a.at)/(b.total-a.total))
	}
	scatter := p.late - p.early
	size := max(off, -off)
	switch {
	case size <= p.nominal/paceOff:
	case (size-p.nominal/paceOff)*last.total <= paceScatter*scatter:
	case slices.Max(parts)-slices.Min(parts) > size/4:
	case off > 0 && !p.numbered && scatter >= p.nominal/2: // some are lost
	default:
		return time.Duration(every), true
	}
	return 0, false
}

// gateWrong is what is said when readings do not come as often as the file says.
func gateWrong(port device.Port, f *instrument.File, every, gate time.Duration) error {
	digit := time.Duration(1)
	for digit*1000 <= every {
		digit *= 10
	}
	what := "lines"
	if f.Record != nil {
		what = "records"
	}
	hint := "correct it in the instrument file"
	says := "gate.time says"
	if f.Gate.Setting != "" {
		says = "setting " + f.Gate.Setting + " is"
		hint = "correct what the instrument file says of it, or what it is set to"
	}
	return &device.Error{
		Op: "read", Port: port.Name(),
		Err:  &gateError{fmt.Sprintf("%s come every %v, %s %v", what, every.Round(digit), says, gate)},
		Hint: hint,
	}
}

// gateError says that the gate is another one, which explains whatever was odd
// before.
type gateError struct{ text string }

func (e *gateError) Error() string { return device.ErrNonsense.Error() + ": " + e.text }

func (e *gateError) Unwrap() error { return device.ErrNonsense }

// Explains tells a trial that this was behind earlier surprises.
func (e *gateError) Explains() bool { return true }
