package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"photongate/cmd/internal/cli"
	"photongate/device"
	"photongate/device/all"
	"photongate/device/homebuilt"
	"photongate/gateway"
	"photongate/instrument"
)

// findDriver returns the driver of that name, or of the instrument file at that
// path.
func findDriver(name string) (device.Driver, error) {
	if instrument.FromPath(name) {
		if !isInstrumentFile(name) {
			return device.Driver{}, cli.Wrong("%s is a configuration, of a gateway and its devices (expected the driver of one of them, or an instrument file; photongate check looks at a configuration)", name)
		}
		return fileDriver(name, name)
	}
	if d, ok := all.Find(name); ok {
		return d, nil
	}
	var names []string
	for _, d := range all.Drivers() {
		names = append(names, d.Name)
	}
	if near := gateway.Nearest(name, names); near != "" {
		return device.Driver{}, cli.Wrong("no driver %q: did you mean %s? photongate drivers lists all there are", name, near)
	}
	return device.Driver{}, cli.Wrong("no driver %q; there are: %s; and of home-built counters those that photongate drivers lists; an instrument without one may be described in a file: photongate try FILE.toml, or looked at: photongate try %s",
		name, driverNames(all.Named()), unknownDriver)
}

// fileDriver returns the driver of an instrument file under the name that the
// configuration has for it. What is wrong with the file is a usage error.
func fileDriver(path, name string) (device.Driver, error) {
	f, err := instrument.Load(path)
	if err != nil {
		return device.Driver{}, &cli.Error{Code: cli.Usage, Err: err}
	}
	d := homebuilt.Driver(f)
	d.Name = name
	return d, nil
}

// instrumentFile returns the file behind a driver's name, a preset or a path; nil
// when there is none.
func instrumentFile(name string) *instrument.File {
	if instrument.FromPath(name) {
		f, _ := instrument.Load(name) // it was read before
		return f
	}
	for _, f := range instrument.Presets() {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// fileDrivers returns the drivers of the instrument files that a configuration
// names, by paths relative to its own. It has the configuration refused where a
// file is not well or its examples are not read as they say.
func fileDrivers(config *gateway.Config) []device.Driver {
	var list []device.Driver
	for i, d := range config.Devices {
		known := slices.ContainsFunc(list, func(other device.Driver) bool { return other.Name == d.Driver })
		if !instrument.FromPath(d.Driver) || known {
			continue
		}
		f, err := instrument.Load(besides(config.File, d.Driver))
		if err == nil {
			err = homebuilt.Check(f)
		}
		if err != nil {
			config.Refuse(i, "driver", whatIsWrong(err))
		}
		if f != nil {
			driver := homebuilt.Driver(f)
			driver.Name = d.Driver
			list = append(list, driver)
		}
	}
	return list
}

// besides makes a path that a configuration file names one from here.
func besides(config, path string) string {
	if config == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(config), path)
}

// whatIsWrong tells what is wrong with an instrument file in one line.
func whatIsWrong(err error) string {
	bad, ok := errors.AsType[*instrument.Error](err)
	if !ok || len(bad.Problems) == 0 {
		return err.Error() + " (expected the path of an instrument file, or the name of a driver)"
	}
	text := "the instrument file is not well: " + bad.Problems[0].In(bad.Path)
	if n := len(bad.Problems) - 1; n > 0 {
		text += fmt.Sprintf("; and %d more, which photongate check %s lists", n, bad.Path)
	}
	return text
}

// streamName is what a device is called that --device names: by its driver, or by
// the name in its file.
func streamName(driver string) string {
	if !instrument.FromPath(driver) {
		return driver
	}
	if f, err := instrument.Load(driver); err == nil {
		return f.Name
	}
	base := filepath.Base(driver)
	return strings.ToLower(strings.TrimSuffix(base, filepath.Ext(base)))
}

// examplesText says that the examples of a file were tried.
func examplesText(f *instrument.File) string {
	if n := len(f.Examples); n > 1 {
		return fmt.Sprintf("%d examples are read as they say", n)
	}
	return "its example is read as it says"
}
