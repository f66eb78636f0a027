package gateway

import (
	"time"

	"photongate/device"
)

// silent is the condition of a device that is open and gives nothing.
var silent = condition{
	state: Stalled, kind: "silent", cause: "no reading comes",
	hint: "look at the instrument: is it switched on, is it counting, is the cable in?",
}

// wakefulness tells a device that does nothing from a process that was stopped
// for a while (a debugger, SIGSTOP, a machine with no time to spare): what the
// device sent meanwhile waits for us, and nobody has looked for it yet.
type wakefulness struct {
	looked time.Duration // last
	woke   time.Duration // when a look came much too late last
}

// look is to be called each watchEvery.
func (w *wakefulness) look(now time.Duration) {
	if now-w.looked > 4*watchEvery {
		w.woke = now
	}
	w.looked = now
}

// since is how long ago something happened, at most how long we have been awake.
func (w *wakefulness) since(now, at time.Duration) time.Duration { return now - max(at, w.woke) }

// silence knows how long a device may be silent: three gates, and what a reading
// may take to get here. Where it has no nominal gate, the longest time between two
// readings so far is taken for it.
type silence struct {
	gate  time.Duration
	late  time.Duration // by how much the instrument's edges, and so its readings, may be late
	fixed bool          // the gate is known; of tags: how long the clock may be untold in the dark
	tags  bool          // the device gives tags
	last  time.Duration
}

// silenceUnknown stands for the gate of a device that has none, before two
// readings have come.
const silenceUnknown = 3 * time.Second

// silenceLatency is what lies between an instrument that ends a gate and a watchdog
// that sees the reading: a source may wait device.MaxWait and then give all that
// came meanwhile, and the watchdog looks each watchEvery.
const silenceLatency = device.MaxWait + watchEvery

func newSilence(about device.Description) *silence {
	if about.Gate > 0 {
		return &silence{gate: about.Gate, late: about.Late, fixed: true}
	}
	return &silence{gate: silenceUnknown, late: about.Late, tags: about.Tick.Num > 0}
}

// look learns from when the last reading came (0: none yet), and of a device that
// gives tags from the longest pause between two words of its clock in the dark (0:
// unknown).
func (s *silence) look(last, darkPause time.Duration) {
	if s.tags {
		s.fixed, s.gate = darkPause > 0, max(silenceUnknown, darkPause)
		return
	}
	if !s.fixed && s.last > 0 && last > s.last {
		s.gate = max(s.gate, last-s.last)
	}
	s.last = last
}

func (s *silence) stallAfter() time.Duration  { return 3*s.gate + s.late + silenceLatency }
func (s *silence) reopenAfter() time.Duration { return max(10*s.gate, 5*time.Second) }
