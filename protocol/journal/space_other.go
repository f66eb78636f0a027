//go:build !linux && !darwin && !windows

package journal

import "errors"

// diskSpace is not known here: this system's call for it differs from version
// to version.
func diskSpace(string) (free, total int64, err error) { return 0, 0, errors.ErrUnsupported }
