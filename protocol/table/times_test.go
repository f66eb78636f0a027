package table

import (
	"strings"
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	vienna := time.FixedZone("CET", 3600)
	now := time.Date(2026, 11, 20, 16, 0, 0, 0, vienna)
	for text, want := range map[string]string{
		"14:30":                         "2026-11-20T13:30:00Z",
		"14:30:05":                      "2026-11-20T13:30:05Z",
		"14:30:05.5":                    "2026-11-20T13:30:05.5Z",
		"14:30:05,5":                    "2026-11-20T13:30:05.5Z",
		"2026-11-19":                    "2026-11-18T23:00:00Z",
		"2026-11-19 14:30":              "2026-11-19T13:30:00Z",
		"2026-11-20 14:30:05.5":         "2026-11-20T13:30:05.5Z",
		"2026-11-20T14:30:05":           "2026-11-20T13:30:05Z",
		"2026-11-20T13:30:12.100000Z":   "2026-11-20T13:30:12.1Z", // as rows show it
		"2026-11-20 13:30:12Z":          "2026-11-20T13:30:12Z",
		"2026-11-20T14:30:12.100+02:00": "2026-11-20T12:30:12.1Z",
		"2026-11-20 13:30:12,100":       "2026-11-20T12:30:12.1Z", // as Excel shows it
		"yesterday":                     "2026-11-18T23:00:00Z",
		"yesterday 14:00":               "2026-11-19T13:00:00Z",
		"Today 14:00:01":                "2026-11-20T13:00:01Z",
		"now":                           "2026-11-20T15:00:00Z",
		"-2h":                           "2026-11-20T13:00:00Z",
		" -1h30m ":                      "2026-11-20T13:30:00Z",
		"-1d":                           "2026-11-19T15:00:00Z",
		"-90s":                          "2026-11-20T14:58:30Z",
	} {
		got, err := ParseTime(text, now)
		if err != nil || got.UTC().Format(time.RFC3339Nano) != want {
			t.Errorf("%q: %v, %v, want %s", text, got.UTC(), err, want)
		}
	}
	for _, text := range []string{"", "x", "25:00", "14:60", "2026-13-01", "20.11.2026", "-2", "--2h", "-+2h", "2h", "-NaNd", "-Infd", "yesterday noon", "now 14:00", "tomorrow", "14:30 h", "1795181412"} {
		if got, err := ParseTime(text, now); err == nil || !strings.Contains(err.Error(), `"yesterday 14:00" or -2h`) {
			t.Errorf("%q: %v, %v, want an error with examples", text, got, err)
		}
	}
}

// TestParseTimeOfADay: midnight of days with 23 and 25 hours.
func TestParseTimeAcrossSummer(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 10, 25, 12, 0, 0, 0, berlin) // summer time ended at 3:00
	for text, want := range map[string]string{"today 01:00": "2026-10-24T23:00:00Z", "yesterday 12:00": "2026-10-24T10:00:00Z", "04:00": "2026-10-25T03:00:00Z"} {
		if got, err := ParseTime(text, now); err != nil || got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%q: %v, %v, want %s", text, got.UTC(), err, want)
		}
	}
}

func TestParseBin(t *testing.T) {
	for text, want := range map[string]time.Duration{"1s": time.Second, "500ms": 500 * time.Millisecond, "1h30m": 90 * time.Minute, "1d": 24 * time.Hour, "1us": time.Microsecond, "2µs": 2 * time.Microsecond} {
		if got, err := ParseBin(text); err != nil || got != want {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for text, says := range map[string]string{"1": "with its unit", "": "with its unit", "0s": "at least one", "-1s": "at least one", "1ns": "whole microseconds", "9999d": "with its unit", "1 s": "with its unit"} {
		if got, err := ParseBin(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, %v, want an error that says %q", text, got, err, says)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"14:30", "-2h", "yesterday 14:00", "2026-11-20T13:30:12Z", "-3d", "2026-11-20 14:30:05,5"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 20, 16, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := ParseTime(s, now); err == nil && strings.HasPrefix(strings.TrimSpace(s), "-") && got.After(now) {
			t.Errorf("%q lies ahead: %v", s, got)
		}
	})
}
