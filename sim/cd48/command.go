package cd48

import (
	"strconv"
	"time"

	"photongate/sim"
)

// Digits that follow a letter. S needs all of them, the others take fewer.
const (
	selectDigits   = 1 + inputs
	levelDigits    = 3
	intervalDigits = 5
)

// Limits of numbers (help text of the unit, amcdawes/coincidence README.md).
const (
	maxLevel      = 255
	minIntervalMs = 100
	maxIntervalMs = 65535
)

// parser cuts bytes into commands, however they are grouped: glued together or
// in pieces, with \r, \n, both or nothing behind them.
type parser struct {
	letter byte // of a command whose digits are not complete; 0: none
	digits []byte
}

// digitsOf is how many digits a letter takes at most; ok is false for a byte
// that is no command.
func digitsOf(letter byte) (n int, ok bool) {
	switch letter {
	case 'S':
		return selectDigits, true
	case 'L', 'V':
		return levelDigits, true
	case 'r':
		return intervalDigits, true
	case 'c', 'C', 'E', 'H', 'h', 'P', 'p', 'R', 'T', 'v', 'Z', 'z':
		return 0, true
	}
	return 0, false
}

// feed takes one byte and calls do with each command that is complete by it.
func (p *parser) feed(c byte, do func(letter byte, digits string)) {
	if p.letter != 0 {
		most, _ := digitsOf(p.letter)
		if c >= '0' && c <= '9' {
			p.digits = append(p.digits, c)
			if len(p.digits) == most {
				p.finish(do)
			}
			return
		}
		p.finish(do)
	}
	switch most, ok := digitsOf(c); {
	case !ok: // a terminator, or nothing the box knows
	case most == 0:
		do(c, "")
	default:
		p.letter, p.digits = c, p.digits[:0]
	}
}

func (p *parser) finish(do func(letter byte, digits string)) {
	letter := p.letter
	p.letter = 0
	if len(p.digits) == 0 || letter == 'S' && len(p.digits) != selectDigits {
		return
	}
	do(letter, string(p.digits))
}

// obey does one command.
func (b *Box) obey(now time.Time, letter byte, digits string, line sim.Line) {
	if b.query(now, letter, line) || !b.set(now, letter, digits) {
		return
	}
	switch b.options.Ack {
	case AckOK:
		line.Send(now, []byte("OK\r\n"))
	case AckEcho:
		line.Send(now, []byte(string(letter)+digits+"\r\n"))
	}
}

// query answers a command that has a reply, and reports whether it is one.
func (b *Box) query(now time.Time, letter byte, line sim.Line) bool {
	switch letter {
	case 'c', 'C':
		b.human = letter == 'C'
		b.read(now, b.human, line)
	case 'E':
		b.accumulate(now)
		line.Send(now, append(strconv.AppendUint(nil, b.flags, 10), "\r\n"...))
		b.flags = 0
	case 'H', 'h':
		line.Send(now, []byte(helpText))
	case 'P':
		line.Send(now, humanSettings(b.settings))
	case 'p':
		line.Send(now, machineSettings(b.settings))
	case 'v':
		line.Send(now, []byte(versionText))
	default:
		return false
	}
	return true
}

// set obeys a set command, or does not heed it, and reports whether it was a possible one.
func (b *Box) set(now time.Time, letter byte, digits string) bool {
	if n := b.ignores[letter]; n != 0 {
		b.ignores[letter] = max(n-1, -1)
		return true
	}
	number, _ := strconv.Atoi(digits) // at most five digits; none for R, T, Z and z
	switch letter {
	case 'S':
		return b.watch(now, digits)
	case 'L':
		b.settings.Threshold = min(number, maxLevel)
	case 'V':
		b.settings.Output = min(number, maxLevel)
	case 'r':
		b.settings.IntervalMs = clampInterval(number)
		b.startTimer(now)
	case 'R':
		b.toggleRepeat(now)
	case 'Z', 'z':
		b.settings.HighImpedance = letter == 'Z'
	case 'T': // lights its LEDs
	}
	return true
}

func clampInterval(ms int) int { return min(max(ms, minIntervalMs), maxIntervalMs) }

// watch is S: the counter, then a 1 for each input it is to watch.
func (b *Box) watch(now time.Time, digits string) bool {
	n := int(digits[0] - '0')
	if n >= counters {
		return false
	}
	mask := 0
	for i := range inputs {
		switch digits[1+i] {
		case '1':
			mask |= 1 << i
		case '0':
		default:
			return false
		}
	}
	b.accumulate(now) // what came before counts by the old mask
	b.settings.Masks[n] = mask
	return true
}

func (b *Box) toggleRepeat(now time.Time) {
	b.settings.Repeat = !b.settings.Repeat
	if !b.settings.Repeat {
		b.lastLine = nil
		return
	}
	if b.options.RightFirstLine {
		b.accumulate(now)
		b.counts = [counters]uint64{}
		b.startTimer(now)
		return
	}
	b.lines = b.timer.Periods(now)
}
