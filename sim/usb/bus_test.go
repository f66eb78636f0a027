package usb

import (
	"slices"
	"testing"
	"time"

	"photongate/sim"
)

// quiet is a device with nothing to say but empty packets.
type quiet struct {
	kinds []sim.EventKind
	empty int
}

func (*quiet) Name() string                  { return "quiet" }
func (*quiet) Channels() []string            { return nil }
func (*quiet) Next() time.Time               { return time.Time{} }
func (*quiet) Advance(time.Time, Wire)       {}
func (q *quiet) Handle(ev sim.Event, _ Wire) { q.kinds = append(q.kinds, ev.Kind) }
func (*quiet) Descriptors() Descriptors {
	return Descriptors{Endpoints: []Endpoint{{Address: 0x81, MaxPacket: 8}}}
}
func (*quiet) Out(time.Time, uint8, []byte, Wire) Answer { return Stall }
func (q *quiet) In(time.Time, uint8, []byte, Wire) (int, Answer) {
	if q.empty == 0 {
		return 0, NAK
	}
	q.empty--
	return 0, ACK
}
func (*quiet) Control(time.Time, Setup, []byte, Wire) ([]byte, Answer) { return nil, Stall }

// script is a port at which things happen as written.
type script struct{ happenings []Happening }

func (s *script) Ready() <-chan struct{}  { return nil }
func (s *script) Offer(Descriptors) error { return nil }
func (s *script) Withdraw() error         { return nil }
func (s *script) Where() string           { return "script" }
func (s *script) Close() error            { return nil }
func (s *script) Poll() (Happening, bool) {
	if len(s.happenings) == 0 {
		return Happening{}, false
	}
	h := s.happenings[0]
	s.happenings = s.happenings[1:]
	return h, true
}

// guest counts what it gets.
type guest struct {
	completed, unlinked int
	last                uint32 // transfer
}

func (g *guest) Complete(t *Transfer)       { g.completed, g.last = g.completed+1, t.ID }
func (g *guest) Unlinked(uint32, *Transfer) { g.unlinked++ }

// What a host did before it lost the device does not reach the device of the next one.
func TestHostsOfBefore(t *testing.T) {
	first, next := &guest{}, &guest{}
	port := &script{happenings: []Happening{
		{Kind: Imported, Host: first},
		{Kind: Imported, Host: next},
		{Kind: Submitted, Host: first, Transfer: &Transfer{ID: 1, Endpoint: 0x84}},
		{Kind: Unlink, Host: first, Request: 2, Victim: 1},
		{Kind: Gone, Host: first},
		{Kind: Submitted, Host: next, Transfer: &Transfer{ID: 1, Endpoint: 0x84}},
	}}
	device := &quiet{}
	bus, err := NewBus(device, port)
	if err != nil {
		t.Fatal(err)
	}
	for ev, ok := bus.Poll(); ok; ev, ok = bus.Poll() {
		bus.Handle(ev, nil)
	}
	if *first != (guest{}) || *next != (guest{completed: 1, last: 1}) {
		t.Errorf("the first got %+v, the next %+v", *first, *next)
	}
	if len(device.kinds) != 2 {
		t.Errorf("the device was told %v", device.kinds)
	}
}

// A device that leaves the bus between a host's wish and its fulfilment forgets the
// wish: its answer would reach the next host, which never asked.
func TestLeavesBetweenWishAndFulfilment(t *testing.T) {
	const second = 1_000_000_000
	first, next := &guest{}, &guest{}
	wish := func(g *guest, id uint32) Happening {
		return Happening{Kind: Submitted, Host: g, Transfer: &Transfer{ID: id, Endpoint: 0x81}}
	}
	for _, tc := range []struct {
		name string
		last []Happening // of the first host
		told []sim.EventKind
	}{
		{"transfer", []Happening{{Kind: Imported, Host: first}, wish(first, 7)}, []sim.EventKind{sim.Opened, sim.Closed, sim.Reboot, sim.Opened}},
		{"import", []Happening{{Kind: Imported, Host: first}}, []sim.EventKind{sim.Closed, sim.Reboot, sim.Opened}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			*first, *next = guest{}, guest{}
			port, device := &script{happenings: tc.last}, &quiet{}
			bus, err := NewBus(device, port)
			if err != nil {
				t.Fatal(err)
			}
			at := time.Unix(0, 0)
			var ev sim.Event
			for range tc.last {
				if ev.Kind == sim.Opened {
					bus.Handle(ev, nil)
				}
				ev, _ = bus.Poll()
			}
			// As a Runner does it: what is due comes before what was just heard.
			bus.at = at
			bus.Leave(0)
			bus.Advance(at.Add(second), nil)
			bus.Handle(ev, nil)
			device.empty = 1
			port.happenings = []Happening{{Kind: Imported, Host: next}, wish(next, 1)}
			for ev, ok := bus.Poll(); ok; ev, ok = bus.Poll() {
				bus.Handle(ev, nil)
			}
			if *first != (guest{}) || *next != (guest{completed: 1, last: 1}) {
				t.Errorf("the first got %+v, the next %+v", *first, *next)
			}
			if !slices.Equal(device.kinds, tc.told) {
				t.Errorf("the device was told %v, want %v", device.kinds, tc.told)
			}
		})
	}
}
