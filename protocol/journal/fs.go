package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// FS is the file system as the journal uses it. Tests put one under it that
// forgets what was not synced; see package journaltest.
//
// Names are paths as package path/filepath makes them. Errors satisfy
// errors.Is with fs.ErrNotExist and fs.ErrExist where these are the cause. All
// methods may be called from several goroutines.
type FS interface {
	// Create makes a new file for writing at its end. It returns an error
	// that is fs.ErrExist when there is one of this name already.
	Create(name string) (File, error)
	// Open opens an existing file for reading.
	Open(name string) (File, error)
	// Rename gives a file a new name, replacing the file that had it.
	Rename(from, to string) error
	// Remove deletes a file.
	Remove(name string) error
	// ReadDir lists a folder, sorted by name.
	ReadDir(name string) ([]fs.DirEntry, error)
	// Stat describes a file or folder.
	Stat(name string) (fs.FileInfo, error)
	// MkdirAll makes a folder and those above it. It is no error when they
	// are there.
	MkdirAll(name string) error
	// SyncDir puts the names in a folder on the disk. A file that was
	// synced in a folder that was not may be gone after a power cut.
	SyncDir(name string) error
	// Space tells how many bytes a normal user may still write where a folder
	// is, and how many there are in all. Where that is not known the error is
	// errors.ErrUnsupported.
	Space(dir string) (free, total int64, err error)
	// Lock takes the lock file of this name for this process, making it
	// where it is missing. When another one holds it the error is a
	// *LockedError. Closing gives the lock back; the file stays.
	Lock(name string) (io.Closer, error)
}

// File is an open file of an [FS]. Write appends and returns an error
// whenever it writes less than all. Sync returns when everything written is
// on the disk; after an error of Sync nothing is known of what was written
// since the last one that succeeded.
type File interface {
	io.ReaderAt
	io.Writer
	io.Closer
	Sync() error
	Stat() (fs.FileInfo, error)
}

// ErrLocked is the kind of error that a second process gets from [Open].
var ErrLocked = errors.New("in use by another process")

// LockedError says who holds a folder. It is [ErrLocked] to errors.Is.
type LockedError struct {
	Path string // the lock file
	PID  int    // process id of the holder, 0 when it is not known
}

// Error names the lock file and its holder, and says what to do.
func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("%s: %v; end that process, or use another folder", e.Path, ErrLocked)
	}
	return fmt.Sprintf("%s: %v, process id %d; end that process, or use another folder", e.Path, ErrLocked, e.PID)
}

// Is reports whether target is [ErrLocked].
func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// OS is the file system of the operating system.
type OS struct{}

var _ FS = OS{}

// Create implements [FS].
func (OS) Create(name string) (File, error) {
	return openFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND)
}

// Open implements [FS].
func (OS) Open(name string) (File, error) { return openFile(name, os.O_RDONLY) }

func openFile(name string, flag int) (File, error) {
	f, err := os.OpenFile(name, flag, 0o644)
	if err != nil {
		return nil, err // a nil *os.File must not become a File that is not nil
	}
	return f, nil
}

// Rename implements [FS].
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Remove implements [FS].
func (OS) Remove(name string) error { return os.Remove(name) }

// ReadDir implements [FS].
func (OS) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }

// Stat implements [FS].
func (OS) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }

// MkdirAll implements [FS].
func (OS) MkdirAll(name string) error { return os.MkdirAll(name, 0o755) }

// SyncDir implements [FS].
func (OS) SyncDir(name string) error { return syncDir(name) }

// Space implements [FS].
func (OS) Space(dir string) (free, total int64, err error) { return diskSpace(dir) }

// Lock implements [FS].
func (OS) Lock(name string) (io.Closer, error) { return lockFile(name) }
