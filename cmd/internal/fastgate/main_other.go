//go:build !unix

// Command fastgate needs the signals of Unix.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "fastgate: this system has no SIGUSR1 to ask for figures with")
	os.Exit(1)
}
