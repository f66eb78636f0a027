package instrument

import "time"

// GateBy says who times the interval that a reading counts.
type GateBy string

// The ways an interval is timed.
const (
	// ByInstrument: the instrument's own clock, one interval right behind the other.
	ByInstrument GateBy = "instrument"
	// ByPoll: each question ends an interval and begins the next.
	ByPoll GateBy = "poll"
	// ByAnswer: asked, the instrument counts for the length of the gate and then answers.
	ByAnswer GateBy = "answer"
	// ByArrival: the arrival of a line or record ends the interval.
	ByArrival GateBy = "arrival"
)

// Gate says which interval a reading counts.
type Gate struct {
	// Its length, `"100ms"`. Needed when the instrument times it itself, or counts for so long when asked; for events it is how long they are counted together, 1 s when left out; with `arrival`, about how often a reading comes, needed where that is more rarely than every second.
	Time time.Duration `toml:"time"`
	// Who times it: `"instrument"` (its own clock, one interval right behind the other), `"poll"` (each question ends an interval), `"answer"` (asked, the instrument counts for `time` and then answers), `"arrival"` (the arrival of a line or record ends it). When left out: poll for an instrument that is asked, instrument for one that is not and has a `time`, else arrival.
	By GateBy `toml:"by"`
	// The setting that says how long it is; `time`, or the default of the setting, holds as long as that is not known.
	Setting string `toml:"setting"`
	// The value (column, name or group) that says of each reading how long it counted.
	Length Ref `toml:"length"`
	// The value that is the instrument's own clock at the end of the interval.
	Clock Ref `toml:"clock"`
	// What one step of `length` or `clock` is; `"1ms"` when left out.
	Unit time.Duration `toml:"unit"`
	// The value that numbers the readings, one more each time: missing ones are noticed by it.
	Number Ref `toml:"number"`
	// The largest `number`, after which it begins again at 0, so that this is no restart; 65535 for one of 16 bits. When left out: what the field of a record can hold, and none for text.
	NumberMax uint64 `toml:"number_max"`
}

// Kind says what a channel's values mean.
type Kind string

// The kinds of channels.
const (
	Count     Kind = "count"     // events within the interval
	Total     Kind = "total"     // running total, wrapping at the channel's width
	Rate      Kind = "rate"      // events per second
	Event     Kind = "event"     // every line or record is one event
	Auxiliary Kind = "auxiliary" // anything else: a temperature, a voltage
	Tagged    Kind = "tag"       // time-stamped detections, with [tags]
	Marker    Kind = "marker"    // time-stamped marks that are no detections, with [tags]
)

// PulseEdge is a flank of a pulse.
type PulseEdge string

// The edges.
const (
	RisingEdge  PulseEdge = "rising"
	FallingEdge PulseEdge = "falling"
)

// Channel is one thing that a reading says.
type Channel struct {
	// What it is called in the data.
	Name string `toml:"name"`
	// Which value it is: a number counts columns, or the values of a record, from 1; a text names a column of the header, a label, a group or a field. When left out: the channel's own name where values have names, else its place among the channels.
	From Ref `toml:"from"`
	// `"count"` (in the interval), `"total"` (since ever, it wraps at `width`), `"rate"` (per second), `"event"` (each line or record is one) or `"auxiliary"` (anything else); count when left out. With `[tags]`: `"tag"`, or `"marker"` for marks that are no detections; tag when left out.
	Kind Kind `toml:"kind"`
	// Bits of the instrument's counter, where known.
	Width int `toml:"width"`
	// What the value is to be multiplied by: `0.1`, `16`; 1 when left out.
	Scale Decimal `toml:"scale"`
	// Most digits behind the point; 0 when left out. Numbers with more are refused.
	Decimals int `toml:"decimals"`
	// Unit of the value, for auxiliary ones: `"degC"`.
	Unit string `toml:"unit"`
	// It may be negative.
	Signed bool `toml:"signed"`
	// The largest number it can be, as the instrument sends it: a line or record with a larger one is refused.
	Max *uint64 `toml:"max"`
	// By which number or word the instrument says that it counted too much to tell.
	Overflow *Sentinel `toml:"overflow"`
	// By which numbers or words the instrument says that it has no count.
	Absent []Sentinel `toml:"absent"`
	// With `[tags]`: the number that the instrument has for it, or the bit in its pattern, the lowest being 0. When left out: its place among the channels, from 0.
	Number *uint64 `toml:"number"`
	// With `[tags]`: which edge of the pulse it is, `"rising"` or `"falling"`. When the instrument tells the edge and this is left out, both are the channel's.
	Edge PulseEdge `toml:"edge"`

	// Exponent says what the stored integer means: it times 10^Exponent is the value.
	// Factor is what the instrument's number, without its point, is multiplied by.
	// Both follow from scale and decimals.
	Exponent int    `toml:"-"`
	Factor   uint64 `toml:"-"`
}

// SettingKind is the type of a setting's value.
type SettingKind string

// The kinds of settings.
const (
	DurationSetting SettingKind = "duration"
	IntegerSetting  SettingKind = "integer"
	NumberSetting   SettingKind = "number"
	WordSetting     SettingKind = "word"
	BoolSetting     SettingKind = "boolean"
)

// Setting is something that can be set in the instrument. What a configuration
// does not name is not sent.
type Setting struct {
	// What a configuration calls it; `gate` for the gate.
	Name string `toml:"name"`
	// What it is, one line for people.
	Title string `toml:"title"`
	// `"duration"`, `"integer"`, `"number"`, `"word"` or `"boolean"`; a boolean is sent as 1 or 0.
	Kind SettingKind `toml:"kind"`
	// Unit of an integer or number, for people. For a duration: what it is sent in, `"1ms"`; 1 s when left out.
	Unit string `toml:"unit"`
	// What holds when it is not set, where that is known. Needed where `[poll]` or `[open]` send it.
	Default Value `toml:"default"`
	// Least value.
	Min Value `toml:"min"`
	// Largest value.
	Max Value `toml:"max"`
	// The words it can be.
	Choices []string `toml:"choices"`
	// How it is set: `"g:{gate}:\n"`. Left out where only `[poll]` sends it.
	Command Template `toml:"command"`
	// The answer to the command, a pattern; without it any line that is no reading is taken for one, within a second.
	Answer *Pattern `toml:"answer"`
	// Sent to read it back.
	Read Template `toml:"read"`
	// The answer to that, a pattern with one group, the value; the whole line when left out.
	ReadAnswer *Pattern `toml:"read_answer"`
	// It can be changed while the instrument is read.
	Live bool `toml:"live"`
	// It drives something outside the instrument, as a voltage does: changed from afar only where the configuration allows it.
	Guarded bool `toml:"guarded"`

	// Step is what a duration is sent in: its unit, parsed.
	Step time.Duration `toml:"-"`
}

// Example is bytes as they come from the instrument, and what they mean.
type Example struct {
	// Where they are from, or what they show.
	Title string `toml:"title"`
	// The bytes, beginning with a whole line or record.
	Bytes Bytes `toml:"bytes"`
	// The readings in them: a list for each, with a number for each channel, in the channel's unit. `"absent"` and `"overflow"` stand for a value that is not there. Events are summed up into one.
	Readings [][]Sentinel `toml:"readings"`
	// The tags in them, of an instrument that gives those: a list for each, with the channel and the tick, `["A", 1200]`. A time that begins at 0 again goes on.
	Tags [][]Sentinel `toml:"tags"`
	// How often tags are lost in them, by what the instrument says; 0 when left out.
	Lost int `toml:"lost"`
	// How many lines in them are left out, by `skip`, as header or as errors, where that is to be checked.
	Skipped *int `toml:"skipped"`
	// How many lines or pieces in them are refused; 0 when left out.
	Refused int `toml:"refused"`

	// Line is where it stands in the file, 0 when not known.
	Line int `toml:"-"`
}

// Simulate says how the instrument is played, where that does not follow from the
// rest of the file: records are built from `[record]`, lines from `[text]` and the
// examples, intervals from `[gate]`, sentinels and widths from the channels; a
// command of a setting is understood.
type Simulate struct {
	// It restarts whenever its port is opened, as many Arduinos do, and is silent and deaf for so long; 0 when left out.
	Boot time.Duration `toml:"boot"`
	// What it says whenever it has started: when its port is opened, and behind `boot`. Without a boot of some 100 ms a host that throws away what was there may not see it.
	Banner Bytes `toml:"banner"`
	// How often a reading comes, or the counters are latched, where `[gate]` does not say.
	Every time.Duration `toml:"every"`
	// A reading as a line, with its end: `"{A},{B}\r\n"`. `{CHANNEL}` stands for the number as the instrument sends it, `{number}`, `{length}` and `{clock}` for what `[gate]` names so. When left out: the columns in their order, 0 for what no channel is; labels and values; or the line of an example with its numbers replaced. Then `\r\n`, or the first of `ends`.
	Line Template `toml:"line"`
	// A record, for what in it is no field, sync, trail or checksum; the first one of the first example when left out.
	Fill Bytes `toml:"fill"`
	// Time from a question to the answer, beside the gate; 0 when left out.
	Delay time.Duration `toml:"delay"`
	// What it answers besides.
	Replies []Reply `toml:"reply"`
	// What it says unasked, now and then, between two lines.
	Chatter []Chatter `toml:"chatter"`
	// What it says to what it does not know, and to a value out of its range; with nothing, the range's end is taken for that.
	Unknown Bytes `toml:"unknown"`
}

// Reply is what a simulated instrument says to something.
type Reply struct {
	// What it is sent: `"?"`, `"e{gate:.2}"`. `{NAME}` takes in a setting.
	To Template `toml:"to"`
	// What it says: `"{gate:.2}\r\n"`. Nothing when left out.
	Say Template `toml:"say"`
	// After how long; that of `[simulate]` when left out.
	Delay time.Duration `toml:"delay"`
	// Has it begin or end its stream of tags, `"on"` or `"off"`. An instrument that a reply can begin is silent before that.
	Stream Switch `toml:"stream"`
}

// Switch is on or off.
type Switch string

// Chatter is something a simulated instrument says now and then.
type Chatter struct {
	// What it says, with its end.
	Say Template `toml:"say"`
	// How often.
	Every time.Duration `toml:"every"`
}
