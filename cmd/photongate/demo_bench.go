package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"photongate/device"
	"photongate/device/serialport"
	"photongate/gateway"
	"photongate/sim"
	"photongate/sim/cd48"
	"photongate/sim/de2ccu"
)

// demoInstrument is one simulated instrument of the demo.
type demoInstrument struct {
	name, driver string
	options      map[string]any
	port         string // as in a configuration
	where        string // for people
	conn         sim.Conn
	memory       *sim.Memory // the same, when it is no pseudo-terminal
	truth        *os.File
	truthName    string
	runner       *sim.Runner
}

// demoBench is the simulated bench: its instruments and its folder.
type demoBench struct {
	dir         string
	instruments []*demoInstrument
}

// newDemoBench plugs a CD48 and a DE2 unit in, on pseudo-terminals where there
// are any.
func newDemoBench(dir string, noPTY bool) (*demoBench, error) {
	b := &demoBench{dir: dir}
	for n, i := range []*demoInstrument{
		{name: "cd48", driver: "cd48", options: map[string]any{"gate": "100ms"}},
		{name: "de2", driver: "de2ccu"},
	} {
		if err := b.plugIn(i, uint64(n+1), noPTY); err != nil {
			return nil, errors.Join(err, b.unplug())
		}
		b.instruments = append(b.instruments, i)
	}
	return b, nil
}

func (b *demoBench) plugIn(i *demoInstrument, seed uint64, noPTY bool) (err error) {
	instrument, err := newDemoInstrument(i.driver, seed)
	if err != nil {
		return err
	}
	i.truthName = filepath.Join(b.dir, "truth-"+i.name+".csv")
	if i.truth, err = os.Create(i.truthName); err != nil {
		return fmt.Errorf("make the file of what is really counted: %w", err)
	}
	conn, why := b.connect(i, noPTY)
	i.conn, i.where = conn, conn.Where()
	if why != nil {
		i.where += fmt.Sprintf(" (no pseudo-terminals here: %v)", why)
	}
	if i.runner, err = sim.NewRunner(instrument, conn, sim.Options{Truth: i.truth, Seed: seed}); err != nil {
		return errors.Join(err, conn.Close(), i.truth.Close())
	}
	return nil
}

// connect gives the instrument a pseudo-terminal, or an in-memory port: when
// asked to, or where there are none, and then it says why.
func (b *demoBench) connect(i *demoInstrument, noPTY bool) (conn sim.Conn, why error) {
	link := filepath.Join(b.dir, "tty-"+i.name)
	if !noPTY {
		pty, err := sim.OpenPTY(link)
		if err == nil {
			i.port = link
			return pty, nil
		}
		why = err
	}
	i.port, i.memory = "/memory/"+i.name, sim.NewMemory()
	return i.memory, why
}

// newDemoInstrument makes an instrument under the light of a down-conversion
// source: pairs in A and B, some of them in a third arm.
func newDemoInstrument(driver string, seed uint64) (sim.Instrument, error) {
	light := func(inputs []string) (*sim.Light, error) {
		return sim.NewLight(sim.LightSettings{
			Inputs:  inputs,
			RatesHz: []float64{52e3, 48e3, 21e3, 19e3},
			DarkHz:  []float64{250, 250, 400, 300},
			Pairs:   []sim.Pair{{A: 0, B: 1, RateHz: 2600}, {A: 0, B: 2, RateHz: 700}},
			Window:  25 * time.Nanosecond, Seed: seed, DeadTime: 22 * time.Nanosecond,
		})
	}
	if driver == "cd48" {
		l, err := light(cd48.Inputs())
		if err != nil {
			return nil, err
		}
		return cd48.New(cd48.Options{Light: l})
	}
	inputs, err := de2ccu.Inputs(8)
	if err != nil {
		return nil, err
	}
	l, err := light(inputs)
	if err != nil {
		return nil, err
	}
	return de2ccu.New(de2ccu.Options{Counters: 8, Light: l})
}

func (b *demoBench) archive() string { return filepath.Join(b.dir, "archive") }

// config is the gateway's configuration for the bench.
func (b *demoBench) config() gateway.Config {
	c := gateway.Config{Name: "demo", Listen: []string{"127.0.0.1:0"}, Journal: filepath.Join(b.dir, "journal")}
	for _, i := range b.instruments {
		c.Devices = append(c.Devices, gateway.DeviceConfig{Name: i.name, Driver: i.driver, Port: i.port, Options: i.options})
	}
	return c
}

// openPort opens the ports of the bench, whichever kind they are.
func (b *demoBench) openPort(ctx context.Context, name string, line device.Line, clock device.Clock) (device.Port, error) {
	for _, i := range b.instruments {
		if i.port == name && i.memory != nil {
			return openMemory(i.memory, name, clock)
		}
	}
	return serialport.Open(ctx, name, line, clock)
}

// unplug gives the ports back when the bench could not be made; once it runs,
// each runner closes its own.
func (b *demoBench) unplug() error {
	errs := []error{b.close()}
	for _, i := range b.instruments {
		errs = append(errs, i.conn.Close())
	}
	return errors.Join(errs...)
}

// close closes the files of what was really counted.
func (b *demoBench) close() error {
	var errs []error
	for _, i := range b.instruments {
		errs = append(errs, i.truth.Close())
	}
	return errors.Join(errs...)
}
