package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"photongate/cmd/internal/cli"
	"photongate/protocol"
	"photongate/receiver"
)

func newGetCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "get ADDRESS [DEVICE [KEY]]",
		Short: "show the settings of instruments",
		Long: `get shows what instruments are set to, how that is known (read back from the
instrument, sent to it, assumed, or fixed), and what each setting may be.`,
		Example: `  photonrecv get pi-lab3
  photonrecv get pi-lab3 bench gate`,
		Args: cobra.RangeArgs(1, 3),
		RunE: func(c *cobra.Command, args []string) error {
			request := protocol.Request{Do: protocol.DoGet}
			if len(args) > 1 {
				request.Device = args[1]
			}
			if len(args) > 2 {
				request.Key = args[2]
			}
			client, err := ask(c, args[0], "")
			if err != nil {
				return err
			}
			got, err := client.Do(c.Context(), request)
			if err = errors.Join(err, client.Close()); err != nil {
				return askError(err)
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), protocol.List[protocol.DeviceSetting](got.Settings))
			}
			return writeSettings(c.OutOrStdout(), got.Settings)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write the settings as JSON")
	return c
}

func newSetCommand() *cobra.Command {
	var force, asJSON bool
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
			key, value, ok := strings.Cut(args[2], "=")
			switch {
			case !ok && len(args) == 4: // set bench gate 200ms
				value = args[3]
			case !ok || len(args) == 4:
				return cli.Wrong("%s: write KEY=VALUE, as in gate=200ms", strings.Join(args[2:], " "))
			}
			client, err := ask(c, args[0], whoAmI())
			if err != nil {
				return err
			}
			got, err := client.Do(c.Context(), protocol.Request{Do: protocol.DoSet, Device: args[1], Key: key, Value: value, Force: force})
			if err = errors.Join(err, client.Close()); err != nil {
				return askError(err)
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), got)
			}
			_, err = io.WriteString(c.OutOrStdout(), changeText(args[1], key, &got))
			return err
		},
	}
	c.Flags().BoolVar(&force, "force", false, "also while somebody else measures")
	c.Flags().BoolVar(&asJSON, "json", false, "write the answer as JSON")
	return c
}

// askError gives an error of a request its exit code: what the user can mend on
// the command line is usage.
func askError(err error) error {
	refused, ok := errors.AsType[*receiver.NotDone](err)
	usage := ok && slices.Contains([]string{protocol.ReplyUnknown, protocol.ReplyValue, protocol.ReplyLimit}, refused.Code)
	if usage || errors.Is(err, receiver.ErrUsage) {
		return &cli.Error{Code: cli.Usage, Err: err}
	}
	return &cli.Error{Code: cli.Incomplete, Err: err}
}

// changeText says what a change did.
func changeText(device, key string, got *protocol.Reply) string {
	text := device + " " + key
	if e := got.Change; e != nil {
		text += fmt.Sprintf(": %s -> %s", orDash(e.Old), orDash(e.New))
		if e.ReadBack != "" {
			text += " (the instrument says " + e.ReadBack + ")"
		} else {
			text += " (the instrument does not say what it is now)"
		}
	}
	if got.Text != "" {
		text += "; " + got.Text
	}
	return text + "\n"
}

// writeSettings writes a table, a line per setting.
func writeSettings(w io.Writer, settings []protocol.DeviceSetting) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "DEVICE\tKEY\tVALUE\tKNOWN HOW\tMAY BE\tWHAT IT IS")
	for _, s := range settings {
		value := "not known"
		if s.Value != "" {
			value = strings.TrimSpace(s.Value + " " + s.Unit)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", s.Device, s.Key, orDash(value), orDash(s.How), rangeText(&s), orDash(s.Title))
	}
	return table.Flush()
}

// rangeText says what a setting may be.
func rangeText(s *protocol.DeviceSetting) string {
	text := s.Kind
	switch {
	case s.Kind == "":
		text = "cannot be set"
	case len(s.Choices) > 0:
		text = strings.Join(s.Choices, ", ")
	case s.Kind == "boolean":
		text = "true, false"
	case s.Min != "" && s.Max != "":
		text = s.Min + " to " + s.Max
	case s.Min != "":
		text = "at least " + s.Min
	case s.Max != "":
		text = "at most " + s.Max
	}
	if s.Locked != "" {
		text += " (not now: " + s.Locked + ")"
	}
	return text
}
