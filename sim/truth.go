package sim

import (
	"fmt"
	"io"
	"strconv"
	"time"
)

// truth writes what an instrument really counted as CSV: index, time_ns (the end
// of the interval counted, in Unix nanoseconds), then one column per channel.
// Each row is one Write, so nothing is left behind when the process is killed.
type truth struct {
	w     io.Writer
	index int64
	row   []byte
	err   error // the first; nothing is written after it
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
	for _, v := range values {
		t.row = strconv.AppendUint(append(t.row, ','), v, 10)
	}
	t.row = append(t.row, '\n')
	t.index++
	if _, err := t.w.Write(t.row); err != nil {
		t.err = fmt.Errorf("write truth, row %d: %w", t.index-1, err)
	}
}
