package cmd_test

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// isLong reports whether the campaign asks for the long form of the tests that
// inject faults.
func isLong() bool { return os.Getenv("PHOTONGATE_CHAOS") == "long" }

// progress tells whoever waits for a long test how far it is.
func progress(t *testing.T, format string, args ...any) {
	t.Helper()
	t.Logf("progress: "+format, args...)
}

// pause lets the programs under test run for a while.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}

// grouped writes a number with commas between thousands.
func grouped[N int | int64 | uint64](n N) string {
	text := strconv.FormatInt(int64(n), 10)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// saidAt is when a line of standard error that holds all the words was read.
func (p *proc) saidAt(words ...string) time.Time {
	p.t.Helper()
	p.waitFor(words...)
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, line := range p.lines {
		if containsAll(line, words) {
			return p.at[i]
		}
	}
	p.t.Fatalf("%s said %q and now it is not there", p.name, words)
	return time.Time{}
}
