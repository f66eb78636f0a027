package sim

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// truth writes what an instrument really counted as CSV: index, time_ns (the end
// of the interval counted, in Unix nanoseconds), then one column per channel.
// Each row is one Write, so nothing is left behind when the process is killed.
//
// An instrument that gives tags as well has a truth of either: what comes first
// decides, and of the other kind nothing is written.
type truth struct {
	w        io.Writer
	columns  []string // of a header that waits for the first row
	decimals []int    // digits of each value that stand behind its point; none beyond the list
	index    int64
	row      []byte
	err      error // the first; nothing is written after it

	tags   tagTruth
	holds  truthKind
	notice func(string)
	told   bool // that something is not written
}

// truthKind is what a truth is of.
type truthKind int

const (
	nothingYet truthKind = iota
	ofCounts
	ofTags
)

// take reports whether the truth is of this kind, which it says if it is not.
func (t *truth) take(kind truthKind) bool {
	if t.holds == nothingYet {
		t.holds = kind
	}
	if t.holds != kind && !t.told && t.notice != nil {
		t.told = true
		t.notice("truth: it holds counts or tags, whichever came first; what comes now is of the other kind and is not written")
	}
	return t.holds == kind
}

func (t *truth) header(channels []string) error {
	line := []byte("index,time_ns")
	for _, name := range channels {
		line = append(append(line, ','), name...)
	}
	if _, err := t.w.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write truth: %w", err)
	}
	return nil
}

func (t *truth) latched(at time.Time, values []uint64) {
	if t.w == nil || t.err != nil || !t.take(ofCounts) {
		return
	}
	if t.columns != nil {
		t.err = t.header(t.columns)
		t.columns = nil
	}
	t.row = strconv.AppendInt(t.row[:0], t.index, 10)
	t.row = strconv.AppendInt(append(t.row, ','), at.UnixNano(), 10)
	for i, v := range values {
		t.row = append(t.row, ',')
		if i < len(t.decimals) && t.decimals[i] > 0 {
			t.row = appendPoint(t.row, v, t.decimals[i])
			continue
		}
		t.row = strconv.AppendUint(t.row, v, 10)
	}
	t.row = append(t.row, '\n')
	t.index++
	if _, err := t.w.Write(t.row); err != nil {
		t.err = fmt.Errorf("write truth, row %d: %w", t.index-1, err)
	}
}

// appendPoint writes a number of which so many digits stand behind the point.
func appendPoint(dst []byte, v uint64, decimals int) []byte {
	digits := strconv.FormatUint(v, 10)
	if n := decimals + 1 - len(digits); n > 0 {
		digits = strings.Repeat("0", n) + digits
	}
	at := len(digits) - decimals
	return append(append(append(dst, digits[:at]...), '.'), digits[at:]...)
}

// end writes what waits.
func (t *truth) end() error {
	if t.err != nil || t.tags.err != nil { // told when it came
		return nil
	}
	t.tags.write()
	t.tags.writeLoss()
	return t.tags.err
}
