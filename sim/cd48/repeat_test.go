package cd48

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/sim"
)

func TestRepeatMode(t *testing.T) {
	b := newBench(t, nil, Options{RightFirstLine: true})
	b.wait(30 * time.Millisecond)
	b.ask("r100\rR")
	b.wait(350 * time.Millisecond) // one late look at three lines that were due
	want := []message{{130e6, zeros}, {230e6, zeros}, {330e6, zeros}}
	if diff := cmp.Diff(b.sent, want); diff != "" {
		t.Errorf("sent (-got +want):\n%s", diff)
	}
	b.text()
	b.ask("R")
	b.wait(time.Second)
	if got := b.text(); got != "" {
		t.Errorf("with repeat off again it sent %q", got)
	}
}

// The first line comes when the free-running timer runs out, with all that was
// counted since the last reading; the following ones are right.
func TestFirstRepeatedLineIsWrong(t *testing.T) {
	b := newBench(t, []float64{1e5, 0, 0, 0}, Options{})
	b.ask("r00500")
	b.wait(740 * time.Millisecond)
	b.ask("R")
	b.wait(1300 * time.Millisecond)
	var at []time.Duration
	for _, r := range b.rows {
		at = append(at, r.After)
	}
	if diff := cmp.Diff(at, []time.Duration{1000e6, 1500e6, 2000e6}); diff != "" {
		t.Errorf("lines at (-got +want):\n%s", diff)
	}
	for i, seconds := range []float64{1, 0.5, 0.5} {
		if got := float64(b.rows[i].Values[0]); got < 0.97*seconds*1e5 || got > 1.03*seconds*1e5 {
			t.Errorf("line %d has %g counts, expected those of %g s", i, got, seconds)
		}
	}
}

// A reading asked for while a line is due comes after it, glued to it, and takes
// its counts from the next line.
func TestRepeatedLineMeetsReply(t *testing.T) {
	b := newBench(t, []float64{1e6, 0, 0, 0}, Options{RightFirstLine: true})
	b.ask("r00100R")
	b.now = b.now.Add(140 * time.Millisecond)
	b.ask("c")
	b.wait(60 * time.Millisecond)
	var at []time.Duration
	for _, r := range b.rows {
		at = append(at, r.After)
	}
	if diff := cmp.Diff(at, []time.Duration{100e6, 140e6, 200e6}); diff != "" {
		t.Errorf("rows at (-got +want):\n%s", diff)
	}
	if short := b.rows[2].Values[0]; short < 55_000 || short > 65_000 {
		t.Errorf("the line after the reading has %d counts, expected those of 60 ms", short)
	}
}

func TestRepeatedLinesHaveTheFormLastAskedFor(t *testing.T) {
	for name, c := range map[string]struct {
		follow bool
		want   string
	}{"follow": {true, "Counter 0: 0"}, "always c": {false, "0 0 0 0"}} {
		b := newBench(t, nil, Options{RepeatAsRead: c.follow})
		b.ask("C")
		b.ask("R")
		b.wait(time.Second)
		if got := b.text(); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: sent %q", name, got)
		}
		b.ask("c")
		b.wait(time.Second)
		if got := b.text(); got != zeros {
			t.Errorf("%s: after c sent %q", name, got)
		}
	}
}

func TestCrystalTimesTheLines(t *testing.T) {
	b := newBench(t, nil, Options{Settings: Settings{IntervalMs: 1000, Repeat: true}, FastPPM: 100})
	b.wait(1000 * time.Second)
	// 1000 s / 1.0001 = 999.900009999 s
	if got, want := b.rows[999].After, 999900009999*time.Nanosecond; len(b.rows) != 1000 || got != want {
		t.Errorf("line 1000 of %d came at %v, expected %v", len(b.rows), got, want)
	}
}

// Who opens a box that repeats gets the end of an old line first.
func TestOpenedWhileRepeatingIsTorn(t *testing.T) {
	b := newBench(t, nil, Options{Settings: Settings{IntervalMs: 100, Repeat: true}})
	if b.tears != 0 {
		t.Error("torn before there was a line")
	}
	b.wait(150 * time.Millisecond)
	b.text()
	b.event(sim.Event{Kind: sim.Opened})
	if b.tears != 1 || b.text() != zeros || len(b.rows) != 1 {
		t.Errorf("%d torn lines, %d rows", b.tears, len(b.rows))
	}
}

// On a runner, lines come at the box's own times.
func TestRepeatedLinesOnARunner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		light, err := sim.NewLight(sim.LightSettings{Inputs: Inputs()})
		if err != nil {
			t.Fatal(err)
		}
		box, err := New(Options{Light: light, Settings: Settings{IntervalMs: 100, Repeat: true}})
		if err != nil {
			t.Fatal(err)
		}
		conn := sim.NewMemory()
		runner, err := sim.NewRunner(box, conn, sim.Options{})
		if err != nil {
			t.Fatal(err)
		}
		port, err := conn.Open()
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		start := time.Now()
		go func() { done <- runner.Run(t.Context()) }()
		buf := make([]byte, 100)
		for i := range 5 {
			n, err := port.Read(buf)
			if got, due := time.Since(start), time.Duration(i+1)*100*time.Millisecond; err != nil || string(buf[:n]) != zeros || got != due {
				t.Errorf("line %d: %q after %v (%v), expected after %v", i, buf[:n], got, err, due)
			}
		}
		runner.Unplug()
		for err == nil {
			_, err = port.Read(buf)
		}
		if !errors.Is(err, sim.ErrUnplugged) {
			t.Errorf("the last read gave %v", err)
		}
		t.Cleanup(func() { <-done })
	})
}
