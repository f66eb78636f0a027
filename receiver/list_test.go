package receiver

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/table"
)

// folderOf writes a measurement of a time, without frames.
func folderOf(t *testing.T, dir string, begin time.Time, title string, change ...func(*Measurement)) string {
	t.Helper()
	path, err := makeMeasurementFolder(dir, begin.Local(), title)
	if err != nil {
		t.Fatal(err)
	}
	m := Measurement{Format: 1, ID: protocol.NewID(), Title: title, State: protocol.MeasurementComplete, Begin: begin.Format(time.RFC3339Nano), Gateway: GatewayInfo{Name: "pi-lab3"},
		Streams: []MeasuredStream{{Stream: "bench", Readings: 600, FirstUTC: "2026-11-20T13:30:12.100000Z", LastUTC: "2026-11-20T13:31:12.100000Z"}}}
	for _, c := range change {
		c(&m)
	}
	if err := m.write(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// recordOf writes a standing record: a stream "gateway" with events, each
// (ms after baseNs, event), and a stream "bench" of gates of 100 ms from baseNs on.
func recordOf(t *testing.T, dir string, gatesLong int, events ...any) string {
	t.Helper()
	path := filepath.Join(dir, labFolder)
	base := mustID(t, "b0000000000000000000000000000001")
	j, err := journal.Open(path, journal.Options{Place: journal.InArchive, Journal: mustID(t, "00112233445566778899aabbccddeeff"), Gateway: "pi-lab3"})
	if err != nil {
		t.Fatal(err)
	}
	gate := (&frameMaker{t: t, stream: 1, epoch: 1, time: baseNs}).describe(base, gatewayStream).clock(0, protocol.SyncSynchronised)
	for i := 0; i < len(events); i += 2 {
		gate.time = baseNs + int64(events[i].(int))*ms
		gate.json(protocol.TypeEvent, events[i+1])
	}
	bench := (&frameMaker{t: t, stream: 2, epoch: 1, time: baseNs}).describe(base, "bench", twoChannels()...)
	for i := range uint64(gatesLong) {
		bench.counts([]uint64{1000 + i, 7})
	}
	for name, m := range map[string]*frameMaker{gatewayStream: gate, "bench": bench} {
		s, err := j.Stream(name, m.stream)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Begin(1, 1); err != nil {
			t.Fatal(err)
		}
		for _, f := range m.out {
			if err := s.Append(f); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func measurementEvent(what, id, title, state string) *protocol.Event {
	parsed, err := protocol.ParseID(id)
	if err != nil {
		panic(err)
	}
	return &protocol.Event{What: what, Who: "ana@desk", Measurement: &protocol.Measurement{ID: parsed, Title: title, State: state, Readings: 3}}
}

const (
	idOne = "11112222333344445555666677778888"
	idTwo = "1111aaaa333344445555666677778888"
)

// inBrief tells a list in short.
func inBrief(found []Listed) []string {
	var lines []string
	for _, l := range found {
		lines = append(lines, fmt.Sprintf("%s %s %.0fs %s", l.Title, l.State, l.LengthS, filepath.Base(l.Path)))
	}
	return lines
}

func TestList(t *testing.T) {
	dir := t.TempDir()
	begin := time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC)
	stamp := func(at time.Time, title string) string { return at.Local().Format("150405") + "_" + title }
	folderOf(t, dir, begin.Add(time.Hour), "late", func(m *Measurement) { m.State, m.Why = protocol.MeasurementIncomplete, []string{"ended early"} })
	folderOf(t, dir, begin, "early", func(m *Measurement) {
		m.Sample, m.Operator, m.Parameters = "ppKTP-3", "Ana", Parameters{{Key: "hwp_deg", Value: "22.5"}}
	})
	folderOf(t, dir, begin.Add(time.Minute), "cut", func(m *Measurement) { m.State = MeasurementRunning })
	broken := folderOf(t, dir, begin.Add(2*time.Minute), "broken")
	if err := os.WriteFile(filepath.Join(broken, measurementFile), []byte(`{"format":1,`), 0o600); err != nil {
		t.Fatal(err)
	}
	gone := folderOf(t, dir, begin.Add(3*time.Minute), "gone")
	if err := os.Remove(filepath.Join(gone, measurementFile)); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "2026-11-20", "holiday photos"), 0o700); err != nil {
		t.Fatal(err)
	}
	recordOf(t, dir, 9, 100, measurementEvent(protocol.EventBegin, idOne, "recorded", ""), 5100, measurementEvent(protocol.EventEnd, idOne, "recorded", protocol.MeasurementAbandoned),
		6000, measurementEvent(protocol.EventBegin, idTwo, "open", ""))
	all, err := List(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "all", inBrief(all), []string{
		"recorded abandoned 5s " + labFolder, "open unfinished 0s " + labFolder,
		"early complete 60s " + stamp(begin, "early"), "cut unfinished 60s " + stamp(begin.Add(time.Minute), "cut"), " broken 0s " + stamp(begin.Add(2*time.Minute), "broken"),
		" broken 0s " + stamp(begin.Add(3*time.Minute), "gone"), "late incomplete 60s " + stamp(begin.Add(time.Hour), "late"),
	})
	equal(t, "why", all[5].Why, []string{"measurement.json is missing"})
	for text, want := range map[string]int{"PPKTP": 1, "ana": 1, "HWP_DEG=22": 1, "2026-11-20": 7, "unfinished": 2, "nothing of this": 0, "bench": 3} {
		some, err := List(dir, text)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, text, len(some), want)
	}
	for where, want := range map[string]int{filepath.Join(dir, "2026-11-20"): 5, gone: 0, broken: 1, filepath.Join(dir, labFolder): 2} {
		some, err := List(where, "")
		if err != nil {
			t.Fatal(err)
		}
		equal(t, where, len(some), want)
	}
	if _, err := List(filepath.Join(dir, "nowhere"), ""); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
}

// TestListWhileMeasuring: one that goes on is not called cut off.
func TestListWhileMeasuring(t *testing.T) {
	dir := t.TempDir()
	path := folderOf(t, dir, time.Now(), "now", func(m *Measurement) { m.State = MeasurementRunning })
	if err := os.Mkdir(filepath.Join(path, rawFolder), 0o700); err != nil {
		t.Fatal(err)
	}
	lock, err := journal.OS{}.Lock(filepath.Join(path, rawFolder, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{MeasurementRunning, StateUnfinished} {
		found, err := List(dir, "")
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "state", found[0].State, want)
		_ = lock.Close() // ends with the test otherwise
	}
}

// TestListShowsAFolderOnce: one with a folder is not shown again from a record.
func TestListShowsAFolderOnce(t *testing.T) {
	dir := t.TempDir()
	path := folderOf(t, dir, time.Unix(0, baseNs), "both", func(m *Measurement) { m.ID = mustID(t, idOne) })
	recordOf(t, dir, 1, 0, measurementEvent(protocol.EventBegin, idOne, "both", ""))
	found, err := List(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "listed", inBrief(found), []string{"both complete 60s " + filepath.Base(path)})
}

// cutOut finds a measurement in a record, and tells the readings of "bench" that
// are its.
func cutOut(t *testing.T, dir, x string) []string {
	t.Helper()
	found, err := findMeasurement(dir, x)
	if err != nil {
		t.Fatalf("%s: %v", x, err)
	}
	folder, err := journal.OpenFolder(nil, found.path)
	if err != nil {
		t.Fatal(err)
	}
	clocks, out := table.NewClockTable(), &tellingSink{}
	decoder, sink := table.NewDecoder("pi-lab3", "bench", clocks), newCutStream(found.cut, clocks, out)
	r := folder.Reader("bench")
	defer r.Close()
	for {
		frames, err := r.Next()
		if err != nil {
			return out.lines
		}
		if err := decoder.Frames(frames, sink); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFindMeasurement: the ways to name one, and what is in it.
func TestFindMeasurement(t *testing.T) {
	dir := t.TempDir()
	limited := measurementEvent(protocol.EventBegin, idTwo, "HWP 45", "")
	limited.Measurement.Asked = 2
	recordOf(t, dir, 20, 150, measurementEvent(protocol.EventBegin, idOne, "HWP 22.5", ""), 510, measurementEvent(protocol.EventEnd, idOne, "", protocol.MeasurementComplete),
		990, limited, 1990, measurementEvent(protocol.EventEnd, idTwo, "", protocol.MeasurementComplete))
	begin := time.Unix(0, baseNs+150*ms).Local()
	first := []string{"1/2 A=1002 at 200", "1/3 A=1003 at 300", "1/4 A=1004 at 400"}
	for _, x := range []string{idOne, "11112", "HWP 22.5", "hwp 22.5", "22.5", begin.Format("150405"), begin.Format("15:04:05"), begin.Format("2006-01-02/150405"), begin.Format("2006-01-02 15:04:05")} {
		equal(t, x, cutOut(t, dir, x), first)
	}
	equal(t, "so many", cutOut(t, dir, "HWP 45"), []string{"1/10 A=1010 at 1000", "1/11 A=1011 at 1100"})
	for x, want := range map[string]string{
		"1111":                                 "fits several measurements; name one by its id:\n  11112222  " + begin.Format("2006-01-02 15:04:05") + "  HWP 22.5\n  1111aaaa",
		"hwp":                                  "fits several measurements",
		"111":                                  "no measurement in",
		"":                                     "no measurement in",
		"000000":                               "no measurement in",
		"2020-01-01/" + begin.Format("150405"): "no measurement in",
	} {
		if _, err := findMeasurement(dir, x); err == nil || !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", x, err, want)
		}
	}
	if _, err := findMeasurement(t.TempDir(), "x"); err == nil || !strings.Contains(err.Error(), "holds no measurement") {
		t.Errorf("an empty folder: %v", err)
	}
}

// FuzzMeasurementFile: whatever measurement.json holds, it is listed or refused.
func FuzzMeasurementFile(f *testing.F) {
	f.Add([]byte(`{"format":1,"id":"11112222333344445555666677778888","parameters":{"a":1},"state":"complete","begin":"2026-11-20T14:30:12+01:00","streams":[{"stream":"bench","first_utc":"x"}]}`))
	f.Add([]byte(`{"format":1,"id":"11112222333344445555666677778888","limits":{"begin_ns":"5","for_s":1e300}}`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(filepath.Join(dir, measurementFile), text, 0o600); err != nil {
			t.Fatal(err)
		}
		found, err := List(dir, "")
		if err != nil || len(found) != 1 {
			t.Fatalf("%+v, %v", found, err)
		}
		found[0].isCalled("143012")
		_, _ = openMeasurementFolder(dir) // it has no frames
	})
}
