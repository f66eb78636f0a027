package gateway

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	"photongate/protocol/journal"
)

// SizeText writes a number of bytes for people: "3.4 GB", "512 kB".
func SizeText(bytes int64) string {
	size := float64(bytes)
	for _, u := range []struct {
		bytes float64
		name  string
	}{{1e12, "TB"}, {1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}} {
		if size >= u.bytes*0.9995 {
			return digits(size/u.bytes) + " " + u.name
		}
	}
	if bytes == 1 {
		return "1 byte"
	}
	return strconv.FormatInt(max(bytes, 0), 10) + " bytes"
}

// SpanText writes a time for people, in its two largest units: "2 h 10 min".
func SpanText(d time.Duration) string {
	const day = 24 * time.Hour
	d = max(d, 0)
	switch {
	case d >= 365*day:
		return fmt.Sprintf("%.1f years", d.Hours()/24/365.25)
	case d >= 100*day:
		return fmt.Sprintf("%d d", d/day)
	case d >= day:
		return twoUnits(d, day, "d", time.Hour, "h")
	case d >= time.Hour:
		return twoUnits(d, time.Hour, "h", time.Minute, "min")
	case d >= time.Minute:
		return twoUnits(d, time.Minute, "min", time.Second, "s")
	case d >= 10*time.Second || d%time.Second == 0:
		return fmt.Sprintf("%d s", d/time.Second)
	}
	return strconv.FormatFloat(d.Round(100*time.Millisecond).Seconds(), 'f', -1, 64) + " s"
}

func twoUnits(d, large time.Duration, largeName string, small time.Duration, smallName string) string {
	text := fmt.Sprintf("%d %s", d/large, largeName)
	if rest := d % large / small; rest > 0 {
		text += fmt.Sprintf(" %d %s", rest, smallName)
	}
	return text
}

// andText joins names: "a, b and c".
func andText(names []string) string {
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return strings.Join(names, "")
}

// What the disk says when there is no room.
const (
	textFull  = "the disk is full"
	textQuota = "this user may take no more of the disk"
)

// diskText says in a sentence what the disk said, for people.
func diskText(err error) string {
	var mute muteError
	var slow slowError
	switch {
	case errors.As(err, &mute) || errors.As(err, &slow):
		return err.Error()
	case errors.Is(err, syscall.EDQUOT):
		return textQuota
	case journal.IsFull(err):
		return textFull
	case errors.Is(err, syscall.EROFS):
		return "the disk cannot be written any more, only read: it may be broken, look at it soon"
	case errors.Is(err, syscall.EIO):
		return "the disk reports errors: it may be broken, look at it soon"
	}
	if said, ok := errors.AsType[syscall.Errno](err); ok {
		return "the disk gives errors: " + said.Error()
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return "the disk gives errors: " + first
}
