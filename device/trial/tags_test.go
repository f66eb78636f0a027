package trial

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"photongate/device"
)

// Of a stream of tags the begin is shown, and what does not fit; all tags are counted,
// and their rates are told by the instrument's own clock.
func TestTagsAreBounded(t *testing.T) {
	var out bytes.Buffer
	r := &run{out: printer{w: &out}}
	r.Driver.Inputs.Tags = func(device.Settings) (device.Tick, bool) { return device.Tick{}, true }
	r.Driver.Cut = func(b []byte) device.Piece {
		if len(b) < 4 {
			return device.Piece{}
		}
		kind := device.Other
		if b[0] == 'x' {
			kind = device.Unfit
		}
		return device.Piece{Kind: kind, Length: 4, What: fmt.Sprintf("piece %c", b[0])}
	}
	r.description(device.Description{Tick: device.Tick{Num: 1, Den: 1e9}, Channels: []device.Channel{{Name: "A"}, {Name: "B"}}})
	r.opened = true
	const second = int64(1e9)
	for i := range uint64(300) { // 100 tags of A and 50 of B each 10 ms, of 4 bytes each
		r.now = int64(i+1) * second / 100
		content := bytes.Repeat([]byte("abcd"), 150)
		if i == 200 {
			copy(content, "xyzw")
		}
		r.exchange(false, content)
		r.uncut = append(r.uncut, content...)
		r.cut()
		b := device.NewBatch(2)
		for k := range uint64(150) {
			b.Tags.Tick, b.Tags.Channel = append(b.Tags.Tick, i*1e7+k*1000), append(b.Tags.Channel, uint8(k%3/2))
		}
		b.Tags.Until, b.Tags.At = (i+1)*1e7, r.now
		r.batch(b)
	}
	r.tagSummary()
	text := out.String()
	for _, want := range []string{
		"tag 40: ", "and so on: not all bytes are shown", "    1.010 < 60000 bytes: 15000 tags in 1.000 s: A 10000, B 5000\n",
		"= bytes 120000 to 120003: piece x", "  A: 30000 tags, 1e+04/s\n", "  B: 15000 tags, 5000/s\n", "  in 3 s by its own clock\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	if n := strings.Count(text, "\n"); n > 400 || strings.Contains(text, "tag 41:") {
		t.Errorf("%d lines", n)
	}
	if t.Failed() {
		t.Logf("%.3000s ... %s", text, text[max(0, len(text)-1000):])
	}
	r.exchange(true, []byte("abort"))
	if text := out.String()[len(text):]; !strings.Contains(text, `"abort"`) {
		t.Errorf("what is sent is not shown: %q", text)
	}
}
