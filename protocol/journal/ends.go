package journal

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"photongate/protocol"
)

// epochEnd says how far an epoch was on the disk: its frame LastSeq was there for
// good, and those before as far as they are not in a hole.
type epochEnd struct {
	Epoch   uint32          `json:"epoch"`
	LastSeq protocol.Uint64 `json:"last_seq"`
	Open    bool            `json:"open,omitempty"` // it was being written: more may have come
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
	if seq <= e.of(epoch) {
		return e, false
	}
	return e.note(epochEnd{Epoch: epoch, LastSeq: protocol.Uint64(seq)})
}

// note is with that also takes whether more may come.
func (e ends) note(end epochEnd) (ends, bool) {
	had := e.of(end.Epoch)
	if end.Epoch == 0 || end.LastSeq == 0 || uint64(end.LastSeq) < had || slices.Contains(e, end) {
		return e, false
	}
	out := e.without(end.Epoch)
	at := 0
	for at < len(out) && out[at].Epoch < end.Epoch {
		at++
	}
	out = slices.Insert(out, at, end)
	return out[max(0, len(out)-maxEnds):], true
}

// settled reports whether it is known that an epoch never went on behind seq.
func (e ends) settled(epoch uint32, seq uint64) bool {
	return slices.ContainsFunc(e, func(end epochEnd) bool {
		return end.Epoch == epoch && !end.Open && uint64(end.LastSeq) >= seq
	})
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

// noteEnd enters in m how far a stream is on the disk, and whether more may come
// of it, and reports whether that is news.
func (j *Journal) noteEnd(m *meta, s *Stream, open bool) bool {
	j.mu.Lock()
	at := s.durable
	j.mu.Unlock()
	e := m.stream(s.name)
	if at.Seq <= e.Dropped.of(at.Epoch) { // the quota dropped the whole epoch
		return false
	}
	next, news := e.Ends.note(epochEnd{Epoch: at.Epoch, LastSeq: protocol.Uint64(at.Seq), Open: open})
	e.Ends = next
	return news
}

// noteEnds notes in journal.json how far streams are on the disk.
func (j *Journal) noteEnds(open bool, streams ...*Stream) error {
	j.metaMu.Lock()
	defer j.metaMu.Unlock()
	m := j.meta.clone()
	news := false
	for _, s := range streams {
		news = j.noteEnd(&m, s, open) || news
	}
	if !news {
		return nil
	}
	return j.saveMeta(m)
}

// noteEvery is the time between two notes of how far the open epochs are on the
// disk: what is removed or cut short is told up to the last of them.
const noteEvery = time.Minute

// noteProgress notes, each noteEvery, how far all streams are on the disk. Those
// in which nothing came since are as they were noted. It belongs to the syncer.
func (j *Journal) noteProgress() {
	now := j.o.Now()
	if since := now.Sub(j.progressed); since >= 0 && since < noteEvery {
		return
	}
	var busy []*Stream
	for _, s := range j.Streams() {
		j.mu.Lock()
		if s.begun && s.durable.Epoch == s.epoch && s.durable.Seq >= s.begunFirst {
			busy = append(busy, s)
		}
		j.mu.Unlock()
	}
	j.progressed = now
	_ = j.noteEnds(true, busy...) // what cannot be noted now is noted a minute later
}

// NoteEnd notes in journal.json of a folder that nobody writes how far an epoch of
// a stream is, or was, on its disk; open says that more may follow. It is for
// whoever puts files into the folder, and holds its lock. What is noted is never
// lowered.
func NoteEnd(fsys FS, dir, stream string, epoch uint32, seq uint64, open bool) error {
	m, err := readMeta(fsys, dir)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	e := m.stream(stream)
	if e == nil {
		return fmt.Errorf("journal: %s: no stream %q: %w", dir, stream, ErrNotHeld)
	}
	next, news := e.Ends.note(epochEnd{Epoch: epoch, LastSeq: protocol.Uint64(seq), Open: open})
	if !news {
		return nil
	}
	e.Ends = next
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return err
	}
	if err := ReplaceFile(fsys, filepath.Join(dir, metaName), WithCRC(text)); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(dir, metaName), err)
	}
	return nil
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
	m.more = m.epoch == l.known.last && !l.known.noted.settled(m.epoch, m.known)
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
	more := ""
	if m.more {
		more = "; as it was being written, more may have followed"
	}
	switch {
	case m.knownBy == "":
		return metaName + " knows of this part, and no file of it is here; how many frames it had is not known"
	case owner == nil:
		return fmt.Sprintf("%s knows of frames up to %d, and no file of it is here%s", m.knownBy, m.known, more)
	}
	return fmt.Sprintf("%s knows of frames up to %d: the file %s was cut short, or what followed it was removed%s", m.knownBy, m.known, owner.name, more)
}
