//go:build unix

package main

import (
	"context"
	"sync"
	"time"

	"photongate/device"
)

// Tag number n of the tagger of this program comes at n x 10^12/rate ticks of 1 ps
// and up to that much later, on one of four channels: both follow from n, so that a
// record can be checked without a file of truth.
func tagAt(n, rate uint64) (tick uint64, channel uint8) {
	noise := n * 0x9E3779B97F4A7C15
	spacing := 1_000_000_000_000 / rate
	return n*spacing + (noise>>20)%spacing, uint8(noise >> 62)
}

// tagger is the driver of an instrument that gives so many tags a second.
func tagger(rate uint64) device.Driver {
	return device.Driver{
		Name: "tagger", Title: "tagger of the tests", Transport: device.Serial, Identity: device.Assumed,
		Open: func(_ context.Context, r device.OpenRequest) (device.Source, error) {
			return &tagSource{port: r.Port, clock: r.Clock, rate: rate, begun: time.Now(), ticker: time.NewTicker(time.Millisecond), closed: make(chan struct{})}, nil
		},
	}
}

// tagSource gives the tags that are due, those that were not read in time later: it
// loses nothing by itself. One goroutine reads; another may close it.
type tagSource struct {
	port   device.Port
	clock  device.Clock
	rate   uint64
	begun  time.Time
	given  uint64
	ticker *time.Ticker
	closed chan struct{}
	once   sync.Once
}

func (s *tagSource) Describe() device.Description {
	d := device.Description{
		Model: "tagger", Identity: device.Assumed, Port: s.port.Name(), Timing: device.ByDevice, Tick: device.Tick{Num: 1, Den: 1_000_000_000_000},
	}
	for _, name := range []string{"A", "B", "C", "D"} {
		d.Channels = append(d.Channels, device.Channel{Name: name, Input: "input " + name, Kind: device.Tag, Edge: device.Rising})
	}
	return d
}

func (s *tagSource) Read(b *device.Batch) error {
	limit := time.NewTimer(device.MaxWait)
	defer limit.Stop()
	for {
		due := uint64(time.Since(s.begun).Milliseconds()) * s.rate / 1000
		if s.given < due {
			for s.given < due && b.Len() < device.MaxTags {
				tick, channel := tagAt(s.given, s.rate)
				b.Tags.Tick, b.Tags.Channel = append(b.Tags.Tick, tick), append(b.Tags.Channel, channel)
				b.Tags.Until = tick
				s.given++
			}
			b.Tags.At = s.clock()
			return nil
		}
		select {
		case <-s.ticker.C:
		case <-limit.C:
			return nil
		case <-s.closed:
			return device.ErrClosed
		}
	}
}

func (s *tagSource) Close() error {
	s.once.Do(func() { close(s.closed) })
	return s.port.Close()
}
