package gateway

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"photongate/protocol"
)

// Of adjtimex(2): the clock is not synchronised; times are in ns.
const (
	timeError    = 5
	statusUnsync = 0x0040
)

// SystemClock is the computer's clock.
func SystemClock() ClockSource {
	return ClockSource{
		Even:    func() int64 { return readClock(unix.CLOCK_BOOTTIME) },
		UTC:     func() int64 { return time.Now().UnixNano() },
		Mono:    func() int64 { return readClock(unix.CLOCK_MONOTONIC_RAW) },
		Slept:   sleepWatch(),
		Quality: kernelQuality,
		Boot:    bootID("/proc/sys/kernel/random/boot_id"),
	}
}

// bootID reads the id of the computer's present run. Where the process may not see
// it, as under ProcSubset=pid of systemd, it is one that no other process has: two
// of different runs must not be taken for two of the same.
func bootID(file string) string {
	if b, err := os.ReadFile(file); err == nil {
		if id := strings.TrimSpace(string(b)); id != "" {
			return id
		}
	}
	return "process " + protocol.NewID().String()
}

// readClock reads one of the kernel's clocks. Those that are asked for exist
// since Linux 2.6.39, and reading a clock that exists cannot go wrong.
func readClock(id int32) int64 {
	var t unix.Timespec
	_ = unix.ClockGettime(id, &t)
	return t.Nano()
}

// sleepWatch returns a function that tells how long the computer has been
// suspended since now: what the clock that runs through suspend gained on the one
// that does not. It is asked after each read, and the second clock costs no
// system call.
func sleepWatch() func() int64 {
	boot, mono := readClock(unix.CLOCK_BOOTTIME), time.Now()
	return func() int64 {
		gone := readClock(unix.CLOCK_BOOTTIME) - boot
		return gone - int64(time.Since(mono))
	}
}

// kernelQuality asks the kernel how well it knows UTC.
func kernelQuality() ClockQuality {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return ClockQuality{Sync: protocol.SyncUnknown}
	}
	est, most := int64(t.Esterror)*1000, int64(t.Maxerror)*1000
	q := ClockQuality{
		Sync:       protocol.SyncSynchronised,
		FreqPPB:    int64(t.Freq) * 1000 >> 16, // ppm scaled by 2^16
		EstErrorNs: &est,
		MaxErrorNs: &most,
	}
	if state == timeError || t.Status&statusUnsync != 0 {
		q.Sync = protocol.SyncUnsynchronised
	}
	return q
}
