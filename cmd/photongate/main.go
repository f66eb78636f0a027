// Command photongate is the acquisition gateway: it reads photon-counting
// instruments on the machine they are plugged into, keeps every reading in a
// journal on disk, and forwards it over TCP to receivers on workstations.
package main

import (
	"github.com/spf13/cobra"

	"photongate/cmd/internal/cli"
)

// version is the program's own; the build sets it for releases.
var version = "0.1.0-dev"

func main() { cli.Main(newRootCommand()) }

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "photongate",
		Short: "acquisition gateway for photon counters",
		Long: `photongate reads photon counters on the machine they are plugged into, keeps
every reading in a journal on disk and forwards it over TCP (port 7310) to
photonrecv on the workstations.

  photongate demo                                  see it work without hardware
  photongate devices                               what is plugged in here
  photongate run --device cd48@/dev/ttyACM0        serve one instrument
  photongate run -c photongate.toml                serve what the file says
  photongate status                                how it is going
  photongate receivers                             for whom the journal is kept
  photongate pair                                  let another computer in

Exit codes: 0 done, 1 incomplete, 2 wrong command line or configuration, 3
damaged data.`,
		Version: version,
	}
	root.AddCommand(newRunCommand(), newCheckCommand(), newDriversCommand(), newDevicesCommand(),
		newStatusCommand(), newGetCommand(), newSetCommand(), newTryCommand(), newPairCommand(), newReceiversCommand(), newJournalCommand(), newDemoCommand(), cli.Version(software()))
	return root
}

// software is how this program introduces itself.
func software() string { return "photongate " + version }
