// Command testlog runs go test and shows every test that was skipped, with its
// reason: a green run in which half the tests were skipped looks exactly like a
// good one. Its arguments are those of go test. What it prints is what go test
// prints without -v, plus a line for each skipped test. It fails when go test
// does, when a test was skipped that is not in the list of those that may be,
// when no test ran at all, and, of a run of all tests, when a fault of the list
// (package faults) was announced by no test.
package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	test := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	test.Stderr = stderr
	out, err := test.StdoutPipe()
	if err == nil {
		err = test.Start()
	}
	if err != nil {
		fmt.Fprintf(stderr, "run go test: %v\n", err)
		return 2
	}
	verdict, readErr := read(out, stdout, maySkip)
	if err := test.Wait(); err != nil {
		return 1 // go test has said why
	}
	if readErr != nil {
		fmt.Fprintf(stderr, "read what go test -json prints: %v\n", readErr)
		return 1
	}
	if err := verdict.err(); err != nil {
		fmt.Fprintf(stderr, "FAIL: %v\n", err)
		return 1
	}
	if !isWhole(args) {
		return 0
	}
	page, err := readPage()
	if err != nil {
		fmt.Fprintf(stderr, "read the page that names the tests of each fault: %v\n", err)
		return 1
	}
	if !checkFaults(&verdict.faults, page, stdout) {
		return 1
	}
	return 0
}
