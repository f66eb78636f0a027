package main

import (
	"github.com/spf13/cobra"

	"photongate/cmd/internal/asking"
	"photongate/protocol"
)

func newGetCommand() *cobra.Command {
	var asJSON bool
	var listen []string
	c := &cobra.Command{
		Use:   "get ADDRESS [DEVICE [KEY]]",
		Short: "show the settings of instruments",
		Long: `get shows what instruments are set to, how that is known (read back from the
instrument, sent to it, assumed, or fixed), and what each setting may be.`,
		Example: `  photonrecv get pi-lab3
  photonrecv get pi-lab3 bench gate`,
		Args: cobra.RangeArgs(1, 3),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := ask(c, args[0], "", listen)
			if err != nil {
				return err
			}
			return asking.Get(c.Context(), client, args[1:], asJSON, c.OutOrStdout())
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write the settings as JSON")
	listenFlag(c, &listen)
	return c
}

func newSetCommand() *cobra.Command {
	var force, asJSON bool
	var listen []string
	c := &cobra.Command{
		Use:   "set ADDRESS DEVICE KEY=VALUE",
		Short: "change a setting of an instrument",
		Long: `set changes one setting, until the gateway ends: what is to last stands in its
configuration. Who changed what, from where, and what the instrument says it is now,
is recorded with the counts; readings in between are flagged "mixed".

Values are written as in the configuration: 200ms, 0.5V, true. photonrecv get shows
what each may be. While somebody measures, changes are refused, but with --force.`,
		Example: `  photonrecv set pi-lab3 bench gate=200ms`,
		Args:    cobra.RangeArgs(3, 4),
		RunE: func(c *cobra.Command, args []string) error {
			key, value, err := asking.Assignment(args[2:])
			if err != nil {
				return err
			}
			client, err := ask(c, args[0], asking.WhoAmI(), listen)
			if err != nil {
				return err
			}
			return asking.Set(c.Context(), client, protocol.Request{Device: args[1], Key: key, Value: value, Force: force}, asJSON, c.OutOrStdout())
		},
	}
	c.Flags().BoolVar(&force, "force", false, "also while somebody else measures")
	c.Flags().BoolVar(&asJSON, "json", false, "write the answer as JSON")
	listenFlag(c, &listen)
	return c
}
