package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"photongate/sim"
	"photongate/sim/ftdi"
	"photongate/sim/usb"
	"photongate/sim/usbip"
)

// usbHelp ends the help of every instrument on the USB bus.
const usbHelp = `

To plug it into a Linux machine (as root; the port may be left out if it is 3240):

  modprobe vhci-hcd
  usbip --tcp-port 3240 attach -r 127.0.0.1 -b 1-1

After it was unplugged it has to be attached anew.` + cableHelp

// usbFlags are those of an instrument that has USB and nothing else.
func (s *settings) usbFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.usbip, "usbip", "", "let hosts plug it in over USB/IP at this TCP `ADDR`, such as 127.0.0.1:3240 (port 0: a free one)")
	s.commonFlags(cmd)
	_ = cmd.MarkFlagRequired("usbip")
}

// chipFlags choose the USB chip.
func (s *settings) chipFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.chip, "chip", string(ftdi.FT232R), "with --usbip, the chip: ft232r, ft245r (both full speed, 64-byte packets) or ft232h (high speed, 512-byte packets)")
	cmd.Flags().StringVar(&s.usbSerial, "usb-serial", "", "with --usbip, the serial number of the chip (default: it has none)")
}

// runUSB makes a USB device, plugs it in and serves it until ctx or its time ends.
func (s *settings) runUSB(ctx context.Context, notices io.Writer, inputs []string, newDevice func(*sim.Light) (usb.Device, error)) error {
	return s.serve(ctx, notices, inputs, func(light *sim.Light) (sim.Instrument, sim.Conn, error) {
		device, err := newDevice(light)
		if err != nil {
			return nil, nil, err
		}
		return s.onBus(device)
	})
}

// onBus offers a device to hosts.
func (s *settings) onBus(device usb.Device) (sim.Instrument, sim.Conn, error) {
	server, err := usbip.Listen(s.usbip)
	if err != nil {
		return nil, nil, err
	}
	bus, err := usb.NewBus(device, server)
	if err != nil {
		return nil, nil, errors.Join(err, server.Close())
	}
	return bus, bus, nil
}

// behindChip offers an instrument with a serial line behind a chip of FTDI.
func (s *settings) behindChip(instrument sim.Instrument) (sim.Instrument, sim.Conn, error) {
	chip, err := ftdi.New(ftdi.Options{Chip: ftdi.Chip(s.chip), Serial: s.usbSerial, Instrument: instrument, Baud: s.baud, Seed: s.seed})
	if err != nil {
		return nil, nil, err
	}
	return s.onBus(chip)
}
