package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"photongate/cmd/internal/cli"
	"photongate/device"
	"photongate/device/all"
	"photongate/device/recording"
	"photongate/device/serialport"
	"photongate/gateway"

	"github.com/spf13/cobra"
)

// tryFlags are the choices of photongate try.
type tryFlags struct {
	port     string
	duration time.Duration
	save     string
	options  []string
}

func newTryCommand() *cobra.Command {
	var f tryFlags
	c := &cobra.Command{
		Use:   "try DRIVER --port PORT",
		Short: "show the bytes of an instrument and what the driver reads in them",
		Long: `try opens one instrument without a gateway and shows every byte in both
directions, and what the driver made of them. Nothing is set but what --set
names. With --save the bytes are kept in a file, for a bug report.`,
		Example: `  photongate try cd48 --port /dev/ttyACM0
  photongate try cd48 --port /dev/ttyACM0 --set gate=100ms --save cd48.txt`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return f.run(c.Context(), c.OutOrStdout(), args[0])
		},
	}
	c.Flags().StringVar(&f.port, "port", "", "where the instrument is, as in a configuration")
	c.Flags().DurationVar(&f.duration, "for", 5*time.Second, "how long to read")
	c.Flags().StringVar(&f.save, "save", "", "file to keep the bytes in")
	c.Flags().StringArrayVar(&f.options, "set", nil, "SETTING=VALUE to push, may be repeated")
	return c
}

func (f *tryFlags) run(ctx context.Context, out io.Writer, name string) (err error) {
	driver, settings, err := f.settings(name)
	if err != nil {
		return err
	}
	start := time.Now()
	clock := func() int64 { return int64(time.Since(start)) }
	port, err := serialport.Open(ctx, f.port, driver.Line, clock)
	if err != nil {
		return err
	}
	if f.save != "" {
		file, err := os.Create(f.save)
		if err != nil {
			return errors.Join(fmt.Errorf("keep the bytes: %w", err), port.Close())
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		port = recording.Record(port, file, clock)
	}
	port = &shownPort{Port: port, out: out}
	fmt.Fprintf(out, "%s on %s at %s, for %v\n", driver.Name, port.Name(), driver.Line, f.duration)
	ctx, cancel := context.WithTimeout(ctx, f.duration+tryOpenLimit)
	defer cancel()
	source, err := driver.Open(ctx, device.OpenRequest{Port: port, Settings: settings, Clock: clock})
	if err != nil {
		return errors.Join(err, port.Close())
	}
	showDescription(out, source.Describe())
	err = showReadings(ctx, out, source, time.Now().Add(f.duration))
	return errors.Join(err, source.Close())
}

// tryOpenLimit bounds how long an instrument may take to be opened.
const tryOpenLimit = 15 * time.Second

// settings checks driver, port and settings as a configuration would be.
func (f *tryFlags) settings(name string) (device.Driver, device.Settings, error) {
	driver, ok := all.Find(name)
	switch {
	case !ok:
		return driver, nil, cli.Wrong("no driver %q; there are: %s", name, driverNames(all.Drivers()))
	case f.port == "":
		return driver, nil, cli.Wrong("--port is missing: which port is the instrument on? photongate devices lists them")
	}
	d := gateway.DeviceConfig{Name: "try", Driver: name, Port: f.port, Options: map[string]any{}}
	for _, text := range f.options {
		key, value, ok := strings.Cut(text, "=")
		if !ok {
			return driver, nil, cli.Wrong("--set %q: expected SETTING=VALUE", text)
		}
		d.Options[key] = gateway.Word(value)
	}
	config := gateway.Config{Devices: []gateway.DeviceConfig{d}}
	if err := config.Validate([]device.Driver{driver}); err != nil {
		return driver, nil, configError(err)
	}
	settings, err := d.Settings(&driver)
	return driver, settings, err
}

func showDescription(out io.Writer, d device.Description) {
	fmt.Fprintf(out, "= %s, identity %s, gate %v timed by %s\n", d.Model, d.Identity, d.Gate, d.Timing)
	for _, s := range d.Settings {
		fmt.Fprintf(out, "=   %s = %s %s (%s)\n", s.Key, s.Value, s.Unit, s.How)
	}
	for _, c := range d.Channels {
		fmt.Fprintf(out, "=   channel %s: %s\n", c.Name, c.Input)
	}
}

// showReadings prints what the driver reads until the time is up, and ends with
// the first surprise, or that there was none.
func showReadings(ctx context.Context, out io.Writer, source device.Source, until time.Time) error {
	b := device.NewBatch(len(source.Describe().Channels))
	readings, surprise := 0, ""
	for time.Now().Before(until) && ctx.Err() == nil {
		b.Reset()
		err := source.Read(b)
		readings += b.Len()
		if s := showBatch(out, b); surprise == "" {
			surprise = s
		}
		if err != nil {
			return err
		}
	}
	switch {
	case surprise != "":
		fmt.Fprintf(out, "%d readings; first surprise: %s\n", readings, surprise)
		return &cli.Error{Code: cli.Incomplete}
	case readings == 0:
		fmt.Fprintln(out, "no reading in this time: is the instrument counting, and is the time longer than its gate?")
		return &cli.Error{Code: cli.Incomplete}
	}
	_, err := fmt.Fprintf(out, "%d readings: works as documented\n", readings)
	return err
}

// showBatch prints notes and readings in order, and returns the first gap or
// flag among them.
func showBatch(out io.Writer, b *device.Batch) (surprise string) {
	note := func(text string) {
		if surprise == "" {
			surprise = text
		}
	}
	notes := b.Notes
	for row := 0; row <= b.Len(); row++ {
		for ; len(notes) > 0 && notes[0].Row == row; notes = notes[1:] {
			switch n := notes[0]; {
			case n.Gap != nil:
				text := fmt.Sprintf("gap: %s, %s, %d readings missing", n.Gap.Cause, n.Gap.Detail, n.Gap.Missing)
				fmt.Fprintln(out, "= "+text)
				note(text)
			case n.Event != nil:
				fmt.Fprintf(out, "= %s: %s\n", n.Event.What, n.Event.Text)
			}
		}
		if row == b.Len() {
			break
		}
		line := fmt.Sprintf("= reading of %.6f s:", float64(b.Length[row])/1e9)
		for c := range b.Values {
			if b.ValueFlags[c][row]&device.Absent != 0 {
				line += " -"
				continue
			}
			line += fmt.Sprintf(" %d", b.Values[c][row])
			if b.ValueFlags[c][row] != 0 {
				note(fmt.Sprintf("counter %d of a reading is flagged", c))
			}
		}
		if b.Flags[row] != 0 {
			line += fmt.Sprintf(" (flags %#x)", uint32(b.Flags[row]))
			note("a reading is flagged")
		}
		fmt.Fprintln(out, line)
	}
	return surprise
}

// shownPort prints what goes over a port.
type shownPort struct {
	device.Port
	out io.Writer
}

func (p *shownPort) Read(b []byte, timeout time.Duration) (int, int64, error) {
	n, at, err := p.Port.Read(b, timeout)
	p.show("<", b[:n])
	return n, at, err
}

func (p *shownPort) Write(b []byte) (int64, error) {
	p.show(">", b)
	return p.Port.Write(b)
}

// show prints bytes as hex and text, a line for at most 32 of them.
func (p *shownPort) show(direction string, b []byte) {
	for part := range slices.Chunk(b, 32) {
		fmt.Fprintf(p.out, "%s %s\n", direction, device.ShowBytes(part))
	}
}
