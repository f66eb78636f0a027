package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"photongate/cmd/internal/cli"
	"photongate/receiver"
)

func newRepairCommand() *cobra.Command {
	var (
		o         receiver.RepairOptions
		tokenFile string
		asJSON    bool
	)
	c := &cobra.Command{
		Use:   "repair FOLDER --from ADDRESS | --listen ADDRESS",
		Short: "fetch what a recording lacks from its gateway",
		Long: `repair looks for holes in a recording, as verify --full does, and fetches what the gateway
still has of them: frames that were damaged on this disk, files that were removed or
cut short, frames that the gateway could not read when they were recorded.

What comes is written into further files beside those that are there; nothing that is
there is changed or deleted, but for a journal.json that is missing or damaged: it is
made anew from the files. It may be stopped at any moment and run again. Nothing
may record into the folder meanwhile.

Where nobody knows how far a part went whose newest file is gone (record was killed),
all that the gateway has of that part is fetched, and journal.json notes how far that is.

Only holes are filled. What else was measured since the recording ended is fetched by
photonrecv record, and gaps (readings that the instrument or the way to it lost) are
nowhere. CSV files written earlier are not touched.

A gateway behind a firewall dials this computer: --listen waits for it, and --from,
which is a name then, need not be given: it is the one that the folder is of.

It ends with 0 when nothing is left to fetch (gaps stay: verify lists them, and may
still end with 1), 1 when something of the holes is still missing, 2 for a wrong
command line, 3 when the folder cannot be read or the gateway's record is
another one than the folder's.`,
		Example: `  photonrecv verify counts
  photonrecv repair counts --from pi-lab3 --dry-run
  photonrecv repair counts --from pi-lab3
  photonrecv repair counts --listen :7310`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.Dir = args[0]
			if o.Address == "" && len(o.Listen) == 0 {
				return cli.Wrong("--from is missing: the gateway that the recording is of, as in --from pi-lab3; or, if it dials this computer, where to wait for it, as in --listen :7310")
			}
			var err error
			if o.Token, err = readToken(tokenFile); err != nil {
				return err
			}
			o.Software, o.OnProgress = software(), repairProgress(newStatusLine(c.ErrOrStderr()))
			o.Log = newLog(c.ErrOrStderr(), false)
			report, err := receiver.Repair(c.Context(), o)
			if err != nil && report.Came == 0 {
				return repairError(err)
			}
			if asJSON {
				enc := json.NewEncoder(c.OutOrStdout())
				enc.SetIndent("", " ")
				err = errors.Join(err, enc.Encode(&report))
			} else {
				err = errors.Join(err, report.WriteText(c.OutOrStdout()))
			}
			if err != nil {
				return repairError(err)
			}
			if code := report.ExitCode(); code != cli.Done {
				return &cli.Error{Code: code}
			}
			return nil
		},
	}
	flags := c.Flags()
	flags.StringVar(&o.Address, "from", "", "the gateway: its name if it is paired, or its address, as for record")
	listenFlag(c, &o.Listen)
	flags.StringArrayVar(&o.Streams, "stream", nil, "only streams that fit this name, or gateway/name; may be given several times")
	flags.BoolVar(&o.DryRun, "dry-run", false, "fetch, and say what came, but write nothing")
	flags.BoolVar(&o.Unrecorded, "unrecorded", false, "also fetch what was never asked for, as of parts that had begun before the recording did")
	flags.StringVar(&tokenFile, "token-file", "", "file with the gateway's token")
	flags.BoolVar(&asJSON, "json", false, "write the report as JSON")
	return c
}

// repairError gives an error of Repair its exit code.
func repairError(err error) error {
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, receiver.ErrNoArchive), errors.Is(err, receiver.ErrUsage):
		return &cli.Error{Code: cli.Usage, Err: err}
	}
	return &cli.Error{Code: cli.Incomplete, Err: err}
}

// repairProgress says now and then how far a repair is.
func repairProgress(status *statusLine) func(receiver.RepairProgress) {
	every := 5 * time.Second
	next := time.Now().Add(every)
	return func(p receiver.RepairProgress) {
		if time.Now().Before(next) {
			return
		}
		next = time.Now().Add(every)
		// Progress that cannot be shown is no reason to stop.
		_, _ = fmt.Fprintf(status, "%s, part %d: %d of %s came\n", p.Stream, p.Part, p.Came, cli.Count(p.Frames, "frame"))
	}
}
