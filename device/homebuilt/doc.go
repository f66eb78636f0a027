// Package homebuilt drives the counters that somebody soldered: it reads whatever
// an instrument file (package instrument) describes, lines of text or binary
// records, sent unasked or when asked for.
//
// What it promises is what drivers of named instruments promise. A count that did
// not come is never a zero. A line or record that is not as described is dropped
// whole and becomes a gap that says what was wrong with it. Where the instrument
// times its gates itself, or numbers its lines, missing ones are counted. Running
// totals are stored as they come, with the width at which they wrap. Edges timed
// by this computer carry their uncertainty. What cannot be noticed from its bytes
// is said in the description.
//
// An instrument that is described like this mostly cannot say what it is: unless
// it has an answer to a question of the file, its identity is assumed from the form
// of its bytes.
package homebuilt
