package gateway

import (
	"fmt"
	"strconv"
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
