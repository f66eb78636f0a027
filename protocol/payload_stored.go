package protocol

import (
	"encoding/json"
	"fmt"
	"math"
)

// Descriptor is the first frame of an epoch: all that the device says of
// itself, and why the epoch began.
type Descriptor struct {
	Stream     string        `json:"stream"` // name
	Base       ID            `json:"base"`   // time base, see Clock
	Boot       string        `json:"boot,omitempty"`
	Software   string        `json:"software"`
	Cause      string        `json:"cause"`              // why this epoch began
	Previous   *Previous     `json:"previous,omitempty"` // nil in epoch 1
	Driver     string        `json:"driver,omitempty"`
	Model      string        `json:"model,omitempty"`
	Serial     string        `json:"serial,omitempty"`
	Firmware   string        `json:"firmware,omitempty"`
	Identity   string        `json:"identity,omitempty"` // IdentityConfirmed or IdentityAssumed
	Port       string        `json:"port,omitempty"`
	GateNs     Int64         `json:"gate_ns,omitzero"` // nominal interval; 0 when it varies freely
	LateNs     Int64         `json:"late_ns,omitzero"` // stated edges may lie after the true ones by so much at most
	Timing     string        `json:"timing,omitempty"` // one of the Timing words
	Unverified bool          `json:"unverified,omitempty"`
	Blind      string        `json:"blind,omitempty"`  // what the instrument's bytes cannot reveal
	Tick       *Tick         `json:"tick,omitempty"`   // of a stream of tags; nil: of readings
	Parent     *Parent       `json:"parent,omitempty"` // the stream of tags that the counts were made from; nil: an instrument's own
	Channels   List[Channel] `json:"channels"`
	Settings   []Setting     `json:"settings,omitempty"`
}

func (*Descriptor) required() []string {
	return []string{"stream", "base", "software", "cause", "channels"}
}

// Tick is how long one tick of a stream of tags lasts: Num/Den seconds, both at
// least 1.
type Tick struct{ Num, Den Uint64 }

// MarshalJSON writes ["<num>","<den>"].
func (t Tick) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, `["%d","%d"]`, uint64(t.Num), uint64(t.Den)), nil
}

// UnmarshalJSON reads ["<num>","<den>"].
func (t *Tick) UnmarshalJSON(b []byte) error {
	var words []string
	if err := json.Unmarshal(b, &words); err != nil {
		return err
	}
	if len(words) != 2 {
		return fmt.Errorf("a tick of %d, expected numerator and denominator", len(words))
	}
	if err := t.Num.UnmarshalText([]byte(words[0])); err != nil {
		return err
	}
	if err := t.Den.UnmarshalText([]byte(words[1])); err != nil {
		return err
	}
	if t.Num == 0 || t.Den == 0 {
		return fmt.Errorf("%w: a tick of %d/%d s", ErrFormat, t.Num, t.Den)
	}
	return nil
}

// Parent names the epoch of a stream of tags that counts were made from.
type Parent struct {
	Stream string `json:"stream"`
	Epoch  uint32 `json:"epoch"`
}

// Fits returns an error, which is ErrFormat, when c has not the channels of d.
func (d *Descriptor) Fits(c *Counts) error {
	if len(c.Values) != len(d.Channels) {
		return fmt.Errorf("%w: counts of %d channels, the descriptor of stream %s has %d", ErrFormat, len(c.Values), d.Stream, len(d.Channels))
	}
	return nil
}

// Identities of an instrument.
const (
	IdentityConfirmed = "confirmed"
	IdentityAssumed   = "assumed"
)

// Words of Descriptor.Timing: who times the interval a count integrates.
const (
	TimingDevice       = "device"
	TimingHostClearing = "host-clearing"
	TimingHostArrival  = "host-arrival"
	TimingDeviceAsked  = "device-asked"
)

// Previous is the epoch before this one, as far as the gateway knows it.
type Previous struct {
	Epoch uint32 `json:"epoch"`
	Seq   Uint64 `json:"seq"` // last sequence known
	Cause string `json:"cause,omitempty"`
}

// Channel is one column of values.
type Channel struct {
	Name     string `json:"name"`
	Input    string `json:"input,omitempty"`
	Kind     string `json:"kind"`            // one of the Kind words
	Width    int    `json:"width,omitempty"` // bits of the instrument's counter; 0: unknown
	Exponent int    `json:"exponent"`        // value x 10^Exponent has the Unit
	Unit     string `json:"unit,omitempty"`
	Signed   bool   `json:"signed,omitempty"` // values are two's complement words
	Edge     string `json:"edge,omitempty"`   // of a tag: "rising" or "falling", empty when unknown or of no matter

	// What is connected to it, as far as the user said. For views only.
	Detector   string  `json:"detector,omitempty"`
	DeadTimeNs Int64   `json:"dead_time_ns,omitzero"` // 0: unknown
	DarkCPS    float64 `json:"dark_cps,omitempty"`    // dark counts per second; 0: unknown

	// What a coincidence channel combines: names of channels of this stream, and
	// the width of the window. For two channels the accidentals' rate is
	// R_1 x R_2 x Window().
	Of       List[string] `json:"of,omitempty"`
	WindowNs Int64        `json:"window_ns,omitzero"` // 0: unknown
	WindowPs Int64        `json:"window_ps,omitzero"` // the same, where it is no whole number of ns

	// Limits, in counts per second, beyond which the gateway raises an alarm; nil: none.
	WarnAboveCPS *float64 `json:"warn_above_cps,omitempty"`
	WarnBelowCPS *float64 `json:"warn_below_cps,omitempty"`
}

// Window is the width of the window of coincidences in seconds, 0 when it is not known.
func (c Channel) Window() float64 {
	if c.WindowPs > 0 {
		return float64(c.WindowPs) * 1e-12
	}
	return float64(c.WindowNs) * 1e-9
}

// Number is a word of the channel's column as a number in its unit, nearest to
// word x 10^Exponent.
func (c Channel) Number(word uint64) float64 {
	v := float64(word)
	if c.Signed {
		v = float64(int64(word))
	}
	if c.Exponent != 0 {
		v *= math.Pow10(c.Exponent)
	}
	return v
}

// Wrap is a difference of two totals, modulo the counter's width.
func (c Channel) Wrap(difference uint64) uint64 {
	if c.Width > 0 && c.Width < 64 {
		return difference & (1<<c.Width - 1)
	}
	return difference
}

// Words of Channel.Kind.
const (
	KindCount     = "count"     // events within the interval
	KindTotal     = "total"     // running total, wrapping at the width
	KindRate      = "rate"      // events per second
	KindAuxiliary = "auxiliary" // anything else
	KindTag       = "tag"       // time-stamped detections
	KindMarker    = "marker"    // time-stamped marks that are no detections
)

// Setting is one setting of the instrument as it really is.
type Setting struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	Unit  string `json:"unit,omitempty"`
	How   string `json:"how,omitempty"` // one of the How words
	// Asked is what was asked for, when the instrument says another value; the
	// readings are flagged FlagUnverified then.
	Asked string `json:"asked,omitempty"`
}

// Words of Setting.How: how a setting is known.
const (
	HowReadBack = "read back"
	HowSent     = "sent"
	HowAssumed  = "assumed"
	HowFixed    = "fixed"
)

// Gap says that readings are missing from the instrument.
type Gap struct {
	Cause       string  `json:"cause"`
	Detail      string  `json:"detail,omitempty"`
	DurationNs  *Int64  `json:"duration_ns,omitempty"` // nil: unknown
	Missing     *Uint64 `json:"missing,omitempty"`     // readings; nil: unknown
	Approximate bool    `json:"approximate,omitempty"` // begin known only across two time bases
}

func (*Gap) required() []string { return []string{"cause"} }

// Event is something that happened, or was done by somebody.
type Event struct {
	What string `json:"what"`           // one of the Event words, or a driver's own
	Who  string `json:"who,omitempty"`  // "gateway", "driver" or a user
	From string `json:"from,omitempty"` // address
	Old  string `json:"old,omitempty"`
	New  string `json:"new,omitempty"`
	Text string `json:"text,omitempty"`

	Key         string       `json:"key,omitempty"`         // EventSet: the setting
	ReadBack    string       `json:"read_back,omitempty"`   // EventSet: what the instrument says it is now; empty: it does not say
	Before      *Place       `json:"before,omitempty"`      // EventSet: the last reading surely before the change
	After       *Place       `json:"after,omitempty"`       // EventSet: the first reading surely after it
	Channel     string       `json:"channel,omitempty"`     // EventAlarm, EventAlarmOver
	Measurement *Measurement `json:"measurement,omitempty"` // EventBegin, EventEnd
}

// Words of Event.What that mean something to programs.
const (
	EventSet       = "set"               // in the device's stream
	EventAlarm     = "alarm"             // in the device's stream: a limit was crossed, or a counter overflowed
	EventAlarmOver = "alarm over"        // in the device's stream
	EventBegin     = "measurement begin" // in the stream gateway
	EventEnd       = "measurement end"   // in the stream gateway
	EventNote      = "note"              // in the stream gateway

	EventJournalFull     = "journal full"      // in the stream gateway: the quota dropped what an archive had not fetched; Text says what
	EventJournalDegraded = "journal degraded"  // in the stream gateway: the disk did not take what was appended; Text says what it said
	EventJournalWell     = "journal well"      // in the stream gateway: the disk takes all again
	EventArchiveUnseen   = "archive unseen"    // in the stream gateway: an archive does not hold the journal any more
	EventArchiveCut      = "archive cut"       // in the stream gateway: an archive came back that ends before what it had confirmed
	EventArchiveForget   = "archive forgotten" // in the stream gateway: somebody had it forgotten, or another took its name
)

// Place names a reading.
type Place struct {
	Epoch uint32 `json:"epoch"`
	Index Uint64 `json:"index"`
}

// Measurement is what a person calls a run, as its begin and end say it.
type Measurement struct {
	ID       ID           `json:"id"` // random, made by who begins it
	Title    string       `json:"title,omitempty"`
	Sample   string       `json:"sample,omitempty"`
	Operator string       `json:"operator,omitempty"`
	Set      []Parameter  `json:"set,omitempty"`     // what was set by hand: {"hwp_deg","22.5"}
	Streams  List[string] `json:"streams,omitempty"` // patterns; none: all
	ForNs    Int64        `json:"for_ns,omitzero"`   // asked for; 0: not
	Asked    Uint64       `json:"asked,omitzero"`    // readings asked for; 0: not
	Readings Uint64       `json:"readings,omitzero"` // EventEnd: got, of all streams
	State    string       `json:"state,omitempty"`   // EventEnd: one of the Measurement states
}

// States of a Measurement that has ended.
const (
	MeasurementComplete   = "complete"
	MeasurementIncomplete = "incomplete" // gaps or holes, all known, or ended early
	MeasurementAbandoned  = "abandoned"  // who began it went away: said by the gateway
)

// Parameter is a name and a value that mean something to the person who
// measures.
type Parameter struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

func (*Event) required() []string { return []string{"what"} }

// End is the last frame of an epoch that ended in good order.
type End struct {
	Cause  string `json:"cause"`
	Detail string `json:"detail,omitempty"`
}

func (*End) required() []string { return []string{"cause"} }

// Clock ties the time base to UTC (ClockHost), at the header's time, or a
// device's clock to the time base (ClockDevice).
type Clock struct {
	Kind       string      `json:"kind"`
	UTCNs      Int64       `json:"utc_ns,omitzero"`
	MonoNs     Int64       `json:"mono_ns,omitzero"` // raw monotonic time, which stands still in suspend; 0: unknown
	BootNs     Int64       `json:"boot_ns,omitzero"` // the clock under the time base, since any moment of this boot; 0: unknown
	Cause      string      `json:"cause,omitempty"`  // "start", "step", "sync" or "periodic"
	Sync       string      `json:"sync,omitempty"`   // one of the Sync words
	StepNs     Int64       `json:"step_ns,omitzero"`
	FreqPPB    int64       `json:"freq_ppb,omitempty"`
	EstErrorNs *Int64      `json:"est_error_ns,omitempty"` // nil: unknown
	MaxErrorNs *Int64      `json:"max_error_ns,omitempty"` // nil: unknown
	Pairs      []ClockPair `json:"pairs,omitempty"`
}

func (c *Clock) required() []string {
	switch c.Kind {
	case ClockHost:
		return []string{"kind", "utc_ns", "cause", "sync"}
	case ClockDevice:
		return []string{"kind", "pairs"}
	}
	return []string{"kind"}
}

// Words of a Clock.
const (
	ClockHost   = "host"
	ClockDevice = "device"

	ClockStart    = "start"
	ClockStep     = "step"
	ClockSync     = "sync"
	ClockPeriodic = "periodic"

	SyncSynchronised   = "synchronised"
	SyncUnsynchronised = "unsynchronised"
	SyncUnknown        = "unknown"
)

// ClockPair says that the end of reading Index arrived at BaseNs of the time
// base. In JSON it is an array of two.
type ClockPair struct {
	Index  Uint64
	BaseNs Int64
}

// MarshalJSON writes ["<index>","<base ns>"].
func (p ClockPair) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, `["%d","%d"]`, uint64(p.Index), int64(p.BaseNs)), nil
}

// UnmarshalJSON reads ["<index>","<base ns>"].
func (p *ClockPair) UnmarshalJSON(b []byte) error {
	var words []string
	if err := json.Unmarshal(b, &words); err != nil {
		return err
	}
	if len(words) != 2 {
		return fmt.Errorf("a clock pair of %d, expected index and ns", len(words))
	}
	if err := p.Index.UnmarshalText([]byte(words[0])); err != nil {
		return err
	}
	return p.BaseNs.UnmarshalText([]byte(words[1]))
}

// Hole says that frames of the header's epoch, from the header's sequence to To
// inclusive, are not available where it was made.
type Hole struct {
	To     Uint64 `json:"to"`
	Cause  string `json:"cause"`
	By     string `json:"by,omitempty"` // name of the gateway or archive
	Detail string `json:"detail,omitempty"`
}

func (*Hole) required() []string { return []string{"to", "cause"} }

// Causes of descriptors, gaps and ends. Drivers may add words of their own.
const (
	CauseGatewayStarted = "gateway started"
	CauseGatewayStopped = "gateway stopped"
	CauseDamagedBytes   = "damaged bytes"
	CauseBytesLost      = "bytes lost"
	CauseStalled        = "stalled"
	CauseUnplugged      = "unplugged"
	CauseReopened       = "reopened"
	CauseOverrun        = "overrun" // of holes as well
)

// Causes of holes.
const (
	CauseUnsyncedTail = "unsynced tail"
	CauseDamaged      = "damaged"
	CauseFileMissing  = "file missing"
	CauseQuota        = "quota"
	CauseNotHeld      = "not held"
)
