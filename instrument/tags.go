package instrument

import (
	"fmt"
	"math/big"
	"strings"
)

// Tags says how time tags are read: with it the instrument gives times and not
// counts.
type Tags struct {
	// How long one tick of its clock is: `"4ns"`, `"81ps"`, `"12.5ns"`, or a fraction, `"5/3ns"`. Needed.
	Tick Span `toml:"tick"`
	// The value that is the time. Needed.
	Time Ref `toml:"time"`
	// What 1 is in a time that stands in a line of text, `"1s"`; a tick when left out. In records the time is in ticks.
	Unit Span `toml:"unit"`
	// The value that is the upper part of the time, where that stands in a field of its own.
	High Ref `toml:"high"`
	// What 1 is in `high`: `"1s"`. When left out it goes up by one whenever `time` begins at 0 again.
	HighUnit Span `toml:"high_unit"`
	// After how many ticks the time begins at 0 again; when left out what its fields can hold, and never in text.
	Wrap uint64 `toml:"wrap"`
	// By how many ticks a tag may come behind one of a later time; 0 when left out.
	Disorder uint64 `toml:"disorder"`
	// The value that is the number of the channel. Left out where there is one channel only.
	Channel Ref `toml:"channel"`
	// The value that has a bit for each channel: several at one time are several tags.
	Pattern Ref `toml:"pattern"`
	// The value that tells the edge of the pulse.
	Edge Ref `toml:"edge"`
	// The number or word in `edge` that is a rising edge; 1 when left out. Any other is a falling one.
	Rising *Sentinel `toml:"rising"`
	// Bytes that come right before the first record, as an answer to what `[open]` sends.
	Begin Bytes `toml:"begin"`
	// Records that are no tags.
	Special []Special `toml:"special"`
	// Lines by which the instrument says that it lost tags: patterns.
	Lost []*Pattern `toml:"lost"`

	// HighTicks are the ticks of 1 in high, and UnitTicks the ticks of 1 in a text's
	// time, as a fraction.
	HighTicks uint64   `toml:"-"`
	UnitTicks *big.Rat `toml:"-"`
}

// Special is a kind of record that is no tag.
type Special struct {
	// The value that tells it from others. Needed.
	Value Ref `toml:"value"`
	// What the value is then: a number, or a list of them; anything but 0 when left out.
	Is []uint64 `toml:"is"`
	// A second value that it takes besides.
	And Ref `toml:"and"`
	// What that is.
	AndIs []uint64 `toml:"and_is"`
	// `"wrap"` (the time begins at 0 again), `"lost"` (tags before it are missing), `"time"` (a time at which nothing happened), `"ignore"`, or `"end"` (it will send no more: it is opened again). Needed.
	Means Meaning `toml:"means"`
	// The value that says how many wraps, or tags lost, it stands for. When left out: one wrap, or tags of which nobody knows how many.
	Count Ref `toml:"count"`
}

// Meaning is what a special record says.
type Meaning string

// The meanings.
const (
	MeansWrap   Meaning = "wrap"
	MeansLost   Meaning = "lost"
	MeansTime   Meaning = "time"
	MeansIgnore Meaning = "ignore"
	MeansEnd    Meaning = "end"
)

// Span is an exact time: Num/Den seconds. The zero value means that none was given.
type Span struct{ Num, Den uint64 }

// IsZero reports whether none was given.
func (s Span) IsZero() bool { return s == Span{} }

// Rat is the span as a fraction of a second.
func (s Span) Rat() *big.Rat {
	return new(big.Rat).SetFrac(new(big.Int).SetUint64(s.Num), new(big.Int).SetUint64(max(s.Den, 1)))
}

// spanUnits are the units of exact times, the exponents of ten of a second.
var spanUnits = []struct {
	name  string
	below int
}{{"fs", 15}, {"ps", 12}, {"ns", 9}, {"us", 6}, {"µs", 6}, {"ms", 3}, {"s", 0}}

// readSpan reads an exact time: "4ns", "12.5ns", "5/3ns".
func readSpan(v any) (Span, error) {
	const expected = `expected a time with its unit, in quotes: "4ns", "81ps", "5/3ns"`
	text, ok := v.(string)
	if !ok {
		return Span{}, fmt.Errorf("%s is %s (%s)", shown(v), kindOf(v), expected)
	}
	number, below := strings.ReplaceAll(text, " ", ""), -1
	for _, u := range spanUnits {
		if n, ok := strings.CutSuffix(number, u.name); ok {
			number, below = n, u.below
			break
		}
	}
	const longest = 32 // of the digits
	r, ok := new(big.Rat).SetString(number)
	if !ok || below < 0 || len(number) > longest || strings.ContainsAny(number, "eExXpPbBoO_") || r.Sign() <= 0 {
		return Span{}, fmt.Errorf("%q is no time (%s)", text, expected)
	}
	r.Quo(r, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(below)), nil)))
	if !r.Num().IsUint64() || !r.Denom().IsUint64() || r.Cmp(big.NewRat(1, 1)) > 0 {
		return Span{}, fmt.Errorf("%q is too long, or has too many digits (expected at most 1s)", text)
	}
	return Span{Num: r.Num().Uint64(), Den: r.Denom().Uint64()}, nil
}
