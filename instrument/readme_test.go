package instrument

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables of README.md")

// The tables of the page are those that the types give: run with -update after a
// change of them.
func TestReadmeHasEveryKey(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), "<!-- tables -->\n")
	_, after, ok2 := strings.Cut(rest, "<!-- end of tables -->")
	if !ok || !ok2 {
		t.Fatal("README.md has no place for the tables")
	}
	want := before + "<!-- tables -->\n" + tables(t) + "<!-- end of tables -->" + after
	if string(page) == want {
		return
	}
	if *update {
		if err := os.WriteFile("README.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Error("README.md is stale: run go test ./instrument -update")
}

// comments reads the comment of every field of every type of the grammar.
func comments(t *testing.T) map[string]map[string]string {
	t.Helper()
	all := map[string]map[string]string{}
	for _, name := range []string{"grammar.go", "meaning.go", "tags.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok {
				all[spec.Name.Name] = map[string]string{}
				for _, f := range s.Fields.List {
					all[spec.Name.Name][f.Names[0].Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
				}
			}
			return true
		})
	}
	return all
}

// tables writes a table for each type of the grammar, in the order in which the
// fields of File have them.
func tables(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	docs := comments(t)
	table(t, &b, docs, "The file itself", reflect.TypeFor[File]())
	return b.String()
}

func table(t *testing.T, b *strings.Builder, docs map[string]map[string]string, title string, typ reflect.Type) {
	t.Helper()
	fmt.Fprintf(b, "### %s\n\n| key | | |\n|---|---|---|\n", title)
	type sub struct {
		title string
		typ   reflect.Type
	}
	var below []sub
	for f := range typ.Fields() {
		key := f.Tag.Get("toml")
		if key == "-" {
			continue
		}
		doc := docs[typ.Name()][f.Name]
		if doc == "" || key == "" || key != strings.ToLower(key) {
			t.Errorf("%s.%s has no comment or no key", typ.Name(), f.Name)
		}
		what, in := kindWords(f.Type)
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", key, what, strings.ReplaceAll(doc, "|", `\|`))
		if in != nil {
			prefix := ""
			if at := strings.Trim(title, "`[]"); strings.HasPrefix(title, "`") {
				prefix = at + "."
			}
			name := "`[" + prefix + key + "]`"
			if f.Type.Kind() == reflect.Slice {
				name = "`[[" + prefix + key + "]]`"
			}
			below = append(below, sub{name, in})
		}
	}
	b.WriteString("\n")
	for _, s := range below {
		table(t, b, docs, s.title, s.typ)
	}
}

// kindWords says what a value of a type is to people, and of which type a table is.
func kindWords(typ reflect.Type) (string, reflect.Type) {
	switch typ {
	case reflect.TypeFor[Template]():
		return "template", nil
	case reflect.TypeFor[Bytes]():
		return "bytes", nil
	case reflect.TypeFor[*Pattern]():
		return "pattern", nil
	case reflect.TypeFor[Ref]():
		return "number or name", nil
	case reflect.TypeFor[Decimal]():
		return "number", nil
	case reflect.TypeFor[Sentinel]():
		return "number or word", nil
	case reflect.TypeFor[Span]():
		return "exact time", nil
	case reflect.TypeFor[Value]():
		return "value", nil
	}
	if typ.PkgPath() == "time" {
		return "time", nil
	}
	switch typ.Kind() {
	case reflect.Pointer:
		return kindWords(typ.Elem())
	case reflect.Struct:
		return "table", typ
	case reflect.Slice:
		what, in := kindWords(typ.Elem())
		if in != nil {
			return "tables", in
		}
		return "list of: " + strings.TrimPrefix(what, "list of: "), nil
	case reflect.String:
		if len(wordsOf[typ]) > 0 {
			return "word", nil
		}
		return "text", nil
	case reflect.Bool:
		return "true or false", nil
	}
	return "whole number", nil
}

// Every example of the page that is an instrument file is one.
func TestReadmeExamples(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, m := range regexp.MustCompile("(?s)```toml\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		if strings.Contains(m[1], "[[device]]") {
			continue // a configuration
		}
		n++
		if _, err := Parse("README.md", []byte(m[1])); err != nil {
			t.Errorf("%v\nin\n%s", err, m[1])
		}
	}
	if n < 8 {
		t.Errorf("%d examples", n)
	}
	first, _, _ := strings.Cut(string(page), "Try it on the instrument")
	if lines := strings.Count(first[strings.Index(first, "```toml\n"):], "\n"); lines > 14 {
		t.Errorf("the first example has %d lines", lines)
	}
}
