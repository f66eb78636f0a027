package tdc1

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"photongate/device"
)

// begin starts the stream, as the maker's programs do, and stopStream ends it.
const (
	begin      = "inpkt;time 0;timestamp;counts?"
	stopStream = "abort"
)

const (
	huntTime   = 1200 * time.Millisecond // for markers; they are 134 ms apart
	huntMost   = 3 * time.Second         // for the first record
	huntSure   = 3                       // markers that agree
	huntEnough = 2                       // after huntTime
	huntKinds  = 256                     // different ones that are remembered
	huntBlock  = 256 * recordBytes       // so many bytes show how their times run
)

// start starts the stream where time tags are wanted, and listens until it is clear
// how markers look and where records begin.
func (o *opening) start() error {
	if !o.wantsTags() {
		return nil
	}
	if err := o.send(begin); err != nil {
		return err
	}
	var h hunt
	buf := make([]byte, streamBuffer)
	for begun := o.clock(); ; {
		end := begun + int64(huntTime)
		if h.n == 0 {
			end = begun + int64(huntMost)
		}
		if err := o.ctx.Err(); err != nil {
			return errors.Join(err, o.send(stopStream))
		}
		left := time.Duration(end - o.clock())
		if left <= 0 || h.best(huntSure) {
			break
		}
		n, _, err := o.port.Read(buf, left)
		if err != nil && !errors.Is(err, device.ErrTimeout) {
			return err
		}
		h.take(buf[:n])
	}
	if h.n == 0 {
		return &device.Error{Op: "start the stream", Port: o.port.Name(), Err: fmt.Errorf("%w: not even a marker came within %v", device.ErrTimeout, huntMost),
			Hint: "try again; if it stays so switch the unit off and on"}
	}
	h.best(huntEnough)
	o.stream = newStreaming(o.port, o.clock, h.marks, h.part())
	return nil
}

// lackOfClock is the event that tells of an external reference clock that the unit is
// set to and says not to have; nil for none. While it streams it cannot be asked.
func (o *opening) lackOfClock() *device.Event {
	word, named := o.want["refclk"].(string)
	if o.refclk != "" {
		word, named = o.refclk, true
	}
	if !named || word != "external" || !strings.HasPrefix(o.eclock, "0") {
		return nil
	}
	return &device.Event{Time: o.clock(), What: "no external clock", Text: fmt.Sprintf("the unit is set to its external reference clock, and answers %q when asked for it", o.eclock)}
}

// String says what is known of markers, for people.
func (m marks) String() string {
	if !m.known {
		return "its markers do not agree, so that words cut in the wrong place show less surely"
	}
	return fmt.Sprintf("its markers come at times %d and %d of a period", m.phase, m.phase+period/2)
}

// hunt looks for markers at the beginning of a stream, and for where records begin.
type hunt struct {
	marks
	n     int    // bytes so far
	last  uint32 // the four last of them
	shift int    // position, modulo a record, of the byte behind a record
	cuts  [recordBytes]cutting

	latest  int  // cut whose times ran least in the last huntBlock bytes
	slowest int  // which did so twice in a row
	bright  bool // there is one
}

// cutting is what words are like that are cut at one of the places that there are. At
// high rates those that are cut wrong rise, too, for a millisecond, and seem to have
// markers that agree; but their times run much faster, or to and fro.
type cutting struct {
	time  uint32 // of the last
	run   int64  // ticks, to and fro
	votes map[uint32]int
}

func (c *cutting) take(w uint32, counted bool) {
	step := int64((w>>5 - c.time) & timeMask)
	if step > period/2 {
		step = period - step
	}
	c.time = w >> 5
	if c.run += step; w&kindMask == 0 {
		c.run += period
	}
	if w&markerBit == 0 || !counted {
		return
	}
	if c.votes == nil {
		c.votes = map[uint32]int{}
	}
	if phase := w >> 5 & (period/2 - 1); len(c.votes) < huntKinds || c.votes[phase] > 0 {
		c.votes[phase]++
	}
}

func (h *hunt) take(p []byte) {
	for _, b := range p {
		h.last = h.last>>8 | uint32(b)<<24
		if h.n++; h.n < recordBytes {
			continue
		}
		cut := h.n % recordBytes
		h.cuts[cut].take(h.last, !h.bright || cut == h.slowest)
		if h.n%huntBlock == 0 {
			h.compare()
		}
	}
}

// compare finds the cut whose times ran least; twice in a row it is the right one.
func (h *hunt) compare() {
	was := h.latest
	h.latest = 0
	for cut := range h.cuts {
		if h.cuts[cut].run < h.cuts[h.latest].run {
			h.latest = cut
		}
	}
	if h.n > huntBlock && h.latest == was {
		h.slowest, h.bright = was, true
	}
	for cut := range h.cuts {
		h.cuts[cut].run = 0
		if h.bright && cut != h.slowest {
			h.cuts[cut].votes = nil
		}
	}
}

// best settles for the markers of which most agree, and reports whether they are
// enough. Where no cut has more of them than another, records begin with the stream; in
// bright light, where their times run least.
func (h *hunt) best(enough int) bool {
	most := enough - 1
	h.marks, h.shift = marks{}, 0
	if h.bright {
		h.shift = h.slowest
	}
	for shift, c := range h.cuts {
		for phase, n := range c.votes {
			if n > most && (!h.bright || shift == h.slowest) {
				most = n
				h.marks, h.shift = marks{true, phase}, shift
			}
		}
	}
	return h.known
}

// part is what came of a record that is not whole.
func (h *hunt) part() []byte {
	var list []byte
	for k := (h.n - h.shift + recordBytes) % recordBytes; k > 0; k-- {
		list = append(list, byte(h.last>>(8*(recordBytes-k))))
	}
	return list
}
