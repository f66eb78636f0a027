package tdc1

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"photongate/device"
	"photongate/device/devicetest"
)

// seen is what came of a stream, beside what was sent.
type seen struct {
	*device.Batch
	err   error
	truth []tagged
	until []uint64
	at    []int64
}

type tagged struct {
	tick    uint64
	channel uint8
}

// watch reads a stream for a while. Stall, where it is above 0, is when the host
// does not read for two seconds.
func watch(t *testing.T, l *light, d, stall time.Duration) *seen {
	t.Helper()
	return watchStalled(t, l, d, func(since time.Duration) {
		if stall > 0 && since >= stall {
			stall = 0
			<-time.After(2 * time.Second)
		}
	})
}

// watchStalled reads a stream for a while, and has a function called before each Read
// that may take time.
func watchStalled(t *testing.T, l *light, d time.Duration, stall func(since time.Duration)) *seen {
	t.Helper()
	x := newBox()
	x.light = l
	s := &seen{Batch: device.NewBatch(inputs)}
	l.truth = func(tick uint64, channel uint8) { s.truth = append(s.truth, tagged{tick, channel}) }
	devicetest.Bubble(t, x.play, func(p device.Port) {
		src, err := Driver.Open(t.Context(), device.OpenRequest{Port: p, Settings: device.Settings{"mode": "timestamp"}, Clock: devicetest.Clock})
		if err != nil {
			s.err = err
			return
		}
		b := device.NewBatch(inputs)
		for begin := time.Now(); s.err == nil && time.Since(begin) < d; {
			stall(time.Since(begin))
			b.Reset()
			s.err = src.Read(b)
			if b.Tags.At != 0 {
				s.until, s.at = append(s.until, b.Tags.Until), append(s.at, b.Tags.At)
			}
			s.Append(b)
		}
		if err := src.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// holds compares what was read with what was sent: the unit's clock reads 0 one
// period before that of the tags. Every tag was sent, and each that was sent between
// the first and the last and is not there lies in a loss.
func (s *seen) holds(t *testing.T) (missing, wrong int) {
	t.Helper()
	if len(s.Tags.Tick) == 0 {
		t.Fatalf("no tags, %v", s.err)
	}
	// In which period the first tag lies is open.
	offset := s.truth[0].tick/period*period - s.Tags.Tick[0]/period*period
	var at int
	for ; ; offset += period {
		find := func(n int) (at int, ok bool) {
			return slices.BinarySearchFunc(s.truth, tagged{s.Tags.Tick[n] + offset, 0}, func(a, b tagged) int { return cmp.Compare(a.tick, b.tick) })
		}
		first, ok := find(0)
		if _, second := find(len(s.Tags.Tick) / 2); ok || second {
			at = first
			break
		}
		if first == len(s.truth) {
			t.Fatalf("no tag was sent")
		}
	}
	for n, tick := range s.Tags.Tick {
		want := tagged{tick + offset, s.Tags.Channel[n]}
		from := at
		for at < len(s.truth) && s.truth[at] != want && s.truth[at].tick <= want.tick {
			at++
		}
		if at == len(s.truth) || s.truth[at] != want {
			wrong++
			at = from
			continue
		}
		for _, lost := range s.truth[from:at] {
			missing++
			if !slices.ContainsFunc(s.Tags.Losses, func(l device.Loss) bool { return l.From+offset <= lost.tick && lost.tick < l.To+offset }) {
				t.Errorf("channel %d at tick %d is missing, and no loss of %+v says so", lost.channel, lost.tick-offset, s.Tags.Losses)
			}
		}
		at++
	}
	return missing, wrong
}

func (s *seen) gaps() (causes []string) {
	for _, n := range s.Notes {
		if n.Gap != nil {
			causes = append(causes, n.Gap.Cause)
		}
	}
	return causes
}

// Markers that are missing, dark and silence.
func TestWraps(t *testing.T) {
	between := func(from, to int) func(int) bool { return func(n int) bool { return n >= from && n < to } }
	for _, tc := range []struct {
		name    string
		light   light
		stall   time.Duration
		gaps    []string
		changed bool
	}{
		{name: "events now and then", light: light{every: 40 * time.Millisecond}},
		{name: "events and no markers but at first", light: light{every: 10 * time.Millisecond, mute: func(n int) bool { return n > 4 }}},
		{name: "hardly any events", light: light{every: 900 * time.Millisecond}},
		{name: "each third marker is missing", light: light{every: 900 * time.Millisecond, mute: func(n int) bool { return n%3 == 0 && n > 4 }}},
		{name: "two in a row are missing", light: light{every: 20 * time.Second, mute: between(45, 47)}, gaps: []string{device.CauseLost}},
		{name: "three are missing", light: light{every: 4 * time.Second, mute: between(45, 48)}, gaps: []string{device.CauseLost}},
		{name: "many are missing", light: light{every: 20 * time.Second, mute: between(45, 65)}, gaps: []string{device.CauseLost}},
		{name: "two are missing soon after the begin", light: light{every: 20 * time.Second, mute: between(12, 14)}, gaps: []string{device.CauseDamaged}, changed: true},
		{name: "the host does not look", light: light{every: 30 * time.Millisecond}, stall: 3 * time.Second},
		{name: "the host does not look, hardly any events", light: light{every: 900 * time.Millisecond}, stall: 3 * time.Second},
		{name: "the host does not look, and two are missing", light: light{every: 20 * time.Second, mute: between(26, 28)}, stall: 3 * time.Second, gaps: []string{device.CauseDamaged}, changed: true},
		{name: "a marker is missing before an event late in its period", light: light{every: 100 * time.Millisecond, mute: func(n int) bool { return n%2 == 1 && n > 4 }}},
		{name: "the line stands still, and catches up by and by", light: light{every: 20 * time.Millisecond, pass: func(since time.Duration) int {
			since -= unitOn*2 + 3*time.Second
			if since > 0 && since < 400*time.Millisecond {
				return 0
			}
			return 4 * recordBytes
		}}},
		{name: "what comes first comes late", light: light{every: 5 * time.Millisecond, pass: func(since time.Duration) int {
			switch since -= unitOn * 2; {
			case since < 500*time.Millisecond:
				return 0
			case since < 1600*time.Millisecond:
				return recordBytes // one for each that happens: half a second late
			}
			return 1 << 20
		}}},
		{name: "the unit holds records back", light: light{every: 100 * time.Millisecond, swell: time.Second}},
		{name: "the unit holds records back, hardly any events", light: light{every: 3 * time.Second, swell: 700 * time.Millisecond}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := watch(t, &tc.light, 12*time.Second, tc.stall)
			if errors.Is(s.err, device.ErrChanged) != tc.changed || !tc.changed && s.err != nil {
				t.Errorf("%v", s.err)
			}
			if got := s.gaps(); !slices.Equal(got, tc.gaps) {
				t.Errorf("gaps %v, want %v; notes %+v", got, tc.gaps, s.Notes)
			}
			if len(s.Tags.Tick) > 0 {
				if missing, wrong := s.holds(t); missing > 0 || wrong > 0 {
					t.Errorf("%d tags are missing, %d wrong, losses %+v", missing, wrong, s.Tags.Losses)
				}
			}
			for n := 1; n < len(s.until); n++ {
				// The clock goes with the computer's, and no record comes before its time.
				if off := (s.at[n] - s.at[0]) - int64(s.until[n]-s.until[0])*tickNs; s.until[n] < s.until[n-1] || !tc.changed && tc.stall == 0 && off > int64(450*time.Millisecond)+2*int64(tc.light.swell) {
					t.Fatalf("the clock came to %d after %v, %v off", s.until[n], time.Duration(s.at[n]-s.at[0]), time.Duration(off))
				}
			}
		})
	}
}

// A stream that stops is given up.
func TestStreamStops(t *testing.T) {
	s := watch(t, &light{every: 10 * time.Millisecond, mute: func(n int) bool { return n > 10 }, dark: func(since time.Duration) bool { return since > unitOn*2+4*time.Second }}, 20*time.Second, 0)
	if !errors.Is(s.err, device.ErrChanged) || !strings.Contains(s.err.Error(), "not even a marker") {
		t.Errorf("%v", s.err)
	}
	s = watch(t, &light{every: 0, mute: func(int) bool { return true }}, time.Second, 0)
	if !errors.Is(s.err, device.ErrTimeout) || !strings.Contains(s.err.Error(), "switch the unit off and on") {
		t.Errorf("%v", s.err)
	}
}

// At high rates two bytes may be lost: no tag is wrong, and few are missing.
func TestTwoBytesLost(t *testing.T) {
	for _, every := range []time.Duration{100 * time.Nanosecond, 250 * time.Nanosecond, time.Microsecond, 20 * time.Microsecond, 300 * time.Microsecond} {
		for _, lost := range []int{1, 2, 3, 6} {
			if every < time.Microsecond && lost > 2 {
				continue
			}
			sent, slips := 0, 0
			l := &light{every: every, swell: time.Millisecond, dark: func(since time.Duration) bool { return since < unitOn*2+500*time.Millisecond }}
			l.mangle = func(b []byte) []byte {
				if sent += len(b); devicetest.Clock() < l.on+unitOn*2+int64(600*time.Millisecond) {
					sent = 0
				}
				if at := len(b) / 2; sent > 4*10000*(slips+1) && len(b) > 10 && slips < 5 {
					slips++
					if slips%2 == 0 {
						at = len(b) - min(len(b), 4+lost+slips) // close to the end of what is read
					}
					end := min(len(b), at+lost)
					return append(b[:at:at], b[end:]...)
				}
				return b
			}
			s := watch(t, l, min(3*time.Second, 100000*every+310*time.Millisecond), 0)
			missing, wrong := s.holds(t)
			most := 0
			if lost == 1 || every > 100*time.Microsecond {
				most = inputs * slips // a word cut in the wrong place may look like a record, if it is the last to be had
			}
			if wrong > most || s.err != nil || slips == 0 && every < 100*time.Microsecond || missing > slips*24+lost*slips || len(s.gaps()) > 2*slips || slips > 0 && missing == 0 {
				t.Errorf("%v, %d bytes lost: %d tags read, %d missing, %d wrong, gaps %v, %d slips, %v", every, lost, len(s.Tags.Tick), missing, wrong, s.gaps(), slips, s.err)
			}
			if every == 250*time.Nanosecond {
				t.Logf("%v, %d bytes lost %d times: %d tags read, %d missing in %d losses", every, lost, slips, len(s.Tags.Tick), missing, len(s.Tags.Losses))
			}
		}
	}
}

// A light that is switched on and off at high rates is no damage.
func TestChoppedLight(t *testing.T) {
	for _, every := range []time.Duration{200 * time.Nanosecond, 5 * time.Microsecond, 200 * time.Microsecond} {
		s := watch(t, &light{every: every, swell: 2 * time.Millisecond, dark: func(since time.Duration) bool { return since/(30*time.Millisecond)%2 == 0 }}, 400*time.Millisecond, 0)
		if missing, wrong := s.holds(t); missing > 0 || wrong > 0 || s.err != nil || len(s.gaps()) > 0 {
			t.Errorf("%v: %d missing, %d wrong, %v, %+v", every, missing, wrong, s.err, s.Notes)
		}
	}
}

// pieces is a port that hands out bytes in pieces, some time apart.
type pieces struct {
	device.Port
	bytes []byte
	size  int
	apart int64
	now   int64
}

func (p *pieces) clock() int64 { return p.now }

func (p *pieces) Name() string { return "pieces" }

func (p *pieces) Read(b []byte, wait time.Duration) (int, int64, error) {
	if len(p.bytes) == 0 {
		p.now += max(int64(wait), 1)
		return 0, p.now, device.ErrTimeout
	}
	p.now += p.apart
	n := copy(b[:min(len(b), p.size)], p.bytes)
	p.bytes = p.bytes[n:]
	return n, p.now, nil
}

// FuzzStreaming: whatever comes, in whatever pieces, ends, and what is made of it has
// the form that a source is to give.
func FuzzStreaming(f *testing.F) {
	dark := []byte{0x11, 0xEF, 0x01, 0x80, 0x11, 0xEF, 0x01, 0x00}
	f.Add(slices.Repeat(dark, 8), uint16(4), uint32(134_000_000))
	f.Add(slices.Repeat([]byte{0x81, 0x3E, 0, 0, 0xA2, 0x3E, 0, 0, 0xC4, 0x3F, 0, 0}, 100)[2:], uint16(64), uint32(1000))
	f.Fuzz(func(t *testing.T, bytes []byte, size uint16, apart uint32) {
		p := &pieces{bytes: bytes, size: int(size)%4096 + 1, apart: int64(apart), now: 1e18}
		s := newStreaming(p, p.clock, marks{true, 3960}, nil)
		b := device.NewBatch(inputs)
		var until, from uint64
		for range len(bytes) + 40 {
			b.Reset()
			err := s.fill(b)
			if b.Tags.At != 0 && b.Tags.Until < until || len(b.Tags.Tick) != len(b.Tags.Channel) || b.Len() > device.MaxTags {
				t.Fatalf("until %d after %d, %d ticks, %d channels", b.Tags.Until, until, len(b.Tags.Tick), len(b.Tags.Channel))
			}
			if b.Tags.At != 0 {
				until = b.Tags.Until
			}
			for n, tick := range b.Tags.Tick {
				if tick > until || tick>>63 != 0 || b.Tags.Channel[n] >= inputs {
					t.Fatalf("tag at %d of channel %d, until %d", tick, b.Tags.Channel[n], until)
				}
			}
			for _, l := range b.Tags.Losses {
				if l.From < from || l.To < l.From {
					t.Fatalf("loss %+v behind one from %d", l, from)
				}
				from = l.From
			}
			if err != nil {
				if !errors.Is(err, device.ErrChanged) {
					t.Fatal(err)
				}
				return
			}
		}
		if len(p.bytes) > 0 {
			t.Fatalf("%d bytes were never read", len(p.bytes))
		}
	})
}
