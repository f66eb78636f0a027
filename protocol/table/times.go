package table

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// timeExamples ends the sentence about a time that was not understood.
const timeExamples = `say it as in 14:30, 14:30:05.5, "2026-11-20 14:30", 2026-11-20T13:30:12Z, "yesterday 14:00" or -2h`

// timeForms are the forms of a day with a time, or without one.
var timeForms = []string{"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02", "2006-01-02T15:04:05", "2006-01-02T15:04"}

// clockForms are the forms of a time of a day.
var clockForms = []string{"15:04:05", "15:04"}

// ParseTime reads a moment as people write it, where it is now at now: a time
// of today (14:30, 14:30:05.5), a day and a time (2026-11-20 14:30), yesterday or
// today and a time, now, or how long ago (-2h, -90s, -3d). Without a zone (Z, +01:00)
// it is local time, that of now.
func ParseTime(text string, now time.Time) (time.Time, error) {
	word := strings.TrimSpace(text)
	if t, err := time.Parse(time.RFC3339Nano, strings.Replace(word, " ", "T", 1)); err == nil {
		return t, nil
	}
	for _, form := range timeForms {
		if t, err := time.ParseInLocation(form, word, now.Location()); err == nil {
			return t, nil
		}
	}
	if ago, ok := parseAgo(word); ok {
		return now.Add(-ago), nil
	}
	day, clock, days := word, "", 0
	if name, rest, ok := strings.Cut(word, " "); ok {
		day, clock = name, strings.TrimSpace(rest)
	}
	switch strings.ToLower(day) {
	case "":
		return time.Time{}, notATime(text)
	case "now":
		if clock != "" {
			return time.Time{}, notATime(text)
		}
		return now, nil
	case "today":
	case "yesterday":
		days = -1
	default:
		if clock != "" {
			return time.Time{}, notATime(text)
		}
		clock = day
	}
	h, ok := parseClock(clock)
	if !ok {
		return time.Time{}, notATime(text)
	}
	return time.Date(now.Year(), now.Month(), now.Day()+days, h.Hour(), h.Minute(), h.Second(), h.Nanosecond(), now.Location()), nil
}

func notATime(text string) error {
	return fmt.Errorf("%q is no time: %s; local time is meant unless a zone stands behind it", text, timeExamples)
}

func parseClock(text string) (time.Time, bool) {
	if text == "" {
		return time.Time{}, true
	}
	for _, form := range clockForms {
		if t, err := time.Parse(form, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// parseAgo reads -2h, also with days: -3d.
func parseAgo(text string) (time.Duration, bool) {
	rest, ok := strings.CutPrefix(text, "-")
	if !ok || strings.HasPrefix(rest, "-") || strings.HasPrefix(rest, "+") {
		return 0, false
	}
	if number, isDays := strings.CutSuffix(rest, "d"); isDays {
		days, err := strconv.ParseFloat(number, 64)
		return time.Duration(days * float64(24*time.Hour)), err == nil && days >= 0 && days < 100_000
	}
	d, err := time.ParseDuration(rest)
	return d, err == nil
}

// ParseBin reads the length of a bin: 1s, 500ms, 10m, 1h, 1d.
func ParseBin(text string) (time.Duration, error) {
	d, err := time.ParseDuration(strings.TrimSpace(text))
	if number, isDays := strings.CutSuffix(strings.TrimSpace(text), "d"); err != nil && isDays {
		var days uint64
		days, err = strconv.ParseUint(number, 10, 12)
		d = time.Duration(days) * 24 * time.Hour
	}
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is no length of time: say it with its unit, as in 1s, 500ms, 10m or 1h", text)
	case d <= 0 || d%time.Microsecond != 0:
		return 0, fmt.Errorf("%q: a bin lasts whole microseconds, and at least one", text)
	}
	return d, nil
}

// ParseZone reads a zone for a column of local time: local, utc, or a name as
// Europe/Vienna.
func ParseZone(text string) (*time.Location, error) {
	switch strings.ToLower(text) {
	case "local", "":
		return time.Local, nil
	case "utc":
		return time.UTC, nil
	}
	zone, err := time.LoadLocation(text)
	if err != nil {
		return nil, fmt.Errorf("%q is no zone that this computer knows: say local, utc, or a name as Europe/Vienna", text)
	}
	return zone, nil
}
