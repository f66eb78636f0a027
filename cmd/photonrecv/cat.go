package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"photongate/cmd/internal/cli"
	"photongate/protocol/table"
	"photongate/receiver"
)

func newCatCommand() *cobra.Command {
	var (
		o         receiver.CatOptions
		tokenFile string
	)
	c := &cobra.Command{
		Use:   "cat FOLDER|ADDRESS",
		Short: "write readings as text: of a recording, or live",
		Long: `cat writes readings to the standard output as CSV, one row each, or as NDJSON, one
JSON object per line, which holds gaps and events as well. Times are the begin of
the gate. A count that is not known is an empty cell, never a zero.

FOLDER is what was given to record with --dir; it may be recorded into meanwhile. It
may also be the folder of a measurement. ADDRESS is a gateway, which is shown live
from now on until Ctrl-C; with --from also what it has kept since then.

Streams with different channels do not share one output: choose with --stream, put
them side by side with --merge, or write a file for each, with its gaps and events
beside it, with --out. --stream gateway prints the events of the gateway itself, as
what it dropped and when.

Of a stream of time tags each row is a tag: t_s is exact to the picosecond within a
part, tick is the instrument's own clock. --channels A,B chooses. For programs:
  --format npy --out FOLDER   STREAM.timestamps.npy (int64, ps since the first row) and
               STREAM.channels.npy (uint8): numpy.load reads them. STREAM.json says
               what they count from
  --format raw  the same as records of 9 bytes, on the standard output:
               numpy.fromfile(f, "<i8,u1"), or fread in MATLAB
Their losses are in STREAM.gaps.csv. With --every, --rate or --merge tags are counted,
in the stretches in which they came: 20 ms or so, of few tags up to 1 s. None is divided: it
belongs to the bin in which it begins, so that live_s is up to a stretch more or less
than gate_s, and the rate is counts by live_s, as --rate has it; short says that tags
are missing. Gates that are exact to the tick are those of the gateway's own counts
([[device.counts]] in its configuration).

What the rows hold:
  --every 1s   sums of the gates that begin in each second of UTC. live_s says how much
               of it was counted; short in the flags says that gates are missing.
               Nothing is scaled. An empty cell: a gate's count was not known. Totals
               become counts; of rates the mean is shown, of other values the last.
  --merge      one row for each bin of --every (if not given: of the longest gate), with
               columns named bench_A, bench_live_s. A last line tells how well the
               clocks agree.
  --rate       A_cps, A_cps_err: counts per second of live time and one standard
               deviation of it, sqrt(counts), instead of A.
  --correct    A_corr, A_corr_err beside A, with --rate A_corr_cps, A_corr_cps_err, by what
               the gateway's configuration says of detectors; formulae and their order
               are in corrections.md (protocol/table).
  --tz local   time_local behind time_utc, with its offset from UTC.
  --excel      semicolons and decimal commas where the country has them, times as
               Excel knows them; with --out a new file before Excel's last row.

It ends with 3 when what was in FOLDER is damaged or gone; the rows it wrote are
good all the same.`,
		Example: `  photonrecv cat counts > counts.csv
  photonrecv cat counts --stream bench --from 14:30 --to 15:00
  photonrecv cat counts --every 1s --rate --tz local
  photonrecv cat counts --merge --every 1s > both.csv
  photonrecv cat counts --measurement 143012
  photonrecv cat counts --excel --out tables
  photonrecv cat counts --follow | my-program
  photonrecv cat pi-lab3 --from -10m
  photonrecv cat counts --stream tagger --format npy --out tags`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			token, err := readToken(tokenFile)
			if err != nil {
				return err
			}
			o.Source, o.Token, o.Software = args[0], token, software()
			o.Log = newLog(c.ErrOrStderr(), false)
			return cat(c, o)
		},
	}
	words := flag.NewFlagSet("", flag.ContinueOnError)
	o.View.Flags(words, table.Here{Now: time.Now(), Excel: excelHere()})
	flags := c.Flags()
	flags.AddGoFlagSet(words)
	flags.Lookup("excel").NoOptDefVal = "here"
	flags.StringArrayVar(&o.Streams, "stream", nil, "only streams that fit this name, or gateway/name; * and ? may be used; may be given several times")
	flags.StringSliceVar(&o.View.Channels, "channels", nil, "of time tags only these channels, by name: A,B")
	flags.StringVar(&o.Measurement, "measurement", "", "of a FOLDER only what belongs to this measurement: the local time of its begin (143012), its title, or the first digits of its id")
	flags.StringVar(&o.Folder, "out", "", "write CSV files into this folder instead of the standard output")
	flags.BoolVarP(&o.Follow, "follow", "f", false, "at the end of a FOLDER wait for more, until Ctrl-C")
	listenFlag(c, &o.Listen)
	flags.StringVar(&tokenFile, "token-file", "", "file with the gateway's token")
	return c
}

func cat(c *cobra.Command, o receiver.CatOptions) error {
	summary, err := receiver.Cat(c.Context(), c.OutOrStdout(), o)
	switch {
	case errors.Is(err, receiver.ErrMixed), errors.Is(err, receiver.ErrUsage):
		return &cli.Error{Code: cli.Usage, Err: err}
	case errors.Is(err, syscall.EPIPE):
		return nil // who reads has enough, as head does
	case errors.Is(err, os.ErrNotExist), errors.Is(err, receiver.ErrNoArchive):
		return &cli.Error{Code: cli.Usage, Err: err}
	case err != nil:
		return err
	}
	for _, name := range summary.Files {
		fmt.Fprintln(c.OutOrStdout(), name)
	}
	for _, note := range summary.Notes {
		fmt.Fprintln(c.ErrOrStderr(), "photonrecv: "+note)
	}
	rows := cli.Count(summary.Rows, "row")
	if summary.Damaged {
		return &cli.Error{Code: cli.Damaged, Err: fmt.Errorf("%s written, and all of them are good; but bytes that were in %s are damaged or gone: photonrecv verify %s says which", rows, o.Source, o.Source)}
	}
	if summary.Gaps > 0 {
		lie, them := "lie", "them"
		if summary.Gaps == 1 {
			lie, them = "lies", "it"
		}
		fmt.Fprintf(c.ErrOrStderr(), "photonrecv: %s; %s %s between them: photonrecv verify %s lists %s\n", rows, cli.Count(summary.Gaps, "gap"), lie, o.Source, them)
	}
	return nil
}
