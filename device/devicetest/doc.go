// Package devicetest holds drivers to their contract: a conformance suite that
// every driver runs ([Run]; [RunTags] where it gives time tags), an in-memory port
// with an instrument's end to it ([NewPair]), and a port that breaks on command
// ([Break]).
//
// Everything works on fake time inside a testing/synctest bubble.
package devicetest
