package faults

import (
	"bufio"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Lines as go test -json of Go 1.26 prints them.
const run = `{"Time":"2026-11-21T10:00:00Z","Action":"start","Package":"m/a"}
{"Action":"run","Package":"m/a","Test":"TestGood"}
{"Action":"output","Package":"m/a","Test":"TestGood","Output":"=== ATTR  TestGood fault F13\n"}
{"Action":"attr","Package":"m/a","Test":"TestGood","Key":"fault","Value":"F13"}
{"Action":"attr","Package":"m/a","Test":"TestGood","Key":"fault","Value":"F14"}
{"Action":"attr","Package":"m/a","Test":"TestGood","Key":"injected","Value":"one bit in 3 bytes"}
{"Action":"attr","Package":"m/a","Test":"TestGood","Key":"promised","Value":"one hole"}
{"Action":"attr","Package":"m/a","Test":"TestGood","Key":"seen","Value":"3 of 3"}
{"Action":"attr","Package":"m/a","Test":"TestGood","Key":"colour","Value":"red"}
{"Action":"pass","Package":"m/a","Test":"TestGood","Elapsed":1.5}
{"Action":"pass","Package":"m/a","Test":"TestWithoutAttributes","Elapsed":0}
{"Action":"attr","Package":"m/b/c","Test":"TestBad/sub","Key":"fault","Value":"F20"}
{"Action":"attr","Package":"m/b/c","Test":"TestBad/sub","Key":"injected","Value":"resets"}
{"Action":"fail","Package":"m/b/c","Test":"TestBad/sub","Elapsed":0.1}
{"Action":"attr","Package":"m/b/c","Test":"TestLeftOut","Key":"fault","Value":"F31"}
{"Action":"skip","Package":"m/b/c","Test":"TestLeftOut","Elapsed":0}
{"Action":"attr","Package":"m/b/c","Test":"TestHangs","Key":"fault","Value":"F38"}
{"Action":"attr","Package":"m/b/c","Test":"TestSilent","Key":"fault","Value":"F33"}
{"Action":"attr","Package":"m/b/c","Test":"TestSilent","Key":"injected","Value":"defaults"}
{"Action":"attr","Package":"m/b/c","Test":"TestSilent","Key":"promised","Value":"flagged"}
{"Action":"pass","Package":"m/b/c","Test":"TestSilent","Elapsed":0}
{"Action":"attr","Package":"m/b/c","Test":"TestOfNothing","Key":"fault","Value":"F99"}
{"Action":"pass","Package":"m/b/c","Test":"TestOfNothing","Elapsed":0}
{"Action":"fail","Package":"m/b/c","Elapsed":1}
# m/d
`

func take(t *testing.T, text string) *Results {
	t.Helper()
	var r Results
	for in := bufio.NewScanner(strings.NewReader(text)); in.Scan(); {
		if e, ok := ParseEvent(in.Bytes()); ok {
			r.Take(e)
		}
	}
	return &r
}

func TestRowsAndWhatIsWrong(t *testing.T) {
	r := take(t, run)
	want := []Row{
		{"F13", "a.TestGood", "one bit in 3 bytes", "one hole", "3 of 3", "pass", 1.5},
		{"F14", "a.TestGood", "one bit in 3 bytes", "one hole", "3 of 3", "pass", 1.5},
		{"F20", "b/c.TestBad/sub", "resets", "", "", "fail", 0.1},
		{"F31", "b/c.TestLeftOut", "", "", "", "skip", 0},
		{"F33", "b/c.TestSilent", "defaults", "flagged", "", "does not say what it saw", 0},
		{"F38", "b/c.TestHangs", "", "", "", "did not end", 0},
		{"F99", "b/c.TestOfNothing", "", "", "", "no such fault", 0},
	}
	if diff := cmp.Diff(r.Rows(), want); diff != "" {
		t.Errorf("rows (-got +want):\n%s", diff)
	}
	wanted := []Fault{{ID: "F13"}, {ID: "F20"}, {ID: "F45", Name: "disk full"}}
	wantWrong := []string{
		"F20: b/c.TestBad/sub: fail",
		"F31: b/c.TestLeftOut: skip",
		"F33: b/c.TestSilent: does not say what it saw",
		"F38: b/c.TestHangs: did not end",
		"F99: b/c.TestOfNothing: no such fault",
		"F45 (disk full): no test announced it",
	}
	if diff := cmp.Diff(r.Wrong(wanted), wantWrong); diff != "" {
		t.Errorf("wrong (-got +want):\n%s", diff)
	}
	if got, want := r.Summary(wanted), "2 of 3 faults announced, by 6 tests"; got != want {
		t.Errorf("summary %q, want %q", got, want)
	}
}

func TestNothingWrong(t *testing.T) {
	r := take(t, run[:strings.Index(run, `{"Action":"attr","Package":"m/b/c"`)])
	if wrong := r.Wrong([]Fault{{ID: "F13"}, {ID: "F14"}}); wrong != nil {
		t.Errorf("wrong: %q, want nothing", wrong)
	}
}

// TestListIsWhole: 45 faults, each with a number of its own, a name and a
// promise that fit a line of a table.
func TestListIsWhole(t *testing.T) {
	list := List()
	if len(list) != 45 {
		t.Fatalf("%d faults, want 45", len(list))
	}
	for i, f := range list {
		if want := "F" + string(rune('0'+(i+1)/10)) + string(rune('0'+(i+1)%10)); f.ID != want {
			t.Errorf("fault %d is %s, want %s", i, f.ID, want)
		}
		if f.Name == "" || f.Promise == "" || strings.ContainsAny(f.Name+f.Promise+f.Nearest, "|\n`") {
			t.Errorf("%s: name %q, promise %q: want a line each, without | and `", f.ID, f.Name, f.Promise)
		}
	}
}

func TestTextTable(t *testing.T) {
	var out strings.Builder
	rows := []Row{
		{Fault: "F13", Test: "protocol/journal.TestFlippedBit", Injected: "one bit in 3 bytes of a file", Promised: "one hole", Seen: "3 of 3", Result: "pass"},
		{Fault: "F13", Test: "cmd.TestX", Injected: "i", Promised: "p", Seen: "s", Result: "fail"},
		{Fault: "F14", Test: "cmd.TestX", Injected: "i", Promised: "p", Seen: "s", Result: "fail"},
	}
	if err := WriteText(&out, rows, 88); err != nil {
		t.Fatal(err)
	}
	want := `fault | test            | injected        | promised        | seen            | result
----- | --------------- | --------------- | --------------- | --------------- | --------
F13   | protocol/       | one bit in 3    | one hole        | 3 of 3          | pass
      | journal.        | bytes of a file |                 |                 |
      | TestFlippedBit  |                 |                 |                 |
      | cmd.TestX       | i               | p               | s               | fail
F14   | cmd.TestX       | as F13          | as F13          | as F13          | fail
`
	if diff := cmp.Diff(out.String(), want); diff != "" {
		t.Errorf("(-got +want):\n%s", diff)
	}
}

func TestMarkdownAndJSON(t *testing.T) {
	rows := []Row{{Fault: "F13", Test: "a.TestX", Injected: "a|b", Promised: "p", Seen: "s", Result: "pass", Seconds: 2}}
	var md, js strings.Builder
	if err := WriteMarkdown(&md, rows); err != nil {
		t.Fatal(err)
	}
	wantMD := "| fault | test | injected | promised | seen | result |\n| --- | --- | --- | --- | --- | --- |\n| F13 | `a.TestX` | a\\|b | p | s | pass |\n"
	if diff := cmp.Diff(md.String(), wantMD); diff != "" {
		t.Errorf("markdown (-got +want):\n%s", diff)
	}
	if err := WriteJSON(&js, rows); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(js.String(), `"injected": "a|b"`) || !strings.Contains(js.String(), `"seconds": 2`) {
		t.Errorf("json: %s", js.String())
	}
}

func TestPageIsRewrittenAndRead(t *testing.T) {
	ran := take(t, run).Tests()
	page, err := Rewrite("before\n"+pageBegin+"\nold\n"+pageEnd+"\nafter\n", Table(ran))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(page, "before\n") || !strings.HasSuffix(page, "\nafter\n") || strings.Contains(page, "\nold\n") {
		t.Errorf("page: %s", page)
	}
	if !strings.Contains(page, "| F20 | the connection breaks at any byte of a frame | the part is thrown away, the rest resumes; nothing missing, nothing twice | `b/c.TestBad` |\n") {
		t.Errorf("no row of F20 in %s", page)
	}
	if stale := Stale(page, ran); stale != nil {
		t.Errorf("stale at once: %q", stale)
	}
	ran["F20"] = []string{"b/c.TestOther"}
	want := []string{
		"gateway/OPERATING.md names b/c.TestBad for F20, which did not announce it",
		"b/c.TestOther announced F20 and is not in the table of gateway/OPERATING.md",
	}
	if diff := cmp.Diff(Stale(page, ran), want); diff != "" {
		t.Errorf("stale (-got +want):\n%s", diff)
	}
	if _, err := Rewrite("no table here", "x"); err == nil {
		t.Error("a page without a table was rewritten")
	}
}

// TestOperatorsPageHoldsTheList: the rows of the committed table say what the
// list says. That its tests announced themselves is checked by testlog, which
// has seen them run.
func TestOperatorsPageHoldsTheList(t *testing.T) {
	page, err := os.ReadFile("../../../" + PageFile)
	if err != nil {
		t.Fatal(err)
	}
	if same, err := Rewrite(string(page), Table(PageTests(string(page)))); err != nil || same != string(page) {
		t.Errorf("the table of faults in %s is not as the list has it (%v): go run ./cmd/internal/campaign --short --page %s", PageFile, err, PageFile)
	}
}
