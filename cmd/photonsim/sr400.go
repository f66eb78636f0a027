package main

import (
	"io"

	"github.com/spf13/cobra"

	"photongate/sim"
	"photongate/sim/sr400"
)

func sr400Command(notices io.Writer) *cobra.Command {
	var (
		s                     settings
		o                     sr400.Options
		nn, overflow, numbers string
		trigger               string
	)
	cmd := &cobra.Command{
		Use:   "sr400 --pty LINK | --tcp ADDR",
		Short: "Stanford Research SR400 gated photon counter",
		Long: `A Stanford Research SR400: counters A and B on the inputs 1 and 2, periods timed by
10 MHz (1 s until told otherwise) or by pulses, scans of up to 2000 periods. It says
nothing to commands that set something, nor to wrong ones: those set bit 7 of SS.

On RS-232 replies end with a carriage return and take their time at 9600 Bd; --gpib
puts it behind an adapter from USB to GPIB, to be told ++addr 23 and ++read or
++auto 1. Powered off for a minute: --fault brownout@10s:1m.

The truth has a row for every period that is over.` + cableHelp,
		Example: `  photonsim sr400 --pty /tmp/sr400
  photonsim sr400 --pty /tmp/sr400 --baud 19200 --echo --garbage
  photonsim sr400 --tcp 127.0.0.1:7400 --gpib
  photonsim sr400 --pty /tmp/sr400 --left "NP 10;NE 1;CS" --fault panel@20s --fault overflow@30s:0 --fault refuse@40s`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Distinct, o.FastPPM = s.distinct, s.fastPPM
			var err error
			if o.FinishedNN, err = either("nn", nn, "running", "finished"); err != nil {
				return err
			}
			if o.Stick, err = either("overflow", overflow, "wrap", "stick"); err != nil {
				return err
			}
			if o.PlainNumbers, err = either("numbers", numbers, "exponent", "plain"); err != nil {
				return err
			}
			hz, err := parseRates("trigger", trigger, 1)
			if err != nil {
				return err
			}
			o.TriggerHz = hz[0]
			if cmd.Flags().Changed("baud") && !o.GPIB {
				s.baud = o.Baud
			}
			return s.run(cmd.Context(), notices, sr400.Inputs(), func(light *sim.Light) (sim.Instrument, error) {
				o.Light = light
				return sr400.New(o)
			})
		},
	}
	s.flags(cmd)
	f := cmd.Flags()
	f.IntVar(&o.Baud, "baud", 9600, "speed of its replies, 300 to 19200 `Bd`; when it is given, a host that opens the pty at another speed gets noise")
	f.BoolVar(&o.Echo, "echo", false, "echo was left on: it sends back what it receives, and replies end with \\r\\n")
	f.BoolVar(&o.GPIB, "gpib", false, "behind a Prologix-style adapter, at GPIB address 23")
	f.BoolVar(&o.Garbage, "garbage", false, "a byte of noise in both directions when power is applied, which spoils the first command")
	f.StringVar(&nn, "nn", "running", "period that NN names: running or finished")
	f.StringVar(&overflow, "overflow", "wrap", "what a full counter (999999999) does: wrap or stick")
	f.StringVar(&numbers, "numbers", "exponent", "how settings are told: exponent (1E7) or plain (10000000)")
	f.IntVar(&o.Width, "width", 0, "counts have at least so many characters, with `N` blanks in front (0: none)")
	f.StringVar(&trigger, "trigger", "0", "pulses per second at the TRIG input, `CPS`")
	f.BoolVar(&o.Forgets, "forget", false, "settings are lost when it restarts (see --fault brownout and reboot)")
	f.StringVar(&o.Left, "left", "", "`COMMANDS` somebody gave it before, with ; between them")
	return cmd
}
