package hotplug

import (
	"bytes"
	"strings"
)

// message is what the kernel says of a device (Documentation/ABI/stable/sysfs-uevent
// and lib/kobject_uevent.c of Linux).
type message struct {
	action    string // "add", "remove", "change", "bind"
	path      string // in sysfs, from "/devices" on
	subsystem string // "usb", "tty"
	kind      string // DEVTYPE: "usb_device", "usb_interface"; empty for others
}

// maxMessage is the longest message: the kernel has 2048 bytes for the variables
// (UEVENT_BUFFER_SIZE), and the path before them is one of these.
const maxMessage = 8192

// parse reads a message of the kernel: a headline "add@/devices/...", then variables
// "KEY=value", each ended by a zero byte. It reports false for anything else, the
// messages of udev's daemon among them. Of a key that stands there twice the first
// counts.
func parse(text []byte) (message, bool) {
	if len(text) > maxMessage {
		return message{}, false
	}
	head, rest, ended := bytes.Cut(text, []byte{0})
	action, path, ok := strings.Cut(string(head), "@")
	if !ended || !ok || action == "" || !strings.HasPrefix(path, "/") {
		return message{}, false
	}
	m := message{}
	for line := range bytes.SplitSeq(rest, []byte{0}) {
		key, value, _ := strings.Cut(string(line), "=")
		at := map[string]*string{"ACTION": &m.action, "DEVPATH": &m.path, "SUBSYSTEM": &m.subsystem, "DEVTYPE": &m.kind}[key]
		if at != nil && *at == "" {
			*at = value
		}
	}
	return m, m.action == action && m.path == path && m.subsystem != ""
}

// matters reports whether a message is of an instrument that comes or goes, maybe:
// of a USB device, or of a serial port. Interfaces of a device and drivers that
// take them are more of the same, and some of it is our own doing.
func (m message) matters() bool {
	if m.action != "add" && m.action != "remove" {
		return false
	}
	return m.subsystem == "tty" || m.subsystem == "usb" && m.kind == "usb_device"
}
