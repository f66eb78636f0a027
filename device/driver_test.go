package device

import "testing"

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
