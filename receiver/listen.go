package receiver

import (
	"context"
	"errors"
	"maps"
	"sync"

	"photongate/protocol"
)

// maxGuests bounds the gateways that dial in.
const maxGuests = 64

// door is where gateways dial in that are recorded. Each gets a recorder of its
// own, which waits for it when it has gone away.
type door struct {
	reception
	o      *RecordOptions
	dir    *archiveDir
	board  *scoreboard
	cancel context.CancelFunc // of the recording, when a recorder fails

	recorders sync.WaitGroup

	mu      sync.Mutex
	guests  map[protocol.ID]*guest // by journal
	running int                    // recorders
	closed  bool
	over    chan struct{} // closed when a run is over: somebody came, and all recorders have ended
	failed  []error
}

// openDoor listens on all addresses, or on none.
func openDoor(ctx context.Context, o *RecordOptions, dir *archiveDir, board *scoreboard, cancel context.CancelFunc) (*door, error) {
	d := &door{o: o, dir: dir, board: board, cancel: cancel, guests: map[protocol.ID]*guest{}, over: make(chan struct{})}
	d.reception = newReception(o.Log, func() identity { return ownIdentity(o, dir) }, d.room, d.hand)
	if err := d.listen(ctx, o.OpenListener, o.Listen, "choose another one, as in --listen :7311, and name it in forward on the gateway"); err != nil {
		return nil, err
	}
	for _, l := range d.listeners {
		board.listens(l.Addr().String())
		o.Log.Info().Msgf("listening on %s for gateways that dial in", l.Addr())
	}
	return d, nil
}

// run lets gateways in until ctx ends or, of a run, until it is over.
func (d *door) run(ctx context.Context) error {
	leave := d.receive(ctx)
	select {
	case <-ctx.Done():
	case <-d.over:
	}
	d.mu.Lock()
	d.closed = true
	none := len(d.guests) == 0
	d.mu.Unlock()
	leave()
	d.recorders.Wait()
	if none && len(d.o.Addresses) == 0 {
		d.board.incomplete("no gateway dialled in at %s", d.where())
	}
	return errors.Join(d.failed...)
}

// What gateways are told that are not let in.
const (
	alreadyRecorded = "this gateway is recorded there already, over another connection"
	recordingEnds   = "the recording there is at its end"
	fullHouse       = "too many gateways dial in there"
)

// room refuses gateways that cannot be recorded, before they are told anything.
func (d *door) room(_ *visitor, hello *protocol.Hello) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	g := d.guests[hello.ID]
	switch {
	case d.closed, g != nil && g.ended():
		return &busyHere{recordingEnds}
	case g != nil && g.taken():
		return &busyHere{alreadyRecorded}
	case g == nil && len(d.guests) >= maxGuests:
		return &busyHere{fullHouse}
	case g == nil && d.dir.uses(hello.Name, hello.ID):
		return &busyHere{alreadyRecorded}
	}
	return nil
}

// busyHere says that a gateway is not let in now.
type busyHere struct{ text string }

func (e *busyHere) Error() string { return e.text }

// hand gives a session to the recorder of its gateway. It refuses it when none
// takes it any more.
func (d *door) hand(ctx context.Context, s *session) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return &busyHere{recordingEnds}
	}
	g := d.guests[s.hello.ID]
	if g == nil {
		g = newGuest(s.name, d.dir.changed)
		d.guests[s.hello.ID] = g
		d.recordLocked(ctx, g)
	}
	switch {
	case g.put(s):
		return nil
	case g.ended():
		return &busyHere{recordingEnds}
	}
	return &busyHere{alreadyRecorded}
}

// own has a gateway that is recorded since it is dialled come in as well while that
// does not work.
func (d *door) own(journal protocol.ID, in *guest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if in != nil {
		d.guests[journal] = in
	}
}

// disown ends that.
func (d *door) disown(journal protocol.ID, in *guest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if in != nil && d.guests[journal] == in {
		delete(d.guests, journal)
	}
}

// guestOf is what the recorder of a gateway that dials in takes sessions from; nil:
// there is none.
func (d *door) guestOf(journal protocol.ID) *guest {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.guests[journal]
}

// recordLocked starts the recorder of a gateway.
func (d *door) recordLocked(ctx context.Context, g *guest) {
	r := &recorder{o: d.o, via: g, door: d, hostPort: g.name, dir: d.dir, board: d.board, log: d.o.Log.With().Str("gateway", g.name).Logger()}
	d.running++
	d.recorders.Go(func() {
		err := r.run(ctx)
		g.end()
		d.mu.Lock()
		defer d.mu.Unlock()
		if r.elsewhere {
			maps.DeleteFunc(d.guests, func(_ protocol.ID, have *guest) bool { return have == g })
		}
		if err != nil {
			d.failed = append(d.failed, err)
			d.cancel()
		}
		if d.running--; d.running == 0 && !d.closed && d.o.run() {
			d.closed = true
			close(d.over)
		}
	})
}
