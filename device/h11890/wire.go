package h11890

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"photongate/device"
)

const (
	packetBytes = 64
	usedBytes   = 8
	tick        = 10 * time.Microsecond // unit of the integration time
	overloadBit = 0x8000
)

// Letters of questions, settings and answers.
const (
	letterTime    = 'I'
	letterRepeat  = 'R'
	letterVoltage = 'V'
)

// Commands.
var (
	cmdStop      = []byte{'\r'}
	cmdCount     = []byte{'C'}
	cmdCorrected = []byte{'M'}
	refusal      = []byte{'B', 'C', 0, 0}
)

// errRefused is the head's answer to a command it does not know.
var errRefused = fmt.Errorf("%w: the head answered BC, which it does to commands it does not know", device.ErrNonsense)

// packet is what a packet from the head says.
type packet struct{ tag, value uint32 }

// parsePacket reads a packet from the head.
func parsePacket(p []byte) (packet, error) {
	if len(p) != packetBytes {
		return packet{}, fmt.Errorf("%w: expected a packet of %d bytes, got %d: %s", device.ErrNonsense, packetBytes, len(p), device.ShowBytes(p))
	}
	if bytes.HasPrefix(p, refusal) {
		return packet{}, errRefused
	}
	return packet{binary.LittleEndian.Uint32(p), binary.LittleEndian.Uint32(p[4:])}, nil
}

// parseAnswer reads the answer to the question for a letter.
func parseAnswer(p []byte, letter byte) (uint32, error) {
	a, err := parsePacket(p)
	if err == nil && a.tag != uint32(letter) {
		err = fmt.Errorf("%w: expected an answer to %q, got %s", device.ErrNonsense, letter, device.ShowBytes(p[:usedBytes]))
	}
	return a.value, err
}

// setCommand sets what a letter stands for.
func setCommand(letter byte, value uint32) []byte {
	p := binary.LittleEndian.AppendUint32(nil, uint32(letter))
	return binary.LittleEndian.AppendUint32(p, value)
}

// gateOf is the integration time of so many ticks, and whether it can be one.
func gateOf(ticks uint32) (time.Duration, bool) {
	return time.Duration(ticks) * tick, ticks > 0 && ticks < math.MaxInt32
}
