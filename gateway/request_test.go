package gateway

import (
	"context"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"photongate/device"
	"photongate/protocol"
)

// contextUntil is a context that ends with a channel.
func contextUntil(t *testing.T, stop <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		select {
		case <-stop:
		case <-ctx.Done():
		}
		cancel()
	}()
	return ctx, cancel
}

// slowControl answers for a device whose changes take as long as a test wants.
func slowControl(v *server, long time.Duration) (stop func()) {
	f := newBench()
	d := newDeviceControl(DeviceConfig{Name: "bench"}, f.driver("fake"), nil)
	d.opened(&device.Description{})
	own := &ownStream{stream: v.journal.Streams()[0], base: v.base, tell: func([]byte) {}}
	if err := own.begin("test"); err != nil {
		panic(err)
	}
	v.control = &control{mode: ControlToken, devices: []*deviceControl{d}, now: v.base.now, record: own.event, measuring: &measurements{record: own.event}}
	end := make(chan struct{})
	go func() {
		for {
			select {
			case c := <-d.asked:
				<-time.After(long)
				c.answer(changeResult{event: c.event})
			case <-end:
				return
			}
		}
	}()
	return func() { close(end) }
}

// Replies come in the order of the requests. A slow one holds up those behind
// it, and neither heartbeats nor frames nor other sessions.
func TestSlowRequestHoldsUpNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := pipeServer(t)
		defer slowControl(v, 10*time.Second)()
		c := pipeSessionWith(t, v, ana.rights)
		c.keepAlive()
		begin := time.Now()
		c.say(protocol.TypeSubscribe, &protocol.Subscribe{Sub: 1, Kind: "view", Streams: []string{"gateway"}, From: "now", Credit: 1 << 20})
		c.expect(protocol.TypeSubscribed, nil)
		c.expect(protocol.TypeCopy, nil)
		for i := range 3 {
			ask := protocol.Request{ID: protocol.Uint64(i + 1), Do: "set", Device: "bench", Key: "gate", Value: "1s"}
			if i == 2 {
				ask = protocol.Request{ID: 3, Do: "now"}
			}
			c.say(protocol.TypeRequest, &ask)
		}
		other := pipeSessionWith(t, v, ana.rights)
		other.keepAlive()
		other.say(protocol.TypeRequest, &protocol.Request{ID: 9, Do: "note", Text: "meanwhile"})
		var r protocol.Reply
		other.expect(protocol.TypeReply, &r)
		if r.ID != 9 || r.Code != "" || time.Since(begin) != 0 {
			t.Errorf("the other session's reply: %+v after %v", r, time.Since(begin))
		}
		if g := c.expect(protocol.TypeEvent, nil); g.Time != int64(r.TNs) || time.Since(begin) != 0 {
			t.Errorf("the note came after %v with the time %d, the reply said %d", time.Since(begin), g.Time, r.TNs)
		}
		for i, after := range []time.Duration{10 * time.Second, 20 * time.Second, 20 * time.Second} {
			var r protocol.Reply
			c.expect(protocol.TypeReply, &r)
			if int(r.ID) != i+1 || r.Code != "" || time.Since(begin) != after {
				t.Errorf("reply %d: %+v after %v, want %v", i+1, r, time.Since(begin), after)
			}
			if i == 2 && int64(r.TNs) != time.Now().UnixNano() {
				t.Errorf("the time of a request is taken when it is its turn: got %d, want %d", r.TNs, time.Now().UnixNano())
			}
		}
		if c.beats < 20 {
			t.Errorf("%d heartbeats in 20 s", c.beats)
		}
		other.say(protocol.TypeBye, &protocol.Bye{})
		c.say(protocol.TypeBye, &protocol.Bye{})
		v.wg.Wait()
	})
}

// Sixteen requests may wait, one more ends the session; what is asked for then
// goes on or is never begun.
func TestTooManyRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := pipeServer(t)
		defer slowControl(v, time.Second)()
		c := pipeSessionWith(t, v, ana.rights)
		for i := range maxWaiting + 1 {
			c.say(protocol.TypeRequest, &protocol.Request{ID: protocol.Uint64(i), Do: "set", Device: "bench", Key: "gate", Value: "1s"})
		}
		if r := c.refusedWith(protocol.RefuseLimit); r.Text != "more than 16 requests wait for their replies" {
			t.Errorf("refused: %q", r.Text)
		}
		v.wg.Wait()
		time.Sleep(time.Second)
	})
}

// A measurement begins at a moment after it was asked for, and the event has
// that moment; a session that goes away is noticed.
func TestBeginOverASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := pipeServer(t)
		defer slowControl(v, 0)()
		c := pipeSessionWith(t, v, ana.rights)
		c.keepAlive()
		time.Sleep(time.Second)
		asked := v.base.now()
		c.say(protocol.TypeRequest, &protocol.Request{ID: 1, Do: "begin", Measurement: &protocol.Measurement{ID: protocol.ID{1}, Title: "x"}})
		var r protocol.Reply
		c.expect(protocol.TypeReply, &r)
		if int64(r.TNs) < asked || int64(r.TNs) > v.base.now() {
			t.Errorf("began at %d, asked at %d, now %d", r.TNs, asked, v.base.now())
		}
		st := v.journal.Streams()[0]
		frame, err := st.Frame(st.Epoch(), 2)
		if err != nil {
			t.Fatal(err)
		}
		if h, payload, _, err := protocol.ParseFrame(frame); err != nil || h.Type != protocol.TypeEvent || h.Time != int64(r.TNs) {
			t.Errorf("event: %v %d %s, %v", h.Type, h.Time, payload, err)
		}
		c.say(protocol.TypeBye, &protocol.Bye{})
		v.wg.Wait()
		if m := v.control.measuring.current; m == nil || m.keeper != nil {
			t.Errorf("the measurement is kept by %+v", m)
		}
	})
}

// A status with the rates of too many channels is told without them.
func TestLongStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := pipeServer(t)
		defer slowControl(v, 0)()
		rates := make([]protocol.ChannelStatus, 1024)
		for i := range rates {
			rates[i] = protocol.ChannelStatus{Channel: fmt.Sprintf("a channel with a name of its own %d", i), CPS: protocol.Ref(1e6 / 3)}
		}
		v.control.status = func() protocol.Status {
			return protocol.Status{Name: "pi", Devices: []protocol.DeviceStatus{{Name: "bench", State: Running, Rates: rates}}}
		}
		c := pipeSessionWith(t, v, ana.rights)
		c.say(protocol.TypeRequest, &protocol.Request{ID: 1, Do: "status"})
		var r protocol.Reply
		c.expect(protocol.TypeReply, &r)
		if r.Code != "" || r.Status == nil || len(r.Status.Devices) != 1 || r.Status.Devices[0].Rates != nil || r.Text == "" {
			t.Errorf("reply: %+v", r)
		}
		c.say(protocol.TypeBye, &protocol.Bye{})
		v.wg.Wait()
	})
}

var _ device.Setter = (*fakeSource)(nil)

// pipeSessionWith is the receiver's end of a session that was opened with some
// rights.
func pipeSessionWith(t *testing.T, v *server, rights []string) *client {
	t.Helper()
	here, there := net.Pipe()
	l := newLink(there)
	s := v.newSession(t.Context(), l, protocol.NewFrameReader(l, sessionFrame), protocol.Hello{Name: "desk", ID: protocol.NewID()}, rights)
	l.opened(s.ctx)
	v.wg.Go(s.run)
	t.Cleanup(func() { here.Close() })
	return &client{t: t, conn: here, frames: protocol.NewFrameReader(here, protocol.MaxFrame)}
}
