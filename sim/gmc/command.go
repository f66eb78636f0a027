package gmc

import (
	"bytes"
	"encoding/binary"
	"strings"
	"time"

	"photongate/sim"
)

// maxCommand bounds what may stand between < and >>.
const maxCommand = 32

// done is the answer to a command that sets something.
const done = 0xAA

// historyAddress is how long an address within the history is.
const historyAddress = 3

// rebootTime is how long it is silent after <REBOOT>>.
const rebootTime = 2 * time.Second

// binaryPart is how many bytes of any value follow the name of a command.
func (m *Meter) binaryPart(command []byte) (name string, n int) {
	switch {
	case bytes.HasPrefix(command, []byte("<SETDATETIME")):
		return "SETDATETIME", 6
	case bytes.HasPrefix(command, []byte("<WCFG")):
		return "WCFG", m.addressBytes() + 1
	case bytes.HasPrefix(command, []byte("<SPIR")):
		return "SPIR", historyAddress + 2
	}
	return "", 0
}

// addressBytes is how long an address within the configuration is.
func (m *Meter) addressBytes() int {
	if m.wide {
		return 2
	}
	return 1
}

// feed takes one byte and obeys the command that is complete by it. What stands
// before a < counts for nothing.
func (m *Meter) feed(now time.Time, c byte, line sim.Line) {
	name, n := m.binaryPart(m.command)
	if c == '<' && name == "" {
		m.command = append(m.command[:0], c)
		return
	}
	if len(m.command) == 0 {
		return
	}
	m.command = append(m.command, c)
	length := len("<") + len(name) + n + len(">>")
	ended := bytes.HasSuffix(m.command, []byte(">>"))
	switch {
	case name != "" && len(m.command) < length:
		return
	case ended && name != "":
		m.obey(now, name, m.command[len("<")+len(name):length-len(">>")], line)
	case ended:
		m.obey(now, string(m.command[1:len(m.command)-2]), nil, line)
	case name == "" && len(m.command) < maxCommand:
		return
	}
	m.command = m.command[:0]
}

// obey does one command.
func (m *Meter) obey(now time.Time, name string, argument []byte, line sim.Line) {
	if m.off && name != "POWERON" {
		return
	}
	reply := m.ask(now, name, line)
	if name == "SPIR" {
		reply = emptyHistory(argument)
	}
	if reply != nil {
		line.Send(now.Add(m.options.ReplyDelay), reply)
		return
	}
	if m.act(now, name, argument) {
		line.Send(now.Add(m.options.ReplyDelay), []byte{done})
	}
}

// ask is the reply to a question; nil if it is none.
func (m *Meter) ask(now time.Time, name string, line sim.Line) []byte {
	switch name {
	case "GETVER":
		return []byte(m.options.Model)
	case "GETSERIAL":
		return binary.BigEndian.AppendUint64(nil, m.options.Serial)[1:]
	case "GETCPM", "GETCPS", "GETMAXCPS", "GETCPMH", "GETCPML":
		return m.askCounts(name, line)
	case "GETVOLT":
		if m.wide {
			return []byte("4.18v")
		}
		return []byte{42} // tenths of a volt
	case "GETDATETIME":
		t := now.Add(m.clock).UTC()
		return []byte{byte(t.Year() % 100), byte(t.Month()), byte(t.Day()),
			byte(t.Hour()), byte(t.Minute()), byte(t.Second()), done}
	case "GETTEMP": // 21.5 degrees, above zero
		return []byte{21, 5, 0, done}
	case "GETGYRO": // lying on a table
		return []byte{0, 0, 0, 0, 4, 0, done}
	case "GETCFG":
		return bytes.Clone(m.config)
	}
	return nil
}

// askCounts is the reply to a question for counts.
func (m *Meter) askCounts(name string, line sim.Line) []byte {
	cps, cpm := min(m.cps(), m.largest()), min(m.cpm(), m.largest())
	switch name {
	case "GETCPS":
		cps = m.told(cps, m.largest())
		m.latch(cps, cpm, line)
		return m.integer(cps)
	case "GETMAXCPS":
		return m.integer(min(m.most, m.largest()))
	case "GETCPM", "GETCPML":
		if name == "GETCPML" && !m.wide {
			return nil
		}
		cpm = m.told(cpm, m.largest())
		m.latch(cps, cpm, line)
		return m.integer(cpm)
	}
	if !m.wide { // GETCPMH
		return nil
	}
	return m.integer(0)
}

// emptyHistory is a part of the memory for past counts: nothing is written there.
func emptyHistory(argument []byte) []byte {
	const page = 4096
	length := binary.BigEndian.Uint16(argument[historyAddress:])
	return bytes.Repeat([]byte{0xFF}, min(int(length), page))
}

// act does a command that sets something and reports whether it is answered.
func (m *Meter) act(now time.Time, name string, argument []byte) bool {
	switch name {
	case "HEARTBEAT1", "HEARTBEAT0":
		m.beating = name == "HEARTBEAT1"
		return false
	case "POWEROFF":
		m.off, m.beating = true, false
		return false
	case "POWERON":
		m.off = false
		return false
	case "REBOOT":
		m.restart(now.Add(rebootTime))
		return false
	case "SETDATETIME":
		const century = 2000
		set := time.Date(century+int(argument[0]), time.Month(argument[1]), int(argument[2]),
			int(argument[3]), int(argument[4]), int(argument[5]), 0, time.UTC)
		m.clock = set.Sub(now)
	case "WCFG":
		at := 0
		for _, b := range argument[:m.addressBytes()] {
			at = at<<8 | int(b)
		}
		if at < len(m.config) {
			m.config[at] = argument[m.addressBytes()]
		}
	case "ECFG":
		for i := range m.config {
			m.config[i] = 0xFF
		}
	case "CFGUPDATE", "FACTORYRESET":
	default:
		return strings.HasPrefix(name, "SPEAKER") || strings.HasPrefix(name, "ALARM")
	}
	return true
}
