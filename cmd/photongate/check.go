package main

import (
	"fmt"
	"strings"

	"photongate/cmd/internal/cli"
	"photongate/device/all"
	"photongate/device/usbport"
	"photongate/gateway"

	"github.com/spf13/cobra"
)

func newCheckCommand() *cobra.Command {
	var s settings
	c := &cobra.Command{
		Use:   "check",
		Short: "check a configuration without touching any instrument",
		Long: `check reads a configuration as run would and says all that is wrong with it,
one line each: file, line, key, what was expected. What is possible and must
still go wrong, as a counter that overflows within its gate, is a warning. It
says how much room the journal has, and for how long that lasts. It opens no port.`,
		Args: noFile,
		RunE: func(c *cobra.Command, _ []string) error { return s.check(c) },
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
	if err := config.Validate(all.Drivers()); err != nil {
		return configError(err)
	}
	if err := checkUSB(config, all.Drivers(), usbport.Available()); err != nil {
		return err
	}
	if err := gateway.CheckJournal(config); err != nil {
		return &cli.Error{Code: cli.Usage, Err: fmt.Errorf("%s: gateway.journal: %w", config.File, err)}
	}
	out := c.OutOrStdout()
	var warnings []string
	for _, w := range config.Warnings(all.Drivers()) {
		warnings = append(warnings, w.In(config.File))
	}
	for _, d := range config.Devices {
		fmt.Fprintf(out, "device %s: driver %s, port %s\n", d.Name, d.Driver, d.Port)
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
