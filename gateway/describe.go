package gateway

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"photongate/device"
	"photongate/protocol"
)

// describe turns what a device says of itself into the descriptor of an epoch.
func describe(t *task, about device.Description, channels []protocol.Channel, cause string) protocol.Descriptor {
	d := protocol.Descriptor{
		Stream: t.cfg.Name, Base: t.base.id, Boot: t.base.source.Boot, Software: t.software, Cause: cause,
		Driver: t.driver.Name, Model: about.Model, Serial: about.Serial, Firmware: about.Firmware,
		Identity: string(about.Identity), Port: about.Port,
		GateNs: protocol.Int64(about.Gate), LateNs: protocol.Int64(about.Late), Timing: string(about.Timing),
		Unverified: about.Unverified || len(about.Differing()) > 0, Blind: about.Blind,
		Channels: channels,
	}
	if t := about.Tick; t.Num > 0 {
		d.Tick = &protocol.Tick{Num: protocol.Uint64(t.Num), Den: protocol.Uint64(max(t.Den, 1))}
	}
	for _, s := range about.Settings {
		one := protocol.Setting{Key: s.Key, Value: s.Value, Unit: s.Unit, How: s.How}
		if s.Differs() {
			one.Asked = s.Asked
		}
		d.Settings = append(d.Settings, one)
	}
	return d
}

// maxTagChannels is how many channels tags can have: their numbers are bytes.
const maxTagChannels = 256

// channelsOf returns a device's channels under the names that the
// configuration gives them.
func channelsOf(about device.Description, cfg DeviceConfig) ([]protocol.Channel, error) {
	if n := len(about.Channels); n == 0 || n > protocol.MaxChannels {
		return nil, fmt.Errorf("%w: %d channels, expected 1 to %d", errDriver, n, protocol.MaxChannels)
	}
	if n := len(about.Channels); about.Tick.Num > 0 && n > maxTagChannels {
		return nil, fmt.Errorf("%w: tags of %d channels, at most %d can be", errDriver, n, maxTagChannels)
	}
	channels := make([]protocol.Channel, len(about.Channels))
	for i, c := range about.Channels {
		channels[i] = protocol.Channel{
			Name: c.Name, Input: c.Input, Kind: string(c.Kind), Width: c.Width, Exponent: c.Exponent, Unit: c.Unit, Signed: c.Signed, Edge: string(c.Edge),
		}
	}
	for _, c := range cfg.Channels {
		i := channelIndex(about.Channels, c.Input)
		if i < 0 {
			return nil, fmt.Errorf("there is no channel %q (expected one of %s)", c.Input, strings.Join(driverNames(about.Channels), ", "))
		}
		if c.Name != "" {
			channels[i].Name = c.Name
		}
		channels[i].Detector = c.Detector
		channels[i].DeadTimeNs = protocol.Int64(c.DeadTime)
		channels[i].DarkCPS = c.DarkCPS
		channels[i].WindowNs = protocol.Int64(c.Window)
		channels[i].WarnAboveCPS, channels[i].WarnBelowCPS = c.WarnAboveCPS, c.WarnBelowCPS
		if kind := channels[i].Kind; (c.WarnAboveCPS != nil || c.WarnBelowCPS != nil) && !hasRate(kind) {
			return nil, fmt.Errorf("channel %q can have no limits: its values are of kind %q, no counts and no rates", channels[i].Name, kind)
		}
	}
	seen := map[string]bool{}
	for _, c := range channels {
		if seen[c.Name] {
			return nil, fmt.Errorf("two channels are called %q", c.Name)
		}
		seen[c.Name] = true
	}
	return channels, combine(channels, about.Channels, cfg)
}

// hasRate reports whether a channel of a kind has counts per second.
func hasRate(kind string) bool {
	switch kind {
	case protocol.KindCount, protocol.KindRate, protocol.KindTag, protocol.KindMarker:
		return true
	}
	return false
}

// tickLength is how long a tick lasts, for people.
func tickLength(t protocol.Tick) tickText { return tickText(t) }

// tickText writes a tick as a decimal number of the unit that suits it.
type tickText protocol.Tick

func (t tickText) String() string {
	s, unit := float64(t.Num)/float64(t.Den), "s"
	for _, u := range []string{"ms", "us", "ns", "ps", "fs"} {
		if s >= 1 {
			break
		}
		s, unit = s*1e3, u
	}
	return strconv.FormatFloat(s, 'g', 6, 64) + " " + unit
}

// combine enters into each channel of coincidences the names of those it
// combines.
func combine(channels []protocol.Channel, as []device.Channel, cfg DeviceConfig) error {
	for _, c := range cfg.Channels {
		at := channelIndex(as, c.Input)
		for _, name := range c.Of {
			i := slices.IndexFunc(channels, func(ch protocol.Channel) bool { return ch.Name == name })
			if i < 0 {
				i = channelIndex(as, name)
			}
			switch {
			case i < 0:
				return fmt.Errorf("channel %q is of %q, which does not exist (expected some of %s)", channels[at].Name, name, strings.Join(driverNames(as), ", "))
			case i == at:
				return fmt.Errorf("channel %q is of itself (%q)", channels[at].Name, name)
			case slices.Contains(channels[at].Of, channels[i].Name):
				return fmt.Errorf("channel %q is twice of %q", channels[at].Name, name)
			}
			channels[at].Of = append(channels[at].Of, channels[i].Name)
		}
	}
	return nil
}

// driverNames are the channels as the driver calls them.
func driverNames(channels []device.Channel) []string {
	var list []string
	for _, c := range channels {
		list = append(list, c.Name)
	}
	return list
}

// channelIndex finds a channel by the driver's name for it, or by its input: all
// of it, or what stands before a colon.
func channelIndex(channels []device.Channel, input string) int {
	for i, c := range channels {
		if c.Name == input {
			return i
		}
	}
	for i, c := range channels {
		if counter, _, _ := strings.Cut(c.Input, ":"); c.Input == input || counter == input {
			return i
		}
	}
	return -1
}

// condition is a state of a device with what is to be said about it.
type condition struct {
	state string
	kind  string // conditions of one state and kind are the same trouble again, whatever the cause says
	cause string
	hint  string // what to try
}

// kinds are the kinds of trouble, with the state they put a device in.
var kinds = []struct {
	err   error
	state string
}{
	{device.ErrNoPort, Gone}, {device.ErrGone, Gone}, {errSilent, Stalled},
	{device.ErrPermission, Failed}, {device.ErrAmbiguous, Failed}, {device.ErrNonsense, Failed}, {device.ErrSetting, Failed},
	{device.ErrHangs, Failed}, {errDriver, Failed}, {errCounts, Failed},
	{device.ErrBusy, Waiting}, {device.ErrTimeout, Waiting}, {device.ErrStall, Failed}, {device.ErrReenumerated, Opening},
}

// classify says what condition an error puts a device in; present says whether
// its port was ever there: one that never was has not gone.
func classify(err error, present bool) condition {
	c := condition{state: Waiting, cause: err.Error()}
	op := ""
	if e, ok := errors.AsType[*device.Error](err); ok {
		bare := *e
		bare.Hint = ""
		c.cause, c.hint, op = bare.Error(), e.Hint, e.Op
	}
	c.kind = c.cause
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			c.state, c.kind = k.state, op+": "+k.err.Error()
			break
		}
	}
	if c.state == Stalled {
		return silent
	}
	if !present {
		c.state, c.cause = Waiting, "not there yet: "+c.cause
	}
	return c
}

// causeSlept ends an epoch after the computer was suspended.
const causeSlept = "host slept"

// endCause says why an epoch ended, for its end frame and the gap after it.
func endCause(stop context.Context, err error) (cause, detail string) {
	switch {
	case stop.Err() != nil:
		return protocol.CauseGatewayStopped, ""
	case errors.Is(err, device.ErrGone):
		return protocol.CauseUnplugged, err.Error()
	case errors.Is(err, errSilent), errors.Is(err, device.ErrHangs):
		return protocol.CauseStalled, err.Error()
	case errors.Is(err, errSlept):
		return causeSlept, ""
	}
	return protocol.CauseReopened, err.Error()
}

// panicked turns a panic of a driver into an error, and logs where it was.
func (t *task) panicked(doing string, v any) error {
	t.log.Error().Str("doing", doing).Interface("panic", v).Bytes("stack", debug.Stack()).Msg("driver panicked")
	return &device.Error{Op: doing, Port: t.cfg.Port, Err: fmt.Errorf("%w %s: panic: %v", errDriver, t.driver.Name, v),
		Hint: "the other devices go on; please report this with the log"}
}
