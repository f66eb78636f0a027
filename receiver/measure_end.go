package receiver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/table"
)

// noteEnd notes the end in the gateway's stream, once. Of a measurement that was
// ended early its moment is where the readings end. An error is that of the
// session: on another one it may be tried again.
func (m *measurer) noteEnd(c *Client, state string) error {
	if m.endNoted {
		return nil
	}
	ask := m.request(protocol.DoEnd)
	ask.Measurement.State = state
	if !m.ended {
		for _, s := range m.order {
			ask.Measurement.Readings += protocol.Uint64(s.cut.readings)
		}
	}
	if m.meta.NotNoted != "" {
		ask = protocol.Request{Do: protocol.DoNow}
	}
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	got, err := c.Do(ctx, ask)
	switch {
	case err != nil && !isNotDone(err):
		return err
	case err != nil:
		m.endLost(err)
		return nil
	case m.ended:
		m.cut.ended, m.cut.endBase, m.cut.toNs = true, c.Hello().Base, int64(got.TNs)
		m.meta.Limits.EndBase, m.meta.Limits.EndNs = m.cut.endBase, got.TNs
	}
	m.endNoted = true
	return nil
}

// endLost says that the gateway's record does not tell of the end.
func (m *measurer) endLost(why error) {
	if !m.endNoted && m.meta.NotNoted == "" {
		m.remark("the end of the measurement is not noted in the gateway's record: %v", why)
	}
	m.endNoted = true
}

// state is how the measurement is, as far as is known now.
func (m *measurer) state() string {
	if len(m.meta.Why)+len(m.losses()) > 0 {
		return protocol.MeasurementIncomplete
	}
	return protocol.MeasurementComplete
}

// losses says of each stream what is missing.
func (m *measurer) losses() []string {
	var lost []string
	for _, s := range m.order {
		text := s.sink.loss()
		silent := s.givenUp
		if silent == "" && !s.cut.begun {
			silent = s.silence()
		}
		if text != "" && silent != "" {
			text += "; "
		}
		if text += silent; text != "" {
			lost = append(lost, s.name+": "+text)
		}
	}
	return lost
}

// finish closes the files, puts them on the disk, and says what there is.
func (m *measurer) finish() error {
	m.closeTables()
	m.closeArchive()
	m.tellLate()
	m.meta.Why = append(m.meta.Why, m.losses()...)
	m.meta.State = protocol.MeasurementComplete
	if len(m.meta.Why) > 0 {
		m.meta.State = protocol.MeasurementIncomplete
	}
	m.describe()
	m.digests()
	m.meta.Bytes = folderBytes(m.folder)
	if err := m.meta.write(m.folder); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(m.folder, measurementFile), err)
	}
	return nil
}

// tellLate tells of streams whose first gate began long after the measurement did, and
// of readings that are none.
func (m *measurer) tellLate() {
	for _, s := range m.order {
		if !s.cut.begun {
			continue
		}
		if s.sink.tagged && m.o.Readings > 0 {
			m.remark("%s gives time tags, of which a reading is a stretch of some ms in which tags came: they were measured for %.3g s; measure for a time, or the counts made of them", s.name, float64(s.cut.lastNs-s.cut.firstNs)/1e9)
		}
		late := time.Duration(s.cut.firstNs - m.cut.fromNs + m.clocks.Shift(m.cut.base, s.cut.firstIn))
		if late > 3*time.Duration(s.first.GateNs)+time.Second {
			m.remark("%s: the first gate began %.1f s after the measurement was asked for", s.name, late.Seconds())
		}
	}
}

// closeTables ends the CSV files, and puts them on the disk.
func (m *measurer) closeTables() {
	for _, s := range m.order {
		_ = s.decoder.Finish(s.cut) // sums have no errors, and those of files are kept
		s.sink.file((*csvFiles).finish)
		if s.sink.files == nil {
			continue
		}
		for _, name := range s.sink.files.names {
			s.sink.file(func(*csvFiles) error { return syncSet(name) })
		}
		if err := s.sink.broken; err != nil {
			m.incomplete("the CSV files of %s are not complete, the frames are: %v; photonrecv cat %s --out FOLDER writes them anew", s.name, err, m.folder)
		}
	}
}

// syncSet puts the files of a set on the disk.
func syncSet(counts string) error {
	stem := counts[:len(counts)-len(".csv")]
	for _, ext := range []string{".csv", ".gaps.csv", ".events.csv", ".json"} {
		f, err := os.OpenFile(stem+ext, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// closeArchive puts the frames on the disk.
func (m *measurer) closeArchive() {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	m.store.journal.StopWaiting()
	if err := m.store.journal.Sync(ctx); err != nil {
		m.incomplete("the last frames are not on the disk: %v", err)
	}
	if err := m.store.journal.Close(); err != nil {
		m.incomplete("the frames are not all on the disk: %v", err)
	}
}

// describe fills in what streams are and what they gave.
func (m *measurer) describe() {
	m.meta.Streams = m.meta.Streams[:0]
	m.meta.BeginUT, m.meta.EndUT = "", ""
	if utc, known := m.clocks.UTC(m.cut.base, m.cut.fromNs); known {
		m.meta.BeginUT = table.FormatUTC(utc)
	}
	for _, s := range m.order {
		one := MeasuredStream{Stream: s.name, Driver: s.device.Driver, Model: s.device.Model, Port: s.device.Port,
			GateS: float64(s.device.GateNs) / 1e9, Channels: []MeasuredChannel{}, Parts: []MeasuredPart{}}
		if d := s.first; d != nil {
			one.Driver, one.Model, one.Serial, one.Firmware, one.Identity, one.Port = d.Driver, d.Model, d.Serial, d.Firmware, d.Identity, d.Port
			one.Timing, one.Unverified, one.Blind, one.Settings = d.Timing, d.Unverified, d.Blind, d.Settings
		}
		if now := m.settingsOf(s.name); len(now) > 0 {
			one.Settings = now
		}
		for _, a := range s.device.Alarms {
			if a.On {
				one.Alarms = append(one.Alarms, a.Text)
			}
		}
		s.sink.measured(&one)
		if s.sink.files != nil {
			for _, name := range s.sink.files.names {
				one.Files = append(one.Files, filepath.Base(name))
			}
		}
		m.meta.EndUT = max(m.meta.EndUT, one.LastUTC)
		m.meta.Streams = append(m.meta.Streams, one)
	}
}

// settingsOf are the settings of a device when the measurement began.
func (m *measurer) settingsOf(device string) []protocol.Setting {
	var settings []protocol.Setting
	for _, s := range m.settings {
		if s.Device == device && s.Value != "" {
			settings = append(settings, protocol.Setting{Key: s.Key, Value: s.Value, Unit: s.Unit, How: s.How})
		}
	}
	return settings
}

// digests reads the frames back, and notes what they are.
func (m *measurer) digests() {
	report, err := journal.Verify(context.Background(), m.o.FS, filepath.Join(m.folder, rawFolder), journal.VerifyOptions{NoCache: true})
	if err != nil {
		m.damaged(err)
		return
	}
	if len(report.Trouble) > 0 {
		m.damaged(errors.New(strings.Join(report.Trouble, "; ")))
	}
	for _, found := range report.Streams {
		i := slices.IndexFunc(m.meta.Streams, func(s MeasuredStream) bool { return s.Stream == found.Name })
		if i < 0 {
			continue
		}
		for _, e := range found.Epochs {
			for p := range m.meta.Streams[i].Parts {
				if part := &m.meta.Streams[i].Parts[p]; part.Part == e.Epoch {
					part.Frames, part.SHA256 = e.Held, e.Digest
				}
			}
		}
	}
}

func (m *measurer) damaged(err error) {
	m.meta.Damaged, m.meta.State = true, protocol.MeasurementIncomplete
	m.incomplete("the frames cannot be read back: %v", err)
}

// folderBytes is how much the files in a folder hold, but measurement.json.
func folderBytes(folder string) (sum int64) {
	_ = filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error { // what cannot be read counts nothing
		if err != nil || e.IsDir() || e.Name() == measurementFile {
			return nil //nolint:nilerr // see above
		}
		if info, err := e.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	})
	return sum
}
