package instrument

import "time"

// File is one instrument file, checked, with all defaults filled in. It does not
// change once parsed, so it may be read concurrently.
type File struct {
	// Name of the instrument: small letters, digits, `.`, `_` and `-`. Needed.
	Name string `toml:"name"`
	// What it is, one line for people.
	Title string `toml:"title"`
	// Where its format is written down, for people.
	Source string `toml:"source"`
	// What a user should know before trusting it, a sentence or two.
	Note string `toml:"note"`

	// The serial line.
	Link Link `toml:"link"`
	// What is done when the instrument is opened.
	Open Open `toml:"open"`
	// How the instrument is asked. Without it, it sends by itself.
	Poll *Poll `toml:"poll"`
	// What is sent now and then to an instrument that would stop otherwise.
	KeepAlive *KeepAlive `toml:"keep_alive"`
	// How its lines are read. Either this or `[record]`; lines with one number for each channel when there is neither.
	Text *Text `toml:"text"`
	// How its binary records are read. Either this or `[text]`.
	Record *Record `toml:"record"`
	// How time tags are read, of an instrument that gives those and no counts.
	Tags *Tags `toml:"tags"`
	// The interval that one reading counts.
	Gate Gate `toml:"gate"`
	// What a reading holds, in this order. At least one.
	Channels []Channel `toml:"channel"`
	// What can be set in the instrument.
	Settings []Setting `toml:"setting"`
	// Bytes and the readings they mean. At least one; `photongate check` tries them.
	Examples []Example `toml:"example"`
	// How `photonsim` plays the instrument.
	Simulate *Simulate `toml:"simulate"`

	// Path is the file it was read from, for messages.
	Path string `toml:"-"`
}

// Parity of a serial line, as it is written in a file.
type Parity string

// The parities.
const (
	NoParity   Parity = "none"
	EvenParity Parity = "even"
	OddParity  Parity = "odd"
)

// Link holds the settings of the serial line. USB ports of the instrument's own
// and TCP ports ignore them.
type Link struct {
	// Bits per second. Needed, but for a FIFO.
	Baud int `toml:"baud"`
	// 5 to 8; 8 when left out.
	DataBits int `toml:"data_bits"`
	// `"none"`, `"even"` or `"odd"`; none when left out.
	Parity Parity `toml:"parity"`
	// 1 or 2; 1 when left out.
	StopBits int `toml:"stop_bits"`
	// Sets the line DTR when the port is opened; left out, it stays as the system sets it.
	DTR *bool `toml:"dtr"`
	// The same for RTS.
	RTS *bool `toml:"rts"`
	// The bytes come through the synchronous FIFO of an FTDI chip (FT2232H, FT232H), in parallel and without a baud rate: the port begins with `ftdi:` then. How a silence between bytes is taken (`drain`) does not matter there.
	FIFO bool `toml:"fifo"`
}

// Open says what is done when the instrument is opened, in the order of its
// fields.
type Open struct {
	// How long to wait before anything is believed or sent; what comes meanwhile is thrown away. Many Arduinos restart when the port is opened and need `"2s"`.
	Settle time.Duration `toml:"settle"`
	// Silence of this length lies between two lines or records, so that what begins after it is whole, and ends the old answers of an instrument that is asked; `"100ms"` when left out.
	Drain time.Duration `toml:"drain"`
	// Sent to learn whether it is this instrument.
	Ask Template `toml:"ask"`
	// What the answer to `ask` contains; without it nothing is asked. An instrument that answers so is identified for sure.
	Answer Bytes `toml:"answer"`
	// Sent one after the other, before the settings.
	Send []Template `toml:"send"`
	// Least time between two things sent; `"50ms"` when left out.
	Pause time.Duration `toml:"pause"`
	// How long to wait for the answer to `ask`; `"1s"` when left out.
	Timeout time.Duration `toml:"timeout"`
}

// Poll says how an instrument is asked for a reading.
type Poll struct {
	// The question, with whatever ends it: `"r"`, `"READ\n"`. `{NAME}` stands for the value of a setting.
	Send Template `toml:"send"`
	// How often; as often as the gate is long when left out.
	Every time.Duration `toml:"every"`
	// How long an answer may take; a second and the gate when left out.
	Timeout time.Duration `toml:"timeout"`
}

// KeepAlive is sent now and then, whatever comes.
type KeepAlive struct {
	// What to send.
	Send Template `toml:"send"`
	// How often.
	Every time.Duration `toml:"every"`
}

// Text says how lines are read. One of split, pairs, pattern and count says where
// the numbers are; without any of them the line is split into columns.
type Text struct {
	// What ends a line, one text or a list: `["\n", "!"]`; `"\n"` when left out. A `\r` and blanks at either end of a line never matter.
	Ends []Bytes `toml:"ends"`
	// What a reading's line begins with: what stands before it is ignored, a line without it is no reading.
	Start Bytes `toml:"start"`
	// The same at the end.
	Stop Bytes `toml:"stop"`
	// Longest line in bytes; 4096 when left out.
	MaxLength int `toml:"max_length"`
	// Lines that are no readings and are left out: patterns (RE2), as in `["^#"]`.
	Skip []*Pattern `toml:"skip"`
	// Lines by which the instrument says that something is wrong: patterns.
	Errors []*Pattern `toml:"errors"`
	// The instrument sends back what it is sent: that is left out.
	Echo bool `toml:"echo"`

	// Characters that stand between columns; any of comma, semicolon, tab and blanks when left out. Blanks around a column do not matter.
	Split string `toml:"split"`
	// How many columns a line has, exactly; as many as the channels need when left out.
	Columns int `toml:"columns"`
	// The line with the names of the columns, as the instrument sends it. Channels may then name their column. The line itself is left out.
	Header string `toml:"header"`
	// Columns are labels and values in turn, `CPS, 3, CPM, 28`: a channel names its label.
	Pairs bool `toml:"pairs"`
	// A pattern (RE2) for the whole line; channels name its groups, `(?P<A>\d+)`.
	Pattern *Pattern `toml:"pattern"`
	// The line is this text over and over: the count is how many times. An empty line is a count of 0.
	Count Bytes `toml:"count"`

	// Base of the numbers, 10 or 16; 10 when left out.
	Base int `toml:"base"`
	// How many lines in a row may be unreadable before the instrument is given up and opened again; 20 when left out.
	MaxBad int `toml:"max_bad"`
}

// Order of the bytes of a number.
type Order string

// The orders.
const (
	Little Order = "little"
	Big    Order = "big"
)

// Checksum is the way a record is protected.
type Checksum string

// The checksums, each one byte.
const (
	NoChecksum Checksum = "none"
	Sum8       Checksum = "sum8" // the low 8 bits of the sum of the bytes
	Xor8       Checksum = "xor8" // all bytes exclusive-ored
)

// Record says how binary records are read. All offsets count from its first byte,
// which is that of sync where there is one.
type Record struct {
	// Short form for the fields, as in Python's `struct`: `"<Q8I"`. It begins with `<` or `>` and stands behind `sync`. The values are numbered 1, 2, 3...
	Format string `toml:"format"`
	// Bytes of a whole record, with sync, trail and checksum; found from the fields when left out.
	Length int `toml:"length"`
	// Bytes it begins with.
	Sync Bytes `toml:"sync"`
	// Bytes it ends with.
	Trail Bytes `toml:"trail"`
	// Silence of at least this length lies between records, and nowhere within one.
	Idle time.Duration `toml:"idle"`
	// Order of bytes, `"little"` or `"big"`, for fields that do not say; little when left out.
	Order Order `toml:"order"`
	// Bits of each byte that count, 8 or 7, for fields that do not say; 8 when left out. With 7 the upper bit is clear in every byte of a field, or the record is refused.
	Bits int `toml:"bits"`
	// Distance of the bytes of a number, for fields that do not say; 1 when left out.
	Stride int `toml:"stride"`
	// `"none"`, `"sum8"` or `"xor8"`; none when left out.
	Checksum Checksum `toml:"checksum"`
	// Where the checksum stands; the last byte before `trail` when left out.
	ChecksumAt *int `toml:"checksum_at"`
	// First and last byte it is made of; all before it when left out.
	ChecksumOver []int `toml:"checksum_over"`
	// The numbers in it, in the order of the values.
	Fields []Field `toml:"field"`
	// How many records' worth of bytes in a row may be unreadable before the instrument is given up and opened again; 20 when left out.
	MaxBad int `toml:"max_bad"`
}

// Field is a number in a record, or several alike.
type Field struct {
	// What channels call it; a repeated one is called `NAME1`, `NAME2`...
	Name string `toml:"name"`
	// Offset of its first byte.
	At int `toml:"at"`
	// How many bytes of the record it is made of, 1 to 8.
	Width int `toml:"width"`
	// Order of these bytes.
	Order Order `toml:"order"`
	// Distance of these bytes: 2 takes every second one.
	Stride int `toml:"stride"`
	// Bits of each byte that count, 8 or 7.
	Bits int `toml:"bits"`
	// Bits of the number that are kept, all when left out: `0x00FFFFFF`.
	Mask uint64 `toml:"mask"`
	// By how many bits it is moved to the right after that.
	Shift int `toml:"shift"`
	// The number is two's complement.
	Signed bool `toml:"signed"`
	// How many of these there are, one behind the other; 1 when left out.
	Repeat int `toml:"repeat"`
	// Distance of the repeated ones; what one takes up when left out.
	Step int `toml:"step"`
	// What it always is: a record with another value is refused.
	Is *uint64 `toml:"is"`
}
