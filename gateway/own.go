package gateway

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/rs/zerolog"

	"photongate/device"
	"photongate/protocol"
	"photongate/protocol/journal"
)

// causeCrashed is why an epoch ended that has no end frame.
const causeCrashed = "gateway crashed"

// recoverFrames is how many frames at the end of a stream are looked at for
// the end of its last reading.
const recoverFrames = 16

// recovered finds what a stream held when the journal was opened: how its last
// epoch ended, and when its last reading did. It is nil for a new stream.
func recovered(st *journal.Stream) *lastEpoch {
	last, ok := st.Last()
	if !ok {
		return nil
	}
	p := &lastEpoch{epoch: last.Epoch, seq: last.Seq, cause: causeCrashed, approximate: true}
	ns, utc, ok := st.LastTime()
	p.endNs, p.hasEnd = utc, ok
	var decoder protocol.CountsDecoder
	var counts protocol.Counts
	var tagged protocol.TagsDecoder
	var tags protocol.Tags
	for seq := last.Seq; seq > 0 && last.Seq-seq < recoverFrames; seq-- {
		frame, err := st.Frame(last.Epoch, seq)
		if err != nil {
			continue
		}
		h, payload, _, err := protocol.ParseFrame(frame)
		if err != nil {
			continue
		}
		switch h.Type {
		case protocol.TypeEnd:
			var end protocol.End
			if protocol.DecodeJSON(payload, &end) == nil {
				p.cause, p.detail = end.Cause, end.Detail
			}
		case protocol.TypeTags:
			p.index = max(h.Index+uint64(h.Count), 1) - 1
			if tick := descriptorOf(st, h.Epoch).Tick; tick != nil && tagged.Decode(h, payload, &tags) == nil {
				p.endNs, p.hasEnd = h.Time+afterFirst(&tags, tick)+(utc-ns), true
				return p
			}
		case protocol.TypeCounts:
			if decoder.Decode(h, payload, &counts) == nil {
				i := len(counts.Begin) - 1
				p.endNs, p.hasEnd, p.index = counts.Begin[i]+counts.Length[i]+(utc-ns), true, h.Index+uint64(i)
				return p
			}
		}
	}
	return p
}

// afterFirst is how far an instrument's clock is known to have come behind the first
// of some tags, in ns; 0 where there are none.
func afterFirst(tags *protocol.Tags, tick *protocol.Tick) int64 {
	if len(tags.Ticks) == 0 || tags.Until <= tags.Ticks[0] {
		return 0
	}
	return int64(device.Tick{Num: uint64(tick.Num), Den: uint64(tick.Den)}.Ns(float64(tags.Until - tags.Ticks[0])))
}

// ownStream writes the stream of the gateway itself. After begin it may be used
// concurrently.
type ownStream struct {
	stream *journal.Stream
	base   *timeBase
	epoch  uint32
	log    zerolog.Logger
	tell   func(clock []byte) // with each new clock frame

	mu    sync.Mutex // keeps the frames in order, and their times as far as they are taken here
	ended bool
}

// begin starts its epoch.
func (o *ownStream) begin(software string) (err error) {
	d := protocol.Descriptor{
		Stream: gatewayStream, Base: o.base.id, Boot: o.base.source.Boot, Software: software, Cause: protocol.CauseGatewayStarted,
	}
	if p := recovered(o.stream); p != nil {
		d.Previous = &protocol.Previous{Epoch: p.epoch, Seq: protocol.Uint64(p.seq), Cause: p.cause}
	}
	if o.epoch, err = o.stream.Begin(0, 1); err != nil {
		return err
	}
	return o.append(protocol.TypeDescriptor, o.base.now(), &d)
}

// event writes an event at the present moment of the time base, which it returns.
func (o *ownStream) event(e *protocol.Event) (at int64, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	at = o.base.now()
	if o.ended {
		return at, errGatewayStops
	}
	return at, o.appendLocked(protocol.TypeEvent, at, e)
}

func (o *ownStream) append(t protocol.Type, at int64, v any) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.appendLocked(t, at, v)
}

func (o *ownStream) appendLocked(t protocol.Type, at int64, v any) error {
	frame, err := protocol.AppendJSON(nil, protocol.Header{
		Type: t, Stream: o.stream.ID(), Epoch: o.epoch, Seq: o.stream.NextSeq(), Time: at,
	}, v)
	if err == nil {
		err = o.stream.Append(frame)
	}
	if err == nil && t == protocol.TypeClock {
		o.tell(frame)
	}
	return err
}

// clock writes a clock frame.
func (o *ownStream) clock(c *protocol.Clock, at int64) {
	if err := o.append(protocol.TypeClock, at, c); err != nil {
		o.log.Error().Err(err).Msg("clock frame lost")
	}
	if c.Cause == protocol.ClockStep || c.Cause == protocol.ClockSync {
		o.log.Info().Str("cause", c.Cause).Str("sync", c.Sync).Int64("step_ns", int64(c.StepNs)).Msg("clock")
	}
}

// end writes the end frame. Nothing is written after it.
func (o *ownStream) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	if err := o.appendLocked(protocol.TypeEnd, o.base.now(), &protocol.End{Cause: protocol.CauseGatewayStopped}); err != nil {
		o.log.Error().Err(err).Msg("end frame of the gateway's stream lost")
	}
}

// CheckJournal reports whether the journal's folder can be made or written. It
// leaves nothing behind, and does not see whether another gateway uses it.
func CheckJournal(c Config) error {
	c, err := c.withDefaults()
	if err != nil {
		return err
	}
	dir := c.Journal
	for {
		info, err := os.Stat(dir)
		if errors.Is(err, os.ErrNotExist) && filepath.Dir(dir) != dir {
			dir = filepath.Dir(dir)
			continue
		}
		if err != nil {
			return fmt.Errorf("journal folder %s: %w", c.Journal, err)
		}
		if !info.IsDir() {
			return fmt.Errorf("journal folder %s: %s is no folder; choose another with journal", c.Journal, dir)
		}
		break
	}
	f, err := os.CreateTemp(dir, ".photongate-check-*")
	if err != nil {
		return fmt.Errorf("journal folder %s: cannot write in %s: %w; choose another with journal", c.Journal, dir, err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// optionNames lists the options a configuration names, for the log.
func optionNames(options map[string]any) []string {
	var list []string
	for key, v := range options {
		list = append(list, fmt.Sprintf("%s=%v", key, v))
	}
	slices.Sort(list)
	return list
}
