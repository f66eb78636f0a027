// Command photonrecv is the receiver: it records what gateways measure into a
// folder on the workstation, hands it on as text, and reports what is whole
// and what is missing.
package main

import (
	"io"
	"os"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"photongate/cmd/internal/cli"
	"photongate/protocol/pairing"
)

// version is the program's own; the build sets it for releases.
var version = "0.1.0-dev"

func main() { cli.Main(newRootCommand()) }

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "photonrecv",
		Short: "receiver for photongate: record, read and check photon counts",
		Long: `photonrecv records what a photongate gateway measures into a folder on this
computer, and reads and checks what was recorded.

  photonrecv measure pi-lab3 --for 60s --title dark   a measurement: a folder of its own, from the next gate on
  photonrecv ls photongate-data dark                  find it again
  photonrecv pair LINE                              let this computer reach a gateway, once
  photonrecv record localhost --dir counts          record until Ctrl-C, and go on there next time
  photonrecv record pi-lab3 --dir run7 --for 10m --csv   ten minutes from now, with CSV files
  photonrecv cat counts > counts.csv                what was recorded, as CSV
  photonrecv cat localhost                          live, as CSV
  photonrecv delays pi-lab3 A B                     how much later do the time tags of B come?
  photonrecv verify counts                          is it all there?
  photonrecv repair counts --from pi-lab3           fetch what is damaged or missing

Exit codes: 0 done, 1 incomplete, 2 wrong command line, 3 damaged data.`,
		Version: version,
	}
	root.AddCommand(newRecordCommand(), newCatCommand(), newVerifyCommand(), newRepairCommand(), newWatchCommand(),
		newDelaysCommand(), newMeasureCommand(), newListCommand(), newNoteCommand(), newGetCommand(), newSetCommand(), newPairCommand(), cli.Version(software()))
	return root
}

// listenFlag is where a command waits for its gateway.
func listenFlag(c *cobra.Command, to *[]string) {
	c.Flags().StringArrayVar(to, "listen", nil, "the gateway, given by its name and not an address, dials this computer: wait for it at this `ADDRESS` of it, as in :7310, for a minute at most; may be given several times")
}

// software is how this program introduces itself.
func software() string { return "photonrecv " + version }

// newLog makes the log: lines for people on w.
func newLog(w io.Writer, verbose bool) zerolog.Logger {
	level := zerolog.InfoLevel
	if verbose {
		level = zerolog.DebugLevel
	}
	return zerolog.New(zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly, NoColor: !isTerminal(w)}).Level(level).With().Timestamp().Logger()
}

// isTerminal reports whether w is a terminal, or writes to one.
func isTerminal(w io.Writer) bool {
	switch w := w.(type) {
	case *os.File:
		return term.IsTerminal(int(w.Fd()))
	case *statusLine:
		return isTerminal(w.w)
	}
	return false
}

// readToken reads the token from a file; no name, no token.
func readToken(name string) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, cli.Wrong("--token-file: %w", err)
	}
	token, err := pairing.ParseToken(text)
	if err != nil {
		return nil, cli.Wrong("--token-file: %s is not a gateway's token: %w", name, err)
	}
	return token, nil
}
