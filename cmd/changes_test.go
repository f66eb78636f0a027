package cmd_test

import (
	"syscall"
	"testing"

	"photongate/gateway"
)

// TestRecordTellsOfChanges unplugs an instrument, plugs it in again, and has the
// gateway go and come back: record says each at once, and for how long it was so.
func TestRecordTellsOfChanges(t *testing.T) {
	t.Parallel()
	b := newBench(t, "cd48", `gate = "100ms"`)
	sim, first := b.startSim(), b.startGateway()
	b.awaitState(gateway.Running)
	record := b.startRecord()
	record.waitFor("recording from")
	b.awaitRows(10)
	signal(t, sim, syscall.SIGUSR1)
	record.waitFor("WRN pi-lab3/bench: no reading for ", " s (unplugged)")
	signal(t, sim, syscall.SIGUSR2)
	record.waitFor("INF pi-lab3/bench: readings again, after ")
	first.stop()
	record.waitFor("WRN", "; trying again until it works")
	b.startGateway()
	record.waitFor("INF connected again after ", "; recording goes on")
	b.awaitRows(10)
	record.stop()
}
