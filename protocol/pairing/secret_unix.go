//go:build unix

package pairing

import (
	"io/fs"
	"os"
	"syscall"
)

// tooOpen reports whether others than its user may read a file.
func tooOpen(info fs.FileInfo) bool { return info.Mode().Perm()&0o077 != 0 }

// handOver gives a file that root made to the owner of the folder it is in: a
// gateway could not read the token any more that was renewed with sudo.
func handOver(f *os.File, dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || owner.Uid == 0 {
		return nil
	}
	return f.Chown(int(owner.Uid), int(owner.Gid))
}
