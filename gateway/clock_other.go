//go:build !linux

package gateway

import (
	"fmt"
	"time"
)

// SystemClock is the computer's clock. Outside Linux it is not known whether
// UTC is synchronised, nor whether the computer slept.
func SystemClock() ClockSource {
	start := time.Now()
	return ClockSource{
		Even: func() int64 { return time.Since(start).Nanoseconds() },
		UTC:  func() int64 { return time.Now().UnixNano() },
		Boot: fmt.Sprintf("process of %s", start.UTC().Format(time.RFC3339Nano)),
	}
}
