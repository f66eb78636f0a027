package mccctr

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"time"

	"photongate/device"
)

// Requests.
const (
	reqCounter   = 0x10
	reqMode      = 0x11
	reqOptions   = 0x12
	reqDebounce  = 0x13
	reqGate      = 0x14
	reqParams    = 0x18
	reqScanList  = 0x20
	reqScanStart = 0x21
	reqScanStop  = 0x22
	reqClearFIFO = 0x23
	reqFlush     = 0x24
	reqStatus    = 0x40
	reqReset     = 0x42
	reqSerial    = 0x48
	reqUnlock    = 0x50
	reqImage     = 0x51
	reqVersion   = 0x52

	vendorIn  = 0xC0
	vendorOut = 0x40

	unlockCode = 0xAD
	endpointIn = 0x86
)

// Bits of the status.
const (
	statusPacer      = 1 << 1
	statusOverrun    = 1 << 2
	statusConfigured = 1 << 8
	statusLoading    = 1 << 9
)

const (
	counterBytes = 8
	banks        = 4 // of 16 bits
	listBytes    = 33
	serialBytes  = 8
	paramBytes   = 5
	keepCounts   = 1 // option of a scan: the counters are not cleared
	clockMHz     = 96
)

// params is how a counter is set.
type params struct{ mode, options, gate, output, debounce byte }

// Bits of params.
const (
	modeMask    = 0x03 // 0: count
	optClear    = 1 << 0
	optStop     = 1 << 1
	optDown     = 1 << 2
	optRange    = 1 << 3
	optFalling  = 1 << 4
	gateEnable  = 1 << 0
	gateLow     = 1 << 1
	gateMode    = 3 << 2 // 0: counts while the gate is on
	debounceFor = 0x1F
)

// plain reports whether it counts events, upwards and without limits.
func (p params) plain() bool {
	return p.mode&modeMask == 0 && p.options&(optStop|optDown|optRange) == 0
}

// odd says what is not plain, for people.
func (p params) odd() string {
	var list []string
	if m := p.mode & modeMask; m != 0 {
		list = append(list, [4]string{"", "measures periods", "measures pulse widths", "measures times between pulses"}[m])
	}
	for _, bit := range []struct {
		set  byte
		what string
	}{{optStop, "stops at a limit"}, {optDown, "counts down"}, {optRange, "counts within limits"}} {
		if p.options&bit.set != 0 {
			list = append(list, bit.what)
		}
	}
	return strings.Join(list, ", ")
}

// String shows it for people.
func (p params) String() string {
	return fmt.Sprintf("mode %02x options %02x gate %02x output %02x debounce %02x", p.mode, p.options, p.gate, p.output, p.debounce)
}

// wrongLength is the error for an answer of another length than asked for.
func wrongLength(what string, got []byte, want int) error {
	return fmt.Errorf("%w: %s has %d bytes, got %s", device.ErrNonsense, what, want, device.ShowBytes(got))
}

// parseStatus reads the answer to reqStatus.
func parseStatus(p []byte) (uint16, error) {
	if len(p) != 2 {
		return 0, wrongLength("the status", p, 2)
	}
	return binary.LittleEndian.Uint16(p), nil
}

// parseSerial reads the answer to reqSerial: letters and digits, perhaps padded.
func parseSerial(p []byte) (string, error) {
	if len(p) != serialBytes {
		return "", wrongLength("the serial number", p, serialBytes)
	}
	s := strings.TrimRight(string(p), "\x00 ")
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' {
			return "", fmt.Errorf("%w: expected a serial number in letters and digits, got %s", device.ErrNonsense, device.ShowBytes(p))
		}
	}
	if s == "" {
		return "", fmt.Errorf("%w: the serial number is empty", device.ErrNonsense)
	}
	return s, nil
}

// parseVersion reads the answer to reqVersion, two bytes of decimal digits.
func parseVersion(p []byte) (string, error) {
	if len(p) != 2 {
		return "", wrongLength("the version", p, 2)
	}
	return fmt.Sprintf("%x.%02x", p[1], p[0]), nil
}

// parseParams reads the answer to reqParams.
func parseParams(p []byte) (params, error) {
	if len(p) != paramBytes {
		return params{}, wrongLength("the settings of a counter", p, paramBytes)
	}
	return params{p[0], p[1], p[2], p[3], p[4]}, nil
}

// parseCounter reads the answer to reqCounter.
func parseCounter(p []byte) (uint64, error) {
	if len(p) != counterBytes {
		return 0, wrongLength("a counter", p, counterBytes)
	}
	return binary.LittleEndian.Uint64(p), nil
}

// scanList is what a scan reads: all banks of each counter. The counter is in bits
// 0 to 2, the bank in bits 3 and 4. Bit 6, which one published program sets, fills
// with zeros by its description.
func scanList(counters []int) (list [listBytes]byte, last uint16) {
	n := 0
	for _, c := range counters {
		for bank := range banks {
			list[n] = byte(c | bank<<3)
			n++
		}
	}
	return list, uint16(n - 1)
}

// scanStart begins a scan without end, of one scan every gate and so many scans in
// a packet.
func scanStart(gate time.Duration, samples int) []byte {
	p := make([]byte, 14)
	binary.LittleEndian.PutUint32(p[8:], pacer(gate))
	p[12], p[13] = byte(samples-1), keepCounts
	return p
}

// pacer is the divisor of the device's clock for a gate.
func pacer(gate time.Duration) uint32 {
	return uint32(math.Round(float64(gate)*clockMHz/1e3)) - 1
}

// appendScan appends the totals of one scan.
func appendScan(values []uint64, p []byte) []uint64 {
	for ; len(p) >= counterBytes; p = p[counterBytes:] {
		values = append(values, binary.LittleEndian.Uint64(p))
	}
	return values
}
