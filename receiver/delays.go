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
}

const (
	liveDelays    = 10 * time.Second // of tags from a gateway, unless said otherwise
	delayPatience = 10 * time.Second // for which tags may stay away
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
	}
	folder := IsFolder(o.Source)
	if o.For == 0 && !folder {
		o.For = liveDelays
	}
	var err error
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
			return usage{fmt.Errorf("%s has no channel %s, there are %s", p.Name(), name, strings.Join(names, ", "))}
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
	if reach < 1 {
		return usage{fmt.Errorf("--range is shorter than a tick of %s, which lasts %s", p.Name(), PsText(ps))}
	}
	if reach > 1e15 {
		return usage{fmt.Errorf("--range is longer than makes sense for ticks of %s", PsText(ps))}
	}
	var err error
	// What comes out of order by more than the range changes nothing in it.
	d.histogram, err = delays.New(uint64(math.Ceil(reach)), uint64(bin), uint64(math.Ceil(reach)))
	if err != nil {
		return usage{fmt.Errorf("--range and --bin: %w ticks of %s", err, PsText(ps))}
	}
	return nil
}

func (d *delayFinder) nothing() error {
	if len(d.passed) > 0 {
		return usage{fmt.Errorf("no stream of time tags: %s gives counts, and delays are found from tags", strings.Join(d.passed, ", "))}
	}
	pattern := "no stream"
	if d.o.Stream != "" {
		pattern = "no stream that fits " + d.o.Stream
	}
	return usage{fmt.Errorf("%s: %s gave a time tag", d.o.Source, pattern)}
}

// folders reads recordings.
func (d *delayFinder) folders(ctx context.Context) error {
	paths, err := findFolders(d.o.Source)
	if err != nil {
		return err
	}
	var patterns []string
	if d.o.Stream != "" {
		patterns = []string{d.o.Stream}
	}
	if err := checkPatterns(patterns); err != nil {
		return usage{err}
	}
	for _, path := range paths {
		folder, err := journal.OpenFolder(journal.OS{}, path)
		if err != nil {
			return err
		}
		times := &partTimes{folder: folder, clocks: table.NewClockTable()}
		times.readClocks()
		for _, info := range folder.Streams() {
			if info.Name == gatewayStream || !matches(patterns, folder.Gateway(), info.Name) {
				continue
			}
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
	r.Peak.Delay = fmt.Sprintf("delay = { %s = %q }", tomlKey(first), PsText(math.Round(math.Abs(r.Peak.AtPs)/grain)*grain))
	return r
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
