package table

import (
	"math"
	"slices"
	"time"

	"photongate/protocol"
)

const (
	// stepNs is the least change of a base's offset to UTC that is taken for a
	// change: smaller ones come from reading two clocks one after the other.
	stepNs = int64(100 * time.Microsecond)
	// wrongNs is the change that proves an unsynchronised clock to have been
	// wrong before.
	wrongNs = int64(time.Second)
	// driftPPM bounds how far a raw oscillator strays from UTC.
	driftPPM = 200
)

// earliestUTC is a time before which no photongate existed: a clock that says
// less has never been set.
var earliestUTC = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()

// utcBase is the base of times that are UTC: of rows whose begin a view chose.
var utcBase = protocol.ID{0: 0xff, 1: 'u', 2: 't', 3: 'c', 15: 0xff}

// ClockTable knows how the time bases of a gateway relate to UTC and to each
// other, from the clock frames of its stream "gateway". One goroutine uses it.
//
// UTC of a moment t is t plus the offset of the last clock frame at or before
// t; of the first one where all are later. Synchronised frames count alone
// where there are any; else those that were believed, which are all but the
// demonstrably wrong: before 2025, or unsynchronised and followed in the same
// base by a step of more than a second. A base that was never synchronised
// borrows from another one of the same boot that was. So a reading taken before
// the first synchronisation is corrected when it is read after it, also one of a
// process that had ended by then.
type ClockTable struct {
	bases  map[protocol.ID]*baseClock
	epochs map[uint32]protocol.ID // base by epoch of the stream "gateway"
}

// baseClock is one time base: one process of the gateway.
type baseClock struct {
	boot    string
	frames  []clockMark // in order of at
	changes []offsetChange
	fresh   bool // changes follows from frames
}

// clockMark is what one clock frame says.
type clockMark struct {
	at, utc    int64 // ns
	mono, boot int64 // ns; 0: unknown
	sync       string
	errorNs    int64 // as estimated; -1: not known
}

// since returns the time from frame m to frame o of another base of the same
// boot, and whether it is exact: by the clock under the bases, which runs through
// suspend. Else it is that of a raw oscillator. Not ok: nothing ties the two.
func (m clockMark) since(o clockMark) (ns int64, exact, ok bool) {
	switch {
	case m.boot != 0 && o.boot != 0:
		return o.boot - m.boot, true, true
	case m.mono != 0 && o.mono != 0:
		return o.mono - m.mono, false, true
	}
	return 0, false, false
}

// offsetChange says that from a moment of the base on, UTC = base + offset.
type offsetChange struct{ from, offset int64 }

// NewClockTable returns an empty table.
func NewClockTable() *ClockTable {
	return &ClockTable{bases: map[protocol.ID]*baseClock{}, epochs: map[uint32]protocol.ID{}}
}

func (t *ClockTable) base(id protocol.ID) *baseClock {
	b := t.bases[id]
	if b == nil {
		b = &baseClock{}
		t.bases[id] = b
	}
	return b
}

// SetBoot notes which boot of the host a base belongs to.
func (t *ClockTable) SetBoot(id protocol.ID, boot string) {
	if boot != "" {
		t.base(id).boot = boot
	}
}

// setEpoch notes the base of an epoch of the stream "gateway".
func (t *ClockTable) setEpoch(epoch uint32, base protocol.ID) { t.epochs[epoch] = base }

// Add notes a clock frame of kind "host" at the moment at of the base. The
// same frame may come twice.
func (t *ClockTable) Add(id protocol.ID, at int64, c *protocol.Clock) {
	b := t.base(id)
	m := clockMark{at: at, utc: int64(c.UTCNs), mono: int64(c.MonoNs), boot: int64(c.BootNs), sync: c.Sync, errorNs: -1}
	if c.EstErrorNs != nil {
		m.errorNs = int64(*c.EstErrorNs)
	}
	i, found := slices.BinarySearchFunc(b.frames, at, func(m clockMark, at int64) int {
		switch {
		case m.at < at:
			return -1
		case m.at > at:
			return 1
		}
		return 0
	})
	if found {
		return
	}
	b.frames = slices.Insert(b.frames, i, m)
	for _, other := range t.bases {
		other.fresh = false // bases of one boot lend to each other
	}
}

// counting returns the frames of b that are good enough to be used.
func (b *baseClock) counting() []clockMark {
	var synced, believed []clockMark
	low, high := int64(math.MaxInt64), int64(math.MinInt64) // offsets of all later frames
	for _, m := range slices.Backward(b.frames) {
		if m.sync == protocol.SyncSynchronised {
			synced = append(synced, m)
		}
		offset := m.utc - m.at
		steppedLater := low <= high && (high-offset > wrongNs || offset-low > wrongNs)
		if m.utc >= earliestUTC && (m.sync != protocol.SyncUnsynchronised || !steppedLater) {
			believed = append(believed, m)
		}
		low, high = min(low, offset), max(high, offset)
	}
	if len(synced) > 0 {
		believed = synced
	}
	slices.Reverse(believed)
	return believed
}

func distance(a, b int64) int64 { return max(a-b, b-a) }

// offsets returns the changes of b's offset to UTC, none when UTC is unknown.
func (t *ClockTable) offsets(b *baseClock) []offsetChange {
	if b.fresh {
		return b.changes
	}
	b.fresh, b.changes = true, b.changes[:0]
	for _, m := range b.counting() {
		offset := m.utc - m.at
		if n := len(b.changes); n == 0 || distance(offset, b.changes[n-1].offset) > stepNs {
			b.changes = append(b.changes, offsetChange{m.at, offset})
		}
	}
	if lent, ok := t.borrow(b); ok {
		b.changes = append(b.changes[:0], lent)
	}
	return b.changes
}

// borrow finds the offset of b, which was never synchronised itself, through the
// nearest synchronised frame of another base of the same boot.
func (t *ClockTable) borrow(b *baseClock) (offsetChange, bool) {
	if b.boot == "" || len(b.frames) == 0 || slices.ContainsFunc(b.frames, clockMark.synchronised) {
		return offsetChange{}, false
	}
	first := b.frames[0]
	var lender clockMark
	var apart int64
	exactly, found := false, false
	for _, other := range t.bases {
		if other == b || other.boot != b.boot {
			continue
		}
		for _, m := range other.frames {
			ns, exact, ok := first.since(m)
			if ok && m.synchronised() && (!found || nearer(ns, apart)) {
				lender, apart, exactly, found = m, ns, exact, true
			}
		}
	}
	lent := offsetChange{first.at, lender.utc - apart - first.at}
	if n := len(b.changes); found && !exactly && n > 0 && distance(lent.offset, b.changes[n-1].offset) <= wrongNs+drift(apart) {
		return offsetChange{}, false // a raw oscillator does not know better
	}
	return lent, found
}

func (m clockMark) synchronised() bool { return m.sync == protocol.SyncSynchronised }

// nearer reports whether a is the shorter of two times; of equal ones the one
// that is ahead.
func nearer(a, b int64) bool {
	da, db := distance(a, 0), distance(b, 0)
	return da < db || da == db && a > b
}

// drift is how far a raw oscillator may stray from UTC in a time.
func drift(ns int64) int64 { return distance(ns, 0) / 1_000_000 * driftPPM }

// Offset returns UTC - base at the moment at of a base, the range of moments
// [from, to) for which it is the same, and whether UTC is known. A base without
// any clock frame is taken as it is: it was set to UTC as then believed.
func (t *ClockTable) Offset(id protocol.ID, at int64) (offset, from, to int64, known bool) {
	const always, never = -1 << 63, 1<<63 - 1
	if id == utcBase {
		return 0, always, never, true
	}
	b := t.base(id)
	changes := t.offsets(b)
	if len(changes) == 0 {
		return 0, always, never, len(b.frames) == 0 && at >= earliestUTC
	}
	i := len(changes) - 1
	for i > 0 && changes[i].from > at {
		i--
	}
	from, to = always, never
	if i > 0 {
		from = changes[i].from
	}
	if i+1 < len(changes) {
		to = changes[i+1].from
	}
	return changes[i].offset, from, to, true
}

// UTC is a moment of a base in ns since 1970, and whether it is known.
func (t *ClockTable) UTC(id protocol.ID, at int64) (utc int64, known bool) {
	offset, _, _, known := t.Offset(id, at)
	return at + offset, known
}

// GapBegin returns the begin of a gap that is approximate, in the time base of the
// process that wrote it, and whether it is known. Said is the begin that the gap
// tells: UTC as the process before believed it, by a base that was taken to read
// UTC. First is the begin of the reading behind the gap; where the begin is not
// known that is returned.
func (t *ClockTable) GapBegin(id protocol.ID, said, first int64) (begin int64, known bool) {
	b := t.base(id)
	begin, known = said, len(b.frames) == 0
	if changes := t.offsets(b); len(changes) > 0 {
		begin, known = said-changes[0].offset, true
	}
	if !known || said < earliestUTC || said == first || begin >= first {
		return first, false
	}
	return begin, true
}

// Synchronised reports whether the gateway ever said that its clock was.
func (t *ClockTable) Synchronised() bool {
	for _, b := range t.bases {
		if slices.ContainsFunc(b.frames, clockMark.synchronised) {
			return true
		}
	}
	return false
}

// WorstError is the largest error of UTC, in ns, that the gateway estimated
// while it was synchronised; not known when it never was, or did not estimate.
func (t *ClockTable) WorstError() (ns int64, known bool) {
	for _, b := range t.bases {
		for _, m := range b.frames {
			if m.synchronised() && m.errorNs >= 0 {
				ns, known = max(ns, m.errorNs), true
			}
		}
	}
	return ns, known
}

// utcCache is a table that remembers the last offset. One goroutine uses it.
type utcCache struct {
	clocks           *ClockTable
	base             protocol.ID
	offset, from, to int64 // UTC = base + offset within [from, to)
	known            bool
}

// forget asks the table anew: it may have learned.
func (u *utcCache) forget() { u.from, u.to = 0, 0 }

// utc is a moment of a base in UTC, when that is known.
func (u *utcCache) utc(base protocol.ID, at int64) (ns int64, known bool) {
	if at < u.from || at >= u.to || base != u.base {
		u.base = base
		u.offset, u.from, u.to, u.known = u.clocks.Offset(base, at)
	}
	return at + u.offset, u.known
}

// Shift returns what must be added to times of base b to compare them with
// times of base a: by the clock that the bases of one boot share; else by UTC
// where both know it, unless the raw clocks of one boot contradict; 0 when
// nothing ties the two.
func (t *ClockTable) Shift(a, b protocol.ID) int64 {
	if a == b {
		return 0
	}
	switch {
	case a == utcBase:
		offset, _, _, _ := t.Offset(b, 1<<63-1)
		return offset
	case b == utcBase:
		offset, _, _, _ := t.Offset(a, 1<<63-1)
		return -offset
	}
	first, second := t.base(a), t.base(b)
	apart, exact, tied := apartInBoot(first, second)
	if exact {
		return apart
	}
	ca, cb := t.offsets(first), t.offsets(second)
	if len(ca) == 0 || len(cb) == 0 {
		return apart
	}
	byUTC := cb[0].offset - ca[len(ca)-1].offset
	if tied && distance(apart, byUTC) > wrongNs+drift(second.frames[0].mono-first.frames[0].mono) {
		return apart
	}
	return byUTC
}

// apartInBoot ties two bases of one boot by their last and first frame.
func apartInBoot(a, b *baseClock) (ns int64, exact, ok bool) {
	if a.boot == "" || a.boot != b.boot || len(a.frames) == 0 || len(b.frames) == 0 {
		return 0, false, false
	}
	ma, mb := a.frames[len(a.frames)-1], b.frames[0]
	ns, exact, ok = ma.since(mb)
	if !ok {
		return 0, false, false
	}
	return ma.at + ns - mb.at, exact, true
}
