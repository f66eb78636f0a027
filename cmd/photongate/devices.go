package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"photongate/device"
	"photongate/device/all"
	"photongate/device/serialport"
	"photongate/device/usbport"

	"github.com/spf13/cobra"
)

// seenPort is a serial port that is present, with the drivers that may fit.
type seenPort struct {
	Port    string   `json:"port"`             // as the system calls it now
	Config  string   `json:"config"`           // what to write in a configuration
	USB     string   `json:"usb,omitempty"`    // vendor and product id
	Serial  string   `json:"serial,omitempty"` // serial number
	Socket  string   `json:"socket,omitempty"` // where it is plugged in
	Product string   `json:"product,omitempty"`
	Drivers []string `json:"drivers"` // whose USB id this is
	Shared  bool     `json:"shared"`  // other products carry this id as well
}

func newDevicesCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "devices",
		Short: "list what is plugged in and which driver may fit",
		Long: `devices lists serial ports and USB devices. It opens none of them: a driver is
named only where the USB id is that of its instrument. Adapters (FTDI, CH340,
Prolific) carry their own ids, whatever hangs on them.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			infos, err := serialport.List()
			if err != nil {
				return fmt.Errorf("list serial ports: %w", err)
			}
			ports := make([]seenPort, 0, len(infos))
			for _, i := range infos {
				ports = append(ports, describePort(i, infos, all.Drivers()))
			}
			usb, err := usbport.List()
			if err != nil && !errors.Is(err, usbport.ErrUnavailable) {
				return fmt.Errorf("list USB devices: %w", err)
			}
			if asJSON {
				return printDevicesJSON(c.OutOrStdout(), ports, usb)
			}
			return printDevices(c.OutOrStdout(), ports, usb, err)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "machine-readable output")
	return c
}

// describePort finds the drivers for a port and the name under which it is
// found again wherever it is plugged in.
func describePort(i serialport.Info, others []serialport.Info, drivers []device.Driver) seenPort {
	p := seenPort{Port: i.Name, Config: i.Name, Serial: i.Serial, Socket: i.Socket, Product: i.Product, Drivers: []string{}}
	if !i.USB {
		return p
	}
	p.USB = i.ID.String()
	same := 0
	for _, o := range others {
		if o.USB && o.ID.Vendor == i.ID.Vendor && o.ID.Product == i.ID.Product && o.Serial == i.Serial {
			same++
		}
	}
	switch {
	case i.Serial != "" && same == 1:
		p.Config = "usb:" + p.USB + ":" + i.Serial
	case same == 1:
		p.Config = "usb:" + p.USB
	case i.Socket != "":
		p.Config = "usb-path:" + i.Socket
	}
	for _, d := range drivers {
		for _, id := range d.USB {
			if id.Same(i.ID) {
				p.Drivers = append(p.Drivers, d.Name)
				p.Shared = p.Shared || id.Shared
			}
		}
	}
	return p
}

func printDevices(w io.Writer, ports []seenPort, usb []device.USBInfo, usbErr error) error {
	if len(ports) == 0 {
		fmt.Fprintln(w, "no serial port is present")
	}
	for _, p := range ports {
		fmt.Fprintf(w, "%s", p.Port)
		for _, text := range []string{p.USB, p.Product, p.Serial} {
			if text != "" {
				fmt.Fprintf(w, "  %s", text)
			}
		}
		if p.Socket != "" {
			fmt.Fprintf(w, "  in socket %s", p.Socket)
		}
		fmt.Fprintln(w)
		for _, d := range p.Drivers {
			sure := ""
			if p.Shared {
				sure = "  # other products carry this USB id too; the driver asks before it reads"
			}
			fmt.Fprintf(w, "    [[device]]%s\n    name = %q\n    driver = %q\n    port = %q\n", sure, d, d, p.Config)
		}
		if len(p.Drivers) == 0 {
			fmt.Fprintf(w, "    any instrument may hang on it: port = %q\n", p.Config)
		}
	}
	if usbErr != nil {
		_, err := fmt.Fprintf(w, "\n%v\n", usbErr)
		return err
	}
	if len(usb) > 0 {
		fmt.Fprintln(w, "\nUSB devices:")
	}
	for _, u := range usb {
		fmt.Fprintf(w, "  %s\n", usbport.Describe(u))
	}
	return nil
}

func printDevicesJSON(w io.Writer, ports []seenPort, usb []device.USBInfo) error {
	type usbDevice struct {
		ID      string `json:"id"`
		Serial  string `json:"serial,omitempty"`
		Product string `json:"product,omitempty"`
		Socket  string `json:"socket,omitempty"`
	}
	list := make([]usbDevice, 0, len(usb))
	for _, u := range usb {
		list = append(list, usbDevice{u.ID.String(), u.Serial, u.Product, u.Socket})
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Ports []seenPort  `json:"ports"`
		USB   []usbDevice `json:"usb"`
	}{ports, list})
}
