package journal

import "time"

// unsynced is what a stream has taken that is not on the disk. It is guarded by
// Journal.mu.
type unsynced struct {
	since time.Time // the oldest of it came then; zero: there is none
	later time.Time // the first frame came then behind what is being synced; zero: none did
	done  uint64    // of the bytes appended, those on the disk
}

// Unsynced tells for how long the oldest frame that was appended has waited to
// be on the disk, and how many bytes of frames do; 0 when all are there. Where
// the disk is behind and takes some all the same, the time counts from the
// last sync that it completed: more than a few times SyncEvery says that the
// disk stands still. Unsynced does not ask the disk, and never waits for it.
func (j *Journal) Unsynced() (waits time.Duration, bytes int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := j.o.Now()
	for _, s := range j.streams {
		if s.unsynced.since.IsZero() {
			continue
		}
		waits = max(waits, now.Sub(s.unsynced.since))
		bytes += int64(s.appended - s.unsynced.done)
	}
	return waits, bytes
}

// took notes that a frame was appended.
func (u *unsynced) took(now func() time.Time) {
	if u.since.IsZero() {
		u.since = now()
	}
	if u.later.IsZero() {
		u.later = now()
	}
}

// syncingLocked notes that a sync of all that is written begins. It returns how
// many of the bytes appended these are.
func (s *Stream) syncingLocked() (written uint64) {
	s.unsynced.later = time.Time{}
	written = s.appended
	for i := len(s.chunks) - 1; i >= 0 && s.chunks[i].written < s.chunks[i].n; i-- {
		written -= uint64(s.chunks[i].n - s.chunks[i].written)
	}
	if written < s.appended {
		s.unsynced.later = s.j.o.Now()
	}
	return written
}

// reachedLocked notes that so many of the bytes appended are on the disk.
func (s *Stream) reachedLocked(written uint64) {
	u := &s.unsynced
	u.since, u.done = u.later, max(u.done, written)
	if s.durable.Epoch == s.epoch && s.durable.Seq+1 == s.next {
		u.since, u.done = time.Time{}, s.appended
	}
}
