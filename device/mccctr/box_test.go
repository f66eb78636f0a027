package mccctr

import (
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"time"

	"photongate/device"
	"photongate/device/devicetest"
)

// box is a USB-CTR as its description has it, for tests.
type box struct {
	mu sync.Mutex // of what a test changes while the box is played

	ctr04   bool
	empty   bool // no image
	loading bool
	spoilt  bool // the image is not taken
	leaves  bool // it restarts with the image
	params  [8][5]byte
	deaf    bool // heeds no setting
	overrun bool

	image    int // bytes received
	counts   [8]uint64
	read     [8]bool // since the row was given
	n        uint64
	list     []byte
	last     int
	wanted   []int // the counters the driver reads
	running  bool
	due      time.Time
	period   time.Duration
	samples  int
	packet   []byte
	requests []byte // of what was written
	resets   int
}

func (x *box) info() device.USBInfo {
	id := device.USBID{Vendor: 0x09db, Product: 0x0127}
	if x.ctr04 {
		id.Product = 0x012e
	}
	return device.USBInfo{ID: id, Endpoints: []device.USBEndpoint{{Address: 0x86, Kind: "bulk", MaxPacket: 512}}}
}

func (x *box) play(end *devicetest.USBEnd, truth *devicetest.Truth) {
	if x.wanted == nil {
		x.wanted = []int{0, 1, 2, 3, 4, 5, 6, 7}[:map[bool]int{true: 4, false: 8}[x.ctr04]]
	}
	for {
		r, err := end.Next(x.turn(end, truth))
		switch {
		case errors.Is(err, device.ErrClosed):
			return
		case err == nil:
			x.answer(r, end, truth)
		}
	}
}

// turn sends what is due and returns how long nothing else is.
func (x *box) turn(end *devicetest.USBEnd, truth *devicetest.Truth) time.Duration {
	x.mu.Lock()
	defer x.mu.Unlock()
	for x.running {
		if wait := time.Until(x.due); wait > 0 {
			return wait
		}
		x.scan(end, truth)
	}
	return time.Hour
}

// change does something to the box while it is played.
func (x *box) change(what func(*box)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	what(x)
}

func (x *box) answer(r *devicetest.USBRequest, end *devicetest.USBEnd, truth *devicetest.Truth) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch r.Type {
	case 0xC0:
		x.tell(r, truth)
	case 0x40:
		x.requests = append(x.requests, r.Request)
		if x.heed(r, end) {
			r.Reply()
		}
	}
	r.Stall()
}

func (x *box) status() uint16 {
	s := uint16(0)
	for bit, on := range map[int]bool{1: x.running, 2: x.overrun, 8: !x.empty, 9: x.loading} {
		if on {
			s |= 1 << bit
		}
	}
	return s
}

// tell answers a question.
func (x *box) tell(r *devicetest.USBRequest, truth *devicetest.Truth) {
	if r.Index > 7 || x.empty && r.Request < 0x40 {
		return
	}
	switch r.Request {
	case 0x40:
		r.Reply(binary.LittleEndian.AppendUint16(nil, x.status())...)
	case 0x48:
		r.Reply([]byte("01A23B4C")...)
	case 0x52:
		r.Reply(0x05, 0x01)
	case 0x18:
		p := x.params[r.Index]
		r.Reply(p[:]...)
	case 0x10:
		c := int(r.Index)
		x.light(c)
		v := x.counts[c]
		if x.params[c][1]&1 != 0 {
			x.counts[c] = 0
		}
		x.read[c] = true
		if c == x.wanted[len(x.wanted)-1] {
			x.row(truth, c, v)
		} else {
			x.packet = binary.LittleEndian.AppendUint64(x.packet[:8*slices.Index(x.wanted, c)], v)
		}
		r.Reply(binary.LittleEndian.AppendUint64(nil, v)...)
	}
}

// row notes what was asked for one by one.
func (x *box) row(truth *devicetest.Truth, c int, v uint64) {
	var row []uint64
	for i := range x.wanted[:len(x.wanted)-1] {
		row = append(row, binary.LittleEndian.Uint64(x.packet[8*i:]))
	}
	truth.Add(append(row, v)...)
	x.packet = x.packet[:0]
}

func (x *box) light(c int) {
	x.n++
	x.counts[c] += 3000000000 + 97*x.n + uint64(c)
}

// heed carries out a request that sets something; false: it is refused.
func (x *box) heed(r *devicetest.USBRequest, end *devicetest.USBEnd) bool {
	switch {
	case r.Request == 0x42:
		x.resets++
		x.loading, x.empty = false, true
	case r.Request == 0x50:
		x.loading = len(r.Data) == 1 && r.Data[0] == 0xAD
		x.image = 0
	case r.Request == 0x51:
		x.image += len(r.Data)
		if !x.loading || len(r.Data) > 64 {
			return false
		}
		if x.image == 1000 && !x.spoilt {
			x.loading, x.empty = false, false
			if x.leaves {
				end.Unplug()
			}
		}
	case x.empty || r.Index > 32:
		return false
	case x.deaf && r.Request < 0x20:
	case r.Request == 0x11:
		x.params[r.Index][0] = byte(r.Value)
	case r.Request == 0x12:
		x.params[r.Index][1] = byte(r.Value)
	case r.Request == 0x13:
		x.params[r.Index][4] = byte(r.Value)
	case r.Request == 0x14:
		x.params[r.Index][2] = byte(r.Value)
	case r.Request == 0x20 && !x.running && len(r.Data) == 33:
		x.list, x.last = r.Data, int(r.Index)
	case r.Request == 0x21 && len(r.Data) == 14 && x.list != nil:
		ticks := time.Duration(binary.LittleEndian.Uint32(r.Data[8:])) + 1
		x.period = ticks * 1000 / 96
		x.samples, x.packet = int(r.Data[12])+1, nil
		x.running, x.overrun, x.due = true, false, time.Now().Add(x.period)
		if r.Data[13]&1 == 0 {
			x.counts = [8]uint64{}
		}
	case r.Request == 0x22:
		x.running = false
	case r.Request == 0x23:
		end.Flush(0x86)
	case r.Request == 0x24:
	default:
		return false
	}
	return true
}

// scan reads the list once.
func (x *box) scan(end *devicetest.USBEnd, truth *devicetest.Truth) {
	x.due = x.due.Add(x.period)
	for c := range x.counts {
		x.light(c)
	}
	var row []uint64
	for _, e := range x.list[:x.last+1] {
		c, bank := e&7, e>>3&3
		if bank == 0 {
			row = append(row, x.counts[c])
		}
		x.packet = binary.LittleEndian.AppendUint16(x.packet, uint16(x.counts[c]>>(16*bank)))
	}
	if x.overrun {
		return
	}
	truth.Add(row...)
	if len(x.packet) >= 2*x.samples {
		end.Send(0x86, x.packet...)
		x.packet = nil
	}
}
