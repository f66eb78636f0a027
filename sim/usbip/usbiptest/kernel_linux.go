package usbiptest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

// vhci is where the kernel takes devices of other machines, with the module vhci-hcd.
const vhci = "/sys/devices/platform/vhci_hcd.0"

// KernelTakes reports whether this machine's kernel can take a device.
func KernelTakes() bool {
	_, err := os.Stat(vhci + "/attach")
	return err == nil
}

// Attach takes the device called id over TCP and hands it to this machine's kernel, as
// `usbip attach` does. The function it returns pulls it out again. It needs root.
func Attach(conn *net.TCPConn, id string) (detach func() error, err error) {
	d, err := Take(conn, id)
	if err != nil {
		return nil, err
	}
	defer conn.Close() // the kernel keeps its own
	file, err := conn.File()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	port, err := freePort(d.Speed)
	if err != nil {
		return nil, err
	}
	line := fmt.Sprintf("%d %d %d %d", port, file.Fd(), d.Bus<<16|d.Number, d.Speed)
	if err := os.WriteFile(vhci+"/attach", []byte(line), 0); err != nil {
		return nil, fmt.Errorf("attach %q: %w", line, err)
	}
	return func() error { return os.WriteFile(vhci+"/detach", []byte(strconv.Itoa(port)), 0) }, nil
}

// freePort is a port of the virtual hub that has no device.
func freePort(speed uint32) (int, error) {
	const super, free = 5, "004"
	text, err := os.ReadFile(vhci + "/status")
	if err != nil {
		return 0, err
	}
	hub := "hs"
	if speed >= super {
		hub = "ss"
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 2 && f[0] == hub && f[2] == free {
			return strconv.Atoi(f[1])
		}
	}
	return 0, errors.New("the kernel has no free port for a USB device of another machine")
}
