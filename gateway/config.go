package gateway

import (
	"cmp"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"photongate/device"
	"photongate/gateway/output"
	"photongate/protocol"
)

// Defaults of keys that a configuration may leave out.
const (
	DefaultListen  = "127.0.0.1:7310"
	DefaultPort    = "7310"
	DefaultJournal = "~/.local/state/photongate"
	DefaultBatch   = 20 * time.Millisecond
	DefaultWarnFor = time.Second
)

// SampleConfig is a configuration file that names every key and explains it.
//
//go:embed photongate.sample.toml
var SampleConfig string

// Config says what a gateway is called, where it listens and keeps its
// journal, and which devices it reads. LoadConfig makes one from a file; a
// program may as well fill in the exported fields. Validate checks it.
type Config struct {
	File    string         // the file it was read from, for messages; empty for none
	Name    string         // of the gateway; empty: made from the host's name
	Listen  []string       // addresses, "host:port" or "host"; "0.0.0.0" is all there are; empty: DefaultListen
	Forward []string       // receivers that listen and that the gateway dials, "host:port" or "host"; empty: none
	Journal string         // folder; "~" is the home folder; empty: DefaultJournal
	Control string         // who may change settings over a session, one of the Control words; empty: ControlToken
	Devices []DeviceConfig // at least one
	// OnAlarm is a program and its arguments, run once for each alarm; empty:
	// none. The program is a whole path, or a name to be found in PATH.
	OnAlarm []string
	// Quota is what the journal may take of the disk; zero: DefaultQuotaPercent.
	// KeepFree is what stays free on it; zero: DefaultKeepFree, on a small disk
	// DefaultKeepPercent.
	Quota, KeepFree Amount
	// ForgetAfter is after how long an archive that is not seen does not hold the
	// journal any more; 0: DefaultForgetAfter.
	ForgetAfter time.Duration
	Outputs     []output.Config // for programs that do not speak photongate's protocol

	source source // what LoadConfig knows of the file
}

// DeviceConfig is one configured instrument.
type DeviceConfig struct {
	Name   string        // the name of its stream
	Driver string        // device.Driver.Name
	Port   string        // where it is plugged in
	Batch  time.Duration // longest time a reading waits for others in its frame; 0: DefaultBatch
	// TagWait is the longest time few time tags wait for others in their frame, when
	// nobody looks on; 0: Batch, and where that is 0 too DefaultTagWait.
	TagWait time.Duration
	// Options as they are written in the file: string, int64, float64, bool; or
	// Word, for what did not come from a file.
	// Only what is named here is changed in the instrument.
	Options  map[string]any
	Allow    []string // guarded options (device.Option) that may be changed over a session
	Share    float64  // of the journal's quota, against the other devices; 0: 1
	Channels []ChannelConfig
	Counts   []CountsConfig // streams of counts made from its time tags
}

// ChannelConfig says what is connected to one channel of an instrument.
type ChannelConfig struct {
	Input    string        // the channel as the driver calls it, by name or by input
	Name     string        // what it is called in the data; empty: as the driver calls it
	Detector string        // for people: "SPCM-AQRH-14 #31245"
	DeadTime time.Duration // of the detector; used by views only; 0: unknown
	DarkCPS  float64       // dark counts per second; used by views only; 0: unknown
	// Of are the channels whose coincidences it counts, by the names they have in
	// the data or as the driver calls them, and Window is the width of the
	// coincidence window; used by views only. Empty and 0: unknown.
	Of     []string
	Window time.Duration
	// WarnAboveCPS and WarnBelowCPS are limits in counts per second; an alarm comes
	// on when the rate was beyond one of them for WarnFor (0: DefaultWarnFor).
	// Nil: no limit.
	WarnAboveCPS, WarnBelowCPS *float64
	WarnFor                    time.Duration
}

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	Line int    // in the file; 0 when not known
	Key  string // "device.options.gate"
	Text string // what is wrong, and in brackets what was expected
}

// ConfigError holds everything that is wrong with a configuration.
type ConfigError struct {
	File     string // empty when there is no file
	Problems []Problem
}

// Error returns one line for each problem: "file:line: key: what is wrong".
func (e *ConfigError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.In(e.File)
	}
	return strings.Join(lines, "\n")
}

// In is one line for people, "file:line: key: text"; file is empty for none.
func (p Problem) In(file string) string {
	where := file
	if where == "" {
		where = "configuration"
	}
	if p.Line > 0 {
		where = fmt.Sprintf("%s:%d", where, p.Line)
	}
	if p.Key != "" {
		where += ": " + p.Key
	}
	return where + ": " + p.Text
}

// LoadConfig reads a configuration file. It fails when the file cannot be
// read or is no TOML. Unknown keys and values of a wrong type are remembered
// and reported by Validate, together with everything else.
func LoadConfig(path string) (Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	return ParseConfig(path, text)
}

// Refuse notes what is wrong with a key of a device, found by whoever knows more than
// the configuration says. Validate tells it together with everything else.
func (c *Config) Refuse(device int, key, text string) {
	c.source.report(fmt.Sprintf("device[%d].%s", device, key), "%s", text)
}

// withDefaults returns c with what was left out filled in.
func (c Config) withDefaults() (Config, error) {
	if c.Name == "" {
		host, err := os.Hostname()
		if err != nil {
			host = ""
		}
		c.Name = nameFromHost(host)
	}
	if len(c.Listen) == 0 {
		c.Listen = []string{DefaultListen}
	}
	c.Listen = slices.Clone(c.Listen)
	for i, addr := range c.Listen {
		c.Listen[i] = withPort(addr)
	}
	c.Forward = slices.Clone(c.Forward)
	for i, addr := range c.Forward {
		c.Forward[i] = withPort(addr)
	}
	if c.Journal == "" {
		c.Journal = DefaultJournal
	}
	dir, err := expandHome(c.Journal)
	if err != nil {
		return c, err
	}
	c.Journal = dir
	if c.Control == "" {
		c.Control = ControlToken
	}
	if c.ForgetAfter == 0 {
		c.ForgetAfter = DefaultForgetAfter
	}
	c.Devices = slices.Clone(c.Devices)
	for i := range c.Devices {
		if c.Devices[i].TagWait == 0 {
			c.Devices[i].TagWait = cmp.Or(c.Devices[i].Batch, DefaultTagWait)
		}
		if c.Devices[i].Batch == 0 {
			c.Devices[i].Batch = DefaultBatch
		}
		if c.Devices[i].Share == 0 {
			c.Devices[i].Share = 1
		}
	}
	return c, nil
}

// nameFromHost makes a name that CheckName accepts from a host's name.
func nameFromHost(host string) string {
	host, _, _ = strings.Cut(strings.ToLower(host), ".")
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return -1
	}, host)
	name = strings.TrimLeft(name, "-_")
	if len(name) > 60 {
		name = name[:60]
	}
	if protocol.CheckName(name) != nil {
		return "photongate"
	}
	return name
}

// expandHome replaces a leading "~" by the home folder and makes the path
// absolute.
func expandHome(path string) (string, error) {
	if path == "~" || strings.HasPrefix(path, "~/") || strings.HasPrefix(path, `~\`) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("journal folder %q: %w", path, err)
		}
		path = filepath.Join(home, path[1:])
	}
	return filepath.Abs(path)
}

// findDriver returns the driver of that name, nil when there is none.
func findDriver(drivers []device.Driver, name string) *device.Driver {
	i := slices.IndexFunc(drivers, func(d device.Driver) bool { return d.Name == name })
	if i < 0 {
		return nil
	}
	return &drivers[i]
}
