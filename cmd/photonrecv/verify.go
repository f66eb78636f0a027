package main

import (
	"encoding/json"
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"

	"photongate/cmd/internal/cli"
	"photongate/receiver"
)

func newVerifyCommand() *cobra.Command {
	var (
		o      receiver.VerifyOptions
		since  string
		asJSON bool
	)
	c := &cobra.Command{
		Use:   "verify FOLDER",
		Short: "check a recording and report what is missing",
		Long: `verify reads a recording, checks every checksum, and lists for each part of each
stream how many readings there are, from when to when, and everything missing: gaps
(readings the instrument or the way to it lost, also while it is still away) and
holes (readings the gateway had and this folder has not), each with its cause. It
prints a SHA-256 for each part; photongate journal verify prints the same for the
same frames.

It tells how well clocks were known: for how much of the time the gateway's was
synchronised with UTC and how far off it may have been, when it was set, when the
computer slept, of which readings UTC is not known; and how fast the clock of an
instrument that times its gates itself runs by the gateway's.

The folder remembers how far each part was on the disk: files, parts or streams
that were removed since, or cut short, are told as holes "file missing". Of a part
that was being written when record was killed, it is remembered to within a minute:
such a hole reads "frames 301 to 5655 at least".

Files are not read twice: of one that was read by an earlier verify and has not
changed in size or time since, the earlier result stands, and the last line says
of how many files that is so. A disk that loses bits by itself changes neither:
read everything with --full now and then, and before trusting a copy.

It ends with 0 when the record is whole, or lacks nothing but what --allow names; 1
when there are gaps or holes; 2 when it was asked for what is not there (a folder,
a stream, a cause); 3 when files are damaged or gone: also where no reading is lost
by it, as when one bit has changed in the head of a file, or archive.json is gone.`,
		Example: `  photonrecv verify counts
  photonrecv verify counts --since 24h --json
  photonrecv verify counts --allow unplugged,'gateway stopped'`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var err error
			if o.Since, err = parseSince(since, time.Now()); err != nil {
				return err
			}
			report, err := receiver.Verify(c.Context(), args[0], o)
			switch {
			case errors.Is(err, os.ErrNotExist), errors.Is(err, receiver.ErrNoArchive), errors.Is(err, receiver.ErrUsage):
				return &cli.Error{Code: cli.Usage, Err: err}
			case err != nil:
				return &cli.Error{Code: cli.Damaged, Err: err}
			}
			if asJSON {
				enc := json.NewEncoder(c.OutOrStdout())
				enc.SetIndent("", " ")
				err = enc.Encode(&report)
			} else {
				err = report.WriteText(c.OutOrStdout())
			}
			if err != nil {
				return err
			}
			if code := report.ExitCode(); code != cli.Done {
				return &cli.Error{Code: code}
			}
			return nil
		},
	}
	flags := c.Flags()
	flags.StringVar(&since, "since", "", "leave out what ended before: a time (2026-11-20T13:30:00Z, 2026-11-20) or an age (36h)")
	flags.StringSliceVar(&o.Allow, "allow", nil, "causes of gaps and holes that are no fault, separated by commas")
	flags.StringArrayVar(&o.Streams, "stream", nil, "only streams that fit this name, or gateway/name; may be given several times")
	flags.BoolVar(&o.Full, "full", false, "read all files, also those read before that have not changed in size or time since")
	flags.BoolVar(&asJSON, "json", false, "write the report as JSON")
	return c
}

// parseSince understands a time or an age; empty is no time.
func parseSince(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if age, err := time.ParseDuration(text); err == nil && age >= 0 {
		return now.Add(-age), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, cli.Wrong("--since %s: write a time, as in 2026-11-20T13:30:00Z or 2026-11-20, or an age, as in 36h", text)
}
