package serialport

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Holders are the processes that have a node open or locked, as far as the
// system tells this user: who has it open is seen of one's own programs (root:
// of all), who locked it of all. It opens nothing, and serves for other nodes in
// /dev than ports as well.
func Holders(node string) []Holder {
	pids := lockPids(node)
	for pid := range fdsOf(node) {
		pids = append(pids, pid)
	}
	if pid, alive := uucpHolder(node, uucpFolders); alive {
		pids = append(pids, pid)
	}
	slices.Sort(pids)
	var list []Holder
	for _, pid := range slices.Compact(pids) {
		list = append(list, Holder{PID: pid, Program: programOf(pid)})
	}
	return list
}

// foreign are those of the holders of a node that are not this process.
func foreign(node string) []Holder {
	return slices.DeleteFunc(Holders(node), func(h Holder) bool { return h.PID == os.Getpid() })
}

// unknownHolderHint says what to try when the holder cannot be seen.
func unknownHolderHint(node string) string {
	return "another user's program holds it; `sudo fuser " + node + "` names it"
}

// programOf is the name of a process, empty when it has none any more.
func programOf(pid int) string {
	name, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(name))
}

// lockPids are the processes that hold a lock on a node, of whatever user.
func lockPids(node string) []int {
	var st unix.Stat_t
	if unix.Stat(node, &st) != nil {
		return nil
	}
	f, err := os.Open("/proc/locks")
	if err != nil {
		return nil
	}
	defer f.Close()
	// proc_locks(5): 1: FLOCK  ADVISORY  WRITE 4711 00:18:5 0 EOF
	file := fmt.Sprintf("%02x:%02x:%d", unix.Major(st.Dev), unix.Minor(st.Dev), st.Ino)
	var pids []int
	for lines := bufio.NewScanner(f); lines.Scan(); {
		word := strings.Fields(lines.Text())
		if len(word) < 6 || word[1] == "->" || word[5] != file { // -> waits for it
			continue
		}
		if pid, err := strconv.Atoi(word[4]); err == nil && pid > 0 { // 0: in a container, of a process outside
			pids = append(pids, pid)
		}
	}
	return pids
}

// uucpFolders are where programs like minicom keep lock files (Filesystem
// Hierarchy Standard 3.0, 5.9).
var uucpFolders = []string{"/var/lock", "/run/lock", "/run/lock/lockdev"}

// uucpHolder is the process that the lock file of a node names, and whether it
// still runs; a file of one that ended says nothing, also where its number is
// another one's by now.
func uucpHolder(node string, folders []string) (pid int, alive bool) {
	if real, err := filepath.EvalSymlinks(node); err == nil {
		node = real
	}
	name := "LCK.." + strings.ReplaceAll(strings.TrimPrefix(node, "/dev/"), "/", "_")
	for _, folder := range folders {
		lockFile := filepath.Join(folder, name)
		text, err := os.ReadFile(lockFile)
		if err != nil {
			continue
		}
		word := strings.Fields(string(text))
		if len(word) == 0 {
			continue
		}
		pid, err := strconv.Atoi(word[0])
		if err != nil || pid <= 0 {
			continue
		}
		if err := unix.Kill(pid, 0); (err == nil || err == unix.EPERM) && !beganAfter(pid, lockFile) {
			return pid, true
		}
	}
	return 0, false
}

// beganSlack is what the two times may differ by: the time since boot is counted
// in steps of 10 ms, and NTP slews the clock that files are dated by.
const beganSlack = 5 * time.Second

// beganAfter reports whether a process began after a file was written, so that
// it is not the one that wrote it. Of a file that seems to be older than the boot
// that is not said: these folders begin empty, so the clock was set since then.
func beganAfter(pid int, file string) bool {
	info, err := os.Stat(file)
	if err != nil {
		return false
	}
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return false
	}
	var up unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &up) != nil {
		return false
	}
	began, ok := startOf(string(stat))
	written := time.Duration(up.Nano()) - time.Since(info.ModTime())
	return ok && written >= 0 && written+beganSlack < began
}

// startOf is for how long the system had run when a process began
// (proc_pid_stat(5), field 22, in units of 1/100 s: USER_HZ is 100 on all Linux
// that Go runs on).
func startOf(stat string) (time.Duration, bool) {
	end := strings.LastIndexByte(stat, ')')    // of field 2, the name, which may hold anything
	word := strings.Fields(stat[max(end, 0):]) // from that on
	if end < 0 || len(word) < 21 {
		return 0, false
	}
	ticks, err := strconv.ParseInt(word[20], 10, 64)
	if err != nil || ticks < 0 {
		return 0, false
	}
	return time.Duration(ticks) * 10 * time.Millisecond, true
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
