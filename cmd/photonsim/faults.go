package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"photongate/sim"
)

// faultsCommand makes the command that explains --fault.
func faultsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "faults",
		Short: "what can go wrong: the kinds of --fault KIND@TIME[:PARAM]",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "KIND\tPARAM\tWITHOUT IT\tWHAT HAPPENS")
			for _, f := range sim.FaultForms() {
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", f.Kind, f.Parameter, f.Default, f.Title)
			}
			fmt.Fprint(t, `
TIME is a duration after the start (5s, 1m30s), or byte=N: when the instrument
has sent N bytes to an open port. Examples:

  --fault garbage@5s:20      twenty random bytes in what is sent after 5 s
  --fault unplug@byte=1000   unplugged after 1000 bytes, back after 3 s
  --fault leak@5s:A=3M       after 5 s, 3 million more photons a second on input A
  --fault dead@5s:B          after 5 s, the detector at input B is dead
`)
			return t.Flush()
		},
	}
}
