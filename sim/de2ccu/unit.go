package de2ccu

import (
	"fmt"
	"time"

	"photongate/sim"
)

// ByteTime is one byte, 10 bits, at 19200 Bd.
const ByteTime = 10 * time.Second / 19200

// Gate timing (DataOut.vhd): the 50 MHz crystal divided by 2604 is the baud
// clock, and a packet starts every 1920 of its ticks; 99.9936 ms.
const gateS = 2604 * 1920 / 50e6

// maxCount is what a counter of 32 bits holds.
const maxCount = 1<<32 - 1

// edition is one of the two programs in use for the board.
type edition struct {
	inputs   []string
	counters []string
	masks    []int // per counter, bit i set: input i takes part
}

// The 8-counter program has four inputs and coincidences chosen by slide
// switches, here as Colgate sets them; the 15-counter one (Toronto) counts every
// combination.
var (
	edition8 = edition{
		inputs:   []string{"A", "B", "A'", "B'"},
		counters: []string{"A", "B", "A'", "B'", "AB", "A'B", "AB'", "A'B'"},
		masks:    []int{1, 2, 4, 8, 1 | 2, 4 | 2, 1 | 8, 4 | 8},
	}
	edition15 = edition{
		inputs: []string{"A", "B", "C", "D"},
		counters: []string{"A", "B", "C", "D", "AB", "AC", "AD", "BC", "BD", "CD",
			"ABC", "BCD", "ACD", "ABD", "ABCD"},
		masks: []int{1, 2, 4, 8, 1 | 2, 1 | 4, 1 | 8, 2 | 4, 2 | 8, 4 | 8,
			1 | 2 | 4, 2 | 4 | 8, 1 | 4 | 8, 1 | 2 | 8, 15},
	}
)

func editionOf(counters int) (edition, error) {
	switch counters {
	case 8:
		return edition8, nil
	case 15:
		return edition15, nil
	}
	return edition{}, fmt.Errorf("de2ccu: %d counters: the programs in use have 8 or 15", counters)
}

// Inputs names the four inputs of the program with 8 or 15 counters.
func Inputs(counters int) ([]string, error) {
	e, err := editionOf(counters)
	return e.inputs, err
}

// Options choose what the board does.
type Options struct {
	// Counters is 8 or 15.
	Counters int
	// Light falls on the inputs that Inputs names.
	Light *sim.Light
	// FastPPM is how fast the board's crystal runs, in parts per million.
	FastPPM float64
	// WanderPPM is by how much it is faster and slower besides, in the course of
	// WanderEvery; 0: it is steady.
	WanderPPM   float64
	WanderEvery time.Duration
	// Distinct makes counter 0 read [sim.DistinctValue] instead of its light.
	Distinct bool
}

// Unit is one board. It implements [sim.Instrument].
type Unit struct {
	options  Options
	edition  edition
	crystal  sim.Crystal
	sent     int64 // packets so far
	patterns []int64
	values   []uint64
	packet   []byte
}

// New makes a board that has no power yet.
func New(o Options) (*Unit, error) {
	e, err := editionOf(o.Counters)
	if err != nil {
		return nil, err
	}
	if o.Light == nil || o.Light.Inputs() != len(e.inputs) {
		return nil, fmt.Errorf("de2ccu: the light must have the %d inputs %v", len(e.inputs), e.inputs)
	}
	if !(o.FastPPM > -1e5 && o.FastPPM < 1e5) {
		return nil, fmt.Errorf("de2ccu: a crystal off by %g ppm; expected within 100000", o.FastPPM)
	}
	if !(o.WanderPPM >= 0 && o.WanderPPM < 1e3) {
		return nil, fmt.Errorf("de2ccu: a crystal that wanders by %g ppm; expected 0 to 1000", o.WanderPPM)
	}
	return &Unit{
		options:  o,
		edition:  e,
		patterns: make([]int64, o.Light.Patterns()),
		values:   make([]uint64, len(e.counters)),
	}, nil
}

// Name implements [sim.Instrument].
func (u *Unit) Name() string { return "de2ccu" }

// Channels implements [sim.Instrument].
func (u *Unit) Channels() []string { return u.edition.counters }

// Handle implements [sim.Instrument]: of all that may happen, only power and a
// port opened in the middle of a packet make a difference.
func (u *Unit) Handle(ev sim.Event, line sim.Line) {
	switch ev.Kind {
	case sim.PowerOn:
		u.crystal = sim.Crystal{Start: ev.At, PeriodS: gateS, FastPPM: u.options.FastPPM,
			WanderPPM: u.options.WanderPPM, WanderEvery: u.options.WanderEvery}
	case sim.Opened:
		line.TearNext()
	}
}

// Next implements [sim.Instrument].
func (u *Unit) Next() time.Time { return u.crystal.Edge(u.sent + 1) }

// Advance latches, clears and sends the counters at the end of every gate.
func (u *Unit) Advance(now time.Time, line sim.Line) {
	for end := u.Next(); !end.After(now); end = u.Next() {
		u.count(u.crystal.Edge(u.sent), end)
		line.Latched(end, u.values)
		u.packet = appendPacket(u.packet[:0], u.values)
		line.Send(end, u.packet)
		u.sent++
	}
}

// count fills values with one gate.
func (u *Unit) count(from, to time.Time) {
	clear(u.patterns)
	u.options.Light.Draw(from, to, u.patterns)
	for i, mask := range u.edition.masks {
		u.values[i] = min(uint64(sim.Together(u.patterns, mask)), maxCount)
	}
	if u.options.Distinct {
		u.values[0] = sim.DistinctValue(u.sent, maxCount)
	}
}

// appendPacket appends the counters as five bytes each, seven bits a byte, least
// significant first, and the FF that ends a packet.
func appendPacket(packet []byte, values []uint64) []byte {
	const bytesPerCounter, bitsPerByte, end = 5, 7, 0xFF
	for _, v := range values {
		for i := range bytesPerCounter {
			packet = append(packet, byte(v>>(bitsPerByte*i))&0x7F)
		}
	}
	return append(packet, end)
}
