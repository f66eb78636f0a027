//go:build unix

package serialport

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"photongate/device"
)

// lockNode locks a port's node against other programs of ours. The exclusive
// mode of ttys does not bind root, this does.
func lockNode(node string) (io.Closer, error) {
	fd, err := unix.Open(node, unix.O_RDONLY|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		if errors.Is(err, unix.EBUSY) {
			return nil, device.ErrBusy
		}
		return nil, &fs.PathError{Op: "open", Path: node, Err: err}
	}
	f := os.NewFile(uintptr(fd), node)
	err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		_ = f.Close()
		return nil, device.ErrBusy
	}
	// A file system without locks leaves the library's exclusive mode.
	return f, nil
}

// isAbsent reports whether an error of open says that there is no hardware
// behind the node.
func isAbsent(err error) bool {
	return errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EIO)
}

// permissionHint names the group that may open a node.
func permissionHint(node string) string {
	info, err := os.Stat(node)
	if err != nil {
		return ""
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || info.Mode().Perm()&0o060 != 0o060 {
		return fmt.Sprintf("its mode is %v: a udev rule must give access to it", info.Mode())
	}
	group := strconv.FormatUint(uint64(st.Gid), 10)
	if g, err := user.LookupGroupId(group); err == nil {
		group = g.Name
	}
	return fmt.Sprintf("it belongs to group %s: run `sudo usermod -aG %s $USER`, log out and in again", group, group)
}
