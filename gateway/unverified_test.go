package gateway

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/device"
	"photongate/protocol"
)

// deaf makes an instrument answer "0.1" whatever threshold it is told, until heed
// is called.
func deaf(b *bench) (heed func()) {
	b.want = device.Settings{"threshold": 0.8}
	b.take = func(name string, _ any) error { return nil }
	b.about = func(d *device.Description) {
		for i := range d.Settings {
			if d.Settings[i].Key == "threshold" {
				d.Settings[i].Value = "0.1"
			}
		}
	}
	refused := &device.Error{Op: "set threshold", Port: "/dev/bench", Err: device.ErrSetting}
	b.set(func(b *bench) {
		b.pushed = func() error { return refused }
	})
	return func() { b.set(func(b *bench) { b.pushed, b.about = nil, nil }) }
}

// verified writes what the log has as flagged does, with the ends.
func (r *taskRig) verified(t *testing.T) []string {
	t.Helper()
	return r.written(t, device.Unverified, protocol.TypeEvent, protocol.TypeEnd)
}

// An instrument that answers well and has not the settings it was told: all its
// readings are flagged, status and descriptor say what was asked for and what it
// says, and that is pushed again until it is taken.
func TestSettingsThatDoNotStick(t *testing.T) {
	t.Attr("fault", "F33")
	t.Attr("injected", "an instrument that answers and keeps its power-on threshold, for 35 s")
	t.Attr("promised", "each reading is flagged unverified until pushing again helps; status and descriptor say asked and read back")
	synctest.Test(t, func(t *testing.T) {
		var heed func()
		r := startTask(t, func(_ *task, b *bench) { heed = deaf(b) })
		s := <-r.bench.sources
		feed := func(n int) {
			for range n {
				s.feed <- readings(time.Now().UnixNano(), 100*time.Millisecond, 1)
				time.Sleep(100 * time.Millisecond)
			}
		}
		feed(350)
		const want = "threshold: asked for 0.8 V, the instrument says 0.1 V"
		if got := r.state(t, Running).Unverified; got != want {
			t.Errorf("status: got %q, want %q", got, want)
		}
		heed() // the next push is taken
		feed(400)
		if got := r.state(t, Running).Unverified; got != "" {
			t.Errorf("status, after it was taken: %q", got)
		}
		pushed := r.bench.pushes()
		r.end()
		var d protocol.Descriptor
		_, payload, _, _ := protocol.ParseFrame(r.frame.all()[0])
		if err := protocol.DecodeJSON(payload, &d); err != nil || !d.Unverified {
			t.Errorf("descriptor: %v, unverified %v", err, d.Unverified)
		}
		if diff := cmp.Diff(d.Settings[1], protocol.Setting{Key: "threshold", Value: "0.1", Unit: "V", How: "read back", Asked: "0.8"}); diff != "" {
			t.Errorf("descriptor (-got +want):\n%s", diff)
		}
		got := r.verified(t)
		before, after, events := 0, 0, 0
		for _, line := range got {
			switch {
			case strings.HasPrefix(line, `{"what":"set","who":"gateway","from":"gateway","old":"0.1 V","new":"0.8 V"`):
				events++
			case strings.HasSuffix(line, "unverified") && events == 0:
				before++
			case strings.HasPrefix(line, "1.") && events == 1:
				after++
			}
		}
		if before < 350 || before+after != 750 || events != 1 {
			t.Errorf("%d readings flagged before the push, %d not flagged after %d pushes that were taken:\n%s", before, after, events, strings.Join(got[max(0, len(got)-60):], "\n"))
		}
		// In vain after 10 s and 30 s, taken after 70 s.
		if pushed != 3 {
			t.Errorf("pushed %d times", pushed)
		}
		t.Attr("seen", fmt.Sprintf("%d readings flagged, pushed again %d times, then %d not flagged; status: %s", before, pushed, after, want))
	})
}

// A setting that takes a new opening, and that the instrument does not take, is
// refused to who asked for it; it goes on with the old one.
func TestReopenedForASettingThatDoesNotStick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startTask(t, func(_ *task, b *bench) {
			b.want = device.Settings{"trigger": "rising"}
			b.about = func(d *device.Description) { d.Settings[len(d.Settings)-1].Value = "rising" }
		})
		defer r.end()
		s := <-r.bench.sources
		s.feed <- readings(time.Now().UnixNano(), 100*time.Millisecond, 1)
		reply := controlOf(r).ask(t, setting("trigger", "falling"))
		const want = "trigger was not changed: set trigger /dev/bench: setting was not accepted: trigger: asked for falling, the instrument says rising; it goes on with the old one"
		if reply.Text != want {
			t.Errorf("got  %q\nwant %q", reply.Text, want)
		}
		s = <-r.bench.sources
		select {
		case <-s.port.closed:
		default:
			t.Error("the port that has not the setting is still open")
		}
		s = <-r.bench.sources
		s.feed <- readings(time.Now().UnixNano(), 100*time.Millisecond, 1)
		if got := r.state(t, Opening).Unverified; got != "" {
			t.Errorf("unverified: %s", got)
		}
	})
}

// What cannot be read back is told as well.
func TestSettingsThatCannotBeReadBack(t *testing.T) {
	about := device.Description{Unverified: true, Settings: []device.Setting{
		{Key: "gate", Value: "1s", How: "sent"}, {Key: "threshold", Value: "0.8", Unit: "V", How: "sent", Asked: "0.8"}, {Key: "terminator", Value: "cr", How: "assumed"}}}
	if got, want := unverified(about), "gate, threshold: sent, and the instrument does not say what it has"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	about.Unverified = false
	if got := unverified(about); got != "" {
		t.Errorf("verified: %q", got)
	}
}

// An instrument that restarted by itself and came back with other settings is
// asked after the gap that it made, or each minute: the part ends, an event says
// since when it is in doubt, and at the next opening the settings are pushed.
func TestRestartIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		timing device.Timing
		gap    bool
		after  time.Duration // found after; 0: not at all
	}{
		"gap, timed by the instrument": {device.ByDevice, true, 5 * time.Second},
		"gap, polled":                  {device.ByHostClearing, true, 5 * time.Second},
		"no sign":                      {device.ByDevice, false, time.Minute},
		"no sign, polled":              {device.ByHostClearing, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Attr("fault", "F33")
			t.Attr("injected", "the instrument restarts by itself and goes on with other settings: "+name)
			t.Attr("promised", "asked after a gap or each minute, opened anew, the doubt is told; polled and without a gap it cannot be seen")
			synctest.Test(t, func(t *testing.T) {
				restarted := false
				r := startTask(t, func(_ *task, b *bench) {
					b.about = func(d *device.Description) { d.Timing = c.timing }
					b.check = func(*fakeSource) error {
						if restarted {
							return fmt.Errorf("check: %w: threshold was 0.8 V and is 0.1 V", device.ErrChanged)
						}
						return nil
					}
				})
				s := <-r.bench.sources
				begin := time.Now()
				for time.Since(begin) < 2*time.Minute && len(r.bench.sources) == 0 {
					if time.Since(begin) == time.Second {
						restarted = true
						s.feed <- func(b *device.Batch) {
							if c.gap {
								b.Notes = append(b.Notes, device.Note{Gap: &device.Gap{Cause: device.CauseLost, Begin: time.Now().UnixNano()}})
							}
						}
					}
					s.feed <- readings(time.Now().UnixNano(), 100*time.Millisecond, 1)
					time.Sleep(100 * time.Millisecond)
				}
				found := time.Since(begin).Round(time.Second)
				r.end()
				log := strings.Join(r.verified(t), "\n")
				says := `"what":"settings in doubt","who":"driver","text":"check: settings changed by themselves: threshold was 0.8 V and is 0.1 V; they were last known to be right ` + c.after.String() + " before"
				if c.after == 0 {
					if found < 2*time.Minute || strings.Contains(log, "in doubt") {
						t.Errorf("found after %v", found)
					}
					t.Attr("seen", fmt.Sprintf("not found in %v, as said", found))
					return
				}
				if found < c.after || found > c.after+time.Second || !strings.Contains(log, says) || !strings.Contains(log, `{"cause":"reopened","detail":"check: settings changed`) {
					t.Errorf("found after %v, want %v:\n%s", found, c.after, log)
				}
				t.Attr("seen", fmt.Sprintf("opened anew after %v", found))
			})
		})
	}
}

// A bench that is switched off for the night is one state, with one end in the
// record and few lines in the log, however it is off.
func TestBenchSwitchedOffAtNight(t *testing.T) {
	for name, off := range map[string]func(*bench){
		"no port":   func(b *bench) { b.openErr = &device.Error{Op: "open", Port: "/dev/bench", Err: device.ErrNoPort} },
		"no answer": func(b *bench) { b.openErr = &device.Error{Op: "identify", Port: "/dev/bench", Err: device.ErrTimeout} },
		"silence":   func(*bench) {}, // it can be opened, and gives nothing
	} {
		t.Run(name, func(t *testing.T) {
			t.Attr("fault", "F34")
			t.Attr("injected", "an instrument that is off for 12 h: "+name)
			t.Attr("promised", "one end in the record and nothing more, one state, one log line and rare repeats")
			synctest.Test(t, func(t *testing.T) {
				r := startTask(t, nil)
				s := <-r.bench.sources
				s.feed <- readings(time.Now().UnixNano(), 100*time.Millisecond, 3)
				synctest.Wait()
				r.bench.set(off)
				if name == "no port" {
					s.feed <- device.ErrGone
				}
				time.Sleep(time.Minute)
				state := r.status.snapshot()
				size := r.frame.size()
				attempts := state.Attempts
				time.Sleep(12*time.Hour - time.Minute)
				after := r.status.snapshot()
				if after.State != state.State || !after.Since.Equal(state.Since) || state.State == Running {
					t.Errorf("%s since %v, twelve hours later %s since %v", state.State, state.Since, after.State, after.Since)
				}
				lines := 0
				for _, l := range r.lines.messages() {
					if !strings.Contains(l, `"message":"running"`) {
						lines++
					}
				}
				if grown := r.frame.size() - size; grown != 0 {
					t.Errorf("the journal grew by %d bytes:\n%s", grown, strings.Join(r.shapes(t), "\n"))
				}
				ends := strings.Count(strings.Join(r.shapes(t), "\n"), " end ")
				if len(r.frame.all()) != 3 || ends != 1 {
					t.Errorf("got %q, want descriptor, counts and end", r.shapes(t))
				}
				if lines > 40 {
					t.Errorf("%d lines in the log:\n%s", lines, strings.Join(r.lines.messages(), "\n"))
				}
				if after.Attempts < attempts+1000 {
					t.Errorf("%d attempts in twelve hours", after.Attempts)
				}
				// Switched on in the morning, it is back at the next attempt.
				r.bench.set(func(b *bench) { b.openErr = nil })
				for back := false; !back; { // sources opened at night are closed
					s := <-r.bench.sources
					select {
					case <-s.port.closed:
					default:
						s.feed <- readings(time.Now().UnixNano(), 100*time.Millisecond, 1)
						back = true
					}
				}
				time.Sleep(300 * time.Millisecond)
				r.state(t, Running)
				r.end()
				if gaps := strings.Count(strings.Join(r.shapes(t), "\n"), " gap "); gaps != 1 {
					t.Errorf("%d gaps for one night", gaps)
				}
				t.Attr("seen", fmt.Sprintf("%s all night, %d attempts, %d log lines, 0 bytes and 0 epochs written, 1 gap in the morning", state.State, after.Attempts, lines))
			})
		})
	}
}

// size is how many bytes were written.
func (l *memoryLog) size() int {
	n := 0
	for _, frame := range l.all() {
		n += len(frame)
	}
	return n
}
