package gateway

import "time"

// Plugging tells when something was plugged in or unplugged.
type Plugging interface {
	// Changed returns a channel that is closed when that happens next. It is called
	// concurrently.
	Changed() <-chan struct{}
}

// Limits of the attempts to open a device that are made because something was
// plugged in.
const (
	// pluggedAfter is the shortest pause before one: the kernel's driver and the rules
	// for who may open it take their time.
	pluggedAfter = backoffFirst
	// pluggedEvery keeps such attempts apart. An attempt may itself look as if
	// something was plugged in, where it takes the device from the kernel's driver
	// and gives it back.
	pluggedEvery = time.Second
	// pluggedAnew is how long after the last such attempt the pauses begin with the
	// shortest again.
	pluggedAnew = backoffForget
)

// plugged is what a task knows of things being plugged in.
type plugged struct {
	plugging Plugging        // nil: nobody tells
	changed  <-chan struct{} // closed when something was, since the last attempt began
	last     time.Time       // when a pause was cut short for it
}

// attempt notes that an attempt to open the device begins.
func (p *plugged) attempt() {
	if p.plugging != nil {
		p.changed = p.plugging.Changed()
	}
}

// cut returns how long a pause that began at a time still lasts when something is
// plugged in now.
func (p *plugged) cut(began time.Time) time.Duration {
	return max(time.Until(began.Add(pluggedAfter)), time.Until(p.last.Add(pluggedEvery)), 0)
}

// anew notes that the next attempt is made so soon from now, and reports whether the
// pauses are to begin with the shortest again.
func (p *plugged) anew(soon time.Duration) bool {
	at := time.Now().Add(soon)
	long := at.Sub(p.last) >= pluggedAnew
	p.last = at
	return long
}
