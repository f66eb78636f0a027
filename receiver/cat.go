package receiver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/table"
)

// Format is a form of text that Cat writes.
type Format string

// The formats of Cat.
const (
	CSV    Format = "csv"
	NDJSON Format = "ndjson" // one JSON object per line: readings, gaps and events
)

// CatOptions say what Cat reads and how it writes.
type CatOptions struct {
	Source  string   // a folder of recordings, or the address of a gateway
	Streams []string // patterns of stream, or gateway/stream; none: all
	Format  Format   // empty: CSV
	Folder  string   // write files there, one set for each stream and set of channels, instead of text to the writer
	Follow  bool     // at the end of a folder, wait for more until ctx ends

	Token    []byte
	Software string
	Log      zerolog.Logger
	Dial     Dialer // nil: TCP
}

// CatSummary says what Cat wrote.
type CatSummary struct {
	Readings uint64
	Gaps     int      // gaps and holes among them; verify lists them
	Damaged  bool     // bytes that were in the folder are damaged or gone; all rows written are good
	Files    []string // with CatOptions.Folder
}

// ErrMixed says that streams of different channels cannot share one output.
var ErrMixed = errors.New("different channels cannot share one output")

// IsFolder reports whether Cat takes a source for a folder: it exists as one,
// or cannot be an address.
func IsFolder(source string) bool {
	if info, err := os.Stat(source); err == nil {
		return info.IsDir()
	}
	_, err := ParseAddress(source)
	return err != nil || strings.ContainsAny(source, `/\`) || source == "." || source == ".."
}

// Cat writes readings as text: those of a folder, also while it is being
// written, or of a live gateway from now on, until ctx ends. Nothing is
// written when streams of different channels would be mixed (ErrMixed).
func Cat(ctx context.Context, w io.Writer, o CatOptions) (CatSummary, error) {
	if o.Format == "" {
		o.Format = CSV
	}
	if o.Format != CSV && o.Format != NDJSON {
		return CatSummary{}, usage{fmt.Errorf("format %q: there are %s and %s", o.Format, CSV, NDJSON)}
	}
	if err := checkPatterns(o.Streams); err != nil {
		return CatSummary{}, usage{err}
	}
	if o.Dial == nil {
		o.Dial = dialTCP
	}
	c := &catter{o: &o, w: w}
	var err error
	if IsFolder(o.Source) {
		err = c.folders(ctx)
	} else {
		err = c.live(ctx)
	}
	return c.summary, errors.Join(err, c.finish())
}

// catter is one call of Cat.
type catter struct {
	o       *CatOptions
	w       io.Writer
	summary CatSummary
	streams []*catStream
	columns []protocol.Channel // of the CSV, once known
	fixed   bool               // columns are known
	csv     *table.CSVWriter
	json    *table.NDJSONWriter
	shared  *table.RowClock // of csv or json
}

// catStream is one stream that is read.
type catStream struct {
	c       *catter
	folder  *journal.Folder
	reader  *journal.FolderReader
	decoder *table.Decoder
	files   *csvFiles // with CatOptions.Folder; nil for the stream "gateway"
	clocks  bool      // it is the stream "gateway", read for its clocks
}

// folders reads recordings.
func (c *catter) folders(ctx context.Context) error {
	paths, err := findFolders(c.o.Source)
	if err != nil {
		return err
	}
	for _, path := range paths {
		if err := c.openFolder(path, len(paths) > 1); err != nil {
			return err
		}
	}
	if !slices.ContainsFunc(c.streams, func(s *catStream) bool { return !s.clocks }) {
		return usage{fmt.Errorf("%s holds no stream that fits %s", c.o.Source, patternText(c.o.Streams))}
	}
	if err := c.checkColumns(); err != nil {
		return err
	}
	for {
		for _, s := range c.streams {
			if err := s.readAll(ctx); err != nil {
				return err
			}
		}
		if !c.o.Follow || !sleep(ctx, followEvery) {
			return nil
		}
	}
}

func patternText(patterns []string) string {
	if len(patterns) == 0 {
		return "*"
	}
	return strings.Join(patterns, ", ")
}

// openFolder opens the streams of one journal folder, clocks first.
func (c *catter) openFolder(path string, several bool) error {
	folder, err := journal.OpenFolder(journal.OS{}, path)
	if err != nil {
		return err
	}
	c.summary.Damaged = c.summary.Damaged || folder.Note() != nil
	clocks := table.NewClockTable()
	out := c.o.Folder
	if several && out != "" {
		out = filepath.Join(out, filepath.Base(path))
	}
	infos := folder.Streams()
	slices.SortStableFunc(infos, func(a, b journal.StreamInfo) int {
		return strings.Compare(clocksFirst(a.Name), clocksFirst(b.Name))
	})
	for _, info := range infos {
		isClocks := info.Name == gatewayStream
		if !isClocks && !matches(c.o.Streams, folder.Gateway(), info.Name) {
			continue
		}
		s := &catStream{c: c, folder: folder, clocks: isClocks, reader: folder.Reader(info.Name), decoder: table.NewDecoder(folder.Gateway(), info.Name, clocks)}
		s.decoder.Look = looker(journal.OS{}, filepath.Join(path, info.Name))
		if !isClocks && out != "" {
			s.files = &csvFiles{dir: out, clocks: clocks, software: c.o.Software, journal: folder.ID()}
		}
		c.streams = append(c.streams, s)
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

// checkColumns finds the channels of all parts that will be read, before a
// byte is written, and refuses to mix different ones.
func (c *catter) checkColumns() error {
	if c.o.Folder != "" || c.o.Format == NDJSON {
		return nil
	}
	for _, s := range c.streams {
		if s.clocks {
			continue
		}
		for _, channels := range s.channelSets() {
			if err := c.fixColumns(s.decoder.Part().Name(), channels); err != nil {
				return err
			}
		}
	}
	if c.fixed {
		c.openCSV(c.streams[0].decoder.Clocks())
	}
	return nil
}

// fixColumns takes the channels of a part for the columns, or compares them.
func (c *catter) fixColumns(stream string, channels []protocol.Channel) error {
	switch {
	case len(channels) == 0:
	case !c.fixed:
		c.columns, c.fixed = channels, true
	case !table.SameColumns(c.columns, channels):
		return c.mixed(stream, channels)
	}
	return nil
}

// mixed says which streams differ, and the ways out.
func (c *catter) mixed(stream string, channels []protocol.Channel) error {
	return fmt.Errorf("%w: %s has the channels %s, what comes before it %s. Choose one stream with --stream (as in --stream %q), or write a file for each with --out FOLDER",
		ErrMixed, stream, channelText(channels), channelText(c.columns), stream)
}

func channelText(channels []protocol.Channel) string {
	names := make([]string, len(channels))
	for i, ch := range channels {
		names[i] = ch.Name
	}
	return strings.Join(names, ",")
}

// channelSets returns the channels of each part of a stream, from the begin of
// its files.
func (s *catStream) channelSets() [][]protocol.Channel {
	var sets [][]protocol.Channel
	name := s.decoder.Part().Stream
	for _, epoch := range epochsOf(journal.OS{}, filepath.Join(s.folder.Dir(), name)) {
		r := s.folder.ReaderFrom(name, journal.Position{Epoch: epoch})
		frames, err := r.Next()
		probe := table.NewDecoder(s.decoder.Part().Gateway, name, table.NewClockTable())
		probe.Look = s.decoder.Look
		if err == nil {
			if h, payload, _, err := protocol.ParseFrame(frames); err == nil && h.Epoch == epoch {
				_ = probe.Frame(h, payload, table.Discard{}) // discard has no errors
				sets = append(sets, probe.Part().Desc.Channels)
			}
		}
		r.Close()
	}
	return sets
}

// readAll writes what is there at present.
func (s *catStream) readAll(ctx context.Context) error {
	for ctx.Err() == nil {
		frames, err := s.reader.Next()
		if errors.Is(err, io.EOF) {
			s.c.summary.Damaged = s.c.summary.Damaged || s.reader.Trouble() != nil
			return s.c.flushAll()
		}
		if err != nil {
			return err
		}
		err = forEachFrame(frames, func(h protocol.Header, payload []byte) error {
			if h.Type == protocol.TypeHole && lostIn(s.folder.Place(), payload) {
				s.c.summary.Damaged = true
			}
			return s.decoder.Frame(h, payload, s)
		})
		if err != nil {
			return err
		}
	}
	return s.c.flushAll()
}

// lostIn reports whether a hole is one of bytes that were in the folder.
func lostIn(place journal.Place, payload []byte) bool {
	var h protocol.Hole
	return protocol.DecodeJSON(payload, &h) == nil && lostHere(place, h)
}

// Readings implements table.Sink.
func (s *catStream) Readings(p *table.Part, firstIndex uint64, counts *protocol.Counts) error {
	if s.clocks {
		return nil
	}
	s.c.summary.Readings += uint64(len(counts.Begin))
	switch {
	case s.files != nil:
		return s.files.Readings(p, firstIndex, counts)
	case s.c.o.Format == NDJSON:
		return s.c.openJSON(s.decoder.Clocks()).Readings(p, firstIndex, counts)
	}
	if err := s.c.fixColumns(p.Name(), p.Desc.Channels); err != nil {
		return err
	}
	return s.c.openCSV(s.decoder.Clocks()).Readings(p, firstIndex, counts)
}

// Gap implements table.Sink.
func (s *catStream) Gap(p *table.Part, g table.Gap) error {
	if s.clocks {
		return nil
	}
	s.c.summary.Gaps++
	switch {
	case s.files != nil:
		return s.files.Gap(p, g)
	case s.c.o.Format == NDJSON:
		return s.c.openJSON(s.decoder.Clocks()).Gap(p, g)
	}
	return nil
}

// Event implements table.Sink.
func (s *catStream) Event(p *table.Part, e table.Event) error {
	switch {
	case s.clocks:
	case s.files != nil:
		return s.files.Event(p, e)
	case s.c.o.Format == NDJSON:
		return s.c.openJSON(s.decoder.Clocks()).Event(p, e)
	}
	return nil
}

// clockFor returns the clock of the shared output. Rows of another gateway
// bring their own clocks; t_s goes on from the first row of all.
func (c *catter) clockFor(clocks *table.ClockTable) *table.RowClock {
	if c.shared == nil {
		c.shared = table.NewRowClock(clocks)
	}
	c.shared.SetClocks(clocks)
	return c.shared
}

func (c *catter) openCSV(clocks *table.ClockTable) *table.CSVWriter {
	clock := c.clockFor(clocks)
	if c.csv == nil {
		c.csv = table.NewCSVWriter(c.w, clock, c.columns)
	}
	return c.csv
}

func (c *catter) openJSON(clocks *table.ClockTable) *table.NDJSONWriter {
	clock := c.clockFor(clocks)
	if c.json == nil {
		c.json = table.NewNDJSONWriter(c.w, clock)
	}
	return c.json
}

func (c *catter) flush() error {
	if c.csv != nil {
		return c.csv.Flush()
	}
	if c.json != nil {
		return c.json.Flush()
	}
	return nil
}

// flushAll puts all rows where they belong.
func (c *catter) flushAll() error {
	for _, s := range c.streams {
		if s.files != nil {
			if err := s.files.flush(); err != nil {
				return err
			}
		}
	}
	return c.flush()
}

// finish writes what waits and closes files.
func (c *catter) finish() error {
	var err error
	for _, s := range c.streams {
		if s.reader != nil {
			s.reader.Close()
		}
		err = errors.Join(err, s.decoder.Finish(s))
		if s.files != nil {
			err = errors.Join(err, s.files.finish())
			c.summary.Files = append(c.summary.Files, s.files.names...)
		}
	}
	return errors.Join(err, c.flush())
}
