package serialport

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// holderHint names the processes that have a node open, as far as this user may
// know.
func holderHint(node string) string {
	var other []string
	own := false
	for pid := range fdsOf(node) {
		if pid == os.Getpid() {
			own = true
			continue
		}
		name, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm"))
		if err != nil {
			continue
		}
		other = append(other, fmt.Sprintf("%s (process %d)", strings.TrimSpace(string(name)), pid))
	}
	switch {
	case len(other) > 0:
		return "held by " + strings.Join(other, ", ")
	case own:
		return "this program itself has it open: is it named twice in the configuration?"
	default:
		return "another user's program holds it; `sudo fuser " + node + "` names it"
	}
}

// fdsOf returns the file descriptors on the device behind node, by process.
func fdsOf(node string) map[int][]int {
	var want unix.Stat_t
	if unix.Stat(node, &want) != nil {
		return nil
	}
	found := map[int][]int{}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil || !strings.HasPrefix(target, "/dev/") {
			continue
		}
		var st unix.Stat_t
		if unix.Stat(link, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != want.Rdev {
			continue
		}
		part := strings.Split(link, "/")
		pid, err1 := strconv.Atoi(part[2])
		fd, err2 := strconv.Atoi(part[4])
		if err1 == nil && err2 == nil {
			found[pid] = append(found[pid], fd)
		}
	}
	return found
}

// keepFromChildren sets close-on-exec on our descriptors of a node, which the
// library does not: a program started by an alarm would hold the port otherwise.
func keepFromChildren(node string) {
	var want unix.Stat_t
	if unix.Stat(node, &want) != nil {
		return
	}
	links, _ := os.ReadDir("/proc/self/fd")
	for _, link := range links {
		fd, err := strconv.Atoi(link.Name())
		if err != nil {
			continue
		}
		var st unix.Stat_t
		if unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == want.Rdev {
			unix.CloseOnExec(fd)
		}
	}
}
