package usb

import (
	"testing"
	"time"

	"photongate/sim"
)

// quiet is a device with nothing to say.
type quiet struct{ kinds []sim.EventKind }

func (*quiet) Name() string                  { return "quiet" }
func (*quiet) Channels() []string            { return nil }
func (*quiet) Next() time.Time               { return time.Time{} }
func (*quiet) Advance(time.Time, Wire)       {}
func (q *quiet) Handle(ev sim.Event, _ Wire) { q.kinds = append(q.kinds, ev.Kind) }
func (*quiet) Descriptors() Descriptors {
	return Descriptors{Endpoints: []Endpoint{{Address: 0x81, MaxPacket: 8}}}
}
func (*quiet) Out(time.Time, uint8, []byte, Wire) Answer { return Stall }
func (*quiet) In(time.Time, uint8, []byte, Wire) (int, Answer) {
	return 0, NAK
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
type guest struct{ completed, unlinked int }

func (g *guest) Complete(*Transfer)         { g.completed++ }
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
	if *first != (guest{}) || *next != (guest{completed: 1}) {
		t.Errorf("the first got %+v, the next %+v", *first, *next)
	}
	if len(device.kinds) != 2 {
		t.Errorf("the device was told %v", device.kinds)
	}
}
