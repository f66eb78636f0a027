// Package output serves live readings to programs that do not speak
// photongate's own protocol: lines of text for LabVIEW, MATLAB and netcat, and
// byte for byte what scripts written for serpy, serpy2 or records of Python's
// struct expect.
//
// An [Output] listens for such programs, or dials one. It follows the journal
// from the moment on at which it starts, at its own pace, and never holds up
// the reading of instruments. Each client has a bounded queue of whole blocks:
// one that does not read loses blocks, which are counted, and nobody else
// does.
package output
