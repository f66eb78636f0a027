package gateway

import (
	"fmt"
	"slices"
	"time"

	"photongate/gateway/repeats"
	"photongate/protocol"
	"photongate/protocol/journal"
)

// drops is what was dropped that an archive lacks, or that nobody fetched.
type drops struct {
	trouble repeats.Filter // of the keeping goroutine

	// Guarded by keeper.mu.

	bytes   int64            // that an archive lacks, since the gateway started
	last    string           // a sentence
	pending map[string]*loss // by stream, not told yet
	told    map[string]int64 // when it was told last, by stream
	full    bool             // what archives lack is being dropped
	lastAt  int64            // when something that one lacks was dropped last
	since   int64            // when that began last
	alarmed int64            // when on_alarm ran last; 0: not
	times   uint64           // excursions
}

// loss is what was dropped of one stream and is not told yet.
type loss struct {
	bytes    int64
	recorded time.Duration
	files    int
	lacking  []string // archives that have not fetched it
	unsure   []string // archives that are connected and have not confirmed it: they may hold it in memory
	gaveUp   []string // and those that nothing was kept for any more, since they were away for too long
	unknown  bool     // who lacks it is not known
	why      string
}

// dropped notes that a file was dropped.
func (k *keeper) dropped(s *shelf, rank int, info journal.SegmentInfo, why string) {
	name := s.stream.Name()
	k.log.Debug().Str("file", info.Path).Int64("bytes", info.Bytes).Bool("fetched", rank == rankFetched).Msg("dropped")
	if rank == rankFetched {
		return
	}
	var lacking, unsure, gaveUp []string
	here := k.here()
	for _, e := range s.known {
		switch {
		case !e.wants(name) || e.Complete || e.has(name, info.Epoch, lastOf(info)):
			continue
		case e.Released:
			gaveUp = append(gaveUp, e.Name)
		case here[e.ID]:
			unsure = append(unsure, e.Name)
		default:
			lacking = append(lacking, e.Name)
		}
		k.archives.lost(e.ID, info.Bytes)
	}
	unknown := s.alone && k.archives.aside != ""
	k.mu.Lock()
	defer k.mu.Unlock()
	d := &k.drops
	if d.pending == nil {
		d.pending, d.told = map[string]*loss{}, map[string]int64{}
	}
	l := d.pending[name]
	if l == nil {
		l = &loss{}
		d.pending[name] = l
	}
	l.bytes += info.Bytes
	l.recorded += time.Duration(max(info.LastNs-info.FirstNs, 0))
	l.files++
	l.why, l.unknown = why, unknown
	l.lacking, l.unsure, l.gaveUp = union(l.lacking, lacking), union(l.unsure, unsure), union(l.gaveUp, gaveUp)
	if len(lacking) > 0 || len(unsure) > 0 || unknown {
		d.bytes += info.Bytes
		d.lastAt = k.now()
	}
}

// union is a list with the names of another one that it lacks.
func union(list, more []string) []string {
	for _, name := range more {
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}

// tellDrops tells what was dropped, each stream once a minute unless all is to be
// told, and whether it goes on.
func (k *keeper) tellDrops(now int64, all bool) {
	type told struct {
		stream, text string
		loss
	}
	var list []told
	k.mu.Lock()
	d := &k.drops
	calm := d.full && now-d.lastAt >= int64(wellAfter) && k.roomyLocked()
	all = all || calm // it is told before that it is over
	for stream, l := range d.pending {
		if at, before := d.told[stream]; before && !all && now-at < int64(tellEvery) {
			continue
		}
		text := l.sentence(stream)
		list = append(list, told{stream, text, *l})
		delete(d.pending, stream)
		d.told[stream] = now
		if l.wanted() {
			if d.last = text; !d.full {
				d.full, d.since, d.times = true, now, d.times+1
			}
		}
	}
	alarm := d.full && d.alarmDue(now)
	if alarm {
		d.alarmed = now
	}
	over := calm && len(list) == 0
	if over {
		d.full = false
	}
	last, times := d.last, d.times
	k.mu.Unlock()
	slices.SortFunc(list, func(a, b told) int { return a.waiting() - b.waiting() })
	for _, t := range list {
		k.tell(&protocol.Event{What: protocol.EventJournalFull, Who: whoGateway, Text: t.text})
		k.log.Warn().Str("device", t.stream).Int64("bytes", t.bytes).Int("files", t.files).Msg(t.text)
	}
	if alarm {
		k.alarm(last, times)
	}
	if over {
		text := "the journal has room again: nothing that an archive lacks has to be dropped"
		k.tell(&protocol.Event{What: protocol.EventJournalWell, Who: whoGateway, Text: text})
		k.log.Info().Msg(text)
	}
}

// alarmDue reports whether on_alarm is to run while what archives lack goes.
func (d *drops) alarmDue(now int64) bool {
	quiet := now - d.alarmed
	return d.alarmed == 0 || quiet >= int64(alarmEvery) || d.alarmed < d.since && quiet >= int64(alarmPause)
}

// waiting is how many archives lack it, or may.
func (l *loss) waiting() int { return len(l.lacking) + len(l.unsure) }

// wanted reports whether an archive lacks it, or may.
func (l *loss) wanted() bool { return l.waiting() > 0 || l.unknown }

// sentence says what was dropped, and who lacks it.
func (l *loss) sentence(stream string) string {
	what := "the oldest " + SizeText(l.bytes)
	if l.recorded > 0 {
		what = "oldest " + SpanText(l.recorded)
	}
	text := fmt.Sprintf("journal full: %s of %s dropped", what, stream)
	switch {
	case l.waiting() > 0:
		if len(l.lacking) > 0 {
			text += ", not yet fetched by " + andText(l.lacking)
		}
		if len(l.unsure) > 0 {
			text += ", not yet confirmed by " + andText(l.unsure)
		}
	case l.unknown:
		text += "; who has not fetched it is not known, as the list of archives was damaged"
	case len(l.gaveUp) > 0:
		text += ", not fetched by " + andText(l.gaveUp) + ": not seen for so long that nothing is kept for it"
	default:
		text += ", which no archive waits for"
	}
	if l.why != "" {
		text += " (" + l.why + ")"
	}
	return text
}

// roomyLocked reports whether there is so much room again that nothing which
// an archive lacks goes soon.
func (k *keeper) roomyLocked() bool {
	quota, _ := k.limitsLocked()
	return k.spareLocked() > quota/16
}

// spareLocked is how many bytes the journal can still grow by before something
// goes that an archive has not fetched.
func (k *keeper) spareLocked() int64 {
	quota, keepFree := k.limitsLocked()
	spare := quota - k.held.unfetched
	if k.disk.known {
		spare = min(spare, k.disk.free-keepFree+k.held.bytes-k.held.unfetched)
	}
	return max(spare, 0)
}
