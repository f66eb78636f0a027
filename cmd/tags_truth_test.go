package cmd_test

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"photongate/protocol"
	"photongate/protocol/journal"
)

// truthRecord is how many bytes a tag has in a truth file: the tick of the
// instrument's own clock, little-endian, and the channel.
const truthRecord = 9

// tagsAgreement is what comparing a record of tags with the truth gave.
type tagsAgreement struct {
	Parts   int
	Matched uint64            // tags that are in both
	Missing map[string]uint64 // true tags that the record lacks, by why it says so: "loss", or the cause of a gap or hole
	Before  uint64            // true tags before the first recorded one, and
	After   uint64            // behind the end of the record: nobody was listening
	Losses  int               // stated in the record
	// LossTicks is how long the losses are together, SpanTicks the whole record, from
	// the first tag of each part to its end.
	LossTicks, SpanTicks uint64
}

// missing is the number of true tags that the record says it lacks.
func (a tagsAgreement) missing() (n uint64) {
	for _, k := range a.Missing {
		n += k
	}
	return n
}

// compareTags compares a stream of tags in a journal folder with the truth file
// of a simulated instrument, tag by tag, in memory that does not grow with their
// number. Every tag recorded must be in the truth, once, in order of time (but
// for a disorder of slack ticks); every true tag that is not recorded must lie
// within a loss, a gap or a hole that the record states; and where a loss tells
// how many are missing, so many are. The two clocks differ by an offset, one for
// each part, which is found from its first tags. The error is the first
// disagreement.
func compareTags(folder, stream, truthFile string, slack uint64) (tagsAgreement, error) {
	truth, err := openTagsTruth(truthFile)
	if err != nil {
		return tagsAgreement{}, err
	}
	defer truth.file.Close()
	f, err := journal.OpenFolder(nil, folder)
	if err != nil {
		return tagsAgreement{}, err
	}
	r := f.Reader(stream)
	defer r.Close()
	c := &tagsComparison{truth: truth, slack: slack}
	c.Missing = map[string]uint64{}
	for {
		frames, err := r.Next()
		if errors.Is(err, io.EOF) {
			return c.tagsAgreement, errors.Join(r.Trouble(), c.end())
		}
		for err == nil && len(frames) > 0 {
			var h protocol.Header
			var payload []byte
			if h, payload, frames, err = protocol.ParseFrame(frames); err == nil {
				err = c.frame(h, payload)
			}
		}
		if err != nil {
			return c.tagsAgreement, err
		}
	}
}

// tagsTruth is a truth file, read as it is needed.
type tagsTruth struct {
	file  *os.File
	n     int64 // tags
	block [1 << 13 * truthRecord]byte
	first int64 // tag at the begin of the block
	held  int64 // tags in the block
}

func openTagsTruth(name string) (*tagsTruth, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	return &tagsTruth{file: file, n: info.Size() / truthRecord}, nil // a record that is being written is not there yet
}

// at is the i-th tag.
func (t *tagsTruth) at(i int64) (tick uint64, channel uint8, err error) {
	if i < t.first || i >= t.first+t.held {
		t.first = max(0, i-64) // one looks back a little as well
		n, err := t.file.ReadAt(t.block[:], t.first*truthRecord)
		if t.held = int64(n / truthRecord); i >= t.first+t.held {
			return 0, 0, fmt.Errorf("the truth file ends before tag %d: %w", i, cmp.Or(err, io.ErrUnexpectedEOF))
		}
	}
	b := t.block[(i-t.first)*truthRecord:]
	return binary.LittleEndian.Uint64(b), b[8], nil
}

// tagsComparison is a comparison at work.
type tagsComparison struct {
	tagsAgreement
	truth *tagsTruth
	slack uint64
	codec protocol.TagsDecoder
	tags  protocol.Tags

	epoch    uint32
	next     int64 // the true tag that is to be compared next
	used     uint64
	offset   uint64 // of the part: tick of the truth = tick of the record + offset, modulo 2^64
	aligned  bool
	first    []oneTag // of the part, until it is aligned
	waiting  []oneTag // that may be out of order
	until    uint64   // how far the part is known to have come, in its own ticks
	from     uint64   // its first tick
	between  string   // cause of a gap or hole that the next tag ends
	why      string   // the part is known to follow on a gap of this cause
	losses   []statedLoss
	open     []missingTag // true tags missing of which nothing said why yet
	hadFrame bool         // of the part, with tags or without
}

type oneTag struct {
	tick    uint64
	channel uint8
}

type statedLoss struct {
	protocol.TagLoss
	cause string
	found uint64
}

type missingTag struct {
	oneTag // in ticks of the record
	at     int64
}

// alignTags is how many tags a part is recognised by.
const alignTags = 48

// mostOpen bounds how many missing tags may wait for their loss.
const mostOpen = 1 << 20

func (c *tagsComparison) frame(h protocol.Header, payload []byte) error {
	if h.Epoch != c.epoch {
		if err := c.endPart(); err != nil {
			return err
		}
		c.epoch, c.aligned, c.first, c.between, c.hadFrame = h.Epoch, false, nil, "", false
		c.until, c.losses = 0, c.losses[:0]
		c.Parts++
	}
	switch h.Type {
	case protocol.TypeGap:
		var g protocol.Gap
		if err := protocol.DecodeJSON(payload, &g); err != nil {
			return err
		}
		c.lacks(g.Cause)
	case protocol.TypeHole:
		var hole protocol.Hole
		if err := protocol.DecodeJSON(payload, &hole); err != nil {
			return err
		}
		c.lacks(hole.Cause)
	case protocol.TypeTags:
		return c.take(h, payload)
	}
	return nil
}

// lacks notes a gap or hole between the frames.
func (c *tagsComparison) lacks(cause string) {
	if !c.hadFrame {
		c.why = cause
		return
	}
	c.between = cause
}

func (c *tagsComparison) take(h protocol.Header, payload []byte) error {
	if err := c.codec.Decode(h, payload, &c.tags); err != nil {
		return err
	}
	begin := c.tags.Until
	if len(c.tags.Ticks) > 0 {
		begin = slices.Min(c.tags.Ticks)
	}
	if c.between != "" {
		// Of several tags of one tick at its borders some may be in it.
		c.state(protocol.TagLoss{From: max(c.until, 1) - 1, To: begin + 1, Channel: -1}, c.between)
		c.between = ""
	}
	for _, l := range c.tags.Losses {
		c.Losses++
		c.LossTicks += l.To - l.From
		c.state(l, "loss")
	}
	c.hadFrame = true
	for i, tick := range c.tags.Ticks {
		if err := c.tag(oneTag{tick, c.tags.Channels[i]}); err != nil {
			return fmt.Errorf("part %d, frame %d, tag %d of it: %w", h.Epoch, h.Seq, i, err)
		}
	}
	if c.tags.Until < c.until {
		return fmt.Errorf("part %d, frame %d: the clock goes back from tick %d to %d", h.Epoch, h.Seq, c.until, c.tags.Until)
	}
	c.until = c.tags.Until
	if c.aligned {
		return c.settle(false)
	}
	return nil
}

func (c *tagsComparison) state(l protocol.TagLoss, cause string) {
	c.losses = append(c.losses, statedLoss{TagLoss: l, cause: cause})
}

// tag takes the next tag of the record.
func (c *tagsComparison) tag(t oneTag) error {
	if !c.aligned {
		if c.first = append(c.first, t); len(c.first) < alignTags {
			return nil
		}
		return c.align()
	}
	return c.sorted(t)
}

// sorted puts tags into the order of their times.
func (c *tagsComparison) sorted(t oneTag) error {
	if n := len(c.waiting); c.slack == 0 {
		return c.match(t)
	} else if n > 0 && t.tick+c.slack < c.waiting[0].tick {
		return fmt.Errorf("tick %d comes more than %d behind its time", t.tick, c.slack)
	}
	at, _ := slices.BinarySearchFunc(c.waiting, t, func(a, b oneTag) int {
		return cmp.Or(cmp.Compare(a.tick, b.tick), -1) // behind its equals
	})
	c.waiting = slices.Insert(c.waiting, at, t)
	newest := c.waiting[len(c.waiting)-1].tick
	n := 0
	for ; c.waiting[n].tick+c.slack < newest; n++ {
		if err := c.match(c.waiting[n]); err != nil {
			return err
		}
	}
	c.waiting = append(c.waiting[:0], c.waiting[n:]...)
	return nil
}

// align finds the part's first tags in the truth, and takes them.
func (c *tagsComparison) align() error {
	sorted := slices.SortedFunc(slices.Values(c.first), func(a, b oneTag) int {
		return cmp.Or(cmp.Compare(a.tick, b.tick), cmp.Compare(a.channel, b.channel))
	})
	for i := c.next; i < c.truth.n; i++ {
		tick, _, err := c.truth.at(i)
		if err != nil {
			return err
		}
		offset := tick - sorted[0].tick
		if !c.fits(sorted, i, offset) {
			continue
		}
		if err := c.skipTo(i); err != nil {
			return err
		}
		c.next, c.used, c.offset, c.aligned = i, 0, offset, true
		first := c.first
		c.from, c.first = tick-offset, nil
		for _, t := range first {
			if err := c.sorted(t); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("the first %d tags of part %d are nowhere in the truth behind its tag %d: %v", len(c.first), c.epoch, c.next, c.first[:min(3, len(c.first))])
}

// fits reports whether the first tags of the part, sorted, lie in the truth from i on:
// all of them, and no other but within losses.
func (c *tagsComparison) fits(sorted []oneTag, i int64, offset uint64) bool {
	var room [16]oneTag
	group := room[:0] // true tags of one tick that no recorded one was found for yet
	for _, t := range sorted {
		for len(group) == 0 || group[0].tick < t.tick {
			if slices.ContainsFunc(group, func(m oneTag) bool { return c.loss(m) == nil }) {
				return false
			}
			group = group[:0]
			for ; i < c.truth.n; i++ {
				tick, channel, err := c.truth.at(i)
				if err != nil || len(group) > 0 && tick-offset != group[0].tick {
					break
				}
				group = append(group, oneTag{tick - offset, channel})
			}
			if len(group) == 0 {
				return false
			}
		}
		k := slices.Index(group, t)
		if k < 0 {
			return false
		}
		if group = slices.Delete(group, k, k+1); len(group) == 0 {
			group = group[:0]
		}
	}
	return true
}

// skipTo passes over the true tags that lie between two parts, or before the
// first.
func (c *tagsComparison) skipTo(i int64) error {
	n := uint64(i - c.next)
	switch {
	case c.Parts == 1:
		c.Before += n
	case n > 0 && c.why == "":
		return fmt.Errorf("%d true tags are missing between the parts %d and %d, and no gap says why", n, c.epoch-1, c.epoch)
	case n > 0:
		c.Missing[c.why] += n
	}
	return nil
}

// match finds a recorded tag in the truth; what is passed over is missing.
func (c *tagsComparison) match(t oneTag) error {
	want := t.tick + c.offset
	for ; c.next < c.truth.n; c.pass() {
		tick, _, err := c.truth.at(c.next)
		if err != nil {
			return err
		}
		if int64(tick-want) >= 0 {
			break
		}
		if c.used&1 == 0 {
			if err := c.lacking(tick); err != nil {
				return err
			}
		}
	}
	// True tags of one tick come in any order of channels.
	for k := int64(0); c.next+k < c.truth.n && k < 64; k++ {
		tick, channel, err := c.truth.at(c.next + k)
		if err != nil {
			return err
		}
		if tick != want {
			break
		}
		if channel == t.channel && c.used>>k&1 == 0 {
			c.used |= 1 << k
			c.Matched++
			return nil
		}
	}
	return fmt.Errorf("tick %d of channel %d (%d of the instrument's clock) was recorded and is not in the truth, or was recorded before", t.tick, t.channel, want)
}

// pass goes on to the next true tag.
func (c *tagsComparison) pass() {
	c.next++
	c.used >>= 1
}

// lacking takes the true tag at hand, which was not recorded.
func (c *tagsComparison) lacking(tick uint64) error {
	_, channel, err := c.truth.at(c.next)
	if err != nil {
		return err
	}
	m := missingTag{oneTag{tick - c.offset, channel}, c.next}
	if c.explain(m) {
		return nil
	}
	if c.open = append(c.open, m); len(c.open) > mostOpen {
		return c.settle(true)
	}
	return nil
}

// explain counts a missing tag for the loss it lies in.
func (c *tagsComparison) explain(m missingTag) bool {
	l := c.loss(m.oneTag)
	if l == nil {
		return false
	}
	l.found++
	c.Missing[l.cause]++
	return true
}

// loss is the loss that covers a tag.
func (c *tagsComparison) loss(m oneTag) *statedLoss {
	for i := range slices.Backward(c.losses) {
		l := &c.losses[i]
		if m.tick >= l.From && m.tick < l.To && (l.Channel < 0 || l.Channel == int(m.channel)) {
			return l
		}
	}
	return nil
}

// settle holds missing tags against losses stated later, and forgets losses that
// lie far behind. At the end of a part nothing may be left.
func (c *tagsComparison) settle(end bool) error {
	c.open = slices.DeleteFunc(c.open, c.explain)
	if end && len(c.open) > 0 {
		m := c.open[0]
		return fmt.Errorf("%d true tags are missing in part %d and nothing says so: the first is tag %d of the truth, channel %d, at tick %d of the record", len(c.open), c.epoch, m.at, m.channel, m.tick)
	}
	if !end && len(c.losses) < 64 {
		return nil
	}
	kept := c.losses[:0]
	for _, l := range c.losses {
		if !end && l.To+c.slack >= c.reached() {
			kept = append(kept, l)
			continue
		}
		if l.Known && l.found != l.Missing {
			return fmt.Errorf("part %d: a loss from tick %d to %d, channel %d, tells %d missing tags; %d are", c.epoch, l.From, l.To, l.Channel, l.Missing, l.found)
		}
	}
	c.losses = kept
	return nil
}

// reached is the tick of the record up to which the truth was compared.
func (c *tagsComparison) reached() uint64 {
	tick, _, err := c.truth.at(c.next)
	if err != nil {
		return 0
	}
	return tick - c.offset
}

// endPart compares what is left of a part: up to where its clock had come.
func (c *tagsComparison) endPart() error {
	if c.epoch == 0 {
		return nil
	}
	if !c.aligned && len(c.first) > 0 {
		if err := c.align(); err != nil {
			return err
		}
	}
	if !c.aligned {
		return nil // it has no tag
	}
	for _, t := range c.waiting {
		if err := c.match(t); err != nil {
			return err
		}
	}
	c.waiting = c.waiting[:0]
	for ; c.next < c.truth.n; c.pass() {
		tick, _, err := c.truth.at(c.next)
		if err != nil {
			return err
		}
		if c.used&1 == 1 {
			continue
		}
		if int64(tick-(c.until+c.offset)) >= 0 {
			break
		}
		if err := c.lacking(tick); err != nil {
			return err
		}
	}
	c.SpanTicks += c.until - min(c.from, c.until)
	c.why = c.between // of a gap at its end, if the next has none of its own
	return c.settle(true)
}

func (c *tagsComparison) end() error {
	if err := c.endPart(); err != nil {
		return err
	}
	c.After = uint64(c.truth.n - c.next)
	if c.Matched == 0 {
		return errors.New("not one tag was recorded")
	}
	return nil
}

// String is a line for logs.
func (a tagsAgreement) String() string {
	var why []string
	for cause, n := range a.Missing {
		why = append(why, fmt.Sprintf("%d by %s", n, cause))
	}
	slices.Sort(why)
	return fmt.Sprintf("%d tags in %d parts are the truth's; missing, and said so: %d [%s], in %d losses of %.3g of the time; %d before, %d after",
		a.Matched, a.Parts, a.missing(), strings.Join(why, ", "), a.Losses, float64(a.LossTicks)/float64(max(a.SpanTicks, 1)), a.Before, a.After)
}
