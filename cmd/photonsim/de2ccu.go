package main

import (
	"io"

	"github.com/spf13/cobra"

	"photongate/sim"
	"photongate/sim/de2ccu"
)

func de2ccuCommand(notices io.Writer) *cobra.Command {
	var (
		s        settings
		counters int
		pace     bool
	)
	cmd := &cobra.Command{
		Use:   "de2ccu --pty LINK | --tcp ADDR",
		Short: "Altera DE2 coincidence counting unit (Whitman, Colgate, Toronto)",
		Long: `An Altera DE2 coincidence counting unit: it sends a packet of all counters every
0.1 s (99.9936 ms of its crystal), from power-on and without being asked.

8 counters: A B A' B' AB A'B AB' A'B' in packets of 41 bytes. 15 counters: A B C D,
all pairs, triples and ABCD, in packets of 76 bytes.

The truth has a row for every packet, also those that nobody read.` + cableHelp,
		Example: `  photonsim de2ccu --pty /tmp/de2
  photonsim de2ccu --pty /tmp/de2 --counters 15 --ppm 20 --pace
  photonsim de2ccu --tcp 127.0.0.1:7400 --fault lostpacket@5s:62 --fault stall@byte=2000:1s`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			inputs, err := de2ccu.Inputs(counters)
			if err != nil {
				return err
			}
			if pace {
				s.bytePace = de2ccu.ByteTime
			}
			return s.run(cmd.Context(), notices, inputs, func(light *sim.Light) (sim.Instrument, error) {
				return de2ccu.New(de2ccu.Options{Counters: counters, Light: light, FastPPM: s.fastPPM, Distinct: s.distinct})
			})
		},
	}
	s.flags(cmd)
	f := cmd.Flags()
	f.IntVar(&counters, "counters", 8, "program in the board: 8 or 15 counters")
	f.BoolVar(&pace, "pace", false, "bytes at the speed of 19200 Bd (a packet takes 21 or 40 ms) instead of a packet at once")
	s.baudFlag(cmd, 19200)
	return cmd
}
