package gateway

import (
	"testing"
	"time"

	"photongate/device"
)

// troubledPort tells of trouble on its line.
type troubledPort struct {
	device.Port
	trouble device.Trouble
}

func (p *troubledPort) Trouble() device.Trouble { return p.trouble }

// What a port lost becomes an event, once, and not with every byte.
func TestLineTrouble(t *testing.T) {
	p := &troubledPort{}
	l := watchLine(p)
	at := int64(1e18)
	events := func() (list []string) {
		b := device.NewBatch(1)
		addReading(b, at, 1, 5)
		l.note(b, at)
		for _, n := range b.Notes {
			if n.Row != 1 || n.Event.Time != at || n.Event.What != "line trouble" {
				t.Errorf("note %+v, event %+v", n, n.Event)
			}
			list = append(list, n.Event.Text)
		}
		return list
	}
	if got := events(); got != nil {
		t.Errorf("nothing happened: %q", got)
	}
	p.trouble.Overrun = 2
	if got := events(); len(got) != 1 || got[0] != "bytes lost in the adapter (overrun): 2" {
		t.Errorf("got %q", got)
	}
	p.trouble.Framing, p.trouble.Overrun = 7, 3
	at += int64(time.Second)
	if got := events(); got != nil {
		t.Errorf("a second later: %q", got)
	}
	at += int64(troubleEvery)
	if got := events(); len(got) != 1 || got[0] != "bytes lost in the adapter (overrun): 1; missing stop bit (framing): 7" {
		t.Errorf("got %q", got)
	}
	quiet := watchLine(newFakePort("COM1"))
	quiet.note(device.NewBatch(1), at)
}
