package gmc

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"photongate/sim"
)

// Protocol is one of the two generations.
type Protocol string

// The protocols. Auto follows from the model.
const (
	ProtocolAuto Protocol = "auto"
	Protocol1201 Protocol = "rfc1201"
	Protocol1801 Protocol = "rfc1801"
)

// heartbeatBits is what a heartbeat of RFC1201 has for its count.
const heartbeatBits = 14

// minute is over how many seconds CPM is counted.
const minute = 60

// Options choose what the counter does.
type Options struct {
	// Light is what the tube sees; it has one input.
	Light *sim.Light
	// Model is the version text, 13 to 16 bytes; empty means "GMC-300Re 2.10".
	Model string
	// Protocol is empty for ProtocolAuto.
	Protocol Protocol
	// Serial is the serial number; of it the last 7 bytes count.
	Serial uint64
	// Reserved are bits set in every heartbeat.
	Reserved uint32
	// Beating says that somebody left the heartbeat on.
	Beating bool
	// ReplyDelay passes before every reply.
	ReplyDelay time.Duration
	// FastPPM is how fast its crystal runs, in parts per million.
	FastPPM float64
	// Distinct makes what is told of counts [sim.DistinctValue] instead of the
	// light's.
	Distinct bool
}

// Meter is one counter. It implements [sim.Instrument].
type Meter struct {
	options Options
	wide    bool // RFC1801
	command []byte

	off     bool // by POWEROFF
	ready   time.Time
	seconds sim.Crystal
	over    int64 // seconds that are over
	beating bool
	clock   time.Duration // by how much its clock is ahead

	last     [minute]uint64 // counts of the last seconds, by second modulo 60
	most     uint64
	config   []byte
	rows     int64
	patterns []int64
}

// Inputs names the input the light must have.
func Inputs() []string { return []string{"tube"} }

// New makes a counter that has no power yet.
func New(o Options) (*Meter, error) {
	if o.Light == nil || o.Light.Inputs() != len(Inputs()) {
		return nil, fmt.Errorf("gmc: the light must have one input, the tube")
	}
	if o.Model == "" {
		o.Model = "GMC-300Re 2.10"
	}
	if len(o.Model) < 13 || len(o.Model) > 16 {
		return nil, fmt.Errorf("gmc: model %q has %d bytes: expected a text of 13 to 16 such as GMC-300Re 2.10", o.Model, len(o.Model))
	}
	if !(o.FastPPM > -1e5 && o.FastPPM < 1e5) {
		return nil, fmt.Errorf("gmc: a crystal off by %g ppm; expected within 100000", o.FastPPM)
	}
	m := &Meter{options: o, patterns: make([]int64, o.Light.Patterns())}
	switch o.Protocol {
	case "", ProtocolAuto:
		m.wide = wideModel(o.Model)
	case Protocol1201, Protocol1801:
		m.wide = o.Protocol == Protocol1801
	default:
		return nil, fmt.Errorf("gmc: protocol %q: expected auto, rfc1201 or rfc1801", o.Protocol)
	}
	if !m.wide && o.Reserved>>16 != 0 {
		return nil, fmt.Errorf("gmc: reserved bits %#x: heartbeats of RFC1201 have 16 bits", o.Reserved)
	}
	m.config = make([]byte, 256)
	if m.wide {
		m.config = make([]byte, 512)
	}
	return m, nil
}

// wideModel tells RFC1801 by the model, as pygmc does.
func wideModel(model string) bool {
	for _, prefix := range []string{"GMC-5", "GMC-6", "GMC-8"} {
		if strings.HasPrefix(model, prefix) {
			return true
		}
	}
	return false
}

// Name implements [sim.Instrument].
func (m *Meter) Name() string { return "gmc" }

// Channels implements [sim.Instrument]: counts of the last whole second and of the
// last 60. A row is written for each heartbeat and each reply that tells either.
func (m *Meter) Channels() []string { return []string{"cps", "cpm"} }

// CheckFault refuses what the counter cannot have.
func (m *Meter) CheckFault(f sim.Fault) error {
	if f.Kind == sim.FaultReboot {
		return nil
	}
	return fmt.Errorf("fault %v: gmc has no %s", f, f.Kind)
}

// Handle implements [sim.Instrument].
func (m *Meter) Handle(ev sim.Event, line sim.Line) {
	switch ev.Kind {
	case sim.PowerOn:
		m.restart(ev.At)
		m.beating = m.options.Beating
	case sim.Reboot:
		m.restart(ev.At.Add(ev.For))
	case sim.Received:
		for _, c := range ev.Data {
			if !ev.At.Before(m.ready) {
				m.feed(ev.At, c, line)
			}
		}
	}
}

// restart begins life at ready.
func (m *Meter) restart(ready time.Time) {
	m.ready, m.off, m.beating = ready, false, false
	m.command = m.command[:0]
	m.seconds, m.over = sim.Crystal{Start: ready, PeriodS: 1, FastPPM: m.options.FastPPM}, 0
	m.last, m.most = [minute]uint64{}, 0
}

// Next implements [sim.Instrument].
func (m *Meter) Next() time.Time { return m.seconds.Edge(m.over + 1) }

// Advance counts every second, and tells it while the heart beats.
func (m *Meter) Advance(now time.Time, line sim.Line) {
	for end := m.Next(); !end.After(now); end = m.Next() {
		clear(m.patterns)
		m.options.Light.Draw(m.seconds.Edge(m.over), end, m.patterns)
		if m.off {
			clear(m.patterns)
		}
		count := uint64(sim.Together(m.patterns, 1))
		m.last[m.over%minute] = count
		m.most = max(m.most, count)
		m.over++
		if m.beating {
			m.beat(end, line)
		}
	}
}

// beat tells the counts of the second that is over.
func (m *Meter) beat(at time.Time, line sim.Line) {
	limit := uint64(1<<heartbeatBits - 1)
	if m.wide {
		limit = 1<<32 - 1
	}
	cps := m.told(m.cps(), limit)
	m.latch(cps, min(m.cpm(), m.largest()), line)
	line.Send(at, m.integer(cps|uint64(m.options.Reserved)))
}

// cps is what the last whole second counted.
func (m *Meter) cps() uint64 { return m.last[(m.over+minute-1)%minute] }

// cpm is what the last 60 seconds counted.
func (m *Meter) cpm() uint64 {
	sum := uint64(0)
	for _, count := range m.last {
		sum += count
	}
	return sum
}

// largest is the largest number a reply holds.
func (m *Meter) largest() uint64 {
	if m.wide {
		return 1<<32 - 1
	}
	return 1<<16 - 1
}

// mostDistinct bounds distinct counts: no tube counts more in a second, and readers
// may say so.
const mostDistinct = 1<<16 - 1

// told is a count as it is told: within limit, or distinct.
func (m *Meter) told(count, limit uint64) uint64 {
	if m.options.Distinct {
		return sim.DistinctValue(m.rows, min(limit, mostDistinct))
	}
	return min(count, limit)
}

// latch writes the truth of what is being told.
func (m *Meter) latch(cps, cpm uint64, line sim.Line) {
	m.rows++
	line.Latched(m.seconds.Edge(m.over), []uint64{cps, cpm})
}

// integer writes a number as the protocol has it, the most significant byte first.
func (m *Meter) integer(n uint64) []byte {
	if m.wide {
		return binary.BigEndian.AppendUint32(nil, uint32(n))
	}
	return binary.BigEndian.AppendUint16(nil, uint16(n))
}
