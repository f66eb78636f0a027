// Package all is the list of all drivers, generated from their folders: a new
// driver appears in it by `go generate ./...`.
package all

import "photongate/device"

//go:generate go run gen.go

// Find returns the driver with the given name and reports whether there is one.
func Find(name string) (device.Driver, bool) {
	for _, d := range Drivers() {
		if d.Name == name {
			return d, true
		}
	}
	return device.Driver{}, false
}
