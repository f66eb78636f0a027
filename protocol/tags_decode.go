package protocol

import (
	"fmt"
	"slices"
)

// TagsDecoder turns tags frames back into Tags. It keeps scratch memory between
// calls; the zero value is ready. It is for one goroutine.
type TagsDecoder struct {
	words  []uint64 // places and lengths of splits and runs that are being decoded, a stack
	pulses []uint64
	table  groupTable
	spare  []uint8 // as long as the channels
	rising bool    // the ticks surely never decrease
	totals channelTotals
}

// Decode reads the payload of a tags frame into t, whose memory is used again. h
// must be of the frame's own header, the payload's checksum verified. ErrUnknown
// means that the tags are there but that this version cannot decode them;
// ErrFormat and ErrLimit, that no version could. After an error the content of t
// means nothing.
func (d *TagsDecoder) Decode(h Header, payload []byte, t *Tags) error {
	if err := d.decode(h, payload, t); err != nil {
		return fmt.Errorf("tags frame %d of epoch %d, stream %d: %w", h.Seq, h.Epoch, h.Stream, err)
	}
	return nil
}

func (d *TagsDecoder) decode(h Header, payload []byte, t *Tags) error {
	if err := h.Understood(); err != nil {
		return err
	}
	if h.Type != TypeTags {
		return fmt.Errorf("%w: a %v frame, expected tags", ErrFormat, h.Type)
	}
	if h.Count > MaxTagsFrame {
		return fmt.Errorf("%w: %d tags, a frame has at most %d", ErrLimit, h.Count, MaxTagsFrame)
	}
	head, b, err := parseTagsHead(payload)
	if err != nil {
		return err
	}
	if b, err = head.rest(b, t); err != nil {
		return err
	}
	if b, err = d.columns(b, int(h.Count), t); err != nil {
		return err
	}
	if len(b) > 0 {
		return fmt.Errorf("%w: %d bytes behind the last column", ErrFormat, len(b))
	}
	return d.verify(head, t)
}

// tagsHead is what stands at the begin of a tags payload.
type tagsHead struct {
	bits     byte
	channels int
	last     uint64
	totals   []byte // a uvarint for each channel, good ones
	sum      uint64 // of the totals
}

// parseTagsHead reads the schema, the number of channels and the self-check.
func parseTagsHead(payload []byte) (head tagsHead, rest []byte, err error) {
	if len(payload) < 3 {
		return head, nil, fmt.Errorf("%w: payload of %d bytes", ErrFormat, len(payload))
	}
	if payload[0] != tagsSchema {
		return head, nil, fmt.Errorf("%w: schema %d of tags", ErrUnknown, payload[0])
	}
	head.bits = payload[1]
	if head.bits&^knownTagsBits != 0 {
		return head, nil, fmt.Errorf("%w: bits %#02x of tags", ErrUnknown, head.bits)
	}
	number, b, err := parseUvarint(payload[2:], "number of channels")
	switch {
	case err != nil:
		return head, nil, err
	case number == 0:
		return head, nil, fmt.Errorf("%w: no channels", ErrFormat)
	case number > maxTagChannels:
		return head, nil, fmt.Errorf("%w: tags of %d channels, at most %d", ErrLimit, number, maxTagChannels)
	}
	head.channels = int(number)
	if head.last, b, err = parseUvarint(b, "last tick"); err != nil {
		return head, nil, err
	}
	head.totals = b
	for range head.channels {
		var n uint64
		if n, b, err = parseUvarint(b, "total of a channel"); err != nil {
			return head, nil, err
		}
		if head.sum += n; n > MaxTagsFrame || head.sum > MaxTagsFrame {
			return head, nil, fmt.Errorf("%w: totals of the channels exceed %d tags", ErrFormat, MaxTagsFrame)
		}
	}
	head.totals = head.totals[:len(head.totals)-len(b)]
	return head, b, nil
}

// rest reads how far the clock came and the losses.
func (head *tagsHead) rest(b []byte, t *Tags) (rest []byte, err error) {
	t.Losses = t.Losses[:0]
	until, b, err := parseUvarint(b, "clock")
	if err != nil {
		return nil, err
	}
	t.Until = head.last + unzigzag(until)
	if head.bits&tagsLosses == 0 {
		return b, nil
	}
	n, b, err := parseUvarint(b, "number of losses")
	if err != nil {
		return nil, err
	}
	const least = 4 // bytes of a loss
	if n > uint64(len(b)/least) {
		return nil, fmt.Errorf("%w: %d bytes cannot hold %d losses", ErrFormat, len(b), n)
	}
	from := uint64(0)
	for range n {
		var l TagLoss
		if l, b, err = head.loss(b, from); err != nil {
			return nil, err
		}
		from = l.From
		t.Losses = append(t.Losses, l)
	}
	return b, nil
}

// loss reads one loss; from is where the one before it begins.
func (head *tagsHead) loss(b []byte, from uint64) (l TagLoss, rest []byte, err error) {
	var after, length, channel uint64
	if after, b, err = parseUvarint(b, "begin of a loss"); err != nil {
		return l, nil, err
	}
	if length, b, err = parseUvarint(b, "length of a loss"); err != nil {
		return l, nil, err
	}
	if channel, b, err = parseUvarint(b, "channel of a loss"); err != nil {
		return l, nil, err
	}
	l.From = from + after
	if l.To = l.From + length; l.From < from || l.To < l.From {
		return l, nil, fmt.Errorf("%w: a loss ends beyond 2^64 ticks", ErrFormat)
	}
	if channel > uint64(head.channels) {
		return l, nil, fmt.Errorf("%w: a loss of channel %d, there are %d", ErrFormat, channel-1, head.channels)
	}
	l.Channel = int(channel) - 1
	if len(b) == 0 || b[0] > 1 {
		return l, nil, fmt.Errorf("%w: a loss does not say with 0 or 1 whether its number of tags is known", ErrFormat)
	}
	l.Known, b = b[0] == 1, b[1:]
	if l.Known {
		l.Missing, b, err = parseUvarint(b, "missing tags")
	}
	return l, b, err
}

// columns reads the ticks and the channels of n tags.
func (d *TagsDecoder) columns(b []byte, n int, t *Tags) (rest []byte, err error) {
	t.Ticks, t.Channels = resize(t.Ticks, n), resize(t.Channels, n)
	d.rising = false
	if n == 0 {
		return b, nil
	}
	if b, err = d.decodeTicks(b, t.Ticks); err != nil {
		return nil, fmt.Errorf("ticks: %w", err)
	}
	d.spare = resize(d.spare, n)
	d.words = d.words[:0]
	if b, err = d.decodeChannels(b, t.Channels, d.spare, 0); err != nil {
		return nil, fmt.Errorf("channels: %w", err)
	}
	return b, nil
}

// verify compares the tags with the self-check.
func (d *TagsDecoder) verify(head tagsHead, t *Tags) error {
	n := len(t.Ticks)
	last := t.Until
	if n > 0 {
		last = t.Ticks[n-1]
	}
	if last != head.last {
		return fmt.Errorf("%w: the last tick is %d, the self-check says %d", ErrFormat, last, head.last)
	}
	if head.bits&tagsSorted != 0 && !d.rising && !slices.IsSorted(t.Ticks) {
		return fmt.Errorf("%w: the ticks are said to be sorted and are not", ErrFormat)
	}
	d.totals.count(t.Channels)
	b := head.totals
	for c := range head.channels {
		total, rest, err := parseUvarint(b, "total")
		if err != nil {
			return err
		}
		if b = rest; total != uint64(d.totals[c]) {
			return fmt.Errorf("%w: %d tags of channel %d, the self-check says %d", ErrFormat, d.totals[c], c, total)
		}
	}
	if head.sum != uint64(n) {
		return fmt.Errorf("%w: %d tags of channels beyond %d", ErrFormat, uint64(n)-head.sum, head.channels-1)
	}
	return nil
}

// TagsTotals is what the self-check of a tags payload says, without decoding any
// tag: the number of tags of each channel, and the tick of the last one (Until where
// there is none). The payload's checksum must have been verified. Errors are as
// TagsDecoder.Decode gives them.
func TagsTotals(payload []byte) (totals []uint64, last uint64, err error) {
	head, _, err := parseTagsHead(payload)
	if err != nil {
		return nil, 0, fmt.Errorf("tags frame: %w", err)
	}
	totals = make([]uint64, head.channels)
	b := head.totals
	for c := range totals {
		if totals[c], b, err = parseUvarint(b, "total"); err != nil {
			return nil, 0, fmt.Errorf("tags frame: %w", err)
		}
	}
	return totals, head.last, nil
}
