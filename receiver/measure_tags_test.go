package receiver

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"photongate/protocol"
)

// TestMeasureTags: tags are counted in the stretches in which they came, from the
// measurement's begin on, and those of the measurement can be had one by one.
func TestMeasureTags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 2)
		b.withTagger(400) // one frame each ms; the last of the part, which loses some, lies behind
		answer := b.onRequest
		b.onRequest = func(ask protocol.Request) []protocol.Reply {
			r := answer(ask)
			if r[0].Status != nil {
				r[0].Status.Devices = append(r[0].Status.Devices, protocol.DeviceStatus{Name: "tagger", Driver: "tdc1", State: "running"})
			}
			return r
		}
		m, folder := b.mustMeasure(t, func(o *MeasureOptions) { o.Streams, o.For, o.FS = []string{"tagger"}, 100*time.Millisecond, nil })
		s := m.Streams[0]
		equal(t, "state", m.State, protocol.MeasurementComplete)
		equal(t, "tags", s.Tags, uint64(1500))
		equal(t, "stretches", s.Readings, uint64(100))
		equal(t, "live", s.LiveS, 0.1)
		equal(t, "counts", []uint64{*s.Channels[0].Counts, *s.Channels[1].Counts}, []uint64{1000, 500})

		var out bytes.Buffer
		summary, err := Cat(t.Context(), &out, CatOptions{Source: folder})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "rows", summary.Rows, uint64(1500))
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		equal(t, "first", strings.Split(lines[1], ",")[3], "150000000") // 150 ms after the first tag, 1 ns each
		equal(t, "last", strings.Split(lines[1500], ",")[3], "249014000")
	})
}
