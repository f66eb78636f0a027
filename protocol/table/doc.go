// Package table turns the frames of streams into rows and text.
//
// A [Decoder] takes the frames of one stream and hands readings, gaps and
// events to a [Sink]; a [ClockTable] knows UTC from the stream "gateway"; a
// [CSVWriter], an [NDJSONWriter] and a [NotesWriter] write text. The receiver's
// cat and the gateway's text output write the same rows, since both use this.
package table
