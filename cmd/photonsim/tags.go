package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"photongate/sim"
)

// tagsHelp is what the help of an instrument of tags says of the truth.
const tagsHelp = `The truth of tags is binary: 9 bytes for each detection while a stream was on, its tick
since power-on (8 bytes, low byte first, never wrapped) and its channel, in order of time.
FILE.losses has a line "from_tick to_tick channel|all reason" for each stretch of which
the host did not get all, and why.`

// tagFlags are those of an instrument that gives time tags. They are what light is
// besides rates, dark counts and pairs.
type tagFlags struct {
	pairDelay, jitter, afterpulseTime string
	afterpulse                        float64
	pulsed, bursts                    string
	speed                             string
}

func (t *tagFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&t.pairDelay, "pair-delay", "0ns", "tags: how much later the second input of --pairs sees its photon, such as 12.5ns")
	f.StringVar(&t.jitter, "jitter", "350ps", "tags: standard deviation of the time of a detection")
	f.Float64Var(&t.afterpulse, "afterpulse", 0, "tags: chance that a detection is followed by a false one, such as 0.03")
	f.StringVar(&t.afterpulseTime, "afterpulse-time", "50ns", "tags: mean time of these after the dead time")
	f.StringVar(&t.pulsed, "pulsed", "", "tags: light in pulses with this `PERIOD`, such as 12.5ns; the rates hold on average (default: steady light)")
	f.StringVar(&t.bursts, "bursts", "", "tags: light in bursts, `LENGTH/EVERY` on average, such as 100us/1ms; the rates hold on average (default: no bursts)")
	f.StringVar(&t.speed, "speed", "real", "real: time goes as it does; max: as fast as the host takes what is sent, and it stands still while the host does not (--for and --fault go by it)")
}

// settings are the flags as numbers.
func (t *tagFlags) settings() (s sim.TagSettings, err error) {
	s.Afterpulse = t.afterpulse
	length, every, both := strings.Cut(t.bursts, "/")
	if !both && t.bursts != "" {
		return s, fmt.Errorf("--bursts %q: expected their length and the time from one to the next, such as 100us/1ms", t.bursts)
	}
	for _, f := range []struct {
		flag, text string
		to         *float64
	}{
		{"pair-delay", t.pairDelay, &s.PairDelayNs}, {"jitter", t.jitter, &s.JitterNs}, {"afterpulse-time", t.afterpulseTime, &s.AfterpulseNs},
		{"pulsed", t.pulsed, &s.PulseNs}, {"bursts", length, &s.BurstNs}, {"bursts", every, &s.BurstEveryNs},
	} {
		if f.text == "" {
			continue
		}
		if *f.to, err = parseNs(f.text); err != nil {
			return s, fmt.Errorf("--%s: %w", f.flag, err)
		}
	}
	if t.speed != "real" && t.speed != "max" {
		return s, fmt.Errorf("--speed %q: expected real or max", t.speed)
	}
	return s, nil
}

// parseNs reads a time with its unit, down to picoseconds, in nanoseconds.
func parseNs(text string) (float64, error) {
	for _, unit := range []struct {
		name string
		ns   float64
	}{{"ps", 1e-3}, {"ns", 1}, {"us", 1e3}, {"µs", 1e3}, {"ms", 1e6}, {"s", 1e9}} {
		if number, ok := strings.CutSuffix(text, unit.name); ok {
			if value, err := strconv.ParseFloat(number, 64); err == nil {
				return value * unit.ns, nil
			}
			break
		}
	}
	if text == "0" {
		return 0, nil
	}
	return 0, fmt.Errorf("%q is no time: expected a number and ps, ns, us, ms or s, such as 12.5ns", text)
}

// lossesFile is FILE.losses, which is made when the first tags are written, so that
// other truths have none.
type lossesFile struct {
	name string
	file *os.File
}

// Write adds to the file; nothing makes it.
func (l *lossesFile) Write(p []byte) (n int, err error) {
	if l.file == nil {
		if l.file, err = os.OpenFile(l.name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644); err != nil {
			return 0, err
		}
	}
	if len(p) == 0 {
		return 0, nil
	}
	return l.file.Write(p)
}

func (l *lossesFile) Close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

var _ io.WriteCloser = (*lossesFile)(nil)
