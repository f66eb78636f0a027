// Package delays finds by how much the detections of one channel come later than
// those of another: a [Histogram] of the differences of their times, and the
// [Peak] in it.
//
// It is there to align: to find cable lengths and the delay that brings two
// channels into one coincidence window. Correlations are the business of
// analysis tools.
package delays
