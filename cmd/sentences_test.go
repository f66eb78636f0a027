package cmd_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestCheckSaysWhatIsWrong: exit 2 and a line a student understands, with the
// file, the line and the key.
func TestCheckSaysWhatIsWrong(t *testing.T) {
	const good = "[gateway]\nname = \"pi-lab3\"\njournal = \"JOURNAL\"\n\n[[device]]\nname = \"bench\"\ndriver = \"cd48\"\nport = \"/dev/ttyACM0\"\n[device.options]\ngate = \"100ms\"\n"
	replace := func(old, with string) string {
		s := strings.Replace(good, old, with, 1)
		if s == good {
			t.Fatalf("%q is not in the configuration", old)
		}
		return s
	}
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"all well":            {good, nil},
		"unknown key":         {replace("port =", "colour = \"red\"\nport ="), []string{":8:", "colour"}},
		"usual wrong word":    {replace("gate =", "dwell ="), []string{":10:", "dwell", "gate"}},
		"wrong type":          {replace(`"cd48"`, "48"), []string{":7:", "driver"}},
		"unknown driver":      {replace(`"cd48"`, `"cd49"`), []string{"cd49", "cd48", "de2ccu"}},
		"duplicate name":      {good + "\n[[device]]\nname = \"bench\"\ndriver = \"de2ccu\"\nport = \"/dev/ttyUSB0\"\n", []string{"bench", "name"}},
		"gate without unit":   {replace(`"100ms"`, `"100"`), []string{"gate", "100ms"}},
		"gate too long":       {replace(`"100ms"`, `"2h"`), []string{"gate", "2h"}},
		"gate a number":       {replace(`"100ms"`, `100`), []string{"gate", "100ms"}},
		"gate of another box": {strings.Replace(replace(`"cd48"`, `"de2ccu"`), "gate", "gate", 1), []string{"gate", "de2ccu"}},
		"no such channel":     {good + "[[device.channel]]\ninput = \"Z\"\n", []string{":12:", "input", "Z", "counter 7"}},
		"a name for folders":  {replace(`"bench"`, `"../bench"`), []string{"../bench"}},
		"journal is a file":   {replace("JOURNAL", blocked+"/journal"), []string{"journal", blocked}},
		"beyond loopback":     {replace("journal", "listen = \"0.0.0.0:7310\"\njournal"), nil},
		"listen is no port":   {replace("journal", "listen = \"0.0.0.0:http\"\njournal"), []string{":3:", "listen", "http", "65535"}},
		"no TOML":             {"gateway: pi\n", []string{":1:"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := filepath.Join(dir, "lab.toml")
			text := strings.ReplaceAll(c.text, "JOURNAL", filepath.Join(dir, "journal"))
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			code, _, stderr := run(t, "photongate", "check", "-c", file)
			if c.want == nil {
				if code != 0 {
					t.Errorf("exit %d for a good configuration:\n%s", code, stderr)
				}
				return
			}
			if code != 2 {
				t.Errorf("exit %d, want 2", code)
			}
			if !containsAll(stderr, append(c.want, "lab.toml")) {
				t.Errorf("said %q, want the file and %q in it", stderr, c.want)
			}
			if strings.Contains(stderr, "goroutine ") {
				t.Errorf("panicked:\n%s", stderr)
			}
		})
	}
	code, _, stderr := run(t, "photongate", "check", "-c", "/nonexistent/lab.toml")
	if code != 2 || !strings.Contains(stderr, "/nonexistent/lab.toml") {
		t.Errorf("a missing file: exit %d, said %q", code, stderr)
	}
}

// TestCheckWithoutFile: what a command line says wrong is not answered with the
// rules of a file.
func TestCheckWithoutFile(t *testing.T) {
	for option, want := range map[string]string{
		"gate=100":       "gate: 100 has no unit (expected a duration such as 100ms)",
		"threshold=0.5A": "threshold: 0.5A is no number (input threshold, in steps of 16 mV: expected a number in V)",
		"threshold=0.5V": "", // with its unit, as people write it
		"impedance=50":   "",
	} {
		code, _, stderr := run(t, "photongate", "check", "--device", "cd48@/dev/ttyACM0,"+option)
		if want == "" && code != 0 || want != "" && (code != 2 || !strings.Contains(stderr, want) || strings.Contains(stderr, "quote")) {
			t.Errorf("%s: exit %d, said %q, want %q", option, code, stderr, want)
		}
	}
}

// TestPortTrouble: a port that is not there, is held by another program, may
// not be opened or delivers nonsense is a state with a hint, tried again for
// ever; the gateway goes on.
func TestPortTrouble(t *testing.T) {
	t.Run("no such port", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, "cd48", `gate = "100ms"`)
		gateway := b.startGateway()
		gateway.waitFor("bench", b.link, "waiting", "not there yet", "no such port")
		b.startSim() // it is plugged in at last
		gateway.waitFor("bench", "running", "model=CD48", "firmware=1.4", "identity=confirmed", "gate=100ms", "timing=device", "channels=A,B,C,D,AB")
	})
	t.Run("in use", func(t *testing.T) {
		t.Parallel()
		t.Attr("fault", "F37")
		t.Attr("injected", "a second gateway on the port of one that runs")
		t.Attr("promised", "refused with the holder's process, read once that one is gone")
		b := newBench(t, "cd48", `gate = "100ms"`)
		b.startSim()
		first := b.startGateway()
		first.waitFor("bench", "running")
		other := newBench(t, "cd48", `gate = "100ms"`)
		retarget(t, other.config, other.link, b.link)
		second := other.startGateway()
		line := second.waitFor("bench", "in use")
		if pid := fmt.Sprintf("process %d", first.cmd.Process.Pid); !strings.Contains(line, pid) {
			t.Errorf("said %q, want the holder, %s", line, pid)
		}
		first.stop()
		second.waitFor("bench", "running")
		_, said, _ := strings.Cut(line, "port is in use")
		t.Attr("seen", "port is in use"+said)
	})
	t.Run("permission denied", func(t *testing.T) {
		t.Parallel()
		if os.Getuid() != 0 {
			t.Skip("needs root, to start the gateway as somebody with fewer rights")
		}
		b := newBench(t, "cd48", `gate = "100ms"`)
		b.startSim()
		// As a tty of a Debian system is: for root and the group dialout.
		const dialout = 20
		if err := errors.Join(os.Chown(b.link, 0, dialout), os.Chmod(b.link, 0o660)); err != nil {
			t.Fatal(err)
		}
		for dir := b.dir; dir != "/" && dir != "/tmp"; dir = filepath.Dir(dir) {
			if err := os.Chmod(dir, 0o777); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(b.config, 0o644); err != nil {
			t.Fatal(err)
		}
		for dir := bin; dir != "/" && dir != "/tmp"; dir = filepath.Dir(dir) {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		gateway := startAs(t, &syscall.Credential{Uid: 65534, Gid: 65534}, "photongate", "run", "-c", b.config)
		line := gateway.waitFor("bench", "permission denied")
		if !strings.Contains(line, "group") || !strings.Contains(line, "log") {
			t.Errorf("said %q, want the group to join and that one must log in again", line)
		}
	})
	t.Run("nonsense", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, "cd48", `gate = "100ms"`)
		b.sim[0] = "de2ccu" // another instrument on the line
		b.startSim()
		gateway := b.startGateway()
		line := gateway.waitFor("bench", "not what this instrument sends")
		if !strings.Contains(line, "photongate drivers") && !strings.Contains(line, "photongate try") {
			t.Errorf("said %q, want a hint what to try", line)
		}
		gateway.waitFor("bench", "again")
	})
}

// TestConnectionSentences: nothing listening here, nothing listening there,
// and no way there are three different sentences.
func TestConnectionSentences(t *testing.T) {
	b := newBench(t, "de2ccu", "")
	record := b.startRecord("--for", "1s")
	here := record.waitFor("no gateway listens")
	if !strings.Contains(here, b.addr) {
		t.Errorf("said %q, want the address %s", here, b.addr)
	}
	b.startSim()
	b.startGateway()
	if code := record.exit(); code != 0 { // it connects as soon as the gateway is there
		t.Errorf("record: exit %d", code)
	}
}
