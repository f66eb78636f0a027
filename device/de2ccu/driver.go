package de2ccu

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"photongate/device"
)

const (
	gate = 100 * time.Millisecond
	baud = 19200

	openLimit = 3 * time.Second  // thirty packets
	badLimit  = 10 * time.Second // bytes but no packet for this long: something else is on the line

	bufferSize = 64 << 10

	// late is by how much the edges may lie after the true ones: they are fitted to
	// the earliest arrivals, and what delays even those is unseen. The RS-232
	// adapter may hold back a packet for 16 ms (the latency timer of FTDI's,
	// AN232B-04, when not told otherwise); the rest is for the computer to notice.
	late = 20 * time.Millisecond
)

// Driver reads the coincidence counting unit of a DE2 board.
var Driver = device.Driver{
	Name:      "de2ccu",
	Title:     "Altera DE2 coincidence counting unit (Whitman College design)",
	Transport: device.Serial,
	USB: []device.USBID{ // RS-232 adapters; the board itself has no USB data port
		{Vendor: 0x0403, Product: 0x6001, Shared: true, Adapter: true},
		{Vendor: 0x067b, Product: 0x2303, Shared: true, Adapter: true},
		{Vendor: 0x1a86, Product: 0x7523, Shared: true, Adapter: true},
	},
	Line:     device.Line{Baud: baud},
	Identity: device.Assumed,
	Options: []device.Option{{
		Name:    "counters",
		Title:   "number of counters of this board's design: 8 or 15",
		Kind:    device.Integer,
		Default: "found out from the packets",
		Min:     8, Max: 15,
		Check: func(v any) error {
			if n, ok := v.(int64); !ok || n != 8 && n != 15 {
				return fmt.Errorf("counters = %v: must be 8 or 15", v)
			}
			return nil
		},
	}},
	Inputs: device.Inputs{
		Title: fmt.Sprintf(`of 8 counters %s; of 15 %s; or "counter 0" to "counter 14"`, strings.Join(names8, " "), strings.Join(names15, " ")),
		May: func(input string) bool {
			n, numbered := strings.CutPrefix(input, "counter ")
			i, err := strconv.Atoi(n)
			return numbered && err == nil && i >= 0 && i < len(names15) && strconv.Itoa(i) == n ||
				slices.Contains(names8, input) || slices.Contains(names15, input)
		},
	},
	Open:   open,
	Cut:    cut,
	Quirks: quirks,
	About:  about,
}

// The channels of the two designs, in the order of the packets.
var (
	names8  = []string{"A", "B", "A'", "B'", "C1", "C2", "C3", "C4"}
	names15 = []string{"A", "B", "C", "D", "AB", "AC", "AD", "BC", "BD", "CD", "ABC", "BCD", "ACD", "ABD", "ABCD"}
)

// source is an open counting unit.
type source struct {
	port  device.Port
	clock device.Clock
	size  int // bytes of a packet
	desc  device.Description
	phase *device.Phase

	buf        []byte // received and not yet taken: buf[start:end]
	start, end int
	at         int64 // when the last of them came

	bad       int    // bytes discarded since the last packet
	badDetail string // what was wrong with the first of them
	lastGood  int64  // when the last valid packet was seen
	opened    *device.Event
	failed    error // returned once what was held back has been handed out
}

func open(ctx context.Context, req device.OpenRequest) (device.Source, error) {
	s := &source{port: req.Port, clock: req.Clock, buf: make([]byte, bufferSize)}
	sizes := []int{size8, size15}
	forced, isForced := req.Settings["counters"].(int64)
	if isForced {
		sizes = []int{int(forced)*counterBytes + 1}
	}
	if err := s.port.Discard(); err != nil {
		return nil, &device.Error{Op: "open", Port: s.port.Name(), Err: err}
	}
	if err := s.synchronise(ctx, sizes); err != nil {
		return nil, err
	}
	s.describe(isForced)
	s.phase = device.NewPhase(gate, len(s.desc.Channels), time.Duration(s.size*10)*time.Second/baud)
	s.lastGood = s.at
	s.opened = &device.Event{Time: s.at, What: "opened", Text: fmt.Sprintf(
		"the board sends packets of %d counters by itself and times its gates of %v; nothing was sent to it; "+
			"the bytes before the first end mark and the first packet after it were dropped", len(s.desc.Channels), gate)}
	return s, nil
}

// synchronise reads up to the end of the first complete packet, which is left
// out: one published reader found it bad often.
func (s *source) synchronise(ctx context.Context, sizes []int) error {
	deadline := s.clock() + int64(openLimit)
	for {
		size, used := detect(s.buf[:s.end], sizes...)
		if size != 0 {
			s.size, s.start = size, used
			return nil
		}
		left := time.Duration(deadline - s.clock())
		if left <= 0 || s.end == len(s.buf) {
			return s.notFound(sizes)
		}
		if err := ctx.Err(); err != nil {
			return &device.Error{Op: "identify", Port: s.port.Name(), Err: err}
		}
		n, at, err := s.port.Read(s.buf[s.end:], min(left, device.MaxWait))
		if err != nil && !errors.Is(err, device.ErrTimeout) {
			return &device.Error{Op: "identify", Port: s.port.Name(), Err: err}
		}
		if n > 0 {
			s.end, s.at = s.end+n, at
		}
	}
}

// notFound explains what came instead of packets.
func (s *source) notFound(sizes []int) error {
	e := &device.Error{Op: "identify", Port: s.port.Name()}
	got := s.buf[:s.end]
	other := size8 + size15 - sizes[0]
	otherSize, _ := detect(got, other)
	switch {
	case s.end == 0:
		e.Err = device.ErrTimeout
		e.Hint = "nothing came for 3 s from a unit that sends ten packets a second by itself: " +
			"is the board on, is the counting design loaded, is the cable a straight RS-232 one?"
	case len(sizes) == 1 && otherSize != 0:
		e.Err = fmt.Errorf("%w: packets have %d counters, the configuration says %d",
			device.ErrNonsense, other/counterBytes, sizes[0]/counterBytes)
		e.Hint = "leave the option counters out, or correct it"
	default:
		e.Err = fmt.Errorf("%w: %d bytes in 3 s and no packet among them: %s", device.ErrNonsense, s.end, device.ShowBytes(got))
		e.Hint = "the line must be 19200 8N1 and the board must run the coincidence design; `photongate try` shows the bytes"
	}
	return e
}

func (s *source) describe(forced bool) {
	names := names8
	if s.size == size15 {
		names = names15
	}
	how := "found"
	if forced {
		how = "confirmed by its packets"
	}
	s.desc = device.Description{
		Model:    "DE2 coincidence counting unit",
		Identity: device.Assumed,
		Port:     s.port.Name(),
		Gate:     gate,
		Timing:   device.ByDevice,
		Late:     late,
		Settings: []device.Setting{
			{Key: "counters", Value: fmt.Sprint(len(names)), How: how},
			{Key: "gate", Value: "100", Unit: "ms", How: "fixed"},
		},
		Blind: "packets carry no checksum: a flipped low bit changes a count unseen, and bytes lost in just a packet's length join two packets into one (the gap beside it tells); which coincidences are counted is set by switches and not reported; a board that restarts by itself shows as a gap only",
	}
	for i, name := range names {
		s.desc.Channels = append(s.desc.Channels, device.Channel{
			Name: name, Input: fmt.Sprintf("counter %d", i), Kind: device.Count, Width: 32,
		})
	}
}

// Describe returns what is known of the unit.
func (s *source) Describe() device.Description { return s.desc }

// Close closes the port and frees a blocked Read.
func (s *source) Close() error { return s.port.Close() }

// Read implements device.Source.
func (s *source) Read(b *device.Batch) error {
	if s.opened != nil {
		b.Notes = append(b.Notes, device.Note{Row: b.Len(), Event: s.opened})
		s.opened = nil
	}
	if s.failed != nil {
		return s.failed
	}
	if s.take(b) {
		return nil // more was there than fits in a batch
	}
	n, at, err := s.port.Read(s.buf[s.end:], device.MaxWait)
	switch {
	case errors.Is(err, device.ErrTimeout):
		s.phase.Tick(b, s.clock())
		return nil
	case err != nil:
		s.tellDamage()
		s.phase.Flush(b)
		s.failed = &device.Error{Op: "read", Port: s.port.Name(), Err: err}
		return s.failed
	}
	s.end, s.at = s.end+n, at
	s.take(b)
	if s.bad > 0 && time.Duration(s.at-s.lastGood) > badLimit {
		bad := s.bad
		s.tellDamage()
		s.phase.Flush(b)
		s.failed = &device.Error{
			Op: "read", Port: s.port.Name(),
			Err:  fmt.Errorf("%w: %d bytes in %v and no packet among them", device.ErrNonsense, bad, badLimit),
			Hint: "has the board been given another design, or is another program writing to this line?",
		}
		return s.failed
	}
	return nil
}

// take decodes the packets received. It reports whether some are left because b
// is full.
func (s *source) take(b *device.Batch) (full bool) {
	defer s.compact()
	for s.start < s.end {
		rest := s.buf[s.start:s.end]
		room := s.phase.Room(b)
		if n := countValid(rest, s.size, room); n > 0 {
			s.tellDamage()
			s.appendRows(b, rest, n)
			s.start += n * s.size
			s.lastGood = s.at
			continue
		}
		if room == 0 {
			return true
		}
		n := badSegment(rest)
		if n == 0 {
			return false
		}
		if s.bad == 0 {
			s.badDetail = describe(rest[:n], s.size)
		}
		s.bad += n
		s.start += n
	}
	return false
}

// compact moves what is left to the begin of the buffer.
func (s *source) compact() {
	if s.start > 0 {
		s.end = copy(s.buf, s.buf[s.start:s.end])
		s.start = 0
	}
}

// tellDamage tells the phase of the bytes discarded before a valid packet.
func (s *source) tellDamage() {
	if s.bad == 0 {
		return
	}
	guess := int(math.Round(float64(s.bad) / float64(s.size)))
	s.phase.Damage(guess, device.CauseDamaged, fmt.Sprintf("%s (%d bytes discarded)", s.badDetail, s.bad))
	s.bad = 0
}

// appendRows decodes n packets into new rows of b and has them timed.
func (s *source) appendRows(b *device.Batch, packets []byte, n int) {
	var cols [15][]uint64
	row := len(b.Flags)
	b.Flags = slices.Grow(b.Flags, n)[:row+n]
	clear(b.Flags[row:])
	for c := range b.Values {
		b.Values[c] = slices.Grow(b.Values[c], n)[:row+n]
		cols[c] = b.Values[c][row:]
		b.ValueFlags[c] = slices.Grow(b.ValueFlags[c], n)[:row+n]
		clear(b.ValueFlags[c][row:])
	}
	decode(packets, s.size, n, cols[:len(b.Values)])
	s.phase.Take(b, n, s.at)
}
