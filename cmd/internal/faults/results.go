package faults

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Event is one line of go test -json (go doc test2json) as far as it matters
// here.
type Event struct {
	Action  string
	Package string
	Test    string
	Elapsed float64 // seconds
	Key     string  // of an attribute
	Value   string
	Output  string
}

// ParseEvent reads a line of go test -json; ok is false for lines that are
// none, such as what a build prints.
func ParseEvent(line []byte) (e Event, ok bool) {
	err := json.Unmarshal(line, &e)
	return e, err == nil && e.Action != ""
}

// Row is what one test showed of one fault.
type Row struct {
	Fault    string  `json:"fault"`
	Test     string  `json:"test"` // package without the module, a dot, the test: cmd.TestX/sub
	Injected string  `json:"injected"`
	Promised string  `json:"promised"`
	Seen     string  `json:"seen"`
	Result   string  `json:"result"` // pass, or what went wrong
	Seconds  float64 `json:"seconds"`
}

// Results collects what tests announced. The zero value holds nothing; it is
// used by one goroutine.
type Results struct {
	tests map[string]*announced
}

// announced is one test that bears at least one attribute.
type announced struct {
	faults                   []string
	injected, promised, seen []string
	result                   string // pass, fail, skip; empty while it runs
	seconds                  float64
}

// Take follows one event.
func (r *Results) Take(e Event) {
	if e.Test == "" {
		return
	}
	name := shortName(e.Package, e.Test)
	switch e.Action {
	case "attr":
		r.attr(name, e.Key, e.Value)
	case "pass", "fail", "skip":
		if a := r.tests[name]; a != nil {
			a.result, a.seconds = e.Action, e.Elapsed
		}
	}
}

func (r *Results) attr(name, key, value string) {
	switch key {
	case "fault", "injected", "promised", "seen":
	default:
		return
	}
	if r.tests == nil {
		r.tests = map[string]*announced{}
	}
	a := r.tests[name]
	if a == nil {
		a = &announced{}
		r.tests[name] = a
	}
	switch key {
	case "fault":
		if !slices.Contains(a.faults, value) {
			a.faults = append(a.faults, value)
		}
	case "injected":
		a.injected = append(a.injected, value)
	case "promised":
		a.promised = append(a.promised, value)
	case "seen":
		a.seen = append(a.seen, value)
	}
}

// Rows returns one row for each test and fault it announced, by fault and test.
func (r *Results) Rows() []Row {
	var rows []Row
	for name, a := range r.tests {
		for _, f := range a.faults {
			rows = append(rows, Row{
				Fault: f, Test: name,
				Injected: strings.Join(a.injected, "; "), Promised: strings.Join(a.promised, "; "), Seen: strings.Join(a.seen, "; "),
				Result: a.verdict(f), Seconds: a.seconds,
			})
		}
	}
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Fault, b.Fault), cmp.Compare(a.Test, b.Test))
	})
	return rows
}

// verdict says whether a test that announced a fault really showed it. One that
// passed without saying what it injected or saw could have passed for any reason.
func (a *announced) verdict(fault string) string {
	switch {
	case a.result == "":
		return "did not end"
	case a.result != "pass":
		return a.result
	case !Known(fault):
		return "no such fault"
	case len(a.injected) == 0:
		return "does not say what it injected"
	case len(a.promised) == 0:
		return "does not say what is promised"
	case len(a.seen) == 0:
		return "does not say what it saw"
	}
	return "pass"
}

// Passed is the result of a row that keeps its promise.
const Passed = "pass"

// Wrong returns a sentence for each thing that keeps the run from showing all of
// the wanted faults: a test that failed or was skipped, and a fault that no test
// announced.
func (r *Results) Wrong(wanted []Fault) []string {
	var wrong []string
	rows := r.Rows()
	for _, row := range rows {
		if row.Result != Passed {
			wrong = append(wrong, fmt.Sprintf("%s: %s: %s", row.Fault, row.Test, row.Result))
		}
	}
	for _, f := range wanted {
		if !slices.ContainsFunc(rows, func(row Row) bool { return row.Fault == f.ID }) {
			wrong = append(wrong, fmt.Sprintf("%s (%s): no test announced it", f.ID, f.Name))
		}
	}
	return wrong
}

// Summary says in a line how many of the wanted faults were announced, and by
// how many tests.
func (r *Results) Summary(wanted []Fault) string {
	seen := map[string]bool{}
	tests := map[string]bool{}
	for _, row := range r.Rows() {
		seen[row.Fault] = true
		tests[row.Test] = true
	}
	n := 0
	for _, f := range wanted {
		if seen[f.ID] {
			n++
		}
	}
	return fmt.Sprintf("%d of %d faults announced, by %d tests", n, len(wanted), len(tests))
}

// shortName names a test from the top of the tree: cmd.TestX/sub.
func shortName(pkg, test string) string {
	_, below, found := strings.Cut(pkg, "/")
	if !found {
		below = pkg
	}
	return below + "." + test
}
