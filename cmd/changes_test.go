package cmd_test

import (
	"fmt"
	"syscall"
	"testing"

	"photongate/gateway"
	"photongate/sim/badline"
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

// TestOneWayDies: a gateway is dialled, and dials in. Whichever of the two lines is
// cut, recording goes on over the other.
func TestOneWayDies(t *testing.T) {
	t.Parallel()
	b := newBench(t, "cd48", `gate = "100ms"`)
	listen := freeAddr(t)
	lay := func(to string) *badline.Line {
		line, err := badline.Lay(to, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = line.Close() })
		return line
	}
	out, in := lay(b.addr), lay(listen)
	retarget(t, b.config, "journal =", fmt.Sprintf("forward = %q\njournal =", in.Addr()))
	b.startSim()
	b.startGateway()
	record := start(t, "photonrecv", "record", out.Addr(), "--listen", listen, "--dir", b.archive, "--name", "ws-ana")
	record.waitFor("recording from pi-lab3")
	rows := 0
	more := func(what string) {
		t.Helper()
		rows += 20
		until(t, "rows are recorded: "+what, patience, func() bool { return len(b.cat()) >= rows })
		rows = len(b.cat())
	}
	b.awaitRows(30)
	more("whichever way")
	out.Unplug(badline.Reset)
	more("it dials in")
	out.Plug()
	in.Unplug(badline.Reset)
	more("it is dialled")
	in.Plug()
	if code := record.stop(); code != 0 {
		t.Errorf("exit %d\n%s", code, record.stdout.String())
	}
	checkAgainstTruth(t, b.cat(), b.truthRows(), 0.1)
	b.checkDigests()
}
