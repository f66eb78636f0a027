package sr400

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"photongate/sim"
)

// gpibAddress is the instrument's, as it leaves the factory.
const gpibAddress = 23

// adapter is what stands between USB and GPIB, in the manner of Prologix': lines
// that begin with ++ are for itself, the others for the instrument at the chosen
// address. It hears one reply for each ++read, or with ++auto 1 for each line.
type adapter struct {
	numbers map[string]int // what can be set and asked for
	line    []byte
	escaped bool
	until   time.Time // it listens so long; zero: it does not
}

// readPatienceMs is how long it listens unless ++read_tmo_ms says otherwise.
const readPatienceMs = 500

func newAdapter() adapter {
	return adapter{numbers: map[string]int{
		"addr": 0, "auto": 0, "eoi": 1, "eos": 0, "mode": 1, "savecfg": 1,
		"eot_enable": 0, "eot_char": 0, "read_tmo_ms": readPatienceMs,
	}}
}

// feed takes one byte and calls do with each line that is complete by it. An
// escape makes the next byte an ordinary one.
func (a *adapter) feed(c byte, do func(string)) {
	const escape = 0x1B
	switch {
	case !a.escaped && c == escape:
		a.escaped = true
		return
	case !a.escaped && (c == '\r' || c == '\n'):
		text := string(a.line)
		a.line = a.line[:0]
		if text != "" {
			do(text)
		}
		return
	}
	a.escaped = false
	if len(a.line) < 4*maxCommand {
		a.line = append(a.line, c)
	}
}

// listens reports whether a reply would be taken now.
func (a *adapter) listens(now time.Time) bool { return !a.until.IsZero() && !now.After(a.until) }

// heard ends listening: one reply has come.
func (a *adapter) heard() { a.until = time.Time{} }

func (a *adapter) listen(now time.Time) {
	a.until = now.Add(time.Duration(a.numbers["read_tmo_ms"]) * time.Millisecond)
}

// throughAdapter does one line from the host.
func (u *Unit) throughAdapter(now time.Time, text string, line sim.Line) {
	if command, own := strings.CutPrefix(text, "++"); own {
		if answer := u.adapterCommand(now, strings.Fields(command)); answer != "" {
			line.Send(now, []byte(answer+"\r\n"))
		}
		u.transmit(now, line)
		return
	}
	if u.adapter.numbers["addr"] != gpibAddress {
		return
	}
	u.adapter.heard()
	if u.adapter.numbers["auto"] != 0 {
		u.adapter.listen(now)
	}
	for _, c := range []byte(text + "\n") {
		u.feed(now, c, line)
	}
}

// adapterCommand does a command for the adapter and returns what it says to it.
func (u *Unit) adapterCommand(now time.Time, words []string) string {
	a := &u.adapter
	if len(words) == 0 {
		return "Unrecognized command"
	}
	switch words[0] {
	case "read":
		if a.numbers["addr"] == gpibAddress {
			a.listen(now)
		}
		return ""
	case "ver":
		return "GPIB-USB controller (simulated) version 6.0"
	case "spoll":
		return strconv.Itoa(int(u.serviced()))
	case "clr":
		u.command, u.tooLong = u.command[:0], false
		return ""
	case "ifc", "loc", "llo", "trg", "rst":
		return ""
	}
	current, known := a.numbers[words[0]]
	if !known {
		return "Unrecognized command"
	}
	if len(words) == 1 {
		return strconv.Itoa(current)
	}
	n, err := strconv.Atoi(words[1])
	if err != nil || n < 0 || n > 3000 {
		return fmt.Sprintf("Invalid argument %s", words[1])
	}
	a.numbers[words[0]] = n
	return ""
}
