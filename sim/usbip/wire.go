package usbip

import (
	"encoding/binary"
	"fmt"

	"photongate/sim/usb"
)

// version of the protocol, which both sides must speak.
const version = 0x0111

// Codes of what is asked before the device is taken, and of the answers.
const (
	askList       = 0x8005
	tellList      = 0x0005
	askImport     = 0x8003
	tellImport    = 0x0003
	refused       = 1
	greetingBytes = 8
	busIDBytes    = 32
	pathBytes     = 256
	deviceBytes   = 312
)

// Codes of what is said about transfers.
const (
	cmdSubmit   = 1
	cmdUnlink   = 2
	retSubmit   = 3
	retUnlink   = 4
	headerBytes = 48
	noPackets   = 0xFFFFFFFF // the transfer is not isochronous; old kernels say 0

	flagShortNotOK = 0x01
	flagZeroPacket = 0x40
)

// Errors as Linux numbers them, of which the answers have the negative.
const (
	errNoEntry    = 2
	errPipe       = 32
	errOverflow   = 75
	errConnReset  = 104
	errRemoteIO   = 121
	endpointsMost = 15
)

// Bounds on what a host may have under way; Linux lets its programs have 16 MiB.
const (
	maxTransfer     = 4 << 20
	maxPending      = 1024
	maxPendingBytes = 16 << 20
)

// greeting is what a host says first.
type greeting struct {
	code uint16
}

// decodeGreeting reads the first 8 bytes.
func decodeGreeting(b [greetingBytes]byte) (greeting, error) {
	v, code := binary.BigEndian.Uint16(b[0:]), binary.BigEndian.Uint16(b[2:])
	if v != version {
		return greeting{}, fmt.Errorf("USB/IP version %04x, expected %04x", v, version)
	}
	if code != askList && code != askImport {
		return greeting{}, fmt.Errorf("USB/IP request %04x, expected %04x or %04x", code, askList, askImport)
	}
	return greeting{code}, nil
}

// command is one request of a host that has the device.
type command struct {
	unlink bool
	id     uint32
	victim uint32 // to be unlinked

	in           bool
	endpoint     uint8 // without direction
	length       int   // bytes to send, or room for what comes
	shortIsError bool
	zeroEnds     bool
	setup        usb.Setup
}

// decodeCommand reads a header. It refuses what a host controller would not send.
func decodeCommand(b *[headerBytes]byte) (command, error) {
	word := func(at int) uint32 { return binary.BigEndian.Uint32(b[at:]) }
	c := command{id: word(4)}
	switch word(0) {
	case cmdUnlink:
		c.unlink, c.victim = true, word(20)
		return c, nil
	case cmdSubmit:
	default:
		return c, fmt.Errorf("USB/IP command %d, expected 1 or 2", word(0))
	}
	direction, endpoint, flags, length, packets := word(12), word(16), word(20), word(24), word(32)
	switch {
	case direction > 1:
		return c, fmt.Errorf("direction %d of a transfer, expected 0 or 1", direction)
	case endpoint > endpointsMost:
		return c, fmt.Errorf("endpoint %d, expected at most %d", endpoint, endpointsMost)
	case length > maxTransfer:
		return c, fmt.Errorf("a transfer of %d bytes, expected at most %d", length, maxTransfer)
	case packets != 0 && packets != noPackets:
		return c, fmt.Errorf("an isochronous transfer of %d packets: the device has no such endpoint", packets)
	}
	c.in, c.endpoint, c.length = direction == 1, uint8(endpoint), int(length)
	c.shortIsError, c.zeroEnds = flags&flagShortNotOK != 0, flags&flagZeroPacket != 0
	if endpoint == 0 {
		// The setup bytes are as USB has them, the low byte first.
		c.setup = usb.Setup{Type: b[40], Request: b[41],
			Value:  binary.LittleEndian.Uint16(b[42:]),
			Index:  binary.LittleEndian.Uint16(b[44:]),
			Length: binary.LittleEndian.Uint16(b[46:])}
		if c.length > 0 && c.setup.In() != c.in {
			return c, fmt.Errorf("a control request %02x %02x whose data go the other way", c.setup.Type, c.setup.Request)
		}
	}
	return c, nil
}

// errno is how a status is told.
func errno(s usb.Status) int32 {
	switch s {
	case usb.Stalled:
		return -errPipe
	case usb.Babble:
		return -errOverflow
	case usb.Short:
		return -errRemoteIO
	case usb.Nowhere:
		return -errNoEntry
	}
	return 0
}

// appendSubmitted appends the header of the answer to a transfer.
func appendSubmitted(b []byte, id uint32, s usb.Status, moved int) []byte {
	var h [headerBytes]byte
	binary.BigEndian.PutUint32(h[0:], retSubmit)
	binary.BigEndian.PutUint32(h[4:], id)
	binary.BigEndian.PutUint32(h[20:], uint32(errno(s)))
	binary.BigEndian.PutUint32(h[24:], uint32(moved))
	binary.BigEndian.PutUint32(h[32:], noPackets)
	return append(b, h[:]...)
}

// appendUnlinked appends the answer to an unlink.
func appendUnlinked(b []byte, id uint32, found bool) []byte {
	var h [headerBytes]byte
	binary.BigEndian.PutUint32(h[0:], retUnlink)
	binary.BigEndian.PutUint32(h[4:], id)
	if found {
		const reset = -errConnReset
		binary.BigEndian.PutUint32(h[20:], uint32(reset&0xFFFFFFFF))
	}
	return append(b, h[:]...)
}

// appendAnswer appends the 8 bytes an answer to a greeting begins with.
func appendAnswer(b []byte, code uint16, status uint32) []byte {
	b = binary.BigEndian.AppendUint16(b, version)
	b = binary.BigEndian.AppendUint16(b, code)
	return binary.BigEndian.AppendUint32(b, status)
}

// appendDevice appends what is told of a device: on bus 1, with this number there.
func appendDevice(b []byte, d usb.Descriptors, number uint32) []byte {
	at := len(b)
	b = append(b, make([]byte, pathBytes+busIDBytes)...)
	copy(b[at:], "/sys/devices/photonsim/usb1/"+BusID)
	copy(b[at+pathBytes:], BusID)
	b = binary.BigEndian.AppendUint32(b, busNumber)
	b = binary.BigEndian.AppendUint32(b, number)
	b = binary.BigEndian.AppendUint32(b, uint32(d.Speed))
	b = binary.BigEndian.AppendUint16(b, d.Vendor)
	b = binary.BigEndian.AppendUint16(b, d.Product)
	b = binary.BigEndian.AppendUint16(b, d.Release)
	const configurations, interfaces = 1, 1
	// Class, subclass and protocol are told by the interface; no configuration is set.
	return append(b, 0, 0, 0, 0, configurations, interfaces)
}
