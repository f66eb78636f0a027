package main

import (
	"fmt"
	"strings"
	"testing"

	"photongate/cmd/internal/faults"
)

// announcing returns the events of a run in which m/a.TestX announced all
// faults but those left out.
func announcing(leftOut ...string) string {
	var out strings.Builder
	attr := func(key, value string) {
		fmt.Fprintf(&out, `{"Action":"attr","Package":"m/a","Test":"TestX","Key":%q,"Value":%q}`+"\n", key, value)
	}
	for _, f := range faults.List() {
		if !strings.Contains(strings.Join(leftOut, " "), f.ID) {
			attr("fault", f.ID)
		}
	}
	attr("injected", "i")
	attr("promised", "p")
	attr("seen", "s")
	out.WriteString(`{"Action":"pass","Package":"m/a","Test":"TestX","Elapsed":0}` + "\n")
	return out.String()
}

// pageNaming is a page that names one test for all faults.
func pageNaming(test string) string {
	tests := map[string][]string{}
	for _, f := range faults.List() {
		tests[f.ID] = []string{test}
	}
	return faults.Table(tests)
}

func TestCheckFaults(t *testing.T) {
	for name, c := range map[string]struct {
		events, page string
		ok           bool
		says         string
	}{
		"all announced":       {announcing(), pageNaming("a.TestX"), true, "45 of 45 faults announced, by 1 tests"},
		"one is missing":      {announcing("F13"), pageNaming("a.TestX"), false, "FAIL: F13 (one flipped bit anywhere in the journal): no test announced it"},
		"the page is old":     {announcing(), pageNaming("a.TestOther"), false, "FAIL: a.TestX announced F13 and is not in the table of gateway/OPERATING.md"},
		"nobody says a thing": {passing, pageNaming("a.TestX"), false, "0 of 45 faults announced"},
	} {
		t.Run(name, func(t *testing.T) {
			var shown, said strings.Builder
			v, err := read(strings.NewReader(c.events), &shown, nil)
			if err != nil {
				t.Fatal(err)
			}
			if ok := checkFaults(&v.faults, c.page, &said); ok != c.ok || !strings.Contains(said.String(), c.says) {
				t.Errorf("ok %v, want %v; said, without %q:\n%s", ok, c.ok, c.says, said.String())
			}
		})
	}
}

func TestIsWhole(t *testing.T) {
	for args, want := range map[string]bool{
		"-race -tags  ./...": true,
		"./device/...":       false,
		"-run TestX ./...":   false,
	} {
		if got := isWhole(strings.Fields(args)); got != want {
			t.Errorf("%s: %v", args, got)
		}
	}
}
