package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Lines as go test -json prints them, one event each.
const (
	passing = `{"Action":"start","Package":"m/a"}
{"Action":"run","Package":"m/a","Test":"TestX"}
{"Action":"output","Package":"m/a","Test":"TestX","Output":"=== RUN   TestX\n"}
{"Action":"output","Package":"m/a","Test":"TestX","Output":"    a_test.go:9: chatter\n"}
{"Action":"output","Package":"m/a","Test":"TestX","Output":"--- PASS: TestX (0.00s)\n"}
{"Action":"pass","Package":"m/a","Test":"TestX","Elapsed":0}
{"Action":"output","Package":"m/a","Output":"PASS\n"}
{"Action":"output","Package":"m/a","Output":"ok  \tm/a\t0.011s\n"}
{"Action":"pass","Package":"m/a","Elapsed":0.011}
`
	skipping = `{"Action":"run","Package":"m/b","Test":"TestUSB"}
{"Action":"output","Package":"m/b","Test":"TestUSB","Output":"=== RUN   TestUSB\n"}
{"Action":"output","Package":"m/b","Test":"TestUSB","Output":"    b_test.go:5: no USB bus here\n"}
{"Action":"output","Package":"m/b","Test":"TestUSB","Output":"--- SKIP: TestUSB (0.00s)\n"}
{"Action":"skip","Package":"m/b","Test":"TestUSB","Elapsed":0}
{"Action":"output","Package":"m/b","Output":"PASS\n"}
{"Action":"output","Package":"m/b","Output":"ok  \tm/b\t0.002s\n"}
{"Action":"pass","Package":"m/b","Elapsed":0.002}
`
	failing = `{"Action":"output","Package":"m/c","Test":"TestGood","Output":"=== RUN   TestGood\n"}
{"Action":"output","Package":"m/c","Test":"TestGood","Output":"    c_test.go:3: chatter\n"}
{"Action":"pass","Package":"m/c","Test":"TestGood","Elapsed":0}
{"Action":"output","Package":"m/c","Test":"TestBad","Output":"=== RUN   TestBad\n"}
{"Action":"output","Package":"m/c","Test":"TestBad","Output":"    c_test.go:7: got 1, want 2\n"}
{"Action":"output","Package":"m/c","Test":"TestBad","Output":"--- FAIL: TestBad (0.00s)\n"}
{"Action":"fail","Package":"m/c","Test":"TestBad","Elapsed":0}
{"Action":"output","Package":"m/c","Output":"FAIL\n"}
{"Action":"output","Package":"m/c","Output":"FAIL\tm/c\t0.003s\n"}
{"Action":"fail","Package":"m/c","Elapsed":0.003}
`
	counting = `{"Action":"output","Package":"m/f","Test":"TestFaults","Output":"    f_test.go:9: tally: 3 unseen\n"}
{"Action":"pass","Package":"m/f","Test":"TestFaults","Elapsed":0}
{"Action":"output","Package":"m/f","Output":"ok  \tm/f\t0.011s\n"}
{"Action":"pass","Package":"m/f","Elapsed":0.011}
`
	untested = `{"Action":"output","Package":"m/d","Output":"?   \tm/d\t[no test files]\n"}
{"Action":"skip","Package":"m/d","Elapsed":0}
`
	broken = `{"ImportPath":"m/e","Action":"build-output","Output":"e.go:1:1: syntax error\n"}
{"ImportPath":"m/e","Action":"build-fail"}
{"Action":"output","Package":"m/e","Output":"FAIL\tm/e [build failed]\n"}
{"Action":"fail","Package":"m/e","Elapsed":0,"FailedBuild":"m/e"}
`
)

func TestRead(t *testing.T) {
	usb := []exception{{"m/b.TestUSB", "not every machine has a bus"}}
	for name, c := range map[string]struct {
		events string
		allow  []exception
		print  string
		err    string // part of it; empty for none
	}{
		"one line for a package that passed": {passing, nil, "ok  \tm/a\t0.011s\n", ""},
		"what a test counted is shown":       {counting, nil, "tally\tm/f.TestFaults: 3 unseen\nok  \tm/f\t0.011s\n", ""},
		"a skip is shown and refused": {passing + skipping, nil,
			"ok  \tm/a\t0.011s\nskip\tm/b.TestUSB: b_test.go:5: no USB bus here\nok  \tm/b\t0.002s\n", "m/b.TestUSB"},
		"an allowed skip is shown": {passing + skipping, usb,
			"ok  \tm/a\t0.011s\nskip\tm/b.TestUSB: b_test.go:5: no USB bus here\nok  \tm/b\t0.002s\n", ""},
		"another test's permission does not count": {skipping, []exception{{"m/b.TestUS", ""}},
			"skip\tm/b.TestUSB: b_test.go:5: no USB bus here\nok  \tm/b\t0.002s\n", "m/b.TestUSB"},
		"only what failed is told": {failing, nil,
			"    c_test.go:7: got 1, want 2\n--- FAIL: TestBad (0.00s)\nFAIL\nFAIL\tm/c\t0.003s\n", ""},
		"a package without tests is no skipped test": {passing + untested, nil,
			"ok  \tm/a\t0.011s\n?   \tm/d\t[no test files]\n", ""},
		"a broken build is told":  {broken, nil, "e.go:1:1: syntax error\nFAIL\tm/e [build failed]\n", "no test ran"},
		"nothing ran":             {untested, nil, "?   \tm/d\t[no test files]\n", "no test ran"},
		"what is no event passes": {"go: downloading x\n" + passing, nil, "go: downloading x\nok  \tm/a\t0.011s\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			v, err := read(strings.NewReader(c.events), &out, c.allow)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(out.String(), c.print); diff != "" {
				t.Errorf("printed (-got +want):\n%s", diff)
			}
			switch err := v.err(); {
			case c.err == "" && err != nil:
				t.Errorf("verdict: %v, want none", err)
			case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
				t.Errorf("verdict: %v, want %q", err, c.err)
			}
		})
	}
}
