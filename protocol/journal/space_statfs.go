//go:build linux || darwin

package journal

import "golang.org/x/sys/unix"

// isFullHere knows the errors of a full disk that only this system has.
func isFullHere(error) bool { return false }

// diskSpace asks the file system that holds a folder.
func diskSpace(dir string) (free, total int64, err error) {
	var st unix.Statfs_t
	for {
		err = unix.Statfs(dir, &st)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return 0, 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), int64(st.Blocks) * int64(st.Bsize), nil
}
