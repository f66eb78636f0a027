package main

import (
	"github.com/spf13/cobra"

	"photongate/cmd/internal/asking"
	"photongate/protocol"
)

func newGetCommand() *cobra.Command {
	var r reach
	var asJSON bool
	c := &cobra.Command{
		Use:   "get [DEVICE [KEY]]",
		Short: "show the settings of instruments",
		Long: `get asks the running gateway what its instruments are set to, how that is known
(read back from the instrument, sent to it, assumed, or fixed), and what each
setting may be.`,
		Example: `  photongate get
  photongate get bench gate`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := r.connect(c)
			if err != nil {
				return asking.Failed(err)
			}
			return asking.Get(c.Context(), client, args, asJSON, c.OutOrStdout())
		},
	}
	r.addFlags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "write the settings as JSON")
	return c
}

func newSetCommand() *cobra.Command {
	var r reach
	var force, asJSON bool
	c := &cobra.Command{
		Use:   "set DEVICE KEY=VALUE",
		Short: "change a setting of an instrument",
		Long: `set changes one setting of an instrument that the running gateway reads. It lasts
until the gateway ends, also when the instrument is unplugged meanwhile; what is to
last longer stands in the configuration. Who changed what, and what the instrument
says it is now, is recorded with the counts; readings in between are flagged "mixed".

Values are written as in the configuration; "photongate get" shows what each may be.
While somebody measures, changes are refused, but with --force.`,
		Example: `  photongate set bench gate=200ms
  photongate set bench threshold=0.5V --addr pi-lab3`,
		Args: cobra.RangeArgs(2, 3),
		RunE: func(c *cobra.Command, args []string) error {
			key, value, err := asking.Assignment(args[1:])
			if err != nil {
				return err
			}
			client, err := r.connect(c)
			if err != nil {
				return asking.Failed(err)
			}
			return asking.Set(c.Context(), client, protocol.Request{Device: args[0], Key: key, Value: value, Force: force}, asJSON, c.OutOrStdout())
		},
	}
	r.addFlags(c)
	c.Flags().BoolVar(&force, "force", false, "also while somebody else measures")
	c.Flags().BoolVar(&asJSON, "json", false, "write the answer as JSON")
	return c
}
