package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Of a bzImage, as the kernel's Documentation/arch/x86/boot.rst has it.
const (
	setupSectors  = 0x1F1
	payloadOffset = 0x248
	payloadLength = 0x24C
	bootHeaderEnd = 0x268
)

// unpackKernel returns the file of the kernel without its wrapping, which QEMU
// would take seconds to unpack, and keeps it beside the other.
func unpackKernel(folder string) (string, error) {
	found, err := filepath.Glob(filepath.Join(folder, "boot", "vmlinuz-*"))
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("no boot/vmlinuz-* in %s (.ci/vm --fetch gets one)", folder)
	}
	packed := found[len(found)-1]
	plain := strings.Replace(packed, "vmlinuz", "vmlinux", 1)
	if _, err := os.Stat(plain); err == nil {
		return plain, nil
	}
	image, err := os.ReadFile(packed)
	if err != nil {
		return "", err
	}
	if len(image) < bootHeaderEnd {
		return "", fmt.Errorf("%s is no kernel", packed)
	}
	sectors := int(image[setupSectors])
	if sectors == 0 {
		sectors = 4
	}
	from := 512*(sectors+1) + int(binary.LittleEndian.Uint32(image[payloadOffset:]))
	to := from + int(binary.LittleEndian.Uint32(image[payloadLength:]))
	if from > to || to > len(image) {
		return "", fmt.Errorf("%s is no kernel", packed)
	}
	var unpack *exec.Cmd
	switch payload := image[from:to]; {
	case bytes.HasPrefix(payload, []byte("\xFD7zXZ")):
		unpack = exec.Command("xz", "-dc", "--single-stream")
	case bytes.HasPrefix(payload, []byte{0x28, 0xB5, 0x2F, 0xFD}):
		unpack = exec.Command("zstd", "-dc")
	default:
		return packed, nil // QEMU can start it as it is
	}
	unpack.Stdin = bytes.NewReader(image[from:to])
	kernel, err := unpack.Output() // four bytes behind the end make it complain
	if !bytes.HasPrefix(kernel, []byte(elf.ELFMAG)) {
		return "", fmt.Errorf("unpack %s: %w", packed, err)
	}
	part := fmt.Sprintf("%s.%d", plain, os.Getpid())
	if err := os.WriteFile(part, kernel, 0o644); err != nil {
		return "", err
	}
	return plain, os.Rename(part, plain)
}

// modulesInOrder returns the files of modules, behind those they depend on.
func modulesInOrder(folder string, wanted []string) ([]string, error) {
	there := map[string]string{}
	err := filepath.WalkDir(filepath.Join(folder, "lib", "modules"), func(path string, _ fs.DirEntry, err error) error {
		if name, ok := strings.CutSuffix(filepath.Base(path), ".ko"); ok {
			there[moduleName(name)] = path
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var order []string
	taken := map[string]bool{}
	var take func(name string) error
	take = func(name string) error {
		name = moduleName(name)
		if taken[name] {
			return nil
		}
		taken[name] = true
		file := there[name]
		if file == "" {
			return fmt.Errorf("no module %s in %s (is it compressed, or built in?)", name, folder)
		}
		needs, err := dependencies(file)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		for _, n := range needs {
			if err := take(n); err != nil {
				return err
			}
		}
		order = append(order, file)
		return nil
	}
	for _, name := range wanted {
		if err := take(name); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// moduleName writes a module's name as the kernel does.
func moduleName(name string) string { return strings.ReplaceAll(name, "-", "_") }

// dependencies reads from a module which others it needs.
func dependencies(file string) ([]string, error) {
	f, err := elf.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	section := f.Section(".modinfo")
	if section == nil {
		return nil, nil
	}
	info, err := section.Data()
	if err != nil {
		return nil, err
	}
	for entry := range strings.SplitSeq(string(info), "\x00") {
		if list, ok := strings.CutPrefix(entry, "depends="); ok && list != "" {
			return strings.Split(list, ","), nil
		}
	}
	return nil, nil
}
