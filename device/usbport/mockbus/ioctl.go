//go:build linux && (amd64 || arm64)

package mockbus

import (
	"encoding/binary"
	"syscall"
)

// Numbers of the ioctls of usbfs.
const (
	ioSetInterface     = 4
	ioSetConfiguration = 5
	ioGetDriver        = 8
	ioSubmit           = 10
	ioDiscard          = 11
	ioReap             = 12
	ioReapNow          = 13
	ioClaim            = 15
	ioRelease          = 16
	ioInterface        = 18 // an ioctl for the interface's driver
	ioReset            = 20
	ioClearHalt        = 21
	ioDisconnect       = 22 // by ioInterface
	ioConnect          = 23
	ioCapabilities     = 26
	ioDisconnectClaim  = 27
)

// capabilities: empty packets, transfers of any size, finished transfers can be
// had after an unplug.
const capabilities = 0x01 | 0x04 | 0x10

// ioctl does what the kernel would and ends the call.
func (f *file) ioctl(number byte, argument uint64) error {
	f.d.mu.Lock()
	gone := f.d.gone
	f.d.mu.Unlock()
	if gone && number != ioReap && number != ioReapNow {
		return f.give(syscall.ENODEV)
	}
	switch number {
	case ioSubmit:
		return f.submit(argument)
	case ioDiscard:
		return f.give(f.discard(argument))
	case ioReap, ioReapNow:
		return f.reap(argument, gone)
	case ioCapabilities:
		if err := f.poke32(argument, capabilities); err != nil {
			return err
		}
		return f.give(0)
	case ioClaim, ioDisconnectClaim:
		return f.give(f.claim(number == ioDisconnectClaim))
	case ioRelease:
		return f.give(f.release())
	case ioInterface:
		return f.driverIoctl(argument)
	case ioGetDriver:
		return f.getDriver(argument)
	case ioSetInterface, ioReset:
		return f.give(f.setInterface())
	case ioClearHalt:
		return f.clearHalt(argument)
	case ioSetConfiguration:
		return f.give(0)
	default:
		return f.give(syscall.ENOTTY)
	}
}

// claim takes the interface.
func (f *file) claim(fromDriver bool) syscall.Errno {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	switch {
	case f.d.claimed == f:
		return 0
	case f.d.claimed != nil, f.d.driver != "" && !fromDriver:
		return syscall.EBUSY
	}
	f.d.claimed, f.d.driver = f, ""
	return 0
}

// release gives the interface back; transfers under way end.
func (f *file) release() syscall.Errno {
	f.d.mu.Lock()
	if f.d.claimed != f {
		f.d.mu.Unlock()
		return syscall.EINVAL
	}
	f.d.claimed = nil
	f.d.mu.Unlock()
	f.endAll()
	return 0
}

// driverIoctl unbinds or binds the kernel's driver: interface, code and a pointer.
func (f *file) driverIoctl(argument uint64) error {
	b, err := f.peek(argument, 16)
	if err != nil {
		return err
	}
	f.d.mu.Lock()
	errno := syscall.Errno(0)
	switch code := byte(binary.NativeEndian.Uint32(b[4:])); {
	case code == ioDisconnect && f.d.driver == "":
		errno = syscall.ENODATA
	case code == ioDisconnect:
		f.d.driver = ""
	case code == ioConnect && (f.d.driver != "" || f.d.claimed != nil):
		errno = syscall.EBUSY
	case code == ioConnect:
		f.d.driver = f.d.bound
	default:
		errno = syscall.ENOTTY
	}
	f.d.mu.Unlock()
	return f.give(errno)
}

// getDriver tells the kernel's driver: interface, and room for a name.
func (f *file) getDriver(argument uint64) error {
	f.d.mu.Lock()
	name := f.d.driver
	if f.d.claimed != nil {
		name = "usbfs"
	}
	f.d.mu.Unlock()
	if name == "" {
		return f.give(syscall.ENODATA)
	}
	if err := f.poke(argument+4, append([]byte(name), 0)); err != nil {
		return err
	}
	return f.give(0)
}

// setInterface clears all endpoints.
func (f *file) setInterface() syscall.Errno {
	f.endAll()
	if !f.d.behind.setInterface() {
		return syscall.ENODEV
	}
	return 0
}

func (f *file) clearHalt(argument uint64) error {
	b, err := f.peek(argument, 4)
	if err != nil {
		return err
	}
	if !f.d.behind.clearHalt(b[0]) {
		return f.give(syscall.ENODEV)
	}
	return f.give(0)
}
