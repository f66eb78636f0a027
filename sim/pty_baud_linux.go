package sim

import "golang.org/x/sys/unix"

// terminalBaud is the speed a pseudo-terminal is set to, asked at its master; 0 if
// it cannot be told.
func terminalBaud(fd int) int {
	settings, err := unix.IoctlGetTermios(fd, unix.TCGETS2)
	if err != nil {
		return 0
	}
	return int(settings.Ospeed)
}
