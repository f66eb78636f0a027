package main

import (
	"io"

	"github.com/spf13/cobra"

	"photongate/cmd/internal/cli"
	"photongate/sim/labjack"
	"photongate/sim/mccctr"
)

// newRoot makes the command line; notices are where one line each is written:
// where the instrument is, and what faults happened.
func newRoot(notices io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "photonsim",
		Short: "A simulated photon counter",
		Long: `photonsim pretends to be a photon counter: it counts simulated light and speaks
the bytes of the real instrument on a pseudo-terminal, a TCP port, or the USB bus of
any Linux machine (USB/IP). Whatever reads the real one can read it. A home-built
counter is played from its instrument file, the one that photongate reads it by.
` + "`photonsim faults`" + ` lists what can go wrong with it.` + cableHelp,
		Example: `  photonsim cd48 --pty /tmp/cd48
  photonsim de2ccu --tcp 127.0.0.1:7400 --rate 20000 --pairs 500
  photonsim labjack-u3 --usbip 127.0.0.1:3240
  photonsim tdc1 --tcp 127.0.0.1:7400 --rate 1M --truth tags.truth
  photonsim sr400 --pty /tmp/sr400 --left "NP 10;NE 1;CS" --fault panel@20s
  photonsim mycounter.toml --pty /tmp/counter
  photonsim de2ccu --pty /tmp/de2 --truth truth.csv --distinct --fault unplug@30s:5s`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	for _, cmd := range []*cobra.Command{
		cc1Command(notices), cd48Command(notices), de2ccuCommand(notices), ftdiCommand(notices), gmcCommand(notices), h11890Command(notices),
		labjackCommand(notices, labjack.U3), labjackCommand(notices, labjack.U6),
		mccctrCommand(notices, mccctr.CTR04), mccctrCommand(notices, mccctr.CTR08), ni6501Command(notices),
		sr400Command(notices), tdc1Command(notices), umassCommand(notices),
	} {
		cmd.GroupID = namedGroup
		root.AddCommand(cmd)
	}
	addPresets(root, notices)
	root.AddCommand(faultsCommand(), cli.Version("photonsim "+version))
	return root
}
