package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"photongate/cmd/internal/cli"
	"photongate/device/all"
	"photongate/device/hotplug"
	"photongate/device/usbport"
	"photongate/gateway"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// settings are the flags of run and check.
type settings struct {
	file    string
	devices []string
	name    string
	listen  []string
	journal string
	logJSON bool
	verbose bool
}

func (s *settings) addFlags(c *cobra.Command) {
	f := c.Flags()
	f.StringVarP(&s.file, "config", "c", "", "configuration file (default: the first there is of "+strings.Join(configPlaces(), ", ")+")")
	f.StringArrayVar(&s.devices, "device", nil, "one instrument, without a file: DRIVER@PORT[,SETTING=VALUE]..., may be repeated; DRIVER may be an instrument file")
	f.StringVar(&s.name, "name", "", "name of this gateway (default: the host's name)")
	f.StringArrayVar(&s.listen, "listen", nil, "address to listen on (default "+gateway.DefaultListen+"), may be repeated")
	f.StringVar(&s.journal, "journal", "", "folder of the journal (default "+gateway.DefaultJournal+")")
}

func newRunCommand() *cobra.Command {
	var s settings
	c := &cobra.Command{
		Use:   "run",
		Short: "read the instruments and serve their readings",
		Long: `run reads the configured instruments, keeps every reading in the journal and
serves receivers on port 7310 until it is interrupted. Without a file and
without --device it serves what it can identify for sure, and prints the
configuration it used.`,
		Example: `  photongate run -c photongate.toml
  photongate run --device cd48@/dev/ttyACM0,gate=100ms
  photongate run --device de2ccu@usb:0403:6001:A50285BI --name pi-lab3
  photongate run --device mycounter.toml@/dev/ttyUSB0`,
		Args: noFile,
		RunE: func(c *cobra.Command, _ []string) error { return s.run(c.Context(), c) },
	}
	s.addFlags(c)
	c.Flags().BoolVar(&s.logJSON, "log-json", false, "log as JSON lines")
	c.Flags().BoolVarP(&s.verbose, "verbose", "v", false, "log more")
	return c
}

// noFile refuses arguments: a file is named by a flag.
func noFile(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return cli.Wrong("unexpected %q: a configuration file is named with -c, as in: %s -c %s", args[0], c.CommandPath(), args[0])
}

func (s *settings) run(ctx context.Context, c *cobra.Command) error {
	log := s.logger()
	config, err := s.config(ctx, log)
	if err != nil {
		return err
	}
	drivers := slices.Concat(all.Drivers(), fileDrivers(&config))
	plugging := hotplug.New(pluggedNames)
	g, err := gateway.New(config, gateway.Deps{
		Drivers:  drivers,
		OpenPort: openPort,
		OpenUSB:  usbport.Open,
		Plugging: plugging,
		Log:      log,
		Software: software(),

		OnPairing: s.tellPairing,
	})
	if err != nil {
		return configError(err)
	}
	if err := checkUSB(config, drivers, usbport.Available()); err != nil {
		return err
	}
	for _, w := range config.Warnings(drivers) {
		log.Warn().Msg(w.In(config.File))
	}
	watching, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { plugging.Run(watching) })
	defer watch.Wait()
	defer stop()
	return g.Run(ctx)
}

func (s *settings) logger() zerolog.Logger {
	level := zerolog.InfoLevel
	if s.verbose {
		level = zerolog.DebugLevel
	}
	if s.logJSON {
		return zerolog.New(os.Stderr).Level(level).With().Timestamp().Logger()
	}
	return consoleLogger(level)
}

// consoleLogger writes lines for people to standard error.
func consoleLogger(level zerolog.Level) zerolog.Logger {
	w := zerolog.ConsoleWriter{
		Out: os.Stderr, TimeFormat: time.TimeOnly,
		NoColor: !term.IsTerminal(int(os.Stderr.Fd())),
		// As one asks for them; the others follow by name.
		FieldsOrder: []string{"device", "model", "serial", "firmware", "identity", "gate", "timing", "channels", "cause", "hint"},
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger()
}

// config finds the configuration: the file, the flags, or what is plugged in.
func (s *settings) config(ctx context.Context, log zerolog.Logger) (gateway.Config, error) {
	config, err := s.configured()
	if err != nil {
		return gateway.Config{}, configError(err)
	}
	if len(config.Devices) == 0 && config.File == "" {
		found, err := identify(ctx, log)
		if err != nil {
			return gateway.Config{}, err
		}
		config.Devices = found
		fmt.Fprintf(os.Stderr, "no configuration file: using\n\n%s\n", configText(config))
	}
	return config, nil
}

// configured reads the file and the flags; what it returns has no devices and
// no file when neither names any.
func (s *settings) configured() (gateway.Config, error) {
	file := s.file
	if file == "" && len(s.devices) == 0 {
		file = existingConfig()
	}
	var config gateway.Config
	if file != "" {
		if len(s.devices) > 0 {
			return config, cli.Wrong("--device and -c do not go together: add a [[device]] to %s", file)
		}
		var err error
		if config, err = gateway.LoadConfig(file); err != nil {
			return config, err
		}
	}
	for _, text := range s.devices {
		d, err := parseDevice(text, config.Devices)
		if err != nil {
			return config, err
		}
		config.Devices = append(config.Devices, d)
	}
	if s.name != "" {
		config.Name = s.name
	}
	if len(s.listen) > 0 {
		config.Listen = s.listen
	}
	if s.journal != "" {
		config.Journal = s.journal
	}
	return config, nil
}

// configError gives errors in a configuration their exit code.
func configError(err error) error {
	var bad *gateway.ConfigError
	var path *fs.PathError
	if errors.As(err, &bad) || errors.As(err, &path) {
		return &cli.Error{Code: cli.Usage, Err: err}
	}
	return err
}

// configPlaces lists where a configuration file is looked for.
func configPlaces() []string {
	return []string{"photongate.toml", "~/.config/photongate/photongate.toml", "/etc/photongate/photongate.toml"}
}

func existingConfig() string {
	for _, place := range configPlaces() {
		if rest, ok := strings.CutPrefix(place, "~/"); ok {
			home, err := os.UserHomeDir()
			if err != nil {
				continue
			}
			place = filepath.Join(home, rest)
		}
		if _, err := os.Stat(place); err == nil {
			return place
		}
	}
	return ""
}

// parseDevice reads DRIVER@PORT[,SETTING=VALUE]... and names the device after
// its driver.
func parseDevice(text string, others []gateway.DeviceConfig) (gateway.DeviceConfig, error) {
	driver, rest, ok := strings.Cut(text, "@")
	port, options, _ := strings.Cut(rest, ",")
	if !ok || driver == "" || port == "" {
		return gateway.DeviceConfig{}, cli.Wrong("--device %q: expected DRIVER@PORT, for example cd48@/dev/ttyACM0", text)
	}
	d := gateway.DeviceConfig{Name: freeName(streamName(driver), others), Driver: driver, Port: port, Options: map[string]any{}}
	for option := range strings.SplitSeq(options, ",") {
		if option == "" {
			continue
		}
		key, value, ok := strings.Cut(option, "=")
		if !ok {
			return d, cli.Wrong("--device %q: %q is no SETTING=VALUE", text, option)
		}
		d.Options[key] = gateway.Word(value)
	}
	return d, nil
}

func freeName(driver string, others []gateway.DeviceConfig) string {
	name := driver
	for n := 2; ; n++ {
		taken := false
		for _, o := range others {
			taken = taken || o.Name == name
		}
		if !taken {
			return name
		}
		name = fmt.Sprintf("%s-%d", driver, n)
	}
}

// configText writes a configuration as the TOML a user can keep.
func configText(c gateway.Config) string {
	var b strings.Builder
	if c.Name != "" {
		fmt.Fprintf(&b, "[gateway]\nname = %q\n\n", c.Name)
	}
	for _, d := range c.Devices {
		fmt.Fprintf(&b, "[[device]]\nname   = %q\ndriver = %q\nport   = %q\n\n", d.Name, d.Driver, d.Port)
	}
	return b.String()
}
