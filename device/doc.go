// Package device says what a reading is and what a driver is: the contracts
// between instruments and the gateway. It imports the standard library only,
// and so does every driver, which lives in a folder of its own below this one.
//
// A [Driver] is a value. Its Open turns a [Port] into a [Source], an open
// instrument that is used by one goroutine and starts none. A Source fills the
// columns of the caller's [Batch] with completed readings and with what
// happened between them: gaps, events and clock pairs.
//
// All times are nanoseconds of the gateway's time base (see [Clock]).
package device
