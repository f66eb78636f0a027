package main

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// archive is what a machine has for a root, in the kernel's initramfs format
// ("newc", Documentation/driver-api/early-userspace/buffer-format.rst).
type archive struct {
	b    bytes.Buffer
	n    int
	have map[string]bool
}

func newArchive() *archive { return &archive{have: map[string]bool{"/": true}} }

// entry appends one file or folder; mode is that of stat(2).
func (a *archive) entry(name string, mode uint32, content []byte) {
	a.n++
	fmt.Fprintf(&a.b, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		a.n, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0)
	a.b.WriteString(name + "\x00")
	a.pad()
	a.b.Write(content)
	a.pad()
}

func (a *archive) pad() {
	for a.b.Len()%4 != 0 {
		a.b.WriteByte(0)
	}
}

// folder adds a folder and those above it.
func (a *archive) folder(name string) {
	if a.have[name] {
		return
	}
	a.have[name] = true
	a.folder(path.Dir(name))
	a.entry(name[1:], 0o40755, nil)
}

// file adds a file of an absolute name.
func (a *archive) file(name string, content []byte, mode fs.FileMode) {
	if a.have[name] {
		return
	}
	a.folder(path.Dir(name))
	a.have[name] = true
	a.entry(name[1:], 0o100000|uint32(mode.Perm()), content)
}

// copy adds a file of the host under a name.
func (a *archive) copy(name, from string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	about, err := os.Stat(from)
	if err != nil {
		return err
	}
	a.file(name, content, about.Mode())
	return nil
}

// tree adds a folder of the host and what is in it, if there is one.
func (a *archive) tree(folder string) error {
	err := filepath.WalkDir(folder, func(file string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		return a.copy(file, file)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// program adds a file at its own place, and if it is a program what the loader
// finds for it.
func (a *archive) program(file string) error {
	if err := a.copy(file, file); err != nil {
		return err
	}
	f, err := elf.Open(file)
	if err != nil {
		return nil //nolint:nilerr // it is no program
	}
	defer func() { _ = f.Close() }()
	for _, part := range f.Progs {
		if part.Type != elf.PT_INTERP {
			continue
		}
		name, err := io.ReadAll(part.Open())
		if err != nil {
			return err
		}
		loader := string(bytes.TrimRight(name, "\x00"))
		list, err := exec.Command(loader, "--list", file).Output()
		if err != nil {
			return fmt.Errorf("what %s needs: %w", file, err)
		}
		for _, word := range append(strings.Fields(string(list)), loader) {
			if strings.HasPrefix(word, "/") {
				if err := a.copy(word, word); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// end returns the whole archive.
func (a *archive) end() []byte {
	a.entry("TRAILER!!!", 0, nil)
	return a.b.Bytes()
}
