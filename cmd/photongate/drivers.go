package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"photongate/device"
	"photongate/device/all"

	"github.com/spf13/cobra"
)

func newDriversCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "drivers [NAME|FILE.toml]",
		Short: "list the instruments photongate can speak to, and their settings",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			drivers := all.Drivers()
			if len(args) == 1 {
				d, err := findDriver(args[0])
				if err != nil {
					return err
				}
				drivers = []device.Driver{d}
			}
			if asJSON {
				return printDriversJSON(c.OutOrStdout(), drivers)
			}
			if len(args) == 1 {
				return printDriver(c.OutOrStdout(), drivers[0])
			}
			return printDrivers(c.OutOrStdout())
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "machine-readable output")
	return c
}

func driverNames(drivers []device.Driver) string {
	names := make([]string, len(drivers))
	for i, d := range drivers {
		names[i] = d.Name
	}
	return strings.Join(names, ", ")
}

func printDrivers(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "DRIVER\tINSTRUMENT\tLINE\tIDENTITY\tUSB")
	for _, d := range all.Named() {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", d.Name, d.Title, d.Line, d.Identity, usbIDs(d.USB))
	}
	fmt.Fprintln(t, "\t\t\t\t")
	fmt.Fprintln(t, "HOME-BUILT\tINSTRUMENT\tLINE\tIDENTITY\t")
	for _, d := range all.Presets() {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t\n", d.Name, d.Title, d.Line, d.Identity)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, "\nsettings of one: photongate drivers NAME\none that is not here may be described in a file: driver = \"mycounter.toml\", see instrument/README.md")
	return err
}

func usbIDs(ids []device.USBID) string {
	if len(ids) == 0 {
		return "any adapter"
	}
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = id.String()
		if id.Shared {
			words[i] += " (also other products)"
		}
	}
	return strings.Join(words, ", ")
}

func printDriver(w io.Writer, d device.Driver) error {
	fmt.Fprintf(w, "%s: %s\n\nline      %s\nidentity  %s\nUSB       %s\n", d.Name, d.Title, d.Line, d.Identity, usbIDs(d.USB))
	if f := instrumentFile(d.Name); f != nil {
		fmt.Fprintf(w, "source    %s\n", orNotSaid(f.Source))
		if f.Note != "" {
			fmt.Fprintf(w, "note      %s\n", f.Note)
		}
	}
	fmt.Fprintln(w)
	fmt.Fprintln(w, "settings under [device.options]; one that is not named stays as it is in the instrument:")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, o := range d.Options {
		fmt.Fprintf(t, "  %s\t%s\t%s\tdefault: %s\n", o.Name, optionType(o), o.Title, o.Default)
	}
	if err := t.Flush(); err != nil || d.Inputs.Title == "" {
		return err
	}
	_, err := fmt.Fprintf(w, "\ninputs under [[device.channel]]:\n  %s\n", d.Inputs.Title)
	return err
}

func optionType(o device.Option) string {
	s := string(o.Kind)
	if len(o.Choices) > 0 {
		s = strings.Join(o.Choices, "|")
	}
	if o.Min == 0 && o.Max == 0 {
		return s
	}
	if o.Kind == device.Duration {
		return fmt.Sprintf("%s %s to %s", s, time.Duration(o.Min), time.Duration(o.Max))
	}
	return strings.TrimSpace(fmt.Sprintf("%s %g to %g %s", s, o.Min, o.Max, o.Unit))
}

func printDriversJSON(w io.Writer, drivers []device.Driver) error {
	type option struct {
		Name    string   `json:"name"`
		Title   string   `json:"title"`
		Kind    string   `json:"kind"`
		Unit    string   `json:"unit,omitempty"`
		Default string   `json:"default"`
		Choices []string `json:"choices,omitempty"`
		Min     float64  `json:"min,omitempty"`
		Max     float64  `json:"max,omitempty"`
	}
	type driver struct {
		Name     string   `json:"name"`
		Title    string   `json:"title"`
		Line     string   `json:"line"`
		Identity string   `json:"identity"`
		USB      []string `json:"usb,omitempty"`
		Options  []option `json:"options"`
		Inputs   string   `json:"inputs,omitempty"`
	}
	list := make([]driver, 0, len(drivers))
	for _, d := range drivers {
		out := driver{Name: d.Name, Title: d.Title, Line: d.Line.String(), Identity: string(d.Identity), Options: []option{}, Inputs: d.Inputs.Title}
		for _, id := range d.USB {
			out.USB = append(out.USB, id.String())
		}
		for _, o := range d.Options {
			out.Options = append(out.Options, option{o.Name, o.Title, string(o.Kind), o.Unit, o.Default, o.Choices, o.Min, o.Max})
		}
		list = append(list, out)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(list)
}
