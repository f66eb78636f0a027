// Package derive counts time tags: in gates that lie at whole multiples of their
// length in the instrument's own ticks, each channel by itself and coincidences
// between channels. It knows nothing of files, clocks or instruments.
//
// # What is counted
//
// A channel's delay is added to the time of each of its tags first; all below is
// said of the times with their delays. Gate k holds the tags of k x gate and later,
// and before (k+1) x gate.
//
// Tags of the channels of a coincidence coincide when no two of them are further
// apart than half the window: for two channels |t_a - t_b| <= window/2, so that the
// window is the whole width of the differences that count. A tag takes part in one
// coincidence of each kind at most, the oldest first. A coincidence belongs to the
// gate of its last tag. Since times are whole ticks, 2 x floor(window/2) + 1
// differences count: that is the width by which accidental coincidences are to be
// reckoned.
//
// # What is missing
//
// A gate of which tags may be missing is flagged device.Short. A channel that lacks
// all of a gate is device.Absent in it, and so are its coincidences. Gates that prove
// to lack tags when they have been given out cannot be flagged: it is told of them.
package derive
