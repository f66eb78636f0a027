package gateway

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"photongate/device"
)

// An instrument that gives tags has nothing to send while it is dark, unless it
// sends records that tell how far its clock came (wraps, markers). Whether it does
// is not known beforehand: it is learned from what comes while no tags do. Where
// nothing came in the dark yet, darkness and an instrument that was switched off look
// the same: it is said to run and to be dark, which raises no alarm and opens nothing
// anew. Where its clock was told in the dark twice, it is expected to go on being told,
// and its silence is that of any other device.
type darkness struct {
	until uint64
	last  int64 // when the clock was told while it was dark last, ns; 0: tags came since
	pause int64 // the longest time between two such moments
}

// told reports whether a batch tells that the instrument's clock runs; now is when
// it was read.
func (d *darkness) told(b *device.Batch, now int64) bool {
	moved := b.Tags.At != 0 && b.Tags.Until > d.until
	if moved {
		d.until = b.Tags.Until
	}
	switch {
	case b.Len() > 0:
		d.last = 0
	case moved:
		if d.last > 0 {
			d.pause = max(d.pause, now-d.last)
		}
		d.last = max(now, 1)
	}
	return moved
}

// darkAfter is how long no tags come until it is said.
const darkAfter = 5 * time.Second

// causeDark is what is said of a device that runs, as far as can be known, and gives
// no tags.
const causeDark = "no tags come: it is dark, or the instrument is off (it sends nothing by which the two differ)"

// mayBeDark reports whether silence may be darkness.
func (s *silence) mayBeDark() bool { return s.tags && !s.fixed }

// dark is the condition of a device of which silence may be darkness, quiet for so
// long; came says that something came of it before.
func (s *silence) dark(quiet time.Duration, came bool) condition {
	switch {
	case !came:
		return condition{state: Opening, cause: causeNoTag}
	case quiet < darkAfter:
		return condition{state: Running}
	}
	return condition{state: Running, cause: causeDark}
}

// checkTags refuses tags whose columns do not agree, or of channels that are not
// there: a mistake in the driver, which must not reach the record.
func checkTags(b *device.Batch, channels int) error {
	t := &b.Tags
	switch {
	case len(t.Tick) != len(t.Channel) || len(b.Begin) > 0 || !notesInOrder(b):
		return fmt.Errorf("%w: the driver's columns do not agree", errDriver)
	case len(t.Tick) > device.MaxTags:
		return fmt.Errorf("%w: %d tags at once, at most %d are allowed", errDriver, len(t.Tick), device.MaxTags)
	case mayExceed(t.Channel, channels) && int(slices.Max(t.Channel)) >= channels:
		return fmt.Errorf("%w: a tag of channel %d, there are %d channels", errDriver, slices.Max(t.Channel), channels)
	}
	for i, l := range t.Losses {
		if l.To < l.From || l.Channel < -1 || l.Channel >= channels || !l.Known && l.Missing != 0 || i > 0 && l.From < t.Losses[i-1].From {
			return fmt.Errorf("%w: a loss of tags that cannot be: %+v", errDriver, l)
		}
	}
	return nil
}

// mayExceed reports whether one of some numbers may be limit or more: by all bits
// that are set somewhere, which is known eight at a time.
func mayExceed(list []uint8, limit int) bool {
	var any uint64
	for ; len(list) >= 8; list = list[8:] {
		any |= binary.LittleEndian.Uint64(list)
	}
	for _, c := range list {
		any |= uint64(c)
	}
	any |= any >> 32
	any |= any >> 16
	any |= any >> 8
	return int(any&0xFF) >= limit
}
