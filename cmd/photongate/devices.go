package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"photongate/cmd/internal/cli"
	"photongate/device/all"
	"photongate/device/serialport"
	"photongate/device/usbport"

	"github.com/spf13/cobra"
)

// probeByID is what --probe means without a port.
const probeByID = "by id"

func newDevicesCommand() *cobra.Command {
	var asJSON bool
	var probe string
	c := &cobra.Command{
		Use:   "devices",
		Short: "list what is plugged in and which driver may fit",
		Long: `devices lists serial ports and USB devices, who has them open, and which driver
fits. On Linux nothing is opened for that, and nothing is sent anywhere. How
sure it is:

  confirmed  the instrument answered as only its kind does (--probe)
  likely     the USB id is that of this instrument alone
  possible   other products carry this USB id too
  assumed    the instrument cannot say what it is: you have to know

Adapters (FTDI, CH340, Prolific) carry their own ids, whatever hangs on them.

--probe opens what has the USB id of an instrument that can say what it is, asks
it, and prints what was sent. Adapters are left alone, since what hangs on one
may not bear to be asked: name the port to have it asked all the same.`,
		Example: `  photongate devices
  photongate devices --probe
  photongate devices --probe=/dev/ttyUSB0`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 && probe != probeByID {
				return cli.Wrong("devices takes no name: it lists what is plugged in; photongate devices --probe=%s asks what is there", args[0])
			}
			if len(args) > 0 {
				probe = args[0] // --probe PORT
			}
			list, err := present()
			if err != nil {
				return err
			}
			if probe != "" {
				if err := probeAll(c.Context(), list, probe, ask); err != nil {
					return err
				}
			}
			if asJSON {
				e := json.NewEncoder(c.OutOrStdout())
				e.SetIndent("", "  ")
				return e.Encode(map[string][]found{"devices": list})
			}
			return printFound(c.OutOrStdout(), list, usbport.Available())
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "machine-readable output")
	c.Flags().StringVar(&probe, "probe", "", "open and ask: what has an instrument's own USB id, or with --probe=`PORT` that port, adapter or not")
	c.Flags().Lookup("probe").NoOptDefVal = probeByID
	return c
}

// presentPorts looks for serial ports.
func presentPorts() ([]found, error) {
	ports, err := serialport.List()
	if err != nil {
		return nil, fmt.Errorf("list serial ports: %w", err)
	}
	return survey(ports, nil, all.Drivers(), serialport.Holders, byPath), nil
}

// present looks at what is plugged in now. A program that cannot see the USB bus
// lists the serial ports all the same.
func present() ([]found, error) {
	ports, err := serialport.List()
	if err != nil {
		return nil, fmt.Errorf("list serial ports: %w", err)
	}
	usb, err := usbport.Plugged()
	if err != nil && !errors.Is(err, usbport.ErrUnavailable) {
		return nil, fmt.Errorf("list USB devices: %w", err)
	}
	return survey(ports, usb, all.Drivers(), serialport.Holders, byPath), nil
}

// byPath is the name by which udev calls a port for as long as its adapter is in the
// same socket, empty where there is none.
func byPath(node string) string {
	links, _ := filepath.Glob("/dev/serial/by-path/*")
	for _, link := range links {
		if target, err := filepath.EvalSymlinks(link); err == nil && target == node {
			return link
		}
	}
	return ""
}
