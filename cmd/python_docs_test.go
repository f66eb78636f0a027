package cmd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestPythonNotebook runs the notebook that the documentation begins with, the
// waveplate scan, on simulated light with fringes: by its own second cell, which
// fits them, they are there as the light had them.
func TestPythonNotebook(t *testing.T) {
	for _, p := range pythons(t) {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			light := freeAddr(t)
			b := newBench(t, "cd48", `gate = "100ms"`, "--control", light)
			b.startSim()
			b.startGateway().waitFor("bench", "running")
			pairWithLocal(t)
			cells := 1
			if p.numpy {
				cells = 3 // the last one wants a recording and matplotlib
			}
			proc := p.start(t, place{}, "notebook.py", filepath.Join(pythonFolder(t), "waveplate.ipynb"), light, strconv.Itoa(cells))
			code, out := proc.exit(), proc.stdout.String()
			if code != 0 || strings.Count(out, " deg   AB ") != 36 {
				t.Fatalf("exit %d\n%s%s", code, out, proc.stderr())
			}
			if !p.numpy {
				return
			}
			// Accidental coincidences (50k x 50k x 20 ns = 50 per s) make 0.88 of the visibility of 0.9.
			found := regexp.MustCompile(`visibility (\S+), maximum at (\S+) deg, chi squared (\d+) for 33`).FindStringSubmatch(out)
			if found == nil {
				t.Fatalf("no fit in\n%s", out)
			}
			visibility, maximum, chi := parseNumber(t, found[1]), parseNumber(t, found[2]), parseNumber(t, found[3])
			if visibility < 0.8 || visibility > 0.96 || maximum < -2 || maximum > 2 || chi > 100 {
				t.Errorf("%s; the light had a visibility of 0.88 with its maximum at 0\n%s", found[0], out)
			}
			if table, err := os.ReadFile(filepath.Join(proc.cmd.Dir, "waveplate.csv")); err != nil || len(parseCSV(t, string(table))) != 1+36*2 {
				t.Errorf("waveplate.csv: %v, %d bytes; want two readings of each angle", err, len(table))
			}
		})
	}
}

// pairWithLocal makes the pairing pi-lab3 from what the gateway of this test left
// for programs on its own computer. With a name it is spoken to over TLS.
func pairWithLocal(t *testing.T) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(configDir(t), "local", "*.json"))
	if err != nil || len(found) != 1 {
		t.Fatalf("what gateways left for programs here: %v %v, want one file", found, err)
	}
	content, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(configDir(t), "gateways"), 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(configDir(t), "gateways", "pi-lab3.json"), content)
}

func parseNumber(t *testing.T, text string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestPythonInstalls: pip makes a package of the folder.
func TestPythonInstalls(t *testing.T) {
	t.Parallel()
	ways := pythons(t)
	p := ways[len(ways)-1]
	if exec.Command(p.path, "-m", "pip", "--version").Run() != nil {
		leftOut(t, "pip is not installed (Debian: apt-get install python3-pip python3-setuptools python3-wheel)")
	}
	source, target := filepath.Join(t.TempDir(), "python"), t.TempDir()
	if err := os.CopyFS(source, os.DirFS(pythonFolder(t))); err != nil { // pip leaves files in it
		t.Fatal(err)
	}
	install := exec.Command(p.path, "-m", "pip", "install", "--no-index", "--no-deps", "--no-build-isolation", "--target", target, source)
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command(p.path, "-B", "-c", "import sys; sys.path.insert(0, sys.argv[1]); import photongate; print(photongate.__file__)", target).CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), target) {
		t.Errorf("%v\n%s", err, out)
	}
}
