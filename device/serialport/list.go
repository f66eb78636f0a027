package serialport

import (
	"fmt"
	"strconv"
	"strings"

	"photongate/device"
)

// Info describes a serial port that is present.
type Info struct {
	Name         string       // "/dev/ttyACM0", "COM3"
	USB          bool         // the fields below are known
	ID           device.USBID // vendor and product id; Shared is not set
	Serial       string       // serial number; empty when the device has none
	Socket       string       // where it is plugged in: "1-1.4"; Linux only
	Manufacturer string
	Product      string // product text of the device
	Interface    string // number of the USB interface, where a device has several ports
}

// String returns one line for people.
func (i Info) String() string {
	if !i.USB {
		return i.Name
	}
	s := fmt.Sprintf("%s usb:%s", i.Name, i.ID)
	if i.Serial != "" {
		s += ":" + i.Serial
	}
	if i.Socket != "" {
		s += " usb-path:" + i.Socket
	}
	if i.Product != "" {
		s += " " + strconv.Quote(i.Product)
	}
	return s
}

func describeAll(ports []Info) string {
	const most = 8
	var list []string
	for k, p := range ports {
		if k == most {
			list = append(list, fmt.Sprintf("and %d more", len(ports)-most))
			break
		}
		list = append(list, p.String())
	}
	return strings.Join(list, ", ")
}

// resolve turns a port's name in the configuration into that of its node,
// looking at what is present now.
func resolve(name string, list func() ([]Info, error)) (string, error) {
	fits, err := selector(name)
	if err != nil {
		return "", &device.Error{Op: "open", Port: name, Err: fmt.Errorf("%w: %w", device.ErrNoPort, err),
			Hint: "write usb:VID:PID, usb:VID:PID:SERIAL or usb-path:SOCKET as `photongate devices` prints them"}
	}
	if fits == nil {
		return name, nil
	}
	ports, err := list()
	if err != nil {
		return "", &device.Error{Op: "look for", Port: name, Err: err, Hint: "name the port itself, like /dev/ttyACM0"}
	}
	var found []Info
	for _, p := range ports {
		if p.USB && fits(p) {
			found = append(found, p)
		}
	}
	switch len(found) {
	case 1:
		return found[0].Name, nil
	case 0:
		hint := "no serial port is present: is the instrument plugged in and on?"
		if len(ports) > 0 {
			hint = "present: " + describeAll(ports)
		}
		return "", &device.Error{Op: "open", Port: name, Err: device.ErrNoPort, Hint: hint}
	default:
		return "", &device.Error{Op: "open", Port: name,
			Err:  fmt.Errorf("%w: %s", device.ErrAmbiguous, describeAll(found)),
			Hint: "add the serial number, name the socket with usb-path:, or name the port itself"}
	}
}

// selector returns what a port must be like to be meant by a name, or nil when
// the name is that of a node.
func selector(name string) (func(Info) bool, error) {
	if socket, ok := strings.CutPrefix(name, "usb-path:"); ok {
		if socket == "" {
			return nil, fmt.Errorf("%q names no socket", name)
		}
		return func(i Info) bool { return i.Socket == socket }, nil
	}
	rest, ok := strings.CutPrefix(name, "usb:")
	if !ok {
		return nil, nil
	}
	part := strings.SplitN(rest, ":", 3)
	if len(part) < 2 {
		return nil, fmt.Errorf("%q has no product id", name)
	}
	vendor, err1 := strconv.ParseUint(part[0], 16, 16)
	product, err2 := strconv.ParseUint(part[1], 16, 16)
	if err1 != nil || err2 != nil {
		return nil, fmt.Errorf("%q: ids are four hexadecimal digits each", name)
	}
	return func(i Info) bool {
		return uint64(i.ID.Vendor) == vendor && uint64(i.ID.Product) == product && (len(part) == 2 || i.Serial == part[2])
	}, nil
}
