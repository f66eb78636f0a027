package labjack

import (
	"encoding/binary"

	"photongate/device"
	"photongate/device/devicetest"
)

// box is a U3 or U6 as its description has it, for tests.
type box struct {
	u6       bool
	timers   byte
	enabled  byte
	offset   byte
	fio, eio byte
	deaf     bool // ConfigIO sets nothing
	mute     bool // does not say what it is
	error    byte // what Feedback is answered with
	damaged  int  // so many questions for counts are received with a wrong checksum

	counts   [2]uint32
	n        uint32
	commands [][]byte
}

func newBox() *box { return &box{enabled: 3, offset: 4, fio: 0x0F} }

func (x *box) info() device.USBInfo {
	id := device.USBID{Vendor: 0x0cd5, Product: 3}
	if x.u6 {
		id.Product = 6
	}
	return device.USBInfo{
		ID: id, Serial: "320012345", Product: "LabJack",
		Endpoints: []device.USBEndpoint{{Address: 0x01, Kind: "bulk", MaxPacket: 64}, {Address: 0x82, Kind: "bulk", MaxPacket: 64}, {Address: 0x83, Kind: "bulk", MaxPacket: 64}},
	}
}

// packet puts checksums around a command byte and its data, as the maker's own
// programs do it.
func packet(command byte, data ...byte) []byte {
	if len(data)%2 != 0 {
		data = append(data, 0)
	}
	p := append([]byte{0, 0xF8, byte(len(data) / 2), command, 0, 0}, data...)
	sum := 0
	for _, b := range data {
		sum += int(b)
	}
	p[4], p[5] = byte(sum), byte(sum>>8)
	sum = 0
	for _, b := range p[1:6] {
		sum += int(b)
	}
	sum = sum/256 + sum%256
	p[0] = byte(sum/256 + sum%256)
	return p
}

func (x *box) play(end *devicetest.USBEnd, truth *devicetest.Truth) {
	end.Serve(func(r *devicetest.USBRequest) {
		if r.Endpoint != 0x01 {
			return
		}
		x.commands = append(x.commands, r.Data)
		if answer := x.answer(r.Data, truth); answer != nil {
			end.Send(0x82, answer...)
		}
	})
}

// answer carries out one command.
func (x *box) answer(p []byte, truth *devicetest.Truth) []byte {
	if len(p) < 8 || string(p) != string(packet(p[3], p[6:]...)) {
		return []byte{0xB8, 0xB8}
	}
	switch p[3] {
	case 0x08:
		if x.mute {
			return nil
		}
		a := make([]byte, 32)
		a[3], a[4], a[7], a[8] = 46, 1, 30, 1 // [9] [10] [13] [14]
		binary.LittleEndian.PutUint32(a[9:], 320012345)
		a[13], a[31] = 3, 18
		if x.u6 {
			a[13], a[31] = 6, 12
		}
		return packet(8, a...)
	case 0x0B:
		return x.pins(p)
	case 0x00:
		return x.feedback(p, truth)
	}
	return packet(p[3], 1, 0)
}

func (x *box) pins(p []byte) []byte {
	set := p[6]
	if x.deaf {
		set = 0
	}
	if x.u6 {
		if set&1 != 0 {
			x.timers, x.enabled, x.offset, x.counts = p[7], p[8], p[9], [2]uint32{}
		}
		return packet(0x0B, 0, 0, x.timers, x.enabled, x.offset, 0, 0, 0, 0, 0)
	}
	if set&1 != 0 {
		x.timers, x.enabled, x.offset, x.counts = p[8]&3, p[8]>>2&3, p[8]>>4, [2]uint32{}
	}
	if set&4 != 0 {
		x.fio = p[10]
	}
	if set&8 != 0 {
		x.eio = p[11]
	}
	return packet(0x0B, 0, 0, x.offset<<4|x.enabled<<2|x.timers, 0, x.fio, x.eio)
}

func (x *box) feedback(p []byte, truth *devicetest.Truth) []byte {
	if x.damaged > 0 {
		x.damaged--
		return []byte{0xB8, 0xB8}
	}
	a := []byte{x.error, 0, p[6]}
	x.n++
	var row []uint64
	for i := 7; i+1 < len(p) && p[i] != 0; i += 2 {
		c := p[i] - 0x36
		if c > 1 || x.enabled>>c&1 == 0 {
			return packet(0, 97, byte(i-5)/2, p[6])
		}
		x.counts[c] += 40000 + 97*x.n - uint32(c)*31000
		a = binary.LittleEndian.AppendUint32(a, x.counts[c])
		row = append(row, uint64(x.counts[c]))
		if p[i+1]&1 != 0 {
			x.counts[c] = 0
		}
	}
	truth.Add(row...)
	return packet(0, a...)
}
