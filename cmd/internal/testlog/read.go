package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"photongate/cmd/internal/faults"
)

// exception names a test that may be skipped, and why that is all right.
type exception struct {
	test   string // "photongate/device/x.TestY"; its subtests are included
	reason string
}

// maySkip lists the tests that need something not every machine has.
var maySkip = []exception{
	{"photongate/device/usbport/mockbus.TestImport", "only the kernel of the virtual machine takes devices: make vm runs it"},
	{"photongate/sim/usbip.TestKernelTakesIt", "only the kernel of the virtual machine takes devices: make vm runs it"},
	{"photongate/device/hotplug.TestKernelIsHeard", "containers may not have the kernel send its messages again, or have a network of their own, where none come"},
	{"photongate/device/hotplug.TestForgedMessage", "only root may send such a message in somebody else's name"},
	{"photongate/cmd.TestRealKernelLabJack", "only the kernel of the virtual machine takes devices: make vm runs it"},
	{"photongate/cmd.TestRealKernelFIFO", "as TestRealKernelLabJack"},
	{"photongate/cmd.TestRealKernelFIFOSpeed", "as TestRealKernelLabJack"},
	{"photongate/cmd.TestRealKernelPlugs", "as TestRealKernelLabJack"},
	{"photongate/cmd.TestRealKernelReplug", "as TestRealKernelLabJack"},
	{"photongate/cmd.TestRealKernelUdev", "as TestRealKernelLabJack"},
	{"photongate/cmd.TestRealKernelFIFOTags", "as TestRealKernelLabJack"},
	{"photongate/cmd.TestPortTrouble/permission_denied", "only root may start a gateway as somebody with fewer rights"},
}

// verdict is what a run of go test came to.
type verdict struct {
	ran     int      // tests that passed or failed
	refused []string // tests that were skipped and must not be
	faults  faults.Results
}

func (v verdict) err() error {
	if len(v.refused) > 0 {
		return fmt.Errorf("skipped, but not in the list of tests that may be (maySkip in cmd/internal/testlog): %s",
			strings.Join(v.refused, ", "))
	}
	if v.ran == 0 {
		return fmt.Errorf("no test ran")
	}
	return nil
}

// tally marks what a test counted and people should see although it passed.
const tally = "tally:"

// line is one piece of output and the test it belongs to, empty for the package.
type line struct {
	test, text string
}

// read follows the events of go test -json and prints them as go test without
// -v would, package by package, each as soon as it has ended. Lines that are no
// events are printed as they are.
func read(events io.Reader, w io.Writer, mayBeSkipped []exception) (verdict, error) {
	var v verdict
	held := map[string][]line{} // by package: what was printed by tests that have not passed, and by the package itself
	in := bufio.NewReader(events)
	for {
		text, err := in.ReadString('\n')
		if len(text) > 0 {
			v.take(text, held, w, mayBeSkipped)
		}
		if err == io.EOF {
			return v, nil
		}
		if err != nil {
			return v, err
		}
	}
}

func (v *verdict) take(text string, held map[string][]line, w io.Writer, mayBeSkipped []exception) {
	e, ok := faults.ParseEvent([]byte(text))
	if !ok {
		fmt.Fprint(w, text)
		return
	}
	v.faults.Take(e)
	switch e.Action {
	case "output":
		held[e.Package] = append(held[e.Package], line{e.Test, e.Output})
		if _, text, ok := strings.Cut(e.Output, tally); ok {
			fmt.Fprintf(w, "tally\t%s.%s:%s", e.Package, e.Test, text)
		}
	case "build-output":
		fmt.Fprint(w, e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			printPackage(w, held[e.Package], e.Action == "fail")
			delete(held, e.Package)
			return
		}
		if e.Action == "skip" {
			v.skipped(e, reason(held[e.Package], e.Test), w, mayBeSkipped)
		} else {
			v.ran++
		}
		if e.Action != "fail" {
			held[e.Package] = without(held[e.Package], e.Test)
		}
	}
}

func (v *verdict) skipped(e faults.Event, why string, w io.Writer, mayBeSkipped []exception) {
	name := e.Package + "." + e.Test
	fmt.Fprintf(w, "skip\t%s: %s\n", name, why)
	for _, x := range mayBeSkipped {
		if name == x.test || strings.HasPrefix(name, x.test+"/") {
			return
		}
	}
	v.refused = append(v.refused, name)
}

// printPackage prints what is left of a package that has ended: of one that
// passed its last line ("ok ..."), of one that failed all that was kept.
func printPackage(w io.Writer, lines []line, failed bool) {
	for _, l := range lines {
		if l.test == "" && !failed && !isSummary(l.text) {
			continue
		}
		if !isProgress(l.text) {
			fmt.Fprint(w, l.text)
		}
	}
}

// isSummary reports whether a line is the one go test closes a package with.
func isSummary(text string) bool {
	return strings.HasPrefix(text, "ok ") || strings.HasPrefix(text, "? ") || strings.HasPrefix(text, "\t")
}

// isProgress reports whether a line only says that a test begins or goes on.
func isProgress(text string) bool {
	return strings.HasPrefix(text, "=== ")
}

// reason returns what a test said when it was skipped, on one line.
func reason(lines []line, test string) string {
	var said []string
	for _, l := range lines {
		text := strings.TrimSpace(l.text)
		if l.test == test && !isProgress(text) && !strings.HasPrefix(text, "--- SKIP") {
			said = append(said, text)
		}
	}
	if len(said) == 0 {
		return "no reason given"
	}
	return strings.Join(said, " ")
}

// without returns lines without those of a test.
func without(lines []line, test string) []line {
	kept := lines[:0]
	for _, l := range lines {
		if l.test != test {
			kept = append(kept, l)
		}
	}
	return kept
}
