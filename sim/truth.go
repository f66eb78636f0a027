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
type truth struct {
	w        io.Writer
	decimals []int // digits of each value that stand behind its point; none beyond the list
	index    int64
	row      []byte
	err      error // the first; nothing is written after it
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
	if t.w == nil || t.err != nil {
		return
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
