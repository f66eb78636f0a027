package gateway

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Amount is room on a disk: so many bytes, or a part of the disk. The zero
// Amount is none said.
type Amount struct {
	Bytes   int64
	Percent float64 // of the disk; when it is not 0, Bytes is not looked at
}

// Defaults of what a journal may take.
const (
	DefaultQuotaPercent = 20      // of the disk
	DefaultKeepFree     = 1 << 30 // bytes, but not more than
	DefaultKeepPercent  = 5       // of the disk: a small card is not kept empty
	DefaultForgetAfter  = 14 * 24 * time.Hour
	quotaUnknownDisk    = 10_000_000_000 // bytes, where the size of the disk is not known
	minQuota            = 1_000_000      // bytes
	minForgetAfter      = time.Hour
	maxShare            = 1000
)

// Of is how many bytes an amount is on a disk of so many; 0 when that depends
// on the size of the disk, and it is not known (total 0).
func (a Amount) Of(total int64) int64 {
	if a.Percent == 0 {
		return a.Bytes
	}
	return int64(float64(total) * a.Percent / 100)
}

// String writes an amount as a configuration has it.
func (a Amount) String() string {
	if a.Percent != 0 {
		return strconv.FormatFloat(a.Percent, 'f', -1, 64) + "%"
	}
	best := strconv.FormatInt(a.Bytes, 10) + "B"
	for _, u := range sizeUnits[1:] {
		if n := a.Bytes / u.bytes; n > 0 && a.Bytes%u.bytes == 0 {
			if s := strconv.FormatInt(n, 10) + u.name; len(s) <= len(best) {
				best = s
			}
		}
	}
	return best
}

// sizeUnits are the units of sizes, bytes first.
var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"B", 1}, {"kB", 1e3}, {"KiB", 1 << 10}, {"MB", 1e6}, {"MiB", 1 << 20},
	{"GB", 1e9}, {"GiB", 1 << 30}, {"TB", 1e12}, {"TiB", 1 << 40},
}

const expectedAmount = `expected a size with its unit, in quotes: "20GB", "512MiB", or a part of the disk, "20%%"`

// parseAmount reads a size with its unit, or a part of the disk.
func parseAmount(v any) (Amount, error) {
	s, ok := v.(string)
	if !ok {
		return Amount{}, fmt.Errorf("%s is %s ("+expectedAmount+")", shown(v), kindOf(v))
	}
	wrong := fmt.Errorf("%q is no size ("+expectedAmount+")", s)
	text := strings.TrimSpace(s)
	end := strings.LastIndexAny(text, "0123456789.") + 1
	number, err := strconv.ParseFloat(strings.TrimSpace(text[:end]), 64)
	if err != nil || number < 0 || math.IsInf(number, 0) || math.IsNaN(number) {
		return Amount{}, wrong
	}
	unit := strings.TrimSpace(text[end:])
	if unit == "%" {
		if number == 0 || number > 100 {
			return Amount{}, fmt.Errorf("%q is impossible (expected more than 0%% and at most 100%%)", s)
		}
		return Amount{Percent: number}, nil
	}
	for _, u := range sizeUnits {
		if !strings.EqualFold(u.name, unit) {
			continue
		}
		if bytes := number * float64(u.bytes); bytes < 1<<62 {
			return Amount{Bytes: int64(math.Round(bytes))}, nil
		}
		return Amount{}, fmt.Errorf("%q is larger than any disk ("+expectedAmount+")", s)
	}
	return Amount{}, wrong
}

func (t *table) amount(key string) Amount {
	v, path, ok := t.take(key)
	if !ok {
		return Amount{}
	}
	a, err := parseAmount(v)
	if err != nil {
		t.src.report(path, "%v", err)
	} else if a == (Amount{}) {
		t.src.report(path, "%s is impossible (expected more than 0)", shown(v))
	}
	return a
}

var daysText = regexp.MustCompile(`^\s*([0-9]+(?:\.[0-9]+)?)\s*(?:d|day|days)\s*$`)

// long is a duration that may be in days: "14d".
func (t *table) long(key string) time.Duration {
	const expected = `expected a time with its unit, in quotes: "14d", "36h"`
	v, path, ok := t.take(key)
	if !ok {
		return 0
	}
	text, isText := v.(string)
	if !isText {
		t.src.report(path, "%s is %s (%s)", shown(v), kindOf(v), expected)
		return 0
	}
	d, err := parseDuration(text)
	if m := daysText.FindStringSubmatch(text); m != nil {
		days, derr := strconv.ParseFloat(m[1], 64)
		d, err = time.Duration(min(days, 36500)*24*float64(time.Hour)), derr
	}
	if err != nil {
		t.src.report(path, "%q is no time (%s)", text, expected)
	} else if d <= 0 {
		t.src.report(path, "%q is impossible (expected more than 0)", text)
	}
	return d
}

// weight is a number that may be left out, and that is more than 0.
func (t *table) weight(key string) float64 {
	v, path, ok := t.take(key)
	if !ok {
		return 0
	}
	var w float64
	switch n := v.(type) {
	case int64:
		w = float64(n)
	case float64:
		w = n
	default:
		t.wrongType(path, v, "a number: 2 has twice the room of 1")
		return 0
	}
	if !(w > 0) {
		t.src.report(path, "%s is impossible (expected more than 0: 2 has twice the room of 1)", shown(v))
	}
	return w
}

// checkSpace reports room that cannot be.
func (c Config) checkSpace(src *source) {
	if err := checkQuota(c.Quota); err != nil {
		src.report("gateway.quota", "%v", err)
	}
	if err := checkKeepFree(c.KeepFree); err != nil {
		src.report("gateway.keep_free", "%v", err)
	}
	if d := c.ForgetAfter; d != 0 && d < minForgetAfter {
		src.report("gateway.forget_after", "%v is too short: who is restarted would lose what is kept for him (expected at least 1h, as in \"14d\")", d)
	}
	for i, d := range c.Devices {
		if !(d.Share >= 0 && d.Share <= maxShare) { // not a number as well
			src.report(fmt.Sprintf("device[%d].share", i), "%v is impossible (expected more than 0 and at most %d)", d.Share, maxShare)
		}
	}
}

func checkQuota(a Amount) error {
	switch {
	case a == Amount{}:
	case a.Percent == 0 && a.Bytes < minQuota:
		return fmt.Errorf("%v is too small (expected at least 1MB)", a)
	case !(a.Percent >= 0 && a.Percent <= 95):
		return fmt.Errorf("%v leaves no room for anything else (expected at most 95%%)", a)
	}
	return nil
}

func checkKeepFree(a Amount) error {
	switch {
	case a.Bytes < 0:
		return fmt.Errorf("%v is impossible (expected more than 0)", a)
	case !(a.Percent >= 0 && a.Percent <= 90):
		return fmt.Errorf("%v leaves no room for the journal (expected at most 90%%)", a)
	}
	return nil
}

// quotaBytes and keepFreeBytes are what amounts come to on a disk of so many
// bytes, 0: not known. The zero Amount gives the default.
func quotaBytes(a Amount, total int64) int64 {
	if a == (Amount{}) {
		a.Percent = DefaultQuotaPercent
	}
	if b := a.Of(total); b > 0 {
		return max(b, minQuota)
	}
	return quotaUnknownDisk
}

func keepFreeBytes(a Amount, total int64) int64 {
	if a != (Amount{}) {
		return a.Of(total)
	}
	if total <= 0 {
		return DefaultKeepFree
	}
	return min(DefaultKeepFree, total*DefaultKeepPercent/100)
}
