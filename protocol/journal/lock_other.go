//go:build !unix && !windows

package journal

import (
	"errors"
	"os"
)

// tryLock says that this operating system is not supported: without a lock
// two writers could use one epoch's numbers twice.
func tryLock(*os.File) (held bool, err error) {
	return false, errors.New("no file locks on this operating system")
}
