package devicetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"photongate/device"
)

// faultReadings is how many readings' worth of bytes get a fault at each byte.
func (s Subject) faultReadings() int {
	if s.FaultReadings > 0 {
		return s.FaultReadings
	}
	return 5
}

// testFaultAtEveryByte does everything that can happen to a byte, to every byte
// of a run in turn. What the bytes make detectable must be a flag or a gap; what
// they do not is counted and printed.
func (s Subject) testFaultAtEveryByte(t *testing.T) {
	t.Attr("fault", "F35")
	clean := s.session(s.faultReadings()).mustRead(t)
	tally := map[string]int{}
	broken, places := 0, 0
	for at := range clean.received {
		if at < clean.opened && s.OpeningStride > 1 && at%s.OpeningStride != 0 {
			continue
		}
		places++
		for _, f := range s.faults(at) {
			what, err := s.tryFaults(t, f)
			if err != nil {
				t.Errorf("%s of byte %d (%02x): %v", f.Kind, f.At, f.Byte, err)
			}
			tally[string(f.Kind)+": "+what]++
			broken++
		}
	}
	all := map[string]int{}
	for what, n := range tally {
		_, what, _ = strings.Cut(what, ": ")
		all[what] += n
	}
	// What is read together, and so what a fault does at its borders, varies a little.
	if most := s.Unseen + s.Unseen/20; all[unseen] > most {
		t.Errorf("%d faults gave a wrong value unseen, want at most %d: the bytes tell more than the driver looks at", all[unseen], most)
	}
	t.Attr("injected", fmt.Sprintf("each of %d bytes of the %s lost, changed in three ways, preceded by each of %q, or the last before the port goes", places, s.Driver.Name, s.Inserts))
	t.Attr("promised", "resynchronised, no reading wrong or out of order but where the bytes cannot tell, one gap each at most two")
	t.Attr("seen", fmt.Sprintf("%d faults: %d a flag, gap or event, %d refused or port gone, %d without effect, %d wrong where no checksum can tell",
		broken, all[noticed], all[refused], all[harmless], all[unseen]))
	// Lines with "tally:" are shown by make test although the test passed.
	t.Logf("tally: faults at each of %d bytes, %d of them while opening", places, places-clean.received+clean.opened)
	for _, kind := range []FaultKind{Drop, Flip, Insert, Gone} {
		for _, what := range []string{refused, noticed, harmless, unseen} {
			if n := tally[string(kind)+": "+what]; n > 0 {
				t.Logf("tally: %-6s %-45s %5d", kind, what, n)
			}
		}
	}
}

// What can come of a fault.
const (
	refused  = "open refused or port gone"
	noticed  = "flag, gap or event"
	harmless = "no effect on any reading"
	unseen   = "WRONG VALUE UNSEEN (no checksum on the wire)"
)

func (s Subject) faults(at int) []Fault {
	list := []Fault{{at, Drop, 0}, {at, Flip, 0x80}, {at, Flip, 0x01}, {at, Flip, 0x7F}, {at, Gone, 0}}
	for _, b := range s.Inserts {
		list = append(list, Fault{at, Insert, b})
	}
	return list
}

// tryFaults runs a session with faults and says what came of them.
func (s Subject) tryFaults(t *testing.T, faults ...Fault) (string, error) {
	se := s.session(s.faultReadings() + 10)
	se.wrap = func(p device.Port) device.Port { return Break(p, faults...) }
	return s.judge(se.run(t), len(faults))
}

// judge says what came of a number of faults.
func (s Subject) judge(r *record, faults int) (string, error) {
	if r.openErr != nil {
		if _, ok := errors.AsType[*device.Error](r.openErr); !ok {
			return refused, fmt.Errorf("open: %w is no device.Error", r.openErr)
		}
		return refused, nil
	}
	_, told := errors.AsType[*device.Error](r.readErr)
	if r.readErr != nil && !errors.Is(r.readErr, device.ErrGone) && (s.PlayUSB == nil || !told) {
		return refused, fmt.Errorf("read: %w", r.readErr)
	}
	wrong, err := s.compare(r)
	if err != nil {
		return "", err
	}
	if g := r.gaps(-1); len(g) > faults+1 {
		return "", fmt.Errorf("%d gaps for %d faults: %+v", len(g), faults, g)
	}
	switch {
	case wrong > faults:
		return "", fmt.Errorf("%d wrong values for %d faults", wrong, faults)
	case wrong > 0:
		return unseen, nil
	case r.readErr != nil:
		return refused, nil
	case len(r.gaps(-1)) > 0 || r.anyFlag() || r.anyEvent():
		return noticed, nil
	default:
		return harmless, nil
	}
}

func (r *record) anyFlag() bool {
	for row := range r.rows {
		if !r.clean(row) && !r.base(row) {
			return true
		}
	}
	return false
}

// anyEvent reports whether anything was told besides the opening.
func (r *record) anyEvent() bool {
	for _, n := range r.notes {
		if n.Event != nil && n.Event.What != "opened" {
			return true
		}
	}
	return false
}

// testManyFaults puts three faults into a run at a time.
func (s Subject) testManyFaults(t *testing.T) {
	t.Attr("fault", "F35")
	t.Attr("injected", "three faults at a time in 300 runs: bytes lost, changed, put in")
	t.Attr("promised", "resynchronised, at most three readings wrong where the bytes cannot tell, none out of order")
	tally := map[string]int{}
	s.FaultReadings = 0 // three of them take their time
	clean := s.session(s.faultReadings()).mustRead(t)
	rng := rand.New(rand.NewPCG(4, 4))
	for range 300 {
		var faults []Fault
		for range 3 {
			choice := s.faults(clean.opened + rng.IntN(max(1, clean.received-clean.opened)))
			f := choice[rng.IntN(len(choice))]
			if f.Kind != Gone {
				faults = append(faults, f)
			}
		}
		what, err := s.tryFaults(t, faults...)
		if err != nil {
			t.Errorf("%+v: %v", faults, err)
		}
		tally[what]++
	}
	t.Attr("seen", fmt.Sprintf("%d a flag, gap or event, %d without effect, %d refused, %d with a wrong value where no checksum can tell",
		tally[noticed], tally[harmless], tally[refused], tally[unseen]))
}
