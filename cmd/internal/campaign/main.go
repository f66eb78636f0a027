// Command campaign runs every test that injects a fault, in its long form, and
// prints what was injected, promised and seen. It fails when a promise was
// broken, when such a test was skipped, and when a fault of the list (package
// faults) was announced by no test. make chaos runs it.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"photongate/cmd/internal/faults"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// options is what the command line says.
type options struct {
	short, race, markdown, json, list bool
	tags, page                        string
	limit                             time.Duration
	wanted                            []faults.Fault
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := readOptions(args, stderr)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 2
	}
	packages, err := find(".", o.wanted)
	if err != nil {
		fmt.Fprintf(stderr, "look for tests that bear a fault: %v\n", err)
		return 2
	}
	if o.list {
		for _, p := range packages {
			fmt.Fprintf(stdout, "%s: %s\n", p.dir, strings.Join(p.tests, " "))
		}
		return 0
	}
	results, failed, err := o.runAll(ctx, packages, stderr)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 2
	}
	if err := o.print(stdout, results); err != nil {
		fmt.Fprintf(stderr, "print the table: %v\n", err)
		return 2
	}
	return o.verdict(results, failed, stderr)
}

func readOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	var pick string
	f := flag.NewFlagSet("campaign", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.BoolVar(&o.short, "short", false, "run the short form of each test, as make test does (minutes, not an hour)")
	f.BoolVar(&o.race, "race", false, "with the race detector")
	f.BoolVar(&o.markdown, "markdown", false, "print the table as Markdown")
	f.BoolVar(&o.json, "json", false, "print the table as JSON")
	f.BoolVar(&o.list, "list", false, "only list the tests that would run")
	f.StringVar(&o.tags, "tags", "", "build tags")
	f.StringVar(&o.page, "page", "", "write the list of tests that keep each promise into this `file`, unless a test fails")
	f.StringVar(&pick, "faults", "", "only these faults, such as `F13,F20`")
	f.DurationVar(&o.limit, "limit", time.Hour, "stop after this long; what has not run by then has failed")
	if err := f.Parse(args); err != nil {
		return o, fmt.Errorf("campaign: %w", err)
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("campaign: %q is not understood; faults are picked with --faults F13,F20", f.Arg(0))
	}
	if o.limit <= 0 {
		return o, fmt.Errorf("campaign: a limit of %v leaves no time to run anything", o.limit)
	}
	o.wanted = faults.List()
	if pick != "" {
		if o.page != "" {
			return o, fmt.Errorf("campaign: --page needs all faults, leave out --faults")
		}
		o.wanted = nil
		for id := range strings.SplitSeq(pick, ",") {
			id = strings.ToUpper(strings.TrimSpace(id))
			i := slices.IndexFunc(faults.List(), func(f faults.Fault) bool { return f.ID == id })
			if i < 0 {
				return o, fmt.Errorf("campaign: there is no fault %q: they are F01 to F%d", id, len(faults.List()))
			}
			o.wanted = append(o.wanted, faults.List()[i])
		}
	}
	return o, nil
}

// print writes the table of what was seen of the wanted faults.
func (o options) print(w io.Writer, results *faults.Results) error {
	rows := o.rows(results)
	switch {
	case o.json:
		return faults.WriteJSON(w, rows)
	case o.markdown:
		return faults.WriteMarkdown(w, rows)
	}
	width := 160 // of a table that goes into a file
	if f, ok := w.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil {
			width = n
		}
	}
	return faults.WriteText(w, rows, width)
}

// rows returns the rows of the wanted faults, and of what is no fault at all.
func (o options) rows(results *faults.Results) []faults.Row {
	return slices.DeleteFunc(results.Rows(), func(r faults.Row) bool {
		return faults.Known(r.Fault) && !slices.ContainsFunc(o.wanted, func(f faults.Fault) bool { return f.ID == r.Fault })
	})
}

// verdict says what came of it, and brings the page up to date unless a test
// failed: a fault that no test announced is a row without a test there.
func (o options) verdict(results *faults.Results, failed []string, stderr io.Writer) int {
	wrong := append(results.Wrong(o.wanted), failed...)
	fmt.Fprintln(stderr, results.Summary(o.wanted))
	for _, f := range o.wanted {
		if f.Nearest != "" {
			fmt.Fprintf(stderr, "%s by its nearest simulation: %s\n", f.ID, f.Nearest)
		}
	}
	for _, w := range wrong {
		fmt.Fprintf(stderr, "FAIL: %s\n", w)
	}
	broken := len(failed) > 0 || slices.ContainsFunc(results.Rows(), func(r faults.Row) bool { return r.Result != faults.Passed })
	if o.page != "" && !broken {
		if err := o.writePage(results); err != nil {
			fmt.Fprintf(stderr, "write the table of faults into %s: %v\n", o.page, err)
			return 2
		}
	}
	if len(wrong) > 0 {
		return 1
	}
	return 0
}

// writePage replaces the table of faults in the page.
func (o options) writePage(results *faults.Results) error {
	page, err := os.ReadFile(o.page)
	if err != nil {
		return err
	}
	text, err := faults.Rewrite(string(page), faults.Table(results.Tests()))
	if err != nil {
		return err
	}
	return os.WriteFile(o.page, []byte(text), 0o644)
}
