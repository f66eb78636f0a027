// Package cd48 simulates the Red Dog Physics CD48 coincidence counter (Eric Ayars):
// inputs A B C D, eight counters, each counting the coincidence of any of them,
// commands of one case-sensitive letter over a USB virtual COM port.
//
// What is known of the box comes from programs used with it: amcdawes/coincidence
// README.md (which prints the help text of a unit), coinc/main.py and
// tkApp/coincCounter.py; MATLAB programs by B. Khajavi and E. Galvez, Colgate
// University; OpenPhysics/pycd48 pycd48/cd48.py.
//
// What is not known is a choice in [Options]: whether set commands answer, whether a
// full counter wraps or sticks, whether reading clears the overflow flags, whether
// repeated lines follow the form last asked for. In the replies whose text is
// not known (C, P, v, H) only the facts are to be relied on.
//
// A number with fewer digits than it may have (L50) ends at the next byte that is
// no digit, so that a command may come in any number of pieces.
package cd48
