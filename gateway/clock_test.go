package gateway

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/protocol"
	utctable "photongate/protocol/table"
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

// TestSmearedLeapSecond: a time service that hides a leap second in 24 hours, on
// a computer whose even clock does not follow it: UTC loses 11.6 us each second.
// That is no step, and the times of all readings are right to a millisecond.
func TestSmearedLeapSecond(t *testing.T) {
	t.Attr("fault", "F41")
	t.Attr("injected", "a leap second smeared over 24 h")
	t.Attr("promised", "no step, times right to a millisecond, the even clock unchanged")
	const day = 86400
	f := &fakeClock{utc: 1_798_718_400_000_000_000, even: 1000, sync: protocol.SyncSynchronised} // 2026-12-31T12:00:00Z
	b := newTimeBase(f.source())
	start := b.now()
	w := &clockWatch{base: b}
	clocks := utctable.NewClockTable()
	frames := 0
	for second := range int64(day + 1) {
		if c, at := w.look(); c != nil {
			frames++
			clocks.Add(b.id, at, c)
			if c.Cause == protocol.ClockStep {
				t.Fatalf("a step of %d ns after %d s", c.StepNs, second)
			}
		}
		f.even += 1e9
		f.utc = 1_798_718_400_000_000_000 + (second+1)*1e9 - (second+1)*1e9/day
	}
	worst := int64(0)
	for second := range int64(day) {
		at := start + second*1e9
		utc, known := clocks.UTC(b.id, at)
		truth := 1_798_718_400_000_000_000 + second*1e9 - second*1e9/day
		worst = max(worst, utc-truth, truth-utc)
		if !known || worst > 1_000_000 {
			t.Fatalf("after %d s: %d ns off, known %v", second, utc-truth, known)
		}
	}
	if got := b.now() - start; got != (day+1)*1e9 {
		t.Errorf("the even clock made %d ns of it", got)
	}
	t.Attr("seen", fmt.Sprintf("%d clock frames, none of them a step; times off by at most %v", frames, time.Duration(worst)))
}

// TestClockFrameAfterSuspend: the first look after the computer slept is told, so
// that reports know how long it did.
func TestClockFrameAfterSuspend(t *testing.T) {
	f := &fakeClock{utc: int64(1000 * time.Second), even: int64(50 * time.Second), sync: protocol.SyncSynchronised}
	w := &clockWatch{base: newTimeBase(f.source())}
	first, _ := w.look()
	f.pass(2 * time.Second)
	f.slept += int64(1500 * time.Millisecond)
	c, _ := w.look()
	if c == nil || c.Cause != protocol.ClockPeriodic || c.BootNs-first.BootNs != protocol.Int64(2*time.Second) || first.BootNs != protocol.Int64(50*time.Second) {
		t.Errorf("after 1.5 s of sleep: %+v, first %+v", c, first)
	}
	f.pass(time.Second)
	if c, _ := w.look(); c != nil {
		t.Errorf("and once more: %+v", c)
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
