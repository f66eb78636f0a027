//go:build linux && (amd64 || arm64)

package cmd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"photongate/device/usbport/mockbus"
)

// usbBox is one way in which an instrument on the USB bus is used.
type usbBox struct {
	box
	port  string
	image bool // it wants an image before it counts; any bytes will do here
	// asked: the gateway asks for each reading. totals: they are running totals.
	asked, totals bool
}

// usbBoxes are the ways in which the instruments of the USB bus are used. The first of
// sim is the simulator's name.
var usbBoxes = map[string]usbBox{
	"labjack u3":           {asked: true, port: "usb:0cd5:0003", box: box{driver: "labjack", options: "gate = \"50ms\"\ncounters = \"both\"", sim: []string{"labjack-u3", "--hv"}, gateS: 0.05, flags: "late"}},
	"labjack u6":           {asked: true, port: "usb:0cd5:0006:320012345", box: box{driver: "labjack", options: "gate = \"50ms\"\ncounters = \"both\"", sim: []string{"labjack-u6"}, gateS: 0.05, flags: "late"}},
	"labjack u6, totals":   {asked: true, totals: true, port: "usb:0cd5:0006", box: box{driver: "labjack", options: "gate = \"50ms\"\ncounters = \"both\"\nread = \"total\"", sim: []string{"labjack-u6"}, gateS: 0.05, flags: "late first"}},
	"ni6501":               {asked: true, totals: true, port: "usb:3923:718a", box: box{driver: "ni6501", options: "gate = \"50ms\"\ncounter = \"start\"", sim: []string{"ni-usb6501"}, gateS: 0.05, flags: "late first"}},
	"ni6501, left running": {asked: true, totals: true, port: "usb:3923:718a:01A2B3C4", box: box{driver: "ni6501", options: "gate = \"50ms\"", sim: []string{"ni-usb6501", "--running"}, gateS: 0.05, flags: "late first"}},
	"h11890":               {port: "usb:0661:3705", box: box{driver: "h11890", options: "gate = \"50ms\"\nhigh_voltage = 900", sim: []string{"h11890"}, gateS: 0.05}},
	"h11890, left running": {port: "usb:0661:3705", box: box{driver: "h11890", options: "gate = \"50ms\"\nhigh_voltage = 1000\ncorrection = true\noverload = \"bit15\"",
		sim: []string{"h11890", "--running", "--high-voltage", "--set-silent"}, gateS: 0.05}},
	"mcc-ctr04, scan": {port: "usb:09db:012e", image: true, box: box{driver: "mccctr", options: "gate = \"20ms\"\nread = \"scan\"", sim: []string{"mcc-ctr04"}, gateS: 0.02, flags: "first"}},
	"mcc-ctr08, scan at full speed": {port: "usb:09db:0127:01A2B3C4", box: box{driver: "mccctr", options: "gate = \"50ms\"\nread = \"scan\"",
		sim: []string{"mcc-ctr08", "--configured", "--full-speed"}, gateS: 0.05, flags: "first"}},
	"mcc-ctr08, totals": {asked: true, totals: true, port: "usb:09db:0127", image: true, box: box{driver: "mccctr", options: "gate = \"50ms\"\nread = \"total\"\ncounters = \"0\"",
		sim: []string{"mcc-ctr08", "--image-bytes", fmt.Sprint(imageBytes)}, columns: 1, gateS: 0.05, flags: "late first"}},
	"mcc-ctr04, cleared": {asked: true, port: "usb:09db:012e", box: box{driver: "mccctr", options: "gate = \"50ms\"\nread = \"clear\"", sim: []string{"mcc-ctr04", "--configured"},
		told: fourInTurn, gateS: 0.05, flags: "late"}},
}

// imageBytes is how long an image is.
const imageBytes = 1000

// fourInTurn are counters that are asked for one after the other: four answers in
// succession make a row.
func fourInTurn(rows []told) (truth []told) {
	for i := 0; i+3 < len(rows); i++ {
		truth = append(truth, told{gate: i / 4, values: []string{rows[i].values[0], rows[i+1].values[1], rows[i+2].values[2], rows[i+3].values[3]}})
	}
	return truth
}

// bench makes a bench of it.
func (x usbBox) bench(t *testing.T, flags ...string) *pluggedBench {
	t.Helper()
	options := x.options
	if mockbus.RealKernel() { // it is slow
		options = strings.NewReplacer("50ms", "200ms", "20ms", "100ms").Replace(options)
	}
	if x.image {
		image := filepath.Join(t.TempDir(), "usb-ctr.rbf")
		if err := os.WriteFile(image, make([]byte, imageBytes), 0o600); err != nil {
			t.Fatal(err)
		}
		options += fmt.Sprintf("\nimage = %q", image)
	}
	return newPluggedBench(t, x.driver, x.port, options, append(slices.Clip(x.sim), flags...)...)
}

// TestUSBInstruments is the main job for each instrument of the USB bus: what it
// counted, as its simulator wrote it down, is what the record holds, row for row.
// The gateway and libusb are the real ones.
func TestUSBInstruments(t *testing.T) {
	t.Parallel()
	for name, x := range usbBoxes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := x.bench(t)
			b.startSim()
			gateway := b.startGateway()
			gateway.waitFor("bench", "running")
			record := b.startRecord("--csv")
			record.waitFor("recording")
			b.awaitRecord(time.Now().Add(3 * time.Second))
			recorded := record.stop()
			if code := gateway.stop(); code != 0 {
				t.Errorf("gateway: exit %d", code)
			}
			rows, gaps := b.cat(), b.gaps()
			seen := b.follow(x, rows, gaps)
			if seen.never > 0 || seen.flagged > 0 {
				t.Errorf("%+v", seen)
			}
			if x.heldUp(gaps) {
				t.Logf("the machine was held up: %+v", gaps)
				if seen.missing > 0 && !x.asked && !mockbus.RealKernel() {
					t.Errorf("%d readings are missing in an undisturbed run", seen.missing)
				}
			} else {
				checkUndisturbed(t, x, rows, seen)
				if recorded != 0 || len(gaps) > 0 {
					t.Errorf("record: exit %d; gaps in an undisturbed run: %+v", recorded, gaps)
				}
			}
			t.Logf("tally: %d of %d readings that the instrument told are in the record, row for row", seen.rows, len(b.truthRows()))
		})
	}
}

// heldUp reports whether there are gaps that a busy machine makes: answers that came too
// late to be waited for, and gates whose packets came so late that they are taken for
// others. In a virtual machine, whose one processor is made of translated code, it may
// be held up for longer.
func (x usbBox) heldUp(gaps []gap) bool {
	for _, g := range gaps {
		if !mockbus.RealKernel() && (g.cause != "bytes lost" || !x.asked && g.earlier+g.later == 0) {
			return false
		}
	}
	return len(gaps) > 0
}

// checkUndisturbed demands that nothing is missing, and that no row has a flag that it
// has not always, or where the gateway's computer is busy.
func checkUndisturbed(t *testing.T, x usbBox, rows []row, seen comparison) {
	t.Helper()
	if seen.missing > 0 && !x.totals { // with an answer of totals nothing is lost
		t.Errorf("%d readings are missing in an undisturbed run", seen.missing)
	}
	for i, r := range rows {
		for flag := range strings.SplitSeq(r.flags, "|") {
			if !strings.Contains(x.flags, flag) {
				t.Errorf("row %d is flagged %q in an undisturbed run", i, r.flags)
			}
		}
		if number(t, r.index) != number(t, rows[0].index)+i || r.part != rows[0].part {
			t.Fatalf("row %d has index %s of part %s, the first has %s of %s", i, r.index, r.part, rows[0].index, rows[0].part)
		}
	}
}
