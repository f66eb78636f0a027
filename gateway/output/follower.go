package output

import (
	"context"
	"errors"
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/table"
)

// Bounds of following a stream.
const (
	followBytes = 64 << 10 // of frames decoded at once
	behindBytes = 4 << 20  // further behind than this, a follower goes on with what is new
)

// follower reads streams of the journal from now on and hands what they hold
// to sinks. It never holds up who writes the journal. One goroutine uses it.
type follower struct {
	clocks  *table.ClockTable
	clock   *followed // the stream of clocks; nil: there is none yet
	streams []*followed
	cases   []reflect.SelectCase
}

// followed is one stream that is followed.
type followed struct {
	stream  *journal.Stream
	reader  *journal.Reader
	decoder *table.Decoder
	sink    table.Sink // of readings: of tags it is given how many came
}

// expect tells the sink of the channels, where they are known.
func (s *followed) expect() error {
	e, ok := s.sink.(table.Expecter)
	if part := s.decoder.Part(); ok && part.Described {
		return e.Expect(part)
	}
	return nil
}

// match returns the devices that a list of names and patterns means.
func (d *Deps) match(patterns []string) ([]string, error) {
	var names []string
	for _, p := range patterns {
		found := false
		for _, name := range d.Devices {
			if ok, err := path.Match(p, name); err != nil || !ok {
				continue
			}
			found = true
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		if !found {
			return nil, fmt.Errorf("there is no stream %.60q (there are %s)", p, strings.Join(d.Devices, ", "))
		}
	}
	return names, nil
}

// CheckSend says which stream a client's request in the configuration names
// that is none of the devices.
func (c *Config) CheckSend(devices []string) error {
	q, err := parseRequest(c.Send)
	if err != nil {
		return nil // Check tells
	}
	_, err = (&Deps{Devices: devices}).match(q.streams)
	return err
}

// follow begins to follow streams from now on; sink makes the sink of each.
func (d *Deps) follow(names []string, sink func(*table.ClockTable) table.Sink) (*follower, error) {
	f := &follower{clocks: table.NewClockTable()}
	var err error
	if f.clock, err = d.followed(table.GatewayStream, f.clocks, table.Discard{}); err != nil {
		return nil, err
	}
	if frame := d.Clock(); frame != nil {
		if h, payload, _, err := protocol.ParseFrame(frame); err == nil {
			f.clock.decoder.Context(h, payload)
		}
	}
	for _, name := range names {
		s, err := d.followed(name, f.clocks, sink(f.clocks))
		if err != nil {
			f.close()
			return nil, err
		}
		f.streams = append(f.streams, s)
	}
	return f, nil
}

func (d *Deps) followed(name string, clocks *table.ClockTable, sink table.Sink) (*followed, error) {
	i := slices.IndexFunc(d.Journal.Streams(), func(s *journal.Stream) bool { return s.Name() == name })
	if i < 0 {
		return nil, fmt.Errorf("there is no stream %.60q", name)
	}
	st := d.Journal.Streams()[i]
	s := &followed{stream: st, reader: st.ReaderAtEnd(), decoder: table.NewDecoder(d.Gateway, name, clocks), sink: table.CountTags(sink)}
	s.describe(s.reader.Position())
	return s, nil
}

// describe tells the decoder what holds at a position: the descriptor of the
// epoch.
func (s *followed) describe(at journal.Position) {
	if at.Epoch == 0 || at.Seq == 0 {
		return
	}
	frame, err := s.stream.Descriptor(at.Epoch)
	if err != nil {
		return // the decoder makes up names for the channels
	}
	if h, payload, _, err := protocol.ParseFrame(frame); err == nil {
		s.decoder.Context(h, payload)
	}
}

// pass hands on what is there now.
func (s *followed) pass() error {
	for {
		frames, err := s.reader.TryNext(followBytes)
		if len(frames) == 0 || err != nil {
			return err
		}
		if err := s.decoder.Frames(frames, s.sink); err != nil {
			return err
		}
		if s.reader.Behind() > behindBytes {
			s.decoder.Interrupted("this computer was too slow")
			s.describe(s.reader.SkipToEnd())
		}
	}
}

// run follows until ctx ends or the journal is closed; flush is called whenever
// all that is there was handed on. What is there when ctx ends is handed on
// first.
func (f *follower) run(ctx context.Context, flush func() error) error {
	defer f.close()
	for {
		ended := ctx.Err() != nil
		err := f.pass()
		if err == nil {
			err = flush()
		}
		switch {
		case errors.Is(err, journal.ErrClosed):
			return flush()
		case err != nil || ended:
			return err
		}
		f.wait(ctx)
	}
}

// pass hands on what is there now: clocks first.
func (f *follower) pass() error {
	if err := f.clock.pass(); err != nil && !errors.Is(err, journal.ErrClosed) {
		return err
	}
	var closed error
	for _, s := range f.streams {
		if err := s.pass(); errors.Is(err, journal.ErrClosed) {
			closed = err
		} else if err != nil {
			return err
		}
	}
	return closed
}

// wait waits for something new in one of the streams. Clocks wait for it too.
func (f *follower) wait(ctx context.Context) {
	if len(f.streams) == 1 {
		select {
		case <-ctx.Done():
		case <-f.streams[0].reader.Ready():
		}
		return
	}
	f.cases = append(f.cases[:0], reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(ctx.Done())})
	for _, s := range f.streams {
		f.cases = append(f.cases, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(s.reader.Ready())})
	}
	reflect.Select(f.cases)
}

func (f *follower) close() {
	if f.clock != nil {
		f.clock.reader.Close()
	}
	for _, s := range f.streams {
		s.reader.Close()
	}
}
