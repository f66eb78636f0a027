package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"photongate/cmd/internal/cli"
	"photongate/receiver"
	"photongate/receiver/watch"
)

func newWatchCommand() *cobra.Command {
	var o watch.Options
	var tokenFile string
	cmd := &cobra.Command{
		Use:   "watch ADDR|DIR",
		Short: "counts per second, live, in digits that can be read across the lab",
		Long: `Shows each channel's counts per second with its error (one sigma), maximum, history
and age, as large as the terminal allows. ADDR is a gateway; DIR is a folder that
photonrecv record is writing.

Numbers turn grey when no reading has come for three gates. Red is what is beyond its
limit or overflows. var/mean is the variance of the counts over their mean: about 1 for
steady light, more when something drifts or flickers, less when dead time cuts. A
channel of which the configuration says what it is the coincidence "of" shows its
ratio to the singles, and with a "window" the accidentals.

Of a tagger of which counts are made ([[device.counts]]) those are shown; --channels
'tagger/*' shows the rates of the tags themselves. Without such counts these are
shown: how many tags came in stretches of some ms.

Keys: q quits, m resets the maximum (and takes the present rate for the middle of the
tone), + and - change the smoothing, b turns the sound off and on.

  photonrecv watch pi-lab3
  photonrecv watch localhost --channels A,B,AB --beep AB`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			token, err := readToken(tokenFile)
			if err != nil {
				return err
			}
			o.Source = args[0]
			if len(o.Connect.Listen) > 0 && receiver.IsFolder(o.Source) {
				return cli.Wrong("--listen waits for a gateway that dials in, and %s is a folder: leave it out", o.Source)
			}
			o.Connect.Software, o.Connect.Token = software(), token
			err = watch.Run(cmd.Context(), o)
			if errors.Is(err, receiver.ErrUsage) {
				return &cli.Error{Code: cli.Usage, Err: err}
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&o.Channels, "channels", nil, "show these channels, in this order: AB, bench/AB, with * and ?")
	flags.DurationVar(&o.Smooth, "smooth", time.Second, "take rates over this time, or one gate where that is longer")
	flags.StringVar(&o.Beep, "beep", "", "let the pitch of a tone follow the rate of this channel: an octave for each doubling")
	listenFlag(cmd, &o.Connect.Listen)
	flags.StringVar(&tokenFile, "token-file", "", "show the gateway the token in this file")
	return cmd
}
