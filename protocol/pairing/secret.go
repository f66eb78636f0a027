package pairing

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrTooOpen says that a file with a secret can be read by others.
var ErrTooOpen = errors.New("others on this computer can read it")

// readSecret reads a file that only its user may read. A file that is not there
// is fs.ErrNotExist.
func readSecret(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%s belongs to another user, or may not be read: %w", path, err)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file", path)
	}
	if tooOpen(info) {
		return nil, fmt.Errorf("%s holds a secret and %w (its mode is %04o): chmod 600 %s; where that does not help, the disk keeps no permissions, and the file belongs on another one",
			path, ErrTooOpen, info.Mode().Perm(), path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s is longer than %d bytes: it is something else", path, maxFile)
	}
	return text, nil
}

// writeSecret puts a file in place whole or not at all, readable by its user
// only: whoever the folder belongs to, also when root writes it.
func writeSecret(path string, text []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // its mode is 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // it may be gone; the first error is the one that counts
			err = fmt.Errorf("write %s: %w", path, err)
		}
	}()
	err = handOver(f, filepath.Dir(path))
	if err == nil {
		_, err = f.Write(text)
	}
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}
