package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"photongate/sim"
	"photongate/sim/umass"
	"photongate/sim/usb"
)

func umassCommand(notices io.Writer) *cobra.Command {
	var (
		s     settings
		o     umass.Options
		tags  tagFlags
		clock string
	)
	cmd := &cobra.Command{
		Use:   "umass --usbip ADDR",
		Short: "UMass FPGA time tagger",
		Long: `The FPGA time tagger of the University of Massachusetts, its firmware loaded: four inputs
of pulses and four of levels (delta), records of 6 bytes with 36 bits of time. It has no
power without its cable.

` + tagsHelp + `
Channels 0 to 3 are the inputs, 4 to 7 the changes of the delta inputs. The fault
overflow makes its memory run over for 5 ms, refuse leaves the next command without an
answer, or stalls the next request.` + usbHelp,
		Example: `  photonsim umass --usbip 127.0.0.1:3240 --rate 1M,1M,0,0 --pairs 100k --truth tags.truth
  photonsim umass --usbip 127.0.0.1:3240 --fifo 16384 --fault overflow@20s --fault unplug@30s:5s
  photonsim umass --usbip 127.0.0.1:3240 --clock 4000M --wrap-in 2s --delta 1ms`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if o.ClockHz, err = sim.ParseRate(clock); err != nil {
				return fmt.Errorf("--clock %q: expected ticks per second such as 128M", clock)
			}
			if o.Tags, err = tags.settings(); err != nil {
				return err
			}
			s.fast = tags.speed == "max"
			o.FastPPM, o.Seed = s.fastPPM, s.seed
			return s.runUSB(cmd.Context(), notices, umass.Inputs(), func(light *sim.Light) (usb.Device, error) {
				o.Light = light
				return umass.New(o)
			})
		},
	}
	s.usbFlags(cmd)
	tags.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&clock, "clock", "128M", "`TICKS` per second of its clock, below 4295M")
	f.StringVar(&o.Serial, "serial", "", "serial number (default: it has none)")
	f.Uint32Var(&o.Version, "hardware", 5, "what its version register says")
	f.IntVar(&o.FIFO, "fifo", 4<<20, "`BYTES` of records that wait for the host; what comes then is lost, which the next record tells")
	f.DurationVar(&o.WrapIn, "wrap-in", 0, "how long before its wrap the timer is at power-on and after a reset (default: at 0, 9 minutes before)")
	f.DurationVar(&o.Delta, "delta", 0, "how often one of the delta inputs changes, in turn (default: never)")
	f.BoolVar(&o.SilentWrites, "silent-writes", false, "commands that write have no answer")
	return cmd
}
