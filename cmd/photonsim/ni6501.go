package main

import (
	"io"

	"github.com/spf13/cobra"

	"photongate/sim"
	"photongate/sim/ni6501"
	"photongate/sim/usb"
)

func ni6501Command(notices io.Writer) *cobra.Command {
	var (
		s settings
		o ni6501.Options
	)
	cmd := &cobra.Command{
		Use:   "ni-usb6501 --usbip ADDR",
		Short: "NI USB-6501, its counter",
		Long: `A USB-6501 of National Instruments: its counter of 32 bits, which is started, stopped,
written and read, and is not cleared by reading. It has no power without its cable.

The truth has a row for each reading told. With --distinct a reading is 1000000 plus
its number. The fault overflow puts the counter 1000 before its end, refuse has the
next request answered as an error.` + usbHelp,
		Example: `  photonsim ni-usb6501 --usbip 127.0.0.1:3240 --rate 52k
  photonsim ni-usb6501 --usbip 127.0.0.1:3240 --running --truth truth.csv --fault unplug@30s:5s`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Distinct = s.distinct
			return s.runUSB(cmd.Context(), notices, ni6501.Inputs(), func(light *sim.Light) (usb.Device, error) {
				o.Light = light
				return ni6501.New(o)
			})
		},
	}
	s.usbFlags(cmd)
	f := cmd.Flags()
	f.Uint32Var(&o.Serial, "serial", 0x01A2B3C4, "serial number")
	f.BoolVar(&o.Running, "running", false, "the counter was left running")
	oneInput(cmd)
	_ = cmd.Flags().MarkHidden("ppm") // the host times the gates
	return cmd
}

// oneInput hides the flags that mean nothing to an instrument with one input.
func oneInput(cmd *cobra.Command) {
	for _, name := range []string{"pairs", "window"} {
		_ = cmd.Flags().MarkHidden(name)
	}
}
