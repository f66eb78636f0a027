// Command benchpage makes the page of results, BENCHMARKS.md, and its plot from what
// make bench printed. What was not run is left out.
//
//	benchpage bin/bench.txt     writes BENCHMARKS.md and BENCHMARKS.svg in the folder where it is called
package main

import (
	"errors"
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "benchpage:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return errors.New("expected the file that make bench wrote, as in: go run ./cmd/internal/benchpage bin/bench.txt")
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return fmt.Errorf("%w: run make bench first", err)
	}
	r := parse(string(text))
	if len(r.figures) == 0 {
		return fmt.Errorf("%s has no line of a benchmark", args[0])
	}
	if err := os.WriteFile("BENCHMARKS.svg", []byte(plot(r)), 0o644); err != nil {
		return err
	}
	return os.WriteFile("BENCHMARKS.md", []byte(page(r)), 0o644)
}
