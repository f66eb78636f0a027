package gateway

import (
	"fmt"
	"time"

	"photongate/protocol"
)

// health is how the disk does, and who was told.
type health struct {
	bad     bool
	since   int64 // it is bad since then
	good    int64 // nothing is wrong since then; 0: something is
	cause   string
	alarmed int64 // when on_alarm ran last
	times   uint64
}

// muteError is what is wrong when the disk has not answered for so long.
type muteError time.Duration

func (e muteError) Error() string {
	return "the disk has not answered for " + SpanText(time.Duration(e).Truncate(time.Second))
}

// slowError is what is wrong when so much waits for the disk.
type slowError struct{ used, limit int64 }

func (e slowError) Error() string {
	return fmt.Sprintf("the disk is too slow: %s of %s of the memory for what waits for it are taken", SizeText(e.used), SizeText(e.limit))
}

// judge compares what the disk did with what was told, and tells what changed.
// silent is for how long it has answered nothing.
func (k *keeper) judge(now int64, err error, used, limit int64, bps float64, silent time.Duration) {
	switch {
	case err == nil && silent > silentAfter:
		err = muteError(silent)
	case err == nil && used > limit/2:
		err = slowError{used, limit}
	}
	k.mu.Lock()
	h := &k.health
	began, over, alarm := false, false, false
	switch {
	case err != nil:
		h.good, h.cause = 0, diskText(err)
		if began = !h.bad; began {
			h.bad, h.since = true, now
			h.times++
		}
		if alarm = began && !k.alarmedLocked(now, alarmPause) || k.alarmPastLocked(now); alarm {
			h.alarmed = now
		}
	case h.bad && h.good == 0:
		h.good = now
	case h.bad && now-h.good >= int64(wellAfter) && used <= limit/4:
		h.bad, over = false, true
	}
	cause, since, times := h.cause, h.since, h.times
	k.mu.Unlock()
	switch {
	case began:
		text := "journal degraded: " + cause + "; " + waitText(bps, limit-used)
		k.tell(&protocol.Event{What: protocol.EventJournalDegraded, Who: whoGateway, Text: text})
		k.log.Error().Err(err).Msg(text)
	case over:
		text := "the disk takes all again, after " + SpanText(time.Duration(now-since))
		k.tell(&protocol.Event{What: protocol.EventJournalWell, Who: whoGateway, Text: text})
		k.log.Info().Msg("journal: " + text)
	}
	if alarm {
		k.alarm("journal degraded: "+cause, times)
	}
}

// alarmedLocked reports whether on_alarm ran within some time.
func (k *keeper) alarmedLocked(now int64, within time.Duration) bool {
	return k.health.alarmed != 0 && now-k.health.alarmed < int64(within)
}

// alarmPastLocked reports whether trouble stays for so long that on_alarm is
// run again.
func (k *keeper) alarmPastLocked(now int64) bool {
	return k.health.bad && k.health.alarmed != 0 && !k.alarmedLocked(now, alarmEvery)
}

// waitLost is said of what waits in memory.
const waitLost = "; until the disk has them a crash or power cut loses them"

// waitText says for how long readings can wait in memory.
func waitText(bps float64, room int64) string {
	if bps <= 0 {
		return "readings wait in memory, which has room for " + SizeText(room) + waitLost
	}
	return "readings wait in memory, which at the present rate lasts " + SpanText(tailLasts(bps, room)) + waitLost
}

// tailLasts is for how long the memory lasts.
func tailLasts(bps float64, room int64) time.Duration {
	return seconds(float64(max(room, 0)) / bps)
}

// seconds is a time.Duration, the longest there is for what is longer.
func seconds(s float64) time.Duration {
	if s >= float64(1<<63-1)/1e9 {
		return 1<<63 - 1
	}
	return time.Duration(s * 1e9)
}
