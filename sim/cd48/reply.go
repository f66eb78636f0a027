package cd48

import (
	"bytes"
	"fmt"
	"strconv"
)

// versionText is one line with a number of the form d.d in it; the true text is
// not known.
const versionText = "CD48 firmware 1.4\r\n"

// helpText begins as that of a unit does (amcdawes/coincidence README.md); the rest
// is told in other words.
const helpText = "Coincidence Detector CD48\r\n" +
	"(simulated)\r\n" +
	"\r\n" +
	"Commands:\r\n" +
	"  C  counts and overflow, for people; clears the counters\r\n" +
	"  c  counts and overflow, nine numbers; clears the counters\r\n" +
	"  E  overflow flags; clears them\r\n" +
	"  H  this text\r\n" +
	"  Ln  input threshold, n = 0 to 255 for 0 to 4.08 V\r\n" +
	"  P  settings, for people\r\n" +
	"  p  settings, twelve numbers\r\n" +
	"  rn  repeat interval in ms, n = 100 to 65535\r\n" +
	"  R  repeat on or off\r\n" +
	"  SnABCD  counter n counts the inputs with a 1\r\n" +
	"  T  all LEDs on for 1 s\r\n" +
	"  Vn  output voltage, n = 0 to 255 for 0 to 4.08 V\r\n" +
	"  v  firmware version\r\n" +
	"  Z  inputs of high impedance\r\n" +
	"  z  inputs of 50 ohm\r\n"

// appendCounts appends the reply to c: counters 0 to 7 and the overflow byte,
// exactly one space between them (amcdawes/coincidence coinc/main.py needs that).
func appendCounts(b []byte, counts [counters]uint64, flags uint64) []byte {
	for _, count := range counts {
		b = append(strconv.AppendUint(b, count, 10), ' ')
	}
	return append(strconv.AppendUint(b, flags, 10), "\r\n"...)
}

// appendHumanCounts appends the reply to C. Its text is not known.
func appendHumanCounts(b []byte, counts [counters]uint64, flags uint64) []byte {
	for n, count := range counts {
		b = fmt.Appendf(b, "Counter %d: %d\r\n", n, count)
	}
	return fmt.Appendf(b, "Overflow: %d\r\n", flags)
}

// humanSettings is the reply to P. Of its text only this is known: characters 86
// to 88, counted from 1, read "off" when repeat is off, the threshold is written
// as L050 and the interval with five digits (Khajavi and Galvez, Colgate).
func humanSettings(s Settings) []byte {
	var b bytes.Buffer
	for n, mask := range s.Masks {
		fmt.Fprintf(&b, "S%d", n)
		for i := range inputs {
			fmt.Fprintf(&b, "%d", mask>>i&1)
		}
		b.WriteByte(' ')
	}
	impedance, repeat := 'z', "off"
	if s.HighImpedance {
		impedance = 'Z'
	}
	if s.Repeat {
		repeat = "on "
	}
	fmt.Fprintf(&b, "L%03d r%05d %c  Repeat state: %s\r\n", s.Threshold, s.IntervalMs, impedance, repeat)
	return b.Bytes()
}

// machineSettings is the reply to p: eight masks, repeat interval, repeat status,
// threshold, impedance. Taken to be decimal, a mask being the digits of S read as
// a binary number (A is 8), 1 for repeat on and for high impedance.
func machineSettings(s Settings) []byte {
	var b bytes.Buffer
	for _, mask := range s.Masks {
		nibble := 0
		for i := range inputs {
			nibble = nibble<<1 | mask>>i&1
		}
		fmt.Fprintf(&b, "%d ", nibble)
	}
	fmt.Fprintf(&b, "%d %d %d %d\r\n", s.IntervalMs, digit(s.Repeat), s.Threshold, digit(s.HighImpedance))
	return b.Bytes()
}

func digit(on bool) int {
	if on {
		return 1
	}
	return 0
}
