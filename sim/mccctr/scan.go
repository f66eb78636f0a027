package mccctr

import (
	"encoding/binary"
	"time"

	"photongate/sim"
	"photongate/sim/usb"
)

const (
	listBytes  = 33
	startBytes = 14
	sampleSize = 2
	pacerHz    = 96e6

	// Bits of an element of the list.
	elementCounter = 0x07
	elementBank    = 0x18
	elementDigital = 0x20
	bankShift      = 3
	bankBits       = 16

	keepCounts = 1 // of the options of a scan
)

// scan reads counters at the pace of the box.
type scan struct {
	list     [listBytes]byte
	last     int // element of the list
	running  bool
	overrun  bool
	done     bool
	external bool // no pacer of its own, and nobody gives it another one
	crystal  sim.Crystal
	n        int64  // scans so far
	scans    uint32 // in all; 0: no end
	samples  int    // in a packet
	filling  []byte
	packets  [][]byte
	bytes    int // in packets
	sent     int // bytes, of which a multiple of a packet is followed by an empty one
}

// setScan does the requests about scans.
func (b *Box) setScan(at time.Time, s usb.Setup, data []byte) usb.Answer {
	switch s.Request {
	case requestList:
		if b.scan.running || len(data) != listBytes || s.Index >= listBytes {
			return usb.Stall
		}
		b.scan.last = int(s.Index)
		copy(b.scan.list[:], data)
	case requestStart:
		return b.start(at, data)
	case requestStop:
		b.scan.running = false
	case requestClear:
		b.scan.filling, b.scan.overrun = nil, false
		b.scan.drop()
	case requestFlush:
		b.scan.drop()
	default:
		return usb.Stall
	}
	return usb.ACK
}

func (c *scan) drop() { c.packets, c.bytes = nil, 0 }

// start begins to scan: count, retrigger count, pacer, samples per packet - 1, options.
func (b *Box) start(at time.Time, data []byte) usb.Answer {
	if b.scan.running || len(data) != startBytes {
		return usb.Stall
	}
	samples := int(data[12]) + 1
	if samples*sampleSize > b.packetSize() {
		return usb.Stall
	}
	pacer := binary.LittleEndian.Uint32(data[8:])
	if data[13]&keepCounts == 0 {
		copy(b.base[:], b.scaler.Totals(at))
	}
	b.scan = scan{list: b.scan.list, last: b.scan.last, running: true, external: pacer == 0,
		crystal: sim.Crystal{Start: at, PeriodS: (float64(pacer) + 1) / pacerHz, FastPPM: b.options.FastPPM},
		scans:   binary.LittleEndian.Uint32(data), samples: samples}
	return usb.ACK
}

// Next implements [usb.Device].
func (b *Box) Next() time.Time {
	if !b.scan.running || b.scan.external {
		return time.Time{}
	}
	return b.scan.crystal.Edge(b.scan.n + 1)
}

// Advance implements [usb.Device].
func (b *Box) Advance(now time.Time, wire usb.Wire) {
	for {
		at := b.Next()
		if at.IsZero() || at.After(now) {
			return
		}
		b.scanOnce(at, wire)
	}
}

// scanOnce takes one scan.
func (b *Box) scanOnce(at time.Time, wire usb.Wire) {
	c := &b.scan
	list := c.list[:c.last+1]
	held := b.read(at, wire, func(n int) bool {
		for _, e := range list {
			if e&elementDigital == 0 && int(e&elementCounter) == n {
				return true
			}
		}
		return false
	})
	for _, e := range list {
		var sample uint16
		if n := int(e & elementCounter); e&elementDigital == 0 && n < b.counters {
			sample = uint16(held[n] >> (bankBits * (int(e&elementBank) >> bankShift)))
		}
		c.filling = binary.LittleEndian.AppendUint16(c.filling, sample)
		if len(c.filling) == sampleSize*c.samples {
			c.ship()
		}
	}
	c.n++
	if c.running && c.scans > 0 && c.n == int64(c.scans) {
		c.finish(b.packetSize())
	}
}

// ship makes what there is a packet, unless there is no room for it.
func (c *scan) ship() {
	if c.bytes+len(c.filling) > fifoBytes {
		c.running, c.overrun, c.filling = false, true, nil
		return
	}
	c.packets = append(c.packets, c.filling)
	c.bytes += len(c.filling)
	c.sent += len(c.filling)
	c.filling = nil
}

// finish ends a scan that has an end.
func (c *scan) finish(packet int) {
	if len(c.filling) > 0 {
		c.ship()
	}
	if !c.overrun && c.sent%packet == 0 {
		c.packets = append(c.packets, []byte{})
	}
	c.running, c.done = false, true
}

// In implements [usb.Device].
func (b *Box) In(_ time.Time, _ uint8, packet []byte, _ usb.Wire) (int, usb.Answer) {
	c := &b.scan
	if len(c.packets) == 0 {
		return 0, usb.NAK
	}
	n := copy(packet, c.packets[0])
	c.packets = c.packets[1:]
	c.bytes -= n
	return n, usb.ACK
}
