//go:build unix

package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
)

// testHook is a hook of a shell script, and what was logged. The script gets a
// folder of its own as $1.
type testHook struct {
	*hook
	lines *logLines
	dir   string
	stop  context.CancelFunc
	ended sync.WaitGroup
}

func startHook(t *testing.T, script string, change func(*hook)) *testHook {
	t.Helper()
	h := &testHook{lines: &logLines{}, dir: t.TempDir()}
	h.hook = newHook([]string{"sh", "-c", script, "sh", h.dir}, zerolog.New(h.lines))
	if change != nil {
		change(h.hook)
	}
	ctx, stop := context.WithCancel(t.Context())
	h.stop = stop
	h.ended.Go(func() { h.run(ctx) })
	t.Cleanup(func() { stop(); h.ended.Wait() })
	return h
}

// file waits for a file that the script makes, and reads it.
func (h *testHook) file(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(h.dir, name)
	until(t, func() bool { _, err := os.Stat(path); return err == nil })
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// logged waits for a line of the log that has all these words.
func (h *testHook) logged(t *testing.T, words ...string) {
	t.Helper()
	until(t, func() bool {
		for _, line := range h.lines.messages() {
			all := true
			for _, w := range words {
				all = all && strings.Contains(line, w)
			}
			if all {
				return true
			}
		}
		return false
	})
}

// until waits for what another process does.
func until(t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for !done() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("waited in vain")
		}
	}
}

func TestHookGetsTheAlarm(t *testing.T) {
	h := startHook(t, `cat > "$1/new"; echo said; echo complained >&2; mv "$1/new" "$1/in"; exit 3`, nil)
	value, limit := 3.4e6, 3e6
	h.offer(alarmReport{Gateway: "pi", Device: "bench", Channel: "A", Kind: "above", ValueCPS: &value, LimitCPS: &limit,
		TimeUTC: time.Date(2026, 11, 20, 13, 30, 12, 100e6, time.UTC), Text: "A counts too much", Times: 2})
	want := `{"gateway":"pi","device":"bench","channel":"A","kind":"above","value_cps":3400000,"limit_cps":3000000,"time_utc":"2026-11-20T13:30:12.1Z","text":"A counts too much","times":2}` + "\n"
	if d := cmp.Diff(h.file(t, "in"), want); d != "" {
		t.Errorf("standard input (-got +want):\n%s", d)
	}
	h.logged(t, "on_alarm was run", `"error":"exit status 3"`, `said\ncomplained`)
}

// An overflow has no value, and a counter of unknown width no limit.
func TestHookOfWhatIsNotKnown(t *testing.T) {
	line, err := json.Marshal(alarmReport{Kind: "overflow"})
	if err != nil || !strings.Contains(string(line), `"value_cps":null,"limit_cps":null`) {
		t.Errorf("%s, %v", line, err)
	}
}

// A program that hangs is ended together with what it started.
func TestHookThatHangs(t *testing.T) {
	const hanging = `sleep 1000 & echo $! > "$1/new"; mv "$1/new" "$1/pid"; wait`
	gone := func(t *testing.T, pid string) {
		t.Helper()
		n, err := strconv.Atoi(strings.TrimSpace(pid))
		if err != nil {
			t.Fatal(err)
		}
		until(t, func() bool { return errors.Is(syscall.Kill(n, 0), syscall.ESRCH) })
	}
	t.Run("at the limit", func(t *testing.T) {
		h := startHook(t, hanging, func(h *hook) { h.limit = 200 * time.Millisecond })
		h.offer(alarmReport{Device: "bench"})
		pid := h.file(t, "pid")
		h.logged(t, "on_alarm was run", "it ran for longer than 30s")
		gone(t, pid)
		h.offer(alarmReport{Device: "next"})
		h.logged(t, "on_alarm was run", `"device":"next"`)
	})
	t.Run("at shutdown", func(t *testing.T) {
		h := startHook(t, hanging, nil)
		h.offer(alarmReport{Device: "bench"})
		h.offer(alarmReport{Device: "next", Text: "waits"})
		pid := h.file(t, "pid")
		h.stop()
		h.ended.Wait()
		h.logged(t, "on_alarm was run", `"ended":"context canceled"`)
		h.logged(t, "on_alarm is not run for this alarm: the gateway stops", "waits")
		gone(t, pid)
	})
}

// What an alarm's program leaves running in the background holds up nobody.
func TestHookLeavesSomethingBehind(t *testing.T) {
	h := startHook(t, `sleep 1000 & echo $! > "$1/new"; mv "$1/new" "$1/pid"`, nil)
	h.offer(alarmReport{})
	pid, err := strconv.Atoi(strings.TrimSpace(h.file(t, "pid")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Kill(pid, syscall.SIGKILL) }) //nolint:errcheck // it may have ended already
	h.logged(t, `"level":"info"`, "on_alarm was run")
}

// However many alarms there are, offering one does not wait.
func TestHookQueueIsBounded(t *testing.T) {
	lines := &logLines{}
	h := newHook([]string{"true"}, zerolog.New(lines))
	for range hookWaiting + 3 {
		h.offer(alarmReport{Device: "bench"})
	}
	if n := len(lines.messages()); len(h.queue) != hookWaiting || n != 3 {
		t.Errorf("%d wait, %d were told not to be run", len(h.queue), n)
	}
	none := newHook(nil, zerolog.New(lines))
	none.offer(alarmReport{})
	if len(none.queue) != 0 {
		t.Error("an alarm waits for a program that there is not")
	}
}

func TestHookOutputIsBounded(t *testing.T) {
	var l lastBytes
	for range 1000 {
		if n, err := l.Write([]byte("0123456789")); n != 10 || err != nil {
			t.Fatal(n, err)
		}
	}
	if got := l.String(); len(got) != hookOutput+len("... ") || !strings.HasPrefix(got, "... 4567890123") || !strings.HasSuffix(got, "6789") {
		t.Errorf("%d bytes: %.20q", len(got), got)
	}
}
