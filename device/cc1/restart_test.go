package cc1

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"photongate/device"
)

// told reports whether an event was told.
func told(b *device.Batch, what string) bool {
	return slices.ContainsFunc(b.Notes, func(n device.Note) bool { return n.Event != nil && n.Event.What == what })
}

// A box that restarts while nobody asks it, and counts a gate of its own or goes on
// without end, shows it: its totals do not stand still when the gate is over.
func TestRestartNobodyNoticed(t *testing.T) {
	t.Attr("fault", "F33")
	t.Attr("injected", "a CC1 in start/stop mode that restarts between two questions")
	t.Attr("promised", "an event, the readings that follow are unverified until its settings were asked for; one that counts without end ends the reading")
	gate := time.Second
	begin := func(x *box) {
		x.next(time.Now())
		x.latency = 17 * time.Millisecond
	}
	flagged := 0
	for name, tc := range map[string]struct {
		change func(*box)
		ends   bool
	}{
		"same settings": {begin, false},
		"longer gate":   {func(x *box) { begin(x); x.dwell = 1500 * time.Millisecond }, false},
		"continuous":    {func(x *box) { begin(x); x.stop = false }, true},
		"endless":       {func(x *box) { begin(x); x.endless = true }, true},
	} {
		t.Run(name, func(t *testing.T) {
			x := stopped()
			x.dwell = gate
			from := 0
			during := func(src device.Source) {
				from = int(x.n)
				<-time.After(gate / 2) // of fake time: into a gate
				x.by(tc.change)
			}
			err := use(t, x, nil, 20*gate, during, func(_ device.Description, b *device.Batch) {
				if !told(b, "box may have restarted") {
					t.Errorf("nothing is told: %+v", b.Notes)
				}
				for row, f := range b.Flags {
					if after := row >= from; after && f&device.Unverified == 0 {
						t.Errorf("reading %d of %d has flags %v", row, b.Len(), f)
					} else if after {
						flagged++
					}
				}
			})
			if tc.ends != errors.Is(err, device.ErrChanged) || !tc.ends && err != nil {
				t.Errorf("ended with %v", err)
			}
		})
	}
	t.Attr("seen", fmt.Sprintf("%d readings flagged", flagged))
}

// Totals of zero stand still as well: they are no proof that the box stops.
func TestProofInTheDark(t *testing.T) {
	x := stopped()
	x.dark, x.endless = true, true
	err := use(t, x, nil, 20*time.Second, func(device.Source) { x.by(func(x *box) { x.dark = false }) }, nil)
	if !errors.Is(err, device.ErrNonsense) {
		t.Errorf("ended with %v", err)
	}
}

// In continuous mode a box that was silent and restarted meanwhile, or restarted
// unnoticed with another dwell time, is not counted on as if nothing were: the dwell
// time is asked for at the first sign, and how many gates are missing is not claimed.
func TestRunningRestart(t *testing.T) {
	t.Attr("fault", "F33")
	t.Attr("injected", "a CC1 in continuous mode that restarts, silent for 0 to 2.9 s, with the same dwell time and with others")
	t.Attr("promised", "another dwell time ends the reading within two gates; with the same one, a gap of unknown count where its phase is another")
	unknown, wrong := 0, 0
	for _, dwell := range []time.Duration{time.Second, 300 * time.Millisecond, 1700 * time.Millisecond} {
		for silence := time.Duration(0); silence < 3*time.Second; silence += 290 * time.Millisecond {
			x := slowBox()
			var back time.Time
			restart := func(x *box) { // in the midst of the silence
				x.begun, x.dwell, x.triple, x.last = time.Now().Add(-silence/2), dwell, nil, nil
				x.n++
			}
			restarted := false
			during := func(device.Source) {
				x.by(func(x *box) {
					back = time.Now().Add(silence)
					x.answer = func(string) string {
						switch {
						case time.Now().Before(back):
							return "silence"
						case !restarted:
							restarted = true
							restart(x)
						}
						return ""
					}
				})
			}
			err := use(t, x, nil, 30*time.Second, during, func(_ device.Description, b *device.Batch) {
				if dwell != time.Second && b.Len() > 19 {
					t.Errorf("silent for %v, now %v: %d readings", silence, dwell, b.Len())
				}
				for _, n := range b.Notes {
					if n.Gap != nil && !n.Gap.Known {
						unknown++
					}
				}
				for row, live := range b.Live {
					rate := float64(b.Values[0][row]) / float64(live) * 1e9
					want := 57012 + 977*float64(b.Begin[row]-946684800e9)/1e9 // of the box's gate then, or of one near it
					if b.Flags[row] == 0 && math.Abs(rate-want) > 0.1*want {
						// Between two questions nobody can know, until the next end of a gate.
						if wrong++; silence < time.Second && row >= len(b.Live)-2 {
							continue
						}
						t.Errorf("silent for %v, now %v: reading %d: %d in %d ns, not flagged", silence, dwell, row, b.Values[0][row], live)
					}
				}
			})
			if changed := dwell != time.Second; changed != errors.Is(err, device.ErrChanged) || !changed && err != nil {
				t.Errorf("silent for %v, now %v: ended with %v", silence, dwell, err)
			}
		}
	}
	if unknown < 5 || wrong > 3 {
		t.Errorf("%d gaps of unknown count, %d readings of less than is said", unknown, wrong)
	}
	t.Attr("seen", fmt.Sprintf("%d gaps of unknown count, %d readings whose rate is off by a tenth without a flag: of a restart between two questions", unknown, wrong))
}

// Until it is known when the box clears, it is not asked more often than is of use,
// however fast the port.
func TestPaceWhileSynchronising(t *testing.T) {
	x := newBox()
	x.dwell, x.latency = 10*time.Second, 10*time.Microsecond
	asked := 0
	err := use(t, x, nil, 9*time.Second, nil, func(device.Description, *device.Batch) {
		for _, c := range x.commands {
			if c == "COUN:C1?" {
				asked++
			}
		}
	})
	if err != nil || asked < 100 || asked > 9000/50+1 {
		t.Errorf("asked %d times in 9 s, %v", asked, err)
	}
}
