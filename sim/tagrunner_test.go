package sim

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// ticker is an instrument that streams a byte for every microsecond, from the first
// opening on, in pieces of a millisecond, and detects something on channel 3 at the
// beginning of each. It takes so long for each of them.
type ticker struct {
	next  time.Time
	tick  uint64
	takes time.Duration
	count bool // tells of counts besides
}

func (k *ticker) Name() string       { return "ticker" }
func (k *ticker) Channels() []string { return []string{"n"} }
func (k *ticker) Next() time.Time    { return k.next }
func (k *ticker) GivesTags() bool    { return true }

func (k *ticker) Handle(ev Event, _ Line) {
	if ev.Kind == Opened && k.next.IsZero() {
		k.next = ev.At.Add(time.Millisecond)
	}
}

func (k *ticker) Advance(now time.Time, line Line) {
	for !k.next.IsZero() && !k.next.After(now) {
		tags := TagLineOf(line)
		tags.Tags([]Tag{NewTag(k.tick, 3)})
		if harm := tags.Stream(k.next, bytes.Repeat([]byte{byte(k.tick / 1000)}, 1000)); harm != "" {
			tags.Lost(k.tick, k.tick+1000, -1, harm)
		}
		if k.count {
			line.Latched(k.next, []uint64{k.tick})
		}
		k.tick += 1000
		k.next = k.next.Add(time.Millisecond)
		if k.takes > 0 {
			<-time.After(k.takes)
		}
	}
}

// tagRun is what came of a ticker.
type tagRun struct {
	bytes, damaged int // received, and those not of their place
	truth, losses  string
	notices        []string
	took           time.Duration
}

// tick runs a ticker with a host that reads until the end, a long pause after each read
// if it is slow.
func tick(t *testing.T, k *ticker, o Options, pause time.Duration) (r tagRun) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var truth, losses bytes.Buffer
		o.Truth, o.Losses = &truth, &losses
		o.Notice = func(text string) { r.notices = append(r.notices, text) }
		memory := NewMemory()
		runner, err := NewRunner(k, memory, o)
		if err != nil {
			t.Fatal(err)
		}
		port, err := memory.Open()
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		done := make(chan error, 1)
		go func() { done <- runner.Run(context.Background()) }()
		buffer := make([]byte, 8000)
		for {
			n, err := port.Read(buffer)
			if err != nil {
				if !errors.Is(err, ErrUnplugged) {
					t.Errorf("the host read: %v", err)
				}
				break
			}
			for i, c := range buffer[:n] {
				if c != byte((r.bytes+i)/1000) {
					r.damaged++
				}
			}
			r.bytes += n
			if pause > 0 {
				<-time.After(pause)
			}
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		r.took, r.truth, r.losses = time.Since(start), truth.String(), losses.String()
	})
	return r
}

// Nothing of a stream is lost by a host that is slow for a while, unlike messages.
func TestStreamWaitsForItsHost(t *testing.T) {
	r := tick(t, &ticker{}, Options{For: time.Second}, 9*time.Millisecond)
	if r.took > 1060*time.Millisecond || r.bytes < 880_000 || r.bytes > 920_000 || r.losses != "" || r.damaged > 0 {
		t.Errorf("in %v %d bytes, %d wrong, losses %q", r.took, r.bytes, r.damaged, r.losses)
	}
	if len(r.truth) != 9*1000 {
		t.Fatalf("%d bytes of truth", len(r.truth))
	}
	if got, want := r.truth[9*513:9*514], "\xE8\xD3\x07\x00\x00\x00\x00\x00\x03"; got != want { // 513000
		t.Errorf("tag 513 is % x, expected % x", got, want)
	}
}

// On a serial line a stream takes its time.
func TestStreamOnASlowLine(t *testing.T) {
	r := tick(t, &ticker{}, Options{For: time.Second, BytePace: 10 * time.Microsecond}, 0)
	if r.took != time.Second || r.bytes < 99_800 || r.bytes > 100_000 || r.damaged > 0 {
		t.Errorf("in %v %d bytes, %d wrong", r.took, r.bytes, r.damaged)
	}
}

// As fast as the host takes it: a host that needs 1 ms for eight that it reads is done in
// an eighth of the time, and loses nothing.
func TestFastStream(t *testing.T) {
	r := tick(t, &ticker{}, Options{For: 80 * time.Second, Fast: true}, time.Millisecond)
	if r.took > 11*time.Second || len(r.truth) != 9*80_000 || r.losses != "" || r.damaged > 0 {
		t.Errorf("took %v, %d bytes of truth, %d wrong, losses %q", r.took, len(r.truth), r.damaged, r.losses)
	}
	const held = 30_000 // waits when it ends
	if r.bytes < 80_000_000-held || r.bytes > 80_000_000 {
		t.Errorf("%d bytes", r.bytes)
	}
}

// A machine that needs 1.5 ms for each millisecond says so, once.
func TestTooSlowAMachine(t *testing.T) {
	r := tick(t, &ticker{takes: 1500 * time.Microsecond}, Options{For: 10 * time.Second}, 0)
	if len(r.notices) != 1 || !strings.Contains(r.notices[0], "goes slower from now on") {
		t.Errorf("it said %q", r.notices)
	}
	if r.took < 14*time.Second || r.took > 16*time.Second || len(r.truth) < 9*9900 {
		t.Errorf("took %v, %d bytes of truth", r.took, len(r.truth))
	}
	if r = tick(t, &ticker{takes: 900 * time.Microsecond}, Options{For: 10 * time.Second}, 0); len(r.notices) != 0 || r.took > 10*time.Second+time.Millisecond {
		t.Errorf("took %v, and it said %q", r.took, r.notices)
	}
}

func TestLossesAreWritten(t *testing.T) {
	faults, err := ParseFaults([]string{"drop@byte=10500:2", "flip@byte=11200", "flip@byte=20100", "late@byte=30000:20ms"})
	if err != nil {
		t.Fatal(err)
	}
	r := tick(t, &ticker{}, Options{For: time.Second, Faults: faults}, 0)
	want := "10000 11000 all drop\n11000 12000 all flip\n20000 21000 all flip\n"
	if diff := cmp.Diff(r.losses, want); diff != "" {
		t.Errorf("(-got +want):\n%s", diff)
	}
	losses := tagTruth{losses: new(bytes.Buffer)}
	for _, l := range []tagLoss{{5, 10, -1, "x"}, {10, 20, -1, "x"}, {20, 30, 1, "x"}, {30, 30, 1, "x"}, {40, 50, 1, "x"}} {
		losses.lost(l)
	}
	losses.writeLoss()
	if got, want := losses.losses.(*bytes.Buffer).String(), "5 20 all x\n20 30 1 x\n40 50 1 x\n"; got != want {
		t.Errorf("losses %q, expected %q", got, want)
	}
}

// The truth is of one kind.
func TestTruthOfTwoKinds(t *testing.T) {
	r := tick(t, &ticker{count: true}, Options{For: time.Second}, 0)
	if len(r.truth) != 9*1000 || len(r.notices) != 1 || !strings.HasPrefix(r.notices[0], "truth: ") {
		t.Errorf("%d bytes of truth, and it said %q", len(r.truth), r.notices)
	}
	var out bytes.Buffer
	tr := truth{w: &out, columns: []string{"n"}}
	tr.latched(time.Unix(0, 5), []uint64{7})
	if got := out.String(); got != "index,time_ns,n\n0,5,7\n" || tr.take(ofTags) {
		t.Errorf("wrote %q", got)
	}
}

// A disk that is full ends the run.
func TestTruthOfTagsOnAFullDisk(t *testing.T) {
	tr := tagTruth{w: fullDisk{}}
	for range 20 {
		tr.tags(make([]Tag, 10_000))
	}
	if !errors.Is(tr.err, os.ErrPermission) {
		t.Errorf("error %v", tr.err)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, os.ErrPermission }
