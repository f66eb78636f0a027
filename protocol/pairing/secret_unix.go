//go:build unix

package pairing

import "io/fs"

// tooOpen reports whether others than its user may read a file.
func tooOpen(info fs.FileInfo) bool { return info.Mode().Perm()&0o077 != 0 }
