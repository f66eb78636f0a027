//go:build linux && (amd64 || arm64)

package cmd_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"photongate/gateway"
)

// fifoRecords are those that photonsim ftdi --stream tells of in its help.
const fifoRecords = `name = "fifo"
[link]
fifo = true
[gate]
by = "arrival"
[record]
sync = "\xA5\x5A\xF0\x0F"
[[record.field]]
name   = "count"
at     = 4
width  = 4
repeat = 3
[[channel]]
name = "C0"
from = 1
[[channel]]
name = "C1"
from = 2
[[channel]]
name = "C2"
from = 3
[[example]]
bytes    = '\xA5\x5A\xF0\x0F\x01\x00\x00\x00\x03\x00\x00\x00\x05\x00\x00\x00\xA5\x5A\xF0\x0F\x02\x00\x00\x00\x06\x00\x00\x00\x0A\x00\x00\x00'
readings = [[1, 3, 5], [2, 6, 10]]
`

// fifoRecordBytes is the length of one of them.
const fifoRecordBytes = 16

// fifoBench is a bench with a chip whose FIFO streams.
func fifoBench(t *testing.T, simArgs ...string) *bench {
	t.Helper()
	return usbBench(t, counterFile(t, fifoRecords), "ftdi:0403:6014", "", append([]string{"ftdi", "--chip", "ft232h", "--stream"}, simArgs...)...)
}

// TestRealKernelFIFO records a FIFO that streams, whose chip the kernel's own driver
// has at first. The plug is pulled in mid-stream, and put back: the instrument's
// records begin anew then.
func TestRealKernelFIFO(t *testing.T) {
	needsRealKernel(t)
	b := fifoBench(t, "--speed", "32k")
	chip := b.startSim()
	plugged := b.plugIn()
	gateways := b.startGateway()
	record := b.startRecord("--csv")
	record.waitFor("recording")
	b.awaitRows(5000)
	signal(t, chip, syscall.SIGUSR1)
	plugged.Unplug()
	gateways.waitFor("gone", "device=bench")
	signal(t, chip, syscall.SIGUSR2)
	chip.waitFor("plugged in by SIGUSR2")
	b.plugIn()
	b.awaitRecord(time.Now())
	b.awaitRows(5000)
	if code := gateways.stop(); code != 0 {
		t.Errorf("the gateway ended with %d", code)
	}
	record.stop()

	rows, truth, gaps := b.cat(), b.truthRows(), b.gaps()
	t.Logf("%d records told by the instrument, %d recorded; gaps %+v", len(truth), len(rows), gaps)
	parts := map[string]int{}
	for i, r := range rows {
		var n [3]uint64
		if _, err := fmt.Sscanf(r.values, "%d,%d,%d", &n[0], &n[1], &n[2]); err != nil {
			t.Fatalf("row %d %+v: %v", i, r, err)
		}
		if n[1] != 3*n[0] || n[2] != 5*n[0] || n[0] >= uint64(len(truth)) {
			t.Fatalf("row %d %+v was never counted", i, r)
		}
		if parts[r.part]++; parts[r.part] > 1 {
			var before uint64
			if _, err := fmt.Sscanf(rows[i-1].values, "%d", &before); err != nil {
				t.Fatal(err)
			}
			if n[0] != before+1 && !b.unknownGapBetween(gaps, rows[i-1], r) {
				t.Fatalf("row %d %+v comes after record %d", i, r, before)
			}
		}
	}
	if len(parts) != 2 || parts["1"] < 1000 || parts["2"] < 1000 {
		t.Errorf("rows of parts %v, want two parts of 1000 and more", parts)
	}
	code, out := b.verifyJSON()
	if code != 1 || !strings.Contains(out, "unplugged") {
		t.Errorf("verify: exit %d, want 1 and a gap for the unplugged time\n%s", code, out)
	}
}

// fifoTags is an instrument file for a tagger behind a FIFO.
const fifoTags = `name = "fifo-tags"
[link]
fifo = true
[[record.field]]
name  = "time"
width = 6
[[record.field]]
name  = "channel"
at    = 6
width = 1
[[record.field]]
name  = "lost"
at    = 7
width = 1
mask  = 1
[[record.field]]
at    = 7
width = 1
mask  = 0xFE
is    = 0
[tags]
tick    = "5/32ns"
time    = "time"
channel = "channel"
[[tags.special]]
value = "lost"
means = "lost"
[[channel]]
name   = "A"
number = 0
[[channel]]
name   = "B"
number = 1
[[example]]
bytes = "hex: 00 01 00 00 00 00 00 00  10 01 00 00 00 00 01 00"
tags  = [["A", 256], ["B", 272]]
`

// TestRealKernelFIFOTags records time tags that come through the FIFO, described by
// a file: each is the one that the simulated tagger detected.
func TestRealKernelFIFOTags(t *testing.T) {
	needsRealKernel(t)
	file := counterFile(t, fifoTags)
	b := usbBench(t, file, "ftdi:0403:6014", "", file, "--chip", "ft232h", "--rate", "1k")
	sim := b.startSim()
	b.plugIn()
	gateways := b.startGateway()
	record := b.startRecord()
	record.waitFor("recording")
	gateways.waitFor("running", "device=bench") // which takes a while here
	var had int64
	if info, err := os.Stat(b.truth); err == nil {
		had = info.Size() / truthRecord
	}
	b.awaitTruth(had + 10_000)
	sim.stop()
	b.awaitState(gateway.Gone)
	b.awaitCaughtUp("bench")
	gateways.stop()
	record.stop()
	got, err := compareTags(b.tagsFolder(), "bench", b.truth, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(got)
	if got.Matched < 5000 || got.Parts != 1 {
		t.Errorf("%v: want 5000 tags at least, in one part", got)
	}
}
