package cmd_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"photongate/device"
	"photongate/sim"
	"photongate/sim/cd48"
	"photongate/sim/de2ccu"
)

// memoryLab is a bench of simulated instruments within the process of the
// test: they go on counting whatever becomes of gateways and receivers.
type memoryLab struct {
	memories map[string]*sim.Memory  // by the name of the port
	truth    map[string]*memoryTruth // by the name of the device
}

// memoryTruth is what an instrument really counted.
type memoryTruth struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (m *memoryTruth) Write(b []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.text.Write(b)
}

// rows are the values counted, one string for each reading, in order.
func (m *memoryTruth) rows() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var rows []string
	for line := range strings.Lines(m.text.String()) {
		fields := strings.SplitN(strings.TrimSpace(line), ",", 3)
		rows = append(rows, fields[2])
	}
	return rows[1:]
}

// newMemoryLab runs a DE2 on the port /memory/bench and a CD48 on /memory/cd
// until the test ends.
func newMemoryLab(t *testing.T) *memoryLab {
	t.Helper()
	lab := &memoryLab{memories: map[string]*sim.Memory{}, truth: map[string]*memoryTruth{}}
	inputs, err := de2ccu.Inputs(8)
	if err != nil {
		t.Fatal(err)
	}
	de2, err := de2ccu.New(de2ccu.Options{Counters: 8, Light: someLight(t, inputs), Distinct: true})
	if err != nil {
		t.Fatal(err)
	}
	box, err := cd48.New(cd48.Options{Light: someLight(t, cd48.Inputs()), Distinct: true})
	if err != nil {
		t.Fatal(err)
	}
	lab.plugIn(t, "bench", de2)
	lab.plugIn(t, "cd", box)
	return lab
}

func someLight(t *testing.T, inputs []string) *sim.Light {
	t.Helper()
	light, err := sim.NewLight(sim.LightSettings{Inputs: inputs, RatesHz: []float64{5e3, 4e3, 2e3, 1e3}, DarkHz: []float64{250, 250, 400, 300},
		Window: 25 * time.Nanosecond, Seed: 3, DeadTime: 22 * time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	return light
}

func (l *memoryLab) plugIn(t *testing.T, name string, instrument sim.Instrument) {
	t.Helper()
	memory := sim.NewMemory()
	l.memories["/memory/"+name], l.truth[name] = memory, &memoryTruth{}
	runner, err := sim.NewRunner(instrument, memory, sim.Options{Truth: l.truth[name], Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- runner.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("simulated %s: %v", name, err)
		}
	})
}

// open opens a port of the bench, for gateway.Deps.
func (l *memoryLab) open(_ context.Context, name string, _ device.Line, clock device.Clock) (device.Port, error) {
	port, err := l.memories[name].Open()
	if err != nil {
		return nil, &device.Error{Op: "open", Port: name, Err: device.ErrBusy}
	}
	return &memoryPort{port: port, name: name, clock: clock}, nil
}

// memoryPort is a simulated instrument as drivers see it.
type memoryPort struct {
	port  *sim.MemoryPort
	name  string
	clock device.Clock
}

func (p *memoryPort) Read(b []byte, timeout time.Duration) (int, int64, error) {
	// A deadline that has passed would not even fetch what is there.
	if err := p.port.SetReadDeadline(time.Now().Add(max(timeout, time.Millisecond))); err != nil {
		return 0, p.clock(), kindOf(err)
	}
	n, err := p.port.Read(b)
	return n, p.clock(), kindOf(err)
}

func (p *memoryPort) Write(b []byte) (int64, error) {
	_, err := p.port.Write(b)
	return p.clock(), kindOf(err)
}

func (p *memoryPort) Discard() error {
	for {
		switch _, _, err := p.Read(make([]byte, 4096), 0); {
		case errors.Is(err, device.ErrTimeout):
			return nil
		case err != nil:
			return err
		}
	}
}

func (p *memoryPort) Name() string { return p.name }

func (p *memoryPort) Close() error { return p.port.Close() }

// kindOf maps the errors of a simulated port to those of device.Port.
func kindOf(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return device.ErrTimeout
	case errors.Is(err, os.ErrClosed):
		return device.ErrClosed
	case errors.Is(err, sim.ErrUnplugged):
		return device.ErrGone
	}
	return err
}
