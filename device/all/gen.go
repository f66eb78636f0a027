//go:build ignore

// Gen writes drivers.go: one import and one entry for each folder beside this
// one whose driver.go declares a Driver.
package main

import (
	"log"
	"os"

	"photongate/device/all/internal/listing"
)

func main() {
	text, err := listing.Generate("..")
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile("drivers.go", text, 0o644); err != nil {
		log.Fatal(err)
	}
}
