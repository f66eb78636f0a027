//go:build linux || darwin || freebsd || netbsd || openbsd

package sim

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// linkLock is held for as long as an instrument is behind a link, also while it
// is unplugged, so that no second one takes the link over. It is a file beside
// the link, locked in the kernel: what a killed program leaves is free.
type linkLock struct{ file *os.File }

func lockLink(link string) (*linkLock, error) {
	name := filepath.Join(filepath.Dir(link), "."+filepath.Base(link)+".lock")
	for {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, fmt.Errorf("lock the link to the pseudo-terminal (does the folder exist?): %w", err)
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
			holder, _ := io.ReadAll(io.LimitReader(f, 20))
			return nil, errors.Join(held(link, strings.TrimSpace(string(holder))), f.Close())
		} // any other error: a file system without locks
		if isStill(f, name) {
			err := f.Truncate(0)
			if err == nil {
				_, err = fmt.Fprintln(f, os.Getpid())
			}
			l := &linkLock{f}
			if err != nil {
				return nil, errors.Join(fmt.Errorf("lock the link to the pseudo-terminal: %w", err), l.release())
			}
			return l, nil
		}
		if err := f.Close(); err != nil { // the holder before removed it
			return nil, err
		}
	}
}

// held is the error of a link that has an instrument; holder is its process.
func held(link, holder string) error {
	if holder != "" {
		holder = " (process " + holder + ")"
	}
	return fmt.Errorf("%s has a simulated instrument already%s: end it, or choose another name for the pty", link, holder)
}

// isStill reports whether f is what stands under the name.
func isStill(f *os.File, name string) bool {
	mine, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(name)
	return err == nil && os.SameFile(mine, there)
}

// release removes the file while it is still locked, then unlocks it.
func (l *linkLock) release() error {
	return errors.Join(os.Remove(l.file.Name()), l.file.Close())
}
