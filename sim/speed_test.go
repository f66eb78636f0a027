package sim

import (
	"testing"
	"testing/synctest"
	"time"
)

// A host at another speed hears noise and is not understood, until it sets the
// right one.
func TestWrongSpeedIsNoise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &teller{}
		conn, _ := running(t, w, Options{Baud: 19200})
		port := open(t, conn)
		port.SetBaud(9600)
		time.Sleep(150 * time.Millisecond)
		noise := read(t, port)
		if len(noise) != 5 || noise == "line-" {
			t.Errorf("ten bytes of 19200 Bd are %q at 9600", noise)
		}
		if _, err := port.Write([]byte("ask")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if heard := w.events[len(w.events)-1]; heard == "received ask" {
			t.Error("the instrument understood")
		}
		read(t, port)
		port.SetBaud(19200)
		time.Sleep(100 * time.Millisecond)
		if got := read(t, port); got != "line-0002\n" {
			t.Errorf("at the right speed read %q", got)
		}
		port.SetBaud(115200)
		time.Sleep(100 * time.Millisecond)
		if got := read(t, port); len(got) != 10 || got == "line-0003\n" {
			t.Errorf("at too high a speed read %q", got)
		}
	})
}

// Who cannot tell the speed has the right one.
func TestSpeedThatIsNotKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, _ := running(t, &teller{}, Options{Baud: 19200})
		port := open(t, conn)
		if got := read(t, port); got != "line-0001\n" {
			t.Errorf("read %q", got)
		}
	})
}
