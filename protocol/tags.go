package protocol

import "fmt"

// MaxTagsFrame is how many tags one frame has at most.
const MaxTagsFrame = 1 << 16

// maxTagChannels is how many channels a stream of tags has at most: their
// numbers are bytes.
const maxTagChannels = 256

const tagsSchema = 1

// Bits of the byte that says what a tags payload has.
const (
	tagsSorted = 1 << iota
	tagsLosses

	knownTagsBits = 1<<iota - 1
)

// Tags are the time tags of one frame, as columns: len(Ticks) == len(Channels),
// in the order in which they were recorded. Ticks count from the begin of the
// epoch's clock; the descriptor tells how long one lasts.
type Tags struct {
	Ticks    []uint64  // when
	Channels []uint8   // of which channel: an index into the descriptor's
	Until    uint64    // tick to which the instrument's clock is known to have come
	Losses   []TagLoss // stretches of which tags may be missing, in order of From
}

// TagLoss is a stretch of ticks of which tags may be missing.
type TagLoss struct {
	From, To uint64 // ticks, To behind the stretch
	Channel  int    // index of the channel that may lack some; -1: all of them
	Missing  uint64 // tags lost; 0 where Known is false
	Known    bool   // whether Missing is known
}

// check refuses what cannot be one frame.
func (t *Tags) check(channels int) error {
	switch {
	case channels < 1 || channels > maxTagChannels:
		return fmt.Errorf("%w: tags of %d channels, expected 1 to %d", ErrLimit, channels, maxTagChannels)
	case len(t.Ticks) != len(t.Channels):
		return fmt.Errorf("%w: %d ticks and %d channels of tags", ErrFormat, len(t.Ticks), len(t.Channels))
	case len(t.Ticks) > MaxTagsFrame:
		return fmt.Errorf("%w: %d tags, a frame has at most %d", ErrLimit, len(t.Ticks), MaxTagsFrame)
	}
	for i, l := range t.Losses {
		switch {
		case l.Channel < -1 || l.Channel >= channels:
			return fmt.Errorf("%w: loss %d is of channel %d, there are %d", ErrFormat, i, l.Channel, channels)
		case l.To < l.From:
			return fmt.Errorf("%w: loss %d ends at tick %d, before it begins at %d", ErrFormat, i, l.To, l.From)
		case i > 0 && l.From < t.Losses[i-1].From:
			return fmt.Errorf("%w: loss %d begins at tick %d, before the loss ahead of it at %d", ErrFormat, i, l.From, t.Losses[i-1].From)
		case !l.Known && l.Missing != 0:
			return fmt.Errorf("%w: loss %d tells %d missing tags, and that their number is not known", ErrFormat, i, l.Missing)
		}
	}
	return nil
}

// FitsTags returns an error, which is ErrFormat, when tags of so many channels
// (those that TagsTotals tells) are not of the descriptor's.
func (d *Descriptor) FitsTags(channels int) error {
	if channels != len(d.Channels) {
		return fmt.Errorf("%w: tags of %d channels, the descriptor of stream %s has %d", ErrFormat, channels, d.Stream, len(d.Channels))
	}
	return nil
}
