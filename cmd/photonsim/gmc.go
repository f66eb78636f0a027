package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"photongate/sim"
	"photongate/sim/gmc"
)

func gmcCommand(notices io.Writer) *cobra.Command {
	// A room without a source, and a tube that needs its time.
	s := settings{rate: "0.5", dark: "0", deadTime: 100 * time.Microsecond}
	var (
		o                          gmc.Options
		protocol, serial, reserved string
	)
	cmd := &cobra.Command{
		Use:   "gmc --pty LINK | --tcp ADDR",
		Short: "GQ GMC Geiger counter",
		Long: `A Geiger counter of GQ Electronics: commands such as <GETCPM>>, binary replies, and
after <HEARTBEAT1>> a number for each second. GMC-500, 600 and 800 have 32-bit numbers
(RFC1801), the others 16 bits, of which a heartbeat uses 14 (RFC1201).

The truth has a row for each heartbeat and each <GETCPS>> and <GETCPM>> answered:
counts of the last second and of the last 60. With --distinct what is told goes up
by one from half of what the number holds, or from 32767 where it holds more than a
tube can count.` + cableHelp,
		Example: `  photonsim gmc --pty /tmp/gmc
  photonsim gmc --pty /tmp/gmc --model "GMC-600+Re 1.14" --rate 20
  photonsim gmc --pty /tmp/gmc --beating --reserved C000 --fault drop@10s:1
  photonsim gmc --pty /tmp/gmc --model "GMC-300Re 3.20" --baud 57600`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Protocol = gmc.Protocol(protocol)
			o.Distinct, o.FastPPM = s.distinct, s.fastPPM
			bits, err := parseHex("reserved", reserved, 8)
			if err != nil {
				return err
			}
			o.Reserved = uint32(bits)
			if o.Serial, err = parseHex("serial", serial, 14); err != nil {
				return err
			}
			return s.run(cmd.Context(), notices, gmc.Inputs(), func(light *sim.Light) (sim.Instrument, error) {
				o.Light = light
				return gmc.New(o)
			})
		},
	}
	s.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.Model, "model", "GMC-300Re 2.10", "version `TEXT` told to <GETVER>>, 13 to 16 bytes such as \"GMC-320Re 4.26\"")
	f.StringVar(&protocol, "protocol", "auto", "rfc1201, rfc1801, or auto (by the model)")
	f.StringVar(&serial, "serial", "F488007E051234", "serial number, 7 bytes in `HEX`")
	f.StringVar(&reserved, "reserved", "0", "bits set in every heartbeat, in `HEX`: C000 are the two top bits of RFC1201")
	f.BoolVar(&o.Beating, "beating", false, "the heartbeat was left on, so numbers come unasked from the start")
	f.DurationVar(&o.ReplyDelay, "reply-delay", 0, "time it takes to answer")
	s.baudFlag(cmd, 115200)
	for _, name := range []string{"pairs", "window"} { // there is but one input
		_ = f.MarkHidden(name)
	}
	return cmd
}

// parseHex reads at most so many hexadecimal digits.
func parseHex(flag, text string, digits int) (uint64, error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(text, "0x"), 16, 4*digits)
	if err != nil {
		return 0, fmt.Errorf("--%s %q: expected up to %d hexadecimal digits", flag, text, digits)
	}
	return n, nil
}
