package pairing

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func example(t *testing.T) Pairing {
	t.Helper()
	p, err := decodeFile([]byte(fileText))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSaveAndLoad(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "config")
	t.Setenv(FolderVariable, dir)
	if _, err := Load("lab"); !errors.Is(err, ErrNotPaired) {
		t.Errorf("before: %v", err)
	}
	if list, err := List(); err != nil || len(list) != 0 {
		t.Errorf("list before: %v, %v", list, err)
	}
	p := example(t)
	for range 2 { // the second in place of the first
		if err := Save(p); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Load("lab")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, p); diff != "" {
		t.Error(diff)
	}
	path := filepath.Join(dir, "gateways", "lab.json")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	other := p
	other.Name = "also"
	if err := Save(other); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "gateways", "broken.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := List()
	if diff := cmp.Diff(list, []Pairing{other, p}); diff != "" || err == nil || !strings.Contains(err.Error(), "broken.json") {
		t.Errorf("list, %v: %s", err, diff)
	}
	if err := os.Rename(path, filepath.Join(dir, "gateways", "moved.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := Load("moved"); err == nil || !strings.Contains(err.Error(), "says that it is that of lab") {
		t.Errorf("under another name: %v", err)
	}
	if err := Remove("also"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"also", "..", ""} {
		if err := Remove(name); !errors.Is(err, ErrNotPaired) {
			t.Errorf("remove %q: %v", name, err)
		}
	}
}

func TestLocal(t *testing.T) {
	t.Setenv(FolderVariable, t.TempDir())
	p := example(t)
	if _, found, err := LoadLocal(p.Journal); found || err != nil {
		t.Errorf("before: %v, %v", found, err)
	}
	if err := SaveLocal(p); err != nil {
		t.Fatal(err)
	}
	got, found, err := LoadLocal(p.Journal)
	if err != nil || !found || got.Token != p.Token {
		t.Errorf("got %+v, %v, %v", got, found, err)
	}
	if err := RemoveLocal(p.Journal); err != nil {
		t.Error(err)
	}
	if _, found, err := LoadLocal(p.Journal); found || err != nil {
		t.Errorf("after: %v, %v", found, err)
	}
	p.Journal = [16]byte{}
	if err := SaveLocal(p); err == nil {
		t.Error("saved without a journal")
	}
	p.Token = "x"
	if err := Save(p); err == nil {
		t.Error("saved a damaged pairing")
	}
}

// TestTooOpen: a secret that others can read is not used, and the way out is
// named.
func TestTooOpen(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing on Windows")
	}
	dir := t.TempDir()
	t.Setenv(FolderVariable, dir)
	if err := Save(example(t)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "gateways", "lab.json")
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Load("lab"); !errors.Is(err, ErrTooOpen) || !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Load("lab"); err == nil || errors.Is(err, ErrNotPaired) {
		t.Errorf("a folder in place of the file: %v", err)
	}
}
