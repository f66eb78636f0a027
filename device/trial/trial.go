// Package trial opens one instrument without a gateway and shows what goes on:
// the bytes both ways, how the instrument's format cuts them, what the driver
// reads in them, which documented quirks show. It ends with "works as
// documented" or the first surprise.
//
// A trial is the same on an instrument and on a recording of it: the driver is
// given the time at which the last call of the port came back, which is what a
// recording tells.
package trial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"photongate/device"
	"photongate/device/recording"
)

const (
	// openLimit bounds how long an instrument may take to be opened.
	openLimit = 15 * time.Second
	// quietLimit is how long computers and adapters may sit on bytes.
	quietLimit = 500 * time.Millisecond
	// keptBytes bounds what of the conversation is kept to look for quirks, and
	// keptRows how many readings a Report holds.
	keptBytes = 8 << 20
	keptRows  = 100_000
)

// Trial is what is to be tried.
type Trial struct {
	Driver   device.Driver
	Settings device.Settings
	Port     device.Port  // open; Run closes it
	Clock    device.Clock // the port's
	About    recording.About
	// Others are asked whether they know the bytes when Driver does not.
	Others []device.Driver
	// Out is where the trial is shown, Save where it is recorded; nil for nowhere.
	Out, Save io.Writer
}

// Report is what came of a trial.
type Report struct {
	// Surprise is the first thing that is not as documented, in words for people.
	// It is empty when all is.
	Surprise string
	Rows     [][]uint64 // values of each reading, at most 100000
	Readings int
	Gaps     []device.Gap
	Quirks   map[string]string // how a quirk shows, by its name
}

// Run tries the instrument for About.For once it is open. The error says that
// the trial could not be shown or recorded; whatever the instrument did is in
// the Report. It ends early, and says so, when ctx ends.
func (t Trial) Run(ctx context.Context) (Report, error) {
	r := &run{Trial: t, out: printer{w: t.Out}, begin: t.Clock()}
	r.now = r.begin
	if t.About.Port == "" {
		r.About.Port = t.Port.Name()
	}
	port := t.Port
	if t.Save != nil {
		port = recording.Record(port, t.Save, func() int64 { return r.now }, r.begin, r.About)
	}
	r.Port = port
	r.heading()
	r.try(ctx)
	err := port.Close()
	r.summary()
	return r.report, errors.Join(err, r.out.err)
}

// run is a trial that is running. It is the port the driver is given.
type run struct {
	Trial
	out    printer
	begin  int64
	now    int64 // when the last call of the port came back
	report Report

	talk []device.Exchange
	kept int

	heard     int64  // when bytes came last
	uncut     []byte // received and not yet cut
	position  int    // of uncut in all that was received
	cutPieces int    // shown of those that CutTalk gives
	first     bool   // the first piece has been cut
	opening   string // first surprise among the pieces while opening
	opened    bool
	unused    []numbered // pieces that are readings and which the driver has not given yet
	singles   uint64     // events that no reading has counted yet
	totals    []channelTotal
	channels  []device.Channel

	tagged tagTally // of an instrument of tags
}

// numbered is a piece and where it stands in all that was received.
type numbered struct {
	device.Piece
	from, to int
}

func (r *run) since(at int64) time.Duration { return time.Duration(at - r.begin) }

// try opens the instrument and reads it.
func (r *run) try(ctx context.Context) {
	opening, cancel := context.WithTimeout(ctx, openLimit)
	defer cancel()
	source, err := r.Driver.Open(opening, device.OpenRequest{Port: r, Settings: r.Settings, Clock: func() int64 { return r.now }})
	if err != nil {
		r.surprise("%v", err)
		return
	}
	r.opened, r.singles = true, 0 // those before it are in no interval
	d := source.Describe()
	r.description(d)
	if r.opening != "" {
		r.surprise("%s", r.opening)
	}
	r.read(ctx, source, len(d.Channels))
	_ = source.Close() // the driver may have a last word to say; what went wrong the port's own Close tells again
	if r.report.Readings == 0 && r.tagged.tick != (device.Tick{}) {
		r.surprise("no tag in %v: is the instrument on, and is there light?", r.About.For)
	}
	if r.report.Readings == 0 {
		r.surprise("no reading in %v: is the instrument counting, and is the time longer than its gate?", r.About.For)
	}
	if quiet := time.Duration(r.now - r.heard); d.Gate > 0 && quiet > 3*d.Gate+quietLimit {
		r.surprise("silence: nothing came for the last %.3f s, a reading is due every %v", quiet.Seconds(), d.Gate)
	}
}

func (r *run) read(ctx context.Context, source device.Source, channels int) {
	b := device.NewBatch(channels)
	for until := r.now + int64(r.About.For); r.now < until; {
		if ctx.Err() != nil {
			r.out.line("interrupted")
			return
		}
		b.Reset()
		err := source.Read(b)
		r.batch(b)
		switch {
		case errors.Is(err, device.ErrClosed): // only a recording ends so
			r.out.line("the recording ends here")
			return
		case err != nil:
			if e, ok := errors.AsType[explaining](err); ok && e.Explains() {
				r.report.Surprise = ""
			}
			r.surprise("after %.3f s: %v", r.since(r.now).Seconds(), err)
			return
		}
	}
}

// explaining is an error that was behind whatever was a surprise before it.
type explaining interface {
	error
	Explains() bool
}

// surprise notes what is not as documented, unless something was before.
func (r *run) surprise(format string, args ...any) {
	if r.report.Surprise == "" {
		r.report.Surprise = fmt.Sprintf(format, args...)
	}
}
