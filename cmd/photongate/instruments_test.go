package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"photongate/device/all"
	"photongate/gateway"
)

const counterFile = `name = "my-counter"
title = "a counter somebody soldered"
[link]
baud = 115200
[gate]
time = "1s"
[[channel]]
name = "A"
[[example]]
bytes = "12345\r\n"
readings = [[12345]]
`

const counterConfig = `[gateway]
name = "lab"
[[device]]
name   = "bench"
driver = "counters/my.toml"
port   = "/dev/ttyUSB7"
  [[device.channel]]
  input = "A"
  name  = "idler"
`

// write makes files in a new folder and returns it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// check runs photongate check and returns what it says.
func check(args ...string) (string, error) {
	c := newCheckCommand()
	var out bytes.Buffer
	c.SetOut(&out)
	c.SetErr(&out)
	c.SilenceUsage, c.SilenceErrors = true, true
	c.SetArgs(args)
	err := c.Execute()
	return out.String(), err
}

// A configuration names an instrument file by a path relative to itself; what is
// wrong with the file is told with both lines.
func TestInstrumentFileInConfiguration(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"well":      {counterFile, ""},
		"not there": {"", `device.driver: read instrument file`},
		"wrong key": {strings.Replace(counterFile, "baud", "boud", 1), `pg.toml:5: device.driver: the instrument file is not well: `},
		"example":   {strings.Replace(counterFile, "[[12345]]", "[[1]]", 1), "my.toml:9: example 1: reading 1: channel A reads 12345 (expected 1)"},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"pg.toml": counterConfig}
			if c.file != "" {
				files["counters/my.toml"] = c.file
			}
			config, err := gateway.LoadConfig(filepath.Join(write(t, files), "pg.toml"))
			if err != nil {
				t.Fatal(err)
			}
			drivers := append(all.Drivers(), fileDrivers(&config)...)
			err = config.Validate(drivers)
			if c.want == "" {
				if err != nil || drivers[len(drivers)-1].Name != "counters/my.toml" {
					t.Errorf("%v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestCheckOfOneInstrumentFile(t *testing.T) {
	dir := write(t, map[string]string{
		"good.toml": counterFile, "bad.toml": strings.Replace(counterFile, "12345]", "1]", 1), "pg.toml": counterConfig,
	})
	out, err := check(filepath.Join(dir, "good.toml"))
	if err != nil || !strings.Contains(out, "instrument file is well: its example is read as it says") {
		t.Errorf("%q, %v", out, err)
	}
	if !strings.Contains(out, "  gate: timed by the instrument, intervals of ") {
		t.Errorf("how it is timed is not told: %s", out)
	}
	untimed := write(t, map[string]string{"free.toml": regexp.MustCompile(`(?m)^time *=.*$`).ReplaceAllString(counterFile, "")})
	if out, err := check(filepath.Join(untimed, "free.toml")); err != nil || !strings.Contains(out, "  gate: timed by arrival; if the counter times it itself, time = ") {
		t.Errorf("%q, %v", out, err)
	}
	if _, err := check(filepath.Join(dir, "bad.toml")); err == nil || !strings.Contains(err.Error(), "channel A reads 12345 (expected 1)") {
		t.Errorf("%v", err)
	}
	if _, err := check(filepath.Join(dir, "pg.toml")); err == nil || !strings.Contains(err.Error(), "is named with -c") {
		t.Errorf("a configuration: %v", err)
	}
	if _, err := check(filepath.Join(dir, "none.toml")); err == nil || strings.Contains(err.Error(), "stat") {
		t.Errorf("a file that is not there: %v", err)
	}
	named := write(t, map[string]string{"cd48.toml": strings.Replace(counterFile, `"my-counter"`, `"cd48"`, 1)})
	if _, err := check(filepath.Join(named, "cd48.toml")); err == nil || !strings.Contains(err.Error(), `"cd48" is a driver's that photongate has`) {
		t.Errorf("a driver's name: %v", err)
	}
	if _, err := findDriver(filepath.Join(dir, "pg.toml")); err == nil || !strings.Contains(err.Error(), "is a configuration") {
		t.Errorf("a configuration as an instrument file: %v", err)
	}
}

func TestDeviceFlagWithAFile(t *testing.T) {
	dir := write(t, map[string]string{"my.toml": counterFile})
	d, err := parseDevice(filepath.Join(dir, "my.toml")+"@/dev/ttyUSB0,gate=1s", nil)
	if err != nil || d.Name != "my-counter" || d.Driver != filepath.Join(dir, "my.toml") || d.Port != "/dev/ttyUSB0" {
		t.Errorf("%+v, %v", d, err)
	}
	if d, err := findDriver(filepath.Join(dir, "my.toml")); err != nil || d.Title != "a counter somebody soldered" {
		t.Errorf("%+v, %v", d, err)
	}
	if d, err := findDriver("freqcount"); err != nil || d.Line.Baud != 57600 {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := findDriver("frecount"); err == nil {
		t.Error("found what is not there")
	}
}

// A name that is nearly that of a driver, or of a home-built counter, is answered with
// what was probably meant.
func TestFindDriverNearly(t *testing.T) {
	for name, says := range map[string]string{
		"lectrotic4": `no driver "lectrotic4": did you mean lectrotic-4? photongate drivers lists all there are`,
		"CD-48":      `no driver "CD-48": did you mean cd48? photongate drivers lists all there are`,
		"zzzzzzzz":   `no driver "zzzzzzzz"; there are: cc1, `,
	} {
		if _, err := findDriver(name); err == nil || !strings.HasPrefix(err.Error(), says) {
			t.Errorf("%s: %v, want %s", name, err, says)
		}
	}
}
