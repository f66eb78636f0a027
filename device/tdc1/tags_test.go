package tdc1

import (
	"testing"
	"time"

	"photongate/device"
	"photongate/device/devicetest"
)

func TestConformanceOfTags(t *testing.T) {
	t.Parallel()
	devicetest.RunTags(t, devicetest.TagSubject{
		Driver: Driver, Settings: device.Settings{"mode": "timestamp"}, Every: 5 * time.Millisecond,
		Inserts: []byte{0x00, 0x11, 0xFF}, Astray: inputs, Unseen: 108, // times and patterns changed; one word may name four inputs
		Play: func(end *devicetest.End, truth *devicetest.TagTruth) {
			x := newBox()
			x.latency = time.Millisecond
			x.light = &light{every: 5 * time.Millisecond, truth: truth.Add}
			x.play(end, nil)
		},
	})
}
