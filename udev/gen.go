//go:build ignore

// gen writes the rules into this folder.
package main

import (
	"fmt"
	"os"

	"photongate/udev"
)

func main() {
	for name, text := range udev.Files() {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
