package receiver

import (
	"fmt"
	"strconv"
	"time"
)

// SizeText is a number of bytes for people: 312 MB.
func SizeText(n int64) string {
	size, units := float64(n), []string{"B", "kB", "MB", "GB", "TB"}
	for len(units) > 1 && size >= 999.5 {
		size, units = size/1000, units[1:]
	}
	return strconv.FormatFloat(size, 'g', 3, 64) + " " + units[0]
}

// spanText is a time for people, in its two largest units: 2 d 4 h; 576 d.
func spanText(d time.Duration) string {
	units := []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}}
	for i, u := range units {
		if d < u.length {
			continue
		}
		text := fmt.Sprintf("%d %s", d/u.length, u.name)
		if i+1 < len(units) && d < 30*24*time.Hour {
			if rest := d % u.length / units[i+1].length; rest > 0 {
				text += fmt.Sprintf(" %d %s", rest, units[i+1].name)
			}
		}
		return text
	}
	return "less than a second"
}

// shortSpan is a time for people, also one of a few seconds: 2.1 s; 4 min 12 s.
func shortSpan(d time.Duration) string {
	if d < 10*time.Second {
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	}
	return spanText(d.Round(time.Second))
}
