package main

import (
	"errors"
	"os"
	"time"

	"photongate/device"
	"photongate/sim"
)

// memoryPort lets the drivers read a simulated instrument without a tty.
type memoryPort struct {
	port  *sim.MemoryPort
	name  string
	clock device.Clock
}

var _ device.Port = (*memoryPort)(nil)

func openMemory(m *sim.Memory, name string, clock device.Clock) (device.Port, error) {
	port, err := m.Open()
	if err != nil {
		return nil, &device.Error{Op: "open", Port: name, Err: device.ErrBusy}
	}
	return &memoryPort{port: port, name: name, clock: clock}, nil
}

func (p *memoryPort) Read(b []byte, timeout time.Duration) (int, int64, error) {
	// A deadline that has passed would not even fetch what is there.
	if err := p.port.SetReadDeadline(time.Now().Add(max(timeout, time.Millisecond))); err != nil {
		return 0, p.clock(), p.kind(err)
	}
	n, err := p.port.Read(b)
	return n, p.clock(), p.kind(err)
}

func (p *memoryPort) Write(b []byte) (int64, error) {
	_, err := p.port.Write(b)
	return p.clock(), p.kind(err)
}

func (p *memoryPort) Discard() error {
	buf := make([]byte, 4096)
	for {
		if _, _, err := p.Read(buf, 0); errors.Is(err, device.ErrTimeout) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func (p *memoryPort) Name() string { return p.name }

func (p *memoryPort) Close() error { return p.port.Close() }

// kind maps the errors of a simulated port to those of device.Port.
func (p *memoryPort) kind(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return device.ErrTimeout
	case errors.Is(err, os.ErrClosed):
		return device.ErrClosed
	case errors.Is(err, sim.ErrUnplugged):
		return device.ErrGone
	}
	return err
}
