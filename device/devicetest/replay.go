package devicetest

import (
	"bytes"
	"os"
	"testing"

	"photongate/device"
	"photongate/device/recording"
	"photongate/device/trial"
)

// Replay tries a driver on a recording, as `photongate try --replay` does, with
// the settings the recording was made with, and returns what came of it. A
// recording from a bug report becomes a test by it: keep the file in testdata
// and say what ought to come.
func Replay(t *testing.T, d device.Driver, file string) trial.Report {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	rec, err := recording.Parse(f)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if rec.About.Driver != "" && rec.About.Driver != d.Name {
		t.Fatalf("%s is a recording of %s, not of %s", file, rec.About.Driver, d.Name)
	}
	settings, err := rec.About.DeviceSettings(d.Options)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	var shown bytes.Buffer
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s\n%s", file, shown.String())
		}
	})
	port := rec.Play()
	if rec.About.For == 0 {
		rec.About.For = rec.End()
	}
	report, err := trial.Trial{
		Driver: d, Settings: settings, Port: port, Clock: port.Clock, About: rec.About, Out: &shown,
	}.Run(t.Context())
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return report
}
