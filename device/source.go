package device

import (
	"fmt"
	"strings"
	"time"
)

// Source is an open instrument. One goroutine uses it; only Close may be
// called from another. It starts no goroutine of its own.
type Source interface {
	// Describe says what the instrument is and how it is set. It is constant
	// for as long as the Source is open, but for a setting changed by a Setter: a
	// change of serial number, channels or timing makes the Source fail, and the
	// instrument is opened again.
	Describe() Description

	// Read appends to b (which the caller has reset) what is complete: readings
	// oldest first, and what happened between them. It waits at most MaxWait and
	// returns nil with an empty b when nothing came. It appends at most MaxRows
	// readings. Readings in b are valid even when it returns an error. After
	// Close it returns ErrClosed; when the device went away, an error that is
	// ErrGone.
	Read(b *Batch) error

	// Close closes the port and frees a blocked Read. A second Close does
	// nothing and returns nil.
	Close() error
}

// Setter is what a Source is besides, of a driver some of whose options can be
// changed while it is open.
type Setter interface {
	// Set pushes one setting, between two Reads and in their goroutine: the name
	// of one of the driver's Options that is Live, and a value that was checked
	// against it. It returns the setting as it is now, read back where that can be
	// done, and from then on Describe says so. It takes at most MaxSet. An error
	// that is ErrSetting: the instrument refused, and goes on as it was. The
	// reading in progress is the caller's to flag.
	Set(name string, value any) (Setting, error)
}

// Checker is what a Source is besides, of an instrument that can be asked for its
// settings while it is read. One that restarted by itself may come back with
// others and go on as if nothing were.
type Checker interface {
	// Check asks, between two Reads and in their goroutine. It returns nil when all
	// is as Describe says, or when the answer is not clear; an error that is
	// ErrChanged when the instrument has other settings now, and is to be opened
	// again. It takes at most MaxSet.
	Check() error
}

// MaxSet is the longest a Setter.Set or a Checker.Check may take.
const MaxSet = 2 * time.Second

// Bounds of one Source.Read.
const (
	MaxWait = 250 * time.Millisecond
	MaxRows = 8192
)

// Timing says who times the interval a count integrates.
type Timing string

// The ways an interval is timed.
const (
	// ByDevice: the instrument's own clock starts and ends the gates, which
	// follow each other without pause. Edges are index x gate fitted from below
	// to the arrivals (see Phase).
	ByDevice Timing = "device"
	// ByHostClearing: the host reads and clears. The edge is the middle between
	// the begin of writing the command and the first byte of the reply; half of
	// that is the uncertainty, however the host was held up between.
	ByHostClearing Timing = "host-clearing"
	// ByDeviceAsked: the host asks for one gate at a time, and the instrument's own
	// clock measures its length, which is what it is called. The gate began between
	// the writing of the question and the first byte of the answer less its length:
	// Begin is the middle of that, half of it the uncertainty. What lies between two
	// such intervals was not counted: they do not touch.
	ByDeviceAsked Timing = "device-asked"
	// ByHostArrival: the host takes the arrival of the bytes for the edge.
	ByHostArrival Timing = "host-arrival"
)

// Kind says what a channel's values mean.
type Kind string

// The kinds of channels.
const (
	Count     Kind = "count"     // events within the interval
	Total     Kind = "total"     // running total, wrapping at the channel's width
	Rate      Kind = "rate"      // events per second
	Auxiliary Kind = "auxiliary" // anything else: a temperature, a voltage
	Tag       Kind = "tag"       // time-stamped detections
	Marker    Kind = "marker"    // time-stamped marks that are no detections: a line clock, a trigger
)

// Channel describes one counted input or logical combination.
type Channel struct {
	Name     string // as the user knows it: "A", "AB"
	Input    string // as the instrument knows it: "counter 4", or with what it counts "counter 4: A+B"
	Kind     Kind
	Width    int    // bits of the instrument's counter; 0 when unknown
	Exponent int    // value x 10^Exponent has the Unit
	Unit     string // empty for counts
	Signed   bool   // values are two's complement in the 64-bit words
	Edge     Edge   // of a Tag or Marker: which flank of the pulse; empty when unknown or of no matter
}

// Edge is a flank of a pulse.
type Edge string

// The edges.
const (
	Rising  Edge = "rising"
	Falling Edge = "falling"
)

// Setting is one setting of the instrument as it really is.
type Setting struct {
	Key   string // an Option's name where there is one
	Value string
	Unit  string
	How   string // ReadBack, "sent" (cannot be read back), "assumed", "fixed"
	// Asked is what was asked for, in the words of Value: as the instrument can
	// have it, rounded to its steps. Empty: nothing was asked for.
	Asked string
}

// ReadBack says of a setting that the instrument itself told its value.
const ReadBack = "read back"

// Differs reports whether the instrument says another value than was asked for.
func (s Setting) Differs() bool { return s.How == ReadBack && s.Asked != "" && s.Asked != s.Value }

// Differing are the settings of which the instrument says another value than was
// asked for. Readings taken so are of unverified settings: the caller flags them.
func (d Description) Differing() []Setting {
	var list []Setting
	for _, s := range d.Settings {
		if s.Differs() {
			list = append(list, s)
		}
	}
	return list
}

// Description is what an open instrument says of itself.
type Description struct {
	Model    string // "CD48"
	Serial   string // serial number, empty when it has none
	Firmware string // empty when unknown
	Identity Identity
	Port     string        // Port.Name
	Gate     time.Duration // nominal length of an interval; 0 when it varies freely
	Timing   Timing
	// Tick is the resolution of an instrument that gives tags; zero for one that
	// gives readings. Gate is 0 then, and Channels are of the kinds Tag and Marker.
	Tick Tick
	// Disorder is how far, in ticks, what the instrument sends may lie before
	// Tags.Until. 0 where that is not known, or not at all.
	Disorder uint64
	// Late is by how much at most the edges that Read states may lie after the
	// true ones: what adapter, hub and host may add to the fastest packets. 0
	// where Batch.Uncertainty says all.
	Late     time.Duration
	Channels []Channel
	Settings []Setting
	// Unverified says that settings pushed could not be read back.
	Unverified bool
	// Blind says what faults the instrument's bytes cannot reveal, one sentence
	// for reports: "the line carries no checksum: ...". Empty for none.
	Blind string
	// Hint says what the configuration could change for better data, one
	// sentence for the log. Empty for none.
	Hint string
}

// ReadingFlags mark a reading that is not as it should be. They are stored
// with the reading; their words in CSV are those of String.
type ReadingFlags uint32

// Flags of a reading. Values are part of the stored format (protocol/SPEC.md).
const (
	First       ReadingFlags = 1 << 0 // begin of the interval unknown: never a rate
	Unverified  ReadingFlags = 1 << 1 // settings not known to be in force
	Mixed       ReadingFlags = 1 << 2 // a setting changed within the interval
	Short       ReadingFlags = 1 << 3 // live for less than the interval, by an unknown part
	Implausible ReadingFlags = 1 << 4 // values no photons make: kept, not trusted
	Late        ReadingFlags = 1 << 5 // host held up: interval much longer than the gate, or an edge uncertain by more than a tenth of it, as beside lost packets
)

// String returns the words of the flags joined by "|", empty for none.
func (f ReadingFlags) String() string {
	return flagWords(uint32(f), "first", "unverified", "mixed", "short", "implausible", "late")
}

// flagWords names the bits of f, lowest first.
func flagWords(f uint32, words ...string) string {
	var set []string
	for bit, word := range words {
		if f>>bit&1 != 0 {
			set = append(set, word)
		}
	}
	if rest := f >> len(words); rest != 0 {
		set = append(set, fmt.Sprintf("%#x", rest<<len(words)))
	}
	return strings.Join(set, "|")
}

// ChannelFlags mark one channel's value within a reading.
type ChannelFlags uint8

// Flags of a value. Values are part of the stored format (protocol/SPEC.md).
const (
	Absent   ChannelFlags = 1 << 0 // the value is unknown; never to be taken for zero
	Overflow ChannelFlags = 1 << 1 // the counter overflowed within the interval
	Suspect  ChannelFlags = 1 << 2 // beyond what the counter can hold or the light can make
)

// String returns the words of the flags joined by "|", empty for none.
func (f ChannelFlags) String() string { return flagWords(uint32(f), "absent", "overflow", "suspect") }

// Batch holds readings in columns and what happened between them. The caller
// owns it and reuses it; a Source appends. Rows of all columns agree:
// len(Begin) == len(Length) == len(Flags) == len(Values[c]) for each channel c.
type Batch struct {
	Begin       []int64        // begin of each interval
	Length      []int64        // length of each interval, ns; 0 only with First
	Live        []int64        // live time, ns; equals Length unless less was really counted
	Uncertainty []int64        // half-width of the begin edge's uncertainty, ns; 0 when unknown or negligible
	Flags       []ReadingFlags // usually zero
	Values      [][]uint64     // [channel][row]
	ValueFlags  [][]ChannelFlags
	Notes       []Note // in order of Row
	// Tags is what a Source of tags fills in place of the columns above; the rows of
	// Notes count tags then.
	Tags Tags
	// Held is how many readings arrived and are held back until it is clear whether
	// some before them are missing: an instrument that is not silent.
	Held int
}

// NewBatch returns an empty batch for n channels.
func NewBatch(n int) *Batch {
	return &Batch{Values: make([][]uint64, n), ValueFlags: make([][]ChannelFlags, n)}
}

// Len returns the number of readings, or of tags.
func (b *Batch) Len() int { return max(len(b.Begin), len(b.Tags.Tick)) }

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() {
	b.Begin, b.Length, b.Live = b.Begin[:0], b.Length[:0], b.Live[:0]
	b.Uncertainty, b.Flags = b.Uncertainty[:0], b.Flags[:0]
	for c := range b.Values {
		b.Values[c] = b.Values[c][:0]
		b.ValueFlags[c] = b.ValueFlags[c][:0]
	}
	b.Notes = b.Notes[:0]
	b.Tags.reset()
	b.Held = 0
}

// Append appends the readings or tags and notes of another batch of as many
// channels.
func (b *Batch) Append(src *Batch) {
	rows := b.Len()
	b.Begin = append(b.Begin, src.Begin...)
	b.Length = append(b.Length, src.Length...)
	b.Live = append(b.Live, src.Live...)
	b.Uncertainty = append(b.Uncertainty, src.Uncertainty...)
	b.Flags = append(b.Flags, src.Flags...)
	b.Tags.append(&src.Tags)
	for c := range b.Values {
		b.Values[c] = append(b.Values[c], src.Values[c]...)
		b.ValueFlags[c] = append(b.ValueFlags[c], src.ValueFlags[c]...)
	}
	for _, n := range src.Notes {
		n.Row += rows
		b.Notes = append(b.Notes, n)
	}
}

// Note is something that happened before reading Row of its batch (Row may
// equal the batch's length: after the last). Exactly one field is set.
type Note struct {
	Row   int
	Gap   *Gap
	Event *Event
	Pair  *ClockPair
}

// Gap says that readings are missing from the instrument.
type Gap struct {
	Cause    string // one of the causes below
	Detail   string // for people: "packet of 39 data bytes, expected 40"
	Begin    int64  // end of the last reading before it
	Duration int64  // ns until the begin of the next reading; 0 when unknown
	// Missing is the number of readings lost; when Known is false it is not
	// known and Missing is 0.
	Missing uint64
	Known   bool
}

// Causes of gaps. They appear in reports and in the gaps file.
const (
	CauseDamaged  = "damaged bytes" // bytes arrived that are no valid packet or line
	CauseLost     = "bytes lost"    // packets or lines are missing by the instrument's own timing
	CauseStalled  = "stalled"       // the instrument fell silent
	CauseUnplug   = "unplugged"     // the port went away
	CauseReopened = "reopened"      // the instrument was opened again
	CauseOverrun  = "overrun"       // the host could not keep up
)

// Event is something that was done to the instrument or noticed about it.
type Event struct {
	Time int64
	What string // "opened", "set", "overflow cleared", "parse errors"
	Old  string
	New  string
	Text string // begins with words for people; bytes come after them
}

// ClockPair ties the instrument's clock to the time base: the end of reading
// Index (counted from the Source's first reading, missing ones of known count
// included) arrived at Base. A Source gives at most one a second, the least
// late one.
type ClockPair struct {
	Index uint64
	Base  int64
}
