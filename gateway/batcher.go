package gateway

import (
	"context"
	"slices"
	"time"

	"photongate/device"
	"photongate/protocol"
)

// Sizes of frames of counts.
const (
	frameReadings = 4096 // at most so many readings in a frame
	directRows    = 1024 // a run of at least so many readings is encoded from the batch it came in
	// maxRowBytes bounds what one reading can take in a frame: the columns that
	// all channels share (length, pause, dead, uncertainty, flags), and besides,
	// for each channel, a value and its flags. Every codec has a raw form.
	sharedRowBytes  = 5 * 9
	channelRowBytes = 8 + 2
	frameOverhead   = 8 << 10 // header, and the parameters of up to 1024 columns
)

// frameLog is where a batcher's frames go: a *journal.Stream.
type frameLog interface {
	ID() uint32
	Begin(epoch uint32, firstSeq uint64, copies ...[]byte) (uint32, error)
	NextSeq() uint64
	Append(frame []byte) error
}

// lastEpoch is what is known of the epoch before the present one.
type lastEpoch struct {
	epoch       uint32
	seq         uint64
	cause       string // why it ended
	detail      string
	endNs       int64 // end of its last reading, when hasEnd
	hasEnd      bool
	index       uint64 // of that reading
	approximate bool   // endNs was carried over from another time base
	undated     bool   // endNs is by a clock that was never set, and says nothing here
}

// batcher turns what one opening of a device delivers into the frames of one
// epoch. The epoch begins with the first reading: a device that is opened and
// never read leaves nothing. One goroutine uses a batcher.
type batcher struct {
	log        frameLog
	now        device.Clock
	status     *deviceStatus
	alarms     *alarms             // nil: nobody looks
	descriptor protocol.Descriptor // but for Previous
	previous   *lastEpoch          // nil: there is none
	batch      time.Duration       // longest wait of a reading for others
	wait       tagWait             // of tags
	gate       time.Duration       // nominal interval, 0 when it varies

	begun   bool
	givenUp bool // the gateway ended before the disk took the epoch
	epoch   uint32
	index   uint64 // that the next reading to be put into a frame will have
	lastEnd int64  // end of the last reading put into a frame
	hasEnd  bool
	last    uint64 // its index

	made    []*madeChange // whose events are not written yet, in their order
	waiting *device.Batch // readings that wait for others
	held    []device.Note // what came before the first reading
	clocks  pairs

	encoder protocol.CountsEncoder
	columns protocol.Counts
	maxRows int
	frame   []byte    // the frame being made
	tags    *tagStage // nil: the device gives readings
	derived []*derived
	queue   *queue // from which batches come, and to which they go back
}

// heldNotes bounds what is kept of a device that delivers notes and no reading.
const heldNotes = 64

// start makes ready what depends on the number of channels.
func (b *batcher) start() {
	channels := len(b.descriptor.Channels)
	b.waiting = device.NewBatch(channels)
	b.maxRows = rowsPerFrame(channels)
	b.columns.Values = make([][]uint64, channels)
	b.columns.ValueFlags = make([][]uint8, channels)
	b.tags = newTagStage(&b.descriptor)
}

// take takes a batch, and gives it back to the queue.
func (b *batcher) take(ctx context.Context, in *device.Batch) {
	if b.tags != nil {
		b.takeTags(ctx, in)
		return
	}
	b.add(ctx, in)
	b.queue.recycle(in)
}

// isWaiting reports whether readings or tags wait for others.
func (b *batcher) isWaiting() bool {
	return b.waiting.Len() > 0 || b.tags != nil && b.tags.isWaiting()
}

// rowsPerFrame is how many readings fit into a frame whatever they hold.
func rowsPerFrame(channels int) int {
	return max(1, min(frameReadings, (protocol.MaxFrame-frameOverhead)/(sharedRowBytes+channelRowBytes*channels)))
}

// run makes frames of all that comes through q, until q is closed. ctx bounds
// the attempts to begin the epoch on a disk that refuses. A reading waits at
// most b.batch for others, and not at all when the gate is longer than that; few
// tags may wait longer. While one waits the batcher sleeps for b.batch: what comes
// meanwhile stays in q, so that an instrument of many small readings does not wake
// it for each.
func (b *batcher) run(ctx context.Context, q *queue) {
	b.start()
	b.queue = q
	if b.tags != nil {
		defer b.tags.side.stop()
	}
	age := time.NewTimer(time.Hour)
	defer age.Stop()
	armed, due := false, false
	var since time.Time // what waits has waited, with armed
	for {
		in, closed := q.take()
		if in != nil {
			b.learn(q)
			b.take(ctx, in)
			if b.isWaiting() && !armed {
				age.Reset(b.batch)
				armed, since = true, time.Now()
			}
			continue
		}
		if due && !closed && b.waitsOn(since) {
			age.Reset(b.batch)
			due = false
		}
		if due || closed || b.tags == nil && b.gate >= b.batch || !b.isWaiting() {
			b.flush()
			armed, due = false, false
		}
		if closed {
			b.learn(q)
			return
		}
		wake := q.wake
		if armed {
			wake = q.urgent
		}
		select {
		case <-wake:
		case <-age.C:
			due = true
		}
	}
}

// add takes a whole batch.
func (b *batcher) add(ctx context.Context, in *device.Batch) {
	row := 0
	for _, note := range in.Notes {
		b.takeRows(ctx, in, row, note.Row)
		row = note.Row
		b.note(note)
	}
	b.takeRows(ctx, in, row, in.Len())
}

// addRows takes readings from..to of a batch. An alarm stands right behind the
// reading by which it came on.
func (b *batcher) addRows(ctx context.Context, in *device.Batch, from, to int) {
	if from >= to || !b.begun && !b.begin(ctx, in.Begin[from]) {
		return
	}
	for from < to {
		n := b.alarms.look(in, from, to)
		b.keep(in, from, from+n)
		from += n
		for _, a := range b.alarms.take() {
			b.flush()
			b.json(protocol.TypeEvent, a.at, &a.event)
		}
	}
}

// keep takes readings from..to of a batch. Long runs go into frames at once,
// from where they are; short ones wait for others.
func (b *batcher) keep(in *device.Batch, from, to int) {
	for from < to {
		if to-from >= min(directRows, b.maxRows) {
			b.flush()
			n := min(to-from, b.maxRows)
			b.counts(in, from, from+n)
			from += n
			continue
		}
		n := min(to-from, b.maxRows-b.waiting.Len())
		appendRows(b.waiting, in, from, from+n)
		from += n
		if b.waiting.Len() == b.maxRows {
			b.flush()
		}
	}
}

func appendRows(dst, src *device.Batch, from, to int) {
	dst.Begin = append(dst.Begin, src.Begin[from:to]...)
	dst.Length = append(dst.Length, src.Length[from:to]...)
	dst.Live = append(dst.Live, src.Live[from:to]...)
	dst.Uncertainty = append(dst.Uncertainty, src.Uncertainty[from:to]...)
	dst.Flags = append(dst.Flags, src.Flags[from:to]...)
	for c := range dst.Values {
		dst.Values[c] = append(dst.Values[c], src.Values[c][from:to]...)
		dst.ValueFlags[c] = append(dst.ValueFlags[c], src.ValueFlags[c][from:to]...)
	}
}

// flush makes a frame of the readings or tags that wait.
func (b *batcher) flush() {
	if b.tags != nil {
		b.flushTags()
		return
	}
	if b.waiting.Len() == 0 {
		return
	}
	b.counts(b.waiting, 0, b.waiting.Len())
	b.waiting.Reset()
}

// counts makes a frame of readings from..to, at most maxRows.
func (b *batcher) counts(in *device.Batch, from, to int) {
	c := &b.columns
	c.Begin, c.Length, c.Uncertainty = in.Begin[from:to], in.Length[from:to], in.Uncertainty[from:to]
	c.Dead = deadTimes(c.Dead[:0], in.Length[from:to], in.Live[from:to])
	c.Flags = setOnly(c.Flags[:0], in.Flags[from:to])
	for ch := range c.Values {
		c.Values[ch] = in.Values[ch][from:to]
		c.ValueFlags[ch] = setOnly(c.ValueFlags[ch][:0], in.ValueFlags[ch][from:to])
	}
	n, end := uint64(to-from), in.Begin[to-1]+in.Length[to-1]
	// Counted first: who has the frame finds its readings in the status.
	b.status.reading(b.descriptor.Channels, in, from, to)
	b.put(b.encoder.Append(b.frame[:0], b.header(0), c))
	b.index += n
	b.lastEnd, b.hasEnd, b.last = end, true, b.index-1
}

// put appends a frame to the log. What the log has no room for is not lost in
// silence: it stands there as a hole, and the index tells how many readings.
func (b *batcher) put(frame []byte, err error) {
	b.frame = frame
	if err == nil {
		err = b.log.Append(frame)
	}
	b.status.logged(err, cannotTake)
}

// header is that of the next frame, without what the encoders fill in.
func (b *batcher) header(t protocol.Type) protocol.Header {
	b.drain()
	return protocol.Header{Type: t, Stream: b.log.ID(), Epoch: b.epoch, Seq: b.log.NextSeq(), Index: b.index}
}

// deadTimes appends length less live time to dst when there is any, and
// returns it empty otherwise.
func deadTimes(dst, length, live []int64) []int64 {
	if allLive(length, live) {
		return dst
	}
	for i, l := range length {
		dst = append(dst, l-live[i])
	}
	return dst
}

// allLive reports whether there is no dead time, which is the rule: so eight readings
// are looked at together.
func allLive(length, live []int64) bool {
	live = live[:len(length)]
	for ; len(length) >= 8 && len(live) >= 8; length, live = length[8:], live[8:] {
		a, b := length[:8:8], live[:8:8]
		if (a[0]^b[0])|(a[1]^b[1])|(a[2]^b[2])|(a[3]^b[3])|(a[4]^b[4])|(a[5]^b[5])|(a[6]^b[6])|(a[7]^b[7]) != 0 {
			return false
		}
	}
	return slices.Equal(length, live)
}

// setOnly appends the flags to dst when one is set, and returns it empty
// otherwise.
func setOnly[D, S ~uint8 | ~uint32](dst []D, flags []S) []D {
	if anySet(flags) == 0 {
		return dst
	}
	at := len(dst)
	dst = slices.Grow(dst, len(flags))[:at+len(flags)]
	end := dst[at:]
	for i := range end {
		end[i] = D(flags[i])
	}
	return dst
}

// anySet returns all flags that are set somewhere. That none is set is the
// rule, so eight are looked at together.
func anySet[S ~uint8 | ~uint32](flags []S) S {
	var any S
	rest := flags
	for ; len(rest) >= 8; rest = rest[8:] {
		f := rest[:8:8]
		any |= f[0] | f[1] | f[2] | f[3] | f[4] | f[5] | f[6] | f[7]
	}
	for _, f := range rest {
		any |= f
	}
	return any
}
