package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/protocol"
)

// A device whose settings are not those asked for says so in its readings and
// here, and a call into the system that does not return is told beside its state.
func TestStatusOfATroubledDevice(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	s := &protocol.Status{Name: "pi-lab3", Software: "photongate 0.1.0", Started: now, UTCNs: protocol.Int64(now.UnixNano()), Devices: []protocol.DeviceStatus{
		{Name: "bench", Driver: "cd48", Port: "/dev/ttyACM0", State: "running", Since: now,
			Unverified: "threshold: asked for 0.800 V, the instrument says 0.160 V"},
		{Name: "lamp", Driver: "de2ccu", Port: "usb:0403:6001", State: "failed", Since: now, Cause: "open /dev/ttyUSB0: does not return since 11:59:03",
			LeftBehind: "open /dev/ttyUSB0: does not return since 11:59:03"},
		{Name: "spare", Driver: "de2ccu", Port: "usb:0403:6015", State: "running", Since: now, LeftBehind: "close /dev/ttyUSB1: does not return since 11:59:03"},
	}}
	var b strings.Builder
	if err := writeStatus(&b, s, time.Time{}, true); err != nil {
		t.Fatal(err)
	}
	_, devices, _ := strings.Cut(b.String(), "\n\n")
	want := `bench      running for 0 s  cd48 on /dev/ttyACM0
           <red>UNVERIFIED, readings are flagged: threshold: asked for 0.800 V, the<end>
           <red>instrument says 0.160 V<end>
           0 readings  0 gaps since it was started

lamp       <red>failed for 0 s  de2ccu on usb:0403:6001<end>
           open /dev/ttyUSB0: does not return since 11:59:03
           0 readings  0 gaps since it was started

spare      running for 0 s  de2ccu on usb:0403:6015
           <red>a call into the system hangs: close /dev/ttyUSB1: does not return<end>
           <red>since 11:59:03<end>
           0 readings  0 gaps since it was started

`
	got := strings.NewReplacer("\x1b[31m", "<red>", "\x1b[0m", "<end>").Replace(devices)
	if d := cmp.Diff(strings.Split(got, "\n"), strings.Split(want, "\n")); d != "" {
		t.Errorf("(-got +want):\n%s", d)
	}
}
