package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"photongate/cmd/internal/faults"
)

// write makes a tree of files for find.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	top := t.TempDir()
	for name, text := range files {
		at := filepath.Join(top, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return top
}

func TestFind(t *testing.T) {
	top := write(t, map[string]string{
		"a/a_test.go": `package a
func TestPlain(t *testing.T)  { t.Log("F13") }
func TestItself(t *testing.T) { t.Attr("fault", "F13"); TestOther(t) }
func TestOther(t *testing.T)  { announce(t, "F20") }
func TestTable(t *testing.T)  { for _, c := range cases { t.Attr("fault", c) } }
func TestOpen(t *testing.T)   { t.Attr("fault", os.Args[1]) }
func TestMain(m *testing.M)   { announce(nil, "F20") }
var cases = []string{"F20", "F21"}
`,
		"a/more_test.go":          "package a_test\nfunc announce(t *testing.T, f string) { t.Attr(\"fault\", f) }\n",
		"a/b/b_test.go":           "package b\nfunc TestNone(t *testing.T) { t.Attr(\"colour\", \"F13\") }\n",
		"a/b/testdata/x_test.go":  "no Go at all",
		".git/hooks/some_test.go": "no Go at all",
		"d/d_test.go":             "package d\nimport \"m/x/xtest\"\nfunc TestD(t *testing.T) { xtest.Hold(t) }\nfunc TestE(t *testing.T) { t.Hold() }\n",
		"x/xtest/hold.go":         "package xtest\nfunc Hold(t *testing.T) { s{}.hold(t) }\ntype s struct{}\nfunc (s) hold(t *testing.T) { t.Attr(\"fault\", \"F21\") }\n",
		"x/xtest/hold_test.go":    "package xtest\nfunc TestX(t *testing.T) { Hold(t) }\n",
		"c/c_test.go":             "package c\nfunc TestC(t *testing.T) { s{}.run(t) }\ntype s struct{}\nfunc (s) run(t *testing.T) { t.Attr(\"fault\", \"F21\") }\n",
	})
	for name, c := range map[string]struct {
		wanted []faults.Fault
		want   []pkg
	}{
		"all": {faults.List(), []pkg{{"a", []string{"TestItself", "TestOpen", "TestOther", "TestTable"}}, {"c", []string{"TestC"}}, {"d", []string{"TestD"}}, {"x/xtest", []string{"TestX"}}}},
		"F13": {[]faults.Fault{{ID: "F13"}}, []pkg{{"a", []string{"TestItself", "TestOpen"}}}},
		"F21": {[]faults.Fault{{ID: "F21"}}, []pkg{{"a", []string{"TestOpen", "TestTable"}}, {"c", []string{"TestC"}}, {"d", []string{"TestD"}}, {"x/xtest", []string{"TestX"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := find(top, c.wanted)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, c.want, cmp.AllowUnexported(pkg{})); diff != "" {
				t.Errorf("(-got +want):\n%s", diff)
			}
		})
	}
}

func TestFollow(t *testing.T) {
	var results faults.Results
	var shown strings.Builder
	err := follow(strings.NewReader(`go: downloading x
{"Action":"output","Package":"m/a","Test":"TestLong","Output":"=== RUN   TestLong\n"}
{"Action":"attr","Package":"m/a","Test":"TestLong","Key":"fault","Value":"F01"}
{"Action":"output","Package":"m/a","Test":"TestLong","Output":"    a_test.go:9: progress: round 3 of 200\n"}
{"Action":"output","Package":"m/a","Test":"TestLong","Output":"    a_test.go:9: chatter\n"}
{"Action":"pass","Package":"m/a","Test":"TestLong","Elapsed":2}
{"Action":"pass","Package":"m/a","Test":"TestTable/sub","Elapsed":2}
{"Action":"output","Package":"m/a","Test":"TestBad","Output":"    a_test.go:7: got 1, want 2\n"}
{"Action":"fail","Package":"m/a","Test":"TestBad","Elapsed":0.5}
{"Action":"fail","Package":"m/a","Elapsed":3}
`), &results, &shown)
	if err != nil {
		t.Fatal(err)
	}
	want := `go: downloading x
    TestLong: round 3 of 200
    ok   TestLong (2.0 s)
    a_test.go:7: got 1, want 2
    fail TestBad (0.5 s)
`
	if diff := cmp.Diff(shown.String(), want); diff != "" {
		t.Errorf("(-got +want):\n%s", diff)
	}
	if rows := results.Rows(); len(rows) != 1 || rows[0].Test != "a.TestLong" {
		t.Errorf("rows: %+v", rows)
	}
}

func TestCommandLine(t *testing.T) {
	for args, want := range map[string]string{
		"--faults F13,f20":         "",
		"--faults F46":             `there is no fault "F46": they are F01 to F45`,
		"F13":                      "--faults F13,F20",
		"--limit 0s":               "no time",
		"--faults F13 --page x.md": "--page needs all",
	} {
		o, err := readOptions(strings.Fields(args), &bytes.Buffer{})
		switch {
		case want == "" && (err != nil || len(o.wanted) != 2 || o.wanted[1].ID != "F20"):
			t.Errorf("%s: %+v, %v", args, o.wanted, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}

// TestVerdict: a fault that failed, was skipped or that nobody announced, and a
// package that could not be run, each fail the campaign.
func TestVerdict(t *testing.T) {
	attr := func(test, key, value string) faults.Event {
		return faults.Event{Action: "attr", Package: "m/a", Test: test, Key: key, Value: value}
	}
	announce := func(end string) *faults.Results {
		var r faults.Results
		for _, kv := range [][2]string{{"fault", "F13"}, {"injected", "i"}, {"promised", "p"}, {"seen", "s"}} {
			r.Take(attr("TestX", kv[0], kv[1]))
		}
		r.Take(faults.Event{Action: end, Package: "m/a", Test: "TestX"})
		return &r
	}
	for name, c := range map[string]struct {
		results *faults.Results
		failed  []string
		want    int
	}{
		"kept":          {announce("pass"), nil, 0},
		"broken":        {announce("fail"), nil, 1},
		"skipped":       {announce("skip"), nil, 1},
		"not announced": {&faults.Results{}, nil, 1},
		"did not build": {announce("pass"), []string{"a: go test failed"}, 1},
	} {
		var said bytes.Buffer
		o := options{wanted: []faults.Fault{{ID: "F13", Name: "flipped bit"}}}
		if got := o.verdict(c.results, c.failed, &said); got != c.want {
			t.Errorf("%s: exit %d, want %d: %s", name, got, c.want, said.String())
		}
	}
}
