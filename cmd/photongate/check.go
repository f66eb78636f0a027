package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"photongate/cmd/internal/cli"
	"photongate/device"
	"photongate/device/all"
	"photongate/device/homebuilt"
	"photongate/device/usbport"
	"photongate/gateway"
	"photongate/instrument"

	"github.com/spf13/cobra"
)

func newCheckCommand() *cobra.Command {
	var s settings
	c := &cobra.Command{
		Use:   "check [FILE.toml]",
		Short: "check a configuration or an instrument file without touching any instrument",
		Long: `check reads a configuration as run would and says all that is wrong with it,
one line each: file, line, key, what was expected. What is possible and must
still go wrong, as a counter that overflows within its gate, is a warning. It
says how much room the journal has, and for how long that lasts, and of a tagger what
is counted: channels, delays, and how wide windows truly are. It opens no port.

Instrument files that the configuration names are checked as well, and their
examples tried. check FILE.toml does that with one instrument file alone.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 && isInstrumentFile(args[0]) {
				return checkFile(c.OutOrStdout(), args[0])
			}
			if err := noFile(c, args); err != nil {
				return err
			}
			return s.check(c)
		},
	}
	s.addFlags(c)
	return c
}

func (s *settings) check(c *cobra.Command) error {
	config, err := s.configured()
	if err != nil {
		return configError(err)
	}
	if config.File == "" && len(config.Devices) == 0 {
		return cli.Wrong("nothing to check: there is none of %s, and no -c or --device was given", strings.Join(configPlaces(), ", "))
	}
	drivers := slices.Concat(all.Drivers(), fileDrivers(&config))
	if err := config.Validate(drivers); err != nil {
		return configError(err)
	}
	if err := checkUSB(config, drivers, usbport.Available()); err != nil {
		return err
	}
	if err := gateway.CheckJournal(config); err != nil {
		return &cli.Error{Code: cli.Usage, Err: fmt.Errorf("%s: gateway.journal: %w", config.File, err)}
	}
	out := c.OutOrStdout()
	var warnings []string
	for _, w := range config.Warnings(drivers) {
		warnings = append(warnings, w.In(config.File))
	}
	for _, d := range config.Devices {
		fmt.Fprintf(out, "device %s: driver %s, port %s\n", d.Name, d.Driver, d.Port)
		for _, line := range d.CountsText(drivers) {
			fmt.Fprintf(out, "  %s\n", line)
		}
		if instrument.FromPath(d.Driver) {
			if f, err := instrument.Load(besides(config.File, d.Driver)); err == nil {
				fmt.Fprintf(out, "  instrument file is well: %s\n", examplesText(f))
			}
		}
	}
	for _, address := range config.Forward {
		fmt.Fprintf(out, "forward: dials %s\n", address)
	}
	for _, o := range config.Outputs {
		verb := "listens on"
		if o.Dial != "" {
			verb = "dials"
		}
		fmt.Fprintf(out, "output %s: kind %s, %s %s\n", o.Label(), o.Kind, verb, o.Address())
		if w := o.Warning(); w != "" {
			warnings = append(warnings, w)
		}
	}
	room, warning := gateway.CheckRoom(config)
	for _, line := range room {
		fmt.Fprintln(out, line)
	}
	if warning != "" {
		warnings = append(warnings, warning)
	}
	for _, w := range warnings {
		fmt.Fprintf(out, "warning: %s\n", w)
	}
	well := fmt.Sprintf("configuration is well: %d device(s)", len(config.Devices))
	if len(warnings) > 0 {
		well += fmt.Sprintf(", %d warning(s)", len(warnings))
	}
	_, err = fmt.Fprintln(out, well)
	return err
}

// configTables are tables that only a configuration has.
var configTables = regexp.MustCompile(`(?m)^\s*(\[\[device\]\]|\[gateway\])`)

// isInstrumentFile reports whether a path is to be that of an instrument file: a
// configuration is named otherwise.
func isInstrumentFile(path string) bool {
	if !instrument.FromPath(path) {
		return false
	}
	text, err := os.ReadFile(path)
	return err != nil || !configTables.Match(text)
}

// checkFile checks one instrument file and tries its examples.
func checkFile(out io.Writer, path string) error {
	f, err := instrument.Load(path)
	if err == nil {
		err = homebuilt.Check(f)
	}
	if err == nil && slices.ContainsFunc(all.Named(), func(d device.Driver) bool { return d.Name == f.Name }) {
		err = &instrument.Error{Path: path, Problems: []instrument.Problem{{Key: "name", Text: fmt.Sprintf("%q is a driver's that photongate has (expected a name of its own, as in %q)", f.Name, "my-"+f.Name)}}}
	}
	if err != nil {
		return &cli.Error{Code: cli.Usage, Err: err}
	}
	d := homebuilt.Driver(f)
	on := fmt.Sprintf("a line of %v", d.Line)
	if d.Line.FIFO {
		on = "a synchronous FIFO, port ftdi:VID:PID"
	}
	fmt.Fprintf(out, "%s: %s, on %s\n", f.Name, d.Title, on)
	for _, ch := range f.Channels {
		edge := ""
		if ch.Edge != "" {
			edge = fmt.Sprintf(", %s edge", ch.Edge)
		}
		fmt.Fprintf(out, "  channel %s: %s%s\n", ch.Name, ch.Kind, edge)
	}
	if f.Tags != nil {
		fmt.Fprintf(out, "  time: %s\n", clockText(f.Tags))
	} else {
		fmt.Fprintf(out, "  gate: %s\n", gateText(f))
	}
	_, err = fmt.Fprintf(out, "instrument file is well: %s\n", examplesText(f))
	return err
}

// clockText says what is known of a tagger's clock.
func clockText(t *instrument.Tags) string {
	tick := device.Tick{Num: t.Tick.Num, Den: t.Tick.Den}
	text := fmt.Sprintf("ticks of %g ns", tick.Ns(1))
	if t.Wrap > 0 {
		text += fmt.Sprintf(", beginning at 0 again after %d, which is %.3g s", t.Wrap, tick.Ns(float64(t.Wrap))/1e9)
	}
	return text
}

// gateText says how readings are timed.
func gateText(f *instrument.File) string {
	g := f.Gate
	long := ""
	if g.Time > 0 {
		long = fmt.Sprintf(" of %v", g.Time)
	}
	switch {
	case f.Channels[0].Kind == instrument.Event:
		return fmt.Sprintf("events are counted in intervals%s of this computer", long)
	case g.By == instrument.ByPoll:
		return fmt.Sprintf("each question ends an interval, one every %v", f.Poll.Every)
	case g.By == instrument.ByAnswer:
		return fmt.Sprintf("the instrument counts an interval%s when it is asked", long)
	case !g.Length.IsZero() || !g.Clock.IsZero():
		return "each reading says by the instrument's clock when it was"
	case g.By == instrument.ByInstrument:
		return fmt.Sprintf("timed by the instrument, intervals%s right behind each other", long)
	}
	return `timed by arrival; if the counter times it itself, time = "..." under [gate] says how long it counts`
}
