package main

import (
	"io"

	"github.com/spf13/cobra"

	"photongate/sim"
	"photongate/sim/cd48"
)

func cd48Command(notices io.Writer) *cobra.Command {
	var (
		s         settings
		o         cd48.Options
		ack       string
		overflow  string
		repeatOn  bool
		firstLine string
		interval  int
		banner    string
		ignore    []string
	)
	cmd := &cobra.Command{
		Use:   "cd48 --pty LINK | --tcp ADDR",
		Short: "Red Dog Physics CD48 coincidence counter",
		Long: `A Red Dog Physics CD48: inputs A B C D, eight counters (A B C D AB AC AD ABC until
told otherwise), commands of one letter: c reads and clears, H lists the others.

The truth has a row for every reading given, asked for or not. Its columns are
counters 0 to 7 under the names of what they count at the start.` + cableHelp,
		Example: `  photonsim cd48 --pty /tmp/cd48
  photonsim cd48 --pty /tmp/cd48 --rate 50k,48k,20k,20k --pairs AB=3k,AC=1k --dark 250
  photonsim cd48 --tcp 127.0.0.1:7400 --ack ok --repeat-on --fault overflow@10s:7 --fault late@20s:1s`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Ack = cd48.Ack(ack)
			o.Distinct, o.FastPPM = s.distinct, s.fastPPM
			o.Settings = cd48.DefaultSettings()
			o.Settings.Repeat, o.Settings.IntervalMs = repeatOn, interval
			if banner != "" {
				o.Banner = banner + "\r\n"
			}
			var err error
			if o.Stick, err = either("overflow", overflow, "wrap", "stick"); err != nil {
				return err
			}
			if o.RightFirstLine, err = either("first-line", firstLine, "wrong", "right"); err != nil {
				return err
			}
			if o.Ignores, err = parseIgnore(ignore); err != nil {
				return err
			}
			return s.run(cmd.Context(), notices, cd48.Inputs(), func(light *sim.Light) (sim.Instrument, error) {
				o.Light = light
				return cd48.New(o)
			})
		},
	}
	s.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&ack, "ack", string(cd48.AckSilent), "answer to set commands: silent, ok (a line OK) or echo (the command)")
	f.BoolVar(&repeatOn, "repeat-on", false, "repeat mode was left on, so lines come unasked from the start")
	f.IntVar(&interval, "interval-ms", 1000, "stored repeat interval, 100 to 65535 `ms`")
	f.StringVar(&overflow, "overflow", "wrap", "what a full counter does: wrap or stick")
	f.StringVar(&firstLine, "first-line", "wrong", "interval of the first line after repeat is switched on: wrong or right")
	f.StringVar(&banner, "banner", "", "`TEXT` of a line said after a restart (see --fault reboot and brownout); the default is silence")
	f.BoolVar(&o.Forgets, "forget", false, "settings are lost when it restarts (see --fault brownout, reboot and unplug)")
	f.StringSliceVar(&ignore, "ignore", nil, "set commands it does not heed: `LETTER` or LETTER=TIMES, such as L=2 for the first two")
	f.BoolVar(&o.ReadClearsFlags, "read-clears-flags", false, "c and C clear the overflow flags, not only E")
	f.BoolVar(&o.RepeatAsRead, "repeat-as-read", true, "lines in repeat mode have the form last asked for, c or C")
	return cmd
}
