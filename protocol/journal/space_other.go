//go:build !linux && !darwin && !windows

package journal

import "errors"

// isFullHere knows the errors of a full disk that only this system has.
func isFullHere(error) bool { return false }

// diskSpace is not known here: this system's call for it differs from version
// to version.
func diskSpace(string) (free, total int64, err error) { return 0, 0, errors.ErrUnsupported }
