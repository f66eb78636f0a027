package device

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Port carries bytes to and from an instrument. One goroutine reads and
// writes; Close may be called from another and frees a blocked Read, and so may be
// a Write before it, while the one goroutine reads: the last word of a Source.
type Port interface {
	// Read reads what has arrived, at least one byte, into p (len(p) > 0),
	// waiting at most timeout for it (0: only what is there). It returns the
	// number of bytes and the time base when it returned. When nothing came it
	// returns 0 and ErrTimeout; when the device went away, an error that is
	// ErrGone; after Close, ErrClosed. n > 0 comes with a nil error.
	Read(p []byte, timeout time.Duration) (n int, at int64, err error)

	// Write writes all of p or fails. It returns the time base when it returned.
	Write(p []byte) (at int64, err error)

	// Discard throws away input that has arrived and was not read.
	Discard() error

	// Name says where the port is, for people: "/dev/ttyACM0".
	Name() string

	// Close closes the port. A second Close does nothing and returns nil.
	Close() error
}

// ModemLines is an ability some ports have: setting the modem control lines.
type ModemLines interface {
	SetDTR(on bool) error
	SetRTS(on bool) error
}

// Breaker is an ability some ports have: sending a break.
type Breaker interface {
	Break(d time.Duration) error
}

// FIFO is an ability some ports have: taking bytes from the pins of a chip in
// parallel, clocked by that chip, in place of a serial line.
type FIFO interface {
	// SetFIFO turns that on or off. What had arrived is thrown away. It refuses a
	// chip that cannot.
	SetFIFO(on bool) error
}

// LineWatcher is an ability some ports have: noticing what goes wrong with bytes
// on their way.
type LineWatcher interface {
	// Trouble returns what was noticed since the port was opened. The goroutine
	// that reads calls it.
	Trouble() Trouble
}

// Trouble counts what a port noticed. All but Dropped are counted once for the
// bytes that came together, however many of them it concerned.
type Trouble struct {
	Overrun uint64 // the adapter had no room and lost bytes
	Parity  uint64 // a byte's parity was wrong
	Framing uint64 // a stop bit was missing: another baud rate, or noise
	Break   uint64 // the line stood at break
	Dropped uint64 // bytes thrown away because this program did not read them
}

// Since says in words what is new since before, empty for nothing.
func (t Trouble) Since(before Trouble) string {
	text := ""
	for _, kind := range []struct {
		n    uint64
		what string
	}{
		{t.Overrun - before.Overrun, "bytes lost in the adapter (overrun)"}, {t.Parity - before.Parity, "wrong parity"},
		{t.Framing - before.Framing, "missing stop bit (framing)"}, {t.Break - before.Break, "break on the line"},
		{t.Dropped - before.Dropped, "bytes dropped because they were not read in time"},
	} {
		if kind.n > 0 {
			text += fmt.Sprintf("; %s: %d", kind.what, kind.n)
		}
	}
	return strings.TrimPrefix(text, "; ")
}

// Kinds of trouble with an instrument or its port; callers branch on them with
// errors.Is. An [Error] carries one of them together with what to do about it.
var (
	ErrTimeout    = errors.New("no answer in time")         // nothing arrived; on a Read of an idle port this is normal
	ErrGone       = errors.New("device went away")          // unplugged, hung up, connection cut
	ErrClosed     = errors.New("port is closed")            // closed by ourselves
	ErrNoPort     = errors.New("no such port")              // the port does not exist now
	ErrBusy       = errors.New("port is in use")            // another program holds it
	ErrHangs      = errors.New("does not return")           // a call into the system is still on its way: the port is left alone until it is back
	ErrPermission = errors.New("permission denied")         // the user may not open it
	ErrAmbiguous  = errors.New("more than one device fits") // the port's name fits several; none was opened
	ErrNonsense   = errors.New("not what this instrument sends")
	ErrChanged    = errors.New("settings changed by themselves") // the instrument restarted, or somebody turned a knob
	ErrSetting    = errors.New("setting was not accepted")       // read back another value than was pushed
)

// Anew returns an error that is ErrChanged and says why in its own words: of an
// instrument that has to be opened anew though no setting is known to have changed, as
// when it fell silent, or its clock is lost.
func Anew(format string, args ...any) error { return anew(fmt.Sprintf(format, args...)) }

type anew string

func (a anew) Error() string { return string(a) }
func (anew) Unwrap() error   { return ErrChanged }

// Error tells what was being done, to which port, what went wrong, and what to
// try. It unwraps to its Err, which is or wraps one of the kinds above.
type Error struct {
	Op   string // "open", "identify", "set gate"
	Port string // Port.Name
	Err  error
	Hint string // what to try, a sentence for the user; may be empty
}

// Error returns "op port: cause (hint)".
func (e *Error) Error() string {
	s := fmt.Sprintf("%s %s: %v", e.Op, e.Port, e.Err)
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
