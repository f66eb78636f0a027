// Package serialport opens ports that carry plain bytes: ttys and COM ports by
// name, by USB id and serial number or by the socket they are plugged into, and
// serial servers on TCP.
//
// It is the only place that knows go.bug.st/serial, and it turns that library's
// ways into those of device.Port: a read timeout is an error and never "0 bytes,
// nil"; writes are whole; a port that went away and a port we closed ourselves
// are told apart; every error says what to try.
//
// On Linux and macOS a tty raises DTR when it is opened, and nothing can prevent
// that. Boards with an auto-reset circuit (Arduino Uno and its kin) restart then:
// expect about two seconds of silence and perhaps a banner, which drivers drain.
//
// A port is locked for as long as it is open (flock on the node, besides the
// exclusive mode the library sets, which does not bind root): a second program
// of ours is refused, naming the holder where the system tells it. So is a port
// that a program without a lock has open (Linux, as far as this user may see), or
// that an UUCP lock file names a living process for.
package serialport
