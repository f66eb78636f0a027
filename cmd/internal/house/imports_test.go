// Package house_test holds the rules of the house that a machine can check:
// which part may import which, and how the code is kept.
package house_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "photongate"

// room says what the packages of one part of the house may import of the other
// parts. The standard library is free to all. A package belongs to the first
// room that fits; "x/*" is every folder directly below x, "x/..." is x and all
// below it.
type room struct {
	packages string
	may      []string // what its code may import
	tests    []string // what its tests may import besides
	because  string
}

var rooms = []room{
	{"device", nil, []string{"device/devicetest"},
		"what a reading and a driver are is a leaf: drivers and gateway alike stand on it"},
	{"device/serialport", []string{"device"}, []string{"device/devicetest"},
		"a port only carries bytes"},
	{"device/usbport", []string{"device"}, []string{"device/devicetest", "device/usbport/mockbus"},
		"a port only carries bytes"},
	{"device/usbport/mockbus", []string{"device", "device/devicetest"}, nil,
		"a bus for tests has devices played as drivers' tests have them, and knows nothing of who opens them"},
	{"device/ftdi", []string{"device"}, []string{"device/devicetest"},
		"a port only carries bytes; the USB device it is made of comes from outside, so that it is tested without"},
	{"device/hotplug", nil, nil,
		"that something was plugged in is told to whoever waits for it, and of what kind it is does not matter"},
	{"device/devicetest", []string{"device", "device/recording", "device/trial"}, nil,
		"the conformance suite must fit every driver, so it knows none"},
	{"device/trial", []string{"device", "device/recording"}, []string{"device/devicetest"},
		"a trial is the same for every driver, so it knows none"},
	{"device/unknown", []string{"device"}, []string{"device/devicetest"},
		"an unknown instrument is looked at without any driver; those there are come from outside"},
	{"device/page", []string{"device"}, nil,
		"a page is made from what any driver says of itself; which drivers there are comes from outside"},
	{"device/all", []string{"device", "device/*", "device/all/...", "instrument"}, nil,
		"the list of drivers names drivers and the presets, and nothing else"},
	{"device/all/internal/pages", []string{"device", "device/all", "device/page", "instrument"}, nil,
		"the pages of all drivers are made from the list of them"},
	{"device/all/...", []string{"device"}, nil,
		"the list of drivers is made from the folders, not from what they hold"},
	{"instrument", nil, nil,
		"the grammar of instrument files is a leaf: driver and simulator each interpret it"},
	{"device/homebuilt", []string{"device", "instrument"}, []string{"device/devicetest", "device/recording", "device/trial"},
		"it reads whatever an instrument file describes, and knows nothing of how such a file is simulated"},
	{"device/*", []string{"device"}, []string{"device/devicetest", "device/recording"},
		"a driver imports device and the standard library, so that it builds and is tested everywhere; " +
			"its tests do not use its simulator, so that a mistake in one cannot hide in the other"},
	{"protocol", nil, nil,
		"the language both ends speak is a leaf, and knows no device: readings become frames in the gateway's batcher"},
	{"protocol/journal", []string{"protocol"}, []string{"protocol/journal/journaltest"},
		"segment files hold frames, whatever is in them; gateway and receiver use them alike"},
	{"protocol/table", []string{"protocol"}, nil,
		"rows and their text are made of frames, wherever these come from: gateway and receiver write the same"},
	{"protocol/pulse", nil, nil,
		"whether a connection is alive is told alike by both ends"},
	{"protocol/pairing", []string{"protocol"}, nil,
		"the key, the token and the line that is pasted are the same for both ends"},
	{"protocol/journal/journaltest", []string{"protocol/journal"}, nil,
		"a disk that breaks on command is for tests of whatever stands on the journal"},
	{"gateway/...", []string{"gateway/...", "device", "protocol", "protocol/journal", "protocol/pairing", "protocol/pulse", "protocol/table"},
		[]string{"device/devicetest", "protocol/journal/journaltest", "sim/badline"},
		"the gateway is handed drivers and a way to open ports by the command, so that it is tested without hardware; " +
			"it knows no instrument, no receiver and no simulator"},
	{"receiver/...", []string{"receiver/...", "protocol", "protocol/journal", "protocol/pairing", "protocol/pulse", "protocol/table"}, []string{"protocol/journal/journaltest", "sim/badline"},
		"the receiver runs on any workstation: it knows frames, and neither instruments nor the gateway"},
	{"sim/badline", nil, nil,
		"a line that breaks carries bytes, whatever they are, and is for the tests of all who use one"},
	{"sim/homebuilt", []string{"sim/...", "instrument"}, nil,
		"it plays whatever an instrument file describes, and knows nothing of how such a file is read"},
	{"sim/...", []string{"sim/..."}, nil,
		"driver and simulator are written separately from the same reference, so that a mistake in one cannot hide in the other"},
	{"udev", []string{"device", "device/all"}, nil,
		"the rules are made from the drivers' USB ids"},
	{"cmd/internal/asking", []string{"cmd/internal/cli", "protocol", "receiver"}, nil,
		"both programs ask gateways, and say alike what came of it"},
	{"cmd/internal/campaign", []string{"cmd/internal/faults"}, nil,
		"the campaign runs tests from outside and judges what they say"},
	{"cmd/internal/fastgate", []string{"device", "device/de2ccu", "gateway", "protocol/journal"}, nil,
		"a gateway with an instrument faster than any there is, for tests under load"},
	{"cmd/internal/testlog", []string{"cmd/internal/faults"}, nil,
		"what is announced in a run of all tests is held against the list of faults"},
	{"cmd/internal/...", nil, nil,
		"what looks after the house stands outside it"},
	{"cmd/photonrecv", []string{"cmd/internal/asking", "cmd/internal/cli", "receiver/...", "protocol", "protocol/journal", "protocol/pairing", "protocol/table"}, nil,
		"the receiver's command is pure Go and reaches neither serial lines nor USB"},
	{"cmd/photonsim", []string{"cmd/internal/cli", "sim/...", "instrument"}, nil,
		"simulated instruments know nothing of the drivers they try"},
	{"cmd/photongate", []string{"cmd/internal/asking", "cmd/internal/cli", "device/...", "gateway/...", "instrument", "receiver/...", "protocol", "protocol/journal", "protocol/pairing", "protocol/table", "sim/..."}, nil,
		"the gateway's command wires all of it together"},
	{"cmd", nil, []string{"device", "device/*", "instrument", "device/usbport/mockbus", "protocol", "protocol/journal", "protocol/pairing", "protocol/table", "gateway", "receiver", "sim", "sim/*", "sim/usbip/usbiptest", "protocol/journal/journaltest"},
		"end-to-end tests drive the binaries from outside, simulators too; benchmarks join gateway and receiver in one process"},
}

// guest is a module from elsewhere, and who may import it. One that is not
// listed may not be imported at all.
type guest struct {
	module  string
	may     []string // packages whose code and tests may import it
	tests   []string // packages whose tests may import it besides
	because string
}

var guests = []guest{
	{"C", nil, nil, "only gousb needs C, and only inside itself"},
	{"go.bug.st/serial", []string{"device/serialport"}, nil, "its quirks are absorbed once"},
	{"github.com/google/gousb", []string{"device/usbport"}, nil, "it needs cgo: everything else builds without"},
	{"github.com/rs/zerolog", []string{"cmd/...", "gateway/...", "receiver/..."}, nil,
		"device and protocol return errors; who runs them logs"},
	{"github.com/spf13/cobra", []string{"cmd/..."}, nil, "flags are read in commands"},
	{"github.com/spf13/pflag", []string{"cmd/..."}, nil, "flags are read in commands"},
	{"github.com/pelletier/go-toml/v2", []string{"gateway/...", "cmd/...", "instrument"}, nil, "only the gateway has a configuration file, and instruments their own"},
	{"golang.org/x/sync", []string{"cmd/...", "gateway/...", "receiver/...", "sim/..."}, nil,
		"device and protocol stay with the standard library"},
	{"golang.org/x/sys", []string{"cmd/...", "gateway/...", "receiver/...", "sim/...", "device/serialport", "device/hotplug", "protocol/journal", "protocol/pulse"}, nil,
		"drivers and the protocol build everywhere; system calls live where files, ports and clocks are"},
	{"github.com/gdamore/tcell/v2", []string{"receiver/watch"}, nil,
		"the live number draws on terminals of all systems, Windows' among them, and gives them back as they were"},
	{"golang.org/x/term", []string{"cmd/...", "receiver/...", "sim/..."}, nil, "terminals are where people and ptys are"},
	{"github.com/creack/pty", []string{"sim/..."}, []string{"cmd/...", "device/serialport"},
		"ptys are for simulated instruments and for tests"},
	{"github.com/google/go-cmp", []string{"device/devicetest"}, []string{"..."}, "it is for tests"},
	{"pgregory.net/rapid", []string{"device/devicetest"}, []string{"..."}, "it is for tests"},
}

// apart lists what must not reach what, not even through others.
type apart struct {
	packages string
	reach    []string
	because  string
}

var aparts = []apart{
	{"receiver/...", []string{"device/...", "gateway/...", "sim/...", "go.bug.st/serial", "github.com/google/gousb"},
		"the workstation needs no instrument's library"},
	{"cmd/photonrecv", []string{"device/...", "gateway/...", "sim/...", "go.bug.st/serial", "github.com/google/gousb"},
		"the workstation needs no instrument's library"},
	{"sim/...", []string{"device/...", "protocol/...", "gateway/...", "receiver/..."},
		"a simulator that used our own code would repeat its mistakes"},
	{"gateway/...", []string{"device/serialport", "device/usbport", "sim/...", "receiver/..."},
		"the gateway is handed its ports"},
}

// imports of one package, without the standard library: "device/cd48" for our
// own, the full path for others.
type imports struct{ code, tests []string }

// graph holds the imports of each package.
type graph map[string]imports

// check returns a sentence for every arrow that points the wrong way.
func check(g graph) []string {
	var wrong []string
	for _, p := range sorted(g) {
		wrong = append(wrong, checkRoom(p, g[p])...)
		wrong = append(wrong, checkGuests(p, g[p])...)
		wrong = append(wrong, checkReach(p, g)...)
	}
	return wrong
}

func checkRoom(p string, im imports) (wrong []string) {
	at := slices.IndexFunc(rooms, func(r room) bool { return fits(p, r.packages) })
	if at < 0 {
		return []string{fmt.Sprintf("%s is in no room of the house: say in the list of rooms what it may import, and why", p)}
	}
	r := rooms[at]
	allowed := append([]string{p}, r.may...)
	for _, i := range im.code {
		if isOurs(i) && !fitsAny(i, allowed) {
			wrong = append(wrong, fmt.Sprintf("%s imports %s, but %s", p, i, r.because))
		}
	}
	allowed = append(allowed, r.tests...)
	for _, i := range im.tests {
		if isOurs(i) && !fitsAny(i, allowed) {
			wrong = append(wrong, fmt.Sprintf("a test of %s imports %s, but %s", p, i, r.because))
		}
	}
	return wrong
}

func checkGuests(p string, im imports) (wrong []string) {
	for _, i := range im.code {
		if g := guestOf(i); !isOurs(i) && !fitsAny(p, g.may) {
			wrong = append(wrong, fmt.Sprintf("%s imports %s, but %s", p, i, g.because))
		}
	}
	for _, i := range im.tests {
		if g := guestOf(i); !isOurs(i) && !fitsAny(p, g.may) && !fitsAny(p, g.tests) {
			wrong = append(wrong, fmt.Sprintf("a test of %s imports %s, but %s", p, i, g.because))
		}
	}
	return wrong
}

func checkReach(p string, g graph) (wrong []string) {
	for _, a := range aparts {
		if !fits(p, a.packages) {
			continue
		}
		from := map[string]string{p: ""} // each package reached, and from which
		for queue := []string{p}; len(queue) > 0; queue = queue[1:] {
			for _, i := range g[queue[0]].code {
				if _, seen := from[i]; seen {
					continue
				}
				from[i] = queue[0]
				queue = append(queue, i)
				if fitsAny(i, a.reach) {
					wrong = append(wrong, fmt.Sprintf("%s reaches %s (through %s), but %s", p, i, from[i], a.because))
				}
			}
		}
	}
	return wrong
}

// guestOf returns the module a package is of; one that is not listed nobody may
// import.
func guestOf(path string) guest {
	for _, g := range guests {
		if fits(path, g.module+"/...") {
			return g
		}
	}
	return guest{because: "this module is not in the list of guests: say there who may import it, and why it is needed"}
}

// isOurs reports whether an import, which is not of the standard library, is of
// this module.
func isOurs(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return path != "C" && !strings.Contains(first, ".")
}

func fitsAny(p string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return fits(p, pattern) })
}

// fits reports whether package p is one of pattern; see [room].
func fits(p, pattern string) bool {
	if pattern == "..." {
		return true
	}
	if below, ok := strings.CutSuffix(pattern, "/..."); ok {
		return p == below || strings.HasPrefix(p, below+"/")
	}
	if parent, ok := strings.CutSuffix(pattern, "/*"); ok {
		name, ok := strings.CutPrefix(p, parent+"/")
		return ok && !strings.Contains(name, "/")
	}
	return p == pattern
}

// readGraph reads the imports of all Go files of the tree, whatever system or
// build tag they are for.
func readGraph(t *testing.T) graph {
	g := graph{}
	for _, f := range tree(t, ".go") {
		file, err := parser.ParseFile(token.NewFileSet(), f.name, f.content, parser.ImportsOnly)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		im := g[f.dir()]
		for _, spec := range file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatalf("%s: %v", f.name, err)
			}
			path, ours := strings.CutPrefix(path, module+"/")
			if first, _, _ := strings.Cut(path, "/"); !ours && path != "C" && !strings.Contains(first, ".") {
				continue // standard library
			}
			if f.isTest() {
				im.tests = append(im.tests, path)
			} else {
				im.code = append(im.code, path)
			}
		}
		g[f.dir()] = im
	}
	for p, im := range g {
		slices.Sort(im.code)
		slices.Sort(im.tests)
		g[p] = imports{slices.Compact(im.code), slices.Compact(im.tests)}
	}
	return g
}

func TestArrowsPointTheRightWay(t *testing.T) {
	g := readGraph(t)
	if len(g["device"].code) != 0 || len(g) < 5 {
		t.Fatalf("read %d packages: %v; this is not the whole tree", len(g), sorted(g))
	}
	for _, wrong := range check(g) {
		t.Error(wrong)
	}
}

// TestCheck tries the rules on houses that do not exist.
func TestCheck(t *testing.T) {
	code := func(paths ...string) imports { return imports{code: paths} }
	tests := func(paths ...string) imports { return imports{tests: paths} }
	for name, c := range map[string]struct {
		graph graph
		want  []string // beginnings of what is said
	}{
		"all is well": {graph{
			"device": {}, "device/cd48": {[]string{"device"}, []string{"device", "device/cd48", "device/devicetest", "pgregory.net/rapid"}},
			"device/all": code("device", "device/cd48"), "device/serialport": code("device", "go.bug.st/serial", "golang.org/x/sys/unix"),
			"gateway": code("device", "protocol", "protocol/journal", "github.com/rs/zerolog"), "sim/cd48": code("sim"),
		}, nil},
		"driver imports a library":        {graph{"device/cd48": code("go.bug.st/serial")}, []string{"device/cd48 imports go.bug.st/serial, but its quirks"}},
		"driver imports a driver":         {graph{"device/cd48": code("device/cc1")}, []string{"device/cd48 imports device/cc1, but a driver"}},
		"driver's test uses a simulator":  {graph{"device/cd48": tests("sim/cd48")}, []string{"a test of device/cd48 imports sim/cd48, but a driver"}},
		"simulator uses a driver":         {graph{"sim/cd48": code("device")}, []string{"sim/cd48 imports device,", "sim/cd48 reaches device (through sim/cd48)"}},
		"protocol logs":                   {graph{"protocol": code("github.com/rs/zerolog")}, []string{"protocol imports github.com/rs/zerolog, but device and protocol return"}},
		"protocol knows a device":         {graph{"protocol/journal": code("device")}, []string{"protocol/journal imports device,"}},
		"gateway opens a port":            {graph{"gateway": code("device/serialport")}, []string{"gateway imports device/serialport,", "gateway reaches device/serialport"}},
		"receiver reaches serial":         {graph{"receiver": code("protocol"), "protocol": code("go.bug.st/serial")}, []string{"protocol imports go.bug.st/serial,", "receiver reaches go.bug.st/serial (through protocol)"}},
		"a module nobody asked for":       {graph{"gateway": code("example.org/x")}, []string{"gateway imports example.org/x, but this module is not in the list"}},
		"a library of tests in a product": {graph{"protocol": code("github.com/google/go-cmp/cmp")}, []string{"protocol imports github.com/google/go-cmp/cmp, but it is for tests"}},
		"a folder nobody knows":           {graph{"util": {}}, []string{"util is in no room"}},
		"C":                               {graph{"device/usbport": code("C")}, []string{"device/usbport imports C,"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := check(c.graph)
			if len(got) != len(c.want) {
				t.Fatalf("got %q, want %q", got, c.want)
			}
			for i := range got {
				if !strings.HasPrefix(got[i], c.want[i]) {
					t.Errorf("got %q, want %q...", got[i], c.want[i])
				}
			}
		})
	}
}
