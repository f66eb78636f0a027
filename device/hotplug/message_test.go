package hotplug

import (
	"strings"
	"testing"
)

// What Linux 6.1 says when an FTDI adapter is plugged in and out, as
// `udevadm monitor --kernel --property` shows it; zero bytes are written |.
const (
	deviceAdd = "add@/devices/pci0000:00/0000:00:14.0/usb1/1-2|ACTION=add|DEVPATH=/devices/pci0000:00/0000:00:14.0/usb1/1-2|SUBSYSTEM=usb|" +
		"MAJOR=189|MINOR=8|DEVNAME=bus/usb/001/009|DEVTYPE=usb_device|PRODUCT=403/6001/600|TYPE=0/0/0|BUSNUM=001|DEVNUM=009|SEQNUM=4301|"
	interfaceAdd = "add@/devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0|ACTION=add|DEVPATH=/devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0|SUBSYSTEM=usb|" +
		"DEVTYPE=usb_interface|PRODUCT=403/6001/600|TYPE=0/0/0|INTERFACE=255/255/255|MODALIAS=usb:v0403p6001d0600dc00dsc00dp00icFFiscFFipFFin00|SEQNUM=4302|"
	ttyAdd = "add@/devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/ttyUSB0/tty/ttyUSB0|ACTION=add|" +
		"DEVPATH=/devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/ttyUSB0/tty/ttyUSB0|SUBSYSTEM=tty|MAJOR=188|MINOR=0|DEVNAME=ttyUSB0|SEQNUM=4304|"
	interfaceBind = "bind@/devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0|ACTION=bind|DEVPATH=/devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0|SUBSYSTEM=usb|" +
		"DEVTYPE=usb_interface|DRIVER=ftdi_sio|PRODUCT=403/6001/600|SEQNUM=4306|"
	ttyRemove = "remove@/devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/ttyUSB0/tty/ttyUSB0|ACTION=remove|" +
		"DEVPATH=/devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/ttyUSB0/tty/ttyUSB0|SUBSYSTEM=tty|MAJOR=188|MINOR=0|DEVNAME=ttyUSB0|SEQNUM=4310|"
	deviceRemove = "remove@/devices/pci0000:00/0000:00:14.0/usb1/1-2|ACTION=remove|DEVPATH=/devices/pci0000:00/0000:00:14.0/usb1/1-2|SUBSYSTEM=usb|" +
		"MAJOR=189|MINOR=8|DEVNAME=bus/usb/001/009|DEVTYPE=usb_device|PRODUCT=403/6001/600|SEQNUM=4313|"
	diskAdd   = "add@/devices/virtual/block/loop3|ACTION=add|DEVPATH=/devices/virtual/block/loop3|SUBSYSTEM=block|DEVNAME=loop3|DEVTYPE=disk|SEQNUM=4320|"
	ofUdev    = "libudev|\xfe\xed\xca\xfe|ACTION=add|DEVPATH=/devices/usb1/1-2|SUBSYSTEM=tty|"
	otherPath = "add@/devices/usb1/1-2|ACTION=add|DEVPATH=/devices/usb1/1-3|SUBSYSTEM=tty|"
)

func wire(text string) []byte { return []byte(strings.ReplaceAll(text, "|", "\x00")) }

func TestParse(t *testing.T) {
	const path = "/devices/pci0000:00/0000:00:14.0/usb1/1-2"
	for _, tc := range []struct {
		text    string
		want    message
		ok      bool
		matters bool
	}{
		{deviceAdd, message{"add", path, "usb", "usb_device"}, true, true},
		{interfaceAdd, message{"add", path + "/1-2:1.0", "usb", "usb_interface"}, true, false},
		{ttyAdd, message{"add", path + "/1-2:1.0/ttyUSB0/tty/ttyUSB0", "tty", ""}, true, true},
		{interfaceBind, message{"bind", path + "/1-2:1.0", "usb", "usb_interface"}, true, false},
		{ttyRemove, message{"remove", path + "/1-2:1.0/ttyUSB0/tty/ttyUSB0", "tty", ""}, true, true},
		{deviceRemove, message{"remove", path, "usb", "usb_device"}, true, true},
		{diskAdd, message{"add", "/devices/virtual/block/loop3", "block", "disk"}, true, false},
		{text: ofUdev}, {text: otherPath}, {text: ""}, {text: "|"}, {text: "@|"}, {text: "add@/devices/x"}, {text: "add@/devices/x|"},
		{text: "add@/devices/x|ACTION=add|DEVPATH=/devices/x|SUBSYSTEM=|"},
		{text: deviceAdd + strings.Repeat("X=1|", maxMessage/4)},
	} {
		got, ok := parse(wire(tc.text))
		if ok != tc.ok || ok && (got != tc.want || got.matters() != tc.matters) {
			t.Errorf("%q: %+v, %v, matters %v", tc.text, got, ok, got.matters())
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{deviceAdd, interfaceBind, ttyRemove, ofUdev, otherPath} {
		f.Add(wire(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		m, ok := parse(text)
		if !ok {
			return
		}
		// What was read stands there, in that order.
		if !strings.HasPrefix(string(text), m.action+"@"+m.path+"\x00") || !strings.Contains(string(text), "\x00SUBSYSTEM="+m.subsystem) {
			t.Errorf("%q read as %+v", text, m)
		}
	})
}
