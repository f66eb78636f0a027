package receiver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"photongate/protocol"
	"photongate/protocol/table"
)

// fromMargin is how much earlier than asked for a view begins, and how much
// later it ends: the gateway chooses by its time base, whose difference to UTC may
// have changed since. What is too much is left out here.
const (
	fromMargin = int64(10 * time.Second)
	toMargin   = int64(time.Second)
)

// errFinished says that all was shown that was asked for.
var errFinished = errors.New("the view is finished")

// live writes what a gateway measures from now on, or from View.From on. The
// first connection must succeed; later ones are made again until ctx ends, or
// View.To is reached.
func (c *catter) live(ctx context.Context) error {
	way, err := openWay(ctx, wanted{address: c.o.Source}, &ConnectOptions{Software: c.o.Software, Token: c.o.Token, Dial: c.o.Dial, Listen: c.o.Listen, Log: c.o.Log})
	if err != nil {
		return err
	}
	defer way.end()
	if err := c.begin(); err != nil {
		return err
	}
	v := &viewer{c: c, way: way, streams: map[string]*catStream{}}
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		began := time.Now()
		err := v.once(ctx)
		switch {
		case ctx.Err() != nil, errors.Is(err, errFinished):
			return nil
		case !v.connected:
			if _, statErr := os.Stat(c.o.Source); statErr != nil && errors.Is(err, ErrUnreachable) {
				return fmt.Errorf("%w; and there is no folder %s either", err, c.o.Source)
			}
			return err
		case !errors.Is(err, ErrUnreachable) && !isSessionEnd(err):
			return err
		}
		if time.Since(began) > longPause {
			pause = firstPause
		}
		c.o.Log.Warn().Msg(err.Error() + "; trying again until it works")
		if !way.pause(ctx, jitter(pause)) {
			return nil
		}
	}
}

// viewer follows a gateway over one session after the other.
type viewer struct {
	c         *catter
	way       *way // to the gateway
	connected bool
	clocks    *table.ClockTable
	journal   protocol.ID
	gateway   string
	streams   map[string]*catStream
	byID      map[uint32]*catStream // of the present session
}

func (v *viewer) once(ctx context.Context) error {
	client, err := v.way.connect(ctx, "", firstVisit)
	if err != nil {
		return err
	}
	defer client.Close()
	if !v.connected {
		for _, n := range client.Notes() {
			v.c.o.Log.Warn().Msg(n)
		}
	}
	v.connected = true
	hello := client.Hello()
	v.greet(&hello)
	view, err := client.Subscribe(v.ask(&hello))
	for err == nil {
		var frames []byte
		if frames, err = view.Next(ctx); err == nil {
			err = v.write(client.s, frames)
		}
	}
	return err
}

// ask is the subscription to the view. One of the past goes on where the last
// session ended.
func (v *viewer) ask(hello *protocol.Hello) protocol.Subscribe {
	ask := protocol.Subscribe{From: protocol.FromNow, Streams: append(patternsFor(v.c.o.Streams, v.gateway), gatewayStream)}
	fromUTC := int64(hello.NowNs) - int64(hello.UTCNs)
	view := &v.c.o.View
	if !view.To.IsZero() {
		ask.ToNs = protocol.Ref(protocol.Int64(view.To.UnixNano() + fromUTC + toMargin))
	}
	if view.From.IsZero() {
		return ask
	}
	for _, s := range v.streams {
		if s.last.Epoch > 0 {
			ask.Cursors = append(ask.Cursors, s.last)
		}
	}
	if len(ask.Cursors) > 0 {
		ask.From, ask.Rest = protocol.FromCursor, protocol.FromNow
		return ask
	}
	ask.From, ask.TimeNs = protocol.FromTime, protocol.Ref(protocol.Int64(view.From.UnixNano()+fromUTC-fromMargin))
	return ask
}

// greet makes ready for the streams of a gateway's process.
func (v *viewer) greet(hello *protocol.Hello) {
	if v.clocks == nil || v.journal != hello.ID {
		v.clocks, v.journal, v.gateway = table.NewClockTable(), hello.ID, hello.Name
	}
	v.clocks.SetBoot(hello.Base, hello.Boot)
	v.byID = map[uint32]*catStream{}
}

// write shows whole frames, back to back, and has the output take them.
func (v *viewer) write(s *session, frames []byte) error {
	err := v.show(s, frames)
	if err == nil && v.c.merger != nil {
		err = v.c.merger.Overdue(mergePatience)
	}
	if err == nil || errors.Is(err, errFinished) {
		err = errors.Join(err, v.c.flushAll())
	}
	return err
}

// show decodes whole frames, back to back.
func (v *viewer) show(s *session, frames []byte) error {
	return forEachFrame(frames, func(h protocol.Header, payload []byte) error {
		switch {
		case h.Type == protocol.TypeSubscribed:
			return v.subscribed(s, payload)
		case h.Type == protocol.TypeSkip:
			return v.skip(s, payload)
		case h.Type == protocol.TypeFinished:
			return errFinished
		case h.Type == protocol.TypeCopy:
			inner, inside, rest, err := protocol.ParseFrame(payload)
			if err != nil || len(rest) > 0 {
				return s.refuse(fmt.Errorf("%w: a copy that is no frame", protocol.ErrFormat))
			}
			return v.context(inner, inside)
		case h.Type.Stored():
			if to := v.byID[h.Stream]; to != nil {
				if h.Type.Numbered() {
					to.last.Epoch, to.last.Seq, to.last.CRC = h.Epoch, protocol.Uint64(h.Seq), protocol.CRC(h.HeaderCRC)
				}
				return to.decoder.Frame(h, payload, to.first)
			}
			return s.refuse(fmt.Errorf("%w: a frame of stream %d, which no answer named", protocol.ErrFormat, h.Stream))
		}
		return nil
	})
}

// context takes a copy. Channels that do not fit the output are refused before
// a reading comes.
func (v *viewer) context(h protocol.Header, payload []byte) error {
	to := v.byID[h.Stream]
	if to == nil {
		return nil
	}
	to.decoder.Context(h, payload)
	if to.isClocks() || h.Type != protocol.TypeDescriptor {
		return nil
	}
	return to.pipe.Expect(to.decoder.Part())
}

// subscribed takes the streams of the view.
func (v *viewer) subscribed(s *session, payload []byte) error {
	var m protocol.Subscribed
	if err := protocol.DecodeJSON(payload, &m); err != nil {
		return s.refuse(err)
	}
	for _, a := range m.Streams {
		if err := protocol.CheckName(a.Name); err != nil {
			return s.refuse(err)
		}
		to := v.streams[a.Name]
		if to == nil || to.decoder.Clocks() != v.clocks {
			to = &catStream{decoder: table.NewDecoder(v.gateway, a.Name, v.clocks)}
			to.last.Stream = a.Name
			v.streams[a.Name] = to
			v.c.add(to, v.c.o.Folder, v.journal, nil)
		}
		if a.Answer != protocol.AnswerResumed && a.Answer != protocol.AnswerHole {
			to.decoder.Interrupted("not connected")
		}
		v.byID[a.ID] = to
	}
	return nil
}

func (v *viewer) skip(s *session, payload []byte) error {
	var m protocol.Skip
	if err := protocol.DecodeJSON(payload, &m); err != nil {
		return s.refuse(err)
	}
	if to := v.byID[m.Stream]; to != nil {
		to.decoder.Interrupted("view skipped ahead")
	}
	return nil
}
