package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// tempExt marks what ReplaceFile has not put in place yet.
const tempExt = ".tmp"

// ReadFile reads a whole file of at most limit bytes.
func ReadFile(fsys FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s: %d bytes, expected at most %d", name, info.Size(), limit)
	}
	b := make([]byte, info.Size())
	n, err := readAt(f, b, 0)
	return b[:n], err
}

// ReplaceFile writes a small file so that there is either the old one or the
// new one, whole, whatever happens. One at a time may replace a file.
func ReplaceFile(fsys FS, name string, data []byte) error {
	temp := name + tempExt
	if err := fsys.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := fsys.Create(temp)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := fsys.Rename(temp, name); err != nil {
		return err
	}
	return fsys.SyncDir(filepath.Dir(name))
}
