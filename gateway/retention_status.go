package gateway

import (
	"fmt"
	"math"
	"strings"
	"time"

	"photongate/protocol"
)

// lastsKnown is the longest time that is told for which a journal lasts: what
// is longer is no forecast.
const lastsKnown = 10 * 365 * 24 * time.Hour

// status fills in how the journal is.
func (k *keeper) status(s *protocol.JournalStatus) {
	used, limit := k.journal.Tail()
	err := k.journal.Err()
	s.ReserveBytes = protocol.Int64(k.journal.Reserve())
	k.mu.Lock()
	defer k.mu.Unlock()
	quota, keepFree := k.limitsLocked()
	s.State = protocol.JournalOK
	if k.drops.full {
		s.State = protocol.JournalFull
	}
	if k.health.bad {
		s.State, s.Cause = protocol.JournalDegraded, k.health.cause
	}
	if err != nil { // it need not wait for the next look
		s.State, s.Cause, s.Trouble = protocol.JournalDegraded, diskText(err), err.Error()
	}
	if s.Trouble == "" {
		s.Trouble = s.Cause
	}
	s.Bytes, s.HeldBytes = protocol.Int64(k.held.bytes), protocol.Int64(k.held.unfetched)
	s.QuotaBytes, s.KeepFreeBytes = protocol.Int64(quota), protocol.Int64(keepFree)
	if k.disk.known {
		s.FreeBytes = protocol.Ref(protocol.Int64(k.disk.free))
	}
	s.RateBps = math.Round(k.growth.rate()*10) / 10
	if s.RateBps > 0 {
		if lasts := float64(k.spareLocked()) / s.RateBps; lasts < lastsKnown.Seconds() {
			s.LastsS = protocol.Ref(math.Round(lasts))
		}
		s.TailLastsS = protocol.Ref(math.Round(tailLasts(s.RateBps, limit-used).Seconds()*10) / 10)
	}
	s.TailBytes, s.TailUsedBytes = protocol.Int64(limit), protocol.Int64(used)
	s.DroppedBytes, s.Dropped = protocol.Int64(k.drops.bytes), k.drops.last
	for _, h := range k.held.streams {
		one := protocol.JournalStream{Name: h.name, Bytes: protocol.Int64(h.bytes), Share: math.Round(h.share*1000) / 1000}
		if !h.oldest.IsZero() {
			one.OldestUTC = h.oldest.UTC().Format(time.RFC3339)
		}
		s.Streams = append(s.Streams, one)
	}
}

// lacking fills in what archives have not fetched.
func (k *keeper) lacking(list []protocol.ArchiveInfo) {
	now := k.utc()
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range list {
		l := k.held.archives[list[i].ID.String()]
		list[i].BehindBytes = protocol.Int64(l.bytes)
		if l.bytes > 0 && !l.since.IsZero() {
			list[i].BehindS = protocol.Ref(math.Round(max(now.Sub(l.since), 0).Seconds()*10) / 10)
		}
	}
}

// JournalText says for people how much the journal has and may have, and for
// how long that and its memory last.
func JournalText(s *protocol.JournalStatus) []string {
	parts := []string{fmt.Sprintf("%s of at most %s", SizeText(int64(s.Bytes)), SizeText(int64(s.QuotaBytes)))}
	if s.ReserveBytes > 0 {
		parts = append(parts, SizeText(int64(s.ReserveBytes))+" besides, set aside for a full disk")
	}
	if s.FreeBytes != nil {
		free := SizeText(int64(*s.FreeBytes)) + " free on the disk"
		if noRoom(s) {
			free += ", which readings cannot have: they go on when there is more"
		}
		parts = append(parts, free)
	}
	if s.HeldBytes > 0 {
		parts = append(parts, SizeText(int64(s.HeldBytes))+" not yet confirmed by all archives")
	}
	switch {
	case noRoom(s):
		// How much the quota would still take is no forecast.
	case s.RateBps == 0:
		parts = append(parts, "nothing is recorded just now, so that for how long there is room is not known")
	case s.LastsS == nil:
		parts = append(parts, "room for more than 10 years at the present rate ("+SizeText(int64(s.RateBps))+"/s)")
	case *s.LastsS < 1:
		parts = append(parts, "no room left for what is not fetched")
	default:
		parts = append(parts, fmt.Sprintf("room for %s at the present rate (%s/s)", SpanText(seconds(*s.LastsS)), SizeText(int64(s.RateBps))))
	}
	if s.State == protocol.JournalDegraded {
		return parts // what waits in memory is said with it
	}
	if s.TailLastsS != nil {
		parts = append(parts, "if the disk stands still, memory takes "+SpanText(seconds(*s.TailLastsS)))
	}
	return parts
}

// noRoom reports whether the disk takes nothing because it is full.
func noRoom(s *protocol.JournalStatus) bool { return s.Cause == textFull || s.Cause == textQuota }

// DegradedText says for people why a journal is degraded, and what that means.
func DegradedText(s *protocol.JournalStatus) string {
	cause := s.Cause
	if cause == "" { // an older gateway
		cause, _, _ = strings.Cut(s.Trouble, "\n")
	}
	with := ": "
	if strings.Contains(cause, with) {
		with = "; "
	}
	return cause + with + waitText(s.RateBps, int64(s.TailBytes-s.TailUsedBytes))
}
