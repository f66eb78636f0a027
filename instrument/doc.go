// Package instrument is the grammar of instrument files: one TOML file describes
// a counter that sends text or binary records, well enough that a driver can read
// it and a simulator can play it without any code of its own.
//
// [Parse] reads a file strictly, fills in what was left out, and refuses what
// cannot be, with file, line and key. The types below are the grammar; README.md
// beside them is the page for users, and its tables are made from the comments of
// the fields.
package instrument
