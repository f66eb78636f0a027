package receiver

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"photongate/protocol"
)

func connectTo(t *testing.T, g *stub) *Client {
	t.Helper()
	c, err := Connect(t.Context(), "pi-lab3", ConnectOptions{Who: "ana", Dial: g.dial})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestClientRequests: replies reach those who asked, in whatever order these
// wait, and what was not done is an error with the gateway's words.
func TestClientRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStub(t)
		g.onRequest = func(ask protocol.Request) []protocol.Reply {
			r := protocol.Reply{ID: ask.ID, TNs: protocol.Int64(ask.ID) * 10, Text: ask.Who + " " + ask.Text}
			if ask.Do == protocol.DoSet {
				r.Code, r.Text = protocol.ReplyValue, "gate is at most 65.535s"
			}
			return []protocol.Reply{r}
		}
		c := connectTo(t, g)
		equal(t, "name of the gateway", c.Hello().Name, "pi-lab3")
		equal(t, "rights", c.Rights(), []string{"read", "archive"})
		if c.May(protocol.RightChange) || !c.May(protocol.RightRead) {
			t.Errorf("rights are %q", c.Rights())
		}
		r, err := c.Do(t.Context(), protocol.Request{Do: protocol.DoNote, Text: "aligned"})
		if err != nil || r.Text != "ana aligned" || r.TNs != 10 {
			t.Errorf("note: %+v, %v", r, err)
		}
		r, err = c.Do(t.Context(), protocol.Request{Do: protocol.DoSet, Device: "bench", Key: "gate", Value: "2m"})
		if notDone, ok := errors.AsType[*NotDone](err); !ok || err.Error() != "gate is at most 65.535s" || notDone.Code != protocol.ReplyValue || r.Code != protocol.ReplyValue {
			t.Errorf("set: %+v, %v", r, err)
		}
		// Many at once: each gets its own.
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				r, err := c.Do(t.Context(), protocol.Request{Do: protocol.DoNow})
				if err != nil || r.TNs != protocol.Int64(r.ID)*10 {
					t.Errorf("now: %+v, %v", r, err)
				}
			})
		}
		all.Wait()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if _, err := c.Do(t.Context(), protocol.Request{Do: protocol.DoNow}); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		equal(t, "goodbyes", g.byes, 1)
	})
}

// TestClientWaits: no more than 16 requests wait for replies; who gives up
// keeps its place until the reply has come, and it disturbs nobody.
func TestClientWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStub(t)
		var waiting []protocol.Uint64
		g.onRequest = func(ask protocol.Request) (answers []protocol.Reply) {
			waiting = append(waiting, ask.ID)
			if ask.Text != "all" {
				return nil
			}
			for _, id := range waiting {
				answers = append(answers, protocol.Reply{ID: id})
			}
			waiting = nil
			return answers
		}
		c := connectTo(t, g)
		defer c.Close()
		impatient, giveUp := context.WithCancel(t.Context())
		var some sync.WaitGroup
		for range 15 {
			some.Go(func() {
				if _, err := c.Do(impatient, protocol.Request{Do: protocol.DoNow}); !errors.Is(err, context.Canceled) {
					t.Errorf("given up: %v", err)
				}
			})
		}
		synctest.Wait()
		giveUp()
		some.Wait()
		synctest.Wait()
		equal(t, "requests that the gateway has not answered", len(waiting), 15)
		var rest sync.WaitGroup
		rest.Go(func() {
			if _, err := c.Do(t.Context(), protocol.Request{Do: protocol.DoNow, Text: "all"}); err != nil {
				t.Error(err)
			}
		})
		rest.Wait()
		if _, err := c.Do(t.Context(), protocol.Request{Do: protocol.DoNow, Text: "all"}); err != nil {
			t.Error(err)
		}
	})
}

// TestClientBadReplies: a gateway that answers what nobody asked ends the
// session, and all who wait are told.
func TestClientBadReplies(t *testing.T) {
	for name, replies := range map[string][]protocol.Reply{
		"another number": {{ID: 7}},
		"twice":          {{ID: 1}, {ID: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newStub(t)
				g.onRequest = func(protocol.Request) []protocol.Reply { return replies }
				c := connectTo(t, g)
				_, first := c.Do(t.Context(), protocol.Request{Do: protocol.DoNow})
				<-c.Done()
				if name == "another number" && first == nil {
					t.Error("the request was done")
				}
				if err := c.Err(); err == nil || !strings.Contains(err.Error(), "not the one that waits") || !MayRecover(err) {
					t.Errorf("the session ended with %v", err)
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestClientView: the frames of a view arrive whole and in order, with what the
// gateway says of them; what was used is allowed anew.
func TestClientView(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStub(t).withBench(3)
		g.stay = true
		c := connectTo(t, g)
		v, err := c.Subscribe(protocol.Subscribe{Streams: []string{"bench", gatewayStream}, From: protocol.FromNow})
		if err != nil {
			t.Fatal(err)
		}
		var kinds []string
		bytes := uint64(0)
		for len(kinds) < 7 {
			frames, err := v.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			err = forEachFrame(frames, func(h protocol.Header, _ []byte) error {
				kinds = append(kinds, h.Type.String())
				if h.Type.Stored() {
					bytes += uint64(h.FrameLen())
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		equal(t, "frames", kinds, []string{"subscribed", "descriptor", "clock", "descriptor", "counts", "counts", "counts"})
		ended := make(chan error, 1)
		go func() { _, err := v.Next(t.Context()); ended <- err }()
		synctest.Wait()
		g.mu.Lock()
		ask, credit := g.asks[0], g.credit
		g.mu.Unlock()
		equal(t, "subscription", ask, protocol.Subscribe{Sub: 1, Kind: protocol.SubscribeView, Streams: []string{"bench", gatewayStream}, From: protocol.FromNow, Credit: clientViews})
		equal(t, "credit given back", credit, bytes)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, ErrClosed) {
			t.Errorf("the view ended with %v", err)
		}
	})
}

// TestClientLost: a gateway that goes away is told to all who wait.
func TestClientLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStub(t)
		g.onRequest = func(protocol.Request) []protocol.Reply { return nil }
		g.mute = true // no heartbeats: it is taken for dead
		c := connectTo(t, g)
		_, err := c.Do(t.Context(), protocol.Request{Do: protocol.DoNow})
		if !errors.Is(err, ErrUnreachable) || !MayRecover(err) || !strings.Contains(err.Error(), "nothing came from") {
			t.Errorf("got %v", err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestConnectRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStub(t)
		_, err := Connect(t.Context(), "pi-lab3", ConnectOptions{Dial: g.dial, Needs: protocol.RightChange})
		if err == nil || MayRecover(err) {
			t.Errorf("without the right: %v", err)
		}
		if _, err := Connect(t.Context(), "a b", ConnectOptions{Dial: g.dial}); !errors.Is(err, ErrUsage) {
			t.Errorf("no address: %v", err)
		}
	})
}
