package gateway

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"photongate/device"
	"photongate/protocol"
	"photongate/protocol/journal"
)

// How often the keeper looks.
const (
	keepEvery   = time.Second
	rateOver    = 60               // looks over which the rate is taken
	wellAfter   = 3 * time.Second  // the disk took all for so long: it is well again
	silentAfter = 5 * time.Second  // the disk, which is asked each second, answers nothing: it stands still
	tellEvery   = time.Minute      // for what is dropped of one stream
	alarmPause  = 10 * time.Minute // between two, for trouble that comes and goes
	alarmEvery  = 24 * time.Hour   // for trouble that stays
	passLongest = 10 * time.Second // between two looks; what is more, the computer slept or stood still
)

// keeper keeps the journal within the room that it may have: what all archives
// have goes first, the oldest first, and only when room is needed; beyond that
// the oldest of the stream that has most for its share. It says what it does, how the
// disk does, and for how long the journal lasts.
//
// Two goroutines: watch looks at what is in memory and waits for nothing, so
// that trouble is told in time; keep asks the disk, and may wait for it. All
// methods may be called concurrently, but for these two.
type keeper struct {
	journal     *journal.Journal
	archives    *archives
	space       func() (free, total int64, err error)
	now         device.Clock     // of the time base: it never steps
	utc         func() time.Time // for people
	forgetAfter time.Duration
	shares      map[string]float64                   // by device
	here        func() map[protocol.ID]bool          // the archives that are connected
	record      func(*protocol.Event) (int64, error) // into the stream of the gateway
	alarm       func(text string, times uint64)      // has on_alarm run; it does not wait
	log         zerolog.Logger

	trouble *diskTrouble
	refused int64 // when room was made because the disk was full; the keeping goroutine's

	mu       sync.Mutex
	quota    Amount
	keepFree Amount
	disk     diskSpace
	growth   growth
	passed   int64 // when archives were looked at last; 0: never
	health   health
	drops    drops
	held     holding
}

// diskSpace is what the disk said last of its room.
type diskSpace struct {
	free  int64
	total int64 // as it was said last; 0: it never was
	known bool  // free is
	asked int64 // when it was asked; 0: it has answered
}

// runWatch watches until ctx ends.
func (k *keeper) runWatch(ctx context.Context) {
	for k.watch(); k.pause(ctx, k.trouble.soon); {
		k.watch()
	}
	k.tellDrops(k.now(), true)
}

// runKeep keeps until ctx ends. It waits for the disk.
func (k *keeper) runKeep(ctx context.Context) {
	for k.pause(ctx, k.trouble.urgent) {
		k.keep(ctx)
	}
}

// pause waits for the next look; it reports false when ctx ended.
func (k *keeper) pause(ctx context.Context, sooner <-chan struct{}) bool {
	after := time.NewTimer(keepEvery)
	defer after.Stop()
	select {
	case <-ctx.Done():
	case <-after.C:
	case <-sooner:
	}
	return ctx.Err() == nil
}

// watch looks once at what is in memory, and tells.
func (k *keeper) watch() {
	now := k.now()
	appended := uint64(0)
	for _, st := range k.journal.Streams() {
		appended += st.Appended()
	}
	used, limit := k.journal.Tail()
	k.mu.Lock()
	k.growth.add(now, appended)
	bps := k.growth.rate()
	since := time.Duration(now - k.passed)
	first := k.passed == 0
	k.passed = now
	silent := time.Duration(0) // the disk does not even say how much room it has
	if k.disk.asked != 0 {
		silent = time.Duration(now - k.disk.asked)
	}
	k.mu.Unlock()
	waits, _ := k.journal.Unsynced()
	silent = max(silent, waits)
	if !first {
		k.unseen(min(max(since, 0), passLongest))
	}
	err := k.trouble.take()
	if now := k.journal.Err(); now != nil {
		err = now
	}
	k.judge(now, err, used, limit, bps, silent)
	k.tellDrops(now, false)
}

// unseen tells which archives hold nothing any more.
func (k *keeper) unseen(since time.Duration) {
	for _, e := range k.archives.pass(since, k.forgetAfter, k.here()) {
		text := "nothing is kept any more for " + e.Name + ", which was not seen for " + SpanText(k.forgetAfter)
		k.tell(&protocol.Event{What: protocol.EventArchiveUnseen, Who: whoGateway, Old: e.Name, Text: text})
		k.log.Warn().Str("archive", e.Name).Time("last_seen", e.LastSeen).Msg(text)
	}
}

// forgotten tells that somebody had an archive forgotten, or that another one
// has its name.
func (k *keeper) forgotten(e archive, who *asker, why string) {
	text := "nothing is kept any more for the archive " + e.Name + " (last seen " + e.LastSeen.UTC().Format("2006-01-02 15:04") + " UTC)"
	if why != "" {
		text += ": " + why
	}
	event := &protocol.Event{What: protocol.EventArchiveForget, Who: whoGateway, Old: e.Name, Text: text}
	if who != nil {
		event.Who, event.From = who.name, who.from
	}
	k.tell(event)
	k.log.Warn().Str("archive", e.Name).Stringer("id", e.ID).Str("who", event.Who).Str("from", event.From).Msg(text)
}

// tell records an event. One that cannot be is told in the log, where all of
// them are.
func (k *keeper) tell(e *protocol.Event) {
	if _, err := k.record(e); err != nil {
		k.log.Error().Err(err).Str("event", e.What).Msg("an event is not recorded")
	}
}

// growth is how fast the journal grew over the last minute.
type growth struct {
	at    [rateOver + 1]int64 // ring: time base
	bytes [rateOver + 1]uint64
	n     int // looks so far
}

func (g *growth) add(now int64, bytes uint64) {
	i := g.n % len(g.at)
	g.at[i], g.bytes[i] = now, bytes
	g.n++
}

// rate is in bytes per second, 0 when it is not known.
func (g *growth) rate() float64 {
	if g.n < 2 {
		return 0
	}
	last := (g.n - 1) % len(g.at)
	first := 0
	if g.n > len(g.at) {
		first = g.n % len(g.at)
	}
	span := g.at[last] - g.at[first]
	if span <= 0 {
		return 0
	}
	return float64(g.bytes[last]-g.bytes[first]) / (float64(span) / 1e9)
}
