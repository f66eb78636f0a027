package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"photongate/cmd/internal/cli"
	"photongate/receiver"
)

// report prints what was recorded, whether it is complete, how it compares with
// what the instruments really counted, and where the files are.
func (f *demoFlags) report(ctx context.Context, out io.Writer, bench *demoBench, summary receiver.Summary) error {
	for _, row := range tableRows(receiver.Progress{Streams: summary.Streams}) {
		fmt.Fprintln(out, row)
	}
	fmt.Fprintln(out)
	verified, err := receiver.Verify(ctx, bench.archive(), receiver.VerifyOptions{})
	if err != nil {
		return err
	}
	if err := verified.WriteText(out); err != nil {
		return err
	}
	fmt.Fprintln(out)
	agree := true
	for _, i := range bench.instruments {
		text, err := compareWithTruth(ctx, bench.archive(), i)
		if err != nil {
			return err
		}
		agree = agree && text == ""
		if text == "" {
			text = "every row recorded is what the instrument counted, in order, none missing, none twice"
		}
		fmt.Fprintf(out, "%s against %s: %s\n", i.name, filepath.Base(i.truthName), text)
	}
	fmt.Fprintf(out, "\nfiles in %s:\n", bench.dir)
	for _, s := range summary.Streams {
		for _, name := range s.CSV {
			fmt.Fprintf(out, "  %s\n", relative(bench.dir, name))
		}
	}
	fmt.Fprintf(out, "  archive%c    the frames as they came; print them with: %s cat %s --stream cd48\n", filepath.Separator, sibling("photonrecv"), bench.archive())
	fmt.Fprintf(out, "  journal%c    the gateway's own copy: %s journal ls %s\n", filepath.Separator, sibling("photongate"), filepath.Join(bench.dir, "journal"))
	if code := verified.ExitCode(); code != cli.Done || !agree {
		return &cli.Error{Code: max(code, cli.Incomplete), Err: errors.New("the recording is not what was counted; see the report above")}
	}
	return nil
}

// sibling is how a program beside this one is called from here.
func sibling(name string) string {
	if dir := filepath.Dir(os.Args[0]); dir != "." {
		return filepath.Join(dir, name)
	}
	return name
}

func relative(dir, name string) string {
	if r, err := filepath.Rel(dir, name); err == nil {
		return r
	}
	return name
}

// compareWithTruth returns what is different between the archive and the
// simulator's own record, empty when nothing is.
func compareWithTruth(ctx context.Context, archive string, i *demoInstrument) (string, error) {
	var text strings.Builder
	if _, err := receiver.Cat(ctx, &text, receiver.CatOptions{Source: archive, Streams: []string{i.name}}); err != nil {
		return "", err
	}
	recorded, err := readValues(strings.NewReader(text.String()), 8)
	if err != nil {
		return "", err
	}
	file, err := os.Open(i.truthName)
	if err != nil {
		return "", err
	}
	defer file.Close()
	counted, err := readValues(file, 2)
	if err != nil {
		return "", err
	}
	if len(recorded) == 0 {
		return "nothing was recorded", nil
	}
	return difference(recorded, counted), nil
}

// readValues reads the counts of a CSV file, one text per row, without its
// header and its first columns.
func readValues(r io.Reader, skip int) ([]string, error) {
	records, err := csv.NewReader(r).ReadAll()
	if err != nil {
		return nil, err
	}
	var rows []string
	for _, record := range records[min(1, len(records)):] {
		rows = append(rows, strings.Join(record[skip:], ","))
	}
	return rows, nil
}

// difference finds recorded as a run within counted.
func difference(recorded, counted []string) string {
	for first := range counted {
		if end := first + len(recorded); end <= len(counted) && slices.Equal(recorded, counted[first:end]) {
			return ""
		}
	}
	first := slices.Index(counted, recorded[0])
	if first < 0 {
		return "the first row recorded was never counted: " + recorded[0]
	}
	for n, row := range recorded {
		if first+n >= len(counted) || counted[first+n] != row {
			return fmt.Sprintf("row %d differs: recorded %s", n+1, row)
		}
	}
	return ""
}
