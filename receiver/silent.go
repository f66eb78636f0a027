package receiver

import "fmt"

// silentLocked tells of instruments that gave nothing in a run in which others did.
// Of those that the gateway's present process has open, readings are missing; of
// others the gateway may only have the journal. The caller holds mu.
func (b *scoreboard) silentLocked(sum *Summary) {
	for _, one := range sum.Streams {
		if b.began[one.Gateway] == 0 || one.Readings > 0 {
			continue
		}
		name := one.Gateway + "/" + one.Stream
		score, own := b.scores[streamKey{one.Gateway, one.Stream}], b.scores[streamKey{one.Gateway, gatewayStream}]
		if own != nil && !own.started(score) && !score.meter.desc.Base.IsZero() {
			sum.Why = append(sum.Why, name+": not one reading came")
			continue
		}
		sum.Notes = append(sum.Notes, fmt.Sprintf("%s: not one reading came: it was away already when the recording began, or the gateway has this instrument no more (photongate status)", name))
	}
}
