package sr400

import (
	"testing"
	"time"

	"photongate/device"
	"photongate/device/devicetest"
)

func TestConformance(t *testing.T) {
	for _, tc := range []struct {
		name     string
		change   func(*box)
		settings device.Settings
		unseen   int
	}{
		{"started", func(*box) {}, device.Settings{"start": true, "gate": 90 * time.Millisecond, "dwell": 10 * time.Millisecond}, 0},
		{"joined", func(x *box) { x.counting, x.set["CP2"], x.set["DT"], x.end = true, 9e5, 0.01, "\r\n" }, nil, 0},
		{"behind an adapter", func(x *box) { x.adapter, x.garbage = true, true },
			device.Settings{"start": true, "gate": 90 * time.Millisecond, "dwell": 10 * time.Millisecond, "adapter": "prologix"}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			devicetest.Run(t, devicetest.Subject{
				Driver: Driver, Settings: tc.settings, Gate: 100 * time.Millisecond, Exact: true, Inserts: []byte("7\r"), Unseen: tc.unseen,
				Play: func(end *devicetest.End, truth *devicetest.Truth) {
					x := newBox()
					tc.change(x)
					x.play(end, truth)
				},
			})
		})
	}
}
