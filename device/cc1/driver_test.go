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
	}{
		{"start/stop", func(*box) {}, device.Settings{"trigger": startStop, "gate": gate}, 193, "7\n"},
		{"start/stop, old firmware", func(x *box) { x.old, x.version, x.stop, x.end = true, "v2", true, "\r\n" }, nil, 193, "7\n"},
		{"start/stop, acknowledged", func(x *box) { x.acks, x.stop = true, true }, nil, 130, "\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			devicetest.Run(t, devicetest.Subject{
				Driver: Driver, Settings: tc.settings, Gate: gate, Inserts: []byte(tc.inserts), Unseen: tc.unseen, Pauses: true,
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
			Driver: Driver, Gate: gate, Inserts: []byte("\n"), Fleeting: true, Unseen: 714, // and 2/3 of these: a sample before the last stands for its gate, as the last was damaged
			Play: func(end *devicetest.End, truth *devicetest.Truth) {
				x := newBox()
				x.dwell, x.latency = gate, 16*time.Millisecond
				x.play(end, truth)
			},
		})
	})
}
