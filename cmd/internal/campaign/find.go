package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"photongate/cmd/internal/faults"
)

// pkg is a package with tests that bear a fault.
type pkg struct {
	dir   string   // from the top of the tree
	tests []string // TestX, in order
}

// find returns the packages below top with tests that bear one of the wanted
// faults. It reads the source: a test bears a fault when it, or a function or
// table that it uses, of its package or of one for tests (devicetest), calls
// Attr("fault", ...). Where it cannot tell which fault, the test is taken for any; one too many costs time, one too
// few would be missed in the end, since every fault has to be announced.
func find(top string, wanted []faults.Fault) ([]pkg, error) {
	files := map[string][]string{}   // of tests, by folder
	helpers := map[string][]string{} // of packages for tests, likewise
	tree := os.DirFS(top)
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case strings.HasSuffix(name, "_test.go"):
			files[path.Dir(name)] = append(files[path.Dir(name)], name)
		case strings.HasSuffix(name, ".go") && strings.HasSuffix(path.Dir(name), "test"):
			helpers[path.Dir(name)] = append(helpers[path.Dir(name)], name)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var list []pkg
	for dir, names := range files {
		// A package for tests may try itself.
		parts, imports, err := parse(tree, append(names, helpers[dir]...))
		if err != nil {
			return nil, err
		}
		for _, used := range imports {
			if err := addHelpers(parts, tree, used, helpers[used]); err != nil {
				return nil, err
			}
		}
		if tests := bearers(parts, wanted); len(tests) > 0 {
			list = append(list, pkg{dir, tests})
		}
	}
	slices.SortFunc(list, func(a, b pkg) int { return strings.Compare(a.dir, b.dir) })
	return list, nil
}

// addHelpers adds the parts of a package for tests as those who import it name
// them: devicetest.Run.
func addHelpers(parts map[string][]part, tree fs.FS, dir string, names []string) error {
	more, _, err := parse(tree, names)
	prefix := path.Base(dir) + "."
	for name, list := range more {
		for i := range list {
			for k, used := range list[i].uses {
				list[i].uses[k] = prefix + used
			}
		}
		parts[prefix+name] = list
	}
	return err
}

// part is a function, method or table at the top of a file.
type part struct {
	uses      []string // every name in it
	announces bool     // calls Attr("fault", ...)
	faults    []string // literals such as "F13" in it
}

// parse reads the parts of a package's tests, by name, and which folders of this
// module they import.
func parse(tree fs.FS, names []string) (parts map[string][]part, imports []string, err error) {
	parts = map[string][]part{}
	for _, name := range names {
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return nil, nil, err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
		if err != nil {
			return nil, nil, fmt.Errorf("read %s: %w", name, err)
		}
		for _, i := range file.Imports {
			if module, dir, ok := strings.Cut(literal(i.Path), "/"); ok && !strings.Contains(module, ".") {
				imports = append(imports, dir)
			}
		}
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				parts[d.Name.Name] = append(parts[d.Name.Name], read(d))
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if v, ok := s.(*ast.ValueSpec); ok {
						for _, n := range v.Names {
							parts[n.Name] = append(parts[n.Name], read(v))
						}
					}
				}
			}
		}
	}
	slices.Sort(imports)
	return parts, slices.Compact(imports), nil
}

var isFault = regexp.MustCompile(`^F\d\d$`)

func read(node ast.Node) (p part) {
	ast.Inspect(node, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			p.uses = append(p.uses, n.Name)
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok {
				p.uses = append(p.uses, x.Name+"."+n.Sel.Name)
			}
		case *ast.BasicLit:
			if s := literal(n); isFault.MatchString(s) {
				p.faults = append(p.faults, s)
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Attr" && len(n.Args) == 2 && literal(n.Args[0]) == "fault" {
				p.announces = true
			}
		}
		return true
	})
	return p
}

// literal returns what a constant text says, empty for anything else.
func literal(e ast.Expr) string {
	if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
		if s, err := strconv.Unquote(l.Value); err == nil {
			return s
		}
	}
	return ""
}

// bearers returns the tests among parts that bear one of the wanted faults.
func bearers(parts map[string][]part, wanted []faults.Fault) []string {
	var tests []string
	for name := range parts {
		if !strings.HasPrefix(name, "Test") || name == "TestMain" {
			continue
		}
		announces, found := reach(parts, name)
		fits := len(found) == 0 || slices.ContainsFunc(wanted, func(f faults.Fault) bool { return slices.Contains(found, f.ID) })
		if announces && fits {
			tests = append(tests, name)
		}
	}
	slices.Sort(tests)
	return tests
}

// reach follows the names that a test uses.
func reach(parts map[string][]part, test string) (announces bool, found []string) {
	seen := map[string]bool{test: true}
	for queue := []string{test}; len(queue) > 0; queue = queue[1:] {
		for _, p := range parts[queue[0]] {
			announces = announces || p.announces
			found = append(found, p.faults...)
			for _, u := range p.uses {
				if _, ours := parts[u]; ours && !seen[u] && !strings.HasPrefix(u, "Test") {
					seen[u] = true
					queue = append(queue, u)
				}
			}
		}
	}
	return announces, found
}
