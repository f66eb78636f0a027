//go:build linux && (amd64 || arm64)

package cmd_test

import (
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"photongate/device/usbport/mockbus"
	"photongate/sim/usbip/usbiptest"
)

// The tests of this file run the programs as they are on a real kernel's USB stack,
// with simulated instruments in its sockets: .ci/vm builds the programs and the
// machine.

// needsRealKernel leaves a test out where devices cannot be plugged into the kernel.
func needsRealKernel(t *testing.T) {
	t.Helper()
	if !mockbus.RealKernel() {
		t.Skip("plugs into this machine's kernel: run .ci/vm")
	}
}

// TestRealKernelLabJack is the main job on a real kernel: two counters are recorded,
// the plug is pulled while an answer is awaited, and put back.
func TestRealKernelLabJack(t *testing.T) {
	needsRealKernel(t)
	b := usbBench(t, "labjack", "usb:0cd5:0003:320012345", "gate = \"100ms\"\ncounters = \"both\"",
		"labjack-u3", "--distinct", "--reply-delay", "80ms") // an answer is due most of the time
	box := b.startSim()
	plugged := b.plugIn()
	gateways := b.startGateway()
	record := b.startRecord("--csv")
	record.waitFor("recording")
	b.awaitRows(20)
	signal(t, box, syscall.SIGUSR1)
	plugged.Unplug() // the wire is cut already; the kernel has to notice
	gateways.waitFor("gone", "device=bench")
	signal(t, box, syscall.SIGUSR2)
	box.waitFor("plugged in by SIGUSR2")
	b.plugIn()
	b.awaitRecord(time.Now())
	b.awaitRows(20)
	if code := gateways.stop(); code != 0 {
		t.Errorf("the gateway ended with %d", code)
	}
	record.stop()

	rows, truth, gaps := b.cat(), b.truthRows(), b.gaps()
	t.Logf("%d readings told by the instrument, %d recorded; gaps %+v", len(truth), len(rows), gaps)
	if parts := b.followTruth(rows, truth, gaps); len(parts) < 2 || parts["1"] == 0 || parts["2"] == 0 {
		t.Errorf("rows of parts %v, want two parts, or more on a machine that is held up", parts)
	}
	code, out := b.verifyJSON()
	if code != 1 || !strings.Contains(out, "unplugged") {
		t.Errorf("verify: exit %d, want 1 and a gap for the unplugged time\n%s", code, out)
	}
}

// plugIn plugs the instrument into the kernel as soon as it is offered: its server
// learns a moment later that it was taken out, or that its cable is back.
func (b *bench) plugIn() *mockbus.Imported {
	b.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); ; {
		wire, err := net.Dial("tcp", b.link)
		if err != nil {
			b.t.Fatal(err)
		}
		offered, err := usbiptest.List(wire)
		_ = wire.Close()
		if err != nil {
			b.t.Fatal(err)
		}
		if len(offered) == 1 {
			return mockbus.Import(b.t, b.link, "1-1")
		}
		select {
		case <-tick.C:
		case <-deadline:
			b.t.Fatal("the instrument is not offered")
		}
	}
}

// followTruth checks that all rows were counted, in order, and that within a part
// the index or a gap tells of each that is missing. It returns how many rows each
// part has.
func (b *bench) followTruth(rows []row, truth []string, gaps []gap) (parts map[string]int) {
	b.t.Helper()
	told := map[string]int{}
	for i, values := range truth {
		told[values] = i
	}
	at := -1
	parts = map[string]int{}
	for i, r := range rows {
		k, was := told[r.values]
		if !was || k <= at {
			b.t.Fatalf("row %d %+v is reading %d of the instrument, after reading %d", i, r, k, at)
		}
		if i > 0 && r.part == rows[i-1].part {
			moved := number(b.t, r.index) - number(b.t, rows[i-1].index)
			if moved < k-at && !b.unknownGapBetween(gaps, rows[i-1], r) {
				b.t.Errorf("row %d %+v: the index moved by %d, the instrument told %d readings; gaps %+v", i, r, moved, k-at, gaps)
			}
		}
		at = k
		parts[r.part]++
	}
	return parts
}

// plugsVariable says how often TestRealKernelPlugs pulls the plug, 5 times if not
// set.
const plugsVariable = "PHOTONGATE_PLUGS"

// TestRealKernelPlugs pulls the plug of a LabJack that is read, over and over: the
// gateway goes on each time, and has no more files open and goroutines than after
// two plugs, nor much more memory.
func TestRealKernelPlugs(t *testing.T) {
	needsRealKernel(t)
	plugs := 5
	if text := os.Getenv(plugsVariable); text != "" {
		plugs = number(t, text)
	}
	first, last := afterPlugs(t, 2), afterPlugs(t, plugs)
	t.Logf("after 2 plugs %v; after %d plugs %v", first, plugs, last)
	if last.files > first.files || last.started > first.started {
		t.Error("files or goroutines are left behind")
	}
	const noise = 16 << 10 // KiB, of a heap that is collected now and then
	if last.residentKiB > first.residentKiB+noise {
		t.Error("memory is left behind")
	}
}

// held is what a program holds.
type held struct{ files, started, residentKiB int }

func (h held) String() string {
	return fmt.Sprintf("%d open files, %d goroutines, %.1f MiB resident", h.files, h.started, float64(h.residentKiB)/1024)
}

// afterPlugs is what a gateway holds while it reads a LabJack that was plugged in for
// the nth time.
func afterPlugs(t *testing.T, plugs int) (h held) {
	t.Helper()
	b := usbBench(t, "labjack", "usb:0cd5:0003", "gate = \"50ms\"\ncounters = \"both\"", "labjack-u3")
	b.startSim()
	gateways := b.startGateway()
	for n := range plugs {
		plugged := b.plugIn()
		b.awaitRows(5)
		if n+1 < plugs {
			plugged.Unplug()
			continue
		}
		h.files, h.residentKiB = descriptors(t, gateways), resident(t, gateways)
		h.started = goroutines(gateways)
		plugged.Unplug()
	}
	return h
}

// resident is the memory that a process has, in KiB.
func resident(t *testing.T, p *proc) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "VmRSS:")
	return number(t, strings.Fields(after)[0])
}
