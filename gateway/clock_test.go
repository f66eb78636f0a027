package gateway

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/protocol"
)

// fakeClock is a computer's clocks, moved by hand.
type fakeClock struct {
	even, utc, slept int64
	sync             string
}

func (f *fakeClock) source() ClockSource {
	return ClockSource{
		Even: func() int64 { return f.even }, UTC: func() int64 { return f.utc }, Mono: func() int64 { return f.even / 2 },
		Slept: func() int64 { return f.slept },
		Quality: func() ClockQuality {
			return ClockQuality{Sync: f.sync, FreqPPB: -12, EstErrorNs: protocol.Ref(int64(30))}
		}, Boot: "boot 1",
	}
}

func (f *fakeClock) pass(d time.Duration) {
	f.even += int64(d)
	f.utc += int64(d)
}

func TestTimeBaseReadsUTCOnceAndNeverSteps(t *testing.T) {
	f := &fakeClock{even: 500, utc: 1_700_000_000_000_000_000}
	b := newTimeBase(f.source())
	if got := b.now(); got != 1_700_000_000_000_000_000 {
		t.Errorf("at the start: got %d, want UTC", got)
	}
	f.pass(3 * time.Second)
	f.utc -= int64(time.Hour)
	if got := b.now(); got != 1_700_000_003_000_000_000 {
		t.Errorf("after a step of UTC: got %d, want 3 s later", got)
	}
	if at, ahead := b.pair(); at != 1_700_000_003_000_000_000 || ahead != -int64(time.Hour) {
		t.Errorf("pair: got %d, %d", at, ahead)
	}
	if other := newTimeBase(f.source()); other.id == b.id {
		t.Error("two time bases have one id")
	}
}

func TestClockFramesAreDue(t *testing.T) {
	f := &fakeClock{utc: int64(1000 * time.Second), sync: protocol.SyncUnsynchronised}
	w := &clockWatch{base: newTimeBase(f.source())}
	var got []string
	for second := range 400 {
		switch second {
		case 100:
			f.sync = protocol.SyncSynchronised
		case 200:
			f.utc += int64(5 * time.Second)
		case 250:
			f.utc -= int64(900 * time.Microsecond) // less than a step
		}
		if c, at := w.look(); c != nil {
			got = append(got, fmt.Sprintf("%d %s %s step %d utc-time %d mono %d", second, c.Cause, c.Sync, c.StepNs/1e6, (int64(c.UTCNs)-at)/1e6, c.MonoNs/1e6))
		}
		f.pass(time.Second)
	}
	want := []string{
		"0 start unsynchronised step 0 utc-time 0 mono 0",
		"10 periodic unsynchronised step 0 utc-time 0 mono 5000",
		"30 periodic unsynchronised step 0 utc-time 0 mono 15000",
		"60 periodic unsynchronised step 0 utc-time 0 mono 30000",
		"100 sync synchronised step 0 utc-time 0 mono 50000",
		"110 periodic synchronised step 0 utc-time 0 mono 55000",
		"130 periodic synchronised step 0 utc-time 0 mono 65000",
		"160 periodic synchronised step 0 utc-time 0 mono 80000",
		"200 step synchronised step 5000 utc-time 5000 mono 100000",
		"210 periodic synchronised step 0 utc-time 5000 mono 105000",
		"230 periodic synchronised step 0 utc-time 5000 mono 115000",
		"260 periodic synchronised step 0 utc-time 4999 mono 130000",
		"300 periodic synchronised step 0 utc-time 4999 mono 150000",
		"350 periodic synchronised step 0 utc-time 4999 mono 175000",
	}
	if d := cmp.Diff(got, want); d != "" {
		t.Errorf("clock frames (-got +want):\n%s", d)
	}
}

func TestSystemClock(t *testing.T) {
	s := SystemClock()
	if s.Boot == "" {
		t.Error("no boot id")
	}
	if a, b := s.Even(), s.Even(); b < a {
		t.Errorf("the even clock went back: %d, %d", a, b)
	}
	if utc := time.Unix(0, s.UTC()); time.Since(utc).Abs() > time.Hour {
		t.Errorf("UTC: got %v", utc)
	}
	if runtime.GOOS != "linux" {
		t.Logf("on %s the quality of UTC is not known", runtime.GOOS)
		return
	}
	if slept := s.Slept(); slept < -int64(time.Second) {
		t.Errorf("slept for %d ns", slept)
	}
	switch q := s.Quality(); q.Sync {
	case protocol.SyncSynchronised, protocol.SyncUnsynchronised, protocol.SyncUnknown:
	default:
		t.Errorf("sync: got %q", q.Sync)
	}
}
