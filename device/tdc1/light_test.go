package tdc1

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"photongate/device/devicetest"
)

// light is what a box sends in timestamp mode: events at random times on its four
// inputs, and markers just after each half of a period. It is sent as it happens.
type light struct {
	every  time.Duration                  // mean time between two events; 0: none
	dark   func(since time.Duration) bool // no events, at a time since the unit was switched on
	swell  time.Duration                  // records wait in the unit until one is so old; 0: none waits
	mute   func(n int) bool               // markers that are not sent, by their number
	pass   func(since time.Duration) int  // how many bytes come through at a time; nil: all
	truth  func(tick uint64, channel uint8)
	mangle func(b []byte) []byte // what becomes of bytes on their way

	rng     *rand.Rand
	on      int64 // when the unit was switched on
	event   uint64
	marker  uint64
	markers int
	waiting []byte
	oldest  int64
}

const unitOn = 1_000_000_007 // ticks before the stream begins

func (l *light) now() uint64 { return uint64(devicetest.Clock()-l.on) / 2 }

func (l *light) begin() {
	if l.rng == nil {
		l.rng = rand.New(rand.NewPCG(3, 4))
		l.on = devicetest.Clock() - 2*unitOn
	}
	l.event = l.now()
	l.marker = l.now()/(1<<26)*(1<<26) + 3960
	for l.marker <= l.now() {
		l.marker += 1 << 26
	}
	l.later()
}

func (l *light) later() {
	if l.every == 0 {
		l.event = 1 << 62
		return
	}
	l.event += 1 + uint64(l.rng.ExpFloat64()*float64(l.every)/2)
}

// wait is how long until something is to be sent.
func (l *light) wait() time.Duration {
	next := min(l.event, l.marker)
	return max(l.swell, time.Duration(l.on+2*int64(next)-devicetest.Clock())+1)
}

// shine sends what has happened until now.
func (l *light) shine(end *devicetest.End) {
	var out []byte
	for {
		next := min(l.event, l.marker)
		if next > l.now() {
			break
		}
		if l.marker <= l.event {
			l.markers++
			if l.mute == nil || !l.mute(l.markers) {
				out = binary.LittleEndian.AppendUint32(out, uint32(l.marker)<<5|0x11)
			}
			l.marker += 1 << 26
			continue
		}
		if l.dark == nil || !l.dark(time.Duration(l.event)*2) {
			kind := uint32(l.rng.IntN(15) + 1)
			if kind > 8 || l.rng.IntN(4) > 0 {
				kind = 1 << (kind & 3) // coincidences are rare
			}
			for c := range uint8(4) {
				if kind>>c&1 != 0 && l.truth != nil {
					l.truth(l.event, c)
				}
			}
			out = binary.LittleEndian.AppendUint32(out, uint32(l.event)<<5|kind)
		}
		l.later()
	}
	if len(l.waiting) == 0 && len(out) > 0 {
		l.oldest = devicetest.Clock()
	}
	l.waiting = append(l.waiting, out...)
	if len(l.waiting) > 0 && devicetest.Clock()-l.oldest >= int64(l.swell) {
		if l.mangle != nil {
			l.waiting = l.mangle(l.waiting)
		}
		n := len(l.waiting)
		if l.pass != nil {
			n = min(n, l.pass(time.Duration(l.now())*2))
		}
		end.Write(l.waiting[:n])
		l.waiting = l.waiting[n:]
	}
}
