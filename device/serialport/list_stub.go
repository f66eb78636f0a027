//go:build darwin && !cgo

package serialport

import "go.bug.st/serial"

// List returns the serial ports that are present. This program was built
// without cgo, which macOS needs to tell USB ids and serial numbers: only names
// are known.
func List() ([]Info, error) {
	names, err := serial.GetPortsList()
	if err != nil {
		return nil, err
	}
	var list []Info
	for _, name := range names {
		list = append(list, Info{Name: name})
	}
	return list, nil
}
