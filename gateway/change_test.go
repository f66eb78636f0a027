package gateway

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/device"
	"photongate/protocol"
)

// controlOf is what answers requests for one supervised device.
func controlOf(r *taskRig) *control {
	at := int64(0)
	record := func(*protocol.Event) (int64, error) { at++; return at, nil }
	return &control{mode: ControlToken, devices: []*deviceControl{r.control}, record: record, measuring: &measurements{record: record}, now: r.base.now}
}

var ana = &asker{name: "desk", from: "127.0.0.1", local: true, rights: []string{protocol.RightRead, protocol.RightChange}}

func (c *control) ask(t *testing.T, r protocol.Request) *protocol.Reply {
	t.Helper()
	r.ID, r.Who = 7, "ana"
	reply := c.answer(t.Context(), ana, &r)
	if reply.ID != 7 {
		t.Errorf("the reply is to request %d", reply.ID)
	}
	return reply
}

func setting(key, value string) protocol.Request {
	return protocol.Request{Do: protocol.DoSet, Device: "bench", Key: key, Value: value}
}

// flagged writes the readings of the log as index:flags, and the events
// between them.
func (r *taskRig) flagged(t *testing.T) []string {
	t.Helper()
	return r.written(t, device.First|device.Mixed, protocol.TypeEvent)
}

// written writes the readings of the log as part.index, with words for those flags
// that are asked for, and the payloads of frames of other types.
func (r *taskRig) written(t *testing.T, flags device.ReadingFlags, others ...protocol.Type) []string {
	t.Helper()
	var out []string
	var decoder protocol.CountsDecoder
	for _, frame := range r.frame.all() {
		h, payload, _, err := protocol.ParseFrame(frame)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(others, h.Type) {
			out = append(out, string(payload))
		}
		if h.Type != protocol.TypeCounts {
			continue
		}
		var c protocol.Counts
		if err := decoder.Decode(h, payload, &c); err != nil {
			t.Fatal(err)
		}
		for i := range c.Begin {
			line := fmt.Sprintf("%d.%d", h.Epoch, h.Index+uint64(i))
			if len(c.Flags) > 0 {
				line += flagWords(device.ReadingFlags(c.Flags[i]) & flags)
			}
			out = append(out, line)
		}
	}
	return out
}

func flagWords(flags device.ReadingFlags) (words string) {
	for _, f := range []struct {
		flag device.ReadingFlags
		word string
	}{{device.First, " first"}, {device.Unverified, " unverified"}, {device.Mixed, " mixed"}} {
		if flags&f.flag != 0 {
			words += f.word
		}
	}
	return words
}

// A setting that can be changed while the instrument is read: the readings that
// hold both are flagged, and the event stands before the first that holds the new
// one alone, whatever the instrument's edges may be late by.
func TestSetBetweenTwoReads(t *testing.T) {
	t.Attr("fault", "F40")
	t.Attr("injected", "a setting takes 20 ms to change in the midst of readings whose edges may be 150 ms late")
	t.Attr("promised", "flagged are just the readings that may hold both, the event stands before the first that does not")
	synctest.Test(t, func(t *testing.T) {
		r := startTask(t, func(_ *task, b *bench) {
			b.about = func(d *device.Description) { d.Late = 150 * time.Millisecond }
			b.take = func(name string, _ any) error { time.Sleep(20 * time.Millisecond); return nil }
		})
		c := controlOf(r)
		s := <-r.bench.sources
		gate := int64(100 * time.Millisecond)
		begin := time.Now().UnixNano()
		s.feed <- readings(begin-2*gate, 100*time.Millisecond, 2) // 0 and 1, until now
		synctest.Wait()
		reply := c.ask(t, setting("threshold", "0.5"))
		want := &protocol.Reply{
			ID: 7, TNs: reply.TNs, Text: "this lasts until the gateway ends; to keep it, write threshold = 0.5 under [device.options] of bench",
			Change: &protocol.Event{What: "set", Who: "ana", From: "127.0.0.1", Key: "threshold", New: "0.5 V", ReadBack: "0.5 V",
				Text: "threshold from 127.0.0.1; the instrument says 0.5 V"},
			Settings: []protocol.DeviceSetting{{Device: "bench", Key: "threshold", Value: "0.5", Unit: "V", How: "read back", Title: "discriminator threshold",
				Kind: "number", Min: "-2 V", Max: "2 V"}},
		}
		if d := cmp.Diff(reply, want); d != "" {
			t.Errorf("reply (-got +want):\n%s", d)
		}
		// The change was made within the wait of one read; readings 2, 3... follow 1.
		s.feed <- readings(begin, 100*time.Millisecond, 7)
		time.Sleep(time.Second)
		// Somebody pulls the cable; the setting is pushed again.
		s.feed <- device.ErrGone
		s = <-r.bench.sources
		if got := s.about.Settings[len(s.about.Settings)-1]; got.Key != "threshold" || got.Value != "0.5" {
			t.Errorf("after the replug the instrument has %+v", s.about.Settings)
		}
		r.end()
		got := r.flagged(t)
		at := slices.IndexFunc(got, func(s string) bool { return strings.HasPrefix(s, "{") })
		if at < 0 {
			t.Fatalf("no event in %q", got)
		}
		// The reads wait until the 250 ms of the one going on are over, the change takes 20 ms, edges may
		// be 150 ms late: mixed are those that end after 250 ms and begin before 420 ms.
		wantRows := []string{"1.0", "1.1", "1.2", "1.3", "1.4 mixed", "1.5 mixed", "1.6 mixed",
			`{"what":"set","who":"ana","from":"127.0.0.1","new":"0.5 V","text":"threshold from 127.0.0.1; the instrument says 0.5 V","key":"threshold","read_back":"0.5 V","before":{"epoch":1,"index":"3"},"after":{"epoch":1,"index":"7"}}`,
			"1.7", "1.8"}
		if d := cmp.Diff(got, wantRows); d != "" {
			t.Errorf("record (-got +want):\n%s", d)
		}
		t.Attr("seen", strings.Join(got[4:7], ", ")+", then the event, then "+got[8])
		if note := r.status.snapshot().NotKept; note != "threshold = 0.5, until the gateway ends" {
			t.Errorf("status: %q", note)
		}
	})
}

// A setting that needs the instrument opened anew.
func TestSetByOpeningAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startTask(t, nil)
		c := controlOf(r)
		s := <-r.bench.sources
		begin := time.Now().UnixNano()
		s.feed <- readings(begin, 100*time.Millisecond, 3)
		time.Sleep(time.Second)
		reply := c.ask(t, setting("gate", "200ms"))
		if reply.Code != "" || reply.Change == nil || reply.Change.Old != "100ms" || reply.Change.New != "200ms" || reply.Change.ReadBack != "200ms" {
			t.Errorf("reply: %+v, change %+v", reply, reply.Change)
		}
		s = <-r.bench.sources
		now := time.Now().UnixNano()
		s.feed <- func(b *device.Batch) {
			addReading(b, now, 0, 1, 2)
			b.Flags[0] = device.First
			addReading(b, now, int64(200*time.Millisecond), 1, 2)
		}
		time.Sleep(time.Second)
		r.end()
		want := []string{"1.0", "1.1", "1.2", "2.0 first mixed",
			`{"what":"set","who":"ana","from":"127.0.0.1","old":"100ms","new":"200ms","text":"gate from 127.0.0.1; the instrument says 200ms","key":"gate","read_back":"200ms","before":{"epoch":1,"index":"2"},"after":{"epoch":2,"index":"1"}}`,
			"2.1"}
		if d := cmp.Diff(r.flagged(t), want); d != "" {
			t.Errorf("record (-got +want):\n%s", d)
		}
		if text := strings.Join(r.shapes(t), "\n"); !strings.Contains(text, `end index 3 {"cause":"reopened","detail":"gate is to change from 100ms to 200ms"}`) {
			t.Errorf("frames:\n%s", text)
		}
	})
}

// What the instrument refuses is not recorded, and it goes on as it was.
func TestSetRefused(t *testing.T) {
	refuse := func(name string, value any) error {
		if name == "gate" && value == 200*time.Millisecond || value == 1.5 {
			return &device.Error{Op: "set " + name, Port: "/dev/bench", Err: device.ErrSetting}
		}
		return nil
	}
	for _, tt := range []struct{ name, key, value, want string }{
		{"live", "threshold", "1.5", "threshold was not changed: set threshold /dev/bench: setting was not accepted"},
		{"opened anew", "gate", "200ms", "gate was not changed: set gate /dev/bench: setting was not accepted; it goes on with the old one"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := startTask(t, func(_ *task, b *bench) { b.take = refuse })
				c := controlOf(r)
				s := <-r.bench.sources
				s.feed <- readings(time.Now().UnixNano(), 100*time.Millisecond, 1)
				time.Sleep(time.Second)
				reply := c.ask(t, setting(tt.key, tt.value))
				if reply.Code != protocol.ReplyDevice || reply.Text != tt.want {
					t.Errorf("reply: %s %q, want device %q", reply.Code, reply.Text, tt.want)
				}
				if tt.key == "gate" {
					s = <-r.bench.sources
				}
				s.feed <- readings(time.Now().UnixNano(), 100*time.Millisecond, 1)
				time.Sleep(time.Second / 2)
				r.state(t, Running)
				r.end()
				for _, line := range r.flagged(t) {
					if strings.Contains(line, "{") || strings.Contains(line, "mixed") {
						t.Errorf("recorded: %s", line)
					}
				}
				if _, named := r.control.settings()[tt.key]; named {
					t.Error("it is pushed at the next opening all the same")
				}
			})
		})
	}
}

// Whatever the device is doing, each change is answered.
func TestSetIsAlwaysAnswered(t *testing.T) {
	absent := &device.Error{Op: "open", Port: "/dev/bench", Err: device.ErrNoPort}
	tests := []struct {
		name, key, value string
		before           func(r *taskRig)
		during           func(r *taskRig)
		want             string
	}{
		{"unplugged", "threshold", "1", func(r *taskRig) {
			r.bench.set(func(b *bench) { b.openErr = absent })
			(<-r.bench.sources).feed <- device.ErrGone
			<-time.After(5 * time.Second)
		}, nil, "threshold was not changed: bench is not open: open /dev/bench: no such port"},
		{"does not come back", "gate", "1s", func(r *taskRig) { r.bench.set(func(b *bench) { b.openErr = absent }) }, nil,
			"gate was not changed: open /dev/bench: no such port; and it cannot be opened with the old one either: open /dev/bench: no such port"},
		{"breaks", "threshold", "1", func(r *taskRig) { s := <-r.bench.sources; s.take = func(string, any) error { return device.ErrGone } }, nil,
			"threshold was not changed: device went away"},
		{"panics", "threshold", "1", func(r *taskRig) { s := <-r.bench.sources; s.take = func(string, any) error { panic("oops") } }, nil,
			"threshold was not changed: read /dev/bench: mistake in the driver fake: panic: oops (the other devices go on; please report this with the log)"},
		{"hangs", "threshold", "1", func(r *taskRig) {
			s := <-r.bench.sources
			s.take = func(string, any) error { <-time.After(time.Minute); return device.ErrGone }
		}, nil,
			"threshold was not changed: read /dev/bench: no reading came for 5s"},
		{"the gateway stops", "threshold", "1", func(r *taskRig) {
			s := <-r.bench.sources
			s.take = func(string, any) error { <-time.After(3 * time.Second); return device.ErrGone }
		},
			func(r *taskRig) { r.end() }, "threshold was not changed: the gateway stops"},
		{"the gateway stops while it is opened anew", "gate", "1s", func(r *taskRig) {
			r.bench.set(func(b *bench) { b.open = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() } })
		},
			func(r *taskRig) { r.end() }, "gate was not changed: the gateway stops"},
		{"the gateway stopped", "gate", "1s", func(r *taskRig) { r.end() }, nil, "gate was not changed: the gateway stops"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := startTask(t, nil)
				c := controlOf(r)
				synctest.Wait()
				tt.before(r)
				done := make(chan *protocol.Reply)
				go func() { done <- c.ask(t, setting(tt.key, tt.value)) }()
				time.Sleep(500 * time.Millisecond)
				if tt.during != nil {
					tt.during(r)
				}
				if reply := <-done; reply.Code != protocol.ReplyDevice || reply.Text != tt.want {
					t.Errorf("reply: %s %q\nwant device %q", reply.Code, reply.Text, tt.want)
				}
				if len(r.control.turn) > 0 {
					t.Error("nobody can change anything any more")
				}
				r.end()
				time.Sleep(2 * time.Minute) // what was left behind returns
			})
		})
	}
}

// Two who change settings at once do so one after the other; who cannot wait
// for his turn is told so.
func TestOneChangeAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startTask(t, nil)
		defer r.end()
		c := controlOf(r)
		s := <-r.bench.sources
		s.take = func(_ string, v any) error { time.Sleep(time.Second); return nil }
		replies := make(chan *protocol.Reply)
		for _, value := range []string{"0.1", "0.2", "0.3"} {
			go func() { replies <- c.ask(t, setting("threshold", value)) }()
		}
		olds := map[string]bool{}
		for range 3 {
			reply := <-replies
			if reply.Code != "" {
				t.Fatalf("reply: %+v", reply)
			}
			olds[reply.Change.Old] = true
		}
		if len(olds) != 3 || !olds[""] {
			t.Errorf("the changes do not follow each other: old values %v", olds)
		}
		s.take = func(string, any) error { time.Sleep(1900 * time.Millisecond); return nil }
		go func() { replies <- c.ask(t, setting("threshold", "0.1")) }()
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		req := setting("threshold", "0.2")
		if reply := c.answer(ctx, ana, &req); reply.Text != "threshold was not changed: it is still busy with its opening or with another change: try again" {
			t.Errorf("reply: %+v", reply)
		}
		<-replies
	})
}
