package receiver

import (
	"slices"

	"photongate/protocol"
	"photongate/protocol/journal"
)

// withoutEarlier makes what a gateway had dropped before an archive began to be
// frames that the archive never asked for: its first recording takes the oldest
// that there is, and what was there earlier is no fault of it. Such holes lie before
// all that is held of the stream, which itself is older than the archive.
func withoutEarlier(epochs []journal.EpochReport, folder *journal.Folder) []journal.EpochReport {
	first := slices.IndexFunc(epochs, func(e journal.EpochReport) bool { return len(e.Held) > 0 })
	if folder.Place() != journal.InArchive || first < 0 || epochs[first].FirstNs >= protocol.Int64(folder.Created().UnixNano()) {
		return epochs
	}
	out := slices.Clone(epochs)
	for i := range out[:first+1] {
		holes := slices.Clone(out[i].Holes)
		for k := range holes {
			h := &holes[k]
			dropped := h.By == folder.Gateway() && (h.Cause == protocol.CauseQuota || h.Cause == protocol.CauseNotHeld)
			if dropped && (i < first || h.From < out[i].Held[0][0]) {
				h.Cause, h.By = protocol.CauseNotHeld, string(journal.InArchive)
			}
		}
		out[i].Holes = holes
	}
	return out
}
