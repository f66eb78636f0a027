package devicetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"photongate/device"
)

// tagRows is what a session read of a source of tags.
type tagRows struct {
	tick    []uint64
	channel []uint8
	losses  []device.Loss
	reads   []tagRead
	truth   []sentTag
}

// tagRead is what one Read said of the instrument's clock; rows is how many tags
// there were after it.
type tagRead struct {
	rows      int
	until     uint64
	at, now   int64
	channels  int
	malformed string // what is wrong with its columns, empty for nothing
}

// tagRecord is a record of tags.
type tagRecord struct{ *record }

func isGone(err error) bool { return errors.Is(err, device.ErrGone) }

// collect copies the tags of a batch, and looks at their columns.
func (r *tagRows) collect(b *device.Batch) {
	g := &b.Tags
	read := tagRead{until: g.Until, at: g.At, now: Clock(), channels: len(b.Values)}
	switch {
	case len(g.Tick) != len(g.Channel):
		read.malformed = fmt.Sprintf("%d ticks and %d channels", len(g.Tick), len(g.Channel))
	case len(g.Tick) > device.MaxTags:
		read.malformed = fmt.Sprintf("%d tags, at most %d are allowed", len(g.Tick), device.MaxTags)
	case len(b.Begin) > 0:
		read.malformed = "readings beside tags"
	}
	r.tick = append(r.tick, g.Tick...)
	r.channel = append(r.channel, g.Channel...)
	r.losses = append(r.losses, g.Losses...)
	read.rows = len(r.tick)
	r.reads = append(r.reads, read)
}

// shape checks the columns of what was read, losses and the order of notes.
func (r *tagRecord) shape() error {
	channels := len(r.desc.Channels)
	for _, read := range r.tags.reads {
		if read.malformed != "" {
			return errors.New(read.malformed)
		}
	}
	for row, c := range r.tags.channel {
		if int(c) >= channels {
			return fmt.Errorf("tag %d is of channel %d of %d", row, c, channels)
		}
		if r.tags.tick[row]>>63 != 0 {
			return fmt.Errorf("tag %d is at tick %d", row, r.tags.tick[row])
		}
	}
	for k, l := range r.tags.losses {
		if l.From > l.To || l.Channel < -1 || l.Channel >= channels || !l.Known && l.Missing != 0 || k > 0 && l.From < r.tags.losses[k-1].From {
			return fmt.Errorf("loss %d is %+v", k, l)
		}
	}
	for k := 1; k < len(r.notes); k++ {
		if r.notes[k].Row < r.notes[k-1].Row {
			return fmt.Errorf("note %d is for row %d, the one before it for row %d", k, r.notes[k].Row, r.notes[k-1].Row)
		}
	}
	return nil
}

// offset finds by how much the truth's clock is ahead of the source's: by what most
// tags agree upon. It reports false when none was sent.
func (r *tagRecord) offset() (offset uint64, ok bool) {
	votes, best := map[uint64]int{}, 0
	for row, tick := range r.tags.tick {
		if row > 200 {
			break
		}
		for _, s := range r.tags.truth {
			if s.channel != r.tags.channel[row] {
				continue
			}
			d := s.tick - tick
			if votes[d]++; votes[d] > best {
				offset, best = d, votes[d]
			}
		}
	}
	return offset, best > 0
}

// compare holds the tags against the truth. It returns how many wrong tags came as
// good ones, and an error for anything missing, doubled or out of order that no
// loss and no gap tells.
func (r *tagRecord) compare() (wrong int, err error) {
	if err := r.shape(); err != nil {
		return 0, err
	}
	if len(r.tags.tick) == 0 {
		return 0, nil
	}
	offset, ok := r.offset()
	if !ok {
		return len(r.tags.tick), errors.New("no tag is what was sent")
	}
	place := map[sentTag]int{}
	for i, s := range r.tags.truth {
		place[sentTag{tick: s.tick, channel: s.channel}] = i
	}
	last, lastRow := -1, -1 // in the truth, and in what was read
	for row, tick := range r.tags.tick {
		i, sent := place[sentTag{tick: tick + offset, channel: r.tags.channel[row]}]
		switch {
		case !sent:
			wrong++
			continue
		case last >= 0 && i == last:
			return wrong, fmt.Errorf("tag %d comes twice", row)
		case i < last:
			return wrong, fmt.Errorf("tag %d was sent before tag %d", row, lastRow)
		}
		if last >= 0 {
			if err := r.excused(last+1, i, lastRow, row, offset); err != nil {
				return wrong, err
			}
		}
		last, lastRow = i, row
	}
	if r.readErr != nil {
		return wrong, nil
	}
	end := len(r.tags.truth)
	for end > last+1 && r.tags.truth[end-1].at > r.ended-int64(tailTime) {
		end--
	}
	return wrong, r.excused(last+1, end, lastRow, len(r.tags.tick), offset)
}

// tailTime is how old a tag may be that has not been read when a session ends.
const tailTime = 4 * device.MaxWait

// excused returns an error when one of the tags from..to of the truth, which are
// missing between two rows, is missing in silence. Where there is a wrong one
// between, that is what became of them.
func (r *tagRecord) excused(from, to, before, row int, offset uint64) error {
	if row > before+1 || slices.ContainsFunc(r.notes, func(n device.Note) bool { return n.Gap != nil && n.Row > before && n.Row <= row }) {
		return nil
	}
	for i := from; i < to; i++ {
		s := r.tags.truth[i]
		in := func(l device.Loss) bool {
			return l.From+offset <= s.tick && s.tick < l.To+offset && (l.Channel < 0 || l.Channel == int(s.channel))
		}
		if !slices.ContainsFunc(r.tags.losses, in) {
			return fmt.Errorf("the tag of channel %d at tick %d, sent between those of rows %d and %d, is missing, and no loss and no gap says so", s.channel, s.tick-offset, before, row)
		}
	}
	return nil
}

// clockHolds checks what a source says of its clock: it never goes back, no tag is
// of a time before what was said, and nothing arrives before it was sent.
func (r *tagRecord) clockHolds(disorder uint64) error {
	sent := map[uint64]int64{}
	offset, _ := r.offset()
	for _, s := range r.tags.truth {
		sent[s.tick-offset] = s.at
	}
	var until uint64
	row, told := 0, false
	for _, read := range r.tags.reads {
		for ; row < read.rows; row++ {
			switch tick := r.tags.tick[row]; {
			case tick+disorder < until:
				return fmt.Errorf("tag %d is at tick %d, and the clock was said to have come to %d", row, tick, until)
			case read.at == 0:
				return fmt.Errorf("tags came, and nothing is said of the clock (At is 0)")
			case tick > read.until+disorder:
				return fmt.Errorf("tag %d is at tick %d, and the clock has only come to %d", row, tick, read.until)
			}
		}
		if read.at == 0 {
			continue
		}
		if read.until < until {
			return fmt.Errorf("the clock goes back from %d to %d", until, read.until)
		}
		if at, ok := sent[read.until]; ok && read.at < at || read.at > read.now {
			return fmt.Errorf("tick %d arrived %v before it was sent", read.until, time.Duration(at-read.at))
		}
		until, told = read.until, true
	}
	if !told {
		return errors.New("nothing is ever said of the clock (Until and At)")
	}
	return nil
}

// judge says what came of a number of faults.
func (s TagSubject) judge(r *tagRecord, faults int) (string, error) {
	if r.openErr != nil {
		if _, ok := errors.AsType[*device.Error](r.openErr); !ok {
			return refused, fmt.Errorf("open: %w is no device.Error", r.openErr)
		}
		return refused, nil
	}
	_, told := errors.AsType[*device.Error](r.readErr)
	if r.readErr != nil && !isGone(r.readErr) && !errors.Is(r.readErr, device.ErrChanged) && (s.PlayUSB == nil || !told) {
		return refused, fmt.Errorf("read: %w", r.readErr)
	}
	wrong, err := r.compare()
	if most := faults * max(1, s.Astray); wrong > most {
		return unseen, fmt.Errorf("%d wrong tags for %d faults, at most %d can be wrong", wrong, faults, most)
	}
	switch {
	case err != nil:
		return "", err
	case wrong > 0:
		return unseen, nil
	case r.readErr != nil:
		return refused, nil
	case len(r.gaps(-1)) > 0 || len(r.tags.losses) > 0 || r.anyEvent():
		return noticed, nil
	default:
		return harmless, nil
	}
}
