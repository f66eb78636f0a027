package main

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"photongate/cmd/internal/asking"
	"photongate/cmd/internal/cli"
	"photongate/protocol"
)

func newStatusCommand() *cobra.Command {
	var r reach
	var asJSON bool
	c := &cobra.Command{
		Use:   "status [ADDRESS]",
		Short: "show how the running gateway and its instruments are",
		Long: `status asks the running gateway how it and its instruments are: what runs and what
does not and why, rates, alarms, who is connected, which archives have what.

Exit codes: 0 all is well, 1 something needs attention, 2 the gateway cannot be
reached.`,
		Example: `  photongate status
  photongate status pi-lab3 --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				if r.addr != "" {
					return cli.Wrong("%s and --addr %s: name one gateway", args[0], r.addr)
				}
				r.addr = args[0]
			}
			client, err := r.connect(c)
			if err != nil {
				return &cli.Error{Code: cli.Usage, Err: err}
			}
			got, err := client.Do(c.Context(), protocol.Request{Do: protocol.DoStatus})
			if err = errors.Join(err, client.Close()); err != nil {
				return &cli.Error{Code: cli.Usage, Err: err}
			}
			if got.Status == nil {
				return &cli.Error{Code: cli.Usage, Err: errors.New("the gateway answered without its status: is it of another version?")}
			}
			if asJSON {
				err = asking.JSON(c.OutOrStdout(), got.Status)
			} else {
				err = writeStatus(c.OutOrStdout(), got.Status, time.Now(), coloured(c.OutOrStdout()))
			}
			if err == nil && needsAttention(got.Status) {
				err = &cli.Error{Code: cli.Incomplete} // said already
			}
			return err
		},
	}
	r.addFlags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "write it as JSON")
	return c
}

// coloured reports whether what is written may be coloured: on a terminal,
// unless the user does not want it (no-color.org).
func coloured(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}
