package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"photongate/device"
	"photongate/device/all"
	"photongate/device/serialport"
	"photongate/device/usbport"
)

func usbID(vendor, product uint16) device.USBID {
	return device.USBID{Vendor: vendor, Product: product}
}

// A bench with one of each kind: a CD48 with a serial number, an FTDI adapter without
// one, a clone whose number is everybody's, twice, a real UART, a LabJack, an FTDI
// chip and a CH340 of which no port was made.
func benchPorts() ([]serialport.Info, []usbport.Present) {
	clone := func(tty, socket string) serialport.Info {
		return serialport.Info{Name: tty, USB: true, ID: usbID(0x10c4, 0xea60), Serial: "0001", Socket: socket, Product: "CP2102"}
	}
	ports := []serialport.Info{
		{Name: "/dev/ttyACM0", USB: true, ID: usbID(0x04b4, 0xf232), Serial: "7", Socket: "1-1", Product: "CD48\x1b[2J"},
		{Name: "/dev/ttyS0"},
		{Name: "/dev/ttyUSB0", USB: true, ID: usbID(0x0403, 0x6001), Socket: "1-2", Product: "FT232R"},
		clone("/dev/ttyUSB1", "1-3.1"), clone("/dev/ttyUSB2", "1-3.2"),
	}
	usb := []usbport.Present{
		{USBInfo: device.USBInfo{ID: usbID(0x04b4, 0xf232), Serial: "7", Socket: "1-1"}},
		{USBInfo: device.USBInfo{ID: usbID(0x0403, 0x6001), Socket: "1-2"}},
		{Node: "/dev/bus/usb/001/009", USBInfo: device.USBInfo{ID: usbID(0x0cd5, 0x0003), Serial: "320012345", Socket: "1-4", Product: "U3"}},
		{Node: "/dev/bus/usb/001/010", USBInfo: device.USBInfo{ID: usbID(0x0403, 0x6001), Serial: "FT7", Socket: "1-5"}},
		{Node: "/dev/bus/usb/001/011", USBInfo: device.USBInfo{ID: usbID(0x1a86, 0x7523), Socket: "1-6"}},
	}
	return ports, usb
}

// drivers has what is needed of those there are, so that others may come and go.
func somedrivers(t *testing.T, names ...string) []device.Driver {
	t.Helper()
	var list []device.Driver
	for _, name := range names {
		d, ok := all.Find(name)
		if !ok {
			t.Fatalf("no driver %s", name)
		}
		list = append(list, d)
	}
	return list
}

func benchFound(t *testing.T) []found {
	ports, usb := benchPorts()
	holders := func(node string) []serialport.Holder {
		if node == "/dev/ttyUSB0" {
			return []serialport.Holder{{PID: 4711, Program: "minicom"}}
		}
		return nil
	}
	return survey(ports, usb, somedrivers(t, "cd48", "de2ccu", "gmc", "labjack"), holders, nil)
}

func TestSurvey(t *testing.T) {
	var got []string
	for _, f := range benchFound(t) {
		line := fmt.Sprintf("%s %s %s adapter=%v", f.Kind, f.Port, f.Config, f.Adapter)
		for _, d := range f.Drivers {
			line += fmt.Sprintf(" %s:%s@%s", d.Driver, d.Sure, d.Config)
		}
		if who := f.heldBy(); who != "" {
			line += " held by " + who
		}
		got = append(got, line)
	}
	want := []string{
		"serial /dev/ttyACM0 usb:04b4:f232:7 adapter=false cd48:possible@usb:04b4:f232:7",
		"serial /dev/ttyS0 /dev/ttyS0 adapter=false",
		"serial /dev/ttyUSB0 usb-path:1-2 adapter=true de2ccu:assumed@usb-path:1-2 held by minicom (process 4711)",
		"serial /dev/ttyUSB1 usb-path:1-3.1 adapter=false",
		"serial /dev/ttyUSB2 usb-path:1-3.2 adapter=false",
		"usb /dev/bus/usb/001/009 usb:0cd5:0003:320012345 adapter=false labjack:likely@usb:0cd5:0003:320012345",
		"usb /dev/bus/usb/001/010 usb:0403:6001:FT7 adapter=true de2ccu:assumed@ftdi:0403:6001:FT7",
		"usb /dev/bus/usb/001/011 usb-path:1-6 adapter=true",
	}
	if d := cmp.Diff(got, want); d != "" {
		t.Errorf("(-got +want):\n%s", d)
	}
	if note := benchFound(t)[7].Note; !strings.Contains(note, "brltty") {
		t.Errorf("a CH340 without a port: %q", note)
	}
}

// Twelve identical adapters without a serial number are named by their sockets, each
// by another one.
func TestTwelveAdapters(t *testing.T) {
	var ports []serialport.Info
	for n := range 12 {
		ports = append(ports, serialport.Info{Name: fmt.Sprintf("/dev/ttyUSB%d", n), USB: true, ID: usbID(0x0403, 0x6001), Socket: fmt.Sprintf("1-%d.%d", n/4+1, n%4+1)})
	}
	names := map[string]bool{}
	for i, f := range survey(ports, nil, all.Drivers(), nil, nil) {
		if f.Config != "usb-path:"+ports[i].Socket {
			t.Errorf("%s is named %s", f.Port, f.Config)
		}
		names[f.Config] = true
	}
	if len(names) != 12 {
		t.Errorf("%d names", len(names))
	}
}

// Two ports of one device share serial number and socket: neither names one of them.
func TestPortsOfOneDevice(t *testing.T) {
	ports := []serialport.Info{
		{Name: "/dev/ttyUSB0", USB: true, ID: usbID(0x0403, 0x6010), Serial: "FT2", Socket: "1-1", Interface: "00"},
		{Name: "/dev/ttyUSB1", USB: true, ID: usbID(0x0403, 0x6010), Serial: "FT2", Socket: "1-1", Interface: "01"},
	}
	path := func(node string) string {
		if node == "/dev/ttyUSB1" {
			return "/dev/serial/by-path/pci-usb-0:1:1.1-port0"
		}
		return ""
	}
	list := survey(ports, nil, nil, nil, path)
	if list[0].Config != "/dev/ttyUSB0" || list[1].Config != "/dev/serial/by-path/pci-usb-0:1:1.1-port0" || list[0].Note == "" {
		t.Errorf("%+v", list)
	}
}

// recorded is an asker that notes who was asked.
type recorded struct{ asked []string }

func (r *recorded) ask(_ context.Context, d device.Driver, port string) (device.Description, []string, error) {
	r.asked = append(r.asked, d.Name+"@"+port)
	if d.Name == "cd48" {
		return device.Description{Model: "CD48", Firmware: "1.4", Identity: device.Confirmed}, []string{`"v\r"`}, nil
	}
	return device.Description{}, nil, errors.New("no answer in time")
}

func TestWhoIsProbed(t *testing.T) {
	for _, tc := range []struct {
		probe string
		asked []string
		says  string // of the error
	}{
		{probe: probeByID, asked: []string{"cd48@usb:04b4:f232:7", "labjack@usb:0cd5:0003:320012345"}},
		{probe: "ftdi", says: "no such port; there is usb:04b4:f232:7, /dev/ttyS0"},
		{probe: "usb:10c4:ea60", says: "2 devices fit, so none was asked"},
		{probe: "usb:0403:6001", says: "2 devices fit"},
		{probe: "usb:0403:6001:FT7", asked: []string{"de2ccu@ftdi:0403:6001:FT7"}},
		{probe: "/dev/ttyUSB0"}, // in use
		{probe: "/dev/ttyS0"},   // no driver is named by its id
	} {
		list := benchFound(t)
		var r recorded
		err := probeAll(t.Context(), list, tc.probe, r.ask)
		if !slices.Equal(r.asked, tc.asked) || (err == nil) != (tc.says == "") || err != nil && !strings.Contains(err.Error(), tc.says) {
			t.Errorf("--probe=%s asked %v, %v; want %v, %q", tc.probe, r.asked, err, tc.asked, tc.says)
		}
	}
}

func TestPrintFound(t *testing.T) {
	list := benchFound(t)
	var r recorded
	if err := probeAll(t.Context(), list, probeByID, r.ask); err != nil {
		t.Fatal(err)
	}
	if err := probeAll(t.Context(), list, "/dev/ttyUSB0", r.ask); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := printFound(&b, list, usbport.ErrUnavailable); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"/dev/ttyACM0  04b4:f232  CD48?[2J  serial number 7  in socket 1-1\n    confirmed: cd48, CD48, firmware 1.4; sent \"v\\r\"\n" +
			"    [[device]]  # confirmed\n    name   = \"cd48\"\n    driver = \"cd48\"\n    port   = \"usb:04b4:f232:7\"\n",
		"/dev/ttyS0\n    any serial instrument may hang on it\n    port   = \"/dev/ttyS0\"\n",
		"    in use by minicom (process 4711)\n    not asked whether it is a de2ccu: in use by minicom (process 4711)\n",
		"an adapter: what hangs on it only you know. de2ccu (assumed), or any other serial instrument\n    port   = \"usb-path:1-2\"\n",
		"2 devices have this serial number: it is named by its socket",
		"not a labjack: no answer in time; sent nothing\n    [[device]]  # likely: the USB id is its own\n",
		"port   = \"ftdi:0403:6001:FT7\"\n",
		"\nUSB is not available\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("does not say %q:\n%s", want, b.String())
		}
	}
}

// The keys of --json are there, whatever is known.
func TestKeysAreStable(t *testing.T) {
	text, err := json.Marshal(survey([]serialport.Info{{Name: "COM3"}}, nil, nil, nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	const want = `[{"kind":"serial","port":"COM3","config":"COM3","usb":"","serial":"","socket":"","manufacturer":"","product":"",` +
		`"adapter":false,"holders":[],"drivers":[],"probes":[],"note":""}]`
	if string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}

// A port that the system does not list is there all the same: what hangs on it has to
// be said.
func TestProbeOfNoListedPort(t *testing.T) {
	for port, says := range map[string]string{
		t.TempDir():            "which instrument it is has to be said, as in photongate try cd48 --port ",
		"tcp://127.0.0.1:4001": "which instrument it is has to be said",
		"/dev/nowhere":         "--probe=/dev/nowhere: no such port; nothing is plugged in",
	} {
		if _, err := theOne(nil, port); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %s", port, err, says)
		}
	}
}
