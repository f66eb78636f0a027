// Package protocol is the language that gateways, journals, receivers and
// archives speak: frames, their payloads, and the columns of counts inside
// them. SPEC.md beside this file is the authority for every byte; testdata
// holds golden vectors for decoders in any language.
//
// A frame is a Header and a payload, under two checksums. The same bytes stand
// in the gateway's journal, cross TCP, and stand in the receiver's archive.
//
//   - Frames: ParseHeader, ParseFrame, AppendFrame, SealFrame; FrameReader for
//     a connection; FindFrame to go on behind damage in a file.
//   - Counts: CountsEncoder and CountsDecoder turn columns of readings into
//     frames and back, close to the Shannon limit.
//   - Tags: TagsEncoder and TagsDecoder do so for time tags; TagsTotals tells how many
//     there are of each channel without decoding any.
//   - JSON: one Go type for each JSON payload; AppendJSON, DecodeJSON.
//   - Files: Preamble and Mark, which stand between the frames of a segment.
//   - Session: ProofMAC, and the words of refusals, answers and causes.
//
// Decoders check before they allocate, never panic, and refuse what is left
// over. Their errors wrap one of the sentinels (ErrMagic, ErrVersion,
// ErrHeaderCRC, ErrPayloadCRC, ErrLimit, ErrFormat, ErrUnknown) or
// io.ErrUnexpectedEOF where a frame, preamble or mark is cut short.
//
// Nothing here logs, starts a goroutine or keeps global state. Values are for
// one goroutine at a time unless their comment says otherwise.
package protocol
