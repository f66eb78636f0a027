package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"photongate/device"
	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/pairing"
)

// gatewayStream is the stream of the gateway itself: clocks and events.
const gatewayStream = "gateway"

// Times of the shutdown.
const (
	finishLimit = 3 * time.Second // for batchers to write what was read
	syncLimit   = 5 * time.Second // for the disk
	drainLimit  = 2 * time.Second // for archives to fetch and acknowledge the rest
)

// OpenPort opens a port with line settings; clock is the gateway's time base.
type OpenPort func(ctx context.Context, name string, line device.Line, clock device.Clock) (device.Port, error)

// OpenUSB opens a USB device and takes its interface of a number.
type OpenUSB func(ctx context.Context, name string, interfaceNumber int, clock device.Clock) (device.USBDevice, error)

// Deps are what a gateway is given by the program around it.
type Deps struct {
	Drivers  []device.Driver
	OpenPort OpenPort
	OpenUSB  OpenUSB        // may be nil where no configured driver is on USB
	Log      zerolog.Logger // the zero value is silent
	Software string         // what to call this program in the data; empty: "photongate"
	Clock    *ClockSource   // nil: SystemClock
	FS       journal.FS     // where the journal is, with the list of archives; nil: the operating system's
	// Plugging shortens the pause before a device is opened again; nil: none does.
	Plugging Plugging
	// Dial connects to the host:port of a receiver that listens; nil: TCP.
	Dial func(ctx context.Context, hostPort string) (net.Conn, error)
	// OnPairing is called once when a gateway starts that other computers can
	// reach, with what they need for it. It holds a secret. nil: not.
	OnPairing func(pairing.Pairing)
}

// Gateway reads instruments and serves what they count.
type Gateway struct {
	config  Config
	deps    Deps
	log     zerolog.Logger
	started time.Time
	ready   chan struct{}

	tasks []*task
	hook  *hook

	mu        sync.Mutex // guards what is set while Run starts
	journal   *journal.Journal
	server    *server
	listeners []net.Listener
	outputs   *outputs

	clock atomic.Pointer[[]byte] // the last clock frame
}

// New checks the configuration and makes a gateway of it. Nothing is opened
// before Run. A wrong configuration gives a *ConfigError.
func New(config Config, deps Deps) (*Gateway, error) {
	if err := config.Validate(deps.Drivers); err != nil {
		return nil, err
	}
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	if deps.OpenPort == nil {
		return nil, errors.New("gateway: OpenPort is missing")
	}
	if deps.Software == "" {
		deps.Software = "photongate"
	}
	if deps.FS == nil {
		deps.FS = journal.OS{}
	}
	g := &Gateway{config: config, deps: deps, log: deps.Log, ready: make(chan struct{}), hook: newHook(config.OnAlarm, deps.Log)}
	for _, d := range config.Devices {
		driver := findDriver(deps.Drivers, d.Driver)
		settings, err := d.Settings(driver)
		if err != nil {
			return nil, err
		}
		if driver.Transport == device.USB && deps.OpenUSB == nil {
			return nil, fmt.Errorf("gateway: OpenUSB is missing, and device %s is on USB", d.Name)
		}
		log := deps.Log.With().Str("device", d.Name).Logger()
		t := &task{
			cfg: d, driver: *driver, control: newDeviceControl(d, *driver, settings), log: log, software: deps.Software,
			openPort: deps.OpenPort, openUSB: deps.OpenUSB, plugged: plugged{plugging: deps.Plugging},
			status: &deviceStatus{log: log, s: protocol.DeviceStatus{Name: d.Name, Driver: d.Driver, Port: d.Port, State: Stopped}},
		}
		for _, c := range d.Counts {
			name := c.streamName(d.Name)
			t.derivations = append(t.derivations, &derivation{cfg: c, name: name, status: &deviceStatus{
				log: deps.Log.With().Str("device", name).Logger(), s: protocol.DeviceStatus{Name: name, Driver: "counts", Port: d.Name, State: Stopped},
			}})
		}
		t.alarms = g.alarmsOf(t)
		t.status.alarms = t.alarms.list
		g.tasks = append(g.tasks, t)
	}
	return g, nil
}

// Ready is closed when the gateway listens.
func (g *Gateway) Ready() <-chan struct{} { return g.ready }

// Addr is the first address the gateway listens on, nil before Ready.
func (g *Gateway) Addr() net.Addr {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.listeners) == 0 {
		return nil
	}
	return g.listeners[0].Addr()
}

// Run opens the journal, listens, and reads all devices until ctx ends. Then
// it stops in order: it stops reading, writes what was read, lets connected
// archives fetch and acknowledge it, and says goodbye. It may be called once.
func (g *Gateway) Run(ctx context.Context) (err error) {
	j, trouble, err := g.openJournal()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	known, err := loadArchives(g.deps.FS, j.Dir(), time.Now)
	if err != nil {
		return err
	}
	if known.aside != "" {
		g.log.Warn().Str("file", known.aside).Msg("the list of archives was damaged and is put aside; each is listed anew when it comes back")
	}
	source := g.deps.Clock
	if source == nil {
		system := SystemClock()
		source = &system
	}
	base := newTimeBase(*source)
	v := newServer(g.config.Name, g.deps.Software, j, base, known, g.lastClock, g.log)
	v.fs = g.deps.FS
	if v.identity, err = g.identify(j.Dir()); err != nil {
		return err
	}
	for _, st := range j.Streams() {
		v.closed[st.ID()] = st.Epoch()
	}
	own, err := g.openStreams(j, base)
	if err != nil {
		return err
	}
	v.control = g.newControl(base, own)
	v.control.room = g.newKeeper(v, own, trouble)
	v.forwards = v.newForwards(g.config.Forward, g.deps.Dial)
	outputs, err := g.newOutputs(j, v.control)
	if err != nil {
		return err
	}
	listeners, err := listen(ctx, g.config.Listen)
	if err != nil {
		return err
	}
	g.mu.Lock()
	g.journal, g.server, g.listeners, g.started, g.outputs = j, v, listeners, time.Now(), outputs
	g.mu.Unlock()
	v.control.room.keep(ctx) // so that what is told at the start is known
	g.logStart(j, listeners)
	defer g.invite(v, j, listeners)()
	return g.serve(ctx, own)
}

// openStreams opens the streams of all devices and of the gateway itself, and
// finds what is known of the epochs before.
func (g *Gateway) openStreams(j *journal.Journal, base *timeBase) (*ownStream, error) {
	st, err := j.Stream(gatewayStream, 0)
	if err != nil {
		return nil, err
	}
	before := lastProcess(st)
	own := &ownStream{stream: st, base: base, log: g.log, tell: func(clock []byte) { g.clock.Store(&clock) }}
	if err := own.begin(g.deps.Software); err != nil {
		return nil, err
	}
	for _, t := range g.tasks {
		st, err := j.Stream(t.cfg.Name, 0)
		if err != nil {
			return nil, err
		}
		t.base, t.frames, t.previous = base, st, recovered(st)
		t.watched = func() bool { return g.watched(st.ID()) }
		before.date(t.previous, st, base)
		for _, d := range t.derivations {
			st, err := j.Stream(d.name, 0)
			if err != nil {
				return nil, err
			}
			d.frames, d.previous = st, recovered(st)
			before.date(d.previous, st, base)
		}
	}
	return own, nil
}

// newControl makes what answers requests.
func (g *Gateway) newControl(base *timeBase, own *ownStream) *control {
	c := &control{mode: g.config.Control, record: own.event, now: base.now, status: g.Status, measuring: &measurements{record: own.event, log: g.log}}
	for _, t := range g.tasks {
		c.devices = append(c.devices, t.control)
	}
	return c
}

func (g *Gateway) lastClock() []byte {
	if p := g.clock.Load(); p != nil {
		return *p
	}
	return nil
}

// logStart says what will be done and what can be lost.
func (g *Gateway) logStart(j *journal.Journal, listeners []net.Listener) {
	g.log.Info().Str("gateway", g.config.Name).Str("journal", j.Dir()).Stringer("id", j.ID()).Msg("journal is open")
	g.log.Info().Msgf("the journal is synced every %v: a power cut can cost the readings since then, unless a receiver has them", syncEvery)
	g.log.Info().Msg(g.server.control.room.startText(g.deps.FS))
	for _, t := range g.tasks {
		t.log.Info().Str("driver", t.cfg.Driver).Str("port", t.cfg.Port).Strs("options", optionNames(t.cfg.Options)).Msg("will read")
		for _, d := range t.derivations {
			t.log.Info().Str("stream", d.name).Msg("will count its time tags")
		}
	}
	for _, l := range listeners {
		g.log.Info().Stringer("address", l.Addr()).Msg("listening")
	}
	for _, f := range g.server.forwards {
		g.log.Info().Str("address", f.address).Msg("dialling")
	}
}

// serve runs all goroutines, and ends them in order.
func (g *Gateway) serve(ctx context.Context, own *ownStream) error {
	j, v := g.journal, g.server
	base := context.WithoutCancel(ctx) // what ends later than reading does
	hard, giveUp := context.WithCancel(base)
	defer giveUp()
	serving, endSessions := context.WithCancel(base)
	defer endSessions()
	clocks, stopClock := context.WithCancel(base)
	defer stopClock()

	var accepting, watching, saving, devices sync.WaitGroup
	watch := &clockWatch{base: v.base}
	watch.step(own.clock) // before anything else is in the journal
	watching.Go(func() { watch.run(clocks, own.clock) })
	watching.Go(func() { v.control.measuring.run(clocks) })
	watching.Go(func() { v.control.room.runWatch(clocks) })
	saving.Go(func() { v.control.room.runKeep(clocks) })
	saving.Go(func() { v.keepArchives(clocks) })
	for _, l := range g.listeners {
		accepting.Go(func() { v.serve(serving, l) })
	}
	dialling, stopDialling := context.WithCancel(base)
	defer stopDialling()
	for _, f := range v.forwards {
		v.wg.Go(func() { f.run(dialling, serving) })
	}
	var hooks sync.WaitGroup
	alarming, endAlarms := context.WithCancel(base)
	defer endAlarms()
	hooks.Go(func() { g.hook.run(alarming) })
	g.outputs.start(base)
	close(g.ready)
	for _, t := range g.tasks {
		devices.Go(func() { t.run(ctx, hard) })
	}
	<-ctx.Done()

	g.log.Info().Msg("stopping")
	impatient := time.AfterFunc(finishLimit, giveUp)
	devices.Wait()
	impatient.Stop()
	endAlarms()
	hooks.Wait()
	stopClock()
	watching.Wait()
	own.end()
	g.outputs.stop()
	err := g.sync(j)
	if err != nil {
		g.log.Error().Err(err).Msg("the disk does not take all that was read; a second Ctrl-C ends without waiting for it")
	}
	for _, l := range g.listeners {
		l.Close()
	}
	accepting.Wait()
	stopDialling()
	limit, cancel := context.WithTimeout(base, drainLimit)
	v.drain(limit, endSessions)
	cancel()
	saving.Wait() // after the goodbyes: it waits for the disk
	v.saveArchives()
	g.log.Info().Msg("stopped")
	return err
}

// sync waits for the disk, but not for ever.
func (g *Gateway) sync(j *journal.Journal) error {
	ctx, cancel := context.WithTimeout(context.Background(), syncLimit)
	defer cancel()
	if err := j.Sync(ctx); err != nil {
		return fmt.Errorf("last sync of the journal: %w", err)
	}
	return nil
}

// Bounds of what can be lost.
const (
	syncEvery = time.Second // between two sync rounds: what a power cut can cost
	tailBytes = 32 << 20    // of frames that wait for the disk, in memory
)
