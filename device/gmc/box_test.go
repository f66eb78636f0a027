package gmc

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"photongate/device"
	"photongate/device/devicetest"
)

// box is a unit as the maker's documents have it, for tests.
type box struct {
	version  string
	serial   string
	volt     string
	wide     bool // four bytes
	reserved uint16
	mute     []string
	change   func(n uint64, beat []byte) []byte // what becomes of a heartbeat
	noise    string                             // sent now and then instead of one

	mu       sync.Mutex // held but while it waits
	beats    bool
	commands []string
	n        uint64
	next     time.Time
	port     *devicetest.End
	truth    *devicetest.Truth
	buffer   string
}

// Answers of real units (pygmc tests/data), and the document's own.
func newBox() *box {
	return &box{version: "GMC-320Re 4.26", serial: "\xf4\x88\x00\x7e\x05\x12\x34", volt: "\x62"}
}

func newWideBox() *box {
	return &box{version: "GMC-500+Re 2.22", serial: "00!W!W\xf6", volt: "4.0v\x00", wide: true}
}

// play runs the box until its port ends.
func (x *box) play(end *devicetest.End, truth *devicetest.Truth) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.port, x.truth = end, truth
	x.next = time.Now().Add(400 * time.Millisecond)
	buf := make([]byte, 256)
	for {
		x.mu.Unlock()
		n, err := end.Read(buf, max(0, time.Until(x.next)))
		x.mu.Lock()
		if errors.Is(err, device.ErrClosed) {
			return
		}
		if !time.Now().Before(x.next) {
			x.next = x.next.Add(time.Second)
			x.second()
		}
		x.buffer += string(buf[:n])
		for {
			c, rest, found := strings.Cut(x.buffer, ">>")
			if !found {
				break
			}
			x.buffer = rest
			x.command(c + ">>")
		}
	}
}

// second ends one: no two of them count the same.
func (x *box) second() {
	x.n++
	if !x.beats {
		return
	}
	v := 40*x.n + 3
	if x.wide {
		v = 391*x.n + 3
	}
	if x.noise != "" {
		x.port.Write([]byte(x.noise))
		return
	}
	beat := binary.BigEndian.AppendUint16(nil, uint16(v)|x.reserved)
	if x.wide {
		beat = binary.BigEndian.AppendUint32(nil, uint32(v))
	}
	x.truth.Add(v)
	if x.change != nil {
		beat = x.change(x.n, beat)
	}
	x.port.Write(beat)
}

func (x *box) command(c string) {
	if i := strings.IndexByte(c, '<'); i > 0 {
		c = c[i:]
	}
	x.commands = append(x.commands, c)
	if slices.Contains(x.mute, c) {
		return
	}
	switch c {
	case "<GETVER>>":
		x.port.Write([]byte(x.version))
	case "<GETSERIAL>>":
		x.port.Write([]byte(x.serial))
	case "<GETVOLT>>":
		x.port.Write([]byte(x.volt))
	case "<HEARTBEAT0>>":
		x.beats = false
	case "<HEARTBEAT1>>":
		x.beats = true
	}
}
