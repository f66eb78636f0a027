package watch

import (
	"context"
	"errors"
	"strings"
	"time"

	"photongate/protocol"
	"photongate/protocol/table"
	"photongate/receiver"
)

// Times of a watched gateway.
const (
	statusEvery = time.Second
	againAfter  = time.Second      // between two attempts to connect
	history     = 30 * time.Second // of what was before, to begin with
)

// gatewayFeed puts into a board what a gateway measures, over one session
// after the other.
type gatewayFeed struct {
	board   *board
	address string
	options receiver.ConnectOptions
	now     func() time.Time

	client   *receiver.Client
	journal  protocol.ID
	clocks   *table.ClockTable
	decoders map[string]*table.Decoder // by name of the stream
	byID     table.Decoders            // of the present session
	sinks    map[*table.Decoder]table.Sink
}

// run feeds the board until ctx ends (nil). The first session must succeed;
// lost ones are made again.
func (f *gatewayFeed) run(ctx context.Context) error {
	f.board.setAwaited(strings.Join(f.options.Listen, " or "))
	for connected := false; ; {
		client, err := receiver.Connect(ctx, f.address, f.options)
		if err == nil {
			connected = true
			err = f.session(ctx, client)
		}
		if ctx.Err() != nil {
			return nil
		}
		if !connected || !receiver.MayRecover(err) {
			return err
		}
		f.board.setTrouble(err.Error() + "; trying again")
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(againAfter):
		}
	}
}

// session feeds the board from one session until it ends.
func (f *gatewayFeed) session(ctx context.Context, client *receiver.Client) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f.begin(client)
	since := protocol.Int64(client.BaseNow() - int64(history))
	view, err := client.Subscribe(protocol.Subscribe{Streams: []string{"*"}, From: protocol.FromTime, TimeNs: &since})
	if err != nil {
		return errors.Join(err, client.Close())
	}
	asking := make(chan struct{})
	go func() { defer close(asking); f.askStatus(ctx, client) }()
	for err == nil {
		var frames []byte
		if frames, err = view.Next(ctx); err == nil {
			err = f.take(frames)
		}
	}
	cancel()
	_ = client.Close() // why the session ended is in err
	<-asking
	return err
}

// begin makes ready for the streams of a gateway's process.
func (f *gatewayFeed) begin(client *receiver.Client) {
	hello := client.Hello()
	if f.clocks == nil || f.journal != hello.ID {
		f.clocks, f.journal, f.decoders = table.NewClockTable(), hello.ID, map[string]*table.Decoder{}
		f.sinks = map[*table.Decoder]table.Sink{}
	}
	f.client, f.byID = client, table.Decoders{}
	f.board.setAwaited("")
	f.board.setTrouble("")
	f.board.setWarnings(client.Notes())
}

// askStatus asks the gateway how it is until ctx or the session ends. A gateway
// that cannot answer is watched all the same.
func (f *gatewayFeed) askStatus(ctx context.Context, client *receiver.Client) {
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	for {
		reply, err := client.Do(ctx, protocol.Request{Do: protocol.DoStatus})
		if err == nil {
			f.board.setStatus(reply.Status)
		}
		select {
		case <-ctx.Done():
			return
		case <-client.Done():
			return
		case <-tick.C:
		}
	}
}

// take handles whole frames, back to back.
func (f *gatewayFeed) take(frames []byte) error {
	for len(frames) > 0 {
		h, err := protocol.ParseHeader(frames)
		if err != nil {
			return err
		}
		if err := f.frame(h, frames[h.HeaderLen:h.FrameLen()]); err != nil {
			return err
		}
		frames = frames[h.FrameLen():]
	}
	return nil
}

func (f *gatewayFeed) frame(h protocol.Header, payload []byte) error {
	if h.Type == protocol.TypeSubscribed {
		return f.subscribed(payload)
	}
	return f.byID.Frame(h, payload, func(d *table.Decoder) table.Sink { return f.sinks[d] })
}

func (f *gatewayFeed) subscribed(payload []byte) error {
	var m protocol.Subscribed
	if err := protocol.DecodeJSON(payload, &m); err != nil {
		return err
	}
	for _, a := range m.Streams {
		if err := protocol.CheckName(a.Name); err != nil {
			return err
		}
		d := f.decoders[a.Name]
		if d == nil {
			d = table.NewDecoder(f.client.Hello().Name, a.Name, f.clocks)
			f.decoders[a.Name] = d
			f.sinks[d] = table.CountTags(&sink{board: f.board, age: f.age, now: f.now})
		} else {
			d.Interrupted("not connected")
		}
		f.byID[a.ID] = d
	}
	return nil
}

// age is how long ago a moment was by the gateway's own clock.
func (f *gatewayFeed) age(p *table.Part, ns int64) (time.Duration, bool) {
	now := f.client.BaseNow() + f.clocks.Shift(p.Desc.Base, f.client.Hello().Base) // what came before the gateway was started is old
	return time.Duration(now - ns), true
}
