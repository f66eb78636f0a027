package gateway

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"photongate/device"
)

// An open that hangs is abandoned, and there is no second one on that port
// until it returns.
func TestOpenHangs(t *testing.T) {
	t.Attr("fault", "F38")
	t.Attr("injected", "an open that does not return for ten minutes")
	t.Attr("promised", "abandoned after 12 s, told in the status, no second one until it returns, then opened again")
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var opens atomic.Int64
		r := startTask(t, func(_ *task, b *bench) {
			b.open = func(context.Context) error {
				if opens.Add(1) == 1 {
					<-release
				}
				return nil
			}
		})
		time.Sleep(openLimit + openGrace + time.Second)
		got := r.state(t, Failed)
		if !strings.Contains(got.Cause, "open /dev/bench: does not return since ") || got.Hint == "" {
			t.Errorf("cause and hint: got %q, %q", got.Cause, got.Hint)
		}
		if got.LeftBehind != got.Cause {
			t.Errorf("left behind: got %q, want %q", got.LeftBehind, got.Cause)
		}
		t.Attr("seen", "left behind: "+got.LeftBehind)
		time.Sleep(10 * time.Minute)
		if n := opens.Load(); n != 1 {
			t.Errorf("%d opens while the first one hangs", n)
		}
		close(release)
		late := <-r.bench.sources
		time.Sleep(backoffMax)
		synctest.Wait()
		select {
		case <-late.port.closed:
		default:
			t.Error("the late source was not closed")
		}
		if left := r.status.snapshot().LeftBehind; left != "" {
			t.Errorf("left behind, after it returned: %q", left)
		}
		r.end()
		if opens.Load() < 2 {
			t.Error("it was not opened again")
		}
	})
}

// An open that returns at the moment it is given up is either used or closed.
func TestOpenReturnsLate(t *testing.T) {
	for range 64 {
		synctest.Test(t, func(t *testing.T) {
			r := startTask(t, func(_ *task, b *bench) {
				b.open = func(ctx context.Context) error { <-ctx.Done(); time.Sleep(openGrace); return nil }
			})
			defer r.end()
			time.Sleep(openLimit + openGrace + 10*time.Millisecond)
			synctest.Wait()
			if got := r.status.snapshot(); strings.Contains(got.Cause, device.ErrClosed.Error()) {
				t.Errorf("a source that had been closed was read: %s", got.Cause)
			}
		})
	}
}

// deafSource hangs in Read, whatever happens.
type deafSource struct {
	*fakeSource
	release chan struct{}
}

func (s *deafSource) Read(*device.Batch) error { <-s.release; return device.ErrClosed }

func TestReadHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		r := startTask(t, func(k *task, _ *bench) {
			open := k.driver.Open
			k.driver.Open = func(ctx context.Context, req device.OpenRequest) (device.Source, error) {
				s, err := open(ctx, req)
				return &deafSource{s.(*fakeSource), release}, err
			}
		})
		time.Sleep(readLimit + closeLimit + 10*time.Minute)
		if got := r.state(t, Failed); !strings.HasPrefix(got.Cause, "read /dev/bench: does not return since ") || got.LeftBehind != got.Cause {
			t.Errorf("cause: got %q, left behind %q", got.Cause, got.LeftBehind)
		}
		if n := len(r.bench.sources); n != 1 {
			t.Errorf("opened %d times while the first read hangs", n)
		}
		close(release)
		time.Sleep(backoffMax)
		synctest.Wait()
		if n := len(r.bench.sources); n < 2 {
			t.Errorf("opened %d times, want once more after the first read returned", n)
		}
		r.end()
	})
}

// A panic of a driver is trouble of its device, wherever it comes.
func TestDriverPanics(t *testing.T) {
	for _, where := range []string{"open", "read", "close", "describe"} {
		t.Run(where, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var port *fakePort
				r := startTask(t, func(k *task, _ *bench) {
					open := k.driver.Open
					k.driver.Open = func(ctx context.Context, req device.OpenRequest) (device.Source, error) {
						port = req.Port.(*fakePort)
						if where == "open" {
							panic("boom")
						}
						s, err := open(ctx, req)
						return &panicSource{s.(*fakeSource), where}, err
					}
				})
				time.Sleep(100 * time.Millisecond)
				if where != "close" {
					if got := r.state(t, Failed); !strings.Contains(got.Cause, "mistake in the driver fake: panic: boom") {
						t.Errorf("cause: got %q", got.Cause)
					}
					select {
					case <-port.closed:
					default:
						t.Error("the port is still open")
					}
				}
				r.end()
				if !strings.Contains(strings.Join(r.lines.messages(), "\n"), "driver panicked") {
					t.Error("the log says nothing of the panic")
				}
			})
		})
	}
}

type panicSource struct {
	*fakeSource
	where string
}

func (s *panicSource) Read(b *device.Batch) error {
	if s.where == "read" {
		panic("boom")
	}
	return s.fakeSource.Read(b)
}

func (s *panicSource) Close() error {
	err := s.fakeSource.Close()
	if s.where == "close" {
		panic("boom")
	}
	return err
}

func (s *panicSource) Describe() device.Description {
	if s.where == "describe" {
		panic("boom")
	}
	return s.fakeSource.Describe()
}

// Columns that do not agree never reach the record.
func TestDriverGivesNonsense(t *testing.T) {
	for name, spoil := range map[string]func(*device.Batch){
		"short column":  func(b *device.Batch) { b.Live = b.Live[:0] },
		"short values":  func(b *device.Batch) { b.Values[1] = nil },
		"channel less":  func(b *device.Batch) { b.Values = b.Values[:1] },
		"note too late": func(b *device.Batch) { b.Notes = []device.Note{{Row: 2, Event: &device.Event{What: "x"}}} },
		"notes disorder": func(b *device.Batch) {
			b.Notes = []device.Note{{Row: 1, Event: &device.Event{}}, {Row: 0, Event: &device.Event{}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := startTask(t, nil)
				s := <-r.bench.sources
				s.feed <- func(b *device.Batch) { readings(1, time.Second, 1)(b); spoil(b) }
				r.state(t, Failed)
				r.end()
				if len(r.frame.all()) > 0 {
					t.Errorf("frames: %q", r.shapes(t))
				}
			})
		})
	}
}
