package receiver

import (
	"cmp"
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
)

// newStreamsEvery is how many looks at a followed folder pass between two looks
// for new streams.
const newStreamsEvery = 10

// catSource is one journal folder to read.
type catSource struct {
	path    string
	streams []string // patterns
	cut     *cut     // nil: all readings
	out     string   // folder for its files
	clocks  *table.ClockTable
	present presence
}

// sources finds the folders to read.
func (c *catter) sources() ([]*catSource, error) {
	var found foundMeasurement
	var err error
	switch {
	case c.o.Measurement != "":
		found, err = findMeasurement(c.o.Source, c.o.Measurement)
	case isMeasurementFolder(c.o.Source):
		found, err = openMeasurementFolder(c.o.Source)
	default:
		return c.allSources()
	}
	if err != nil {
		return nil, err
	}
	patterns := found.streams
	if len(c.o.Streams) > 0 {
		patterns = c.o.Streams
	}
	return []*catSource{{path: found.path, streams: patterns, cut: found.cut, out: c.o.Folder, clocks: table.NewClockTable()}}, nil
}

func (c *catter) allSources() ([]*catSource, error) {
	paths, err := findFolders(c.o.Source)
	if err != nil {
		return nil, err
	}
	var all []*catSource
	for _, path := range paths {
		all = append(all, &catSource{path: path, streams: c.o.Streams, out: c.outFolder(path, len(paths) > 1), clocks: table.NewClockTable()})
	}
	return all, nil
}

// folders reads recordings.
func (c *catter) folders(ctx context.Context) error {
	sources, err := c.sources()
	if err != nil {
		return err
	}
	var streams []*catStream
	var folders []journalFolder
	for _, from := range sources {
		opened, err := c.openFolder(from)
		if err != nil {
			return err
		}
		streams = append(streams, opened...)
		if len(opened) > 0 {
			folders = append(folders, journalFolder{from.path, opened[0].folder.Gateway(), opened[0].folder.ID()})
		}
	}
	for _, twice := range heldTwice(folders) {
		c.note("%s: rows may be here twice. Name one of the folders to have each once", twice)
	}
	if !slices.ContainsFunc(streams, func(s *catStream) bool { return !s.isClocks() || c.o.wantsEvents(s.decoder.Part().Gateway) }) {
		return usage{fmt.Errorf("%s holds no stream that fits %s", c.o.Source, patternText(c.o.Streams))}
	}
	if err := c.expect(streams); err != nil {
		return err
	}
	for round := 1; ; round++ {
		if err := c.readAll(ctx); err != nil {
			return err
		}
		if c.merger != nil && c.o.Follow {
			if err := c.merger.Overdue(mergePatience); err != nil {
				return err
			}
		}
		if err := c.flushAll(); err != nil {
			return err
		}
		if c.merger != nil {
			c.noteAgreement(sources)
		}
		if !c.o.Follow || !sleep(ctx, followEvery) {
			return nil
		}
		if round%newStreamsEvery == 0 {
			if err := c.openNew(sources); err != nil {
				return err
			}
		}
	}
}

// openFolder opens the streams of one journal folder that are not read yet,
// clocks first.
func (c *catter) openFolder(from *catSource) ([]*catStream, error) {
	folder, err := journal.OpenFolder(journal.OS{}, from.path)
	if err != nil {
		return nil, err
	}
	c.summary.Damaged = c.summary.Damaged || folder.Note() != nil
	infos := folder.Streams()
	slices.SortStableFunc(infos, func(a, b journal.StreamInfo) int {
		return strings.Compare(clocksFirst(a.Name), clocksFirst(b.Name))
	})
	var opened []*catStream
	for _, info := range infos {
		if info.Name != gatewayStream && !matches(from.streams, folder.Gateway(), info.Name) || c.reads(from, info.Name) {
			continue
		}
		s := &catStream{folder: folder, reader: folder.Reader(info.Name), decoder: table.NewDecoder(folder.Gateway(), info.Name, from.clocks), source: from}
		s.decoder.Look = looker(journal.OS{}, filepath.Join(from.path, info.Name))
		opened = append(opened, s)
	}
	return opened, nil
}

// reads reports whether a stream is read already.
func (c *catter) reads(from *catSource, stream string) bool {
	return slices.ContainsFunc(c.streams, func(s *catStream) bool { return s.source == from && s.decoder.Part().Stream == stream })
}

// openNew goes on with streams that have appeared.
func (c *catter) openNew(sources []*catSource) error {
	for _, from := range sources {
		opened, err := c.openFolder(from)
		if err != nil {
			return err
		}
		for _, s := range opened {
			c.add(s, from.out, s.folder.ID(), from.cut)
			if err := c.expectOf(s, s.parts()); err != nil {
				return err
			}
		}
	}
	return nil
}

// clocksFirst is a key that sorts the stream "gateway" before all others.
func clocksFirst(name string) string {
	if name == gatewayStream {
		return ""
	}
	return name
}

// expect finds the channels of all parts that will be read, before a byte is
// written, and begins to read the streams.
func (c *catter) expect(streams []*catStream) error {
	parts := make([][]table.Part, len(streams))
	if v := &c.o.View; c.o.Folder == "" && v.Format != table.NDJSON || v.Particular() {
		for i, s := range streams {
			parts[i] = s.parts()
		}
	}
	if err := c.chooseBin(parts); err != nil {
		return err
	}
	if err := c.o.View.Correct.Fits(slices.Concat(parts...)...); err != nil {
		return err
	}
	if err := c.begin(); err != nil {
		return err
	}
	for i, s := range streams {
		c.add(s, s.source.out, s.folder.ID(), s.source.cut)
		if err := c.expectOf(s, parts[i]); err != nil {
			return err
		}
	}
	if c.output != nil {
		c.output.Open()
	}
	return nil
}

// expectOf tells the pipe of a stream of its parts.
func (c *catter) expectOf(s *catStream, parts []table.Part) error {
	if s.isClocks() {
		return nil
	}
	for i := range parts {
		if err := s.pipe.Expect(&parts[i]); err != nil {
			return err
		}
	}
	return nil
}

// chooseBin takes the longest gate for the bins of merged streams when nothing
// else was asked for.
func (c *catter) chooseBin(parts [][]table.Part) error {
	v := &c.o.View
	if !v.Merge || v.Every > 0 {
		return nil
	}
	for _, list := range parts {
		for _, p := range list {
			v.Every = max(v.Every, time.Duration(p.Desc.GateNs))
		}
	}
	if v.Every == 0 {
		return usage{errors.New("--merge: these gates have no fixed length to take for the rows; say how long they shall be, as in --every 1s")}
	}
	c.note("rows of %v, the longest gate: --every chooses another length", v.Every)
	return nil
}

// parts finds the parts of a stream and their channels from the begin of its
// files.
func (s *catStream) parts() []table.Part {
	name := s.decoder.Part().Stream
	if name == gatewayStream {
		return nil
	}
	var parts []table.Part
	for _, epoch := range epochsOf(journal.OS{}, filepath.Join(s.folder.Dir(), name)) {
		r := s.folder.ReaderFrom(name, journal.Position{Epoch: epoch})
		frames, err := r.Next()
		probe := table.NewDecoder(s.decoder.Part().Gateway, name, table.NewClockTable())
		probe.Look = s.decoder.Look
		if err == nil {
			if h, payload, _, err := protocol.ParseFrame(frames); err == nil && h.Epoch == epoch {
				_ = probe.Frame(h, payload, table.Discard{}) // Discard has no errors
				parts = append(parts, *probe.Part())
			}
		}
		r.Close()
	}
	return parts
}

// readAll writes what is there at present: one stream after the other, clocks
// first; streams that are merged in turns, by their times, so that rows do not
// gather in memory.
func (c *catter) readAll(ctx context.Context) error {
	var together []*catStream
	for _, s := range c.streams {
		if c.merger != nil && !s.isClocks() {
			together = append(together, s)
			continue
		}
		for more := true; more; {
			var err error
			if more, err = s.read(ctx, math.MaxInt64); err != nil {
				return err
			}
		}
	}
	for len(together) > 0 {
		slices.SortStableFunc(together, func(a, b *catStream) int { return cmp.Compare(a.at, b.at) })
		until := int64(math.MaxInt64)
		if len(together) > 1 {
			until = together[1].at + turnNs
		}
		more, err := together[0].read(ctx, until)
		if err != nil {
			return err
		}
		if !more {
			together = together[1:]
		}
	}
	return nil
}

// turnNs is how far one of several merged streams is read beyond the next one.
const turnNs = int64(10 * time.Second)

// read writes the next frames, at most up to a time, and reports whether there
// may be more at present. Unless more is waited for, a stream at its end is
// finished.
func (s *catStream) read(ctx context.Context, until int64) (more bool, err error) {
	if ctx.Err() != nil || s.done {
		return false, nil
	}
	if len(s.frames) == 0 {
		s.frames, err = s.reader.Next()
	}
	if errors.Is(err, io.EOF) {
		s.c.summary.Damaged = s.c.summary.Damaged || s.reader.Trouble() != nil
		if s.c.o.Follow {
			return false, nil
		}
		return false, s.finish()
	}
	for err == nil && len(s.frames) > 0 && s.at <= until {
		var h protocol.Header
		if h, err = protocol.ParseHeader(s.frames); err == nil {
			err = s.frame(h, s.frames[h.HeaderLen:h.FrameLen()])
			s.frames = s.frames[h.FrameLen():]
		}
	}
	return err == nil, err
}

// frame writes one frame.
func (s *catStream) frame(h protocol.Header, payload []byte) error {
	if h.Type == protocol.TypeHole && lostIn(s.folder.Place(), payload) {
		s.c.summary.Damaged = true
	}
	err := s.decoder.Frame(h, payload, s.first)
	if s.isClocks() {
		s.source.present.frame(s.decoder.Part().Gateway, &s.decoder.Part().Desc, h, payload)
	}
	if s.c.merger != nil {
		s.at, _ = s.decoder.Clocks().UTC(s.decoder.Part().Base(), h.Time)
	}
	return err
}

// lostIn reports whether a hole is one of bytes that were in the folder.
func lostIn(place journal.Place, payload []byte) bool {
	var h protocol.Hole
	return protocol.DecodeJSON(payload, &h) == nil && lostHere(place, h)
}
