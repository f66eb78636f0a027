package receiver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/table"
	"photongate/receiver/delays"
)

// DelaysOptions say which tags are compared, and how finely.
type DelaysOptions struct {
	Source  string        // a folder of recordings, or the address of a gateway
	Stream  string        // pattern of stream, or gateway/stream; empty: the only one of tags
	A, B    string        // names of channels
	RangePs int64         // differences from -RangePs to RangePs
	BinPs   int64         // width of a bin
	For     time.Duration // so long of tags; 0: all of a folder, 10 s of a gateway
	From    time.Time     // of a folder: from here on; zero: from its begin
	Connect ConnectOptions
}

// Delays is what comparing the times of two channels gave. Differences are those
// of B less A's, in ps: positive where B comes later.
type Delays struct {
	Stream     string     `json:"stream"`
	A          string     `json:"a"`
	B          string     `json:"b"`
	TagsA      uint64     `json:"tags_a"`
	TagsB      uint64     `json:"tags_b"`
	Seconds    float64    `json:"seconds"` // of tags that were compared
	Losses     int        `json:"losses"`  // stretches without tags among them
	OutOfOrder uint64     `json:"out_of_order,omitempty"`
	TickPs     float64    `json:"tick_ps"`
	Peak       *DelayPeak `json:"peak,omitempty"` // nil: none stands out
	Background float64    `json:"background"`     // pairs in a bin, without the peak
	FirstPs    float64    `json:"first_ps"`       // middle of the first bin
	BinPs      float64    `json:"bin_ps"`
	Counts     []uint64   `json:"counts"`          // pairs in each bin
	Early      string     `json:"early,omitempty"` // why it ended before its time
}

// DelayPeak is the peak of the differences.
type DelayPeak struct {
	AtPs    float64 `json:"at_ps"`
	ErrorPs float64 `json:"error_ps"` // one standard deviation of it
	WidthPs float64 `json:"width_ps"` // full width at half height
	Pairs   float64 `json:"pairs"`    // in it, above the background
	Height  float64 `json:"height"`   // pairs in its highest bin, above the background
	Sigma   float64 `json:"sigma"`    // how many standard deviations it stands out
	Delay   string  `json:"delay"`    // what brings the two together, as a [[device.counts]] takes it
	// A window about it that holds the peak, as it takes it, too: the width that it
	// truly has, in whole ticks, and the part of the peak's pairs in it.
	Window      string  `json:"window"`
	WindowPs    float64 `json:"window_ps"`
	WindowTicks uint64  `json:"window_ticks"`
	InWindow    float64 `json:"in_window"`
}

const (
	liveDelays    = 10 * time.Second // of tags from a gateway, unless said otherwise
	delayPatience = 10 * time.Second // for which tags may stay away
	leastBins     = 4                // to each side, for a peak to stand out of anything
)

// FindDelays counts the differences in time between the tags of two channels,
// until it has what was asked for, or ctx ends. Wrong options are ErrUsage.
func FindDelays(ctx context.Context, o DelaysOptions) (Delays, error) {
	d := &delayFinder{o: &o}
	switch {
	case o.A == o.B:
		return Delays{}, usage{fmt.Errorf("%s and %s are the same channel: name two", o.A, o.B)}
	case o.RangePs <= 0 || o.BinPs <= 0:
		return Delays{}, usage{errors.New("--range and --bin are longer than nothing")}
	case o.RangePs < leastBins*o.BinPs:
		return Delays{}, usage{fmt.Errorf("--bin %s is too wide for --range %s: a peak shows in %d bins to each side or more; choose a --bin of %s or less, or a longer --range",
			PsText(float64(o.BinPs)), PsText(float64(o.RangePs)), leastBins, PsText(max(1, math.Floor(float64(o.RangePs)/leastBins))))}
	}
	folder := IsFolder(o.Source)
	if !folder && !o.From.IsZero() {
		return Delays{}, usage{fmt.Errorf("--from is for folders, and there is no folder %s: of a gateway the tags are compared that come from now on, for --for", o.Source)}
	}
	if o.For == 0 && !folder {
		o.For = liveDelays
	}
	err := checkPatterns(d.patterns())
	if err != nil {
		return Delays{}, usage{err}
	}
	if folder {
		err = d.folders(ctx)
	} else {
		err = d.live(ctx)
	}
	if errors.Is(err, errFinished) {
		err = nil
	}
	if err == nil && d.histogram == nil {
		err = d.nothing()
	}
	if err != nil {
		return Delays{}, err
	}
	return d.report(), nil
}

// delayFinder is a sink at work. One goroutine uses it.
type delayFinder struct {
	o         *DelaysOptions
	tags      protocol.Tags
	codec     protocol.TagsDecoder
	histogram *delays.Histogram
	tick      protocol.Tick
	stream    string
	epoch     uint32
	a, b      uint8
	spanNs    int64
	losses    int
	early     string
	passed    []string // streams that are none of tags
	others    []string // all there are
	matched   int      // of them, that fit the choice
	away      string   // what is said of a tagger that does not run
}

// Readings implements table.Sink.
func (d *delayFinder) Readings(p *table.Part, _ uint64, _ *protocol.Counts) error {
	if !slices.Contains(d.passed, p.Name()) {
		d.passed = append(d.passed, p.Name())
	}
	return nil
}

// Gap implements table.Sink.
func (d *delayFinder) Gap(p *table.Part, _ table.Gap) error {
	if p.Name() == d.stream {
		d.losses++
	}
	return nil
}

// Event implements table.Sink.
func (d *delayFinder) Event(*table.Part, table.Event) error { return nil }

// Tags implements table.TagSink.
func (d *delayFinder) Tags(p *table.Part, f *table.TagFrame) error {
	if err := d.enter(p); err != nil {
		return err
	}
	if err := d.codec.Decode(f.Header, f.Payload, &d.tags); err != nil {
		return err
	}
	d.spanNs += f.EndNs - f.BeginNs
	if err := d.histogram.Add(d.tags.Ticks, d.tags.Channels, d.a, d.b); err != nil {
		return usage{fmt.Errorf("--range: %w; choose a shorter one", err)}
	}
	if d.o.For > 0 && d.spanNs >= int64(d.o.For) {
		return errFinished
	}
	return nil
}

// enter goes on with a part.
func (d *delayFinder) enter(p *table.Part) error {
	switch {
	case d.histogram == nil:
		if err := d.begin(p); err != nil {
			return err
		}
	case d.stream != p.Name():
		return usage{fmt.Errorf("%s and %s both give tags: choose one with --stream", d.stream, p.Name())}
	case d.epoch == p.Epoch:
		return nil
	case p.Desc.Tick == nil || *p.Desc.Tick != d.tick:
		return usage{fmt.Errorf("part %d of %s has ticks of another length than the one before: choose one with --from and --for", p.Epoch, d.stream)}
	}
	d.epoch = p.Epoch
	d.histogram.Break()
	for name, to := range map[string]*uint8{d.o.A: &d.a, d.o.B: &d.b} {
		i := slices.IndexFunc(p.Desc.Channels, func(ch protocol.Channel) bool { return ch.Name == name })
		if i < 0 {
			names := make([]string, len(p.Desc.Channels))
			for k, ch := range p.Desc.Channels {
				names[k] = ch.Name
			}
			return usage{fmt.Errorf("%s has no channel %s: there are %s", p.Name(), name, strings.Join(names, ", "))}
		}
		*to = uint8(i)
	}
	return nil
}

// begin makes the histogram.
func (d *delayFinder) begin(p *table.Part) error {
	if p.Desc.Tick == nil {
		return fmt.Errorf("how long a tick of %s lasts is not known: the begin of part %d is lost", p.Name(), p.Epoch)
	}
	d.stream, d.tick = p.Name(), *p.Desc.Tick
	ps := tickNs(&d.tick) * 1000
	reach, bin := float64(d.o.RangePs)/ps, math.Round(float64(d.o.BinPs)/ps)
	if reach < leastBins {
		return usage{fmt.Errorf("--range %s is too short: a tick of %s lasts %s, and %d of them to each side are needed", PsText(float64(d.o.RangePs)), p.Name(), PsText(ps), leastBins)}
	}
	if bins := reach / max(bin, 1); bins > delays.MaxBins/2-2 {
		return usage{fmt.Errorf("--range %s in bins of %s is %.3g bins to each side, and %d is the most: choose a shorter --range, or a --bin of %s or more",
			PsText(float64(d.o.RangePs)), PsText(max(bin, 1)*ps), bins, delays.MaxBins/2-2, PsText(math.Ceil(reach/(delays.MaxBins/2-2))*ps))}
	}
	var err error
	// What comes out of order by more than the range changes nothing in it.
	d.histogram, err = delays.New(uint64(math.Ceil(reach)), uint64(bin), uint64(math.Ceil(reach)))
	if err != nil {
		return usage{fmt.Errorf("--range %s: %w of %s; choose a shorter one", PsText(float64(d.o.RangePs)), err, PsText(ps))}
	}
	return nil
}

// nothing says why not one tag came.
func (d *delayFinder) nothing() error {
	there := ": there are " + strings.Join(d.others, ", ")
	if len(d.others) == 0 {
		there = ": there is none"
	}
	switch {
	case len(d.passed) > 0:
		return usage{fmt.Errorf("%s: delays are found from time tags, and %s gives counts%s", d.o.Source, strings.Join(d.passed, ", "), there)}
	case d.matched == 0 && d.o.Stream != "":
		return usage{fmt.Errorf("%s: no stream fits --stream %s%s", d.o.Source, d.o.Stream, there)}
	case d.matched == 0:
		return usage{fmt.Errorf("%s: no stream of time tags%s", d.o.Source, there)}
	case !d.o.From.IsZero():
		return usage{fmt.Errorf("%s: not one time tag is of --from %s or later", d.o.Source, d.o.From.Local().Format("2006-01-02 15:04:05 MST"))}
	}
	if d.away != "" {
		return fmt.Errorf("%s: not one time tag came: %s", d.o.Source, d.away)
	}
	return usage{fmt.Errorf("%s: not one time tag came, of %s", d.o.Source, strings.Join(d.others, ", "))}
}

// patterns are those of the streams that are asked for; none: all.
func (d *delayFinder) patterns() []string {
	if d.o.Stream == "" {
		return nil
	}
	return []string{d.o.Stream}
}

// folders reads recordings.
func (d *delayFinder) folders(ctx context.Context) error {
	paths, err := findFolders(d.o.Source)
	if err != nil {
		return err
	}
	patterns := d.patterns()
	for _, path := range paths {
		folder, err := journal.OpenFolder(journal.OS{}, path)
		if err != nil {
			return err
		}
		times := &partTimes{folder: folder, clocks: table.NewClockTable()}
		times.readClocks()
		for _, info := range folder.Streams() {
			if info.Name == gatewayStream {
				continue
			}
			d.others = append(d.others, info.Name)
			if !matches(patterns, folder.Gateway(), info.Name) {
				continue
			}
			d.matched++
			if err := d.read(ctx, folder, info.Name, times.clocks); err != nil {
				return err
			}
		}
	}
	return nil
}

// read reads a stream of a folder; of a stream of counts no more than its begin.
func (d *delayFinder) read(ctx context.Context, folder *journal.Folder, stream string, clocks *table.ClockTable) error {
	r := folder.Reader(stream)
	defer r.Close()
	decoder := table.NewDecoder(folder.Gateway(), stream, clocks)
	decoder.Look = looker(journal.OS{}, filepath.Join(folder.Dir(), stream))
	pipe := table.NewPipe(&table.View{From: d.o.From}, clocks, d)
	for ctx.Err() == nil {
		frames, err := r.Next()
		if errors.Is(err, io.EOF) {
			return decoder.Finish(pipe)
		}
		if err == nil {
			err = decoder.Frames(frames, pipe)
		}
		if err != nil {
			return err
		}
		if slices.Contains(d.passed, decoder.Part().Name()) {
			return nil
		}
	}
	d.early = "it was ended early"
	return nil
}

// report tells what was found.
func (d *delayFinder) report() Delays {
	h := d.histogram
	ps := tickNs(&d.tick) * 1000
	r := Delays{Stream: d.stream, A: d.o.A, B: d.o.B, TagsA: h.A, TagsB: h.B, Seconds: float64(d.spanNs) / 1e9, Losses: d.losses, OutOfOrder: h.Skipped,
		TickPs: ps, FirstPs: h.Difference(0) * ps, BinPs: float64(h.Bin) * ps, Counts: h.Counts, Early: d.early}
	p := h.Peak()
	r.Background = p.Background
	if !p.Found {
		return r
	}
	r.Peak = &DelayPeak{AtPs: p.Position * ps, ErrorPs: p.Error * ps, WidthPs: p.Width * ps, Pairs: p.Pairs, Height: p.Height, Sigma: p.Sigma}
	// The one that comes first is held back. Digits beyond the error mean nothing.
	first := d.o.A
	if p.Position < 0 {
		first = d.o.B
	}
	grain := 1.0
	for grain*20 <= max(r.Peak.ErrorPs, ps/2) {
		grain *= 10
	}
	delay := math.Round(math.Abs(r.Peak.AtPs)/grain) * grain
	r.Peak.Delay = fmt.Sprintf("delay = { %s = %q }", tomlKey(first), PsText(delay))
	d.window(r.Peak, p, math.Copysign(math.Round(delay/ps), p.Position))
	return r
}

// windowHolds is the part of a peak's pairs that a window is proposed for.
const windowHolds = 0.99

// window finds the narrowest window about the delay, in ticks, that holds the peak.
// Tags count that are up to so many whole ticks apart, to either side; none is asked
// for that counts those of the same tick only.
func (d *delayFinder) window(to *DelayPeak, p delays.Peak, delay float64) {
	h, ps := d.histogram, tickNs(&d.tick)*1000
	half := uint64(1)
	for most := uint64(math.Ceil(2*p.Width)) + h.Bin; ; half++ {
		var held float64
		for i, n := range h.Counts {
			if math.Abs(h.Difference(float64(i))-delay) <= float64(half)+0.5 { // of bins wider than a tick, those whose middle lies within
				held += float64(n) - p.Background
			}
		}
		if to.InWindow = min(held/p.Pairs, 1); to.InWindow >= windowHolds || half >= most {
			break
		}
	}
	to.Window, to.WindowTicks = PsText(2*float64(half)*ps), 2*half+1
	to.WindowPs = float64(to.WindowTicks) * ps
}

// tomlKey is a channel's name as a key in TOML.
func tomlKey(name string) string {
	bare := strings.IndexFunc(name, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '_' && r != '-'
	}) < 0
	if bare && name != "" {
		return name
	}
	return fmt.Sprintf("%q", name)
}
