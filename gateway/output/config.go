package output

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Kinds of outputs.
const (
	KindText   = "text"   // CSV or NDJSON lines, as the client asks
	KindSerpy  = "serpy"  // blocks of serpy, modes 0 to 3
	KindSerpy2 = "serpy2" // blocks of serpy2
	KindStruct = "struct" // records of a format of Python's struct
)

// Kinds are all kinds of outputs.
func Kinds() []string { return []string{KindText, KindSerpy, KindSerpy2, KindStruct} }

// Words of Config.Type: what a block of serpy2 carries.
const (
	TypeText    = "text"
	TypeInteger = "integer"
	TypeFloat   = "float"
	TypeBytes   = "bytes"
)

// Types are all words of Config.Type.
func Types() []string { return []string{TypeText, TypeInteger, TypeFloat, TypeBytes} }

// Bounds of a configuration.
const (
	maxPerBlock = 10_000
	maxFields   = 1024
	maxEvery    = 24 * time.Hour
)

// Config says what one output serves, and to whom. The zero value of a field is
// a key left out.
type Config struct {
	Name          string        // for the log and the status; empty: the kind
	Kind          string        // one of Kinds
	Stream        string        // the device whose readings are sent; of KindText: the one meant when a client names none
	Listen        string        // "host:port" to listen on
	Dial          string        // "host:port" to dial, again and again; exactly one of Listen and Dial
	OpenToNetwork bool          // Listen or Dial may be beyond this computer
	Fields        []string      // what of each reading, in this order; empty: index, t_s, gate_s, flags and all channels. Not of KindText
	Separator     string        // between fields in a line of text; empty: a comma
	Every         time.Duration // gates are summed to so long a time; 0: as the instrument counts
	PerBlock      int           // readings in one block; 0: one
	Mode          int           // of KindSerpy, 0 to 3
	Type          string        // of KindSerpy2: one of Types; empty: TypeText
	AnswersOnly   bool          // of KindSerpy2: nothing is sent unasked
	AllowSet      bool          // of KindSerpy2: clients may change settings
	Format        string        // a format of Python's struct: of KindStruct, of serpy in modes 2 and 3, of serpy2 with TypeBytes
	Send          string        // of KindText: a request that counts as made by each client when it connects
}

// Label is what the output is called.
func (c *Config) Label() string {
	if c.Name != "" {
		return c.Name
	}
	return c.Kind
}

// Check calls report for everything that is wrong in itself; key is the key of
// the configuration file it concerns.
func (c *Config) Check(report func(key, text string)) {
	say := func(key, format string, args ...any) { report(key, fmt.Sprintf(format, args...)) }
	if utf8.RuneCountInString(c.Name) > 64 {
		say("name", "is too long (expected at most 64 letters)")
	}
	if strings.ContainsFunc(c.Name, unicode.IsControl) {
		say("name", "%q has a character that cannot be seen (expected letters, digits and the like)", c.Name)
	}
	if c.Kind == "" {
		say("kind", "is missing (expected one of %s)", strings.Join(Kinds(), ", "))
		return
	}
	if !slices.Contains(Kinds(), c.Kind) {
		say("kind", "there is no kind %q (expected one of %s)", c.Kind, strings.Join(Kinds(), ", "))
		return
	}
	c.checkAddress(say)
	c.checkKeys(say)
	if c.Stream == "" && c.Kind != KindText {
		say("stream", "is missing (expected the name of the device whose readings are sent)")
	}
	if c.Every < 0 || c.Every > maxEvery {
		say("every", "%v is impossible (expected more than 0 and at most %v)", c.Every, maxEvery)
	} else if c.Every%time.Microsecond != 0 {
		say("every", "%v is impossible (expected whole microseconds)", c.Every)
	}
	if c.PerBlock < 0 || c.PerBlock > maxPerBlock {
		say("per_block", "%d is impossible (expected 1 to %d)", c.PerBlock, maxPerBlock)
	}
	if c.Kind == KindText {
		if _, err := parseRequest(c.Send); c.Send != "" && err != nil {
			say("send", "%v", err)
		}
		return
	}
	if c.Mode < 0 || c.Mode > 3 {
		say("mode", "%d is not served (expected 0 to 3%s)", c.Mode, pickleHint(c.Mode))
	}
	if c.Type != "" && !slices.Contains(Types(), c.Type) {
		say("type", "there is no type %q (expected one of %s)", c.Type, strings.Join(Types(), ", "))
	}
	c.checkFields(say)
}

func pickleHint(mode int) string {
	if mode == 4 || mode == 5 {
		return "; pickled objects, modes 4 and 5, are never sent"
	}
	return ""
}

// checkKeys reports keys that mean nothing for the kind.
func (c *Config) checkKeys(say func(key, format string, args ...any)) {
	for _, k := range []struct {
		key   string
		set   bool
		kinds []string
	}{
		{"fields", len(c.Fields) > 0, []string{KindSerpy, KindSerpy2, KindStruct}},
		{"separator", c.Separator != "", []string{KindSerpy, KindSerpy2}},
		{"every", c.Every != 0, []string{KindSerpy, KindSerpy2, KindStruct}},
		{"per_block", c.PerBlock != 0, []string{KindSerpy, KindSerpy2, KindStruct}},
		{"mode", c.Mode != 0, []string{KindSerpy}},
		{"type", c.Type != "", []string{KindSerpy2}},
		{"answers_only", c.AnswersOnly, []string{KindSerpy2}},
		{"allow_set", c.AllowSet, []string{KindSerpy2}},
		{"format", c.Format != "", []string{KindSerpy, KindSerpy2, KindStruct}},
		{"send", c.Send != "", []string{KindText}},
	} {
		if k.set && !slices.Contains(k.kinds, c.Kind) {
			hint := ""
			if c.Kind == KindText && (k.key == "every" || k.key == "fields") {
				hint = `; a client asks for what it wants, as in "csv bench --every 1s"`
			}
			say(k.key, "means nothing for the kind %q (it is for %s%s)", c.Kind, strings.Join(k.kinds, ", "), hint)
		}
	}
}

func (c *Config) checkAddress(say func(key, format string, args ...any)) {
	key, addr := "listen", c.Listen
	switch {
	case c.Listen != "" && c.Dial != "":
		say("dial", "stands beside listen (expected one of them)")
		return
	case c.Dial != "":
		key, addr = "dial", c.Dial
	case c.Listen == "":
		say("listen", `is missing (expected an address such as "127.0.0.1:7320" to wait for clients, or dial to go to a program that listens)`)
		return
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		say(key, `%q is no address (expected HOST:PORT, as in "127.0.0.1:7320")`, addr)
		return
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 && c.Dial != "" {
		say(key, `%q is no port (expected a number from 1 to 65535, as in "127.0.0.1:7320")`, port)
		return
	}
	if !c.Local() {
		if !c.OpenToNetwork {
			say(key, "%q is beyond this computer, and the protocol knows neither a token nor encryption (expected a loopback address such as "+
				`"127.0.0.1:%s", or open_to_network = true if everybody on that network may read the counts)`, addr, port)
		}
		if c.AllowSet {
			say("allow_set", "would let everybody on the network change settings without a token (expected a loopback address beside it)")
		}
	} else if c.OpenToNetwork {
		say("open_to_network", "means nothing for %q, which is this computer itself (leave it out)", addr)
	}
}

// Address is what the output listens on or dials.
func (c *Config) Address() string {
	if c.Dial != "" {
		return c.Dial
	}
	return c.Listen
}

// Local reports whether only programs on this computer can be clients.
func (c *Config) Local() bool {
	host, _, err := net.SplitHostPort(c.Address())
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Warning says what is risky about an output that is configured rightly, empty
// for nothing.
func (c *Config) Warning() string {
	if c.Local() {
		return ""
	}
	if c.Dial != "" {
		return fmt.Sprintf("output %s sends counts to %s unencrypted", c.Label(), c.Dial)
	}
	return fmt.Sprintf("output %s on %s can be reached from other computers, and %s knows neither a token nor encryption: "+
		"everybody on that network can read the counts", c.Label(), c.Listen, c.Kind)
}

// checkFields reports what is wrong with the fields and how they are written.
func (c *Config) checkFields(say func(key, format string, args ...any)) {
	if len(c.Fields) > maxFields {
		say("fields", "there are %d (expected at most %d)", len(c.Fields), maxFields)
		return
	}
	for _, f := range c.Fields {
		if f == "" {
			say("fields", "one of them is empty (expected %s, or a channel's name)", strings.Join(FieldWords(), ", "))
			return
		}
		if text, fixed := strings.CutPrefix(f, "="); fixed && c.Format == "" && strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\t' }) {
			say("fields", "%q has a character that cannot stand in a line of text", f)
			return
		}
	}
	if strings.ContainsAny(c.Separator, "\x1f\x04\x01\n\r\"") {
		say("separator", "%q cannot stand between fields (expected a comma, a semicolon, a space, a tab)", c.Separator)
	}
	if _, err := c.encoder(); err != nil {
		key := "format"
		if e, ok := errors.AsType[keyError](err); ok {
			key = e.key
		}
		say(key, "%v", err)
	}
}

// keyError is an error about one key.
type keyError struct {
	key string
	err error
}

func (e keyError) Error() string { return e.err.Error() }
func (e keyError) Unwrap() error { return e.err }
