package main

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"photongate/sim"
	"photongate/sim/cc1"
)

func cc1Command(notices io.Writer) *cobra.Command {
	var (
		s                        settings
		o                        cc1.Options
		commands, ackOff, units  string
		lineEnd, gateInput, left string
		pace                     bool
	)
	cmd := &cobra.Command{
		Use:   "cc1 --pty LINK | --tcp ADDR",
		Short: "Qubitekk CC1 coincidence counter",
		Long: `A Qubitekk CC1: inputs 1 and 2 and their coincidences, lines of text at 19200 Bd.
Counters run up for the dwell time (1 s until told otherwise) and are then cleared,
or stop in start/stop mode. Units differ; the flags choose what this one is like.

The truth has a row for every count told, with all three counters as they were at
that moment; counters that have stopped have one row only. With --distinct C1 reads
1000000 plus the number of the dwell time, in start/stop mode.` + cableHelp,
		Example: `  photonsim cc1 --pty /tmp/cc1
  photonsim cc1 --pty /tmp/cc1 --firmware 2.001 --units s --firm-unknown 1
  photonsim cc1 --pty /tmp/cc1 --acks --left ":TRIG:MODE STOP;:DWEL 5"
  photonsim cc1 --tcp 127.0.0.1:7400 --fault junk@10s --fault refuse@20s --fault late@30s:2s`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Commands, o.AckOff, o.Units = cc1.CommandSet(commands), cc1.Reply(ackOff), cc1.Units(units)
			o.Distinct, o.FastPPM = s.distinct, s.fastPPM
			var err error
			if o.CRLF, err = either("line-end", lineEnd, "lf", "crlf"); err != nil {
				return err
			}
			if o.GateLow, err = either("gate-input", gateInput, "high", "low"); err != nil {
				return err
			}
			for command := range strings.SplitSeq(left, ";") {
				if command = strings.TrimSpace(command); command != "" {
					o.Left = append(o.Left, command)
				}
			}
			if pace {
				s.bytePace = cc1.ByteTime
			}
			return s.run(cmd.Context(), notices, cc1.Inputs(), func(light *sim.Light) (sim.Instrument, error) {
				o.Light = light
				return cc1.New(o)
			})
		},
	}
	s.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.Firmware, "firmware", "2.010", "`VERSION` told to FIRM?; above 2.1 it has the new commands")
	f.StringVar(&commands, "commands", "auto", "which commands it has: old, new, or auto (by its version)")
	f.BoolVar(&o.Settings.Acks, "acks", false, "acknowledgements are on: it repeats every command as a line (new commands only)")
	f.StringVar(&ackOff, "ackn-off", "auto", "answer to :ACKN OF while acks are off: echo, empty (a line), unknown, silent, or auto (silent; unknown with old commands)")
	f.StringVar(&units, "units", "none", "units behind numbers: none, ms (dwell time in ms) or s (wrong for the old firmware, which tells ms); window and delay have ns")
	f.StringVar(&lineEnd, "line-end", "lf", "end of its lines: lf or crlf")
	f.IntVar(&o.FirmUnknown, "firm-unknown", 0, "the first `N` FIRM? after power-on are answered Unknown Command")
	f.StringVar(&gateInput, "gate-input", "high", "level at the gate input: high or low (then nothing is counted once the gate is on)")
	f.DurationVar(&o.ReplyDelay, "reply-delay", 0, "time it takes to answer")
	f.BoolVar(&o.Forgets, "forget", false, "settings are lost when it restarts (see --fault brownout and reboot)")
	f.StringVar(&left, "left", "", "`COMMANDS` somebody gave it before, with ; between them")
	f.BoolVar(&pace, "pace", false, "bytes at the speed of 19200 Bd instead of a line at once")
	s.baudFlag(cmd, 19200)
	return cmd
}
