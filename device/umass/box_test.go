package umass

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"photongate/device"
	"photongate/device/devicetest"
)

// box is a tagger as its description has it, for tests. Time passes for it as for
// everybody; its memory is no smaller than the host is slow unless a test says so.
type box struct {
	every  time.Duration // mean time between two strobes
	deltas time.Duration // the same between two changes of the delta inputs; 0: none
	hertz  uint32
	start  uint64 // its clock when the counter is cleared: it should be 0
	mute   bool
	silent bool                       // writing is not answered
	garble func(packet []byte) []byte // what becomes of data on their way
	lose   func(n int) bool           // records that find no room, by their number
	truth  func(tick uint64, channel uint8)
	wiring *wiring

	mu    sync.Mutex // of what a test changes while the box is played
	reg   map[uint16]uint32
	sent  []uint16 // registers written
	asked int      // commands

	packet  int
	rng     *rand.Rand
	zero    int64 // when the counter was 0
	strobe  uint64
	change  uint64
	wraps   uint64
	levels  uint32
	records int
	lost    bool
	data    []byte
}

func newBox() *box {
	return &box{every: 5 * time.Millisecond, hertz: 128e6, reg: map[uint16]uint32{1: 6}, packet: 510, rng: rand.New(rand.NewPCG(5, 6))}
}

func boxInfo() device.USBInfo {
	return device.USBInfo{ID: device.USBID{Vendor: 0x04b4, Product: 0x1004}, Endpoints: []device.USBEndpoint{
		{Address: 0x02, Kind: "bulk", MaxPacket: 512}, {Address: 0x86, Kind: "bulk", MaxPacket: 512}, {Address: 0x88, Kind: "bulk", MaxPacket: 512},
	}}
}

func (x *box) play(end *devicetest.USBEnd) {
	for {
		r, err := end.Next(x.turn(end))
		switch {
		case errors.Is(err, device.ErrClosed):
			return
		case err == nil:
			x.answer(r, end)
		}
	}
}

// by has the box changed while it plays.
func (x *box) by(change func(*box)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	change(x)
}

func (x *box) answer(r *devicetest.USBRequest, end *devicetest.USBEnd) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case r.Endpoint == 0x02:
		x.command(r.Data, end)
	case r.Type == 0x40 && r.Request == 1:
		x.packet = int(r.Value)
		r.Reply()
	case r.Type == 0x40 && r.Request == 2:
		x.data = nil
		r.Reply()
	}
	if r.Endpoint == 0 {
		r.Stall()
	}
}

func (x *box) command(p []byte, end *devicetest.USBEnd) {
	if len(p) != 8 || p[0] != 0xAA || x.mute {
		return
	}
	x.asked++
	reg, value := binary.LittleEndian.Uint16(p[2:]), binary.LittleEndian.Uint32(p[4:])
	x.reg[2] = x.hertz
	if p[1] == 1 {
		x.sent = append(x.sent, reg)
		switch reg {
		case 1, 2:
		case 6, 7:
			x.reg[reg] = 0
		case 3:
			if value&4 != 0 {
				x.zero = 0
			}
			if value == 3 && x.reg[3] != 3 {
				x.zero = devicetest.Clock() - x.ns(x.start)
				x.strobe, x.change, x.wraps = x.start, x.start, x.start>>36
				x.record(0, 1<<46, end)
			}
			x.reg[3] = value
		case 8:
			if value&1 != 0 {
				x.data = nil
			}
			x.reg[8] = value
		default:
			x.reg[reg] = value
		}
	}
	if p[1] == 0 || !x.silent {
		end.Send(0x88, binary.LittleEndian.AppendUint32(nil, x.reg[reg])...)
	}
}

func (x *box) ns(tick uint64) int64 { return int64(float64(tick) / float64(x.hertz) * 1e9) }

func (x *box) now() uint64 {
	return uint64(float64(devicetest.Clock()-x.zero) / 1e9 * float64(x.hertz))
}

// turn records what has happened, and returns how long nothing else will.
func (x *box) turn(end *devicetest.USBEnd) time.Duration {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.reg[3]&1 == 0 {
		return time.Hour
	}
	if x.zero == 0 {
		x.zero = devicetest.Clock()
	}
	for {
		next := x.strobe
		if x.deltas > 0 {
			next = min(next, x.change)
		}
		if w := (x.wraps + 1) << 36; w <= next && w <= x.now() {
			x.wraps++
			x.record(w, 1<<46, end)
			continue
		}
		if next > x.now() {
			return time.Duration(x.ns(next)-x.ns(x.now())) + time.Microsecond
		}
		if next == x.strobe {
			x.shine(next, end)
			x.strobe += 1 + uint64(x.rng.ExpFloat64()*x.every.Seconds()*float64(x.hertz))
			continue
		}
		x.switched(next, end)
		x.change += 1 + uint64(x.rng.ExpFloat64()*x.deltas.Seconds()*float64(x.hertz))
	}
}

// shine records strobes of one input, or of several.
func (x *box) shine(tick uint64, end *devicetest.USBEnd) {
	kind := uint64(1) << x.rng.IntN(4)
	if x.rng.IntN(5) == 0 {
		kind |= 1 << x.rng.IntN(4)
	}
	kind &= uint64(x.reg[4])
	if kind == 0 || x.deltas > 0 && tick == x.change {
		return
	}
	for n := range 4 {
		if kind>>n&1 != 0 && x.truth != nil {
			x.truth(tick, x.wiring.inputs[n])
		}
	}
	x.record(tick, kind<<36, end)
}

// switched records a change of one delta input.
func (x *box) switched(tick uint64, end *devicetest.USBEnd) {
	n := x.rng.IntN(4)
	if x.reg[5]>>n&1 == 0 {
		return
	}
	x.levels ^= 1 << n
	if x.truth != nil {
		channel := x.wiring.falling[n]
		if x.levels>>n&1 != 0 {
			channel = x.wiring.rising[n]
		}
		x.truth(tick, channel)
	}
	x.record(tick, 1<<45|uint64(x.levels)<<36, end)
}

// record keeps a record, and sends a packet when it is full.
func (x *box) record(tick, flags uint64, end *devicetest.USBEnd) {
	if tick == 0 {
		tick = x.start
	}
	x.records++
	if x.lose != nil && x.lose(x.records) {
		x.lost = true
		x.reg[7]++
		return
	}
	x.reg[6]++
	if x.lost {
		flags |= 1 << 47
		x.lost = false
	}
	b := binary.BigEndian.AppendUint64(nil, (flags|tick&(1<<36-1))<<16)
	x.data = append(x.data, b[:6]...)
	for len(x.data) >= x.packet {
		packet := slices.Clone(x.data[:x.packet])
		x.data = x.data[x.packet:]
		if x.garble != nil {
			packet = x.garble(packet)
		}
		end.Send(0x86, packet...)
	}
}
