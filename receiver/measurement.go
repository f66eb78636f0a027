package receiver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"photongate/protocol"
	"photongate/protocol/journal"
)

const (
	measurementFile = "measurement.json"
	rawFolder       = "raw"
)

// MeasurementRunning is the state of a measurement in its folder from the begin
// until it ends in good order; it stays when the program was killed. The other
// states are protocol.MeasurementComplete and the like.
const MeasurementRunning = "running"

// Measurement is measurement.json: what a measurement was, and what it gave. The
// numbers of rates are per second of live time. Times of the gateway's time base
// are decimal strings.
type Measurement struct {
	Format     int         `json:"format"` // 1
	ID         protocol.ID `json:"id"`
	Title      string      `json:"title,omitempty"`
	Sample     string      `json:"sample,omitempty"`
	Operator   string      `json:"operator,omitempty"`
	Parameters Parameters  `json:"parameters,omitempty"`
	Who        string      `json:"who,omitempty"` // user@computer it was made with

	State   string   `json:"state"`             // MeasurementRunning, protocol.MeasurementComplete or MeasurementIncomplete
	Why     []string `json:"why,omitempty"`     // sentences: why it is not complete
	Remarks []string `json:"remarks,omitempty"` // sentences worth knowing, though nothing is missing
	Damaged bool     `json:"damaged,omitempty"` // what was written could not be read back

	Begin   string      `json:"begin"` // in this computer's time zone, RFC 3339
	BeginUT string      `json:"begin_utc,omitempty"`
	EndUT   string      `json:"end_utc,omitempty"` // end of the last reading
	Clock   ClockState  `json:"clock"`
	Limits  Limits      `json:"limits"`
	Gateway GatewayInfo `json:"gateway"`

	Software string `json:"software"`
	NotNoted string `json:"not_noted,omitempty"` // why begin and end are not in the gateway's own stream; empty: they are

	Streams []MeasuredStream `json:"streams"`
	Notes   []Note           `json:"notes,omitempty"` // what people wrote meanwhile
	Bytes   int64            `json:"bytes,omitempty"` // of all files but this one
}

// Limits says exactly which readings a measurement holds: protocol/SPEC.md, 7.3.
type Limits struct {
	Base    protocol.ID    `json:"base"`
	BeginNs protocol.Int64 `json:"begin_ns"` // on Base
	EndBase protocol.ID    `json:"end_base,omitzero"`
	EndNs   protocol.Int64 `json:"end_ns,omitzero"` // on EndBase; 0: not known
	ForS    float64        `json:"for_s,omitempty"` // asked for; 0: not
	Asked   uint64         `json:"readings,omitempty"`
	Streams []string       `json:"streams,omitempty"` // patterns; none: all
}

// cut returns the limits as a cut.
func (l *Limits) cut() *cut {
	return &cut{
		base: l.Base, fromNs: int64(l.BeginNs), ended: l.EndNs != 0, endBase: l.EndBase, toNs: int64(l.EndNs),
		forNs: secondsNs(l.ForS), asked: l.Asked,
	}
}

func secondsNs(s float64) int64 { return int64(s*1e9 + 0.5) }

// ClockState says how well the gateway knew UTC.
type ClockState struct {
	Sync         string   `json:"sync,omitempty"`           // protocol.SyncSynchronised...
	ErrorS       *float64 `json:"error_s,omitempty"`        // estimated; nil: not known
	AheadOfThisS float64  `json:"ahead_of_this_computer_s"` // the gateway's clock, when the measurement began
}

// GatewayInfo is the gateway a measurement was made with.
type GatewayInfo struct {
	Name     string      `json:"name"`
	Address  string      `json:"address"`
	Software string      `json:"software"`
	Journal  protocol.ID `json:"journal"`
}

// Note is what somebody wrote while a measurement went on.
type Note struct {
	UTC  string `json:"time_utc,omitempty"`
	Who  string `json:"who,omitempty"`
	Text string `json:"text"`
}

// MeasuredStream is one stream of a measurement: its instrument as it was when
// the measurement began, and what it gave.
type MeasuredStream struct {
	Stream     string             `json:"stream"`
	Driver     string             `json:"driver,omitempty"`
	Model      string             `json:"model,omitempty"`
	Serial     string             `json:"serial,omitempty"`
	Firmware   string             `json:"firmware,omitempty"`
	Identity   string             `json:"identity,omitempty"`
	Port       string             `json:"port,omitempty"`
	GateS      float64            `json:"gate_s,omitempty"` // nominal
	Timing     string             `json:"timing,omitempty"`
	Unverified bool               `json:"unverified,omitempty"`
	Blind      string             `json:"blind,omitempty"`
	Settings   []protocol.Setting `json:"settings,omitempty"`

	Tags     uint64            `json:"tags,omitzero"` // of a stream of time tags, in so many stretches as it has readings
	Readings uint64            `json:"readings"`
	Gaps     int               `json:"gaps"`
	Missing  uint64            `json:"readings_missing"`     // as far as known
	Unknown  int               `json:"gaps_of_unknown_size"` // among Gaps
	FirstUTC string            `json:"first_utc,omitempty"`  // begin of the first reading
	LastUTC  string            `json:"last_utc,omitempty"`   // end of the last one
	LiveS    float64           `json:"live_s"`               // of all readings
	Flags    map[string]uint64 `json:"flags,omitempty"`      // readings by flag
	Changes  []string          `json:"changes,omitempty"`    // settings changed meanwhile, sentences
	Alarms   []string          `json:"alarms,omitempty"`     // sentences
	Channels []MeasuredChannel `json:"channels"`
	Parts    []MeasuredPart    `json:"parts"`
	Files    []string          `json:"files,omitempty"`
}

// MeasuredChannel is one channel and its sum over all readings whose value is
// known.
type MeasuredChannel struct {
	protocol.Channel
	Counts   *uint64  `json:"counts,omitempty"` // nil: not a channel that counts
	LiveS    float64  `json:"live_s"`           // of the readings that are in Counts
	Rate     *float64 `json:"rate_cps,omitempty"`
	RateErr  *float64 `json:"rate_error_cps,omitempty"`  // one standard deviation, from counting
	Mean     *float64 `json:"mean,omitempty"`            // of a channel that does not count
	MeanErr  *float64 `json:"mean_error,omitempty"`      // one standard deviation, from the scatter
	Acc      *float64 `json:"accidentals_cps,omitempty"` // R_1 x R_2 x window
	AccErr   *float64 `json:"accidentals_error_cps,omitempty"`
	AccRatio *float64 `json:"coincidences_to_accidentals,omitempty"`
}

// MeasuredPart is a measurement's share of one part of a stream.
type MeasuredPart struct {
	Part      uint32               `json:"part"`
	FromIndex protocol.Uint64      `json:"from_index"` // of the first and the last reading
	ToIndex   protocol.Uint64      `json:"to_index"`
	Readings  uint64               `json:"readings"`
	Frames    [][2]protocol.Uint64 `json:"frames,omitempty"` // in raw/, whole ones: first and last of each stretch
	SHA256    string               `json:"sha256,omitempty"` // over these, as photonrecv verify prints it
}

// Parameters are what a person set by hand, in the order given. In JSON they are
// an object; a value that is a number is one there, with the digits it was typed
// with.
type Parameters []protocol.Parameter

var plainNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)

// MarshalJSON writes an object.
func (p Parameters) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, one := range p {
		if i > 0 {
			out = append(out, ',')
		}
		key, err := json.Marshal(one.Key)
		if err != nil {
			return nil, err
		}
		value := []byte(one.Value)
		if !plainNumber.Match(value) {
			if value, err = json.Marshal(one.Value); err != nil {
				return nil, err
			}
		}
		out = append(append(append(out, key...), ':'), value...)
	}
	return append(out, '}'), nil
}

// UnmarshalJSON reads an object, in its order.
func (p *Parameters) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("parameters: an object was expected")
	}
	*p = nil
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		name, ok := key.(string)
		if !ok {
			return fmt.Errorf("parameters: %v where a name was expected", key)
		}
		var value any
		if err := d.Decode(&value); err != nil {
			return err
		}
		*p = append(*p, protocol.Parameter{Key: name, Value: fmt.Sprint(value)})
	}
	return nil
}

// write puts measurement.json into the folder, whole and synced.
func (m *Measurement) write(folder string) error {
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return err
	}
	return journal.ReplaceFile(journal.OS{}, filepath.Join(folder, measurementFile), journal.WithCRC(text))
}

// readMeasurement reads the measurement.json of a folder.
func readMeasurement(folder string) (*Measurement, error) {
	text, err := journal.ReadFile(journal.OS{}, filepath.Join(folder, measurementFile), fileLimit)
	if err != nil {
		return nil, err
	}
	m := &Measurement{}
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fmt.Errorf("%s in %s is not what photonrecv wrote there: %w", measurementFile, folder, err)
	}
	if m.Format != 1 || m.ID.IsZero() {
		return nil, fmt.Errorf("%s in %s is not what photonrecv wrote there, or is of a later version", measurementFile, folder)
	}
	return m, nil
}

// isMeasurementFolder reports whether a folder is one that Measure made.
func isMeasurementFolder(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, measurementFile))
	return err == nil && info.Mode().IsRegular()
}

// isBeingWritten reports whether some process writes the measurement of a
// folder at present.
func isBeingWritten(folder string) bool {
	lock, err := journal.OS{}.Lock(filepath.Join(folder, rawFolder, "lock"))
	if err == nil {
		_ = lock.Close() // nothing was written
	}
	return errors.Is(err, journal.ErrLocked)
}
