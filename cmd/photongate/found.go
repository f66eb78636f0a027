package main

import (
	"fmt"
	"strings"

	"photongate/device"
	"photongate/device/ftdi"
	"photongate/device/serialport"
	"photongate/device/usbport"
)

// How sure it is that an instrument is a driver's. The fourth is device.Assumed.
const (
	likely   = "likely"
	possible = "possible"
)

// found is a serial port or a USB device that is present. Its keys in JSON are always
// there.
type found struct {
	Kind         string     `json:"kind"`         // "serial", "usb"
	Port         string     `json:"port"`         // as the system calls it now: a serial port, or the node of a USB device
	Config       string     `json:"config"`       // what to write in a configuration
	USB          string     `json:"usb"`          // vendor and product id, "0403:6001"; empty: not on USB
	Serial       string     `json:"serial"`       // serial number
	Socket       string     `json:"socket"`       // where it is plugged in
	Manufacturer string     `json:"manufacturer"` // as the device says
	Product      string     `json:"product"`
	Adapter      bool       `json:"adapter"` // the id of a serial chip, whatever hangs on it
	Holders      []holder   `json:"holders"` // processes that have it open, as far as the system tells
	Drivers      []fit      `json:"drivers"` // whose USB id this is
	Probes       []answered `json:"probes"`  // what --probe was answered
	Note         string     `json:"note"`    // what else to know of it

	id device.USBID
}

// holder is a process that has a port open.
type holder struct {
	PID     int    `json:"pid"`
	Program string `json:"program"`
}

// fit is a driver that may fit.
type fit struct {
	Driver string `json:"driver"`
	Sure   string `json:"sure"` // likely, possible, assumed; confirmed after --probe
	Config string `json:"config"`

	driver device.Driver
	id     device.USBID
}

// survey joins ports and USB devices into one list: a device of which the system made
// serial ports is listed as these. holders tells who has a node open, byPath another
// name of a port that stays (either may be nil).
func survey(ports []serialport.Info, usb []usbport.Present, drivers []device.Driver,
	holders func(node string) []serialport.Holder, byPath func(node string) string) []found {
	list := make([]found, 0, len(ports)+len(usb))
	for _, p := range ports {
		f := found{Kind: "serial", Port: p.Name, Config: p.Name, Serial: p.Serial, Socket: p.Socket, Manufacturer: p.Manufacturer, Product: p.Product}
		if p.USB {
			f.USB, f.id = p.ID.String(), p.ID
		}
		list = append(list, f)
	}
	for _, u := range usb {
		f := found{Kind: "usb", Port: u.Node, Serial: u.Serial, Socket: u.Socket, Manufacturer: u.Manufacturer, Product: u.Product,
			USB: u.ID.String(), id: u.ID}
		if !isPort(f, list[:len(ports)]) {
			list = append(list, f)
		}
	}
	for i := range list {
		f := &list[i]
		f.Holders, f.Drivers, f.Probes = []holder{}, []fit{}, []answered{}
		if f.USB != "" {
			f.name(list, byPath)
			f.match(drivers, list)
		}
		if holders != nil && f.Port != "" {
			for _, h := range holders(f.Port) {
				f.Holders = append(f.Holders, holder{h.PID, h.Program})
			}
		}
	}
	return list
}

// isPort reports whether a USB device is listed as a serial port already. Sockets
// are not known everywhere.
func isPort(f found, ports []found) bool {
	for _, p := range ports {
		if p.USB == f.USB && (p.Socket != "" && p.Socket == f.Socket || p.Socket == "" && p.Serial == f.Serial) {
			return true
		}
	}
	return false
}

// name finds under which name it is found again: its serial number where no other
// one has the same, else the socket, so that identical adapters are told apart.
func (f *found) name(list []found, byPath func(string) string) {
	twins, siblings := 0, 0 // with the same ids and serial number; of the same device
	for _, o := range list {
		if o.USB == f.USB && o.Serial == f.Serial {
			twins++
			if o.Socket != "" && o.Socket == f.Socket {
				siblings++
			}
		}
	}
	switch {
	case siblings > 1:
		f.Config = f.Port
		f.Note = fmt.Sprintf("one of the %d ports of this device: the system may number them otherwise next time", siblings)
		if byPath != nil {
			if link := byPath(f.Port); link != "" {
				f.Config, f.Note = link, fmt.Sprintf("one of the %d ports of this device", siblings)
			}
		}
	case f.Serial != "" && isPlain(f.Serial) && twins == 1:
		f.Config = "usb:" + f.USB + ":" + f.Serial
	case f.Socket != "":
		f.Config = "usb-path:" + f.Socket
		if f.Serial != "" && twins > 1 {
			f.Note = fmt.Sprintf("%d devices have this serial number: it is named by its socket, so leave it there", twins)
		}
	case twins == 1:
		f.Config = "usb:" + f.USB
	}
}

// isPlain reports whether a text can be written in a configuration and on a command
// line as it is.
func isPlain(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"'\\,", r) }) < 0
}

// match finds the drivers whose USB id it has, and the name under which each of them
// opens it.
func (f *found) match(drivers []device.Driver, list []found) {
	onLine := false // a driver needs a serial port, which the system did not make
	for _, d := range drivers {
		for _, id := range d.USB {
			if !id.Same(f.id) {
				continue
			}
			f.Adapter = f.Adapter || id.Adapter
			config := f.Config
			if f.Kind == "usb" && d.Transport != device.USB {
				if config = f.overFTDI(list); config == "" {
					onLine = true
					continue
				}
			}
			f.Drivers = append(f.Drivers, fit{Driver: d.Name, Sure: sureness(d, id), Config: config, driver: d, id: id})
		}
	}
	if onLine && f.Note == "" {
		f.Note = "the system made no serial port of it: its kernel module is missing, or another program took it (brltty takes 1a86:7523)"
	}
}

// ftdiVendor is whose chips are spoken to over libusb, as a serial port.
const ftdiVendor = 0x0403

// overFTDI names a chip of which the system made no port, empty when that is not
// possible: these are told apart by serial number only.
func (f *found) overFTDI(list []found) string {
	same := 0
	for _, o := range list {
		if o.USB == f.USB {
			same++
		}
	}
	switch {
	case f.id.Vendor != ftdiVendor:
		return ""
	case strings.HasPrefix(f.Config, "usb:"+f.USB+":"):
		return ftdi.Prefix + strings.TrimPrefix(f.Config, "usb:")
	case same == 1:
		return ftdi.Prefix + f.USB
	}
	return ""
}

// sureness says how sure it is from an id that an instrument is a driver's.
func sureness(d device.Driver, id device.USBID) string {
	switch {
	case !id.Shared:
		return likely
	case d.Identity == device.Assumed:
		return string(device.Assumed)
	}
	return possible
}

// named reports whether it is what a person means by a port's name.
func (f *found) named(port string) bool {
	return port == f.Port || port == f.Config || port == "usb-path:"+f.Socket && f.Socket != "" ||
		f.USB != "" && (port == "usb:"+f.USB || port == "usb:"+f.USB+":"+f.Serial)
}

// heldBy names who has it open, empty for nobody.
func (f *found) heldBy() string {
	var who []string
	for _, h := range f.Holders {
		who = append(who, serialport.Holder{PID: h.PID, Program: h.Program}.String())
	}
	return strings.Join(who, ", ")
}
