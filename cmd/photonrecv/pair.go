package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"photongate/cmd/internal/cli"
	"photongate/protocol/pairing"
	"photongate/receiver"
)

// maxLine is more than any line of a gateway has.
const maxLine = 64 << 10

func newPairCommand() *cobra.Command {
	var (
		o      receiver.PairOptions
		list   bool
		remove string
	)
	c := &cobra.Command{
		Use:   "pair LINE",
		Short: "let this computer reach a gateway in another room, once",
		Long: `pair takes the line that a gateway prints when it starts (and again with
photongate pair), connects to the gateway to see that the line holds, and keeps
it. From then on the gateway's name is enough: photonrecv record pi-lab3. What
crosses the network is encrypted, and only that very gateway is talked to.

The line is a secret: whoever has it may read and change everything at the
gateway. It is kept in a file that only you can read. Nothing is kept when the
gateway cannot be reached; call this again when it can.

A gateway behind a firewall is never reached, but dials this computer (forward in
its configuration, photonrecv record --listen here). --unreached keeps its line
without asking it; it has to prove who it is when it dials first.

If the gateway's address changes, paste the line it prints then. Where others use
this computer too, pair - reads the line from standard input, so that it stands in
no list of processes and in no history of commands.`,
		Example: `  photonrecv pair pi-lab3@192.168.1.5:7310/FINGERPRINT/TOKEN
  photonrecv pair - < line.txt
  photonrecv pair --unreached pi-lab3@/FINGERPRINT/TOKEN
  photonrecv pair --list
  photonrecv pair --remove pi-lab3`,
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case list && len(args) == 0 && remove == "":
				return listPairings(c.OutOrStdout())
			case remove != "" && len(args) == 0 && !list:
				return removePairing(c.OutOrStdout(), remove)
			case list || remove != "":
				return cli.Wrong("--list and --remove take no line, and do not go together")
			case len(args) == 0:
				return cli.Wrong("paste the line that the gateway prints at its start, or `photongate pair` there")
			}
			line := strings.Join(args, " ")
			if line == "-" {
				text, err := io.ReadAll(io.LimitReader(c.InOrStdin(), maxLine))
				if err != nil {
					return fmt.Errorf("read the line: %w", err)
				}
				line = string(text)
			}
			o.Software = software()
			return pair(c, line, o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.As, "as", "", "call the gateway NAME here, instead of as it calls itself")
	f.BoolVar(&o.Replace, "replace", false, "put it in place of another gateway that was paired under the name")
	f.BoolVar(&o.Unreached, "unreached", false, "keep the line without connecting: the gateway cannot be reached, and dials this computer")
	f.BoolVar(&list, "list", false, "list the gateways that are paired")
	f.StringVar(&remove, "remove", "", "forget the gateway of this `NAME`")
	return c
}

func pair(c *cobra.Command, line string, o receiver.PairOptions) error {
	done, err := receiver.Pair(c.Context(), line, o)
	switch {
	case errors.Is(err, receiver.ErrUsage):
		return &cli.Error{Code: cli.Usage, Err: err}
	case err != nil:
		return err
	}
	again := ""
	if done.Again {
		again = " again"
	}
	b := &strings.Builder{}
	if done.At == "" {
		fmt.Fprintf(b, "paired%s with %s, which was not asked: when it dials in first, it has to prove who it is\n", again, done.Name)
		fmt.Fprintf(b, "wait for it with: photonrecv record --listen :%s (on the gateway: forward = [\"THIS-COMPUTER:%s\"])\n", receiver.DefaultPort, receiver.DefaultPort)
		_, err = io.WriteString(c.OutOrStdout(), b.String())
		return err
	}
	fmt.Fprintf(b, "paired%s with %s (%s) at %s", again, done.Gateway, done.Hello.Software, done.At)
	if done.Name != done.Gateway {
		fmt.Fprintf(b, ", called %s here", done.Name)
	}
	fmt.Fprintln(b)
	if len(done.Notes) == 0 {
		fmt.Fprintf(b, "clock: %s\n", time.Unix(0, int64(done.Hello.UTCNs)).UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	if done.Status != nil {
		for _, d := range done.Status.Devices {
			fmt.Fprintf(b, "device: %s (%s, %s)\n", d.Name, d.Driver, d.State)
		}
	}
	for _, note := range done.Notes {
		fmt.Fprintf(b, "note: %s\n", note)
	}
	fmt.Fprintf(b, "from now on its name is enough: photonrecv record %s\n", done.Name)
	_, err = io.WriteString(c.OutOrStdout(), b.String())
	return err
}

func listPairings(w io.Writer) error {
	all, err := pairing.List()
	for _, p := range all {
		called := ""
		if p.Gateway != p.Name {
			called = " (" + p.Gateway + ")"
		}
		fmt.Fprintf(w, "%s%s at %s\n", p.Name, called, p.Where())
	}
	if len(all) == 0 && err == nil {
		fmt.Fprintln(w, "no gateway is paired: `photongate pair` on the gateway prints the line for photonrecv pair")
	}
	return err
}

func removePairing(w io.Writer, name string) error {
	err := pairing.Remove(name)
	if errors.Is(err, pairing.ErrNotPaired) {
		return cli.Wrong("no gateway is paired under the name %s: photonrecv pair --list lists them", name)
	}
	if err == nil {
		fmt.Fprintf(w, "%s is forgotten here; to keep others out who have its line, call photongate pair --renew there\n", name)
	}
	return err
}
