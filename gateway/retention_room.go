package gateway

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"photongate/protocol/journal"
)

// gatewayShare is the share of the gateway's own stream. It is small, and goes
// last: it says what happened to all others.
const gatewayShare = 0.05

// Bounds of what is dropped.
const (
	mostDropped = 512                       // files at one look, so that what happens meanwhile is seen
	fullNeeds   = 4 << 20                   // bytes of what is fetched that are made free when the disk is full; of the rest only what waits needs
	fullPause   = 2*syncEvery + time.Second // before more is: the journal tries again meanwhile
	endAtPart   = 8                         // a live file is ended for its room when it has more than this part of the quota
)

// keep looks once at the disk, and makes room where it is needed.
func (k *keeper) keep(ctx context.Context) {
	k.mu.Lock()
	k.disk.asked = k.now()
	k.mu.Unlock()
	free, total, err := k.space()
	bytes := k.journal.Bytes()
	k.mu.Lock()
	if err != nil {
		total = k.disk.total // a disk that does not answer once has not become smaller
	}
	k.disk = diskSpace{free: free, total: total, known: err == nil}
	quota, keepFree := k.limitsLocked()
	need, fetched := bytes-quota, int64(0)
	if quotaOpen(k.quota, total, err) {
		need = 0
	}
	k.mu.Unlock()
	why := ""
	if err == nil && keepFree-free > need {
		need, why = keepFree-free, "only "+SizeText(free)+" are free on the disk, and keep_free is "+SizeText(keepFree)
	}
	if trouble := k.journal.Err(); journal.IsFull(trouble) && k.now()-k.refused >= int64(fullPause) {
		used, _ := k.journal.Tail()
		fetched = max(need, fullNeeds)
		if least := max(1, 2*used); need < least {
			need, why = least, diskText(trouble)
		}
		k.refused = k.now()
	}
	shelves := k.shelves()
	if need > 0 {
		k.makeRoom(ctx, shelves, need, max(need, fetched), quota, why)
	}
	k.weigh(shelves)
}

// quotaOpen reports whether a quota is a part of a disk that has not said how
// large it is, and may yet do so: what is taken for it meanwhile is no reason to
// drop anything.
func quotaOpen(quota Amount, total int64, err error) bool {
	return total == 0 && quota.Bytes == 0 && err != nil && !errors.Is(err, errors.ErrUnsupported)
}

// limitsLocked are the quota and what stays free, in bytes.
func (k *keeper) limitsLocked() (quota, keepFree int64) {
	return quotaBytes(k.quota, k.disk.total), keepFreeBytes(k.keepFree, k.disk.total)
}

// shelf is one stream, as whoever makes room sees it.
type shelf struct {
	stream  *journal.Stream
	segs    []journal.SegmentInfo // oldest first
	bytes   int64
	share   float64 // against other streams
	own     bool    // the gateway's own
	holders []archive
	known   []archive // all archives
	alone   bool      // no archive holds any stream
}

// shelves are all streams with what they hold, and for whom.
func (k *keeper) shelves() []*shelf {
	known := k.archives.snapshot()
	holding := false
	var list []*shelf
	for _, st := range k.journal.Streams() {
		s := &shelf{stream: st, segs: st.Segments(), known: known, share: k.share(st.Name()), own: st.Name() == gatewayStream}
		for _, seg := range s.segs {
			s.bytes += seg.Bytes
		}
		for _, e := range known {
			if e.holds(st.Name()) {
				s.holders = append(s.holders, e)
				holding = true
			}
		}
		list = append(list, s)
	}
	for _, s := range list {
		s.alone = !holding
	}
	return list
}

// share is the share of a stream in the quota, against other streams.
func (k *keeper) share(stream string) float64 {
	if stream == gatewayStream {
		return gatewayShare
	}
	if w, ok := k.shares[stream]; ok {
		return w
	}
	return 1 // of a device that is not configured any more
}

// Ranks of files, in the order in which they go.
const (
	rankFetched  = iota // all archives that hold the stream have it, and at least one has it
	rankUnwanted        // no archive holds the stream, while some hold others
	rankLacking         // an archive lacks it; or nobody is known who wants anything
)

// rank of one file of the shelf.
func (s *shelf) rank(seg journal.SegmentInfo) int {
	name, last := s.stream.Name(), lastOf(seg)
	switch {
	case slices.ContainsFunc(s.holders, func(e archive) bool { return !e.has(name, seg.Epoch, last) }):
		return rankLacking
	case slices.ContainsFunc(s.known, func(e archive) bool { return e.fetched(name, seg.Epoch, last) }):
		return rankFetched
	case s.alone:
		return rankLacking
	}
	return rankUnwanted
}

// lastOf is the last frame that must be fetched for a file to be: where its end
// could not be read, that is none before the next epoch.
func lastOf(seg journal.SegmentInfo) uint64 {
	if seg.LastSeq == 0 {
		return math.MaxUint64
	}
	return max(seg.FirstSeq, seg.LastSeq)
}

// oldest is the file that would go next; there is none where only one is left,
// or it is being written.
func (s *shelf) oldest() (journal.SegmentInfo, bool) {
	if len(s.segs) < 2 || s.segs[0].Open {
		return journal.SegmentInfo{}, false
	}
	return s.segs[0], true
}

// live is the file that is being written.
func (s *shelf) live() (journal.SegmentInfo, bool) {
	if n := len(s.segs); n > 0 && s.segs[n-1].Open {
		return s.segs[n-1], true
	}
	return journal.SegmentInfo{}, false
}

// makeRoom drops files until so many bytes are free, of those that are fetched so
// many, or nothing can be dropped.
func (k *keeper) makeRoom(ctx context.Context, shelves []*shelf, need, fetched, quota int64, why string) {
	for n := 0; n < mostDropped && ctx.Err() == nil; n++ {
		s, rank := goesNext(shelves)
		if need <= 0 && (s == nil || rank != rankFetched || fetched <= 0) {
			return
		}
		if (s == nil || rank != rankFetched) && k.endLarge(ctx, shelves, quota) {
			return // and see at the next look
		}
		if s == nil {
			return
		}
		info, err := s.stream.DropOldest()
		if err != nil && !s.lost(info) {
			if times, now := k.drops.trouble.Tell("drop"); now {
				k.log.Error().Err(err).Int("times", times).Msg("room is needed, and a file cannot be dropped")
			}
			shelves = slices.DeleteFunc(slices.Clone(shelves), func(other *shelf) bool { return other == s })
			continue
		}
		need, fetched = need-info.Bytes, fetched-info.Bytes
		k.dropped(s, rank, info, why)
		s.segs = s.segs[1:]
		s.bytes -= info.Bytes
	}
}

// lost reports whether a file is gone although dropping it ended in an error.
func (s *shelf) lost(info journal.SegmentInfo) bool {
	return info.Path != "" && !slices.ContainsFunc(s.stream.Segments(), func(seg journal.SegmentInfo) bool { return seg.Path == info.Path })
}

// goesNext is the stream whose oldest file goes next, nil when none can go.
func goesNext(shelves []*shelf) (best *shelf, rank int) {
	for _, s := range shelves {
		seg, ok := s.oldest()
		if !ok {
			continue
		}
		r := s.rank(seg)
		if best == nil || r < rank || r == rank && s.before(best, r) {
			best, rank = s, r
		}
	}
	return best, rank
}

// before reports whether the oldest file of s goes before that of other, both
// of a rank.
func (s *shelf) before(other *shelf, rank int) bool {
	if rank != rankFetched && s.own != other.own {
		return other.own
	}
	if rank == rankLacking {
		return s.fill() > other.fill()
	}
	return s.segs[0].Begun.Before(other.segs[0].Begun)
}

// fill is how much a stream has for its share.
func (s *shelf) fill() float64 { return float64(s.bytes) / s.share }

// endLarge ends the live file of the stream that has most for its share, if
// most of what it has stands in that: otherwise a stream whose files can be
// dropped would pay for one whose file cannot. The file itself is not touched.
func (k *keeper) endLarge(ctx context.Context, shelves []*shelf, quota int64) bool {
	if len(shelves) == 0 {
		return false
	}
	s := slices.MaxFunc(shelves, func(a, b *shelf) int { return cmp.Compare(a.fill(), b.fill()) })
	live, ok := s.live()
	if _, more := s.oldest(); !ok || more || live.Bytes <= quota/endAtPart {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, syncLimit)
	defer cancel()
	if err := s.stream.CloseSegment(ctx); err != nil && !errors.Is(err, journal.ErrClosed) {
		if times, now := k.drops.trouble.Tell("end"); now {
			k.log.Error().Err(err).Int("times", times).Msg("room is needed, and a file cannot be ended")
		}
		return false
	}
	return true
}

// holding is what the journal holds and for whom, at the last look.
type holding struct {
	bytes, unfetched int64
	streams          []held
	archives         map[string]lack // by id
}

// held is one stream.
type held struct {
	name   string
	bytes  int64
	share  float64 // 0 to 1
	oldest time.Time
}

// lack is what an archive has not fetched.
type lack struct {
	bytes int64
	since time.Time // what it lacks was recorded from then on; zero: not known
}

// weigh notes what there is.
func (k *keeper) weigh(shelves []*shelf) {
	h := holding{archives: map[string]lack{}}
	all := 0.0
	for _, s := range shelves {
		all += s.share
	}
	for _, s := range shelves {
		one := held{name: s.stream.Name(), bytes: s.bytes, share: s.share / all}
		if len(s.segs) > 0 {
			one.oldest = s.segs[0].Begun
		}
		h.streams = append(h.streams, one)
		h.bytes += s.bytes
		most := int64(0)
		for _, e := range s.holders {
			bytes, since := s.lacking(&e, k.utc())
			most = max(most, bytes)
			l := h.archives[e.ID.String()]
			l.bytes += bytes
			if bytes > 0 && (l.since.IsZero() || !since.IsZero() && since.Before(l.since)) {
				l.since = since
			}
			h.archives[e.ID.String()] = l
		}
		if s.alone && k.archives.aside != "" {
			most = s.bytes // somebody may lack it
		}
		h.unfetched += most
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.held = h
}

// lacking is how much of a stream an archive has not fetched, and when that was
// recorded first: exact to what a file holds, and in proportion within one.
func (s *shelf) lacking(e *archive, now time.Time) (bytes int64, since time.Time) {
	name := s.stream.Name()
	at := e.Acked[name]
	for i := len(s.segs) - 1; i >= 0; i-- {
		seg := s.segs[i]
		last := seg.LastSeq
		if seg.Open {
			if p, ok := s.stream.Last(); ok && p.Epoch == seg.Epoch {
				last = p.Seq
			}
		}
		if e.has(name, seg.Epoch, max(last, seg.FirstSeq)) {
			break
		}
		if !e.has(name, seg.Epoch, seg.FirstSeq) || last <= seg.FirstSeq {
			bytes, since = bytes+seg.Bytes, seg.Begun
			continue
		}
		ends := now
		if i+1 < len(s.segs) {
			ends = s.segs[i+1].Begun
		}
		part := float64(uint64(at.Seq)-seg.FirstSeq+1) / float64(last-seg.FirstSeq+1) // that it has
		bytes += int64((1 - part) * float64(seg.Bytes))
		if since = seg.Begun; ends.After(since) && !since.IsZero() {
			since = since.Add(time.Duration(part * float64(ends.Sub(since))))
		}
		break
	}
	return bytes, since
}
