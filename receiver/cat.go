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
	"time"

	"github.com/rs/zerolog"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/table"
)

// CatOptions say what Cat reads and how it writes.
type CatOptions struct {
	Source      string   // a folder of recordings or of a measurement, or the address of a gateway
	Streams     []string // patterns of stream, or gateway/stream; none: all
	Measurement string   // only what belongs to this measurement of a folder; empty: all
	View        table.View
	Folder      string // write files there, one set for each stream and set of channels, instead of text to the writer
	Follow      bool   // at the end of a folder, wait for more until ctx ends

	Token    []byte
	Software string
	Log      zerolog.Logger
	Dial     Dialer   // nil: TCP
	Listen   []string // where to wait for a gateway that dials this computer, as ConnectOptions.Listen; none: it is dialled
}

// CatSummary says what Cat wrote.
type CatSummary struct {
	Rows    uint64
	Gaps    int      // gaps and holes among what was read; verify lists them
	Damaged bool     // bytes that were in the folder are damaged or gone; all rows written are good
	Files   []string // with CatOptions.Folder
	Notes   []string // sentences about the rows: how bins were chosen, what was left out, how well clocks agree
}

// ErrMixed says that streams of different channels cannot share one output.
var ErrMixed = table.ErrMixed

// mergePatience is how long, in ns of the data, a merged row waits for a stream
// of which nothing comes while others go on.
const mergePatience = int64(10 * time.Second)

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
// written, or of a live gateway from now on (or from View.From, as far back as
// the gateway has it), until ctx ends. Nothing is written when streams of
// different channels would be mixed (ErrMixed).
func Cat(ctx context.Context, w io.Writer, o CatOptions) (CatSummary, error) {
	if err := o.check(); err != nil {
		return CatSummary{}, usage{err}
	}
	c := &catter{o: &o, w: w}
	var err error
	if IsFolder(o.Source) {
		err = c.folders(ctx)
	} else {
		err = c.live(ctx)
	}
	return c.summary, errors.Join(c.ways(err), c.finish())
}

// check refuses what does not go together.
func (o *CatOptions) check() error {
	if err := checkPatterns(o.Streams); err != nil {
		return err
	}
	if err := o.checkEvents(); err != nil {
		return err
	}
	switch isFolder := IsFolder(o.Source); {
	case o.View.Format == table.NPY && o.Folder == "":
		return errors.New("--format npy writes two files: say into which folder with --out (--format raw is one stream of records, for the standard output)")
	case o.Folder != "" && o.View.Format == table.NDJSON:
		return errors.New("--out writes CSV files: leave out --format ndjson, or send the standard output to a file")
	case !isFolder && o.Measurement != "":
		return fmt.Errorf("--measurement cuts out of a folder of recordings, and %s is the address of a gateway", o.Source)
	case !isFolder && o.View.Merge && o.View.Every == 0:
		return errors.New("--merge of a live gateway needs the length of its rows: --every 1s, or longer than the longest gate")
	case isFolder && len(o.Listen) > 0:
		return fmt.Errorf("--listen waits for a gateway that dials in, and %s is a folder: leave it out", o.Source)
	case isFolder && o.Follow && !o.View.To.IsZero():
		return errors.New("--follow waits for more, --to asks for no more: leave one of them out")
	}
	return o.View.Check()
}

// ways adds the ways out to an error.
func (c *catter) ways(err error) error {
	mixed, isMixed := errors.AsType[*table.MixedError](err)
	switch {
	case isMixed && c.o.View.Merge:
		return fmt.Errorf("%w: the channels of one stream changed, and merged rows have one set of columns. Choose a time with --from and --to, or leave --merge out and write a file for each with --out FOLDER", err)
	case isMixed:
		return fmt.Errorf("%w. Choose one stream with --stream (as in --stream %q), put streams side by side with --merge, or write a file for each with --out FOLDER", err, mixed.Stream)
	case errors.Is(err, table.ErrSheetFull):
		return fmt.Errorf("%w, and these are on the standard output now: choose less with --from and --to, sum with --every, or let --out FOLDER begin a new file in time", err)
	case errors.Is(err, table.ErrShortBin), errors.Is(err, table.ErrNotCorrected), errors.Is(err, table.ErrNotTags), errors.Is(err, table.ErrNotCounts):
		return usage{err}
	}
	return err
}

// catter is one call of Cat.
type catter struct {
	o       *CatOptions
	w       io.Writer
	summary CatSummary
	streams []*catStream
	output  *table.Output // nil with CatOptions.Folder
	merger  *table.Merger // nil: streams are not merged
	merged  *csvFiles     // of merged rows, with CatOptions.Folder
	events  *eventRows    // with the stream "gateway" asked for by its name, as CSV
}

// catStream is one stream that is read. It is the sink at the end of its pipe.
type catStream struct {
	c       *catter
	source  *catSource // nil: a live gateway
	folder  *journal.Folder
	reader  *journal.FolderReader
	decoder *table.Decoder
	first   table.Sink      // takes what is decoded
	pipe    *table.Pipe     // nil for the stream "gateway" while it is read for its clocks alone
	end     table.Sink      // takes the rows that the view made
	files   *csvFiles       // with CatOptions.Folder, unless streams are merged
	at      int64           // UTC of the last frame read, ns
	frames  []byte          // of the reader, not written yet
	done    bool            // nothing more comes
	last    protocol.Cursor // last frame of a live gateway
}

// isClocks reports whether it is the stream "gateway".
func (s *catStream) isClocks() bool { return s.decoder.Part().Stream == gatewayStream }

// begin makes ready for writing: the view is complete now.
func (c *catter) begin() error {
	v := &c.o.View
	if c.o.eventsOnly() && v.Format != table.NDJSON {
		c.events = newEventRows(c)
		return nil
	}
	if c.o.Folder == "" {
		plain := *v
		plain.Merge = false // streams are merged here
		output, err := table.NewOutput(c.w, plain)
		if err != nil {
			return usage{err}
		}
		c.output = output
	}
	if v.Merge {
		c.merger = table.NewMerger(v, &mergedRows{c: c})
	}
	return nil
}

// add begins to read a stream. cut, if any, chooses what of it belongs to a
// measurement.
func (c *catter) add(s *catStream, out string, id protocol.ID, cut *cut) {
	s.c = c
	c.streams = append(c.streams, s)
	clocks, stream := s.decoder.Clocks(), s.decoder.Part().Stream
	if stream == gatewayStream {
		c.addEvents(s, cut)
		return
	}
	switch {
	case c.o.Folder == "":
		s.end = c.output.End(clocks)
	case c.merger != nil:
		if c.merged == nil {
			c.merged = &csvFiles{dir: c.o.Folder, clocks: clocks, software: c.o.Software, journal: id, view: &c.o.View, merged: true}
		}
		s.end = &namedNotes{c.merged, clocks}
	default:
		s.files = &csvFiles{dir: out, clocks: clocks, software: c.o.Software, journal: id, view: &c.o.View}
		s.end = s.files
	}
	var end table.Sink = s
	if c.merger != nil {
		end = c.merger.Stream(s)
	}
	s.pipe = table.NewPipe(&c.o.View, clocks, end)
	s.first = s.pipe
	if cut != nil {
		s.first = newCutStream(cut, clocks, s.pipe)
	}
}

// Expect implements table.Expecter.
func (s *catStream) Expect(p *table.Part) error {
	if e, ok := s.end.(table.Expecter); ok {
		return e.Expect(p)
	}
	return nil
}

// Readings implements table.Sink.
func (s *catStream) Readings(p *table.Part, firstIndex uint64, counts *protocol.Counts) error {
	s.c.summary.Rows += uint64(len(counts.Begin))
	return s.end.Readings(p, firstIndex, counts)
}

// Tags implements table.TagSink.
func (s *catStream) Tags(p *table.Part, f *table.TagFrame) error {
	if to, ok := s.end.(table.TagSink); ok {
		return to.Tags(p, f)
	}
	return nil
}

// Gap implements table.Sink.
func (s *catStream) Gap(p *table.Part, g table.Gap) error {
	s.c.summary.Gaps++
	return s.end.Gap(p, g)
}

// Event implements table.Sink.
func (s *catStream) Event(p *table.Part, e table.Event) error { return s.end.Event(p, e) }

// mergedRows is the sink of merged rows.
type mergedRows struct {
	c   *catter
	end table.Sink
}

// Expect implements table.Expecter.
func (m *mergedRows) Expect(*table.Part) error { return nil }

// Readings implements table.Sink.
func (m *mergedRows) Readings(p *table.Part, firstIndex uint64, counts *protocol.Counts) error {
	if m.end == nil && m.c.merged != nil {
		m.end = m.c.merged
	} else if m.end == nil {
		m.end = m.c.output.End(table.NewClockTable()) // their times are UTC
	}
	m.c.summary.Rows += uint64(len(counts.Begin))
	return m.end.Readings(p, firstIndex, counts)
}

// Gap implements table.Sink: gaps go by another way.
func (m *mergedRows) Gap(*table.Part, table.Gap) error { return nil }

// Event implements table.Sink: events go by another way.
func (m *mergedRows) Event(*table.Part, table.Event) error { return nil }

// namedNotes is the end of a stream whose rows are merged into files: its gaps
// and events say whose they are.
type namedNotes struct {
	files  *csvFiles
	clocks *table.ClockTable
}

// Readings implements table.Sink.
func (n *namedNotes) Readings(*table.Part, uint64, *protocol.Counts) error { return nil }

// Gap implements table.Sink.
func (n *namedNotes) Gap(p *table.Part, g table.Gap) error {
	g.Detail = strings.TrimSuffix(p.Name()+": "+g.Detail, ": ")
	return n.files.noteOf(n.clocks, earlyNote{part: *p, gap: &g})
}

// Event implements table.Sink.
func (n *namedNotes) Event(p *table.Part, e table.Event) error {
	e.Text = strings.TrimSuffix(p.Name()+": "+e.Text, ": ")
	return n.files.noteOf(n.clocks, earlyNote{part: *p, event: &e})
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
	if c.merged != nil {
		return c.merged.flush()
	}
	if c.events != nil {
		return c.events.w.Flush()
	}
	if c.output != nil {
		return c.output.Flush()
	}
	return nil
}

// finish writes what waits and closes files.
func (c *catter) finish() error {
	var err error
	for _, s := range c.streams {
		if s.reader != nil {
			s.reader.Close()
		}
		err = errors.Join(err, s.finish())
	}
	if c.merger != nil {
		err = errors.Join(err, c.merger.Finish())
		c.noteLate()
		c.noteOneClock()
	}
	files := []*csvFiles{c.merged}
	for _, s := range c.streams {
		files = append(files, s.files)
	}
	for _, f := range files {
		if f != nil {
			err = errors.Join(err, f.finish())
			c.summary.Files = append(c.summary.Files, f.names...)
			c.summary.Rows += f.tagged
		}
	}
	err = errors.Join(err, c.flushAll())
	if c.output != nil {
		err = errors.Join(err, c.output.Finish())
		c.summary.Rows += c.output.Tagged()
	}
	return err
}

// finish ends a stream: bins at hand are written.
func (s *catStream) finish() error {
	if s.done {
		return nil
	}
	s.done = true
	err := s.decoder.Finish(s.first)
	if s.isClocks() {
		return err
	}
	if s.source != nil {
		if g := s.source.present.gap(s.decoder); g != nil {
			err = errors.Join(err, s.first.Gap(s.decoder.Part(), *g))
		}
	}
	if n := s.pipe.Untimed(); n > 0 {
		s.c.note("%s: %d "+unitOf(s.decoder.Part().IsTags())+"s were left out: when they were taken is not known, since the gateway's clock had not been set", s.decoder.Part().Name(), n)
	}
	return errors.Join(err, s.pipe.Finish())
}

func (c *catter) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(c.summary.Notes, text) {
		c.summary.Notes = append(c.summary.Notes, text)
	}
}

// noteLate tells of bins that are in no merged row.
func (c *catter) noteLate() {
	if n := c.merger.Late(); n > 0 {
		c.note("%d bins came too late for their row or cannot be placed in UTC, and are not shown: cat of the recorded folder has them", n)
	}
}

// noteOneClock says of streams of a live gateway how well their clocks agree.
func (c *catter) noteOneClock() {
	for _, s := range c.streams {
		if s.source == nil && !s.isClocks() {
			c.note("%s", agreement([]*gatewayClock{{name: s.decoder.Part().Gateway}})[0])
		}
	}
}

// patternText shows patterns of streams.
func patternText(patterns []string) string {
	if len(patterns) == 0 {
		return "*"
	}
	return strings.Join(patterns, ", ")
}

// outFolder is where the files of one journal go.
func (c *catter) outFolder(path string, several bool) string {
	if several && c.o.Folder != "" {
		return filepath.Join(c.o.Folder, filepath.Base(path))
	}
	return c.o.Folder
}
