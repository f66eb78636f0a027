package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"photongate/cmd/internal/cli"
	"photongate/receiver"
)

func newCatCommand() *cobra.Command {
	var (
		o         receiver.CatOptions
		format    string
		tokenFile string
	)
	c := &cobra.Command{
		Use:   "cat FOLDER|ADDRESS",
		Short: "write readings as text: of a recording, or live",
		Long: `cat writes readings to the standard output as CSV, one row each, or as NDJSON, one
JSON object per line, which holds gaps and events as well. Times are the begin of
the gate. A count that is not known is an empty cell, never a zero.

FOLDER is what was given to record with --dir; it may be recorded into meanwhile.
ADDRESS is a gateway, which is shown live from now on until Ctrl-C.

Streams with different channels do not share one output: choose with --stream, or
write a file for each, with its gaps and events beside it, with --out.

It ends with 3 when what was in FOLDER is damaged or gone; the rows it wrote are
good all the same.`,
		Example: `  photonrecv cat counts > counts.csv
  photonrecv cat counts --stream bench --format ndjson
  photonrecv cat counts --out tables
  photonrecv cat counts --follow | my-program
  photonrecv cat pi-lab3`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			token, err := readToken(tokenFile)
			if err != nil {
				return err
			}
			o.Source, o.Format, o.Token, o.Software = args[0], receiver.Format(format), token, software()
			o.Log = newLog(c.ErrOrStderr(), false)
			return cat(c, o)
		},
	}
	flags := c.Flags()
	flags.StringVar(&format, "format", string(receiver.CSV), "csv or ndjson")
	flags.StringArrayVar(&o.Streams, "stream", nil, "only streams that fit this name, or gateway/name; * and ? may be used; may be given several times")
	flags.StringVar(&o.Folder, "out", "", "write CSV files into this folder instead of the standard output")
	flags.BoolVarP(&o.Follow, "follow", "f", false, "at the end of a FOLDER wait for more, until Ctrl-C")
	flags.StringVar(&tokenFile, "token-file", "", "file with the gateway's token")
	return c
}

func cat(c *cobra.Command, o receiver.CatOptions) error {
	if o.Format != receiver.CSV && o.Format != receiver.NDJSON {
		return cli.Wrong("--format %s: there are %s and %s", o.Format, receiver.CSV, receiver.NDJSON)
	}
	if o.Format == receiver.NDJSON && o.Folder != "" {
		return cli.Wrong("--out writes CSV files: leave out --format ndjson, or send the standard output to a file")
	}
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
	rows := cli.Count(summary.Readings, "row")
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
