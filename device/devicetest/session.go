package devicetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"photongate/device"
)

// Truth is what a played instrument really sent: one row of values per complete
// reading, in the order of the driver's channels.
type Truth struct {
	mu   sync.Mutex
	rows [][]uint64
	at   []int64 // when each was noted
}

// Add notes a reading that is being sent.
func (t *Truth) Add(values ...uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows = append(t.rows, slices.Clone(values))
	t.at = append(t.at, Clock())
}

// Len returns the number of readings noted.
func (t *Truth) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.rows)
}

// session is one use of a driver, from Open to Close.
type session struct {
	subject Subject
	wrap    func(device.Port) device.Port           // what stands between driver and instrument
	wrapUSB func(device.USBDevice) device.USBDevice // the same, for a driver on USB
	before  []byte                                  // bytes in the port, or in each IN endpoint, before the instrument's own
	pause   time.Duration                           // the host stalls for this long once, half-way
	length  time.Duration                           // how long it reads
	unplug  bool                                    // the instrument is unplugged at the end, instead of closed
}

// tailReadings is how many readings may still be held back when a session ends.
const tailReadings = 6

// record is what came of a session.
type record struct {
	desc     device.Description
	openErr  error
	readErr  error
	rows     [][]uint64
	begin    []int64
	length   []int64
	flags    []device.ReadingFlags
	suspect  []bool // a value of the row carries a flag
	notes    []device.Note
	truth    [][]uint64
	counted  []int64 // when the instrument counted each row of truth
	sent     []byte  // what the host wrote
	bytes    []byte  // what the host read
	received int     // how many bytes that are
	slowest  time.Duration
	opened   int               // bytes the host had read when Open returned
	asked    int               // bytes the host had written by then
	talk     []device.Exchange // both, with their times since began, on a port
	began    int64
	ended    int64   // when the last Read returned
	calls    int     // transfers of a USB device that were well
	tags     tagRows // of a source of tags, in place of rows
}

// run plays a session on fake time.
func (s session) run(t *testing.T) *record {
	t.Helper()
	r := &record{}
	synctest.Test(t, func(t *testing.T) {
		truth := &Truth{}
		r.began = Clock()
		b := s.plug(truth, r)
		s.read(t.Context(), b, r)
		b.end()
		r.truth, r.counted = truth.rows, truth.at
	})
	return r
}

// read opens, reads and closes.
func (s session) read(ctx context.Context, p *plugged, r *record) {
	src, err := s.subject.Driver.Open(ctx, p.request)
	r.opened, r.asked = r.received, len(r.sent)
	if err != nil {
		r.openErr = err
		_ = p.close()
		return
	}
	r.desc = src.Describe()
	b := device.NewBatch(len(r.desc.Channels))
	paused, unplugged := s.pause == 0, false
	for begin := time.Now(); r.readErr == nil; {
		elapsed := time.Since(begin)
		if !paused && elapsed > s.length/2 {
			paused = true
			time.Sleep(s.pause) // a host that does not read for a while
		}
		if elapsed >= s.length+s.pause {
			if !s.unplug || unplugged && elapsed >= s.length+s.pause+10*time.Second {
				break
			}
			p.unplug()
			unplugged = true
		}
		b.Reset()
		before := time.Now()
		r.readErr = src.Read(b)
		r.slowest = max(r.slowest, time.Since(before))
		r.collect(b)
		r.ended = Clock()
	}
	if err := src.Close(); err != nil {
		r.readErr = errors.Join(r.readErr, fmt.Errorf("close: %w", err))
	}
}

// collect copies a batch.
func (r *record) collect(b *device.Batch) {
	for _, n := range b.Notes {
		n.Row += len(r.rows) + len(r.tags.tick)
		r.notes = append(r.notes, n)
	}
	if r.desc.Tick.Num > 0 {
		r.tags.collect(b)
		return
	}
	for row := range b.Len() {
		values := make([]uint64, len(b.Values))
		suspect := false
		for c := range b.Values {
			values[c] = b.Values[c][row]
			suspect = suspect || b.ValueFlags[c][row] != 0
		}
		r.rows = append(r.rows, values)
		r.suspect = append(r.suspect, suspect)
	}
	r.begin = append(r.begin, b.Begin...)
	r.length = append(r.length, b.Length...)
	r.flags = append(r.flags, b.Flags...)
}

// gaps returns the gaps before a row; row -1 means all.
func (r *record) gaps(row int) []device.Gap {
	var list []device.Gap
	for _, n := range r.notes {
		if n.Gap != nil && (row < 0 || n.Row == row) {
			list = append(list, *n.Gap)
		}
	}
	return list
}

// clean reports whether a row is presented as good.
func (r *record) clean(row int) bool { return r.flags[row] == 0 && !r.suspect[row] }

// base reports whether a row is the first one of running totals, which is there for
// the next to be compared with.
func (r *record) base(row int) bool {
	return r.totals() && row == 0 && r.flags[0] == device.First && !r.suspect[0]
}

// totals reports whether the values are running totals: an answer that was lost
// costs nothing then, the next has its counts.
func (r *record) totals() bool {
	return slices.ContainsFunc(r.desc.Channels, func(c device.Channel) bool { return c.Kind == device.Total })
}

// columns checks the shape of what was read: intervals of positive length, which
// touch unless there are pauses, and notes in order.
func (r *record) columns(pauses bool) error {
	if len(r.begin) != len(r.rows) || len(r.length) != len(r.rows) || len(r.flags) != len(r.rows) {
		return fmt.Errorf("columns of %d, %d and %d rows beside %d", len(r.begin), len(r.length), len(r.flags), len(r.rows))
	}
	for row := range r.rows {
		if r.length[row] <= 0 && r.flags[row]&device.First == 0 {
			return fmt.Errorf("row %d has length %d", row, r.length[row])
		}
		if row == 0 {
			continue
		}
		want := r.begin[row-1] + r.length[row-1]
		for _, g := range r.gaps(row) {
			if g.Begin != want {
				return fmt.Errorf("gap before row %d begins %d ns after the reading before it", row, g.Begin-want)
			}
			want += g.Duration
		}
		if r.begin[row] != want && (!pauses || r.begin[row] < want || len(r.gaps(row)) > 0) {
			return fmt.Errorf("row %d begins %d ns after what is before it ends", row, r.begin[row]-want)
		}
	}
	for k := 1; k < len(r.notes); k++ {
		if r.notes[k].Row < r.notes[k-1].Row {
			return fmt.Errorf("note %d is for row %d, the one before it for row %d", k, r.notes[k].Row, r.notes[k-1].Row)
		}
	}
	return nil
}

// compare holds the readings against the truth. It returns how many wrong
// values came as good ones, and an error for anything missing, doubled or out of
// order that no gap tells.
func (s Subject) compare(r *record) (wrong int, err error) { return r.compare(s.Exact, s.Pauses) }

// compare is Subject.compare. Exact says that gaps count the readings missing,
// pauses that the intervals need not touch.
func (r *record) compare(exact, pauses bool) (wrong int, err error) {
	if err := r.columns(pauses); err != nil {
		return 0, err
	}
	if len(r.rows) == 0 {
		return 0, nil
	}
	t, err := r.align(exact)
	if err != nil {
		return 0, err
	}
	for row, values := range r.rows {
		if g := r.gaps(row); len(g) > 0 && row > 0 {
			t = r.afterGap(t, row, g, exact)
		}
		switch {
		case t < len(r.truth) && t >= 0 && slices.Equal(values, r.truth[t]):
		case !r.clean(row):
		case r.totals() && r.truthFrom(t, values) > t:
			t = r.truthFrom(t, values)
		case slices.ContainsFunc(r.truth, func(v []uint64) bool { return slices.Equal(v, values) }):
			return wrong, fmt.Errorf("row %d %v should be %v: lost or doubled in silence", row, values, r.at(t))
		default:
			wrong++
		}
		t++
	}
	if t > len(r.truth) {
		return wrong, fmt.Errorf("%d readings and missing ones, %d were sent", t, len(r.truth))
	}
	if r.readErr == nil && len(r.truth)-t > tailReadings {
		return wrong, fmt.Errorf("nothing comes after reading %d of %d", t, len(r.truth))
	}
	return wrong, nil
}

// truthFrom finds values in the truth from t on; -1: nowhere.
func (r *record) truthFrom(t int, values []uint64) int {
	for k := max(t, 0); k < len(r.truth); k++ {
		if slices.Equal(r.truth[k], values) {
			return k
		}
	}
	return -1
}

func (r *record) at(t int) []uint64 {
	if t < 0 || t >= len(r.truth) {
		return nil
	}
	return r.truth[t]
}

// align finds which reading of the truth the first row is, from the first row
// that is right.
func (r *record) align(exact bool) (int, error) {
	back := 0
	for row, values := range r.rows {
		if row > 0 {
			for _, g := range r.gaps(row) {
				if !exact {
					return 0, nil
				}
				back += int(g.Missing)
			}
		}
		t := slices.IndexFunc(r.truth, func(v []uint64) bool { return slices.Equal(v, values) })
		if t >= 0 {
			return t - back, nil
		}
		back++
	}
	return 0, errors.New("no row is what was sent")
}

// afterGap returns which reading follows a gap.
func (r *record) afterGap(t, row int, gaps []device.Gap, exact bool) int {
	if exact {
		for _, g := range gaps {
			t += int(g.Missing)
		}
		return t
	}
	for j := 0; j < 4 && row+j < len(r.rows); j++ { // the first ones may be wrong themselves
		for k := max(t, 0) + j; k < len(r.truth); k++ {
			if slices.Equal(r.truth[k], r.rows[row+j]) {
				return k - j
			}
		}
	}
	return t
}
