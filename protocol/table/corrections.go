package table

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"photongate/protocol"
)

// Correct is a set of corrections of counts. What they are, their order and
// their errors stand in corrections.md.
type Correct uint8

// The corrections there are.
const (
	CorrectDead Correct = 1 << iota // dead time of the detectors
	CorrectAcc                      // accidental coincidences
	CorrectDark                     // dark counts
)

type correctWord struct {
	word string
	bit  Correct
}

// correctWords are the words of the corrections, in the order in which they
// are made.
var correctWords = []correctWord{{"dead", CorrectDead}, {"acc", CorrectAcc}, {"dark", CorrectDark}}

// ParseCorrect reads words with commas between them: dark,dead,acc.
func ParseCorrect(text string) (Correct, error) {
	var set Correct
	for word := range strings.SplitSeq(text, ",") {
		i := slices.IndexFunc(correctWords, func(c correctWord) bool { return c.word == strings.TrimSpace(word) })
		if i < 0 {
			return 0, fmt.Errorf("%q is no correction: there are dead (dead time), acc (accidental coincidences) and dark (dark counts), as in dead,dark", word)
		}
		set |= correctWords[i].bit
	}
	return set, nil
}

// ErrNotCorrected says that nothing is known that a correction could use.
var ErrNotCorrected = errors.New("nothing to correct with")

// Fits refuses corrections (ErrNotCorrected) that no channel of the parts has.
func (c Correct) Fits(parts ...Part) error {
	for i := range parts {
		if slices.ContainsFunc(fixesFor(c, parts[i].Channels()), func(f fix) bool { return f.any() }) {
			return nil
		}
	}
	if c == 0 || len(parts) == 0 {
		return nil
	}
	return fmt.Errorf("%w: --correct %s needs what the gateway's configuration says of a channel (dead_time, dark, or of and window, under [[device.channel]]), and of these channels it says nothing such",
		ErrNotCorrected, c)
}

// String is the words of the set.
func (c Correct) String() string {
	var words []string
	for _, w := range correctWords {
		if c&w.bit != 0 {
			words = append(words, w.word)
		}
	}
	return strings.Join(words, ",")
}

// fix is how one channel is corrected.
type fix struct {
	own    float64    // its own dead time in s; 0: none
	dead   []detector // of a coincidence: its detectors' dead times
	acc    []detector // of a coincidence of two: the singles, whose dead time counts when it is corrected
	window float64    // s
	dark   float64    // counts per second
}

// detector is a channel and its dead time in s.
type detector struct {
	ch  int
	tau float64
}

func (f *fix) any() bool { return f.own > 0 || len(f.dead) > 0 || len(f.acc) > 0 || f.dark > 0 }

// fixesFor finds how each channel is corrected, by what is known of it.
func fixesFor(set Correct, channels []protocol.Channel) []fix {
	fixes := make([]fix, len(channels))
	if set == 0 {
		return fixes
	}
	for i, ch := range channels {
		if !isCounted(ch) {
			continue
		}
		f := &fixes[i]
		if set&CorrectDead != 0 {
			f.own = float64(ch.DeadTimeNs) * 1e-9
		}
		if set&CorrectDark != 0 {
			f.dark = ch.DarkCPS
		}
		f.coincidence(set, channels, ch)
	}
	return fixes
}

// isCounted reports whether a channel counts events. Totals become counts
// before they are corrected.
func isCounted(ch protocol.Channel) bool {
	return ch.Kind == protocol.KindCount || ch.Kind == protocol.KindTotal
}

// coincidence adds what concerns coincidences, when the channel counts them and
// all it combines are counted too.
func (f *fix) coincidence(set Correct, channels []protocol.Channel, ch protocol.Channel) {
	var parts []detector
	for _, name := range ch.Of {
		i := slices.IndexFunc(channels, func(c protocol.Channel) bool { return c.Name == name && isCounted(c) })
		if i < 0 {
			return
		}
		d := detector{ch: i}
		if set&CorrectDead != 0 {
			d.tau = float64(channels[i].DeadTimeNs) * 1e-9
		}
		if d.tau > 0 {
			f.dead = append(f.dead, d)
		}
		parts = append(parts, d)
	}
	if set&CorrectAcc != 0 && len(parts) == 2 && ch.Window() > 0 {
		f.acc, f.window = parts, ch.Window()
	}
}

// says tells of a fix in words.
func (f *fix) says(channels []protocol.Channel) string {
	var words []string
	if f.own > 0 {
		words = append(words, fmt.Sprintf("corrected for a dead time of %.6g ns", f.own*1e9))
	}
	for _, d := range f.dead {
		words = append(words, fmt.Sprintf("for the dead time of %s, %.6g ns", channels[d.ch].Name, d.tau*1e9))
	}
	if len(f.acc) > 0 {
		words = append(words, fmt.Sprintf("less accidental coincidences of %s and %s within %.6g ns", channels[f.acc[0].ch].Name, channels[f.acc[1].ch].Name, f.window*1e9))
	}
	if f.dark > 0 {
		words = append(words, fmt.Sprintf("less %.6g dark counts per second", f.dark))
	}
	return strings.Join(words, ", ")
}

// corrected is the corrected rate of a channel in row i and one standard
// deviation; not known where something it needs is not, or a detector would be
// dead all the time.
func (l *layout) corrected(c *protocol.Counts, ch, live, i int) (rate, sigma float64, known bool) {
	f := &l.fixes[ch]
	if !f.any() {
		return 0, 0, false
	}
	rate, sigma, known = l.alive(c, detector{ch, f.own}, live, i)
	if !known {
		return 0, 0, false
	}
	for _, d := range f.dead {
		single, _, ok := l.rate(c, d.ch, live, i)
		alive := 1 - single*d.tau
		if !ok || alive <= 0 {
			return 0, 0, false
		}
		rate, sigma = rate/alive, sigma/alive
	}
	if len(f.acc) == 2 {
		a, sa, okA := l.alive(c, f.acc[0], live, i)
		b, sb, okB := l.alive(c, f.acc[1], live, i)
		if !okA || !okB {
			return 0, 0, false
		}
		rate -= a * b * f.window
		sigma = math.Sqrt(sigma*sigma + f.window*f.window*(b*b*sa*sa+a*a*sb*sb))
	}
	return rate - f.dark, sigma, true
}

// alive is the rate a channel would have without dead time: R / (1 - R tau).
func (l *layout) alive(c *protocol.Counts, d detector, live, i int) (rate, sigma float64, known bool) {
	rate, sigma, known = l.rate(c, d.ch, live, i)
	alive := 1 - rate*d.tau
	if !known || alive <= 0 {
		return 0, 0, false
	}
	return rate / alive, sigma / (alive * alive), true
}
