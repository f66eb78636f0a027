package devicetest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"photongate/device"
)

const toyGate = 100 * time.Millisecond

// toyDriver reads a counter made up for the suite: asked with 'R' and a number, it
// answers with these, its count since the last time, and the sum of all that.
var toyDriver = device.Driver{
	Name: "toy", Title: "counter of the suite", Transport: device.USB, Identity: device.Confirmed, Open: openToy,
}

type toy struct {
	usb    device.USBDevice
	clock  device.Clock
	number byte
	edge   int64
	broken int64 // edge before trouble; 0: none
	events []device.Note
	closed chan struct{}
	once   sync.Once
}

func toyError(op string, u device.USBDevice, err error) error {
	return &device.Error{Op: op, Port: u.Name(), Err: err, Hint: "is it the counter of the suite?"}
}

func openToy(ctx context.Context, req device.OpenRequest) (device.Source, error) {
	t := &toy{usb: req.USB, clock: req.Clock, closed: make(chan struct{})}
	if err := ctx.Err(); err != nil {
		return nil, toyError("open", t.usb, err)
	}
	_, at, err := t.ask()
	if err != nil {
		return nil, toyError("identify", t.usb, err)
	}
	t.edge = at
	t.events = []device.Note{{Event: &device.Event{Time: at, What: "opened", Text: "counts from here on"}}}
	return t, nil
}

// ask asks once and passes over answers to what was asked before.
func (t *toy) ask() (count uint64, at int64, err error) {
	t.number++
	before, err := t.usb.Out(0x01, []byte{'R', t.number}, 50*time.Millisecond)
	if err != nil {
		return 0, 0, err
	}
	var buf [64]byte
	var odd error // what came that is no answer
	for range 20 {
		n, at, err := t.usb.In(0x82, buf[:], 50*time.Millisecond)
		if errors.Is(err, device.ErrTimeout) && odd != nil {
			return 0, 0, odd
		}
		if err != nil {
			return 0, 0, err
		}
		sum := byte(0)
		for _, b := range buf[:n] {
			sum += b
		}
		if n != 8 || sum != 0 || buf[0] != 'R' {
			odd = fmt.Errorf("%w: % x", device.ErrNonsense, buf[:n])
		} else if buf[1] == t.number {
			return uint64(binary.LittleEndian.Uint32(buf[2:])), (before + at) / 2, nil
		}
	}
	return 0, 0, odd
}

func (t *toy) Describe() device.Description {
	return device.Description{
		Model: "toy", Identity: device.Confirmed, Port: t.usb.Name(), Gate: toyGate, Timing: device.ByHostClearing,
		Channels: []device.Channel{{Name: "A", Input: "A", Kind: device.Count, Width: 32}},
	}
}

func (t *toy) Read(b *device.Batch) error {
	b.Notes, t.events = append(b.Notes, t.events...), nil
	timer := time.NewTimer(max(0, toyGate-time.Duration(t.clock()-t.edge)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.closed:
		return device.ErrClosed
	}
	count, at, err := t.ask()
	switch {
	case errors.Is(err, device.ErrTimeout), errors.Is(err, device.ErrNonsense):
		if t.broken == 0 {
			t.broken = t.edge
		}
		t.edge = t.clock()
		return nil
	case errors.Is(err, device.ErrGone), errors.Is(err, device.ErrClosed):
		return err
	case err != nil:
		return toyError("read", t.usb, err)
	}
	if t.broken != 0 { // this count began nobody knows when
		b.Notes = append(b.Notes, device.Note{Gap: &device.Gap{Cause: device.CauseLost, Begin: t.broken, Duration: at - t.broken}})
		t.broken, t.edge = 0, at
		return nil
	}
	flags := device.ReadingFlags(0)
	if at-t.edge > int64(10*toyGate) {
		flags = device.Late
	}
	b.Begin, b.Length, b.Live = append(b.Begin, t.edge), append(b.Length, at-t.edge), append(b.Live, at-t.edge)
	b.Uncertainty, b.Flags = append(b.Uncertainty, 0), append(b.Flags, flags)
	b.Values[0], b.ValueFlags[0] = append(b.Values[0], count), append(b.ValueFlags[0], 0)
	t.edge = at
	return nil
}

func (t *toy) Close() error {
	t.once.Do(func() { close(t.closed) })
	return t.usb.Close()
}

func playToy(end *USBEnd, truth *Truth) {
	count := uint32(1000)
	end.Serve(func(r *USBRequest) {
		if len(r.Data) != 2 || r.Data[0] != 'R' {
			return
		}
		count++
		answer := binary.LittleEndian.AppendUint32([]byte{'R', r.Data[1]}, count)
		answer = append(answer, 0, 0)
		for _, b := range answer[:7] {
			answer[7] -= b
		}
		truth.Add(uint64(count))
		end.Send(0x82, answer...)
	})
}

// A driver on USB is held to the contract as those on serial ports are.
func TestRunOnUSB(t *testing.T) {
	info := board()
	for i := range info.Endpoints {
		info.Endpoints[i].MaxPacket = 64
	}
	Run(t, Subject{Driver: toyDriver, PlayUSB: playToy, USB: info, Gate: toyGate})
}
