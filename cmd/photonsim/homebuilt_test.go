package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"photongate/instrument"
)

const soldered = `name = "soldered"
[link]
baud = 9600
[gate]
time = "1s"
[[channel]]
name = "A"
[[example]]
bytes = "1\r\n"
readings = [[1]]
`

// command runs photonsim without a port and returns what it prints and its error.
func command(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out strings.Builder
	root := newRoot(io.Discard)
	root.SetArgs(args)
	root.SetOut(&out)
	err := addFile(root, args, io.Discard)
	if err == nil {
		err = root.ExecuteContext(t.Context())
	}
	return out.String(), err
}

func TestInstrumentFileOnTheCommandLine(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "my counters")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	good, bad, odd := filepath.Join(dir, "good.toml"), filepath.Join(dir, "bad.toml"), filepath.Join(dir, "odd.toml")
	for path, text := range map[string]string{
		good: soldered,
		bad:  strings.Replace(soldered, "baud", "boud", 1),
		odd:  soldered + "[text]\npattern = 'x(?P<A>\\d+)'\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	help, err := command(t, good, "--help")
	if err != nil {
		t.Error(err)
	}
	for _, word := range []string{"soldered, as " + good + " describes it: it sends by itself. Light falls on A.", "photonsim " + good + " --pty", "--stretch", "9600 with most", "--fault"} {
		if !strings.Contains(help, word) {
			t.Errorf("the help does not say %q:\n%s", word, help)
		}
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{good}, "at least one of the flags in the group"},
		{[]string{good, "more", "--tcp", "127.0.0.1:0"}, "unknown command"},
		{[]string{good, "--fault", "panel@1s", "--tcp", "127.0.0.1:0"}, "soldered has no panel"},
		{[]string{good, "--stretch", "-1s", "--tcp", "127.0.0.1:0"}, "expected a time from 0"},
		{[]string{bad, "--tcp", "127.0.0.1:0"}, "bad.toml:3: link.boud: unknown key (did you mean \"baud\"?)"},
		{[]string{odd, "--tcp", "127.0.0.1:0"}, "soldered: no line of an example fits the pattern"},
		{[]string{filepath.Join(dir, "none.toml"), "--tcp", "127.0.0.1:0"}, "none.toml"},
	} {
		if _, err := command(t, c.args...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got error %v, expected one with %q", c.args[1:], err, c.want)
		}
	}
}

func TestEveryPresetIsACommand(t *testing.T) {
	help, err := command(t, "--help")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range instrument.Presets() {
		if !strings.Contains(help, "  "+f.Name+" ") {
			t.Errorf("the help does not list %s", f.Name)
		}
		if _, err := command(t, f.Name, "--pty", "x", "--tcp", "y"); err == nil || !strings.Contains(err.Error(), "none of the others can be") {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
}
