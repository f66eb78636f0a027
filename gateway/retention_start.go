package gateway

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"photongate/protocol/journal"
)

// Sizes of segment files: a file is the least that can be dropped.
const (
	segmentBytes    = 64 << 20
	minSegmentBytes = 64 << 10
	segmentsInQuota = 32 // at least
	reserveBytes    = 4 << 20
)

// openJournal opens the journal. What the disk refuses from then on comes from
// trouble.
func (g *Gateway) openJournal() (j *journal.Journal, trouble *diskTrouble, err error) {
	trouble = &diskTrouble{urgent: make(chan struct{}, 1), soon: make(chan struct{}, 1)}
	quota := quotaBytes(g.config.Quota, diskTotal(g.deps.FS, g.config.Journal))
	j, err = journal.Open(g.config.Journal, journal.Options{
		FS: g.deps.FS, Place: journal.InJournal, Gateway: g.config.Name, By: g.config.Name, SyncEvery: syncEvery, TailBytes: tailBytes,
		SegmentBytes: min(segmentBytes, max(minSegmentBytes, quota/segmentsInQuota)),
		ReserveBytes: min(reserveBytes, quota/8),
		OnTrouble: func(err error) {
			g.log.Error().Err(err).Msg("journal")
			trouble.tell(err)
		},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("open the journal in %s: %w", g.config.Journal, err)
	}
	_ = trouble.take() // what was found at the start is no trouble of the disk
	return j, trouble, nil
}

// diskTrouble is what the disk refused since somebody looked: it may be over
// before that.
type diskTrouble struct {
	urgent, soon chan struct{} // each holds one token when there is news: for who makes room, and who tells

	mu  sync.Mutex
	err error
}

func (d *diskTrouble) tell(err error) {
	d.mu.Lock()
	d.err = err
	d.mu.Unlock()
	d.wake()
}

// wake has both look.
func (d *diskTrouble) wake() {
	for _, c := range []chan struct{}{d.urgent, d.soon} {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// take is the trouble since the last call, nil for none.
func (d *diskTrouble) take() (err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	err, d.err = d.err, nil
	return err
}

// diskTotal is the size of the disk that holds a folder, or will; 0 when it is not
// known.
func diskTotal(fsys journal.FS, dir string) int64 {
	_, total, _ := diskOf(fsys, dir)
	return total
}

// diskOf is the room on the disk that holds a folder, or will.
func diskOf(fsys journal.FS, dir string) (free, total int64, err error) {
	for {
		free, total, err = fsys.Space(dir)
		above := filepath.Dir(dir)
		if err == nil || !errors.Is(err, fs.ErrNotExist) || above == dir {
			return free, total, err
		}
		dir = above
	}
}

// newKeeper makes what keeps the journal within its room.
func (g *Gateway) newKeeper(v *server, own *ownStream, trouble *diskTrouble) *keeper {
	k := &keeper{
		journal: v.journal, archives: v.archives, now: v.base.now, utc: time.Now, forgetAfter: g.config.ForgetAfter,
		space:  func() (free, total int64, err error) { return g.deps.FS.Space(v.journal.Dir()) },
		shares: map[string]float64{}, here: v.here, record: own.event, log: g.log, trouble: trouble,
		quota: g.config.Quota, keepFree: g.config.KeepFree,
		alarm: func(text string, times uint64) {
			_, ahead := v.base.pair()
			g.hook.offer(alarmReport{Gateway: g.config.Name, Kind: alarmJournal, TimeUTC: time.Unix(0, v.base.now()+ahead).UTC(), Text: text, Times: times})
		},
	}
	for _, d := range g.config.Devices {
		k.shares[d.Name] = d.Share
	}
	v.archives.gone = func(e archive, who *asker, why string) {
		v.takenOver(e.ID)
		k.forgotten(e, who, why)
	}
	v.archives.cut = k.tell
	return k
}

// alarmJournal is the kind of an alarm of the journal.
const alarmJournal = "journal"

// startText says what the journal may have, for how long that lasts, and what
// waits in memory when the disk stands still.
func (k *keeper) startText(fsys journal.FS) string {
	late := 0.0
	for _, st := range k.journal.Streams() {
		if _, configured := k.shares[st.Name()]; configured || st.Name() == gatewayStream {
			late += rateOfLate(fsys, st.Segments())
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	quota, keepFree := k.limitsLocked()
	parts := []string{fmt.Sprintf("the journal has %s and may have %s", SizeText(k.held.bytes), SizeText(quota))}
	if k.disk.known {
		parts[0] += fmt.Sprintf(", while %s stay free on the disk (now %s)", SizeText(keepFree), SizeText(k.disk.free))
	}
	return strings.Join(append(parts, lastsTexts(late, k.spareLocked(), tailBytes)...), "; ")
}

// filesOfLate is how many files the rate is taken from, at most.
const filesOfLate = 24

// rateOfLate is how fast a stream grew while it was recorded last, bytes per second; 0
// when that is not known.
func rateOfLate(fsys journal.FS, segs []journal.SegmentInfo) float64 {
	bytes, span := int64(0), time.Duration(0)
	for i := max(0, len(segs)-filesOfLate); i < len(segs); i++ {
		seg := segs[i]
		var end time.Time
		if i+1 < len(segs) && segs[i+1].Epoch == seg.Epoch {
			end = segs[i+1].Begun
		} else if info, err := fsys.Stat(seg.Path); err == nil {
			end = info.ModTime()
		}
		if long := end.Sub(seg.Begun); !seg.Begun.IsZero() && long > 0 && long < 48*time.Hour {
			bytes, span = bytes+seg.Bytes, span+long
		}
	}
	if span < 10*time.Second {
		return 0
	}
	return float64(bytes) / span.Seconds()
}

// lastsTexts says for how long room on the disk and in memory lasts at a rate
// in bytes per second, 0: not known.
func lastsTexts(bps float64, room, memory int64) []string {
	if bps <= 0 {
		return []string{"for how long that lasts is not known before readings came: photongate status tells",
			"while the disk stands still, up to " + SizeText(memory) + " wait in memory"}
	}
	lasts := "for more than 10 years"
	if s := float64(room) / bps; s < lastsKnown.Seconds() {
		lasts = "for " + SpanText(seconds(s))
	}
	return []string{"there is room " + lasts + " of what is not fetched, at the rate of late (" + SizeText(int64(bps)) + "/s)",
		"while the disk stands still, memory takes readings for " + SpanText(tailLasts(bps, memory))}
}
