package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"time"
)

// reserveName is no name that a stream can have.
const reserveName = "_reserve"

// reserveRetry is how long nothing is tried after the reserve could not be made
// although there seemed to be room.
const reserveRetry = 10 * time.Second

// reserve is room on the disk, taken while there is some by a file of real
// blocks. When the disk is full the file is removed: then files can be ended,
// epochs begun, and the stream gateway can say what is wrong. The other streams
// wait in memory until there is room for the reserve again: they would eat it
// up in no time. All but bytes is guarded by Journal.mu.
type reserve struct {
	bytes int64     // 0: there is none
	held  bool      // the file stands
	full  error     // why it was given up; nil: it was not, or is back
	next  time.Time // not made before
}

// findReserve looks for the file of an earlier process. One that is cut short
// goes: nobody would give it up, and it is made anew when there is room.
func (j *Journal) findReserve() {
	name := filepath.Join(j.dir, reserveName)
	info, err := j.fs.Stat(name)
	j.reserve.held = err == nil && j.reserve.bytes > 0 && info.Size() == j.reserve.bytes
	if err == nil && j.reserve.bytes > 0 && !j.reserve.held {
		_ = j.fs.Remove(name) // if it stays, it is removed before it is made
	}
}

// giveReserve gives the reserve up because of cause, an error of a full disk.
// It reports whether there is room now that was not there before.
func (j *Journal) giveReserve(cause error) bool {
	if !IsFull(cause) {
		return false
	}
	j.mu.Lock()
	held := j.reserve.held
	if held {
		j.reserve.held, j.reserve.full = false, cause
	}
	j.mu.Unlock()
	if !held {
		return false
	}
	err := j.fs.Remove(filepath.Join(j.dir, reserveName))
	return err == nil || errors.Is(err, fs.ErrNotExist)
}

// starvedLocked reports whether a stream must leave the room there is to the
// stream gateway.
func (j *Journal) starvedLocked(s *Stream) bool {
	return j.reserve.full != nil && s.name != gatewayStream && !j.closing
}

// makeReserve takes the room again when there is twice as much. It is for the
// syncer.
func (j *Journal) makeReserve() {
	j.mu.Lock()
	due := j.reserve.bytes > 0 && !j.reserve.held && !time.Now().Before(j.reserve.next)
	j.mu.Unlock()
	if !due {
		return
	}
	free, _, err := j.fs.Space(j.dir)
	if err == nil && free < 2*j.reserve.bytes {
		return
	}
	err = j.writeReserve()
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil {
		j.reserve.next = time.Now().Add(reserveRetry)
		return
	}
	j.reserve.held, j.reserve.full = true, nil
	j.wakeAppender()
}

// writeReserve makes the file. What is in it cannot be packed by a file system
// that tries.
func (j *Journal) writeReserve() error {
	name := filepath.Join(j.dir, reserveName)
	if err := j.fs.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := j.fs.Create(name)
	if err != nil {
		return err
	}
	noise := rand.NewChaCha8([32]byte{})
	b := make([]byte, min(j.reserve.bytes, 256<<10))
	for left := j.reserve.bytes; left > 0 && err == nil; left -= int64(len(b)) {
		b = b[:min(left, int64(len(b)))]
		_, _ = noise.Read(b) // it never fails
		_, err = f.Write(b)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("make %s: %w", name, err), j.fs.Remove(name))
	}
	return nil
}
