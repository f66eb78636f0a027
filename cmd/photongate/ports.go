package main

import (
	"context"
	"fmt"
	"runtime"
	"strings"

	"photongate/cmd/internal/cli"
	"photongate/device"
	"photongate/device/ftdi"
	"photongate/device/hotplug"
	"photongate/device/serialport"
	"photongate/device/usbport"
	"photongate/gateway"
)

// openPort opens a port that carries bytes, by whatever it is named.
func openPort(ctx context.Context, name string, line device.Line, clock device.Clock) (device.Port, error) {
	if strings.HasPrefix(name, ftdi.Prefix) {
		return ftdi.Open(ctx, usbport.Open, name, line, clock)
	}
	return serialport.Open(ctx, name, line, clock)
}

// checkUSB refuses devices that need USB where that is unavailable, nil for not:
// where this program was built without.
func checkUSB(config gateway.Config, drivers []device.Driver, unavailable error) error {
	if unavailable == nil {
		return nil
	}
	for _, d := range config.Devices {
		onUSB := strings.HasPrefix(d.Port, ftdi.Prefix)
		for _, driver := range drivers {
			onUSB = onUSB || driver.Name == d.Driver && driver.Transport == device.USB
		}
		if !onUSB {
			continue
		}
		where := config.File
		if where == "" {
			where = "configuration"
		}
		return &cli.Error{Code: cli.Usage, Err: fmt.Errorf("%s: device %s on port %s: %w", where, d.Name, d.Port, unavailable)}
	}
	return nil
}

// pluggedNames is what is looked at to notice that something was plugged in.
func pluggedNames() ([]string, error) {
	if runtime.GOOS == "linux" {
		return hotplug.Sysfs()
	}
	ports, err := serialport.List()
	names := make([]string, len(ports))
	for i, p := range ports {
		names[i] = p.String()
	}
	return names, err
}
