package main

import (
	"io"

	"github.com/spf13/cobra"

	"photongate/sim"
	"photongate/sim/h11890"
	"photongate/sim/usb"
)

func h11890Command(notices io.Writer) *cobra.Command {
	var (
		s settings
		o h11890.Options
	)
	cmd := &cobra.Command{
		Use:   "h11890 --usbip ADDR",
		Short: "Hamamatsu H11890 photon counting head",
		Long: `A H11890 counting head of Hamamatsu: short commands, packets of 64 bytes, and once it
counts one packet per integration with its index and its count. Without high voltage
(command DV, or V with volts) it counts nothing. It has no power without its cable.

The truth has a row for each integration, with the count told; what is lost on its way
leaves a gap in the indexes. With --distinct a count is 1000000 plus the number of its
row. The fault overflow sets the overload bit in the next count, refuse has the next
command answered BC.` + usbHelp,
		Example: `  photonsim h11890 --usbip 127.0.0.1:3240 --rate 52k
  photonsim h11890 --usbip 127.0.0.1:3240 --running --high-voltage --fault lostpacket@10s`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Distinct, o.FastPPM = s.distinct, s.fastPPM
			return s.runUSB(cmd.Context(), notices, h11890.Inputs(), func(light *sim.Light) (usb.Device, error) {
				o.Light = light
				return h11890.New(o)
			})
		},
	}
	s.usbFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.Serial, "serial", "", "serial number of the USB device (default: it has none)")
	f.BoolVar(&o.HighVoltage, "high-voltage", false, "high voltage is on at power-on")
	f.BoolVar(&o.Running, "running", false, "it was left counting, with an integration of 1s")
	f.BoolVar(&o.SetSilent, "set-silent", false, "settings are taken without an answer")
	oneInput(cmd)
	return cmd
}
