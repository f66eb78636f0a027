package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"text/tabwriter"
	"time"

	"photongate/cmd/internal/cli"
	"photongate/protocol/journal"
	"photongate/protocol/table"
	"photongate/receiver"

	"github.com/spf13/cobra"
)

func newJournalCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "journal",
		Short: "look at the journal of a gateway, also while it is being written",
		Long: `journal looks at a journal folder (or the folder of one gateway in an archive,
which has the same form). It changes nothing but a cache of what was verified.`,
		Args: cobra.NoArgs,
	}
	c.AddCommand(newJournalListCommand(), newJournalCatCommand(), newJournalVerifyCommand(), newJournalDigestCommand())
	return c
}

func newJournalListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "ls DIR",
		Short: "list streams and parts",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := journal.Verify(c.Context(), nil, args[0], journal.VerifyOptions{})
			if err != nil {
				return folderError(err)
			}
			return printJournal(c.OutOrStdout(), r)
		},
	}
}

func printJournal(w io.Writer, r journal.Report) error {
	fmt.Fprintf(w, "%s of gateway %s, journal %s\n\n", r.Place, r.Gateway, r.Journal)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "STREAM\tPART\tBEGIN (gateway's clock)\tLENGTH\tREADINGS OR TAGS\tGAPS\tHOLES\tFILES\tBYTES\t")
	for _, s := range r.Streams {
		for _, e := range s.Epochs {
			begin := time.Unix(0, int64(e.FirstNs)).UTC().Format("2006-01-02T15:04:05Z")
			length := time.Duration(e.LastNs - e.FirstNs).Round(time.Millisecond)
			end := "no end"
			if e.Ended {
				end = ""
			}
			count := fmt.Sprint(e.Readings)
			if e.OfTags {
				count += " tags"
			}
			fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%s\n", s.Name, e.Epoch, begin, length,
				count, len(e.Gaps), len(e.Holes), e.Files, e.Bytes, end)
		}
	}
	return t.Flush()
}

func newJournalCatCommand() *cobra.Command {
	var o receiver.CatOptions
	var format string
	c := &cobra.Command{
		Use:   "cat DIR",
		Short: "print readings as CSV or NDJSON",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.Source, o.View.Format = args[0], table.Format(format)
			if !receiver.IsFolder(args[0]) {
				return cli.Wrong("%s is no folder", args[0])
			}
			summary, err := receiver.Cat(c.Context(), c.OutOrStdout(), o)
			if err == nil && summary.Damaged {
				err = &cli.Error{Code: cli.Damaged, Err: fmt.Errorf("all rows written are good; but bytes that were in %s are damaged or gone: photongate journal verify %s says which", args[0], args[0])}
			}
			return folderError(err)
		},
	}
	c.Flags().StringVar(&format, "format", string(table.CSV), "csv or ndjson")
	c.Flags().StringArrayVar(&o.Streams, "stream", nil, "streams to print, a pattern such as 'bench*'; may be repeated; gateway: its events, as what it dropped")
	return c
}

func newJournalVerifyCommand() *cobra.Command {
	var asJSON, full bool
	c := &cobra.Command{
		Use:   "verify DIR",
		Short: "read every frame, check it, and say what is held and what is missing",
		Long: `verify reads every frame in the folder and checks it, and judges as photonrecv
verify does. Exit status: 0 when nothing is missing, 1 with gaps or holes, 2 when
DIR is no journal, 3 with damage, also when files were removed. What the quota
dropped is not missing. An instrument that is away is a gap that is still open;
--json, which lists what the files hold, does not tell of it. Files that were verified before and have not changed in size or time since are not read
again, unless --full is given; the last line says of how many that is so.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return verifyJournal(c, args[0], asJSON, full) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "machine-readable output, with all sequences held")
	c.Flags().BoolVar(&full, "full", false, "read all files, also those verified before")
	return c
}

// verifyJournal prints what there is, and ends as photonrecv verify would.
func verifyJournal(c *cobra.Command, dir string, asJSON, full bool) error {
	if asJSON {
		r, err := journal.Verify(c.Context(), nil, dir, journal.VerifyOptions{Full: full})
		if err != nil {
			return folderError(err)
		}
		e := json.NewEncoder(c.OutOrStdout())
		e.SetIndent("", "  ")
		if err := e.Encode(r); err != nil {
			return err
		}
		full = false // all has been read
	}
	report, err := receiver.Verify(c.Context(), dir, receiver.VerifyOptions{Full: full})
	if err != nil {
		return folderError(err)
	}
	if !asJSON {
		if err := report.WriteText(c.OutOrStdout()); err != nil {
			return err
		}
	}
	if code := report.ExitCode(); code != cli.Done {
		return &cli.Error{Code: code}
	}
	return nil
}

// folderError gives errors that name a wrong folder, stream, part or format
// their exit code.
func folderError(err error) error {
	for _, wrong := range []error{fs.ErrNotExist, journal.ErrNotHeld, journal.ErrOrder, receiver.ErrNoArchive, receiver.ErrUsage, receiver.ErrMixed} {
		if errors.Is(err, wrong) {
			return &cli.Error{Code: cli.Usage, Err: err}
		}
	}
	return err
}

func newJournalDigestCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "digest DIR STREAM PART FROM TO",
		Short: "print the SHA-256 over the frames FROM to TO of a part, to compare two copies",
		Example: `  photongate journal digest ~/.local/state/photongate bench 1 1 5000
  photongate journal digest photongate-data/pi-lab3-1a2b3c4d bench 1 1 5000`,
		Args: cobra.ExactArgs(5),
		RunE: func(c *cobra.Command, args []string) error {
			part, err := strconv.ParseUint(args[2], 10, 32)
			if err != nil {
				return cli.Wrong("part %q: expected a number from 1 on", args[2])
			}
			var bounds [2]uint64
			for i, text := range args[3:5] {
				if bounds[i], err = strconv.ParseUint(text, 10, 64); err != nil {
					return cli.Wrong("frame %q: expected a number from 1 on", text)
				}
			}
			f, err := journal.OpenFolder(nil, args[0])
			if err != nil {
				return folderError(err)
			}
			digest, err := f.Digest(args[1], uint32(part), bounds[0], bounds[1])
			if err != nil {
				return folderError(err)
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), digest)
			return err
		},
	}
}
