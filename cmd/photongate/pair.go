package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"photongate/cmd/internal/cli"
	"photongate/protocol/pairing"
)

// lineIsSecret is said wherever the line is told.
const lineIsSecret = "whoever has this line may read and change everything here: keep it off e-mail and notice boards"

func newPairCommand() *cobra.Command {
	var (
		s           settings
		renew       bool
		fingerprint bool
	)
	c := &cobra.Command{
		Use:   "pair",
		Short: "print the line that lets another computer in",
		Long: `pair prints the line to paste on a workstation, once, so that photonrecv there
reaches this gateway over the network, encrypted. The gateway must have run once,
and must listen beyond its own computer (listen = "0.0.0.0:7310") or dial the
workstation (forward = ["ws-ana:7310"]), which keeps the line with photonrecv pair
--unreached then.

The line is a secret: ` + lineIsSecret + `.

When it fell into wrong hands, --renew makes a new one: all computers that were
paired before are refused from then on, and must be paired anew.

When photonrecv says that the key is not the one it was paired with, compare
what it says with --fingerprint here.`,
		Example: `  photongate pair -c photongate.toml
  photongate pair --renew
  photongate pair --fingerprint`,
		Args: noFile,
		RunE: func(c *cobra.Command, _ []string) error {
			return s.pair(c.OutOrStdout(), c.ErrOrStderr(), renew, fingerprint)
		},
	}
	f := c.Flags()
	f.StringVarP(&s.file, "config", "c", "", "configuration file of the gateway")
	f.StringVar(&s.journal, "journal", "", "folder of its journal, when it was started with one")
	f.StringVar(&s.name, "name", "", "its name, when it was started with one")
	f.StringArrayVar(&s.listen, "listen", nil, "address it listens on, when it was started with one; may be repeated")
	f.BoolVar(&renew, "renew", false, "make a new token: who was paired before is refused")
	f.BoolVar(&fingerprint, "fingerprint", false, "print the fingerprint of this gateway's key, which is no secret")
	return c
}

func (s *settings) pair(stdout, stderr io.Writer, renew, fingerprint bool) error {
	config, err := s.configured()
	if err != nil {
		return configError(err)
	}
	id, err := config.Identity()
	if err != nil {
		return &cli.Error{Code: cli.Usage, Err: err}
	}
	if fingerprint {
		_, err := fmt.Fprintln(stdout, id.Fingerprint())
		return err
	}
	if renew {
		if err := id.Renew(time.Now()); err != nil {
			return err
		}
		fmt.Fprintln(stderr, "the token is renewed: all computers that were paired before are refused now; a gateway that runs ends their sessions within some seconds")
	}
	p, err := config.Pairing(id)
	if err != nil {
		return &cli.Error{Code: cli.Usage, Err: err}
	}
	fmt.Fprintf(stderr, "paste this on the other computer; %s\n", lineIsSecret)
	_, err = fmt.Fprintln(stdout, pairLine(p))
	return err
}

// pairLine is the command to paste.
func pairLine(p pairing.Pairing) string { return "photonrecv pair " + p.Line() }

// tellPairing prints the line when the gateway starts; but not where what is
// printed is kept for others to read.
func (s *settings) tellPairing(p pairing.Pairing) {
	if s.logJSON || os.Getenv("JOURNAL_STREAM") != "" { // systemd.exec(5): what is printed goes to the journal
		fmt.Fprintln(os.Stderr, "other computers reach this gateway after they were paired: photongate pair prints the line to paste there")
		return
	}
	fmt.Fprintf(os.Stderr, "to read from another computer, paste this there, once; %s:\n\n  %s\n\n", lineIsSecret, pairLine(p))
}
