// Package journaltest is a file system in memory for tests of what stands on
// package journal. It knows of each file and each folder what was synced, and
// it fails on command: a power cut, a crash at the n-th operation, a full disk
// or one that is read only, a sync that errs, is slow or does not return, short
// writes, flipped bits.
package journaltest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"photongate/protocol/journal"
)

// ErrCrashed is what every operation returns after a crash.
var ErrCrashed = errors.New("journaltest: crashed")

// FS is a file system in memory. Its zero value is not usable, see [New]. All
// methods may be called from several goroutines.
type FS struct {
	mu      sync.Mutex
	root    *dir
	locks   map[string]bool
	now     time.Time
	ops     int
	crashAt int  // operation at which it crashes; 0: none
	crashed bool // nothing works any more
	space   int64
	limited bool  // space is the number of bytes left
	total   int64 // bytes of the whole disk, by Capacity; 0: no end
	syncErr error
	short   *shortWrite   // what the next write does; nil: its work
	fixed   bool          // nothing can be changed
	delay   time.Duration // of each sync
	gate    chan struct{} // a sync waits until it is closed; nil: none waits
	waiting int           // syncs at the gate
}

// dir is a folder: its names as they are, and as they were synced.
type dir struct {
	names, synced map[string]any // *dir or *node
}

// node is the content of a file, whatever it is named.
type node struct {
	data   []byte
	synced []byte // as of the last sync
	lost   []span // what a failed sync should have put on the disk: no later one does
	mtime  time.Time
}

// span is a stretch of a file, from one offset to before another.
type span struct{ from, to int }

type shortWrite struct {
	bytes int
	err   error
}

func newDir() *dir { return &dir{names: map[string]any{}, synced: map[string]any{}} }

// New returns an empty file system.
func New() *FS {
	return &FS{root: newDir(), locks: map[string]bool{}, now: time.Unix(1_800_000_000, 0)}
}

var _ journal.FS = (*FS)(nil)

// CrashAt makes the file system crash at the n-th operation from now on that
// changes something: half of what a write gives is written, no other
// operation has an effect, and all later ones fail with ErrCrashed. 0 undoes it.
func (f *FS) CrashAt(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.crashAt = 0
	if n > 0 {
		f.crashAt = f.ops + n
	}
}

// Crashed reports whether the crash has happened.
func (f *FS) Crashed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.crashed
}

// Ops is the number of operations so far that change something.
func (f *FS) Ops() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ops
}

// Limit sets the free space, in bytes; less than 0 is no limit. A power cut
// undoes it.
func (f *FS) Limit(bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.space, f.limited, f.total = bytes, bytes >= 0, 0
}

// Capacity sets the size of the whole disk, of which the files there are take
// their part: a disk that stays as it is over power cuts. 0 or less is no limit.
func (f *FS) Capacity(bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.capacity(bytes)
}

func (f *FS) capacity(bytes int64) {
	f.total, f.limited = max(bytes, 0), bytes > 0
	f.space = max(bytes-f.root.size(), 0)
}

// size is how many bytes the files in a folder have.
func (d *dir) size() (bytes int64) {
	for _, e := range d.names {
		switch e := e.(type) {
		case *dir:
			bytes += e.size()
		case *node:
			bytes += int64(len(e.data))
		}
	}
	return bytes
}

// endless is what Space says of a disk without a limit.
const endless = 1 << 50

// Space implements [journal.FS].
func (f *FS) Space(string) (free, total int64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.crashed:
		return 0, 0, ErrCrashed
	case !f.limited:
		return endless, endless, nil
	case f.total > 0:
		return f.space, f.total, nil
	}
	return f.space, f.space + f.root.size(), nil
}

// FailSync makes the next sync of a file fail with err. What it should have put
// on the disk never gets there, though it can be read until a power cut and later
// syncs of the file say that all is well: so do operating systems.
func (f *FS) FailSync(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.syncErr = err
}

// ShortWrite makes the next write of a file end after so many bytes, with err,
// which may be nil.
func (f *FS) ShortWrite(bytes int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.short = &shortWrite{bytes, err}
}

// ReadOnly makes everything that changes something fail, as on a disk that is
// mounted read-only, until it is called with false.
func (f *FS) ReadOnly(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fixed = on
}

// SlowSync makes every sync of a file take so long.
func (f *FS) SlowSync(each time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.delay = each
}

// BlockSync makes every sync wait until the function returned is called.
func (f *FS) BlockSync() (release func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	gate := make(chan struct{})
	f.gate = gate
	return func() {
		f.mu.Lock()
		if f.gate == gate {
			f.gate = nil
		}
		f.mu.Unlock()
		close(gate)
	}
}

// SyncsWaiting is the number of syncs that wait for release.
func (f *FS) SyncsWaiting() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.waiting
}

// Files returns the paths of all files, sorted.
func (f *FS) Files() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	f.root.list("", &out)
	slices.Sort(out)
	return out
}

func (d *dir) list(at string, out *[]string) {
	for name, e := range d.names {
		path := at + string(filepath.Separator) + name
		if sub, ok := e.(*dir); ok {
			sub.list(path, out)
			continue
		}
		*out = append(*out, path)
	}
}

// Data returns the content of a file, nil when there is none. Changing it
// changes the file as it is read, until a power cut.
func (f *FS) Data(name string) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n, ok := f.find(name).(*node); ok {
		return n.data
	}
	return nil
}

// Flip flips the bits of mask in one byte of a file, in memory and on the
// disk.
func (f *FS) Flip(name string, at int, mask byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, ok := f.find(name).(*node)
	if !ok || at >= len(n.data) {
		return
	}
	n.data[at] ^= mask
	if at < len(n.synced) {
		n.synced[at] ^= mask
	}
}

// Put makes or replaces a file, synced.
func (f *FS) Put(name string, data []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, base := f.parent(name)
	n := &node{data: slices.Clone(data), synced: slices.Clone(data), mtime: f.tick()}
	d.names[base], d.synced[base] = n, n
}

// SetTime sets a file's time of change.
func (f *FS) SetTime(name string, t time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n, ok := f.find(name).(*node); ok {
		n.mtime = t
	}
}

func sortedNames(m map[string]any) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func split(name string) []string {
	return strings.FieldsFunc(filepath.Clean(name), func(r rune) bool { return r == filepath.Separator })
}

// find returns the folder or file of a name, nil when there is none.
func (f *FS) find(name string) any {
	var at any = f.root
	for _, part := range split(name) {
		if part == "." {
			continue
		}
		d, ok := at.(*dir)
		if !ok {
			return nil
		}
		at = d.names[part]
	}
	return at
}

// parent returns the folder a name is in, nil when there is none.
func (f *FS) parent(name string) (*dir, string) {
	d, _ := f.find(filepath.Dir(name)).(*dir)
	return d, filepath.Base(name)
}

// tick is a new moment.
func (f *FS) tick() time.Time {
	f.now = f.now.Add(time.Millisecond)
	return f.now
}

// step counts an operation, and reports whether it happens.
func (f *FS) step() error {
	switch {
	case f.crashed:
		return ErrCrashed
	case f.fixed:
		return readOnly
	}
	f.ops++
	if f.crashAt > 0 && f.ops >= f.crashAt {
		f.crashed = true
		return ErrCrashed
	}
	return nil
}

func failed(op, name string, err error) error { return &fs.PathError{Op: op, Path: name, Err: err} }

// Create implements [journal.FS].
func (f *FS) Create(name string) (journal.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, base := f.parent(name)
	switch {
	case f.crashed:
		return nil, ErrCrashed
	case d == nil:
		return nil, failed("create", name, fs.ErrNotExist)
	case d.names[base] != nil:
		return nil, failed("create", name, fs.ErrExist)
	}
	if err := f.step(); err != nil {
		return nil, err
	}
	n := &node{mtime: f.tick()}
	d.names[base] = n
	return &file{fs: f, node: n, name: name, writable: true}, nil
}

// Open implements [journal.FS].
func (f *FS) Open(name string) (journal.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.crashed {
		return nil, ErrCrashed
	}
	n, ok := f.find(name).(*node)
	if !ok {
		return nil, failed("open", name, fs.ErrNotExist)
	}
	return &file{fs: f, node: n, name: name}, nil
}

// Rename implements [journal.FS].
func (f *FS) Rename(from, to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	a, abase := f.parent(from)
	b, bbase := f.parent(to)
	if a == nil || b == nil || a.names[abase] == nil {
		return failed("rename", from, fs.ErrNotExist)
	}
	if err := f.step(); err != nil {
		return err
	}
	if old, ok := b.names[bbase].(*node); ok && f.limited {
		f.space += int64(len(old.data))
	}
	b.names[bbase] = a.names[abase]
	delete(a.names, abase)
	return nil
}

// Remove implements [journal.FS].
func (f *FS) Remove(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, base := f.parent(name)
	if d == nil || d.names[base] == nil {
		return failed("remove", name, fs.ErrNotExist)
	}
	if err := f.step(); err != nil {
		return err
	}
	if n, ok := d.names[base].(*node); ok && f.limited {
		f.space += int64(len(n.data))
	}
	delete(d.names, base)
	return nil
}

// ReadDir implements [journal.FS].
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.crashed {
		return nil, ErrCrashed
	}
	d, ok := f.find(name).(*dir)
	if !ok {
		return nil, failed("readdir", name, fs.ErrNotExist)
	}
	var out []fs.DirEntry
	for _, name := range sortedNames(d.names) {
		out = append(out, fs.FileInfoToDirEntry(describe(name, d.names[name])))
	}
	return out, nil
}

// Stat implements [journal.FS].
func (f *FS) Stat(name string) (fs.FileInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.crashed {
		return nil, ErrCrashed
	}
	e := f.find(name)
	if e == nil {
		return nil, failed("stat", name, fs.ErrNotExist)
	}
	return describe(filepath.Base(name), e), nil
}

// MkdirAll implements [journal.FS].
func (f *FS) MkdirAll(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.root
	for _, part := range split(name) {
		switch e := d.names[part].(type) {
		case *dir:
			d = e
		case nil:
			if err := f.step(); err != nil {
				return err
			}
			sub := newDir()
			d.names[part] = sub
			if d == f.root {
				d.synced[part] = sub // what the tests stand in was always there
			}
			d = sub
		default:
			return failed("mkdir", name, fs.ErrExist)
		}
	}
	return nil
}

// SyncDir implements [journal.FS].
func (f *FS) SyncDir(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, ok := f.find(name).(*dir)
	if !ok {
		return failed("sync", name, fs.ErrNotExist)
	}
	if err := f.step(); err != nil {
		return err
	}
	clear(d.synced)
	maps.Copy(d.synced, d.names)
	return nil
}

// Lock implements [journal.FS].
func (f *FS) Lock(name string) (io.Closer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.crashed {
		return nil, ErrCrashed
	}
	name = filepath.Clean(name)
	if f.locks[name] {
		return nil, &journal.LockedError{Path: name, PID: 4711}
	}
	d, base := f.parent(name)
	if d == nil {
		return nil, failed("lock", name, fs.ErrNotExist)
	}
	if d.names[base] == nil {
		d.names[base] = &node{mtime: f.tick()}
	}
	f.locks[name] = true
	return unlock(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.locks, name)
	}), nil
}

type unlock func()

func (u unlock) Close() error { u(); return nil }

// info is the description of a file or folder.
type info struct {
	name  string
	size  int64
	isDir bool
	mtime time.Time
}

func describe(name string, e any) info {
	if n, ok := e.(*node); ok {
		return info{name: name, size: int64(len(n.data)), mtime: n.mtime}
	}
	return info{name: name, isDir: true}
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) ModTime() time.Time { return i.mtime }
func (i info) IsDir() bool        { return i.isDir }
func (i info) Sys() any           { return nil }
func (i info) Mode() fs.FileMode {
	if i.isDir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}

// String names the state, for failing tests.
func (f *FS) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fmt.Sprintf("file system in memory after %d operations, crashed %t", f.ops, f.crashed)
}

// Errors of a disk that is full, and of one that is mounted read-only.
var (
	full     error = syscall.ENOSPC
	readOnly error = syscall.EROFS
)
