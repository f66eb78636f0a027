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
		inserts  string
		stride   int // while it is opened: most of that are settings, each asked for twice
	}{
		{"started", func(*box) {}, device.Settings{"start": true, "gate": 90 * time.Millisecond, "dwell": 10 * time.Millisecond}, "7\r", 3},
		{"joined", func(x *box) { x.counting, x.set["CP2"], x.set["DT"], x.end = true, 9e5, 0.01, "\r\n" }, nil, "\n", 7},
		{"behind an adapter", func(x *box) { x.adapter, x.garbage = true, true },
			device.Settings{"start": true, "gate": 90 * time.Millisecond, "dwell": 10 * time.Millisecond, "adapter": "prologix"}, "\r", 7},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			devicetest.Run(t, devicetest.Subject{
				Driver: Driver, Settings: tc.settings, Gate: 100 * time.Millisecond, Exact: true, Inserts: []byte(tc.inserts),
				FaultReadings: 2, OpeningStride: tc.stride,
				Play: func(end *devicetest.End, truth *devicetest.Truth) {
					x := newBox()
					tc.change(x)
					x.play(end, truth)
				},
			})
		})
	}
}
