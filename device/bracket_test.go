package device

import (
	"testing"
	"time"
)

func TestBracket(t *testing.T) {
	b := Bracket{1000, 1301}
	if b.Middle() != 1150 || b.Half() != 151 {
		t.Errorf("middle %d, half %d", b.Middle(), b.Half())
	}
	if got := b.After(3, 100*time.Nanosecond, 110*time.Nanosecond); got != (Bracket{1300, 1631}) {
		t.Errorf("three periods later %v", got)
	}
	for _, tc := range []struct {
		seen, want Bracket
		ok         bool
	}{
		{Bracket{900, 1400}, Bracket{1000, 1301}, true},
		{Bracket{1100, 1200}, Bracket{1100, 1200}, true},
		{Bracket{1200, 1400}, Bracket{1200, 1301}, true},
		{Bracket{1301, 1400}, Bracket{1301, 1301}, true},
		{Bracket{1302, 1400}, Bracket{1302, 1400}, false},
		{Bracket{500, 999}, Bracket{500, 999}, false},
	} {
		if got, ok := b.Narrow(tc.seen); got != tc.want || ok != tc.ok {
			t.Errorf("narrowed by %v: %v, %v", tc.seen, got, ok)
		}
	}
}
