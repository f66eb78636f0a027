package gateway

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/device"
)

// What runs is told in one line, once for each time it was opened.
func TestRunningSaysWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startTask(t, func(k *task, b *bench) {
			k.cfg.Channels = []ChannelConfig{{Input: "B", Name: "idler"}}
			b.about = func(d *device.Description) { d.Firmware, d.Hint = "1.4", "set gate" }
		})
		for range 2 {
			s := <-r.bench.sources
			s.feed <- readings(time.Now().UnixNano(), 100*time.Millisecond, 1)
			time.Sleep(2 * time.Second) // it falls silent
			r.state(t, Stalled)
			s.feed <- readings(time.Now().UnixNano(), 100*time.Millisecond, 1)
			time.Sleep(time.Second / 2)
			r.state(t, Running)
			s.feed <- device.ErrGone
		}
		r.end()
		var got []string
		for _, line := range r.lines.messages() {
			if strings.Contains(line, `"message":"running"`) {
				got = append(got, line)
			}
		}
		told := `{"level":"info","model":"fake","serial":"7","firmware":"1.4","identity":"confirmed","gate":"100ms","timing":"device","channels":"A,idler","hint":"set gate","message":"running"}`
		again := `{"level":"info","message":"running"}`
		if d := cmp.Diff(got, []string{told, again, told, again}); d != "" {
			t.Errorf("lines (-got +want):\n%s", d)
		}
	})
}

// A port that was never there has not gone; one that was has.
func TestPortNotThereYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		absent := &device.Error{Op: "open", Port: "/dev/bench", Err: device.ErrNoPort}
		r := startTask(t, func(_ *task, b *bench) { b.openErr = absent })
		time.Sleep(3 * time.Second)
		if s := r.state(t, Waiting); s.Cause != "not there yet: open /dev/bench: no such port" {
			t.Errorf("cause before: %q", s.Cause)
		}
		r.bench.set(func(b *bench) { b.openErr = nil })
		s := <-r.bench.sources
		r.bench.set(func(b *bench) { b.openErr = absent })
		s.feed <- device.ErrGone
		time.Sleep(3 * time.Second)
		if s := r.state(t, Gone); s.Cause != "open /dev/bench: no such port" {
			t.Errorf("cause after: %q", s.Cause)
		}
		r.end()
	})
}

// Trouble that stays is told again soon at first, with how often it came.
func TestTroubleIsToldAgain(t *testing.T) {
	for name, kind := range map[string]error{"port absent": device.ErrNoPort, "port in use": device.ErrBusy} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				r := startTask(t, func(_ *task, b *bench) {
					b.open = func(context.Context) error { return &device.Error{Op: "open", Port: "/dev/bench", Err: kind} }
				})
				var told []time.Duration
				for seen := 0; time.Since(begin) < 4*time.Minute; {
					time.Sleep(time.Second / 10)
					synctest.Wait()
					if n := strings.Count(strings.Join(r.lines.messages(), "\n"), "trying again"); n > seen {
						seen = n
						told = append(told, time.Since(begin))
					}
				}
				r.end()
				for i := 1; i < len(told); i++ {
					longest := repeatSoon + backoffMax
					if told[i] > time.Minute {
						longest = repeatEvery + backoffMax
					}
					if pause := told[i] - told[i-1]; pause > longest {
						t.Errorf("silent from %v to %v", told[i-1], told[i])
					}
				}
				if len(told) < 8 || len(told) > 14 {
					t.Errorf("told at %v", told)
				}
				if line := r.lines.messages()[2]; !strings.Contains(line, `"times":`) {
					t.Errorf("no count in %s", line)
				}
			})
		})
	}
}
