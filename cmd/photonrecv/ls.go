package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"photongate/cmd/internal/asking"
	"photongate/cmd/internal/cli"
	"photongate/protocol"
	"photongate/receiver"
)

func newListCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "ls FOLDER [TEXT]",
		Short: "list the measurements in a folder",
		Long: `ls lists measurements, oldest first: the folders that photonrecv measure made in
FOLDER, and the measurements that recordings in FOLDER tell of (those in brackets;
photonrecv cat FOLDER --measurement ID shows one). With TEXT only those in whose
title, sample, operator, parameters, instruments, date or folder it stands.

Times are local. A measurement that is not complete says why in its folder's
measurement.json; one that was cut off, or whose folder is damaged, is listed so.`,
		Example: `  photonrecv ls photongate-data
  photonrecv ls photongate-data ppKTP
  photonrecv ls photongate-data hwp_deg=22.5 --json`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			text := ""
			if len(args) > 1 {
				text = args[1]
			}
			found, err := receiver.List(args[0], text)
			switch {
			case errors.Is(err, os.ErrNotExist):
				return &cli.Error{Code: cli.Usage, Err: err}
			case err != nil:
				return err
			}
			if asJSON {
				if found == nil {
					found = []receiver.Listed{}
				}
				return asking.JSON(c.OutOrStdout(), found)
			}
			if len(found) == 0 {
				fmt.Fprintf(c.ErrOrStderr(), "photonrecv: %s\n", noneText(args))
				return nil
			}
			return writeList(c.OutOrStdout(), args[0], found)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write the list as JSON")
	return c
}

func noneText(args []string) string {
	if len(args) > 1 {
		return fmt.Sprintf("no measurement in %s has %q in it", args[0], args[1])
	}
	return "no measurements in " + args[0]
}

// writeList writes a table, a line per measurement.
func writeList(w io.Writer, dir string, found []receiver.Listed) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "BEGIN\tLENGTH\tTITLE\tSAMPLE\tOPERATOR\tPARAMETERS\tSTREAMS\tREADINGS\tGAPS\tSIZE\tSTATE\tFOLDER")
	for _, l := range found {
		begin := "-"
		if !l.Begin.IsZero() {
			begin = l.Begin.Format("2006-01-02 15:04:05")
		}
		path := l.Path
		if within, err := filepath.Rel(dir, l.Path); err == nil {
			path = within
		}
		if l.InRecord {
			path = fmt.Sprintf("[%s in %s]", l.ID.String()[:8], path)
		}
		fmt.Fprintln(table, strings.Join([]string{
			begin, lengthText(l.LengthS), orDash(l.Title), orDash(l.Sample), orDash(l.Operator), orDash(parametersText(l.Parameters)),
			orDash(strings.Join(l.Streams, ",")), readingsText(l), fmt.Sprint(l.Gaps), sizeText(l.Bytes), l.State, path,
		}, "\t"))
	}
	return table.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return strings.ReplaceAll(s, "\t", " ")
}

func parametersText(set []protocol.Parameter) string {
	var words []string
	for _, p := range set {
		words = append(words, p.Key+"="+p.Value)
	}
	return strings.Join(words, ",")
}

// sizeText is a number of bytes for people.
func sizeText(n int64) string {
	if n == 0 {
		return "-"
	}
	return receiver.SizeText(n)
}

// readingsText is how many readings a measurement has. In a standing record
// they are known only where who measured told; 0 is no number then.
func readingsText(l receiver.Listed) string {
	switch {
	case l.InRecord && l.Readings == 0:
		return "-"
	case l.Tags > 0 && l.Readings == 0:
		return fmt.Sprintf("%d tags", l.Tags)
	case l.Tags > 0:
		return fmt.Sprintf("%d, %d tags", l.Readings, l.Tags)
	}
	return fmt.Sprint(l.Readings)
}
