package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"photongate/device"
	"photongate/device/all"
	"photongate/device/page"

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
				d := drivers[0]
				_, err := io.WriteString(c.OutOrStdout(), page.Of(d, tried(d)).Text())
				return err
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
	fmt.Fprintln(t, "DRIVER\tINSTRUMENT\tLINK\tIDENTITY\tUSB")
	for _, d := range all.Named() {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", d.Name, d.Title, page.Link(d), d.Identity, page.USB(d))
	}
	fmt.Fprintln(t, "\t\t\t\t")
	fmt.Fprintln(t, "HOME-BUILT\tINSTRUMENT\tLINK\tIDENTITY\t")
	for _, d := range all.Presets() {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t\n", d.Name, d.Title, page.Link(d), d.Identity)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, "\nall about one, its wiring, settings, quirks, and what is not known: photongate drivers NAME\none that is not here may be described in a file: driver = \"mycounter.toml\", see instrument/README.md")
	return err
}

// tried says in which ways a driver is tried, that of a file among them.
func tried(d device.Driver) page.Evidence {
	if f := instrumentFile(d.Name); f != nil {
		return page.Evidence{Examples: len(f.Examples), Twin: true}
	}
	return all.Verified(d.Name)
}
