package gateway

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// rateText writes counts per second for people, with three digits: "3.41 Mcps".
func rateText(cps float64) string {
	unit := "cps"
	for _, u := range []struct {
		size float64
		name string
	}{{1e9, "Gcps"}, {1e6, "Mcps"}, {1e3, "kcps"}} {
		if cps >= u.size*0.9995 {
			cps, unit = cps/u.size, u.name
			break
		}
	}
	return digits(cps) + " " + unit
}

// digits writes a number of at least 0 with three digits that count.
func digits(x float64) string {
	if x >= 100 {
		return fmt.Sprintf("%.0f", x)
	}
	rounded, err := strconv.ParseFloat(fmt.Sprintf("%.3g", x), 64)
	if err != nil {
		return fmt.Sprint(x)
	}
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

// sentence says what is beyond which limit, when an alarm comes on.
func (a *alarm) sentence() string {
	if a.kind != alarmOverflow {
		return fmt.Sprintf("%s counts %s, %s its limit of %s", a.channel, rateText(a.cps()), a.kind, rateText(a.limit))
	}
	s := fmt.Sprintf("the counter of %s overflowed", a.channel)
	if a.width > 0 {
		s += fmt.Sprintf(": it has %d bits", a.width)
		if full := a.limitCPS(); full != nil {
			s += fmt.Sprintf(", and at a gate of %v holds no more than %s", a.gate, rateText(*full))
		}
	}
	return s
}

// overSentence says that an alarm is over.
func (a *alarm) overSentence() string {
	back := time.Duration(backFor)
	if a.kind == alarmOverflow {
		return fmt.Sprintf("the counter of %s has not overflowed for %v", a.channel, back)
	}
	return fmt.Sprintf("%s counts %s, and has not been %s its limit of %s for %v", a.channel, rateText(a.back.cps()), a.kind, rateText(a.limit), back)
}

// alarmUnknown is said besides of an alarm that is on while no readings come.
const alarmUnknown = " when it was last read; how it is now is not known"

// value is the rate in counts per second that made an alarm come on; nil when
// it is not known.
func (a *alarm) value() *float64 {
	if a.kind == alarmOverflow {
		return nil
	}
	cps := a.cps()
	return &cps
}

// limitCPS is the limit in counts per second; for a counter what it can hold,
// nil when that is not known.
func (a *alarm) limitCPS() *float64 {
	limit := a.limit
	if a.kind == alarmOverflow {
		if a.width == 0 || a.gate <= 0 {
			return nil
		}
		limit = fullRate(a.width, a.gate)
	}
	return &limit
}

// fullRate is the highest rate at which a counter does not overflow.
func fullRate(width int, gate time.Duration) float64 {
	return (math.Ldexp(1, width) - 1) / gate.Seconds()
}

// limitText and valueText are limit and value for the event.
func (a *alarm) limitText() string {
	if limit := a.limitCPS(); limit != nil {
		return rateText(*limit)
	}
	return ""
}

func (a *alarm) valueText() string {
	switch {
	case a.kind == alarmOverflow:
		return ""
	case a.on:
		return rateText(a.cps())
	default:
		return rateText(a.back.cps())
	}
}
