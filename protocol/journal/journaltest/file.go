package journaltest

import (
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"time"
)

// file is an open file.
type file struct {
	fs       *FS
	node     *node
	name     string
	writable bool
	closed   bool
}

// ReadAt implements io.ReaderAt.
func (o *file) ReadAt(b []byte, off int64) (int, error) {
	o.fs.mu.Lock()
	defer o.fs.mu.Unlock()
	switch {
	case o.fs.crashed:
		return 0, ErrCrashed
	case o.closed:
		return 0, failed("read", o.name, fs.ErrClosed)
	case off >= int64(len(o.node.data)):
		return 0, io.EOF
	}
	n := copy(b, o.node.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// Write implements io.Writer. At a crash half of b is written; on a full disk
// as much as fits.
func (o *file) Write(b []byte) (int, error) {
	o.fs.mu.Lock()
	defer o.fs.mu.Unlock()
	if o.fs.crashed {
		return 0, ErrCrashed
	}
	if o.closed || !o.writable {
		return 0, failed("write", o.name, fs.ErrClosed)
	}
	short, err := o.fs.short, o.fs.step()
	switch {
	case o.fs.crashed:
		b = b[:len(b)/2]
	case err != nil:
		return 0, failed("write", o.name, err)
	case o.fs.limited && int64(len(b)) > o.fs.space:
		b, err = b[:o.fs.space], failed("write", o.name, full)
	case short != nil:
		b, err = b[:min(short.bytes, len(b))], short.err
		o.fs.short = nil
	}
	o.node.data = append(o.node.data, b...)
	o.node.mtime = o.fs.tick()
	if o.fs.limited {
		o.fs.space -= int64(len(b))
	}
	return len(b), err
}

// Sync puts what is written on the disk, unless it was told to do otherwise.
func (o *file) Sync() error {
	o.fs.mu.Lock()
	if delay := o.fs.delay; delay > 0 {
		upTo := len(o.node.data)
		o.fs.mu.Unlock()
		<-time.After(delay)
		o.fs.mu.Lock()
		defer o.fs.mu.Unlock()
		return o.sync(upTo)
	}
	if gate := o.fs.gate; gate != nil {
		// What is written while the sync waits is not part of it.
		upTo := len(o.node.data)
		o.fs.waiting++
		o.fs.mu.Unlock()
		<-gate
		o.fs.mu.Lock()
		defer o.fs.mu.Unlock()
		o.fs.waiting--
		return o.sync(upTo)
	}
	defer o.fs.mu.Unlock()
	return o.sync(len(o.node.data))
}

func (o *file) sync(upTo int) error {
	if o.closed {
		return failed("sync", o.name, fs.ErrClosed)
	}
	if err := o.fs.step(); err != nil {
		return err
	}
	if err := o.fs.syncErr; err != nil {
		o.fs.syncErr = nil
		o.node.lost = append(o.node.lost, span{len(o.node.synced), upTo})
		return failed("sync", o.name, err)
	}
	o.node.synced = slices.Clone(o.node.data[:upTo])
	for _, l := range o.node.lost {
		clear(o.node.synced[l.from:l.to])
	}
	return nil
}

// Close implements io.Closer.
func (o *file) Close() error {
	o.fs.mu.Lock()
	defer o.fs.mu.Unlock()
	if o.closed {
		return failed("close", o.name, fs.ErrClosed)
	}
	o.closed = true
	return nil
}

// Stat implements [journal.File].
func (o *file) Stat() (fs.FileInfo, error) {
	o.fs.mu.Lock()
	defer o.fs.mu.Unlock()
	if o.fs.crashed {
		return nil, ErrCrashed
	}
	return describe(filepath.Base(o.name), o.node), nil
}
