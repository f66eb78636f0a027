package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"photongate/cmd/internal/cli"
	"photongate/device"
	"photongate/device/all"
	"photongate/device/homebuilt"
	"photongate/device/recording"
	"photongate/device/trial"
	"photongate/gateway"

	"github.com/spf13/cobra"
)

// unknownDriver stands for no driver: the bytes are looked at as they are.
const unknownDriver = "unknown"

// tryFlags are the choices of photongate try.
type tryFlags struct {
	port     string
	duration time.Duration
	save     string
	replay   string
	options  []string
	baud     string
	send     string
}

func newTryCommand() *cobra.Command {
	var f tryFlags
	c := &cobra.Command{
		Use:   "try DRIVER|FILE.toml|unknown --port PORT | try --replay FILE",
		Short: "show the bytes of an instrument and what the driver reads in them",
		Long: `try opens one instrument without a gateway and shows every byte in both
directions, how the bytes are cut into lines or packets, what the driver reads in
them, and which documented quirks show. It ends with "works as documented" (exit
code 0) or the first surprise (1). Nothing is set but what --set names.

With --save the bytes are kept in a file: send it with a bug report. It holds the
bytes, the times, the port's name and the versions, as text you can look at.
--replay shows such a file as if the instrument were there.

FILE.toml describes an instrument without a driver (instrument/README.md says how):
what does not fit it is shown with its columns numbered, so that a minute later it
fits.

Instruments on USB that have no serial line (photongate drivers says which) have
no stream of bytes: try does not do those. What they count is shown by
photongate run --device DRIVER@PORT.

try unknown is for an instrument photongate has no driver for. It sends nothing
unless --send says what, and tells what the bytes look like: text or binary, line
ends, columns, length of records, how often they come, and whether a driver knows
them.`,
		Example: `  photongate try cd48 --port /dev/ttyACM0
  photongate try cd48 --port /dev/ttyACM0 --set gate=100ms --save cd48.txt
  photongate try --replay cd48.txt
  photongate try mycounter.toml --port /dev/ttyUSB0
  photongate try unknown --port /dev/ttyUSB0 --for 20s --save counter.txt
  photongate try unknown --port /dev/ttyUSB0 --baud 9600 --send 'c\r'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			return f.run(c.Context(), c.OutOrStdout(), name)
		},
	}
	c.Flags().SortFlags = false
	c.Flags().StringVar(&f.port, "port", "", "where the instrument is, as in a configuration")
	c.Flags().DurationVar(&f.duration, "for", 10*time.Second, "how long to read")
	c.Flags().StringVar(&f.save, "save", "", "keep the bytes in this new `FILE`")
	c.Flags().StringVar(&f.replay, "replay", "", "show this `FILE` that --save kept, instead of an instrument")
	c.Flags().StringArrayVar(&f.options, "set", nil, "`SETTING=VALUE` to push, may be repeated")
	c.Flags().StringVar(&f.baud, "baud", "auto", "unknown only: baud `RATE`, or auto to try the usual ones for the time of --for each")
	c.Flags().StringVar(&f.send, "send", "", `unknown only: send this `+"`TEXT`"+` after a second; \r \n \x07 stand for what one cannot type`)
	return c
}

func (f *tryFlags) run(ctx context.Context, out io.Writer, name string) error {
	if f.replay != "" {
		return f.playBack(ctx, out, name)
	}
	if err := f.check(name); err != nil {
		return err
	}
	if name == unknownDriver {
		return f.unknown(ctx, out)
	}
	driver, settings, err := f.settings(name)
	if err != nil {
		return err
	}
	if driver.Transport == device.USB {
		return cli.Wrong("%s is on USB and has no stream of bytes to show; to see what it counts: photongate run --device %s@%s", name, name, f.port)
	}
	if file := instrumentFile(name); file != nil {
		if err := homebuilt.Check(file); err != nil {
			fmt.Fprintf(os.Stderr, "warning: %v\n", err)
		}
	}
	save, err := f.create()
	if err != nil {
		return err
	}
	clock := newClock()
	line := driver.LineWith(settings)
	port, err := openPort(ctx, f.port, line, clock)
	if err != nil {
		return errors.Join(err, f.remove(save))
	}
	about := f.about(driver.Name, line)
	about.Settings = recording.SettingsText(settings)
	report, err := trial.Trial{
		Driver: driver, Settings: settings, Port: port, Clock: clock, About: about,
		Others: all.Named(), Out: out, Save: save,
	}.Run(ctx)
	return f.verdict(report.Surprise == "", save, err)
}

// newClock returns a time base for one instrument.
func newClock() device.Clock {
	start := time.Now()
	return func() int64 { return int64(time.Since(start)) }
}

// verdict closes the file and turns what came of a trial into an exit code; it
// has been said already.
func (f *tryFlags) verdict(well bool, save io.Writer, err error) error {
	if file, ok := save.(*os.File); ok {
		if err = errors.Join(err, file.Close()); err == nil {
			fmt.Fprintf(os.Stderr, "kept in %s; photongate try --replay %s shows it again\n", f.save, f.save)
		}
	}
	if err == nil && !well {
		return &cli.Error{Code: cli.Incomplete}
	}
	return err
}

// create makes the file of --save; nil when none is wanted.
func (f *tryFlags) create() (io.Writer, error) {
	if f.save == "" {
		return nil, nil
	}
	file, err := os.OpenFile(f.save, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return nil, cli.Wrong("--save: %s is there already and is not overwritten: choose another name", f.save)
	}
	if err != nil {
		return nil, cli.Wrong("--save: %w", err)
	}
	return file, nil
}

// remove takes the file of --save away again, when there is nothing to keep.
func (f *tryFlags) remove(save io.Writer) error {
	file, ok := save.(*os.File)
	if !ok {
		return nil
	}
	return errors.Join(file.Close(), os.Remove(f.save))
}

// check refuses flags that do not go together.
func (f *tryFlags) check(name string) error {
	switch {
	case name == "":
		return cli.Wrong("which instrument? photongate try DRIVER --port PORT; drivers: %s, those of home-built counters (photongate drivers lists them), an instrument file, or %s", driverNames(all.Named()), unknownDriver)
	case f.duration <= 0:
		return cli.Wrong("--for %v: expected a time such as 10s", f.duration)
	case name == unknownDriver && len(f.options) > 0:
		return cli.Wrong("--set needs a driver that knows the setting; with %s there is only --send", unknownDriver)
	case name != unknownDriver && (f.send != "" || f.baud != "auto"):
		return cli.Wrong("--send and --baud go with %s only: a driver knows what to send and at which rate", unknownDriver)
	case f.port == "":
		return cli.Wrong("--port is missing: which port is the instrument on? photongate devices lists them")
	}
	return nil
}

// settings checks driver, port and settings as a configuration would be.
func (f *tryFlags) settings(name string) (device.Driver, device.Settings, error) {
	driver, err := findDriver(name)
	if err != nil {
		return driver, nil, err
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

// playBack tries a driver on a recording.
func (f *tryFlags) playBack(ctx context.Context, out io.Writer, name string) error {
	if f.port != "" || f.save != "" || len(f.options) > 0 || f.send != "" {
		return cli.Wrong("--replay goes alone: the file says what was set and sent")
	}
	file, err := os.Open(f.replay)
	if err != nil {
		return cli.Wrong("--replay: %w", err)
	}
	defer func() { _ = file.Close() }()
	rec, err := recording.Parse(file)
	if err != nil {
		return &cli.Error{Code: cli.Damaged, Err: fmt.Errorf("%s: %w", f.replay, err)}
	}
	if name == "" {
		name = rec.About.Driver
	}
	if name == unknownDriver {
		return f.verdict(examineRecording(out, rec), nil, nil)
	}
	driver, err := findDriver(name)
	if err != nil {
		return cli.Wrong("%w; name one for %s: photongate try DRIVER --replay %s", err, f.replay, f.replay)
	}
	settings, err := rec.About.DeviceSettings(driver.Options)
	if err != nil {
		return cli.Wrong("%s: %w", f.replay, err)
	}
	if rec.About.For == 0 {
		rec.About.For = rec.End()
	}
	port := rec.Play()
	report, err := trial.Trial{
		Driver: driver, Settings: settings, Port: port, Clock: port.Clock, About: rec.About, Others: all.Named(), Out: out,
	}.Run(ctx)
	return f.verdict(report.Surprise == "", nil, err)
}
