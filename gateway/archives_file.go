package gateway

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"photongate/protocol/journal"
)

// archivesLimit is the most bytes of the list of archives that are read.
const archivesLimit = 16 << 20

// readFile reads a whole small file.
func readFile(fsys journal.FS, path string) (text []byte, err error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > archivesLimit {
		return nil, fmt.Errorf("%s has %d bytes (expected at most %d)", path, info.Size(), archivesLimit)
	}
	text = make([]byte, info.Size())
	n, err := f.ReadAt(text, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return text[:n], err
}

// replaceFile puts a whole new file in the place of an old one: whatever
// happens, there is the one or the other.
func replaceFile(fsys journal.FS, path string, text []byte) error {
	temporary := path + ".new"
	if err := fsys.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := fsys.Create(temporary)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := fsys.Rename(temporary, path); err != nil {
		return err
	}
	return fsys.SyncDir(filepath.Dir(path))
}
