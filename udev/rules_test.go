package udev

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"photongate/device"

	"github.com/google/go-cmp/cmp"
)

func TestFilesAreFresh(t *testing.T) {
	there, err := filepath.Glob("*.rules")
	if err != nil {
		t.Fatal(err)
	}
	files := Files()
	if want := slices.Sorted(maps.Keys(files)); !slices.Equal(there, want) {
		t.Errorf("files %v, want %v", there, want)
	}
	for name, want := range files {
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(got), want); d != "" {
			t.Errorf("%s is stale: go generate ./udev (-there +want)\n%s", name, d)
		}
	}
}

// What two drivers with one id in common, and one with its own, make.
func TestRules(t *testing.T) {
	chip := device.USBID{Vendor: 0x1a86, Product: 0x7523, Shared: true, Adapter: true}
	files := filesFor([]device.Driver{
		{Name: "b", USB: []device.USBID{chip}}, {Name: "a", USB: []device.USBID{{Vendor: 0x0cd5, Product: 3}}}, {Name: "c", USB: []device.USBID{chip}}, {Name: "d"},
	})
	for name, want := range map[string][]string{
		LabelFile: {
			`SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", ATTR{idVendor}=="0cd5", ATTR{idProduct}=="0003", ENV{PHOTONGATE_DRIVERS}="a", ENV{ID_MM_DEVICE_IGNORE}="1"`,
			`SUBSYSTEM=="tty", ATTRS{idVendor}=="1a86", ATTRS{idProduct}=="7523", ENV{PHOTONGATE_DRIVERS}="b c", ENV{ID_MM_DEVICE_IGNORE}="1"`,
		},
		AccessFile: {
			`SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", ATTR{idVendor}=="0cd5", ATTR{idProduct}=="0003", MODE="0660", GROUP="plugdev", TAG+="uaccess"`,
			`SUBSYSTEM=="tty", ATTRS{idVendor}=="1a86", ATTRS{idProduct}=="7523", MODE="0660", TAG+="uaccess"`,
		},
		BrlttyFile: {
			`SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", ATTR{idVendor}=="1a86", ATTR{idProduct}=="7523", ENV{BRLTTY_BRAILLE_DRIVER}=="?*", ENV{BRLTTY_BRAILLE_DRIVER}="", ENV{SYSTEMD_WANTS}=""`,
		},
	} {
		lines := strings.Split(files[name], "\n")
		for _, line := range want {
			if !slices.Contains(lines, line) {
				t.Errorf("%s has no line\n%s\n%s", name, line, files[name])
			}
		}
	}
	if strings.Contains(files[BrlttyFile], "0cd5") {
		t.Errorf("brltty is kept away from what it does not take:\n%s", files[BrlttyFile])
	}
}

// word is one part of a rule (udev(7)): a key, an operator and a value in quotes. Only
// the keys that the rules here use are known.
var word = regexp.MustCompile(`^(SUBSYSTEM|ACTION|GOTO|LABEL|MODE|GROUP|TAG|ENV\{[A-Z_]+\}|ATTRS?\{[A-Za-z]+\})(==|!=|=|\+=)"([^"\\]*)"$`)

// wrong says what is wrong with a file of rules, by udev(7); empty: nothing.
func wrong(text string) string {
	jumps, labels := map[string]bool{}, map[string]bool{}
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		for part := range strings.SplitSeq(line, ", ") {
			m := word.FindStringSubmatch(part)
			if m == nil {
				return line + ": " + part
			}
			match := m[2] == "==" || m[2] == "!="
			switch key, _, _ := strings.Cut(m[1], "{"); {
			case key == "GOTO" || key == "LABEL" || key == "MODE" || key == "GROUP":
				if m[2] != "=" {
					return line + ": " + part
				}
			case key == "SUBSYSTEM" || key == "ACTION" || key == "ATTR" || key == "ATTRS":
				if !match { // ATTR= would write to the device
					return line + ": " + part
				}
			}
			jumps[m[3]] = jumps[m[3]] || m[1] == "GOTO"
			if m[1] == "LABEL" {
				labels[m[3]] = true
			}
			if m[1] == "GOTO" && labels[m[3]] {
				return line + ": jumps back"
			}
		}
	}
	for to, is := range jumps {
		if is && !labels[to] {
			return "no label " + to
		}
	}
	return ""
}

// The rules are well formed: by a check of our own that runs everywhere.
func TestSyntax(t *testing.T) {
	for name, text := range Files() {
		if what := wrong(text); what != "" {
			t.Errorf("%s: %s", name, what)
		}
	}
	for _, bad := range []string{
		`SUBSYSTEM="usb"`, `ATTR{idVendor}="0403"`, `SUBSYSTEM=="tty" MODE="0660"`, `MODE=="0660"`, `SUBSYSTEM=="tty",`, `OWNER="me"`,
		`MODE="0660`, `GOTO="nowhere"`, "LABEL=\"back\"\nGOTO=\"back\"",
	} {
		if wrong(bad) == "" {
			t.Errorf("passed: %s", bad)
		}
	}
}

// udev itself finds nothing wrong with the rules. That its daemon does what they say is
// held in a virtual machine (TestRealKernelUdev).
func TestVerifiedByUdev(t *testing.T) {
	path, err := exec.Command("../.ci/udevadm").Output()
	if err != nil {
		why := "no udevadm that verifies rules is here (systemd 254 and later); on Debian .ci/udevadm --fetch gets one"
		if os.Getenv("CI") != "" {
			t.Fatal("cannot run here, and CI is set: " + why)
		}
		t.Skip(why)
	}
	verify := func(file string) ([]byte, error) {
		return exec.Command(strings.TrimSpace(string(path)), "verify", "--resolve-names=never", file).CombinedOutput()
	}
	for name := range Files() {
		if out, err := verify(name); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	bad := filepath.Join(t.TempDir(), "bad.rules")
	if err := os.WriteFile(bad, []byte(`SUBSYSTEM=="usb", ATTR{idVendor}=="0403", MOD="0660"`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := verify(bad); err == nil {
		t.Errorf("it passed a key that there is none of:\n%s", out)
	}
}
