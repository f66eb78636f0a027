package receiver

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/table"
)

// recordedMeasurement is one that a standing record tells of, by events in the
// gateway's own stream (protocol/SPEC.md, 7.3).
type recordedMeasurement struct {
	protocol.Measurement        // as its begin says; State and Readings as its end does
	path                 string // folder of the journal
	gateway              string
	who                  string
	begin                time.Time // UTC; zero: not known
	length               time.Duration
	cut                  cut
}

// recordedMeasurements reads those of a journal folder, in their order.
func recordedMeasurements(path string) ([]*recordedMeasurement, error) {
	folder, err := journal.OpenFolder(nil, path)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(folder.Streams(), func(s journal.StreamInfo) bool { return s.Name == gatewayStream }) {
		return nil, nil
	}
	clocks := table.NewClockTable()
	decoder := table.NewDecoder(folder.Gateway(), gatewayStream, clocks)
	decoder.Look = looker(journal.OS{}, filepath.Join(path, gatewayStream))
	reader := folder.Reader(gatewayStream)
	defer reader.Close()
	heard := &measurementListener{}
	for {
		frames, err := reader.Next()
		if err != nil { // its end, or what verify tells of
			break
		}
		if err := decoder.Frames(frames, heard); err != nil {
			return nil, err
		}
	}
	for _, m := range heard.found {
		m.path, m.gateway = path, folder.Gateway()
		if utc, known := clocks.UTC(m.cut.base, m.cut.fromNs); known {
			m.begin = time.Unix(0, utc).UTC()
		}
		if m.cut.ended {
			m.length = time.Duration(m.cut.toNs + clocks.Shift(m.cut.base, m.cut.endBase) - m.cut.fromNs)
		}
	}
	return heard.found, nil
}

// measurementListener is a sink for the stream "gateway" that takes begins and
// ends.
type measurementListener struct{ found []*recordedMeasurement }

// Readings implements table.Sink.
func (*measurementListener) Readings(*table.Part, uint64, *protocol.Counts) error { return nil }

// Gap implements table.Sink.
func (*measurementListener) Gap(*table.Part, table.Gap) error { return nil }

// Event implements table.Sink.
func (l *measurementListener) Event(p *table.Part, e table.Event) error {
	if e.Measurement == nil || e.What != protocol.EventBegin && e.What != protocol.EventEnd {
		return nil
	}
	i := slices.IndexFunc(l.found, func(m *recordedMeasurement) bool { return m.ID == e.Measurement.ID })
	switch {
	case e.What == protocol.EventBegin && i < 0:
		m := &recordedMeasurement{Measurement: *e.Measurement, who: e.Who}
		m.cut = cut{base: p.Desc.Base, fromNs: e.AtNs, forNs: int64(m.ForNs), asked: uint64(m.Asked)}
		l.found = append(l.found, m)
	case e.What == protocol.EventBegin: // the gateway was started again, and it goes on
		l.found[i].cut.ended, l.found[i].State = false, ""
	case e.What == protocol.EventEnd && i >= 0:
		m := l.found[i]
		m.State, m.Measurement.Readings = e.Measurement.State, e.Measurement.Readings
		m.cut.ended, m.cut.endBase, m.cut.toNs = true, p.Desc.Base, e.AtNs
	}
	return nil
}

// foundMeasurement is where the readings of a measurement are.
type foundMeasurement struct {
	path    string   // folder of the journal or archive
	cut     *cut     // which of its readings
	streams []string // patterns of streams; none: all
	listed  Listed
}

// openMeasurementFolder finds the readings of a folder that Measure made.
func openMeasurementFolder(folder string) (foundMeasurement, error) {
	m, err := readMeasurement(folder)
	if err != nil {
		return foundMeasurement{}, err
	}
	raw := filepath.Join(folder, rawFolder)
	if !holdsStreams(raw) {
		return foundMeasurement{}, fmt.Errorf("%s: %w: its frames (the folder %s) are gone", folder, ErrNoArchive, rawFolder)
	}
	return foundMeasurement{path: raw, cut: m.Limits.cut(), streams: m.streamNames()}, nil
}

func (m *Measurement) streamNames() []string {
	var names []string
	for _, s := range m.Streams {
		names = append(names, s.Stream)
	}
	return names
}

// findMeasurement finds the measurement that x names among those of a folder:
// the local time of its begin (143012, 14:30:12, also behind its day:
// 2026-11-21/143012), its title, the first digits of its id, or the name of its
// folder. Where none of these fits, a part of the title will do. What fits
// several is refused, listing them (ErrUsage).
func findMeasurement(dir, x string) (foundMeasurement, error) {
	all, err := listAll(dir)
	if err != nil {
		return foundMeasurement{}, err
	}
	fitting := fit(all, func(l *Listed) bool { return l.isCalled(x) })
	if len(fitting) == 0 {
		fitting = fit(all, func(l *Listed) bool { return x != "" && contains(l.Title, x) })
	}
	switch {
	case len(all) == 0:
		return foundMeasurement{}, usage{fmt.Errorf("%s holds no measurement", dir)}
	case len(fitting) == 0:
		return foundMeasurement{}, usage{fmt.Errorf("no measurement in %s is called %q: photonrecv ls %s lists them", dir, x, dir)}
	case len(fitting) > 1:
		return foundMeasurement{}, usage{fmt.Errorf("%q fits several measurements; name one by its id:\n%s", x, choices(fitting))}
	}
	one := fitting[0]
	if !one.InRecord {
		found, err := openMeasurementFolder(one.Path)
		found.listed = one
		return found, err
	}
	recorded, err := recordedMeasurements(one.Path)
	if err != nil {
		return foundMeasurement{}, err
	}
	for _, m := range recorded {
		if m.ID == one.ID {
			return foundMeasurement{path: m.path, cut: &m.cut, streams: m.Streams, listed: one}, nil
		}
	}
	return foundMeasurement{}, errors.New("the record changed while it was read: try again")
}

// minID is the fewest digits of an id that name a measurement.
const minID = 4

// isCalled reports whether x names the measurement.
func (l *Listed) isCalled(x string) bool {
	x = strings.ToLower(strings.TrimSpace(x))
	if x == "" {
		return false
	}
	if len(x) >= minID && strings.HasPrefix(l.ID.String(), x) || strings.EqualFold(l.Title, x) || !l.InRecord && strings.EqualFold(filepath.Base(l.Path), x) {
		return true
	}
	if l.Begin.IsZero() {
		return false
	}
	moment := l.Begin.Format(momentLayout)
	day, rest, dated := strings.Cut(strings.ReplaceAll(x, " ", "/"), "/")
	if !dated {
		day, rest = "", x
	}
	if dated && day != l.Begin.Format(dayLayout) {
		return false
	}
	name, _, _ := strings.Cut(rest, "_")
	return strings.ReplaceAll(name, ":", "") == moment && (name == rest || strings.EqualFold(filepath.Base(l.Path), rest))
}

func fit(all []Listed, want func(*Listed) bool) []Listed {
	var some []Listed
	for _, l := range all {
		if want(&l) {
			some = append(some, l)
		}
	}
	return some
}

// choices lists measurements for the one who must choose.
func choices(some []Listed) string {
	b := &strings.Builder{}
	for _, l := range some {
		when := "at an unknown time"
		if !l.Begin.IsZero() {
			when = l.Begin.Format("2006-01-02 15:04:05")
		}
		fmt.Fprintf(b, "  %s  %s  %s\n", l.ID.String()[:8], when, l.Title)
	}
	return strings.TrimRight(b.String(), "\n")
}

// contains reports whether text holds part, whatever the case of letters.
func contains(text, part string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(part))
}
