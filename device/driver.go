package device

import (
	"context"
	"fmt"
	"time"
)

// Transport is what a driver speaks over.
type Transport string

// Serial covers every port that carries a plain stream of bytes: ttys, serial
// servers on TCP, in-memory ports.
const Serial Transport = "serial"

// Driver describes one kind of instrument and opens it. It is a value: nothing
// in it changes after the program has started, so it may be read concurrently.
type Driver struct {
	Name      string    // machine name, the folder's name: "cd48"
	Title     string    // for people: "Red Dog Physics CD48 coincidence counter"
	Transport Transport // what Open needs
	USB       []USBID   // ids under which it is usually seen; empty when it hangs on any adapter
	Line      Line      // line settings the port is opened with, see LineWith
	// Interface is the number of the USB interface that is claimed, for Transport
	// USB. A device whose only interface has another number is taken all the same.
	Interface int
	Identity  Identity // how sure Open is that it speaks to this kind of instrument
	Options   []Option // settings a configuration may name
	Inputs    Inputs   // channels a configuration may name

	// Advise, where set, says what a user should know of settings before the
	// instrument is opened.
	Advise func(Settings) []Advice

	// Open speaks to the instrument behind req.Port or req.USB and returns it ready
	// to be read. It reads before it writes, pushes only the settings in
	// req.Settings and verifies what can be verified. It does not close the port
	// when it fails: the caller does. It gives up when ctx ends. On USB it may return
	// ErrReenumerated.
	Open func(ctx context.Context, req OpenRequest) (Source, error)

	// Cut says what received bytes (at least one) begin with. It knows nothing of
	// what came before and judges by the predicate that Open and Read use; it
	// serves those who look at an instrument's bytes, not the reading of it.
	Cut func(received []byte) Piece

	// CutTalk, where set, takes the place of Cut for those who have the whole
	// conversation, of an instrument whose bytes alone do not say what they are: what
	// was sent before does, and the pauses between them. It cuts all that was received
	// until now, in order; what it cannot tell yet, at the end, is left out. Its Cut
	// then knows only what is sure from the bytes.
	CutTalk func(talk []Exchange, now time.Duration) []Piece

	// Singles says that the instrument sends each event by itself: readings count
	// pieces of the kind Single.
	Singles bool

	// Quirks are the documented peculiarities that may show in a conversation.
	Quirks []Quirk

	About About // for people
}

// LineWith returns the line settings the port is opened with when a configuration
// names these settings: those of the driver, at the baud rate of its option
// "baud" (an Integer) where it has one and it is named. No driver has to ask at
// several rates then, which might disturb what else hangs on such an adapter.
func (d Driver) LineWith(s Settings) Line {
	line := d.Line
	if baud, named := s["baud"].(int64); named {
		line.Baud = int(baud)
	}
	return line
}

// Pieces cuts what was received in a conversation, by CutTalk or else by Cut. Now is
// the time in it, at least that of the last exchange.
func (d Driver) Pieces(talk []Exchange, now time.Duration) []Piece {
	if d.CutTalk != nil {
		return d.CutTalk(talk, now)
	}
	return Pieces(d.Cut, Received(talk))
}

// Inputs says which channels a configuration may name, as far as that is known
// without the instrument. The zero value: only the open instrument knows.
type Inputs struct {
	Title string // for people, what there are: "A, B, AB, or \"counter 0\" to \"counter 2\""
	// May reports whether a Channel's Name, or its Input up to a colon, can be
	// this. It may say yes to what one instrument of the kind does not have.
	May func(input string) bool
	// Known, where set, tells what is known of the channels when a configuration
	// names these settings: Input and Width, and Name where a setting decides it.
	// It is for warnings before anything is opened.
	Known func(Settings) []Channel
	// Tags, where set, tells whether the instrument gives time tags when a configuration
	// names these settings, and how long their tick is: zero where only the open
	// instrument knows, which may then have other channels than Known says, too. Not
	// set: it never gives any.
	Tags func(Settings) (tick Tick, tags bool)
	// Window says what is known of the width of the coincidence window, one
	// sentence for people; empty where it is not known, or there is none. It is
	// never taken for what the user did not say.
	Window string
}

// Advice is what a driver has to say of settings that are possible and may
// still not be what the user wants.
type Advice struct {
	Option string // which one; empty: none in particular
	Text   string // one sentence for people
}

// USBID is a USB vendor and product id.
type USBID struct {
	Vendor, Product uint16
	// Shared says that unrelated products carry the same id, so that seeing it
	// is no proof.
	Shared bool
	// Adapter says that it is the id of a serial chip: whatever hangs on it would not
	// bear to be asked on a guess, so nothing is sent there unless somebody asks for it.
	// Shared is set as well.
	Adapter bool
}

// Same reports whether both are the id of the same device, whatever is known of it.
func (id USBID) Same(other USBID) bool {
	return id.Vendor == other.Vendor && id.Product == other.Product
}

// String returns the id as "04b4:f232".
func (id USBID) String() string { return fmt.Sprintf("%04x:%04x", id.Vendor, id.Product) }

// Line holds the settings of a serial line. Ports that have no line (TCP,
// memory) ignore it.
type Line struct {
	Baud     int    // bits per second
	DataBits int    // 5 to 8; 0 means 8
	Parity   Parity // NoParity when zero
	StopBits int    // 1 or 2; 0 means 1
	// FIFO says that there is no line: the bytes come through the FIFO of a chip (see
	// FIFO), and the rest does not matter.
	FIFO bool
}

// String returns the line settings in the usual short form, "19200 8N1".
func (l Line) String() string {
	if l.FIFO {
		return "synchronous FIFO"
	}
	data, stop := l.DataBits, l.StopBits
	if data == 0 {
		data = 8
	}
	if stop == 0 {
		stop = 1
	}
	return fmt.Sprintf("%d %d%s%d", l.Baud, data, [...]string{"N", "E", "O"}[l.Parity%3], stop)
}

// Parity of a serial line.
type Parity int

// The parities instruments use.
const (
	NoParity Parity = iota
	EvenParity
	OddParity
)

// Identity says how a driver knows what it speaks to.
type Identity string

// The degrees of certainty about an instrument's identity.
const (
	// Confirmed: the instrument answered in a way only this kind does.
	Confirmed Identity = "confirmed"
	// Assumed: the instrument cannot be asked; its bytes have the right form.
	Assumed Identity = "assumed"
)

// OptionKind is the type of an option's value.
type OptionKind string

// The kinds of option values, as they are written in a configuration file.
const (
	Duration OptionKind = "duration" // TOML string with unit: "100ms"
	Integer  OptionKind = "integer"
	Number   OptionKind = "number"  // integer or decimal fraction
	Bool     OptionKind = "boolean" // true or false
	Enum     OptionKind = "word"    // one of Choices
	Text     OptionKind = "text"
)

// Option describes one setting a configuration may name under
// [device.options]. What a configuration does not name stays as it is in the
// instrument.
type Option struct {
	Name    string     // key: "gate"
	Title   string     // one line for people
	Kind    OptionKind // type of the value
	Unit    string     // unit of Integer and Number, "V"; empty for none
	Default string     // what holds when the key is absent, in words or as a value
	Choices []string   // for Enum
	// Min and Max bound Duration (in nanoseconds), Integer and Number,
	// inclusively. Both zero means unbounded.
	Min, Max float64
	// Live says that it can be changed while the instrument is read (see Setter).
	// Other options take effect when it is opened anew: a change of gate or
	// channels begins a new epoch.
	Live bool
	// Guarded says that it drives something outside the instrument, a voltage or
	// another output: it can only be changed from afar where the configuration of
	// the device allows it by name.
	Guarded bool
	// Check, where set, refuses a value that is of the right type and range and
	// still impossible; its error is shown to the user.
	Check func(v any) error
}

// Settings are the options a configuration named, by name, checked against
// the driver's Options. The dynamic type of a value follows the option's kind:
// time.Duration, int64, float64, bool, string (Enum and Text).
type Settings map[string]any

// Gate returns the setting "gate" and reports whether it was named.
func (s Settings) Gate() (time.Duration, bool) {
	d, ok := s["gate"].(time.Duration)
	return d, ok
}

// OpenRequest is what a driver's Open is given. Exactly one of Port and USB is
// set, by the driver's Transport; the Source owns it from success on.
type OpenRequest struct {
	Port     Port      // open, line settings applied
	USB      USBDevice // open, the driver's interface claimed
	Settings Settings  // only what the configuration names
	Clock    Clock     // the gateway's time base
}

// Clock reads the time base: nanoseconds since 1970 as believed when the
// gateway started, running evenly since, through suspend, and never stepping.
// It may be called concurrently.
type Clock func() int64
