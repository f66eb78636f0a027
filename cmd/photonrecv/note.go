package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"photongate/cmd/internal/asking"
	"photongate/cmd/internal/cli"
	"photongate/protocol"
	"photongate/receiver"
)

func newNoteCommand() *cobra.Command {
	var who string
	var listen []string
	c := &cobra.Command{
		Use:   "note ADDRESS TEXT...",
		Short: "write a note into the gateway's record",
		Long: `note writes a line of text, with the time and your name, into the gateway's own
stream: it stands in every recording, and in measurement.json of a measurement that
goes on.`,
		Example: `  photonrecv note pi-lab3 aligned the second mirror by hand`,
		Args:    cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			text := strings.TrimSpace(strings.Join(args[1:], " "))
			if text == "" {
				return cli.Wrong("the note is empty")
			}
			if who == "" {
				who = asking.WhoAmI()
			}
			client, err := ask(c, args[0], who, listen)
			if err != nil {
				return err
			}
			_, err = client.Do(c.Context(), protocol.Request{Do: protocol.DoNote, Text: text})
			closeErr := client.Close()
			if err != nil {
				return asking.Failed(err)
			}
			fmt.Fprintf(c.OutOrStdout(), "noted in %s by %s: %s\n", client.Hello().Name, who, text)
			return closeErr
		},
	}
	c.Flags().StringVar(&who, "who", "", "whose note it is (default: your login@computer)")
	listenFlag(c, &listen)
	return c
}

// ask opens a session for requests.
func ask(c *cobra.Command, address, who string, listen []string) (*receiver.Client, error) {
	client, err := receiver.Connect(c.Context(), address, receiver.ConnectOptions{Software: software(), Who: who, Listen: listen, Log: newLog(c.ErrOrStderr(), false)})
	if err != nil && c.Context().Err() != nil {
		return nil, &cli.Error{Code: cli.Incomplete, Err: errors.New("ended before the gateway was asked")}
	}
	if err != nil {
		return nil, asking.Failed(err)
	}
	for _, note := range client.Notes() {
		fmt.Fprintln(c.ErrOrStderr(), note)
	}
	return client, nil
}
