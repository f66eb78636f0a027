package gateway

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"photongate/device"
)

// maxWarnFor bounds for how long a rate may have to be beyond its limit.
const maxWarnFor = 24 * time.Hour

// checkLimits reports limits that cannot be.
func (ch ChannelConfig) checkLimits(at string, src *source) {
	above, below := ch.WarnAboveCPS, ch.WarnBelowCPS
	if above != nil && below != nil && *above > 0 && *below >= *above {
		src.report(at+".warn_below", "%s is not below warn_above, %s: every rate would be beyond one of them (expected less)", rateText(*below), rateText(*above))
	}
	if ch.WarnFor > maxWarnFor {
		src.report(at+".warn_for", "%v is too long (expected at most %v)", ch.WarnFor, maxWarnFor)
	}
}

// checkCoincidences reports channels under "of" that are none of the device's,
// as far as that is known without the instrument.
func (d DeviceConfig) checkCoincidences(path string, src *source, driver *device.Driver) {
	for i, ch := range d.Channels {
		at := fmt.Sprintf("%s.channel[%d].of", path, i)
		if len(ch.Of) == 1 {
			src.report(at, `is one channel (expected those whose coincidences are counted, as in of = ["A", "B"])`)
			continue
		}
		seen := map[string]bool{}
		for _, name := range ch.Of {
			input := name
			if k := d.channelNamed(name); k >= 0 {
				input = d.Channels[k].Input
			} else if bare, _, _ := strings.Cut(name, ":"); driver.Inputs.May != nil && !driver.Inputs.May(bare) {
				src.report(at, "there is no channel %q (expected the name of a [[device.channel]], or %s)", name, driver.Inputs.Title)
			}
			if input == ch.Input {
				src.report(at, "names the channel itself, %q (expected those whose coincidences it counts)", name)
			}
			if seen[input] {
				src.report(at, "names %q twice", name)
			}
			seen[input] = true
		}
	}
}

// channelNamed returns the channel that is called so in the data, -1 when the
// configuration names none so.
func (d DeviceConfig) channelNamed(name string) int {
	return slices.IndexFunc(d.Channels, func(ch ChannelConfig) bool { return ch.Name == name })
}

// checkOnAlarm reports a program that cannot be run.
func checkOnAlarm(src *source, command []string) {
	if len(command) == 0 {
		return
	}
	const expected = `expected a program and its arguments, as in ["/usr/local/bin/alarm", "lab3"]`
	if slices.ContainsFunc(command, func(s string) bool { return strings.ContainsRune(s, 0) }) {
		src.report("gateway.on_alarm", "has a character that no argument can have (%s)", expected)
		return
	}
	if _, err := alarmProgram(command[0]); err != nil {
		src.report("gateway.on_alarm", "%v (%s)", err, expected)
	}
}

// alarmProgram finds the program to be run, which must not depend on the folder
// in which the gateway is started; "~" is the home folder.
func alarmProgram(name string) (string, error) {
	if strings.HasPrefix(name, "~/") {
		path, err := expandHome(name)
		if err != nil {
			return "", err
		}
		name = path
	}
	if strings.ContainsAny(name, `/\`) && !filepath.IsAbs(name) {
		return "", fmt.Errorf("%q depends on where the gateway is started", name)
	}
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	reason := err
	if inner, ok := errors.AsType[*exec.Error](err); ok {
		reason = inner.Err
	}
	return "", fmt.Errorf("%q cannot be run: %w", name, reason)
}
