package house_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const maxLines = 600

// TestFilesFitInTheHead: a file has one subject. What grows beyond it wants to
// be two files.
func TestFilesFitInTheHead(t *testing.T) {
	for _, f := range tree(t, ".go") {
		if n := bytes.Count(f.content, []byte("\n")); n > maxLines && !f.isTest() && !f.isGenerated() {
			t.Errorf("%s has %d lines, at most %d are allowed", f.name, n, maxLines)
		}
	}
}

// TestNamesSayWhatIsInside refuses folders that could hold anything.
func TestNamesSayWhatIsInside(t *testing.T) {
	for _, f := range tree(t, ".go") {
		switch name := path.Base(f.dir()); name {
		case "util", "utils", "common", "base", "helper", "helpers", "misc", "shared", "lib":
			t.Errorf("%s: a folder named %q says nothing about what is in it", f.name, name)
		}
	}
}

// maySleep lists the files that may call time.Sleep outside a synctest bubble,
// and why there is nothing better.
var maySleep = map[string]string{
	"device/devicetest/session.go": "runs in the bubble of whoever calls the suite: its time is not real",
}

// TestNobodySleeps: to wait for something is to be told when it happens. In a
// bubble of testing/synctest time is not real, and sleeping costs none.
func TestNobodySleeps(t *testing.T) {
	used := map[string]bool{}
	for _, f := range tree(t, ".go") {
		for _, at := range sleeps(t, f) {
			if _, ok := maySleep[f.name]; ok {
				used[f.name] = true
				continue
			}
			t.Errorf("%s calls time.Sleep: wait for the event itself, on a channel, a timer in a select, or in a synctest bubble", at)
		}
	}
	for name := range maySleep {
		if !used[name] {
			t.Errorf("%s is in the list of files that may sleep and does not: take it out", name)
		}
	}
}

// sleeps returns where a file mentions time.Sleep outside a function that is
// handed to synctest.Test.
func sleeps(t *testing.T, f file) (at []string) {
	fset, parsed := parse(t, f)
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			return !isSelector(n.Fun, "synctest", "Test")
		case *ast.SelectorExpr:
			if isSelector(n, "time", "Sleep") {
				at = append(at, fset.Position(n.Pos()).String())
			}
		}
		return true
	})
	return at
}

func isSelector(e ast.Expr, pkg, name string) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != name {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == pkg
}

// unfinished finds notes to oneself. They are spelled in two pieces so that
// this file is free of them.
var unfinished = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)

// machinePath finds the folders of one particular machine.
var machinePath = regexp.MustCompile(`(^|[^\w.~/-])/(wor` + `k|ro` + `ot|Use` + `rs)/`)

// TestNothingIsLeftLyingAbout finds notes to oneself and paths of somebody's
// machine in code, scripts and texts.
func TestNothingIsLeftLyingAbout(t *testing.T) {
	for _, f := range tree(t, ".go", ".md", ".toml", ".yml", ".yaml", ".py", ".html", ".js", ".css", ".rules", "Makefile",
		".ci/run", ".ci/deps", ".ci/cross", ".ci/dist", ".ci/targets", ".ci/generated") {
		for i, line := range strings.Split(string(f.content), "\n") {
			if found := leftover(line); found != "" {
				t.Errorf("%s:%d: %s: do it or drop it; and no path of one particular machine", f.name, i+1, found)
			}
		}
	}
}

// leftover returns the note to oneself or the machine's path in a line. Looking
// for the plain words first keeps the race detector from taking seconds.
func leftover(line string) string {
	for _, word := range []string{"TO" + "DO", "FIX" + "ME", "XX" + "X"} {
		if strings.Contains(line, word) && unfinished.MatchString(line) {
			return word
		}
	}
	for _, folder := range []string{"/wor" + "k/", "/ro" + "ot/", "/Use" + "rs/"} {
		if strings.Contains(line, folder) && machinePath.MatchString(line) {
			return folder
		}
	}
	return ""
}

// link finds the target of a Markdown link.
var link = regexp.MustCompile(`\]\(([^)#\s]+)`)

// TestLinksLeadSomewhere follows the links of our texts to our own files.
func TestLinksLeadSomewhere(t *testing.T) {
	for _, f := range tree(t, ".md") {
		for _, m := range link.FindAllSubmatch(f.content, -1) {
			target := string(m[1])
			if strings.Contains(target, "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, f.dir(), target)); err != nil {
				t.Errorf("%s links to %s, which is not there", f.name, target)
			}
		}
	}
}

// TestExportedNamesAreDocumented: who uses a package reads its documentation,
// not its source.
func TestExportedNamesAreDocumented(t *testing.T) {
	described := map[string]bool{}
	for _, f := range tree(t, ".go") {
		if f.isTest() {
			continue
		}
		fset, parsed := parse(t, f)
		described[f.dir()] = described[f.dir()] || parsed.Doc.Text() != ""
		for _, missing := range undocumented(parsed) {
			t.Errorf("%s: %s has no doc comment", fset.Position(missing.pos), missing.name)
		}
	}
	for _, p := range sorted(described) {
		if !described[p] {
			t.Errorf("%s has no package comment", p)
		}
	}
}

type named struct {
	name string
	pos  token.Pos
}

// undocumented returns the exported functions, methods of exported types,
// types, constants and variables without a comment. A comment on a group counts
// for all of it.
func undocumented(f *ast.File) (missing []named) {
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			name := d.Name.Name
			if d.Recv != nil {
				receiver := receiverType(d.Recv.List[0].Type)
				if !ast.IsExported(receiver) {
					continue
				}
				name = receiver + "." + name
			}
			if d.Name.IsExported() && d.Doc.Text() == "" {
				missing = append(missing, named{name, d.Pos()})
			}
		case *ast.GenDecl:
			if d.Doc.Text() != "" {
				continue
			}
			for _, s := range d.Specs {
				missing = append(missing, undocumentedSpec(s)...)
			}
		}
	}
	return missing
}

func undocumentedSpec(s ast.Spec) (missing []named) {
	switch s := s.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() && s.Doc.Text() == "" && s.Comment.Text() == "" {
			missing = append(missing, named{s.Name.Name, s.Pos()})
		}
	case *ast.ValueSpec:
		for _, n := range s.Names {
			if n.IsExported() && s.Doc.Text() == "" && s.Comment.Text() == "" {
				missing = append(missing, named{n.Name, n.Pos()})
			}
		}
	}
	return missing
}

// receiverType returns the name of the type a method belongs to.
func receiverType(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiverType(e.X)
	case *ast.IndexExpr:
		return receiverType(e.X)
	case *ast.IndexListExpr:
		return receiverType(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

func parse(t *testing.T, f file) (*token.FileSet, *ast.File) {
	t.Helper()
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, f.name, f.content, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return fset, parsed
}

// TestTheRulesBite tries each of the searches above on a file that breaks it.
func TestTheRulesBite(t *testing.T) {
	bad := file{"bad.go", []byte(`package bad

import ("time"; "testing/synctest")

func Exported() { time.Sleep(1) }
func hidden() { synctest.Test(nil, func() { time.Sleep(1) }) }

type T struct{}
func (*T) Method() {}
type inner struct{}
func (inner) Method() {}

const A, b = 1, 2

// Documented.
var (C int; D int)
`)}
	if got, want := sleeps(t, bad), []string{"bad.go:5:19"}; !slices.Equal(got, want) {
		t.Errorf("sleeps: got %v, want %v", got, want)
	}
	_, parsed := parse(t, bad)
	if got, want := fmt.Sprint(names(undocumented(parsed))), "[Exported T T.Method A]"; got != want {
		t.Errorf("undocumented: got %v, want %v", got, want)
	}
	for line, want := range map[string]bool{
		"// TO" + "DO: later": true, "a FIX" + "ME": true, "the to" + "do list": false, "TO" + "DOS": false,
		`"/ro` + `ot/x"`: true, "see /Use" + "rs/anna/data": true, "~/wo" + "rk/x": false, "net/wo" + "rk/x": false, "https://a.org/wo" + "rk/": false,
	} {
		if got := leftover(line) != ""; got != want {
			t.Errorf("leftover(%q) is %v, want %v", line, got, want)
		}
	}
	if (file{"a.go", []byte("// Code generated by x. DO NOT EDIT.\npackage a\n")}).isGenerated() != true || bad.isGenerated() {
		t.Error("isGenerated does not tell generated files from others")
	}
}

func names(list []named) (s []string) {
	for _, n := range list {
		s = append(s, n.name)
	}
	return s
}
