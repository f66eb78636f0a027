package house_test

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// root is the top of the tree, seen from this folder.
const root = "../../.."

// file is a file of the tree, named from its top.
type file struct {
	name    string
	content []byte
}

// dir returns the folder as an import path without the module's name.
func (f file) dir() string { return path.Dir(f.name) }

func (f file) isTest() bool { return strings.HasSuffix(f.name, "_test.go") }

func (f file) isGenerated() bool {
	for line := range bytes.Lines(f.content) {
		if bytes.HasPrefix(line, []byte("package ")) {
			return false
		}
		if bytes.HasPrefix(line, []byte("// Code generated ")) && bytes.HasSuffix(bytes.TrimSpace(line), []byte(" DO NOT EDIT.")) {
			return true
		}
	}
	return false
}

// tree returns the files of the tree whose names end in one of the endings, in
// order. Test data, what was built and hidden folders other than .ci are left
// out.
func tree(t *testing.T, endings ...string) []file {
	t.Helper()
	var files []file
	top := os.DirFS(root)
	err := fs.WalkDir(top, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			hidden := strings.HasPrefix(d.Name(), ".") && name != "." && name != ".ci"
			if hidden || name == "bin" || name == "dist" || d.Name() == "testdata" {
				return fs.SkipDir
			}
			return nil
		}
		if !slices.ContainsFunc(endings, func(e string) bool { return strings.HasSuffix(name, e) }) {
			return nil
		}
		content, err := fs.ReadFile(top, name)
		if err != nil {
			return err
		}
		files = append(files, file{name, content})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
