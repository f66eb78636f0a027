package table

import (
	"errors"
	"io"
	"testing"
	"time"

	"photongate/protocol"
)

// FuzzTags: whatever stands in a frame of tags whose checksums hold, and however
// long its ticks are, is written in every form, or told as what cannot be decoded.
func FuzzTags(f *testing.F) {
	for _, frame := range someTags(f) {
		h, payload, _, err := protocol.ParseFrame(frame)
		if err != nil {
			f.Fatal(err)
		}
		if h.Type == protocol.TypeTags {
			f.Add(payload, h.Count, h.Time, uint64(81), uint64(psPerSecond))
		}
	}
	f.Add([]byte{}, uint32(1), int64(-1<<63), uint64(1)<<63, uint64(1))
	f.Fuzz(func(t *testing.T, payload []byte, count uint32, at int64, num, den uint64) {
		m := &frameMaker{t: t, stream: 2, epoch: 1, time: baseNs}
		m.tagger(mustID(t, baseID), "tagger", max(num, 1), max(den, 1))
		for range 2 {
			m.time = at
			h := m.header(protocol.TypeTags)
			h.Count = count
			frame := append(make([]byte, protocol.HeaderSize), payload...)
			if _, err := protocol.SealFrame(frame, h); err != nil {
				return
			}
			m.out, m.index = append(m.out, frame), m.index+uint64(count)
		}
		from := time.Unix(0, baseNs)
		for _, v := range []View{{}, {Format: NDJSON, From: from}, {Format: Raw, To: from.Add(time.Hour)}, {Every: time.Second}, {Rate: true}} {
			o, err := NewOutput(io.Discard, v)
			if err != nil {
				t.Fatal(err)
			}
			clocks := NewClockTable()
			d, to := NewDecoder("pi-lab3", "tagger", clocks), o.Stream(clocks)
			for _, frame := range m.out {
				if err := d.Frames(frame, to); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(d.Finish(to), o.Finish()); err != nil {
				t.Fatal(err)
			}
		}
	})
}
