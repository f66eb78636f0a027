package main

import (
	"fmt"
	"io"
	"os"
	"slices"

	"photongate/cmd/internal/faults"
)

// checkFaults holds what a run of all tests announced against the list of
// faults and against the operators' page, which names the tests that keep each
// promise. It prints one line, and one for each thing that is wrong; make chaos
// SHORT=1 prints the whole table.
func checkFaults(results *faults.Results, page string, w io.Writer) (ok bool) {
	wrong := append(results.Wrong(faults.List()), faults.Stale(page, results.Tests())...)
	for _, sentence := range wrong {
		fmt.Fprintf(w, "FAIL: %s\n", sentence)
	}
	fmt.Fprintf(w, "%s (make chaos SHORT=1 prints the table)\n", results.Summary(faults.List()))
	return len(wrong) == 0
}

// isWhole reports whether the arguments of go test ask for all packages and all
// tests in them, as only then every fault has to be announced.
func isWhole(args []string) bool {
	return slices.Contains(args, "./...") && !slices.ContainsFunc(args, func(a string) bool {
		return a == "-run" || a == "-short" || a == "-skip"
	})
}

// readPage reads the operators' page; testlog runs at the top of the tree.
func readPage() (string, error) {
	text, err := os.ReadFile(faults.PageFile)
	return string(text), err
}
