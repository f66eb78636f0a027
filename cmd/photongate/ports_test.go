package main

import (
	"errors"
	"testing"

	"photongate/cmd/internal/cli"
	"photongate/device"
	"photongate/gateway"
)

// A program without USB says so when it is configured to use it, and not before.
func TestCheckUSB(t *testing.T) {
	without := errors.New("USB is not available: install it")
	drivers := []device.Driver{{Name: "cd48", Transport: device.Serial}, {Name: "u3", Transport: device.USB}}
	for _, tc := range []struct {
		driver, port string
		err          error
		want         string
	}{
		{"cd48", "/dev/ttyUSB0", without, ""},
		{"cd48", "usb:04b4:f232", without, ""},
		{"cd48", "ftdi:0403:6001", without, "lab.toml: device a on port ftdi:0403:6001: USB is not available: install it"},
		{"u3", "usb:0cd5:0003", without, "lab.toml: device a on port usb:0cd5:0003: USB is not available: install it"},
		{"u3", "usb:0cd5:0003", nil, ""},
	} {
		config := gateway.Config{File: "lab.toml", Devices: []gateway.DeviceConfig{{Name: "a", Driver: tc.driver, Port: tc.port}}}
		err := checkUSB(config, drivers, tc.err)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || err.Error() != tc.want) {
			t.Errorf("%s on %s: %v, want %q", tc.driver, tc.port, err, tc.want)
		}
		if e, ok := errors.AsType[*cli.Error](err); err != nil && (!ok || e.Code != cli.Usage) {
			t.Errorf("%v has not the exit code of a wrong configuration", err)
		}
	}
}
