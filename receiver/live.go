package receiver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"photongate/protocol"
	"photongate/protocol/table"
)

// viewCredit is what a gateway may send of a view ahead of the output.
const viewCredit = 1 << 20

// live writes what a gateway measures from now on. The first connection must
// succeed; later ones are made again until ctx ends.
func (c *catter) live(ctx context.Context) error {
	to, err := resolve(c.o.Source)
	if err != nil {
		return err
	}
	v := &viewer{c: c, to: to, id: protocol.NewID(), streams: map[string]*catStream{}}
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		began := time.Now()
		err := v.once(ctx)
		switch {
		case ctx.Err() != nil:
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
		if !sleep(ctx, jitter(pause)) {
			return nil
		}
	}
}

// viewer follows a gateway over one session after the other.
type viewer struct {
	c         *catter
	to        destination
	id        protocol.ID
	connected bool
	clocks    *table.ClockTable
	journal   protocol.ID
	gateway   string
	streams   map[string]*catStream
	byID      map[uint32]*catStream // of the present session
}

func (v *viewer) once(ctx context.Context) error {
	s, err := openSession(ctx, v.to, v.c.o.Dial, identity{
		name: defaultName(v.id), id: v.id, software: v.c.o.Software, token: v.c.o.Token, needs: protocol.RightRead,
	})
	if err != nil {
		return err
	}
	defer s.conn.Close()
	v.connected = true
	v.greet(&s.hello)
	streams := append(patternsFor(v.c.o.Streams, v.gateway), gatewayStream)
	ask := &protocol.Subscribe{Sub: 1, Kind: protocol.SubscribeView, Streams: streams, From: protocol.FromNow, Credit: viewCredit}
	if err := s.send(protocol.TypeSubscribe, ask); err != nil {
		return explainLost(v.to.name, err)
	}
	return v.follow(ctx, s)
}

// greet makes ready for the streams of a gateway's process.
func (v *viewer) greet(hello *protocol.Hello) {
	if v.clocks == nil || v.journal != hello.ID {
		v.clocks, v.journal, v.gateway = table.NewClockTable(), hello.ID, hello.Name
	}
	v.clocks.SetBoot(hello.Base, hello.Boot)
	v.byID = map[uint32]*catStream{}
}

// follow writes until the session ends.
func (v *viewer) follow(ctx context.Context, s *session) error {
	q := newFrameQueue()
	beatCtx, stopBeats := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stopBeats()
	defer s.conn.Close()
	wg.Go(func() { s.beat(beatCtx) })
	wg.Go(func() { q.end(s.read(q)) })
	defer context.AfterFunc(ctx, s.stopReading)()

	var frames []byte
	for {
		taken, err := q.take(ctx, frames)
		if err != nil {
			if ctx.Err() != nil {
				_ = s.send(protocol.TypeBye, &protocol.Bye{Reason: "view ends"}) // it ends either way
			}
			return err
		}
		frames = taken
		credit, err := v.show(s, frames)
		if err == nil {
			err = v.c.flushAll()
		}
		if err != nil {
			return err
		}
		if credit > 0 {
			// When it cannot be sent, the reader finds out why.
			_ = s.send(protocol.TypeCredit, &protocol.Credit{Sub: 1, Bytes: protocol.Uint64(credit)})
		}
	}
}

// show writes whole frames, back to back, and returns the credit they used.
func (v *viewer) show(s *session, frames []byte) (credit int, err error) {
	err = forEachFrame(frames, func(h protocol.Header, payload []byte) error {
		switch {
		case h.Type == protocol.TypeSubscribed:
			return v.subscribed(s, payload)
		case h.Type == protocol.TypeSkip:
			return v.skip(s, payload)
		case h.Type == protocol.TypeCopy:
			credit += h.FrameLen()
			inner, inside, rest, err := protocol.ParseFrame(payload)
			if err != nil || len(rest) > 0 {
				return s.refuse(fmt.Errorf("%w: a copy that is no frame", protocol.ErrFormat))
			}
			return v.context(inner, inside)
		case h.Type.Stored():
			credit += h.FrameLen()
			if to := v.byID[h.Stream]; to != nil {
				return to.decoder.Frame(h, payload, to)
			}
			return s.refuse(fmt.Errorf("%w: a frame of stream %d, which no answer named", protocol.ErrFormat, h.Stream))
		}
		return nil
	})
	return credit, err
}

// context takes a copy. Channels that do not fit the output are refused before
// a reading comes.
func (v *viewer) context(h protocol.Header, payload []byte) error {
	to := v.byID[h.Stream]
	if to == nil {
		return nil
	}
	to.decoder.Context(h, payload)
	if to.clocks || to.files != nil || v.c.o.Format == NDJSON {
		return nil
	}
	return v.c.fixColumns(to.decoder.Part().Name(), to.decoder.Part().Desc.Channels)
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
			to = &catStream{c: v.c, clocks: a.Name == gatewayStream, decoder: table.NewDecoder(v.gateway, a.Name, v.clocks)}
			if v.c.o.Folder != "" && !to.clocks {
				to.files = &csvFiles{dir: v.c.o.Folder, clocks: v.clocks, software: v.c.o.Software, journal: v.journal}
			}
			v.streams[a.Name] = to
			v.c.streams = append(v.c.streams, to)
		}
		to.decoder.Interrupted("not connected")
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
