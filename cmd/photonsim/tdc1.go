package main

import (
	"io"

	"github.com/spf13/cobra"

	"photongate/sim"
	"photongate/sim/tdc1"
)

func tdc1Command(notices io.Writer) *cobra.Command {
	s := settings{paired: [2]int{0, 2}} // inputs 1 and 3, a pair it counts
	var (
		o                  tdc1.Options
		tags               tagFlags
		separator, lineEnd string
	)
	cmd := &cobra.Command{
		Use:   "tdc1 --pty LINK | --tcp ADDR",
		Short: "S-Fifteen Instruments TDC1, counter and time tagger",
		Long: `An S-Fifteen Instruments TDC1: inputs 1 to 4, coincidences 1-3, 1-4, 2-3, 2-4, lines of
text with ; between commands. COUNTS? counts for TIME ms (1000 until told otherwise)
and then answers; after TIMESTAMP it begins a stream of 4-byte time tags.

The truth has a row for every count told, with the coincidences in either mode, or is
one of tags if a host asks for a stream first.

` + tagsHelp + `

Of more than 10 million words a second the rest is lost, which the stream does not tell.
Two bytes of a stream lost: --fault drop@5s:2. A pseudo-terminal carries some 4 million
words a second, TCP more.` + cableHelp,
		Example: `  photonsim tdc1 --pty /tmp/tdc1
  photonsim tdc1 --pty /tmp/tdc1 --left "timestamp;time 0;counts?" --tail 6
  photonsim tdc1 --pty /tmp/tdc1 --separator tab --line-end lf --error "unknown command"
  photonsim tdc1 --tcp 127.0.0.1:7400 --rate 20k --fault drop@5s:2 --fault lostmarker@8s
  photonsim tdc1 --pty /tmp/tdc1 --rate 1M --pairs 13=100k --pair-delay 12.5ns --truth tags.truth
  photonsim tdc1 --tcp 127.0.0.1:7400 --external-clock --fault lostclock@10s:5s`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Separator = tdc1.Separator(separator)
			o.Distinct, o.FastPPM = s.distinct, s.fastPPM
			var err error
			if o.Tags, err = tags.settings(); err != nil {
				return err
			}
			s.fast = tags.speed == "max"
			if o.LF, err = either("line-end", lineEnd, "crlf", "lf"); err != nil {
				return err
			}
			return s.run(cmd.Context(), notices, tdc1.Inputs(), func(light *sim.Light) (sim.Instrument, error) {
				o.Light = light
				return tdc1.New(o)
			})
		},
	}
	s.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.Identity, "idn", "", "`TEXT` of its answer to *IDN? (default: one with TDC1 in it)")
	f.StringVar(&separator, "separator", "space", "between counts: space, tab or aligned (ten characters each)")
	f.StringVar(&lineEnd, "line-end", "crlf", "end of its lines: crlf or lf")
	f.StringVar(&o.ErrorText, "error", "", "`TEXT` of a line said to what it does not understand (default: nothing)")
	f.DurationVar(&o.ReplyDelay, "reply-delay", 0, "time it takes to answer, beyond the time it counts")
	f.IntVar(&o.Tail, "tail", 0, "`BYTES` of further words that come when a stream has ended")
	f.BoolVar(&o.ExternalClock, "external-clock", false, "an external reference clock is connected")
	f.IntVar(&o.FIFO, "fifo", 4<<20, "tags: `BYTES` that wait for a host that does not take them; what comes then is lost")
	tags.flags(cmd)
	f.StringVar(&o.Left, "left", "", "`COMMANDS` somebody gave it before, such as \"timestamp;time 0;counts?\": it streams")
	return cmd
}
