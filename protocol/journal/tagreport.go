package journal

import (
	"slices"

	"photongate/protocol"
)

// TagLosses is what an epoch's tags frames say is missing of one channel, added
// up.
type TagLosses struct {
	Channel int             `json:"channel"`  // index; -1: of all of them
	Number  protocol.Uint64 `json:"number"`   // of losses
	Ticks   protocol.Uint64 `json:"ticks"`    // how long they are together
	Missing protocol.Uint64 `json:"missing"`  // tags, where that is known
	Unknown protocol.Uint64 `json:"unknown"`  // losses of which it is not known
	FirstNs protocol.Int64  `json:"first_ns"` // time of the frame that states the first
}

// tags counts a frame of tags. What it says is missing is taken from it without
// decoding its tags; a payload nobody can read is counted all the same.
func (e *EpochReport) tags(h protocol.Header, payload []byte) {
	e.Tags += protocol.Uint64(h.Count)
	e.ofTags()
	var s protocol.TagsSummary
	if s.Parse(payload) != nil {
		return
	}
	for _, l := range s.Losses {
		one := TagLosses{Channel: l.Channel, Number: 1, Ticks: protocol.Uint64(l.To - l.From), Missing: protocol.Uint64(l.Missing), FirstNs: protocol.Int64(h.Time)}
		if !l.Known {
			one.Unknown = 1
		}
		e.lost(one)
	}
}

// lost adds to the losses of a channel; they are in order of channels.
func (e *EpochReport) lost(l TagLosses) {
	i, found := slices.BinarySearchFunc(e.Losses, l.Channel, func(a TagLosses, channel int) int { return a.Channel - channel })
	if !found {
		e.Losses = slices.Insert(e.Losses, i, l)
		return
	}
	to := &e.Losses[i]
	to.Number += l.Number
	to.Ticks += l.Ticks
	to.Missing += l.Missing
	to.Unknown += l.Unknown
}
