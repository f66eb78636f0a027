package homebuilt

import "testing"

// What a third of the line, of the counter or of a line's length carries.
func TestUsualRate(t *testing.T) {
	for name, want := range map[string]float64{
		"freqcount":   50_000,
		"geigerlink":  115200 / 10 / 12 / 3, // "118,99000\r\n" takes 11 bytes, taken for 12 at most
		"serialpulse": 115200 / 10 / 3,
		"mini-sid":    4000 / 2 / 3, // two bytes a count, 4000 a line
		"bristol-cqp": 33_333,
		"rp2040-pmt":  85, // bins hold 255
		"de2-frame":   50_000,
	} {
		if got := UsualRateHz(preset(t, name)); got > want*1.1 || got < want*0.9 {
			t.Errorf("%s: %g per second, expected about %g", name, got, want)
		}
	}
}
