// Command dist packs what is handed out, so that the same files always give the
// same archive: names in order, one time for all, nobody's user. It is used by
// .ci/dist.
//
//	dist -time UNIX FOLDER ARCHIVE.tar.gz|ARCHIVE.zip   packs FOLDER, under its own name
//	dist -sums SHA256SUMS FILE...                       lists the SHA-256 of files
package main

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	unix := flag.Int64("time", 0, "when all files were changed last, seconds since 1970")
	sums := flag.String("sums", "", "file to list the SHA-256 of the others in")
	flag.Parse()
	if err := run(*unix, *sums, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "dist:", err)
		os.Exit(1)
	}
}

func run(unix int64, sums string, args []string) error {
	if sums != "" {
		return list(sums, args)
	}
	if len(args) != 2 {
		return errors.New("expected a folder and an archive")
	}
	return pack(args[0], args[1], time.Unix(unix, 0).UTC())
}

// pack writes a folder to an archive of the kind its name ends in.
func pack(folder, archive string, at time.Time) (err error) {
	out, err := os.Create(archive)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if strings.HasSuffix(archive, ".zip") {
		return packZip(out, folder, at)
	}
	return packTar(out, folder, at)
}

// list writes the SHA-256 of files as sha256sum does, in the order of their
// names.
func list(sums string, files []string) error {
	var text strings.Builder
	for _, name := range slices.Sorted(slices.Values(files)) {
		h := sha256.New()
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		_, err = io.Copy(h, f)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		fmt.Fprintf(&text, "%x  %s\n", h.Sum(nil), filepath.Base(name))
	}
	return os.WriteFile(sums, []byte(text.String()), 0o644)
}
