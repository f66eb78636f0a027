package sr400

import (
	"strings"
	"testing"
	"time"

	"photongate/sim"
)

func TestAdapter(t *testing.T) {
	b := newBench(t, []float64{1e5, 2e5}, Options{GPIB: true, Baud: 9600})
	if got := b.Ask("SS\r\n++addr 22\n++auto 1\nSS\n"); got != "" {
		t.Errorf("at another address: %q", got)
	}
	if got := b.Ask("++addr 23\n++addr\n++auto\nSS\nNP 3;NP\r\n"); got != "23\r\n1\r\n0\r\n3\r\n" {
		t.Errorf("at its address: %q", got)
	}
	if got := b.Ask("++auto 0\nNP\n") + b.Ask("++read eoi\n") + b.Ask("++read\n"); got != "3\r\n" {
		t.Errorf("one reply for one read: %q", got)
	}
	if got := b.Ask("NP\n++addr\nNE\n++read\n"); got != "23\r\n3\r\n" {
		t.Errorf("one read, two replies: %q", got)
	}
	if got := b.Ask("++read\n"); got != "0\r\n" {
		t.Errorf("the second: %q", got)
	}
	b.Ask("CP2,1E6\nDT 2E-3\nNP 3\nCR\nFA\n")
	b.Wait(time.Second)
	if got := b.Ask("++read\n++read\n++read\n++read\n"); strings.Count(got, "\r\n") != 3 {
		t.Errorf("a stream of 3 points: %q", got)
	}
	if got := b.Ask("++ver\n++dance\n++spoll\n"); !strings.Contains(got, "GPIB-USB") || !strings.HasSuffix(got, "Unrecognized command\r\n6\r\n") {
		t.Errorf("the adapter says %q", got)
	}
	b.Event(sim.Event{Kind: sim.Unplugged})
	b.Event(sim.Event{Kind: sim.Plugged})
	if got := b.Ask("++addr\nSS\n"); got != "0\r\n" {
		t.Errorf("after its cable was out: %q", got)
	}
}

// A read waits for a point that comes later, but not for ever.
func TestAdapterWaits(t *testing.T) {
	b := newBench(t, []float64{1e5, 2e5}, Options{GPIB: true})
	b.Ask("++addr 23\nCP2,1E6\nNP 1\nCR\nFA\n++read\n")
	b.Step(200 * time.Millisecond)
	if got := b.Text(); strings.Count(got, "\r\n") != 1 {
		t.Errorf("waited for 0.1 s: %q", got)
	}
	b.Ask("CP2,1E7\nCR\nFA\n++read\n")
	b.Step(2 * time.Second)
	if got := b.Text(); got != "" {
		t.Errorf("500 ms were over, yet %q", got)
	}
}
