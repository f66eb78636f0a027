package gateway

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// CountsConfig has the time tags of a device counted, in a stream of its own.
type CountsConfig struct {
	Name string        // of the stream; empty: the device's and ".counts"
	Gate time.Duration // 0: DefaultCountsGate
	// DelayNs is added to the times of a channel's tags, by the name that the channel
	// has in the data or as the driver calls it. It is for cables: +5 to A has its
	// tags counted as if they had come 5 ns later.
	DelayNs      map[string]float64
	Coincidences []CoincidenceConfig
}

// CoincidenceConfig has coincidences between channels counted. Tags coincide when no
// two of them, with their delays, are further apart than half the window, to either
// side: the window is the whole width.
type CoincidenceConfig struct {
	Name     string // of the channel; empty: those of its channels, together
	Of       []string
	WindowNs float64
}

// Bounds of what is counted.
const (
	DefaultCountsGate = 100 * time.Millisecond
	minCountsGate     = time.Millisecond
	maxCountsGate     = time.Hour
	maxDelayNs        = 1e7 // 10 ms: the light's way through 2000 km of fibre
	maxWindowNs       = 1e6
)

// streamName is what the stream of counts of a device is called.
func (c CountsConfig) streamName(of string) string {
	if c.Name != "" {
		return c.Name
	}
	return of + ".counts"
}

// has reports whether a stream is the device's, or made from it.
func (d DeviceConfig) has(stream string) bool { return d.Name == stream || d.counts(stream) }

// counts reports whether a stream is one of counts made from the device's tags.
func (d DeviceConfig) counts(stream string) bool {
	return slices.ContainsFunc(d.Counts, func(c CountsConfig) bool { return c.streamName(d.Name) == stream })
}

func parseCounts(t *table) CountsConfig {
	c := CountsConfig{Name: t.text("name"), Gate: t.duration("gate")}
	if v, path, ok := t.take("delay"); ok && kindOf(v) != "a table" {
		t.wrongType(path, v, `a time for each channel that has one, as in delay = { B = "12.5ns" }`)
	} else if d := t.table("delay", nil); d != nil {
		c.DelayNs = map[string]float64{}
		for _, channel := range slices.Sorted(maps.Keys(d.values)) {
			c.DelayNs[channel] = d.fine(channel)
		}
	}
	for _, one := range t.tables("coincidences", wordsCoincidence) {
		c.Coincidences = append(c.Coincidences, CoincidenceConfig{Name: one.text("name"), Of: one.texts("of"), WindowNs: one.fine("window")})
		one.finish()
	}
	t.finish()
	return c
}

// fine is a short time in nanoseconds, of either sign.
func (t *table) fine(key string) float64 {
	v, path, ok := t.take(key)
	if !ok {
		return 0
	}
	ns, err := parseFine(v)
	if err != nil {
		t.src.report(path, "%v", err)
	}
	return ns
}

var fineUnits = map[string]float64{"ps": 1e-3, "ns": 1, "us": 1e3, "µs": 1e3, "μs": 1e3, "ms": 1e6, "s": 1e9}

// parseFine reads a time that may be shorter than a nanosecond.
func parseFine(v any) (float64, error) {
	const expected = `expected a time with its unit, in quotes: "12.5ns", "-800ps"`
	s, ok := v.(string)
	if !ok {
		return 0, fmt.Errorf("%s is %s (%s)", shown(v), kindOf(v), expected)
	}
	s = strings.TrimSpace(s)
	end := strings.LastIndexAny(s, "0123456789.") + 1
	unit, ok := fineUnits[strings.TrimSpace(s[end:])]
	number, err := strconv.ParseFloat(strings.TrimSpace(s[:end]), 64)
	if !ok || err != nil || math.IsNaN(number) || math.IsInf(number, 0) {
		return 0, fmt.Errorf("%q is no time (%s)", s, expected)
	}
	return number * unit, nil
}
