package main

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"photongate/sim"
	"photongate/sim/labjack"
	"photongate/sim/usb"
)

func labjackCommand(notices io.Writer, model labjack.Model) *cobra.Command {
	var (
		s settings
		o = labjack.Options{Model: model}
	)
	title := "LabJack " + strings.ToUpper(strings.TrimPrefix(string(model), "labjack-"))
	cmd := &cobra.Command{
		Use:   string(model) + " --usbip ADDR",
		Short: title + ", its two counters",
		Long: `A ` + title + `: the commands that enable its two counters and read them, with
or without a reset. It has no power without its cable: unplugged and plugged in again
the counters are off.

The truth has a row for each answer that told a count: what both counters held before
any reset. With --distinct counter 0 reads 1000000 plus the number of that row. The
fault overflow puts a counter 1000 before its end, refuse has the next command answered
with error 66.` + usbHelp,
		Example: `  photonsim ` + string(model) + ` --usbip 127.0.0.1:3240 --rate 52k,48k
  photonsim ` + string(model) + ` --usbip 127.0.0.1:3240 --truth truth.csv --distinct --fault unplug@30s:5s`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Distinct = s.distinct
			return s.runUSB(cmd.Context(), notices, labjack.Inputs(), func(light *sim.Light) (usb.Device, error) {
				o.Light = light
				return labjack.New(o)
			})
		},
	}
	s.usbFlags(cmd)
	f := cmd.Flags()
	f.Uint32Var(&o.Serial, "serial", 320012345, "serial number")
	f.DurationVar(&o.ReplyDelay, "reply-delay", 0, "time it takes to answer")
	if model == labjack.U3 {
		f.BoolVar(&o.HV, "hv", false, "a U3-HV, whose pins FIO0 to FIO3 are analog for ever")
		f.Uint8Var(&o.Analog, "analog", 0x0F, "pins FIO0 to FIO7 that are analog at power-on, a bit each")
	}
	_ = f.MarkHidden("ppm") // the host times the gates
	return cmd
}
