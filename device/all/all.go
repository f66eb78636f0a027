// Package all is the list of all drivers: those generated from their folders, where
// a new one appears by `go generate ./...`, and the instrument files that come with
// the program.
package all

import (
	"slices"
	"strings"
	"sync"

	"photongate/device"
	"photongate/device/homebuilt"
	"photongate/device/page"
	"photongate/instrument"
)

//go:generate go run gen.go
//go:generate go run pages.go

// Presets returns the drivers of the instrument files that come with the program,
// in the order of their names. Bytes that one of them can read prove little: many a
// home-built counter sends a number in a line.
var Presets = sync.OnceValue(func() []device.Driver {
	var list []device.Driver
	for _, f := range instrument.Presets() {
		list = append(list, homebuilt.Driver(f))
	}
	return list
})

// Drivers returns all drivers, in the order of their names.
func Drivers() []device.Driver {
	list := slices.Concat(Named(), Presets())
	slices.SortFunc(list, func(a, b device.Driver) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Find returns the driver with the given name and reports whether there is one.
func Find(name string) (device.Driver, bool) {
	for _, d := range Drivers() {
		if d.Name == name {
			return d, true
		}
	}
	return device.Driver{}, false
}

// Verified says in which ways a driver is tried by the tests; the zero value for one
// that is not in the list.
func Verified(name string) page.Evidence {
	for _, f := range instrument.Presets() {
		if f.Name == name {
			return page.Evidence{Examples: len(f.Examples), Twin: true}
		}
	}
	return verified(name)
}
