package receiver

import (
	"context"
	"fmt"

	"photongate/protocol"
	"photongate/protocol/table"
)

// live reads what a gateway measures from now on.
func (d *delayFinder) live(ctx context.Context) error {
	client, err := Connect(ctx, d.o.Source, d.o.Connect)
	if err != nil {
		return err
	}
	defer client.Close()
	hello := client.Hello()
	patterns := []string{"*"}
	if d.o.Stream != "" {
		patterns = patternsFor([]string{d.o.Stream}, hello.Name)
	}
	view, err := client.Subscribe(protocol.Subscribe{Streams: patterns, From: protocol.FromNow})
	if err != nil {
		return err
	}
	v := &delayView{sink: d, hello: hello, clocks: table.NewClockTable(), byID: table.Decoders{}}
	limited, stop := context.WithTimeout(ctx, d.o.For+delayPatience)
	defer stop()
	for {
		frames, err := view.Next(limited)
		if err == nil {
			err = forEachFrame(frames, v.frame)
		}
		switch {
		case err == nil:
		case ctx.Err() != nil:
			d.early = "it was ended early"
			return nil
		case limited.Err() != nil:
			d.early = fmt.Sprintf("more did not come in %v", d.o.For+delayPatience)
			return nil
		default:
			return err
		}
	}
}

// delayView is the frames of one session.
type delayView struct {
	sink   *delayFinder
	hello  protocol.Hello
	clocks *table.ClockTable
	byID   table.Decoders
}

func (v *delayView) frame(h protocol.Header, payload []byte) error {
	if h.Type != protocol.TypeSubscribed {
		return v.byID.Frame(h, payload, func(*table.Decoder) table.Sink { return v.sink })
	}
	var m protocol.Subscribed
	if err := protocol.DecodeJSON(payload, &m); err != nil {
		return err
	}
	for _, a := range m.Streams {
		if err := protocol.CheckName(a.Name); err != nil {
			return err
		}
		v.byID[a.ID] = table.NewDecoder(v.hello.Name, a.Name, v.clocks)
	}
	return nil
}
