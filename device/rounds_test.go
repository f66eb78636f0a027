package device

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A counter that is cleared when it is read: times worked out by hand, in ns.
func TestRoundsOfCountsAndTheirLoss(t *testing.T) {
	now := int64(1_000_000)
	r := NewRounds(1000, false, func() int64 { return now })
	b := NewBatch(0)
	if r.Answered(b, Bracket{1_000_000, 1_000_020}) || b.Len() > 0 {
		t.Error("the first answer is a reading: its begin is not known")
	}
	r.Answered(b, Bracket{1_001_000, 1_001_040}) // edges 1_000_010 and 1_001_020
	if err := r.Lost(CauseLost, "no answer"); err != nil {
		t.Error(err)
	}
	if r.Answered(b, Bracket{1_004_000, 1_004_020}) {
		t.Error("an answer after a lost one is a reading: its begin is not known")
	}
	r.Answered(b, Bracket{1_005_000, 1_005_400}) // half of 400 is more than a tenth of the gate
	r.Answered(b, Bracket{1_006_000, 1_006_010})
	r.Answered(b, Bracket{1_009_000, 1_009_010})
	want := NewBatch(0)
	want.Begin = []int64{1_000_010, 1_004_010, 1_005_200, 1_006_005}
	want.Length = []int64{1010, 1190, 805, 3000}
	want.Live = want.Length
	want.Uncertainty = []int64{10, 10, 200, 5}
	want.Flags = []ReadingFlags{0, Late, Late, Late}
	want.Notes = []Note{{Row: 1, Gap: &Gap{Cause: CauseLost, Detail: "no answer", Begin: 1_001_020, Duration: 2990, Missing: 3, Known: true}}}
	if d := cmp.Diff(want, b); d != "" {
		t.Error(d)
	}
}

// Of running totals nothing is lost with an answer.
func TestRoundsOfTotals(t *testing.T) {
	r := NewRounds(1000, true, func() int64 { return 1_000_000 })
	b := NewBatch(0)
	if !r.Answered(b, Bracket{1_000_000, 1_000_020}) {
		t.Error("the first total is no reading: the next cannot be compared with it")
	}
	if err := r.Lost(CauseLost, "no answer"); err != nil {
		t.Error(err)
	}
	r.Answered(b, Bracket{1_002_000, 1_002_020})
	want := NewBatch(0)
	want.Begin, want.Length, want.Uncertainty = []int64{1_000_010, 1_000_010}, []int64{0, 2000}, []int64{10, 10}
	want.Live, want.Flags = want.Length, []ReadingFlags{First, 0}
	if d := cmp.Diff(want, b); d != "" {
		t.Error(d)
	}
}

func TestRoundsGiveUp(t *testing.T) {
	r := NewRounds(time.Second, false, func() int64 { return 5e9 })
	b := NewBatch(0)
	r.Answered(b, Bracket{1e9, 1e9})
	for n := 1; ; n++ {
		if err := r.Lost(CauseDamaged, "zeros"); err != nil {
			if n != mostLost || !errors.Is(err, ErrNonsense) {
				t.Errorf("after %d: %v", n, err)
			}
			break
		}
	}
	r.Flush(b, 4e9)
	r.Flush(b, 4e9)
	want := []Note{{Gap: &Gap{Cause: CauseDamaged, Detail: "zeros", Begin: 1e9, Duration: 3e9, Missing: 3, Known: true}}}
	if d := cmp.Diff(want, b.Notes); d != "" {
		t.Error(d)
	}
}

func TestRoundsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		r := NewRounds(400*time.Millisecond, true, func() int64 { return int64(time.Since(start)) })
		b := NewBatch(0)
		for range 3 {
			if due, err := r.Wait(); !due || err != nil {
				t.Fatalf("not due at the begin: %v", err)
			}
			r.Answered(b, Bracket{r.clock(), r.clock()})
			for n := 0; ; n++ {
				before := time.Now()
				due, err := r.Wait()
				if took := time.Since(before); err != nil || took > MaxWait-askTime {
					t.Fatalf("waited %v, %v", took, err)
				}
				if due {
					break
				}
			}
			if at := time.Since(start) % (400 * time.Millisecond); at != 0 {
				t.Errorf("asks %v behind the slot", at)
			}
		}
		time.Sleep(2100 * time.Millisecond) // slots that are over are left out
		r.Answered(b, Bracket{r.clock(), r.clock()})
		if due, err := r.Wait(); due || err != nil {
			t.Errorf("asks for each slot that is over: %v", err)
		}
		r.slot += int64(time.Hour)
		done := make(chan error)
		go func() {
			for {
				if _, err := r.Wait(); err != nil {
					done <- err
					return
				}
			}
		}()
		synctest.Wait()
		r.Close()
		r.Close()
		if err := <-done; !errors.Is(err, ErrClosed) {
			t.Errorf("Wait ended by Close: %v", err)
		}
	})
}

func TestReachable32(t *testing.T) {
	for _, tc := range []struct {
		from, to uint32
		want     bool
	}{
		{0, 6_000_000, true}, {0, 6_000_001, false}, {1<<32 - 10, 20, true}, {20, 19, false}, {20, 20, true},
	} {
		if got := Reachable32(tc.from, tc.to, 100*time.Millisecond); got != tc.want {
			t.Errorf("%d to %d in 0.1 s: %v", tc.from, tc.to, got)
		}
	}
}
