package main

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"photongate/instrument"
	"photongate/sim"
	"photongate/sim/homebuilt"
)

// The headings under which the help lists what can be played.
const (
	namedGroup  = "instruments"
	presetGroup = "presets"
)

// addPresets adds a command for each instrument file that comes with the program.
func addPresets(root *cobra.Command, notices io.Writer) {
	root.AddGroup(&cobra.Group{ID: namedGroup, Title: "Instruments:"}, &cobra.Group{ID: presetGroup, Title: "Home-built counters, by their instrument files:"})
	for _, f := range instrument.Presets() {
		cmd := fileCommand(f, f.Name, notices)
		cmd.GroupID = presetGroup
		root.AddCommand(cmd)
	}
}

// addFile adds a command for the instrument file that the command line begins
// with, if it does.
func addFile(root *cobra.Command, args []string, notices io.Writer) error {
	if len(args) == 0 || !instrument.FromPath(args[0]) {
		return nil
	}
	f, err := instrument.Load(args[0])
	if err != nil {
		return err
	}
	cmd := fileCommand(f, args[0], notices)
	cmd.Use = "FILE.toml --pty LINK | --tcp ADDR" // a path may have blanks
	cmd.Aliases = args[:1]
	root.AddCommand(cmd)
	return nil
}

// fileCommand plays what an instrument file describes.
func fileCommand(f *instrument.File, name string, notices io.Writer) *cobra.Command {
	inputs := homebuilt.Inputs(f)
	rate := homebuilt.UsualRateHz(f)
	s := settings{
		rate: strconv.FormatFloat(rate, 'f', -1, 64),
		dark: strconv.FormatFloat(min(100, rate/100), 'f', -1, 64),
	}
	o := homebuilt.Options{File: f}
	pace := false
	var tags tagFlags
	cmd := &cobra.Command{
		Use:   name + " --pty LINK | --tcp ADDR",
		Short: f.Title,
		Long:  aboutFile(f, inputs) + cableHelp,
		Example: fmt.Sprintf(`  photonsim %[1]s --pty /tmp/counter --truth truth.csv
  photonsim %[1]s --pty /tmp/counter --fault stall@byte=100:3s
  photonsim %[1]s --pty /tmp/counter --baud %[2]d`, name, f.Link.Baud),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Distinct, o.FastPPM, o.Seed = s.distinct, s.fastPPM, s.seed
			if f.Tags != nil {
				var err error
				if o.Tags, err = tags.settings(); err != nil {
					return err
				}
				s.fast = tags.speed == "max"
			}
			if pace {
				s.bytePace = bitsPerByte(f.Link) * time.Second / time.Duration(f.Link.Baud)
			}
			return s.run(cmd.Context(), notices, inputs, func(light *sim.Light) (sim.Instrument, error) {
				o.Light = light
				return homebuilt.New(o)
			})
		},
	}
	s.flags(cmd)
	flags := cmd.Flags()
	if f.Tags != nil {
		tags.flags(cmd)
		s.baudFlag(cmd, f.Link.Baud)
		return cmd
	}
	flags.DurationVar(&o.Stretch, "stretch", 0, "each gate is longer than it should be, by up to this time, as of a sketch that waits and then prints")
	flags.Uint64Var(&o.Total, "total", 0, "what running totals begin at: near the top they wrap soon")
	flags.BoolVar(&pace, "pace", false, fmt.Sprintf("bytes at the speed of %d Bd instead of a line or record at once", f.Link.Baud))
	s.baudFlag(cmd, f.Link.Baud)
	if len(inputs) == 1 {
		for _, flag := range []string{"pairs", "window"} {
			_ = flags.MarkHidden(flag)
		}
	}
	return cmd
}

// bitsPerByte is how many bits of the line a byte takes.
func bitsPerByte(l instrument.Link) time.Duration {
	bits := 1 + l.DataBits + l.StopBits
	if l.Parity != instrument.NoParity {
		bits++
	}
	return time.Duration(bits)
}

// aboutFile says in words what is played.
func aboutFile(f *instrument.File, inputs []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, as %s describes it: ", f.Title, cmp.Or(f.Path, f.Name))
	switch {
	case f.Poll != nil:
		b.WriteString("it answers when it is asked.")
	case f.Tags != nil:
		b.WriteString("it sends a tag for each detection.")
	case f.Channels[0].Kind == instrument.Event:
		b.WriteString("it sends something for each event.")
	default:
		b.WriteString("it sends by itself.")
	}
	fmt.Fprintf(&b, " Light falls on %s.", strings.Join(inputs, " "))
	if f.Note != "" {
		b.WriteString("\n\n" + f.Note)
	}
	if f.Tags != nil {
		b.WriteString("\n\n" + tagsHelp)
		return b.String()
	}
	b.WriteString("\n\nThe truth has a row for each reading told, with all channels as they are stored; of single\nevents one row each, with the number of the event. What is played beyond the reading is said\nunder [simulate] in the file; see instrument/README.md.")
	return b.String()
}
