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
