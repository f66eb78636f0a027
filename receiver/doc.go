// Package receiver fetches what a gateway stores, keeps it in an archive and
// hands it on: a session with a gateway (protocol/SPEC.md, section 9), an
// archive of frames that is resumed after any interruption, CSV and NDJSON for
// other programs, and a report of what is whole and what is missing.
//
// [Record] records from one or more gateways. [Cat] writes readings from an
// archive or a live gateway as text. [Verify] reads an archive and reports.
// The package speaks to gateways only: it reaches no serial line and no USB,
// and needs no cgo.
package receiver

import "errors"

// ErrUsage is wrapped by errors about what was asked for: an option, an
// address, a pattern.
var ErrUsage = errors.New("wrong usage")

// usage is such an error; its text does not mention ErrUsage.
type usage struct{ error }

func (u usage) Unwrap() []error { return []error{ErrUsage, u.error} }
