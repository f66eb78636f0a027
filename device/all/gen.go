//go:build ignore

// Gen writes drivers.go, one import and one entry for each folder beside this one
// whose driver.go declares a Driver, and verified.go, what their tests hold them to.
package main

import (
	"log"
	"os"

	"photongate/device/all/internal/listing"
)

func main() {
	drivers, err := listing.Generate("..")
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile("drivers.go", drivers, 0o644); err != nil {
		log.Fatal(err)
	}
	verified, err := listing.Evidence("../..")
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile("verified.go", verified, 0o644); err != nil {
		log.Fatal(err)
	}
}
