package unknown

import "photongate/device"

// BaudRates are tried in this order when nobody says which it is.
var BaudRates = [...]int{9600, 115200, 19200, 57600, 38400, 230400, 250000, 4800, 2400}

// Attempt is what came at one baud rate.
type Attempt struct {
	Baud   int
	Talk   []device.Exchange
	Report Report
}

// Enough reports whether an attempt makes so much sense that no other rate need
// be tried: a driver knows the bytes, or they are several lines of text in
// columns. Silence is enough as well: also at a wrong rate something would come.
func (a Attempt) Enough() bool {
	return a.Report.Looks == Silent || a.Report.Driver != "" || a.Report.Sure > 2.5
}

// Best returns which of some attempts (at least one) makes most sense, and
// whether it is clearly better than the others. Garbage has pauses and lengths
// too, so binary records alone never make a rate the clear one.
func Best(attempts []Attempt) (best Attempt, clearly bool) {
	best = attempts[0]
	second := 0.0
	for _, a := range attempts[1:] {
		switch {
		case a.Report.Sure > best.Report.Sure:
			best, second = a, best.Report.Sure
		case a.Report.Sure > second:
			second = a.Report.Sure
		}
	}
	return best, best.Report.Sure >= 2 && best.Report.Sure > second+0.3
}
