package sim

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// setSpeed sets a speed as programs do that know no other than the usual ones.
func setSpeed(t *testing.T, host *os.File, speed uint32) {
	t.Helper()
	raw, err := host.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var trouble error
	if err := raw.Control(func(fd uintptr) {
		settings, err := unix.IoctlGetTermios(int(fd), unix.TCGETS)
		if err != nil {
			trouble = err
			return
		}
		settings.Cflag = settings.Cflag&^unix.CBAUD | speed
		trouble = unix.IoctlSetTermios(int(fd), unix.TCSETS, settings)
	}); err != nil || trouble != nil {
		t.Fatal(err, trouble)
	}
}

// The speed a host sets is seen by the instrument.
func TestPTYTellsItsSpeed(t *testing.T) {
	link, conn, _ := servePTY(t, &teller{})
	host := openTTY(t, link)
	for _, baud := range []uint32{unix.B9600, unix.B19200} {
		setSpeed(t, host, baud)
		want := map[uint32]int{unix.B9600: 9600, unix.B19200: 19200}[baud]
		if got := conn.Baud(); got != want {
			t.Errorf("set to %d Bd, told as %d", want, got)
		}
	}
}
