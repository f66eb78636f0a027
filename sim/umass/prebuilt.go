package umass

import (
	"math"
	"time"

	"photongate/sim"
)

// Prebuilt makes the bytes of a stream beforehand, for a measurement of how fast they can
// be read: at least so many whole records of strobe inputs, the first one with the flag of
// a wrap, so that they may be sent over and over again. It returns how many tags are in
// them.
func Prebuilt(light *sim.Light, settings sim.TagSettings, records int) (data []byte, tags int64, err error) {
	t, err := New(Options{Light: light, Tags: settings, FIFO: math.MaxInt})
	if err != nil {
		return nil, 0, err
	}
	t.restart(t.power)
	t.registers.control = capturing | counting
	t.light.Begin(t.drawn, t.tick)
	t.wraps = -1
	for empty := 0; t.registers.records < uint32(records) && empty < 1000; empty++ {
		t.record(t.drawn.Add(time.Millisecond), nil)
		if len(t.tags) > 0 {
			empty = 0
		}
		tags += int64(len(t.tags))
	}
	data = make([]byte, t.fifo.bytes)
	t.fifo.fetch(data)
	return data, tags, nil
}
