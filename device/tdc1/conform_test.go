package tdc1

import (
	"testing"
	"time"

	"photongate/device"
	"photongate/device/devicetest"
)

func TestConformance(t *testing.T) {
	const gate = 100 * time.Millisecond
	for name, tc := range map[string]struct {
		box      func() *box
		settings device.Settings
		inserts  string
		unseen   int // five readings: digits lost, changed, and put in before each digit and each blank
	}{
		"singles, CR LF": {newBox, device.Settings{"gate": gate, "mode": "singles"}, "7 \n\r\x00", 5 * (20 + 20 + 24)},
		"pairs, LF, as it is": {func() *box {
			x := newBox()
			x.mode, x.end, x.blank = 1, "\n", "\t "
			return x
		}, nil, "7\n", 5 * (32 + 32 + 40)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			devicetest.Run(t, devicetest.Subject{
				Driver: Driver, Settings: tc.settings, Gate: gate, Pauses: true, Inserts: []byte(tc.inserts), Unseen: tc.unseen,
				Play: func(end *devicetest.End, truth *devicetest.Truth) {
					x := tc.box()
					x.latency = time.Millisecond
					x.play(end, truth)
				},
			})
		})
	}
}
