package journal

import (
	"photongate/protocol"
)

// Report is what Verify found in a folder. In JSON, 64-bit integers are
// decimal strings.
type Report struct {
	Journal  protocol.ID    `json:"journal"`
	Archive  protocol.ID    `json:"archive,omitzero"`
	Gateway  string         `json:"gateway"`
	Place    Place          `json:"place"`
	Streams  []StreamReport `json:"streams"`
	NotUsed  []string       `json:"not_used,omitempty"` // files that are no segments of this journal, and why
	Trouble  []string       `json:"trouble,omitempty"`  // what the disk could not read, files without anything readable, and a journal.json made up for
	Read     protocol.Int64 `json:"read_bytes"`         // of segment files, this time
	Earlier  int            `json:"files_read_earlier"` // files not read this time, having been read before and not changed since
	AsOfNs   protocol.Int64 `json:"as_of_utc_ns"`       // when the one of these read longest ago was read, or now
	Complete bool           `json:"complete"`           // no hole in any stream
}

// StreamReport is one stream of a Report.
type StreamReport struct {
	Name   string        `json:"name"`
	ID     uint32        `json:"id"`
	Epochs []EpochReport `json:"epochs"`
}

// EpochReport is one epoch of a stream, as it is held. Times are ns of the
// epoch's time base.
type EpochReport struct {
	Epoch    uint32               `json:"epoch"`
	Frames   protocol.Uint64      `json:"frames"`
	Readings protocol.Uint64      `json:"readings"`         // readings or tags, by the headers
	Tags     protocol.Uint64      `json:"tags,omitzero"`    // so many of these are tags
	OfTags   bool                 `json:"of_tags,omitzero"` // there are frames of tags, or the descriptor has a tick
	Bytes    protocol.Uint64      `json:"bytes"`            // of frames
	Files    int                  `json:"files"`
	FirstNs  protocol.Int64       `json:"first_ns"`           // time of the first frame held
	LastNs   protocol.Int64       `json:"last_ns"`            // time of the last frame held
	LastData protocol.Uint64      `json:"last_data,omitzero"` // sequence of the last frame with readings or tags; 0: there is none
	Held     [][2]protocol.Uint64 `json:"held"`               // sequences, first and last of each stretch
	Digest   string               `json:"digest"`             // SHA-256 over the frames held, SPEC.md section 2
	Gaps     []GapReport          `json:"gaps,omitempty"`
	Holes    []HoleReport         `json:"holes,omitempty"`
	Losses   []TagLosses          `json:"losses,omitempty"` // that frames of tags state, by channel
	Damage   []FileDamage         `json:"damage,omitempty"` // that costs no frame
	Ended    bool                 `json:"ended"`            // it has its end frame
	Clock    ClockReport          `json:"clock,omitzero"`
	Device   DeviceClock          `json:"device_clock,omitempty"`
}

// GapReport is a gap frame: readings missing from the instrument.
type GapReport struct {
	Seq   protocol.Uint64 `json:"seq"`
	Index protocol.Uint64 `json:"index"`
	Ns    protocol.Int64  `json:"ns"`
	protocol.Gap
}

// HoleReport is a hole: frames From to To (inclusive) are not held.
type HoleReport struct {
	From protocol.Uint64 `json:"from"`
	Open bool            `json:"open,omitempty"` // more frames may have followed To, nobody knows how many
	protocol.Hole
}

// ClockReport counts clock frames of kind host by the state of
// synchronisation, and gives the largest error they tell.
type ClockReport struct {
	Synchronised   protocol.Uint64 `json:"synchronised"`
	Unsynchronised protocol.Uint64 `json:"unsynchronised"`
	Unknown        protocol.Uint64 `json:"unknown"`
	MaxErrorNs     *protocol.Int64 `json:"max_error_ns,omitempty"` // nil: none tells
}

// Complete reports whether nothing of the epoch up to its last frame held is
// missing here.
func (e *EpochReport) Complete() bool { return len(e.Holes) == 0 }

// frame counts a frame. Payloads that cannot be decoded are counted all the
// same: they are here, and their bytes are whole.
func (e *EpochReport) frame(h protocol.Header, payload []byte) {
	seq := protocol.Uint64(h.Seq)
	if n := len(e.Held); n > 0 && e.Held[n-1][1]+1 == seq {
		e.Held[n-1][1] = seq
	} else {
		e.Held = append(e.Held, [2]protocol.Uint64{seq, seq})
	}
	if e.Frames == 0 {
		e.FirstNs = protocol.Int64(h.Time)
	}
	e.LastNs = protocol.Int64(h.Time)
	e.Frames++
	e.Bytes += protocol.Uint64(h.FrameLen())
	switch h.Type {
	case protocol.TypeDescriptor:
		var d protocol.Descriptor
		if protocol.DecodeJSON(payload, &d) == nil && d.Tick != nil {
			e.ofTags()
		}
	case protocol.TypeCounts, protocol.TypeTags:
		e.Readings += protocol.Uint64(h.Count)
		e.LastData = seq
		if h.Type == protocol.TypeTags {
			e.tags(h, payload)
		}
	case protocol.TypeGap:
		g := GapReport{Seq: seq, Index: protocol.Uint64(h.Index), Ns: protocol.Int64(h.Time)}
		if err := protocol.DecodeJSON(payload, &g.Gap); err != nil {
			g.Gap = protocol.Gap{Detail: err.Error()}
		}
		e.Gaps = append(e.Gaps, g)
		if g.Missing == nil && !e.OfTags {
			e.Device.part()
		}
	case protocol.TypeEnd:
		e.Ended = true
	case protocol.TypeClock:
		var c protocol.Clock
		switch {
		case protocol.DecodeJSON(payload, &c) != nil:
		case c.Kind == protocol.ClockHost:
			e.Clock.count(c)
		case c.Kind == protocol.ClockDevice:
			e.Device.add(c.Pairs)
		}
	}
}

func (r *ClockReport) count(c protocol.Clock) {
	switch c.Sync {
	case protocol.SyncSynchronised:
		r.Synchronised++
	case protocol.SyncUnsynchronised:
		r.Unsynchronised++
	default:
		r.Unknown++
	}
	r.worst(c.MaxErrorNs)
}

func (r *ClockReport) worst(ns *protocol.Int64) {
	if ns != nil && (r.MaxErrorNs == nil || *ns > *r.MaxErrorNs) {
		r.MaxErrorNs = ns
	}
}

// hole notes a hole.
func (e *EpochReport) hole(p piece) {
	h := HoleReport{From: protocol.Uint64(p.from), Open: p.open}
	if err := protocol.DecodeJSON(p.frames[p.last.HeaderLen:], &h.Hole); err != nil {
		h.Hole = protocol.Hole{Cause: p.cause, Detail: err.Error()}
	}
	h.To = protocol.Uint64(p.to)
	e.Holes = append(e.Holes, h)
}

// add joins what comes next in the same epoch.
func (e *EpochReport) add(o EpochReport) {
	if o.Frames > 0 {
		if e.Frames == 0 {
			e.FirstNs = o.FirstNs
		}
		e.LastNs = o.LastNs
	}
	e.LastData = max(e.LastData, o.LastData)
	e.Frames += o.Frames
	e.Readings += o.Readings
	e.Tags += o.Tags
	for _, l := range o.Losses {
		e.lost(l)
	}
	e.Bytes += o.Bytes
	for _, r := range o.Held {
		if n := len(e.Held); n > 0 && e.Held[n-1][1]+1 == r[0] {
			e.Held[n-1][1] = r[1]
			continue
		}
		e.Held = append(e.Held, r)
	}
	e.Gaps = append(e.Gaps, o.Gaps...)
	e.Holes = append(e.Holes, o.Holes...)
	e.Damage = append(e.Damage, o.Damage...)
	e.Ended = e.Ended || o.Ended
	e.Clock.Synchronised += o.Clock.Synchronised
	e.Clock.Unsynchronised += o.Clock.Unsynchronised
	e.Clock.Unknown += o.Clock.Unknown
	e.Clock.worst(o.Clock.MaxErrorNs)
	e.Device.join(o.Device)
	if e.OfTags || o.OfTags || e.Tags > 0 {
		e.ofTags()
	}
}

// ofTags notes that the epoch is one of tags: what was taken for a break of the
// instrument's clock before that was known is none.
func (e *EpochReport) ofTags() {
	if e.OfTags = true; len(e.Device) > 1 {
		e.Device.whole()
	}
}
