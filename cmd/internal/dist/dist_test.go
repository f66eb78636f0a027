package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const top = "../../.."

// makeDist runs .ci/dist for one machine and returns the archive and the sums.
func makeDist(t *testing.T, target string) (archive string, sums []byte) {
	t.Helper()
	dir := t.TempDir()
	c := exec.Command(".ci/dist")
	c.Dir = top
	c.Env = append(os.Environ(), "TARGETS="+target, "DIST="+dir, "VERSION=v9.8.7-test")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf(".ci/dist: %v\n%s", err, out)
	}
	sums, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "photongate-9.8.7-test-"+target+".tar.gz"), sums
}

// TestDist: what is handed out unpacks, runs and says its version, and made
// twice it is the same.
func TestDist(t *testing.T) {
	target := runtime.GOOS + "-" + runtime.GOARCH
	runs := target == "linux-amd64" || target == "linux-arm64"
	if !runs {
		target = "linux-amd64"
	}
	archive, sums := makeDist(t, target)
	packed, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("%x  %s\n", sha256.Sum256(packed), filepath.Base(archive)); string(sums) != want {
		t.Errorf("SHA256SUMS is %q, want %q", sums, want)
	}
	folder := filepath.Join(unpack(t, packed), "photongate-9.8.7-test-"+target)
	rules, err := filepath.Glob(top + "/udev/*.rules")
	packedRules, _ := filepath.Glob(filepath.Join(folder, "udev", "*"))
	if err != nil || len(rules) == 0 || len(packedRules) != len(rules) {
		t.Errorf("udev/ holds %v, want the rules alone: %v", packedRules, rules)
	}
	for name, says := range map[string]string{
		"udev/66-photongate-access.rules": "plugdev", "udev/65-photongate-label.rules": "ID_MM_DEVICE_IGNORE",
		"LICENSE": "MIT License", "README.md": "# photongate", "CHANGELOG.md": "# Changelog",
		"gateway/photongate.sample.toml": "[gateway]", "BUILD.txt": "photongate 9.8.7-test for " + target, "protocol/python/photongate.py": "def connect",
	} {
		if text, err := os.ReadFile(filepath.Join(folder, name)); err != nil || !strings.Contains(string(text), says) {
			t.Errorf("%s: %v; want %q in it", name, err, says)
		}
	}
	readme, err := os.ReadFile(filepath.Join(folder, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range regexp.MustCompile(`\]\(([^):#]+)`).FindAllSubmatch(readme, -1) {
		if _, err := os.Stat(filepath.Join(folder, string(link[1]))); err != nil {
			t.Errorf("README.md links to what is not handed out: %v", err)
		}
	}
	for _, program := range []string{"photongate", "photonrecv", "photonsim"} {
		out, err := exec.Command(filepath.Join(folder, program), "version").CombinedOutput()
		if runs && (err != nil || string(out) != program+" 9.8.7-test\n") {
			t.Errorf("%s version: %q, %v", program, out, err)
		}
	}
	for try := 0; ; try++ {
		_, again := makeDist(t, target)
		if string(again) == string(sums) {
			return
		}
		if try == 2 {
			t.Fatalf("made again it has other sums:\n%s%s", sums, again)
		}
		sums = again // somebody may have saved a file, or committed, between the two
	}
}

// unpack unpacks a .tar.gz and returns the folder it is in.
func unpack(t *testing.T, packed []byte) string {
	t.Helper()
	dir := t.TempDir()
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, h.Name)
		if h.Typeflag == tar.TypeDir {
			if err := os.Mkdir(name, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, text, h.FileInfo().Mode()); err != nil {
			t.Fatal(err)
		}
	}
}

// tree makes a folder "photongate-1" and returns its name. When files were
// changed and what the umask was makes no difference.
func tree(t *testing.T, changed time.Time, mode os.FileMode) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "photongate-1")
	if err := os.MkdirAll(filepath.Join(folder, "udev"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]os.FileMode{"run": 0o700, "LICENSE": mode, "udev/70.rules": mode} {
		file := filepath.Join(folder, name)
		if err := os.WriteFile(file, []byte("text of "+name), m); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, changed, changed); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func TestPack(t *testing.T) {
	at := time.Date(2026, 11, 21, 10, 20, 30, 0, time.UTC)
	const want = `drwxr-xr-x photongate-1/ 2026-11-21T10:20:30Z ""
-rw-r--r-- photongate-1/LICENSE 2026-11-21T10:20:30Z "text of LICENSE"
-rwxr-xr-x photongate-1/run 2026-11-21T10:20:30Z "text of run"
drwxr-xr-x photongate-1/udev/ 2026-11-21T10:20:30Z ""
-rw-r--r-- photongate-1/udev/70.rules 2026-11-21T10:20:30Z "text of udev/70.rules"
`
	for ending, show := range map[string]func(*testing.T, []byte) string{".tar.gz": showTar, ".zip": showZip} {
		var first []byte
		for i, folder := range []string{tree(t, time.Now(), 0o600), tree(t, at.AddDate(-1, 0, 0), 0o644)} {
			archive := filepath.Join(t.TempDir(), "a"+ending)
			if err := run(at.Unix(), "", []string{folder, archive}); err != nil {
				t.Fatal(err)
			}
			packed, err := os.ReadFile(archive)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(show(t, packed), want); d != "" {
				t.Errorf("%s (-got +want):\n%s", ending, d)
			}
			if i == 0 {
				first = packed
			} else if !bytes.Equal(packed, first) {
				t.Errorf("%s: the same files gave another archive", ending)
			}
		}
	}
	if err := run(0, "", []string{"only one"}); err == nil {
		t.Error("packed a folder into nothing")
	}
	if err := run(0, "", []string{filepath.Join(t.TempDir(), "none"), filepath.Join(t.TempDir(), "a.zip")}); err == nil {
		t.Error("packed a folder that is not there")
	}
}

func showTar(t *testing.T, packed []byte) (text string) {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return text
		}
		content, readErr := io.ReadAll(r)
		if err != nil || readErr != nil || h.Uid != 0 || h.Uname != "" {
			t.Fatal(err, readErr, h)
		}
		text += fmt.Sprintf("%v %s %s %q\n", h.FileInfo().Mode(), h.Name, h.ModTime.UTC().Format(time.RFC3339), content)
	}
}

func showZip(t *testing.T, packed []byte) (text string) {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.File {
		file, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(file)
		if err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf("%v %s %s %q\n", f.Mode(), f.Name, f.Modified.UTC().Format(time.RFC3339), content)
	}
	return text
}

// TestSums: files are listed as sha256sum lists them. The sum of "abc" is the
// example of FIPS 180-2.
func TestSums(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.zip", "a.tar.gz"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("abc"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sums := filepath.Join(dir, "SHA256SUMS")
	if err := run(0, sums, []string{filepath.Join(dir, "b.zip"), filepath.Join(dir, "a.tar.gz")}); err != nil {
		t.Fatal(err)
	}
	const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	if text, err := os.ReadFile(sums); err != nil || string(text) != abc+"  a.tar.gz\n"+abc+"  b.zip\n" {
		t.Errorf("%q, %v", text, err)
	}
	if err := run(0, sums, []string{filepath.Join(dir, "none")}); err == nil {
		t.Error("listed a file that is not there")
	}
}
