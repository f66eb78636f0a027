package main

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"photongate/sim"
	"photongate/sim/mccctr"
	"photongate/sim/usb"
)

func mccctrCommand(notices io.Writer, model mccctr.Model) *cobra.Command {
	var (
		s settings
		o = mccctr.Options{Model: model}
	)
	title := "Measurement Computing USB-" + strings.ToUpper(strings.TrimPrefix(string(model), "mcc-"))
	cmd := &cobra.Command{
		Use:   string(model) + " --usbip ADDR",
		Short: title + " counters",
		Long: `A ` + title + `: counters of 64 bits that are read one at a
time or scanned at a pace of the box's own. Its FPGA is empty at power-on, and
everything but status, serial number, reset and the image is refused until it has one;
any bytes will do. It has no power without its cable, and a reset empties it too.

The truth has a row for each counter told and for each scan, with all counters before
any of them was cleared. With --distinct counter 0 reads 1000000 plus the number of the
row. The fault overflow makes the FIFO run over in the middle of a scan, refuse stalls
the next request.` + usbHelp,
		Example: `  photonsim ` + string(model) + ` --usbip 127.0.0.1:3240 --rate 52k
  photonsim ` + string(model) + ` --usbip 127.0.0.1:3240 --configured --fault overflow@20s --fault unplug@30s:5s`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Distinct, o.FastPPM = s.distinct, s.fastPPM
			return s.runUSB(cmd.Context(), notices, mccctr.Inputs(model), func(light *sim.Light) (usb.Device, error) {
				o.Light = light
				return mccctr.New(o)
			})
		},
	}
	s.usbFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.Serial, "serial", "01A2B3C4", "serial number, 8 characters")
	f.IntVar(&o.ImageBytes, "image-bytes", 0, "length of the image it takes (default: it is complete when the status is asked for)")
	f.BoolVar(&o.BadImage, "bad-image", false, "no image is the right one")
	f.BoolVar(&o.Configured, "configured", false, "the FPGA has its image already at power-on")
	f.BoolVar(&o.FullSpeed, "full-speed", false, "packets of 64 bytes instead of 512")
	return cmd
}
