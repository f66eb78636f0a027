package gmc

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"photongate/device"
)

// late is by how much the edges may lie after the true ones: they are fitted to the
// earliest arrivals, and what delays even those is unseen. Adapters may hold bytes back
// for 16 ms; how long the unit itself takes is not published.
const late = 20 * time.Millisecond

// bauds are the rates that units can be set to (GQ-RFC1201.txt).
var bauds = []int64{1200, 2400, 4800, 9600, 14400, 19200, 28800, 38400, 57600, 115200}

const defaultBaud = 115200

// line is how the port is opened when no option says otherwise.
var line = device.Line{Baud: defaultBaud}

// Driver reads the heartbeat of GQ GMC Geiger counters.
var Driver = device.Driver{
	Name:      "gmc",
	Title:     "GQ GMC Geiger counter (GMC-280 to GMC-800, GMC-SE)",
	Transport: device.Serial,
	USB: []device.USBID{ // serial chips that many things carry
		{Vendor: 0x1a86, Product: 0x7523, Shared: true, Adapter: true},
		{Vendor: 0x067b, Product: 0x2303, Shared: true, Adapter: true},
	},
	Line:     line,
	Identity: device.Confirmed,
	Options: []device.Option{
		{
			Name: "baud", Title: "rate that the unit is set to; a GMC-300 of firmware 3 or older has 57600",
			Kind: device.Integer, Default: "115200", Min: float64(bauds[0]), Max: defaultBaud,
			Check: func(v any) error {
				if n, ok := v.(int64); !ok || !slices.Contains(bauds, n) {
					return fmt.Errorf("baud = %v: must be one of %v", v, bauds)
				}
				return nil
			},
		},
		{
			Name: "protocol", Title: "rfc1201: two bytes a second (models 280 to 320, SE); rfc1801: four (500 to 800)",
			Kind: device.Enum, Choices: []string{rfc1201.String(), rfc1801.String()}, Default: "found out from the model",
		},
	},
	Inputs: device.Inputs{
		Title: `counts, or "tube"`,
		May:   func(input string) bool { return input == channelName || input == channelInput },
	},
	Open:    open,
	Cut:     cut,
	CutTalk: cutTalk,
	Quirks:  quirks,
	About:   about,
}

const (
	channelName  = "counts"
	channelInput = "tube"
)

// source is an open unit that beats.
type source struct {
	beats
	desc   device.Description
	opened *device.Event
	failed error // returned again by every Read after the first failure

	closing sync.Once
	closed  error
}

// Describe returns what the unit said of itself.
func (s *source) Describe() device.Description { return s.desc }

// Close switches the heartbeat off, closes the port and frees a blocked Read, which
// writes nothing.
func (s *source) Close() error {
	first := false
	s.closing.Do(func() {
		first = true
		_, err := s.port.Write([]byte(beatOff))
		if errors.Is(err, device.ErrGone) || errors.Is(err, device.ErrClosed) {
			err = nil // there is nobody left to tell
		}
		if err != nil {
			err = &device.Error{Op: "close", Port: s.port.Name(), Err: fmt.Errorf("the heartbeat was left on: %w", err)}
		}
		s.closed = errors.Join(err, s.port.Close())
	})
	if !first {
		return nil
	}
	return s.closed
}

// Read implements device.Source.
func (s *source) Read(b *device.Batch) error {
	if s.opened != nil {
		b.Notes = append(b.Notes, device.Note{Row: b.Len(), Event: s.opened})
		s.opened = nil
	}
	if s.failed != nil {
		return s.failed
	}
	if err := s.read(b); err != nil {
		e := &device.Error{Op: "read", Port: s.port.Name(), Err: err}
		if errors.Is(err, device.ErrNonsense) {
			e.Hint = "is the unit set to echo its menus, or does another program write to this line?"
		}
		s.failed = e
	}
	return s.failed
}
