package gmc

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	gate = time.Second

	beatOn    = "<HEARTBEAT1>>"
	beatOff   = "<HEARTBEAT0>>"
	getVer    = "<GETVER>>"
	getSerial = "<GETSERIAL>>"
	getVolt   = "<GETVOLT>>"

	mask14     = 0x3FFF
	maxCPS     = 0xFFFF // no tube counts more in a second: their dead time is some 100 us
	serialSize = 7
)

// spec is one of the two protocols.
type spec int

// The protocols, in the order of their documents.
const (
	unknownSpec spec = iota
	rfc1201
	rfc1801
)

// String returns the protocol's name in the option of that name.
func (p spec) String() string { return [...]string{"unknown", "rfc1201", "rfc1801"}[p] }

// size is how many bytes a heartbeat has.
func (p spec) size() int {
	if p == rfc1801 {
		return 4
	}
	return 2
}

// width is how many bits of it count.
func (p spec) width() int {
	if p == rfc1801 {
		return 32
	}
	return 14
}

// count reads one heartbeat, of size bytes.
func (p spec) count(b []byte) uint64 {
	if p == rfc1801 {
		return uint64(binary.BigEndian.Uint32(b))
	}
	return uint64(binary.BigEndian.Uint16(b) & mask14)
}

// records reports whether a burst of n bytes can be whole heartbeats that are due at
// most, and how many. It is the one judgement of bursts: cutting and reading use it.
func (p spec) records(n, due int) (records int, ok bool) {
	records = n / p.size()
	return records, n > 0 && n%p.size() == 0 && records <= due
}

// wrong says what is wrong with a burst, for people.
func (p spec) wrong(n, due int) string {
	if n%p.size() == 0 {
		return fmt.Sprintf("%d bytes at once, %d heartbeats where at most %d can be", n, n/p.size(), due)
	}
	return fmt.Sprintf("%d bytes at once, expected %d to a heartbeat", n, p.size())
}

// version is the answer to GETVER.
type version struct {
	model    string // "GMC-500+"
	firmware string // "2.22"
}

var versionPattern = regexp.MustCompile(`^(GMC-[0-9A-Z+]{1,8}?) ?Re\.? ?(\d{1,2}\.\d{1,3})$`)

// parseVersion reads the answer to GETVER.
func parseVersion(b []byte) (v version, ok bool) {
	m := versionPattern.FindStringSubmatch(strings.TrimRight(string(b), "\x00 "))
	if m == nil {
		return version{}, false
	}
	return version{m[1], m[2]}, true
}

// models are the beginnings of the names that each protocol's units have.
var models = map[spec][]string{
	rfc1201: {"GMC-280", "GMC-300", "GMC-320", "GMC-SE"},
	rfc1801: {"GMC-500", "GMC-600", "GMC-800"},
}

// protocol returns the protocol of a model, unknownSpec where nothing is known.
func (v version) protocol() spec {
	for _, p := range []spec{rfc1201, rfc1801} {
		if slices.ContainsFunc(models[p], func(m string) bool { return strings.HasPrefix(v.model, m) }) {
			return p
		}
	}
	return unknownSpec
}

// parseSerial reads the answer to GETSERIAL as pygmc shows it: 14 hexadecimal digits.
func parseSerial(b []byte) (string, bool) { return fmt.Sprintf("%x", b), len(b) == serialSize }

var voltPattern = regexp.MustCompile(`^(\d\.\d{1,2})[vV]?$`)

// parseVolt reads the answer to GETVOLT in volts.
func (p spec) parseVolt(b []byte) (string, bool) {
	if p == rfc1801 {
		m := voltPattern.FindSubmatch([]byte(strings.TrimRight(string(b), "\x00 ")))
		if len(b) != 5 || m == nil {
			return "", false
		}
		return string(m[1]), true
	}
	if len(b) != 1 {
		return "", false
	}
	return strconv.FormatFloat(float64(b[0])/10, 'f', 1, 64), true
}
