package tdc1

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"photongate/sim"
)

// maxCommand bounds a command; of a longer one nothing is understood.
const maxCommand = 64

// Levels of the two standards at its inputs, in volts; the TTL one is a guess.
const (
	nimV = -0.5
	ttlV = 1.2
)

// helpText has the commands by name; the unit's own words are not known.
const helpText = `TDC1 (simulated)
*IDN?  *RST  HELP
SINGLES  PAIRS  TIMESTAMP  MODE?
TIME n  TIME?  COUNTS?  INPKT  ABORT
TTL  NIM  POS v  NEG v  LEVEL?
REFCLK n  REFCLK?  ECLOCK?`

// feed takes one byte and obeys the command that is complete by it.
func (u *Unit) feed(now time.Time, c byte, line sim.Line) {
	if c != ';' && c != '\n' {
		if len(u.command) == maxCommand {
			u.tooLong = true
			return
		}
		u.command = append(u.command, c)
		return
	}
	words := strings.Fields(strings.ToUpper(string(u.command)))
	tooLong := u.tooLong
	u.command, u.tooLong = u.command[:0], false
	if tooLong {
		words = []string{"?"}
	}
	if len(words) > 0 && !u.obey(now, words, line) && u.options.ErrorText != "" {
		u.say(now, u.options.ErrorText, line)
	}
}

// obey does one command and reports whether it was a right one.
func (u *Unit) obey(now time.Time, words []string, line sim.Line) bool {
	switch len(words) {
	case 1:
		return u.ask(now, words[0], line) || u.act(now, words[0], line)
	case 2:
		return u.set(now, words[0], words[1])
	}
	return false
}

// ask answers a command that has a reply.
func (u *Unit) ask(now time.Time, word string, line sim.Line) bool {
	switch word {
	case "*IDN?":
		u.say(now, u.options.Identity, line)
	case "HELP":
		for text := range strings.Lines(helpText) {
			u.say(now, strings.TrimSuffix(text, "\n"), line)
		}
	case "MODE?":
		u.say(now, strconv.Itoa(u.settings.mode), line)
	case "TIME?":
		// The number is told with 16 bits and a sign (pyS15).
		u.say(now, strconv.Itoa(int(int16(u.settings.timeMs))), line)
	case "LEVEL?":
		edge := "rising"
		if u.settings.falling {
			edge = "falling"
		}
		u.say(now, fmt.Sprintf("%.3f V, %s edge", u.settings.levelV, edge), line)
	case "REFCLK?":
		u.say(now, strconv.Itoa(u.settings.refClk), line)
	case "ECLOCK?":
		connected := "0"
		if u.clock.there(now) {
			connected = "1"
		}
		u.say(now, connected, line)
	default:
		return false
	}
	return true
}

// act does a command of one word that has no reply, or one that comes later.
func (u *Unit) act(now time.Time, word string, line sim.Line) bool {
	switch word {
	case "*RST":
		u.run = run{}
		u.settings = defaultSettings()
		u.clock.choose(now, u.settings.refClk)
	case "SINGLES":
		u.settings.mode = modeSingles
	case "PAIRS":
		u.settings.mode = modePairs
	case "TIMESTAMP":
		u.settings.mode = modeTimestamp
	case "COUNTS?":
		u.begin(now)
	case "ABORT":
		u.abort(now, line)
	case "TTL":
		u.settings.levelV, u.settings.falling = ttlV, false
	case "NIM":
		u.settings.levelV, u.settings.falling = nimV, true
	case "INPKT": // what it does is not known
	default:
		return false
	}
	return true
}

// abort ends what is under way: a stream after the tags that came before it, a
// measurement without a word.
func (u *Unit) abort(now time.Time, line sim.Line) {
	if u.streaming() {
		u.sendTags(now, line)
		u.endStream(now, line)
	}
	u.run = run{}
}

// set does a command with a number.
func (u *Unit) set(now time.Time, word, number string) bool {
	switch word {
	case "TIME":
		const most = 65535
		n, err := strconv.Atoi(number)
		if err != nil || n < 0 || n > most {
			return false
		}
		u.settings.timeMs = n
		return true
	case "REFCLK":
		const internal = 2
		n, err := strconv.Atoi(number)
		if err != nil || n < 0 || n > internal {
			return false
		}
		u.settings.refClk = n
		u.clock.choose(now, n)
		return true
	case "POS", "NEG":
		const mostV = 5
		v, err := strconv.ParseFloat(number, 64)
		if err != nil || strings.Trim(number, "+-.0123456789") != "" || v < -mostV || v > mostV {
			return false
		}
		u.settings.levelV, u.settings.falling = v, word == "NEG"
		return true
	}
	return false
}

// joined writes counts on one line.
func (u *Unit) joined(values []uint64) string {
	form, between := "%d", " "
	switch u.options.Separator {
	case SeparatorTab:
		between = "\t"
	case SeparatorAligned:
		form, between = "%10d", ""
	}
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = fmt.Sprintf(form, v)
	}
	return strings.Join(words, between)
}

// say sends one line.
func (u *Unit) say(now time.Time, text string, line sim.Line) {
	end := "\r\n"
	if u.options.LF {
		end = "\n"
	}
	line.Send(now.Add(u.options.ReplyDelay), []byte(text+end))
}
