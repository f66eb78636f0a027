package journal

import (
	"fmt"
	"path/filepath"
	"slices"

	"photongate/protocol"
)

// epochEnd says how far an epoch was on the disk: its frame LastSeq was there for
// good, and those before as far as they are not in a hole.
type epochEnd struct {
	Epoch   uint32          `json:"epoch"`
	LastSeq protocol.Uint64 `json:"last_seq"`
}

// ends are the epochs of a stream of which frames were on the disk, in order,
// the newest maxEnds of them. A value is never changed, with makes a new one.
type ends []epochEnd

// maxEnds bounds what journal.json grows to: it is written anew for each epoch.
const maxEnds = 1000

// of is the last sequence of an epoch that was on the disk, 0: none is known.
func (e ends) of(epoch uint32) uint64 {
	for _, end := range e {
		if end.Epoch == epoch {
			return uint64(end.LastSeq)
		}
	}
	return 0
}

// with adds what is known of one epoch. It reports false when that is nothing new.
func (e ends) with(epoch uint32, seq uint64) (ends, bool) {
	if epoch == 0 || seq <= e.of(epoch) {
		return e, false
	}
	out := slices.DeleteFunc(slices.Clone(e), func(end epochEnd) bool { return end.Epoch == epoch })
	at := 0
	for at < len(out) && out[at].Epoch < epoch {
		at++
	}
	out = slices.Insert(out, at, epochEnd{Epoch: epoch, LastSeq: protocol.Uint64(seq)})
	return out[max(0, len(out)-maxEnds):], true
}

// without leaves out an epoch.
func (e ends) without(epoch uint32) ends {
	return slices.DeleteFunc(slices.Clone(e), func(end epochEnd) bool { return end.Epoch == epoch })
}

// after is the first epoch behind another one, 0: there is none.
func (e ends) after(epoch uint32) uint32 {
	for _, end := range e {
		if end.Epoch > epoch {
			return end.Epoch
		}
	}
	return 0
}

// check refuses what this program did not write.
func (e ends) check() error {
	for _, end := range e {
		if end.Epoch == 0 || end.LastSeq == 0 || end.LastSeq == 1<<64-1 {
			return fmt.Errorf("epoch %d ends with frame %d", end.Epoch, end.LastSeq)
		}
	}
	return nil
}

// noteEnd enters in m how far a stream is on the disk, and reports whether that
// is news.
func (j *Journal) noteEnd(m *meta, s *Stream) bool {
	j.mu.Lock()
	at := s.durable
	j.mu.Unlock()
	e := m.stream(s.name)
	if at.Seq <= e.Dropped.of(at.Epoch) { // the quota dropped the whole epoch
		return false
	}
	next, news := e.Ends.with(at.Epoch, at.Seq)
	e.Ends = next
	return news
}

// noteEnds notes in journal.json how far streams are on the disk.
func (j *Journal) noteEnds(streams ...*Stream) error {
	j.metaMu.Lock()
	defer j.metaMu.Unlock()
	m := j.meta.clone()
	news := false
	for _, s := range streams {
		news = j.noteEnd(&m, s) || news
	}
	if !news {
		return nil
	}
	return j.saveMeta(m)
}

// knowledge is what a folder says of a stream beside its files.
type knowledge struct {
	last     uint32 // the last epoch whose number was used
	noted    ends   // by journal.json
	verified ends   // by verified.json
	dropped  ends   // how far the quota dropped epochs
	begins   bool   // what a journal dropped is not known: it begins where its files begin
}

// end is the last sequence of an epoch that was once on the disk, 0: none is
// known; and who says so.
func (k *knowledge) end(epoch uint32) (seq uint64, by string) {
	seq, by = k.noted.of(epoch), metaName
	if verified := k.verified.of(epoch); verified > seq {
		seq, by = verified, "an earlier verify ("+cacheName+")"
	}
	return seq, by
}

// next is the first epoch after this one of which segs hold a file, or of which
// something was once on the disk and not dropped; 0 when there is none.
func (k *knowledge) next(segs []*segment, epoch uint32) uint32 {
	next := nextEpoch(segs, epoch)
	oldest := uint32(0)
	if k.begins {
		oldest = k.last
		if len(segs) > 0 {
			oldest = segs[0].epoch
		}
	}
	known := []uint32{k.last}
	for _, e := range slices.Concat(k.noted, k.verified) {
		known = append(known, e.Epoch)
	}
	for _, e := range known {
		if e > epoch && e >= oldest && (next == 0 || e < next) && !k.gone(segs, e) {
			next = e
		}
	}
	return next
}

// gone reports whether the quota dropped all that is known of an epoch.
func (k *knowledge) gone(segs []*segment, epoch uint32) bool {
	end, _ := k.end(epoch)
	dropped := k.dropped.of(epoch)
	return dropped > 0 && dropped >= end && len(epochSegments(segs, epoch)) == 0
}

// place tells a merge what there is of its epoch, and what there was.
func (l *files) place(m *merge) {
	m.segs = epochSegments(l.segs, m.epoch)
	m.ended = nextEpoch(l.segs, m.epoch) != 0
	m.dropped = l.known.dropped.of(m.epoch)
	m.unknown = l.known.begins && len(l.segs) > 0 && l.segs[0].epoch >= m.epoch
	m.known, m.knownBy = l.known.end(m.epoch)
	switch {
	case m.dropped > m.known:
		m.known, m.knownBy = m.dropped, metaName
	case m.known == 0 && len(m.segs) == 0 && m.epoch == l.known.last:
		m.known, m.knownBy = 1, "" // its number was taken together with a file
	}
	m.dropsNow = nil
	if l.drops {
		m.dropsNow = func() uint64 { return l.dropsNow(m.epoch) }
	}
}

// dropsNow reads in journal.json how far the quota has dropped an epoch by now.
func (l *files) dropsNow(epoch uint32) uint64 {
	if m, err := readMeta(l.fs, filepath.Dir(l.dir)); err == nil && m.Journal == l.want.Journal {
		if s := m.stream(l.want.Stream); s != nil {
			l.known.dropped = s.Dropped
		}
	}
	return l.known.dropped.of(epoch)
}

// gone says in words what is known of frames that were once on the disk behind
// the files that are here; owner is the last of these, nil when there is none.
func (m *merge) gone(owner *segment) string {
	switch {
	case m.knownBy == "":
		return metaName + " knows of this part, and no file of it is here; how many frames it had is not known"
	case owner == nil:
		return fmt.Sprintf("%s knows of frames up to %d, and no file of it is here", m.knownBy, m.known)
	}
	return fmt.Sprintf("%s knows of frames up to %d: the file %s was cut short, or what followed it was removed", m.knownBy, m.known, owner.name)
}
