package gateway

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"photongate/device"
	"photongate/protocol"
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
// two of them, with their delays, are further apart than half the window.
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
func (d DeviceConfig) has(stream string) bool {
	return d.Name == stream || slices.ContainsFunc(d.Counts, func(c CountsConfig) bool { return c.streamName(d.Name) == stream })
}

func parseCounts(t *table) CountsConfig {
	c := CountsConfig{Name: t.text("name"), Gate: t.duration("gate")}
	if d := t.table("delay", nil); d != nil {
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

// checkCounts reports what is wrong with the counts of a device; driver is nil where
// it is not known.
func (d DeviceConfig) checkCounts(path string, src *source, driver *device.Driver) {
	for i, c := range d.Counts {
		at := fmt.Sprintf("%s.counts[%d]", path, i)
		name := c.streamName(d.Name)
		if err := protocol.CheckName(name); err != nil && d.Name != "" {
			src.report(at+".name", "%v", err)
		} else if name == gatewayStream {
			src.report(at+".name", "%q is the gateway's own stream (expected another name)", name)
		}
		if c.Gate != 0 && (c.Gate < minCountsGate || c.Gate > maxCountsGate) {
			src.report(at+".gate", "%v cannot be (expected %v to %v)", c.Gate, minCountsGate, maxCountsGate)
		}
		known := func(key, name string) {
			if bare, _, _ := strings.Cut(name, ":"); d.channelNamed(name) < 0 && driver != nil && driver.Inputs.May != nil && !driver.Inputs.May(bare) {
				src.report(key, "there is no channel %q (expected the name of a [[device.channel]], or %s)", name, driver.Inputs.Title)
			}
		}
		for name, ns := range c.DelayNs {
			known(at+".delay."+name, name)
			if math.Abs(ns) > maxDelayNs {
				src.report(at+".delay."+name, "is too long (expected at most 10ms)")
			}
		}
		for k, co := range c.Coincidences {
			key := fmt.Sprintf("%s.coincidences[%d]", at, k)
			co.check(key, src)
			for _, name := range co.Of {
				known(key+".of", name)
			}
		}
	}
}

func (co CoincidenceConfig) check(key string, src *source) {
	if co.Name != "" && !goodChannelName(co.Name) {
		src.report(key+".name", "%q cannot be a column's name (expected up to 32 letters, digits or any of _ . + - /)", co.Name)
	}
	if co.WindowNs <= 0 || co.WindowNs > maxWindowNs {
		src.report(key+".window", `is missing or impossible (expected the whole width of the window, more than 0 and at most 1ms, as in window = "2ns")`)
	}
	if len(co.Of) < 2 || len(slices.Compact(slices.Sorted(slices.Values(co.Of)))) < len(co.Of) {
		src.report(key+".of", `has to be two channels or more, each once, as in of = ["A", "B"]`)
	}
}
