package journal

import (
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
)

// lockFile opens or makes a lock file, locks it for this process and writes
// the process id into it, for people and for the error of whoever comes
// second. The lock is the operating system's: it ends with the process, so a
// lock file left over after a crash holds nobody up.
func lockFile(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	held, err := tryLock(f)
	if err != nil {
		return nil, errors.Join(&os.PathError{Op: "lock", Path: name, Err: err}, f.Close())
	}
	if held {
		err := &LockedError{Path: name, PID: readPID(f)}
		return nil, errors.Join(err, f.Close())
	}
	// The id is information only: a full disk must not refuse the lock.
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return f, nil
}

// readPID returns the process id in a lock file, 0 when there is none.
func readPID(f *os.File) int {
	b := make([]byte, 20)
	n, _ := f.ReadAt(b, 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}
