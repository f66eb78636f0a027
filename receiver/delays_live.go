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
	v := &delayView{sink: d, hello: hello, clocks: table.NewClockTable(), byID: map[uint32]*table.Decoder{}}
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
	byID   map[uint32]*table.Decoder
}

func (v *delayView) frame(h protocol.Header, payload []byte) error {
	switch {
	case h.Type == protocol.TypeSubscribed:
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
	case h.Type == protocol.TypeSkip:
		var m protocol.Skip
		if err := protocol.DecodeJSON(payload, &m); err != nil {
			return err
		}
		if d := v.byID[m.Stream]; d != nil {
			d.Interrupted("skipped ahead")
		}
	case h.Type == protocol.TypeCopy:
		inner, inside, _, err := protocol.ParseFrame(payload)
		if err != nil {
			return fmt.Errorf("a copy that is no frame: %w", err)
		}
		if d := v.byID[inner.Stream]; d != nil {
			d.Context(inner, inside)
		}
	case h.Type.Stored():
		if d := v.byID[h.Stream]; d != nil {
			return d.Frame(h, payload, v.sink)
		}
	}
	return nil
}
