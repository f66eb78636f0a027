package gateway

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"photongate/device"
)

// startTagTask is startTask with a device that gives tags of 2 ns.
func startTagTask(t *testing.T) *taskRig {
	t.Helper()
	return startTask(t, func(_ *task, b *bench) { b.about = tagsOfTwoNs })
}

// tagsOfTwoNs makes a device one that gives tags of 2 ns.
func tagsOfTwoNs(d *device.Description) {
	d.Gate, d.Tick = 0, device.Tick{Num: 2, Den: 1e9}
	for i := range d.Channels {
		d.Channels[i].Kind, d.Channels[i].Edge = device.Tag, device.Rising
	}
}

// sendTags has the device give tags now.
func sendTags(s *fakeSource, until uint64, ticks ...uint64) {
	at := time.Now().UnixNano()
	s.feed <- func(b *device.Batch) {
		for _, tick := range ticks {
			b.Tags.Tick = append(b.Tags.Tick, tick)
			b.Tags.Channel = append(b.Tags.Channel, 1)
		}
		b.Tags.Until, b.Tags.At = until, at
	}
}

// An instrument that sends nothing in the dark runs, however long that lasts.
func TestDarknessIsNoTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startTagTask(t)
		defer r.end()
		s := <-r.bench.sources
		time.Sleep(time.Minute)
		if got := r.state(t, Opening); got.Cause != causeNoTag || !got.Tags {
			t.Errorf("before the first tag: %+v", got)
		}
		sendTags(s, 1000, 900, 1000)
		time.Sleep(time.Second)
		r.state(t, Running)
		time.Sleep(time.Hour)
		if got := r.state(t, Running); got.Cause != causeDark || got.Readings != 2 {
			t.Errorf("in the dark: %+v", got)
		}
		sendTags(s, 2000, 1900)
		time.Sleep(time.Second)
		if got := r.state(t, Running); got.Cause != "" {
			t.Errorf("light again: %+v", got)
		}
		if n := len(r.bench.sources); n > 0 {
			t.Errorf("it was opened %d times more", n)
		}
		runs := 0
		for _, line := range r.lines.messages() {
			if strings.Contains(line, `"message":"running"`) {
				runs++
			}
		}
		if runs != 1 {
			t.Errorf("%d lines say that it runs, want 1", runs)
		}
	})
}

// One that tells in the dark how far its clock came is expected to go on with it.
func TestClockThatStopsIsSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startTagTask(t)
		defer r.end()
		s := <-r.bench.sources
		sendTags(s, 1000, 900, 1000)
		for i := range uint64(20) { // its clock wraps every five seconds
			time.Sleep(5 * time.Second)
			sendTags(s, 10_000*(i+1))
		}
		r.state(t, Running)
		time.Sleep(14 * time.Second)
		if got := r.state(t, Running); got.Cause != "" {
			t.Errorf("its clock was told a while ago: %+v", got)
		}
		time.Sleep(2 * time.Second)
		if got := r.state(t, Stalled); got.Cause != "no tag comes" {
			t.Errorf("its clock has stopped: %+v", got)
		}
		time.Sleep(40 * time.Second)
		if len(r.bench.sources) == 0 {
			t.Error("it was not opened again")
		}
	})
}
