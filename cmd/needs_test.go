package cmd_test

import (
	"os"
	"os/exec"
	"runtime"
	"testing"
)

// needs returns the path of a program that a test uses besides our own. Where it
// is missing the test is left out, and says so; where CI is set it fails, since
// nobody looks there for what was left out.
func needs(t *testing.T, program, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	leftOut(t, program+" is not installed (Debian: apt-get install "+debianPackage+")")
	return ""
}

// needsLinux leaves a test out on other systems.
func needsLinux(t *testing.T, what string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		leftOut(t, "needs Linux "+what)
	}
}

// leftOut skips a test for want of something, or fails it where CI is set.
func leftOut(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal("cannot run here, and CI is set: " + why)
	}
	t.Skip(why)
}
