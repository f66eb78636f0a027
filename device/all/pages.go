//go:build ignore

// Pages writes the page of each driver beside it, and the lists of drivers and of
// instrument files.
package main

import (
	"log"
	"os"
	"path/filepath"

	"photongate/device/all/internal/pages"
)

func main() {
	for path, text := range pages.All() {
		if err := os.WriteFile(filepath.Join("../..", filepath.FromSlash(path)), []byte(text), 0o644); err != nil {
			log.Fatal(err)
		}
	}
}
