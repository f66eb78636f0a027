package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// FaultKind is one way in which an instrument, its cable or its port fails.
type FaultKind string

// The faults. Those marked with a parameter take it behind a second colon.
const (
	FaultTorn       FaultKind = "torn"       // a message loses its beginning
	FaultGarbage    FaultKind = "garbage"    // :N random bytes are inserted (8)
	FaultFlood      FaultKind = "flood"      // :N bytes FF are inserted (4096), as a line does that floats
	FaultDrop       FaultKind = "drop"       // :N bytes are lost (1)
	FaultFlip       FaultKind = "flip"       // one byte is changed
	FaultLostPacket FaultKind = "lostpacket" // :N bytes, one USB packet, are lost (64)
	FaultStall      FaultKind = "stall"      // silence for :D (5s); what would have been said is lost, counting goes on
	FaultUnplug     FaultKind = "unplug"     // the port vanishes for :D (3s; 0s: until plugged in by signal) and returns as another one
	FaultOverflow   FaultKind = "overflow"   // counter number :CH runs over (the instrument's choice)
	FaultReboot     FaultKind = "reboot"     // from then on each opening restarts the instrument, which is silent for :D (2s)
	FaultBrownout   FaultKind = "brownout"   // the instrument restarts by itself at once, and is silent for :D (300ms)
	FaultLate       FaultKind = "late"       // a message, and what follows, is held back for :D (1.5s)
	FaultSplit      FaultKind = "split"      // a message comes in two pieces, :D apart (20ms)
	FaultDuplicate  FaultKind = "duplicate"  // a message comes twice
	FaultJunk       FaultKind = "junk"       // a line of text that nobody asked for comes first
	FaultRefuse     FaultKind = "refuse"     // the next command is answered as an error (the instrument's own)
	FaultPanel      FaultKind = "panel"      // somebody turns a knob at the front panel (the instrument's own)
	FaultLostMarker FaultKind = "lostmarker" // the next marker of a stream of tags is missing (the instrument's own)
	FaultLostClock  FaultKind = "lostclock"  // the external reference clock is gone for :D (5s; 0s: for good) (the instrument's own)
	FaultLeak       FaultKind = "leak"       // stray light: :INPUT=CPS more detections per second (of all inputs, 3M)
	FaultDead       FaultKind = "dead"       // the detector of :INPUT (of all) gives nothing any more
)

// parameterKind says what may stand behind a fault's second colon.
type parameterKind int

const (
	noParameter parameterKind = iota
	countParameter
	channelParameter
	durationParameter
	leakParameter
	inputParameter
)

// faultForms says of every kind what its parameter is and which one is meant
// when it is left out.
var faultForms = []struct {
	kind      FaultKind
	parameter parameterKind
	count     int
	duration  time.Duration
	title     string
}{
	{kind: FaultTorn, title: "a message loses its beginning"},
	{kind: FaultGarbage, parameter: countParameter, count: 8, title: "random bytes are inserted"},
	{kind: FaultFlood, parameter: countParameter, count: 4096, title: "bytes FF are inserted, as from a line that floats"},
	{kind: FaultDrop, parameter: countParameter, count: 1, title: "bytes are lost"},
	{kind: FaultFlip, title: "one byte is changed"},
	{kind: FaultLostPacket, parameter: countParameter, count: 64, title: "the bytes of one USB packet are lost"},
	{kind: FaultStall, parameter: durationParameter, duration: 5 * time.Second, title: "silence; what would have been said is lost, counting goes on"},
	{kind: FaultUnplug, parameter: durationParameter, duration: 3 * time.Second, title: "the port vanishes for so long, and returns as another one (0s: until it is plugged in by a signal)"},
	{kind: FaultOverflow, parameter: channelParameter, count: -1, title: "a counter runs over (not every instrument has that)"},
	{kind: FaultReboot, parameter: durationParameter, duration: 2 * time.Second, title: "from then on each opening restarts the instrument, which is silent for so long"},
	{kind: FaultBrownout, parameter: durationParameter, duration: 300 * time.Millisecond, title: "the instrument restarts by itself, and is silent for so long"},
	{kind: FaultLate, parameter: durationParameter, duration: 1500 * time.Millisecond, title: "a message, and what follows, is held back for so long"},
	{kind: FaultSplit, parameter: durationParameter, duration: 20 * time.Millisecond, title: "a message comes in two pieces, so long apart"},
	{kind: FaultDuplicate, title: "a message comes twice"},
	{kind: FaultJunk, title: "a line of text that nobody asked for comes before a message"},
	{kind: FaultRefuse, title: "the next command is refused, though it is right (not every instrument has that)"},
	{kind: FaultPanel, title: "somebody changes a setting at the front panel (not every instrument has that)"},
	{kind: FaultLostMarker, title: "the next marker of a stream of tags is missing (tdc1)"},
	{kind: FaultLostClock, parameter: durationParameter, duration: 5 * time.Second, title: "the external reference clock is gone for so long (0s: for good) (tdc1)"},
	{kind: FaultLeak, parameter: leakParameter, title: "stray light on an input: so many more photons per second, from then on"},
	{kind: FaultDead, parameter: inputParameter, title: "a detector dies: its input counts nothing any more"},
}

// FaultForm says of one kind of fault, for people, how it is written and what it
// does.
type FaultForm struct {
	Kind      FaultKind
	Parameter string // what stands behind the second colon: "bytes", "duration", "counter", "input=cps", "input"; empty for nothing
	Default   string // what holds when it is left out
	Title     string // what happens
}

// FaultForms explains all kinds.
func FaultForms() []FaultForm {
	list := make([]FaultForm, len(faultForms))
	for i, form := range faultForms {
		list[i] = FaultForm{Kind: form.kind, Title: form.title}
		switch form.parameter {
		case countParameter:
			list[i].Parameter, list[i].Default = "bytes", strconv.Itoa(form.count)
		case channelParameter:
			list[i].Parameter, list[i].Default = "counter", "its choice"
		case durationParameter:
			list[i].Parameter, list[i].Default = "duration", form.duration.String()
		case leakParameter:
			list[i].Parameter, list[i].Default = "input=cps", "all inputs, 3M"
		case inputParameter:
			list[i].Parameter, list[i].Default = "input", "all inputs"
		}
	}
	return list
}

// maxFaultCount bounds the bytes one fault may insert or lose.
const maxFaultCount = 1 << 20

// Fault is one failure and when it happens.
type Fault struct {
	Kind FaultKind
	// After is the time since the start at which it happens; those that change
	// what is sent hit the next message a host can see. Used if Byte is negative.
	After time.Duration
	// Byte is, if not negative, the position at which it happens: how many bytes
	// the instrument has sent to an open port before it. Bytes are counted as
	// the instrument sent them, before any fault.
	Byte int64
	// Count is a number of bytes, or for FaultOverflow the counter (-1: the
	// instrument chooses).
	Count int
	// For is how long it lasts.
	For time.Duration
	// Input is the name of an input of the light, for FaultLeak and FaultDead;
	// empty: all. RateHz is by how much FaultLeak raises it.
	Input  string
	RateHz float64
}

// FaultKinds lists the names of all kinds.
func FaultKinds() []string {
	names := make([]string, len(faultForms))
	for i, form := range faultForms {
		names[i] = string(form.kind)
	}
	return names
}

// ParseFaults reads faults in the form of [ParseFault]; it stops at the first that
// is none.
func ParseFaults(texts []string) ([]Fault, error) {
	var faults []Fault
	for _, text := range texts {
		f, err := ParseFault(text)
		if err != nil {
			return nil, err
		}
		faults = append(faults, f)
	}
	return faults, nil
}

// ParseFault reads KIND@TIME[:PARAM], where TIME is a duration after the start
// (5s, 1m30s) or byte=N. See the kinds for what PARAM is.
func ParseFault(text string) (Fault, error) {
	kind, rest, found := strings.Cut(text, "@")
	if !found {
		return Fault{}, fmt.Errorf("fault %q: expected KIND@TIME or KIND@byte=N, such as garbage@5s or unplug@byte=1000:2s", text)
	}
	i := slices.Index(FaultKinds(), kind)
	if i < 0 {
		return Fault{}, fmt.Errorf("fault %q: there is no %q; known are %s", text, kind, strings.Join(FaultKinds(), ", "))
	}
	form := faultForms[i]
	f := Fault{Kind: form.kind, Byte: -1, Count: form.count, For: form.duration}
	if f.Kind == FaultLeak {
		f.RateHz = leakHz
	}
	when, parameter, hasParameter := strings.Cut(rest, ":")
	if err := f.setWhen(when); err != nil {
		return Fault{}, fmt.Errorf("fault %q: %w", text, err)
	}
	if hasParameter {
		if err := f.setParameter(form.parameter, parameter); err != nil {
			return Fault{}, fmt.Errorf("fault %q: %w", text, err)
		}
	}
	return f, nil
}

func (f *Fault) setWhen(when string) error {
	if position, isByte := strings.CutPrefix(when, "byte="); isByte {
		n, err := strconv.ParseInt(position, 10, 64)
		if err != nil || n < 0 {
			return fmt.Errorf("byte position %q: expected a whole number from 0", position)
		}
		f.Byte = n
		return nil
	}
	d, err := time.ParseDuration(when)
	if err != nil || d < 0 {
		return fmt.Errorf("time %q: expected a duration after the start such as 5s or 1m30s, or byte=N", when)
	}
	f.After = d
	return nil
}

func (f *Fault) setParameter(kind parameterKind, text string) error {
	switch kind {
	case durationParameter:
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			return fmt.Errorf("%s takes a duration such as 2s, not %q", f.Kind, text)
		}
		f.For = d
	case countParameter:
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxFaultCount {
			return fmt.Errorf("%s takes a number of bytes from 1 to %d, not %q", f.Kind, maxFaultCount, text)
		}
		f.Count = n
	case channelParameter:
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > 255 {
			return fmt.Errorf("%s takes the number of a counter, from 0, not %q", f.Kind, text)
		}
		f.Count = n
	case leakParameter:
		return f.setLeak(text)
	case inputParameter:
		if f.Input = text; text == "" || strings.Contains(text, "=") {
			return fmt.Errorf("%s takes the name of an input, such as A, not %q", f.Kind, text)
		}
	default:
		return fmt.Errorf("%s takes no parameter", f.Kind)
	}
	return nil
}

// String gives KIND@TIME or KIND@byte=N.
func (f Fault) String() string {
	if f.Byte >= 0 {
		return fmt.Sprintf("%s@byte=%d", f.Kind, f.Byte)
	}
	return fmt.Sprintf("%s@%v", f.Kind, f.After)
}

// timed reports whether the fault happens by itself at its time, rather than to
// the next message.
func (f Fault) timed() bool {
	switch f.Kind {
	case FaultStall, FaultUnplug, FaultLeak, FaultDead:
		return true
	}
	_, own := f.ownEvent()
	return own
}

// hurts reports whether the fault changes the bytes it hits, rather than their time or
// something else.
func (f Fault) hurts() bool {
	switch f.Kind {
	case FaultLate, FaultSplit, FaultReboot, FaultLeak, FaultDead:
		return false
	}
	_, own := f.ownEvent()
	return !own
}

// ownEvent is what an instrument is told when it is to do the fault by itself.
func (f Fault) ownEvent() (kind EventKind, own bool) {
	switch f.Kind {
	case FaultOverflow:
		return Overflow, true
	case FaultReboot, FaultBrownout:
		return Reboot, true
	case FaultRefuse:
		return Refuse, true
	case FaultPanel:
		return Panel, true
	case FaultLostMarker:
		return LostMarker, true
	case FaultLostClock:
		return LostClock, true
	}
	return 0, false
}

// Fired tells of one fault that happened.
type Fired struct {
	Fault Fault
	// After is the time since the start.
	After time.Duration
	// Byte is how many bytes the instrument had sent to an open port.
	Byte int64
	// Detail says in words what was done.
	Detail string
}

// String is one line for people.
func (f Fired) String() string {
	return fmt.Sprintf("fault %v fired at %.3f s, byte %d: %s", f.Fault, f.After.Seconds(), f.Byte, f.Detail)
}
