package receiver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"photongate/protocol"
	"photongate/protocol/table"
)

// live reads what a gateway measures from now on.
func (d *delayFinder) live(ctx context.Context) error {
	client, err := Connect(ctx, d.o.Source, d.o.Connect)
	if err != nil {
		if !strings.Contains(d.o.Source, ":") && errors.Is(err, ErrUnreachable) {
			return fmt.Errorf("%w; and there is no folder %s either", err, d.o.Source)
		}
		return err
	}
	defer client.Close()
	hello := client.Hello()
	if err := d.ask(ctx, client); err != nil {
		return err
	}
	view, err := client.Subscribe(protocol.Subscribe{Streams: patternsFor(d.patterns(), hello.Name), From: protocol.FromNow})
	if err != nil {
		return err
	}
	v := &delayView{sink: d, hello: hello, clocks: table.NewClockTable(), byID: table.Decoders{}}
	d.o.Connect.Log.Info().Msgf("comparing the tags that come in the next %v", d.o.For)
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

// statusPatience is for how long a gateway may take to say which streams it has.
const statusPatience = 3 * time.Second

// ask finds out which streams there are, and refuses at once a choice of which none
// can give a tag. A gateway that does not answer is listened to all the same.
func (d *delayFinder) ask(ctx context.Context, client *Client) error {
	asking, stop := context.WithTimeout(ctx, statusPatience)
	defer stop()
	got, err := client.Do(asking, protocol.Request{Do: protocol.DoStatus})
	if err != nil || got.Status == nil {
		d.matched++
		return nil
	}
	counts := 0
	for _, one := range got.Status.Devices {
		d.others = append(d.others, one.Name)
		if !matches(d.patterns(), client.Hello().Name, one.Name) {
			continue
		}
		if d.matched++; one.Epoch > 0 && !one.Tags {
			counts++
			d.passed = append(d.passed, one.Name)
		} else if one.State != "running" && one.State != "" && one.Driver != "counts" {
			d.away = one.Name + " is " + one.State
			if one.Cause != "" {
				d.away += ": " + one.Cause
			}
			d.o.Connect.Log.Warn().Msg(d.away + "; it is waited for")
		}
	}
	if d.matched == counts {
		return d.nothing()
	}
	d.passed = nil
	return nil
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
