package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"photongate/sim"
	"photongate/sim/ftdi"
	"photongate/sim/usb"
)

func ftdiCommand(notices io.Writer) *cobra.Command {
	var (
		s             settings
		lines         ftdi.LinesOptions
		stream        ftdi.StreamOptions
		streams       bool
		inputs, speed = 1, "0"
	)
	cmd := &cobra.Command{
		Use:   "ftdi --usbip ADDR",
		Short: "USB chip of FTDI with a counter of lines, or a stream through its FIFO",
		Long: `A USB chip of FTDI and what a laboratory hangs on it. Without --stream that is a
counter on the serial line, which writes the counts of each gate as a line, with
commas between the inputs. With --stream it is an FPGA that fills the FIFO with
records of known content: A5 5A F0 0F, then counts of 32 bits, low byte first; count
0 of record i (from 0) is i, count k is i x (2k+1) modulo 2^24.

The truth has a row for each line or record. A stream at full speed writes a million
of them a second: give it a --speed when you want the truth. The fault overflow loses
a byte and sets the overrun bit.

Other instruments with a serial line hang on such a chip with --usbip, as in
photonsim de2ccu --usbip 127.0.0.1:3240.` + usbHelp,
		Example: `  photonsim ftdi --usbip 127.0.0.1:3240 --baud 115200 --gate 10ms --inputs 2
  photonsim ftdi --usbip 127.0.0.1:3240 --chip ft232h --stream
  photonsim ftdi --usbip 127.0.0.1:3240 --stream --speed 100k --truth truth.csv --fault overflow@10s`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			pace, err := sim.ParseRate(speed)
			if err != nil {
				return fmt.Errorf("--speed %q: expected bytes per second such as 500k or 8M", speed)
			}
			stream.BytesPerSecond = int64(pace)
			if inputs < 1 || inputs > sim.MaxInputs {
				return fmt.Errorf("--inputs %d: expected 1 to %d", inputs, sim.MaxInputs)
			}
			return s.runUSB(cmd.Context(), notices, ftdi.LineInputs(inputs), func(light *sim.Light) (usb.Device, error) {
				o := ftdi.Options{Chip: ftdi.Chip(s.chip), Serial: s.usbSerial, Baud: s.baud, Seed: s.seed}
				var err error
				if streams {
					o.Stream, err = ftdi.NewStream(stream)
				} else {
					lines.Light, lines.FastPPM, lines.Distinct = light, s.fastPPM, s.distinct
					o.Instrument, err = ftdi.NewLines(lines)
				}
				if err != nil {
					return nil, err
				}
				return ftdi.New(o)
			})
		},
	}
	s.usbFlags(cmd)
	s.chipFlags(cmd)
	f := cmd.Flags()
	f.IntVar(&inputs, "inputs", inputs, "how many counts a line has, 1 to 8")
	f.DurationVar(&lines.Gate, "gate", 0, "time between two lines (default 100ms)")
	s.baudFlag(cmd, 9600)
	f.BoolVar(&streams, "stream", false, "a stream of records through the FIFO instead of lines")
	f.StringVar(&speed, "speed", speed, "`BYTES` per second of the stream, such as 500k or 8M; 0: as fast as the host fetches them")
	f.IntVar(&stream.Counters, "counters", 3, "counts in a record, 1 to 64; with 3 it has 16 bytes")
	f.Int64Var(&stream.FIFO, "fifo", 256<<10, "`BYTES` of a stream with a --speed that wait for a slow host; the rest is lost, with the overrun bit")
	return cmd
}
