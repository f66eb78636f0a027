package mccctr

import (
	"context"
	"errors"
	"fmt"

	"photongate/device"
)

// polling asks one counter after the other.
type polling struct {
	*talk
	counters []int
	clears   bool
	rounds   *device.Rounds
	values   []uint64
	last     []uint64
	buf      [counterBytes]byte
}

func newPolling(o *opening) *polling {
	clears := o.read == readClear
	o.limit = readLimit
	return &polling{
		talk: o.talk, counters: o.counters, clears: clears, rounds: device.NewRounds(o.gate, !clears, o.clock),
		values: make([]uint64, len(o.counters)), last: make([]uint64, len(o.counters)),
	}
}

func (p *polling) flush(b *device.Batch) { p.rounds.Flush(b, p.clock()) }

func (p *polling) close() error { p.rounds.Close(); return nil }

func (p *polling) read(b *device.Batch) error {
	p.ctx = context.Background()
	if due, err := p.rounds.Wait(); !due || err != nil {
		return err
	}
	asked := device.Bracket{From: p.clock()}
	for i, c := range p.counters {
		if err := p.askCounter(i, uint16(c)); err != nil {
			return p.lose(c, err)
		}
	}
	asked.To = p.clock()
	if !p.clears {
		if err := grown(p.counters, p.last, p.values); err != nil {
			return err
		}
		copy(p.last, p.values)
	}
	if p.rounds.Answered(b, asked) {
		for i, v := range p.values {
			b.Values[i] = append(b.Values[i], v)
			b.ValueFlags[i] = append(b.ValueFlags[i], 0)
		}
	}
	return nil
}

// askCounter asks for one counter.
func (p *polling) askCounter(i int, counter uint16) error {
	got, err := p.ask(reqCounter, counter, p.buf[:])
	if err == nil {
		p.values[i], err = parseCounter(got)
	}
	return err
}

// lose gives up a round, unless the device is gone.
func (p *polling) lose(counter int, err error) error {
	cause := device.CauseDamaged
	switch {
	case errors.Is(err, device.ErrTimeout):
		cause = device.CauseLost
	case errors.Is(err, device.ErrStall), errors.Is(err, device.ErrBus), errors.Is(err, device.ErrNonsense):
	default:
		return err
	}
	return p.rounds.Lost(cause, fmt.Sprintf("counter %d: %v", counter, err))
}

// grown returns an error when a total is lower than it was: 64 bits do not wrap.
func grown(counters []int, last, now []uint64) error {
	for i, v := range now {
		if v < last[i] {
			return fmt.Errorf("%w: the total of counter %d was %d and is %d: another program set it, or the device restarted",
				device.ErrChanged, counters[i], last[i], v)
		}
	}
	return nil
}
