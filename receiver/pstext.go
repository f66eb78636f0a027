package receiver

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// psUnits are units of short times, in ps.
var psUnits = []struct {
	name string
	ps   float64
}{{"s", 1e12}, {"ms", 1e9}, {"us", 1e6}, {"ns", 1e3}, {"ps", 1}}

// PsText writes a time in ps with its unit: 12.5ns, 81ps.
func PsText(ps float64) string {
	for _, u := range psUnits {
		if math.Abs(ps) >= u.ps {
			return strconv.FormatFloat(math.Round(ps/u.ps*1e6)/1e6, 'f', -1, 64) + u.name
		}
	}
	return strconv.FormatFloat(math.Round(ps*1e3)/1e3, 'f', -1, 64) + "ps"
}

// PsError writes a time in ps and its error, in the same digits: 24.99 ± 0.14ns.
func PsError(ps, sigma float64) string {
	for _, u := range psUnits {
		if math.Abs(ps) < u.ps && u.ps > 1 {
			continue
		}
		digits := 0
		if e := sigma / u.ps; e > 0 && e < 10 {
			digits = min(9, 1-int(math.Floor(math.Log10(e))))
		}
		return fmt.Sprintf("%.*f ± %.*f%s", digits, ps/u.ps, digits, sigma/u.ps, u.name)
	}
	return PsText(ps)
}

// ParsePs reads a time with its unit, ps, ns, us, ms or s: 100ns, 1.5us. It is in ps.
func ParsePs(text string) (int64, error) {
	word := strings.ReplaceAll(strings.TrimSpace(text), "µs", "us")
	for _, unit := range []string{"ps", "ns", "us", "ms", "s"} { // s is the end of the others
		number, ok := strings.CutSuffix(word, unit)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		for _, u := range psUnits {
			if u.name == unit {
				v *= u.ps
			}
		}
		switch {
		case err != nil || !(math.Abs(v) < 1e18):
		case math.Round(v) <= 0:
			return 0, fmt.Errorf("%s is too short: at least 1ps is needed", text)
		default:
			return int64(math.Round(v)), nil
		}
		break
	}
	return 0, fmt.Errorf("%q is no short time: say it with its unit (ps, ns, us, ms or s), as in 100ns, 1.5us or 81ps", text)
}
