package labjack

import (
	"errors"
	"fmt"

	"photongate/device"
)

const labJackPython = "labjack/LabJackPython src/LabJackPython.py, src/u3.py"

// quirks are what public sources warn of or leave open.
var quirks = []device.Quirk{
	{
		Name: "damaged command", Title: "a command whose checksum is wrong is answered b8 b8 and not carried out", Source: labJackPython,
		Met: counted("commands answered b8 b8", func(p []byte) bool { return errors.Is(parseAnswer(p, cmdFeedback), errResend) }),
	},
	{
		Name: "analog pin", Title: "a counter whose pin is set to analog is reported as error 97", Source: labJackPython,
		Met: counted("answers with error 97", func(p []byte) bool { return reports(p, 97, 97) }),
	},
	{
		Name: "timer faults", Title: "errors 66 to 72 are about timers, which share the pins with the counters", Source: labJackPython,
		Met: counted("answers with such an error", func(p []byte) bool { return reports(p, 66, 72) }),
	},
}

// reports reports whether an answer is an error from low to high.
func reports(p []byte, low, high byte) bool {
	if len(p) <= headBytes {
		return false
	}
	code, is := errors.AsType[deviceCode](parseAnswer(p, p[3]))
	return is && code.code >= low && code.code <= high
}

// counted says how many answers in a conversation fit.
func counted(what string, fits func([]byte) bool) func([]device.Exchange) string {
	return func(talk []device.Exchange) string {
		n := 0
		for _, e := range talk {
			if !e.Sent && fits(e.Bytes) {
				n++
			}
		}
		if n == 0 {
			return ""
		}
		return fmt.Sprintf("%d %s", n, what)
	}
}
