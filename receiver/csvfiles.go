package receiver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/table"
)

// csvFiles is a sink that writes a stream as files for other programs, in a
// folder: STREAM.csv, STREAM.gaps.csv, STREAM.events.csv and STREAM.json, which
// says what they are. What was there before is kept: the next set is called
// STREAM-2. A changed set of channels begins a new set as well. One goroutine
// uses it.
type csvFiles struct {
	dir      string
	clocks   *table.ClockTable
	software string
	journal  protocol.ID
	view     *table.View // nil: readings as they are
	merged   bool        // rows of several streams side by side, and their notes
	noTags   bool        // nothing is written of streams of tags, but that there are some is noted in
	tagsSeen bool

	at     journal.Position // of the last frame before the one at hand
	number int              // of the set to write again; 0: none
	set    *csvSet
	early  []earlyNote      // notes that came before the first reading of a set
	behind journal.Position // of the last frame before the first of these
	names  []string         // of the files with readings, or tags
	tagged uint64           // tags in sets that are closed

	agreement []string // of merged rows: how well clocks agree
}

// csvSet is one set of files.
type csvSet struct {
	number int        // of it
	files  []*os.File // counts, gaps, events
	stem   string     // path without extension
	clock  *table.RowClock
	counts *table.CSVWriter // nil: of tags
	tags   *tagSet          // nil: of counts
	gaps   *table.NotesWriter
	events *table.NotesWriter
	meta   csvMeta
	parts  map[partKey]bool
	merged bool
}

// partKey tells parts apart.
type partKey struct {
	name  string
	epoch uint32
}

// csvMeta is STREAM.json.
type csvMeta struct {
	Stream   string           `json:"stream"`
	Journal  protocol.ID      `json:"journal"`
	Software string           `json:"software,omitempty"`
	Files    []string         `json:"files"`
	Columns  []table.Column   `json:"columns"`
	Parts    []csvPart        `json:"parts"`
	Readings protocol.Uint64  `json:"readings"`
	Tags     protocol.Uint64  `json:"tags,omitzero"`
	Starts   []table.TagStart `json:"starts,omitempty"` // of tags: where the times of each part begin
	Gaps     int              `json:"gaps"`
	Closed   bool             `json:"closed"` // false while it is being written
	Begin    csvBegin         `json:"begins_behind"`
	Clocks   []string         `json:"clocks,omitempty"` // of merged rows: how well clocks agree, in sentences
}

// csvBegin is the frame behind which a set begins.
type csvBegin struct {
	Epoch uint32          `json:"epoch"`
	Seq   protocol.Uint64 `json:"seq"`
}

type csvPart struct {
	Stream     string               `json:"stream,omitempty"` // when the rows are of several
	Part       uint32               `json:"part"`
	Descriptor *protocol.Descriptor `json:"descriptor,omitempty"`
}

// earlyNote is a gap or an event.
type earlyNote struct {
	part   table.Part
	gap    *table.Gap
	event  *table.Event
	clocks *table.ClockTable // of its gateway; nil: those of the files
}

const maxEarly = 4096 // notes kept in wait for a first reading; the rest is written without t_s

// Readings implements table.Sink.
func (f *csvFiles) Readings(p *table.Part, firstIndex uint64, c *protocol.Counts) error {
	if f.set != nil && (!f.set.fits(p) || f.set.counts.Full(len(c.Begin))) {
		if err := f.close(); err != nil {
			return err
		}
	}
	if f.set == nil {
		if err := f.open(p); err != nil {
			return err
		}
	}
	f.set.clock.Use(p.Base(), c.Begin[0])
	f.release()
	f.set.enter(p)
	f.set.meta.Readings += protocol.Uint64(len(c.Begin))
	return f.set.counts.Readings(p, firstIndex, c)
}

// Gap implements table.Sink.
func (f *csvFiles) Gap(p *table.Part, g table.Gap) error { return f.note(earlyNote{part: *p, gap: &g}) }

// Event implements table.Sink.
func (f *csvFiles) Event(p *table.Part, e table.Event) error {
	return f.note(earlyNote{part: *p, event: &e})
}

// noteOf is note for one of several streams, whose gateway's clocks are in the
// table.
func (f *csvFiles) noteOf(clocks *table.ClockTable, n earlyNote) error {
	n.clocks = clocks
	return f.note(n)
}

// note writes a note to the set, or keeps it for the next one when there is
// none for the channels of its part.
func (f *csvFiles) note(n earlyNote) error {
	if f.noTags && n.part.IsTags() {
		return nil
	}
	fits := f.set != nil && (f.merged || !n.part.Described || f.set.fits(&n.part))
	if fits && len(f.early) == 0 {
		f.set.note(n)
		return nil
	}
	if len(f.early) == 0 {
		f.behind = f.at
	}
	f.early = append(f.early, n)
	if len(f.early) < maxEarly {
		return nil
	}
	if f.set == nil {
		if err := f.open(&n.part); err != nil {
			return err
		}
	}
	f.release()
	return nil
}

func (f *csvFiles) release() {
	for _, n := range f.early {
		f.set.note(n)
	}
	f.early = nil
}

// open begins a set under the next free name, or under that of a set that is
// written again.
func (f *csvFiles) open(p *table.Part) error {
	if err := os.MkdirAll(f.dir, 0o755); err != nil {
		return err
	}
	view := f.view
	if view == nil {
		view = &table.View{}
	}
	for n := 1; ; n++ {
		s := &csvSet{number: n, stem: setStem(f.dir, p.Stream, n), clock: table.NewRowClock(f.clocks), parts: map[partKey]bool{}, merged: f.merged}
		if p.IsTags() {
			s.tags = newTagSet(view, p)
		}
		err := s.create(n == f.number)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		gaps, events := s.files[len(s.files)-2], s.files[len(s.files)-1]
		s.events = table.NewEventsWriter(events, s.clock, view)
		s.meta = csvMeta{Stream: p.Name(), Journal: f.journal, Software: f.software, Begin: f.begin()}
		if s.tags != nil {
			s.meta.Columns, s.gaps = table.TagColumns(view, p), table.NewTagGapsWriter(gaps, s.clock, view)
			s.tags.open(s.files[:len(s.files)-2], s.clock, f.badTags)
		} else {
			s.meta.Columns, s.gaps = table.Columns(view, p), table.NewGapsWriter(gaps, s.clock, view)
			s.counts = table.NewViewWriter(s.files[0], s.clock, view, p)
		}
		for _, file := range s.files {
			s.meta.Files = append(s.meta.Files, filepath.Base(file.Name()))
		}
		f.set, f.number = s, 0
		for _, data := range s.files[:len(s.files)-2] {
			f.names = append(f.names, data.Name())
		}
		return s.writeMeta()
	}
}

// begin is the frame behind which a set that is opened now begins: its first
// reading, or the first note in wait for it.
func (f *csvFiles) begin() csvBegin {
	at := f.at
	if len(f.early) > 0 {
		at = f.behind
	}
	return csvBegin{at.Epoch, protocol.Uint64(at.Seq)}
}

// setStem is the path, without extension, of the n-th set of a stream.
func setStem(dir, stream string, n int) string {
	if n == 1 {
		return filepath.Join(dir, stream)
	}
	return filepath.Join(dir, fmt.Sprintf("%s-%d", stream, n))
}

// unfinished finds the last set of a gateway's stream when it was not closed,
// as after a crash: its number, and the frame behind which it begins.
func unfinished(dir, gateway, stream string, id protocol.ID) (number int, begin journal.Position, ok bool) {
	var last csvMeta
	for n := 1; ; n++ {
		text, err := os.ReadFile(setStem(dir, stream, n) + ".json")
		if err != nil {
			break
		}
		var meta csvMeta
		if json.Unmarshal(text, &meta) == nil && meta.Journal == id && meta.Stream == gateway+"/"+stream {
			number, last = n, meta
		}
	}
	return number, journal.Position{Epoch: last.Begin.Epoch, Seq: uint64(last.Begin.Seq)}, number > 0 && !last.Closed
}

// fits reports whether rows of a part may be in the set.
func (s *csvSet) fits(p *table.Part) bool {
	if s.tags != nil {
		return s.tags.fits(p)
	}
	return !p.IsTags() && table.SameColumns(s.counts.Channels(), p.Channels())
}

// extensions are those of the files: of rows, then of gaps and of events.
func (s *csvSet) extensions() []string {
	data := []string{".csv"}
	if s.tags != nil {
		data = s.tags.extensions()
	}
	return append(data, ".gaps.csv", ".events.csv")
}

// create makes the files, none of which may exist unless again is set.
func (s *csvSet) create(again bool) error {
	mode := os.O_EXCL
	if again {
		mode = os.O_TRUNC
	}
	for _, ext := range s.extensions() {
		file, err := os.OpenFile(s.stem+ext, os.O_WRONLY|os.O_CREATE|mode, 0o644)
		if err != nil {
			for _, made := range s.files {
				err = errors.Join(err, made.Close(), os.Remove(made.Name()))
			}
			return err
		}
		s.files = append(s.files, file)
	}
	return nil
}

func (s *csvSet) note(n earlyNote) {
	s.enter(&n.part)
	if n.clocks != nil {
		s.clock.SetClocks(n.clocks)
	}
	if n.gap != nil {
		s.meta.Gaps++
		s.gaps.Gap(&n.part, *n.gap)
		return
	}
	s.events.Event(&n.part, *n.event)
}

// enter notes the part in the description.
func (s *csvSet) enter(p *table.Part) {
	key := partKey{p.Name(), p.Epoch}
	if p.Merged() || s.parts[key] {
		return
	}
	s.parts[key] = true
	one := csvPart{Part: p.Epoch}
	if s.merged {
		one.Stream = p.Name()
	}
	if p.Described {
		desc := p.Desc
		one.Descriptor = &desc
	}
	s.meta.Parts = append(s.meta.Parts, one)
}

func (s *csvSet) writeMeta() error {
	text, err := json.MarshalIndent(&s.meta, "", " ")
	if err != nil {
		return err
	}
	temp := s.stem + ".json.tmp"
	if err := os.WriteFile(temp, append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(temp, s.stem+".json")
}

// flush puts all rows into the files.
func (f *csvFiles) flush() error {
	if f.set == nil {
		return nil
	}
	return errors.Join(f.set.flushRows(), f.set.gaps.Flush(), f.set.events.Flush())
}

// close ends the set. Gaps of a stream that never gave a reading get a set of
// their own.
func (f *csvFiles) close() error {
	if f.set == nil {
		return nil
	}
	s := f.set
	err := f.flush()
	s.tags.stop()
	for _, file := range s.files {
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		return err
	}
	s.meta.Closed, s.meta.Clocks = true, f.agreement
	f.tagged += uint64(s.meta.Tags)
	if err := s.writeMeta(); err != nil {
		return err
	}
	f.set = nil
	return nil
}

// abandon closes the set that could not be written to its end. It returns what is
// needed to write it again (number 0: there is none), and the files of other sets.
func (f *csvFiles) abandon() (begin journal.Position, number int, whole []string) {
	whole = f.names
	if f.set == nil {
		b := f.begin()
		return journal.Position{Epoch: b.Epoch, Seq: uint64(b.Seq)}, f.number, whole
	}
	f.set.tags.stop()
	for _, file := range f.set.files {
		file.Close() // what is in it is not what counts
	}
	whole = slices.DeleteFunc(slices.Clone(whole), func(name string) bool {
		return slices.ContainsFunc(f.set.files, func(file *os.File) bool { return file.Name() == name })
	})
	return journal.Position{Epoch: f.set.meta.Begin.Epoch, Seq: uint64(f.set.meta.Begin.Seq)}, f.set.number, whole
}

// finish ends the output.
func (f *csvFiles) finish() error {
	hasGap := slices.ContainsFunc(f.early, func(n earlyNote) bool { return n.gap != nil })
	if f.set == nil && hasGap {
		if err := f.open(&f.early[len(f.early)-1].part); err != nil {
			return err
		}
	}
	if f.set != nil {
		f.release()
	}
	return f.close()
}
