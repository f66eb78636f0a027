package cc1

import (
	"testing"
	"time"

	"photongate/device"
	"photongate/device/devicetest"
)

func TestConformance(t *testing.T) {
	const gate = 100 * time.Millisecond
	for _, tc := range []struct {
		name     string
		change   func(*box)
		settings device.Settings
		unseen   int // digits lost, changed and put in
		inserts  string
		stride   int
	}{
		{"start/stop", func(*box) {}, device.Settings{"trigger": startStop, "gate": gate}, 69, "7\n", 1},
		{"start/stop, old firmware", func(x *box) { x.old, x.version, x.stop, x.end = true, "v2", true, "\r\n" }, nil, 60, "7", 3},
		{"start/stop, acknowledged", func(x *box) { x.acks, x.stop = true, true }, nil, 51, "\n", 5},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			devicetest.Run(t, devicetest.Subject{
				Driver: Driver, Settings: tc.settings, Gate: gate, Inserts: []byte(tc.inserts), Unseen: tc.unseen, Pauses: true,
				FaultReadings: 3, OpeningStride: tc.stride,
				Play: func(end *devicetest.End, truth *devicetest.Truth) {
					x := newBox()
					tc.change(x)
					x.play(end, truth)
				},
			})
		})
	}
	t.Run("continuous", func(t *testing.T) {
		t.Parallel()
		const gate = 400 * time.Millisecond
		devicetest.Run(t, devicetest.Subject{
			Driver: Driver, Gate: gate, Inserts: []byte("\n"), Fleeting: true, FaultReadings: 2, OpeningStride: 5, Unseen: 36, // most of them: a sample before the last stands for its gate, as the last was damaged
			Play: func(end *devicetest.End, truth *devicetest.Truth) {
				x := newBox()
				x.dwell, x.latency = gate, 16*time.Millisecond
				x.play(end, truth)
			},
		})
	})
}
