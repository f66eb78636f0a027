// Package udev has the rules for udev on Linux, made from the USB ids of the drivers:
// one file says what a device may be and keeps ModemManager away from it, one lets
// people open it, one keeps brltty away. `make install-udev` installs them. The
// program needs none of them, where the user may open the devices.
package udev

import (
	"fmt"
	"slices"
	"strings"

	"photongate/device"
	"photongate/device/all"
)

//go:generate go run gen.go

// The files, by the names under which they are installed. The numbers put the first
// two before those of the system that heed them (73-seat-late.rules of systemd,
// 77-mm-*.rules of ModemManager), and the third after brltty's own (85 or 90).
const (
	LabelFile  = "65-photongate-label.rules"
	AccessFile = "66-photongate-access.rules"
	BrlttyFile = "91-photongate-brltty.rules"
)

// identified is a USB id and the drivers that have it.
type identified struct {
	id      device.USBID
	drivers []string
}

// Files returns the text of each file.
func Files() map[string]string { return filesFor(all.Drivers()) }

func filesFor(drivers []device.Driver) map[string]string {
	ids := collect(drivers)
	return map[string]string{LabelFile: label(ids), AccessFile: access(ids), BrlttyFile: brltty(ids)}
}

// collect lists the ids of all drivers, in order.
func collect(drivers []device.Driver) []identified {
	var list []identified
	for _, d := range drivers {
		for _, id := range d.USB {
			i := slices.IndexFunc(list, func(o identified) bool { return o.id.Same(id) })
			if i < 0 {
				i = len(list)
				list = append(list, identified{id: id})
			}
			list[i].drivers = append(list[i].drivers, d.Name)
			list[i].id.Adapter = list[i].id.Adapter || id.Adapter
		}
	}
	slices.SortFunc(list, func(a, b identified) int { return strings.Compare(a.id.String(), b.id.String()) })
	return list
}

const generated = "# Made by `go generate ./udev` from the USB ids of the drivers: changes here are lost.\n"

// device and port match what is plugged in itself, and a serial port of it.
func (i identified) device() string {
	return fmt.Sprintf(`SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", ATTR{idVendor}=="%04x", ATTR{idProduct}=="%04x"`, i.id.Vendor, i.id.Product)
}

func (i identified) port() string {
	return fmt.Sprintf(`SUBSYSTEM=="tty", ATTRS{idVendor}=="%04x", ATTRS{idProduct}=="%04x"`, i.id.Vendor, i.id.Product)
}

// title says what an id stands for.
func (i identified) title() string {
	names := strings.Join(i.drivers, ", ")
	if i.id.Adapter {
		return "# A serial adapter, maybe of " + names + "\n"
	}
	return "# " + names + "\n"
}

func label(ids []identified) string {
	var b strings.Builder
	b.WriteString(generated + "# PHOTONGATE_DRIVERS names the drivers that may fit (udevadm info shows it), and\n" +
		"# ModemManager does not send AT commands to what may be an instrument.\n" +
		"ACTION==\"remove\", GOTO=\"photongate_label_end\"\n")
	for _, i := range ids {
		set := fmt.Sprintf(`, ENV{PHOTONGATE_DRIVERS}="%s", ENV{ID_MM_DEVICE_IGNORE}="1"`, strings.Join(i.drivers, " "))
		b.WriteString("\n" + i.title() + i.device() + set + "\n" + i.port() + set + "\n")
	}
	b.WriteString("\nLABEL=\"photongate_label_end\"\n")
	return b.String()
}

func access(ids []identified) string {
	var b strings.Builder
	b.WriteString(generated + "# Who sits at the computer may open these, and the members of the group plugdev\n" +
		"# (USB) and of the group that the system gives serial ports (dialout on Debian).\n" +
		"ACTION==\"remove\", GOTO=\"photongate_access_end\"\n")
	for _, i := range ids {
		b.WriteString("\n" + i.title() + i.device() + `, MODE="0660", GROUP="plugdev", TAG+="uaccess"` + "\n" + i.port() + `, MODE="0660", TAG+="uaccess"` + "\n")
	}
	b.WriteString("\nLABEL=\"photongate_access_end\"\n")
	return b.String()
}

func brltty(ids []identified) string {
	var b strings.Builder
	b.WriteString(generated + "# brltty, for braille displays, takes some serial adapters for one of these, and their\n" +
		"# serial port vanishes. It is not started for them. Whoever has such a display\n" +
		"# removes this file.\n" +
		"ACTION!=\"add\", GOTO=\"photongate_brltty_end\"\n")
	for _, i := range ids {
		if i.id.Adapter {
			b.WriteString(i.device() + `, ENV{BRLTTY_BRAILLE_DRIVER}=="?*", ENV{BRLTTY_BRAILLE_DRIVER}="", ENV{SYSTEMD_WANTS}=""` + "\n")
		}
	}
	b.WriteString("LABEL=\"photongate_brltty_end\"\n")
	return b.String()
}
