package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// One file in one folder, by hand from the kernel's description of the format.
func TestArchive(t *testing.T) {
	a := newArchive()
	a.file("/a/b", []byte("hello"), 0o644)
	a.file("/a/b", []byte("again"), 0o644)
	const zeros = "00000000"
	want := "070701" + "00000001" + "000041ED" + zeros + zeros + "00000001" + zeros + zeros + zeros + zeros + zeros + zeros + "00000002" + zeros + "a\x00" +
		"070701" + "00000002" + "000081A4" + zeros + zeros + "00000001" + zeros + "00000005" + zeros + zeros + zeros + zeros + "00000004" + zeros + "a/b\x00\x00\x00" + "hello\x00\x00\x00" +
		"070701" + "00000003" + zeros + zeros + zeros + "00000001" + zeros + zeros + zeros + zeros + zeros + zeros + "0000000B" + zeros + "TRAILER!!!\x00\x00\x00\x00"
	if got := string(a.end()); got != want {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
}

// A program comes with what it needs to be loaded; what is missing is said.
func TestArchiveHoldsLibraries(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	a := newArchive()
	if err := a.program(self); err != nil {
		t.Fatal(err)
	}
	if !a.have[self] || !bytes.Contains(a.end(), []byte("\x7FELF")) {
		t.Error("the program is not in the archive")
	}
	if err := a.program(filepath.Join(t.TempDir(), "nothing")); !os.IsNotExist(err) {
		t.Errorf("a file that is not there: %v", err)
	}
	if err := a.tree(filepath.Join(t.TempDir(), "nothing")); err != nil {
		t.Errorf("a folder that is not there: %v", err)
	}
}

// What is no kernel is refused, with where one is to be had.
func TestKernelIsRefused(t *testing.T) {
	folder := t.TempDir()
	refuse := func(words string) {
		t.Helper()
		if _, err := unpackKernel(folder); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("got %v, want %q in it", err, words)
		}
	}
	refuse(".ci/vm --fetch")
	file := filepath.Join(folder, "boot", "vmlinuz-1")
	if err := os.Mkdir(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, content := range [][]byte{nil, bytes.Repeat([]byte{0xFF}, bootHeaderEnd), make([]byte, bootHeaderEnd-1)} {
		if err := os.WriteFile(file, content, 0o644); err != nil {
			t.Fatal(err)
		}
		refuse("is no kernel")
	}
	if _, err := modulesInOrder(folder, []string{"vhci-hcd"}); err == nil {
		t.Error("modules of a folder that has none")
	}
}

func TestShares(t *testing.T) {
	got := shares([]string{"-test.v", "-test.gocoverdir=/tmp/a", "-test.coverprofile=/tmp/b/c.out", "-test.outputdir=/tmp/b", "-test.outputdir="})
	if strings.Join(got, " ") != "/tmp/a /tmp/b" {
		t.Errorf("got %q", got)
	}
}
