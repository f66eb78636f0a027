package receiver

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rs/zerolog"

	"photongate/protocol"
	"photongate/protocol/journal"
)

// MeasureOptions say what to measure and how it is called. Exactly one of For
// and Readings is set.
type MeasureOptions struct {
	Address string   // of the gateway, or the name of a pairing
	Listen  []string // where to wait for it, which dials this computer, as ConnectOptions.Listen; none: it is dialled
	Dir     string   // measurements go into folders below it; empty: DefaultDir

	For      time.Duration // so long, from the begin of each stream's first gate
	Readings uint64        // so many readings of each stream

	Title, Sample, Operator string
	Set                     []protocol.Parameter // what was set by hand
	Streams                 []string             // patterns; none: all instruments
	NoCSV                   bool                 // only frames and measurement.json

	Who      string // the person and computer, "ana@desk": for the gateway's record
	Token    []byte
	Software string         // "photonrecv 0.1.0"
	Log      zerolog.Logger // used from one goroutine at a time, and by the archive's
	// OnProgress is called at most five times a second, from one goroutine. It must
	// return soon. nil: not.
	OnProgress func(Progress)

	Dial         Dialer     // nil: TCP
	OpenListener Listener   // nil: TCP
	FS           journal.FS // where frames are kept; nil: the operating system's
}

// Measure makes a measurement: the readings whose gates surely begin after it was
// called. It returns when the last one is on the disk, with what measurement.json
// says and the folder it stands in. When ctx ends first, what is there is kept and
// called incomplete. A connection that is lost is made again, and what was missed
// fetched.
//
// An error says that no measurement was made (ErrUsage: by what was asked for),
// or that its folder could not be written to the end.
func Measure(ctx context.Context, o MeasureOptions) (Measurement, string, error) {
	if err := checkMeasure(&o); err != nil {
		return Measurement{}, "", usage{err}
	}
	m := newMeasurer(&o)
	var err error
	m.way, err = openWay(ctx, wanted{address: o.Address}, &ConnectOptions{Software: o.Software, Token: o.Token, Dial: o.Dial, Listen: o.Listen, OpenListener: o.OpenListener, Log: o.Log})
	if err != nil {
		return Measurement{}, "", err
	}
	defer m.way.end()
	client, err := m.way.connect(ctx, o.Who, firstVisit)
	if err == nil {
		if err = m.prepare(ctx, client); err != nil {
			err = errors.Join(err, client.Close())
		}
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return Measurement{}, "", errors.New("ended before the measurement began")
	case err != nil:
		return Measurement{}, "", err
	}
	m.run(ctx, client)
	err = m.finish()
	return m.meta, m.folder, err
}

// Bounds of what people write (SPEC.md, section 10), in characters.
const (
	maxTitle      = 200
	maxKey        = 100
	maxValue      = 200
	maxNote       = 4000
	maxParameters = 100
)

func checkMeasure(o *MeasureOptions) error {
	if o.Dir == "" {
		o.Dir = DefaultDir
	}
	if o.Software == "" {
		o.Software = "photonrecv"
	}
	if o.FS == nil {
		o.FS = journal.OS{}
	}
	switch {
	case o.For < 0:
		return fmt.Errorf("a measurement cannot last %v", o.For)
	case o.For == 0 && o.Readings == 0:
		return errors.New("say how long to measure: for a time (60s) or for a number of readings")
	case o.For > 0 && o.Readings > 0:
		return errors.New("measure for a time or for a number of readings, not both")
	case len(o.Set) > maxParameters:
		return fmt.Errorf("%d parameters: at most %d", len(o.Set), maxParameters)
	}
	for _, text := range []struct{ what, text string }{{"title", o.Title}, {"sample", o.Sample}, {"operator", o.Operator}} {
		if err := checkText(text.what, text.text, maxTitle); err != nil {
			return err
		}
	}
	seen := map[string]bool{}
	for _, p := range o.Set {
		if p.Key == "" || seen[p.Key] {
			return fmt.Errorf("parameter %q: write name=value, each name once, as in hwp_deg=22.5", p.Key)
		}
		seen[p.Key] = true
		if err := errors.Join(checkText("the name of a parameter", p.Key, maxKey), checkText("parameter "+p.Key, p.Value, maxValue)); err != nil {
			return err
		}
	}
	return checkPatterns(o.Streams)
}

// checkText refuses what a gateway would not take.
func checkText(what, text string, limit int) error {
	if n := utf8.RuneCountInString(text); n > limit {
		return fmt.Errorf("%s: %d characters, at most %d", what, n, limit)
	}
	if !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\n\r") {
		return fmt.Errorf("%s: %q is not one line of text", what, text)
	}
	return nil
}

// prepare finds out what there is to measure, begins, and makes the folder.
func (m *measurer) prepare(ctx context.Context, c *Client) error {
	m.hello = c.Hello()
	for _, note := range c.Notes() {
		m.o.Log.Warn().Msg(note)
	}
	m.clocks.SetBoot(m.hello.Base, m.hello.Boot)
	if err := m.chooseStreams(ctx, c); err != nil {
		return err
	}
	// Settings are worth having; a gateway that does not tell them is measured all the same.
	got, err := c.Do(ctx, protocol.Request{Do: protocol.DoGet})
	if err != nil && !isNotDone(err) {
		return err
	}
	m.settings = got.Settings
	if err := m.o.FS.MkdirAll(m.o.Dir); err != nil {
		return usage{fmt.Errorf("the folder for measurements: %w", err)}
	}
	if err := m.begin(ctx, c); err != nil {
		return err
	}
	if err := m.open(c); err != nil {
		m.abandon(err)
		return errors.Join(err, m.noteEnd(c, protocol.MeasurementIncomplete))
	}
	return nil
}

// abandon says in the folder, if there is one, why nothing was measured.
func (m *measurer) abandon(why error) {
	if m.folder == "" {
		return
	}
	m.incomplete("nothing was measured: %v", why)
	m.meta.State = protocol.MeasurementIncomplete
	if err := m.meta.write(m.folder); err != nil {
		m.log.Error().Err(err).Msg("the folder of the measurement that was not made says nothing of it")
	}
}

func isNotDone(err error) bool {
	_, ok := errors.AsType[*NotDone](err)
	return ok
}

// chooseStreams asks which instruments there are, and takes those that fit.
func (m *measurer) chooseStreams(ctx context.Context, c *Client) error {
	got, err := c.Do(ctx, protocol.Request{Do: protocol.DoStatus})
	if err != nil {
		return fmt.Errorf("the gateway does not say which instruments it has: %w", err)
	}
	if got.Status == nil {
		return errors.New("the gateway does not say which instruments it has: is it older than this photonrecv?")
	}
	m.meta.Clock.Sync = got.Status.ClockSync
	if e := got.Status.ClockErrNs; e != nil {
		m.meta.Clock.ErrorS = protocol.Ref(float64(*e) / 1e9)
	}
	var names []string
	for _, d := range got.Status.Devices {
		names = append(names, d.Name)
		if !matches(m.o.Streams, m.hello.Name, d.Name) {
			continue
		}
		m.add(d)
		if d.State != "running" {
			warn := m.log.Warn().Str("state", d.State)
			if d.Cause != "" { // as of one that is being opened
				warn.Str("cause", d.Cause)
			}
			warn.Msg(d.Name + " gives no readings at present; the measurement waits for it")
		}
	}
	switch {
	case len(names) == 0:
		return usage{fmt.Errorf("the gateway %s has no instrument", m.hello.Name)}
	case len(m.order) == 0:
		return usage{fmt.Errorf("no instrument of %s fits %s: there are %s", m.hello.Name, patternText(m.o.Streams), strings.Join(names, ", "))}
	}
	return nil
}

// begin notes the begin in the gateway's stream, and takes the moment of it. Who
// may not note it measures all the same: measuring changes nothing.
func (m *measurer) begin(ctx context.Context, c *Client) error {
	got, err := c.Do(ctx, m.request(protocol.DoBegin))
	refused, ok := errors.AsType[*NotDone](err)
	switch {
	case ok && slices.Contains([]string{protocol.ReplyRights, protocol.ReplyControl, protocol.ReplyBusy, protocol.ReplyUnknown}, refused.Code):
		m.meta.NotNoted = refused.Error()
		m.log.Warn().Msg("the measurement is not noted in the gateway's record, and settings may be changed meanwhile: " + refused.Error())
		got, err = c.Do(ctx, protocol.Request{Do: protocol.DoNow})
	case ok:
		return usage{err}
	}
	if err != nil {
		return err
	}
	m.began = time.Now()
	m.cut.base, m.cut.fromNs = m.hello.Base, int64(got.TNs)
	return nil
}

// request is one that bears the measurement.
func (m *measurer) request(do string) protocol.Request {
	o := m.o
	return protocol.Request{Do: do, Measurement: &protocol.Measurement{
		ID: m.meta.ID, Title: o.Title, Sample: o.Sample, Operator: o.Operator, Set: o.Set, Streams: o.Streams,
		ForNs: protocol.Int64(o.For), Asked: protocol.Uint64(o.Readings),
	}}
}

// earliestGateway is a time before which no gateway existed: a clock that says
// less has never been set.
var earliestGateway = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// strangeClock is by how much the gateway's clock and this computer's may
// differ without a word.
const strangeClock = 5 * time.Second

// open makes the folder, and the archive in it.
func (m *measurer) open(c *Client) error {
	begin := time.Unix(0, m.cut.fromNs+int64(m.hello.UTCNs-m.hello.NowNs))
	ahead := begin.Sub(m.began)
	switch {
	case begin.Before(earliestGateway):
		m.remark("the gateway's clock was never set: it says %s; the folder is named by this computer's clock, and t_s is right all the same", begin.UTC().Format(dayLayout))
		begin = m.began
	case ahead.Abs() > strangeClock:
		m.remark("the gateway's clock is %s %s this computer's: times are the gateway's", ahead.Abs().Round(time.Second), map[bool]string{true: "ahead of", false: "behind"}[ahead > 0])
	}
	folder, err := makeMeasurementFolder(m.o.Dir, begin.Local(), m.o.Title)
	if err != nil {
		return fmt.Errorf("the folder for the measurement: %w", err)
	}
	m.folder = folder
	m.meta.Begin = begin.Local().Format("2006-01-02T15:04:05.000Z07:00")
	m.meta.Clock.AheadOfThisS = ahead.Seconds()
	m.meta.Gateway = GatewayInfo{Name: m.hello.Name, Address: c.Peer(), Software: m.hello.Software, Journal: m.hello.ID}
	m.meta.Limits = Limits{Base: m.cut.base, BeginNs: protocol.Int64(m.cut.fromNs), ForS: m.o.For.Seconds(), Asked: m.o.Readings, Streams: m.o.Streams}
	m.describe()
	if err := m.meta.write(folder); err != nil {
		return fmt.Errorf("the folder for the measurement: %w", err)
	}
	own := &archiveDir{fs: m.o.FS, id: protocol.NewID(), name: defaultName(m.meta.ID)}
	m.store, err = openStore(own, filepath.Join(folder, rawFolder), &m.hello, m.log)
	if err != nil {
		return err
	}
	for _, s := range m.order {
		if !m.o.NoCSV {
			s.sink.files = &csvFiles{dir: folder, clocks: m.clocks, software: m.o.Software, journal: m.hello.ID}
		}
	}
	m.log.Info().Str("folder", folder).Msg("measuring " + strings.Join(m.names(), ", ") + " of " + m.hello.Name)
	return nil
}

func (m *measurer) remark(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	m.meta.Remarks = append(m.meta.Remarks, text)
	m.log.Warn().Msg(text)
}

func (m *measurer) incomplete(format string, args ...any) {
	m.meta.Why = append(m.meta.Why, fmt.Sprintf(format, args...))
}
