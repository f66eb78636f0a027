//go:build linux && (amd64 || arm64)

package mockbus

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Where umockdev and libusb look.
const (
	rootVariable    = "UMOCKDEV_DIR"
	preloadVariable = "LD_PRELOAD"
	preloadLibrary  = "libumockdev-preload.so.0"
)

// Main is a package's TestMain: it starts the test program again with the preload
// library, and runs the tests there. Without that library they run all the same,
// and Need says what is missing. On a real kernel's bus they run as they are.
func Main(m *testing.M) {
	if !loaded() && !RealKernel() {
		if library := find(); library != "" {
			if err := restart(library); err != nil {
				fmt.Fprintln(os.Stderr, "run the tests on a USB bus of umockdev:", err)
				os.Exit(1)
			}
		}
	}
	code := m.Run()
	if loaded() {
		_ = os.RemoveAll(os.Getenv(rootVariable))
	}
	os.Exit(code)
}

// loaded reports whether this program runs with the preload library.
func loaded() bool {
	return os.Getenv(rootVariable) != "" && strings.Contains(os.Getenv(preloadVariable), preloadLibrary)
}

// find returns the path of the preload library, empty when it is not installed.
func find() string {
	for _, place := range []string{"/usr/lib/*/", "/usr/lib64/", "/usr/lib/", "/usr/local/lib/"} {
		if found, _ := filepath.Glob(place + preloadLibrary); len(found) > 0 {
			return found[0]
		}
	}
	return ""
}

// restart replaces this program by itself on an empty bus.
func restart(library string) error {
	root, err := newRoot()
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(self, os.Args, append(os.Environ(), env(root, library)...))
}

// Need skips a test where there is no bus, or fails it where CI is set: nobody
// looks there for what was left out.
func Need(t testing.TB) {
	t.Helper()
	if !loaded() && !RealKernel() {
		leftOut(t)
	}
}

func leftOut(t testing.TB) {
	t.Helper()
	why := "umockdev is not installed (Debian: apt-get install umockdev)"
	if os.Getenv("CI") != "" {
		t.Fatal("cannot run here, and CI is set: " + why)
	}
	t.Skip(why)
}
