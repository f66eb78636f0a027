package receiver

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"photongate/protocol"
)

// Listed is one measurement as List finds it: a folder that Measure made, or one
// that a standing record tells of.
type Listed struct {
	ID         protocol.ID `json:"id"`
	Begin      time.Time   `json:"begin,omitzero"` // local; zero: not known
	LengthS    float64     `json:"length_s,omitempty"`
	Title      string      `json:"title,omitempty"`
	Sample     string      `json:"sample,omitempty"`
	Operator   string      `json:"operator,omitempty"`
	Parameters Parameters  `json:"parameters,omitempty"`
	Gateway    string      `json:"gateway,omitempty"`
	Streams    []string    `json:"streams,omitempty"`
	Readings   uint64      `json:"readings,omitempty"`
	Tags       uint64      `json:"tags,omitempty"`
	Gaps       int         `json:"gaps,omitempty"`
	Bytes      int64       `json:"bytes,omitempty"` // 0: not known
	State      string      `json:"state"`           // as in measurement.json; StateUnfinished, StateBroken
	Why        []string    `json:"why,omitempty"`   // sentences
	Path       string      `json:"path"`            // the folder; of one InRecord that of the record
	InRecord   bool        `json:"in_record,omitempty"`
}

// States of a Listed beside those of measurement.json.
const (
	StateUnfinished = "unfinished" // whoever measured was stopped before the end; what is there is good
	StateBroken     = "broken"     // measurement.json is missing or damaged
)

// List finds the measurements in a folder: folders that Measure made, itself or
// up to two below it, and those that recordings in it tell of. Only those with
// text somewhere in what is known of them, whatever the case of letters; empty:
// all. They are sorted by their begin. Of folders nothing but measurement.json is
// read. What cannot be read is listed as such.
func List(dir, text string) ([]Listed, error) {
	all, err := listAll(dir)
	if err != nil {
		return nil, err
	}
	if text == "" {
		return all, nil
	}
	return fit(all, func(l *Listed) bool { return l.mentions(text) }), nil
}

// mentions reports whether text stands in something that is known of l.
func (l *Listed) mentions(text string) bool {
	fields := []string{l.Title, l.Sample, l.Operator, l.Gateway, l.State, l.ID.String(), strings.Join(l.Streams, " "), filepath.Base(l.Path)}
	if !l.Begin.IsZero() {
		fields = append(fields, l.Begin.Format("2006-01-02 15:04:05"))
	}
	for _, p := range l.Parameters {
		fields = append(fields, p.Key+"="+p.Value)
	}
	return contains(strings.Join(fields, "\n"), text)
}

// listAll lists all measurements of a folder, sorted by their begin.
func listAll(dir string) ([]Listed, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	found := &listing{known: map[protocol.ID]bool{}}
	if isMeasurementFolder(dir) {
		found.folder(dir)
		return found.all, nil
	}
	if holdsStreams(dir) {
		found.record(dir)
		return found.all, nil
	}
	var records []string
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case !e.IsDir():
		case found.tryFolder(path, e.Name()):
		case dayFolder.MatchString(e.Name()):
			found.day(path)
		case holdsStreams(path):
			records = append(records, path)
		}
	}
	for _, path := range records {
		found.record(path)
	}
	slices.SortStableFunc(found.all, func(a, b Listed) int {
		return cmp.Or(a.Begin.Compare(b.Begin), strings.Compare(a.Path, b.Path))
	})
	return found.all, nil
}

var (
	dayFolder    = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)
	momentFolder = regexp.MustCompile(`^[0-9]{6}(_|$)`)
)

// listing gathers measurements.
type listing struct {
	all   []Listed
	known map[protocol.ID]bool // in folders of their own
}

// day lists the folders of one day.
func (f *listing) day(path string) {
	entries, err := os.ReadDir(path)
	if err != nil {
		f.all = append(f.all, Listed{Path: path, State: StateBroken, Why: []string{err.Error()}})
		return
	}
	for _, e := range entries {
		if e.IsDir() {
			f.tryFolder(filepath.Join(path, e.Name()), e.Name())
		}
	}
}

// tryFolder lists a folder if it is that of a measurement, or has the name of one.
func (f *listing) tryFolder(path, name string) bool {
	if !isMeasurementFolder(path) && !momentFolder.MatchString(name) {
		return false
	}
	f.folder(path)
	return true
}

// folder lists a folder of a measurement.
func (f *listing) folder(path string) {
	m, err := readMeasurement(path)
	if err != nil {
		why := err.Error()
		if errors.Is(err, fs.ErrNotExist) {
			why = measurementFile + " is missing"
		}
		f.all = append(f.all, Listed{Path: path, Begin: beginOfName(path), State: StateBroken, Why: []string{why}})
		return
	}
	f.known[m.ID] = true
	f.all = append(f.all, m.listed(path))
}

// listed is a measurement as List shows it.
func (m *Measurement) listed(path string) Listed {
	l := Listed{
		ID: m.ID, Title: m.Title, Sample: m.Sample, Operator: m.Operator, Parameters: m.Parameters, Gateway: m.Gateway.Name,
		Streams: m.streamNames(), Bytes: m.Bytes, State: m.State, Why: m.Why, Path: path,
	}
	if t, err := time.Parse(time.RFC3339Nano, m.Begin); err == nil {
		l.Begin = t.Local()
	}
	for _, s := range m.Streams {
		if l.Tags += s.Tags; s.Tags == 0 {
			l.Readings += s.Readings
		}
		l.Gaps += s.Gaps
		l.LengthS = max(l.LengthS, spanS(s.FirstUTC, s.LastUTC, s.LiveS))
	}
	if m.State == MeasurementRunning && !isBeingWritten(path) {
		l.State, l.Why = StateUnfinished, []string{"it was cut off before its end; photonrecv cat shows what is there"}
	}
	return l
}

// spanS is the time between two moments in seconds, or otherwise when they are
// not known.
func spanS(first, last string, otherwise float64) float64 {
	from, err := time.Parse(time.RFC3339Nano, first)
	to, err2 := time.Parse(time.RFC3339Nano, last)
	if err != nil || err2 != nil {
		return otherwise
	}
	return to.Sub(from).Seconds()
}

// beginOfName is the begin that the names of a folder and its day tell, zero when
// they do not.
func beginOfName(path string) time.Time {
	moment, _, _ := strings.Cut(filepath.Base(path), "_")
	t, err := time.ParseInLocation(dayLayout+" "+momentLayout, filepath.Base(filepath.Dir(path))+" "+moment, time.Local)
	if err != nil {
		return time.Time{}
	}
	return t
}

// record lists what a journal folder tells of, but what has a folder of its own.
func (f *listing) record(path string) {
	recorded, err := recordedMeasurements(path)
	if err != nil {
		return // what is wrong with a record is told by verify
	}
	for _, m := range recorded {
		if f.known[m.ID] {
			continue
		}
		l := Listed{
			ID: m.ID, Title: m.Title, Sample: m.Sample, Operator: m.Operator, Parameters: m.Set, Gateway: m.gateway, Streams: m.Streams,
			LengthS: m.length.Seconds(), Readings: uint64(m.Readings), State: m.State, Path: path, InRecord: true,
		}
		if !m.begin.IsZero() {
			l.Begin = m.begin.Local()
		}
		if l.State == "" {
			l.State, l.Why = StateUnfinished, []string{"the record tells of its begin, and not of its end"}
		}
		f.all = append(f.all, l)
	}
}
