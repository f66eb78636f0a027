// Package pairing is what lets a workstation trust a gateway in another room,
// and the other way round: the gateway's own key and token ([Identity]), the line
// that people paste ([ParseLine]), the file that keeps it ([Load], [Save]) and the
// TLS that pins it. SPEC.md, sections 9.1 and 12, is the authority.
package pairing
