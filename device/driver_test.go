package device

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestLineWith(t *testing.T) {
	d := Driver{Line: Line{Baud: 115200, Parity: EvenParity}}
	for want, s := range map[string]Settings{
		"115200 8E1": nil,
		"57600 8E1":  {"baud": int64(57600), "gate": int64(1)},
	} {
		if got := d.LineWith(s).String(); got != want {
			t.Errorf("%v: %s, want %s", s, got, want)
		}
	}
	if d.Line.Baud != 115200 {
		t.Error("the driver itself was changed")
	}
}

// An instrument that is to be opened anew says why, and not that settings changed.
func TestAnew(t *testing.T) {
	err := fmt.Errorf("read: %w", Anew("nothing came for %v", time.Second))
	if err.Error() != "read: nothing came for 1s" || !errors.Is(err, ErrChanged) || errors.Is(err, ErrGone) {
		t.Errorf("%v: ErrChanged %v, ErrGone %v", err, errors.Is(err, ErrChanged), errors.Is(err, ErrGone))
	}
}
