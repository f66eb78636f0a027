// Package homebuilt plays the counters that instrument files describe: lines or
// binary records, sent by themselves or when asked, a restart when the port is
// opened, settings that are obeyed.
//
// It knows of an instrument what its file says, and no more. What the file leaves
// open follows from its first example: a line or record of which only the numbers
// are replaced. What is sent is thrown together from bytes and numbers here, and
// never read back.
//
// Channels that count see the simulated light. Those whose names are made of the
// names of others (AB of A and B) are their coincidences; of more than eight, the
// others are coincidences of the first eight. Auxiliary channels beside them are
// made up: 20 to 22, in their unit. Where all are auxiliary they see the light.
package homebuilt
