// Package journal keeps frames in segment files: a gateway's journal and a
// receiver's archive alike. Frames are appended, followed from any position by
// any number of readers, found again after a crash, and verified. The files
// are described in SPEC.md, section 8, of package protocol.
//
// # The way of a frame
//
//	Append ──> tail (memory) ──> segment file ──> disk
//	   caller        appender          syncer
//	                 └────────── readers ───────┘
//
// Append copies a frame into the tail, one bounded memory for all streams of a
// journal, and returns. One goroutine, the appender, writes what is unwritten
// to the streams' files. Another one, the syncer, syncs all files with
// something new every Options.SyncEvery, and is the only one that makes and
// closes files: a sync that takes seconds keeps neither Append, nor readers, nor
// the appender waiting, only what needs a new file.
//
// What a crash can cost: when the process dies, the frames the appender had not
// written, as a rule some milliseconds. When the power fails, what was appended
// since the last sync round that ended: SyncEvery and the time a round takes.
// When the disk stands still, the tail takes Options.TailBytes; then Append drops
// frames, which become holes `overrun`, or waits. [Stream.Durable] never names a
// frame that a power cut can take away.
//
// # Locks
//
// In this order, the first taken first:
//
//  1. The claim of a stream (Stream.busy, claim and release): who has it writes
//     and exchanges the stream's file. Held while the file is written, closed
//     or made. A file is synced without it, beside the appender's writing.
//  2. Journal.metaMu: journal.json. Held while that file is written.
//  3. Journal.mu: all fields of streams, chunks and the tail. Never held while
//     the disk works.
//
// Readers hold none of them while they read files.
package journal
