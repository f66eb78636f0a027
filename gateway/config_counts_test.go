package gateway

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"photongate/device"
)

// taggers are one of 2 ns that has to be told to give tags, and one that knows its
// tick only when it is open.
func taggers() []device.Driver {
	one := newBench().driver("tagbox")
	one.Options = append(one.Options, device.Option{Name: "mode", Title: "what it gives", Kind: device.Enum, Choices: []string{"counts", "tags"}})
	one.Inputs = device.Inputs{
		Title: "A, B, C, or \"input 1\" to \"input 3\"; AB in mode counts", May: func(s string) bool { return slices.Contains([]string{"A", "B", "C", "AB", "input 1", "input 2"}, s) },
		Known: func(device.Settings) []device.Channel {
			return []device.Channel{{Name: "A", Input: "input 1", Kind: device.Tag}, {Name: "B", Input: "input 2", Kind: device.Tag}}
		},
		Tags: func(s device.Settings) (device.Tick, bool) { return device.Tick{Num: 2, Den: 1e9}, s["mode"] == "tags" },
	}
	late := newBench().driver("latebox")
	late.Inputs = one.Inputs
	late.Inputs.Tags = func(device.Settings) (device.Tick, bool) { return device.Tick{}, true }
	return append(fakeDrivers(), one, late)
}

const tagbox = "[[device]]\nname = \"tagger\"\ndriver = \"tagbox\"\nport = \"/dev/x\"\noptions.mode = \"tags\"\n[[device.counts]]\n"

// What is wrong with counts of tags is told with the line, and with the channels of the
// tagger.
func TestCountsProblems(t *testing.T) {
	const latebox = "[[device]]\nname = \"tagger\"\ndriver = \"latebox\"\nport = \"/dev/x\"\n[[device.counts]]\n"
	const window = `(expected the whole width of the window, more than 0 and at most 1ms, as in window = "6ns")`
	const two = `(expected two channels or more, each once, as in of = ["A", "B"])`
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"well":               {tagbox + `coincidences = [{ of = ["A", "input 2"], window = "4ns" }]`, nil},
		"by a name":          {tagbox + "coincidences = [{ of = [\"idler\", \"B\"], window = \"4ns\" }]\n[[device.channel]]\ninput = \"A\"\nname = \"idler\"\n", nil},
		"never tags":         {"[[device]]\nname = \"a\"\ndriver = \"de2ccu\"\nport = \"/dev/x\"\n[[device.counts]]\n", []string{`f.toml:5: device.counts: counts are made from time tags, and a de2ccu gives none: it counts by itself (leave [[device.counts]] out; coincidences that it counts are described by a [[device.channel]] with of and window)`}},
		"another mode":       {strings.ReplaceAll(tagbox, `"tags"`, `"counts"`), []string{`f.toml:6: device.counts: counts are made from time tags, and a tagbox gives them only when it is told to (expected mode = "tags" under [device.options])`}},
		"no channel":         {tagbox + "delay = { AB = \"1ns\" }\ncoincidences = [{ of = [\"A\", \"Z\"], window = \"4ns\" }]", []string{`f.toml:7: device.counts.delay.AB: there is no channel "AB" (expected one of A, B)`, `f.toml:8: device.counts.coincidences.of: there is no channel "Z" (expected one of A, B)`}},
		"perhaps a channel":  {latebox + `delay = { C = "1ns" }`, nil},
		"surely no channel":  {latebox + `delay = { Z = "1ns" }`, []string{`f.toml:6: device.counts.delay.Z: there is no channel "Z" (expected the name of a [[device.channel]], or A, B, C, or "input 1" to "input 3"; AB in mode counts)`}},
		"window is missing":  {tagbox + `coincidences = [{ of = ["A", "B"] }]`, []string{`f.toml:7: device.counts.coincidences.window: is missing for A and B ` + window}},
		"window of nothing":  {tagbox + `coincidences = [{ of = ["A", "B"], window = "0ns" }]`, []string{`f.toml:7: device.counts.coincidences.window: of A and B cannot be 0 ns ` + window}},
		"negative window":    {tagbox + `coincidences = [{ of = ["A", "B"], window = "-2ns" }]`, []string{`f.toml:7: device.counts.coincidences.window: of A and B cannot be -2 ns ` + window}},
		"long window":        {tagbox + `coincidences = [{ of = ["A", "B"], window = "1s" }]`, []string{`f.toml:7: device.counts.coincidences.window: of A and B is too long with 1000 ms ` + window}},
		"no unit":            {tagbox + `coincidences = [{ of = ["A", "B"], window = "2" }]`, []string{`f.toml:7: device.counts.coincidences.window: "2" is no time (expected a time with its unit, in quotes: "12.5ns", "-800ps")`}},
		"nothing coincides":  {tagbox + `coincidences = [{ window = "4ns" }]`, []string{`f.toml:7: device.counts.coincidences.of: is missing ` + two}},
		"one channel":        {tagbox + `coincidences = [{ of = "A", window = "4ns" }]`, []string{`f.toml:7: device.counts.coincidences.of: is A alone ` + two}},
		"channel twice":      {tagbox + `coincidences = [{ of = ["A", "A"], window = "4ns" }]`, []string{`f.toml:7: device.counts.coincidences.of: names a channel twice: A, A ` + two}},
		"twice, in disguise": {tagbox + `coincidences = [{ of = ["A", "input 1"], window = "4ns" }]`, []string{`f.toml:7: device.counts.coincidences: coincidences of A, input 1 name A twice, by its name and by its input (expected each channel once)`}},
		"two delays":         {tagbox + `delay = { A = "4ns", "input 1" = "2ns" }`, []string{`f.toml:7: device.counts.delay: two delays are those of A, by its name and by its input (expected one)`}},
		"one name":           {tagbox + `coincidences = [{ of = ["A", "B"], window = "4ns", name = "B" }]`, []string{`f.toml:7: device.counts.coincidences: two channels of tagger.counts are called "B" (expected a name of its own under coincidences)`}},
		"a delay of no one":  {tagbox + `delay = "2ns"`, []string{`f.toml:7: device.counts.delay: "2ns" is a text (expected a time for each channel that has one, as in delay = { B = "12.5ns" })`}},
		"sent on": {tagbox + "coincidences = [{ of = [\"A\", \"B\"], window = \"4ns\" }]\n[[output]]\nkind = \"serpy\"\nlisten = \"127.0.0.1:1\"\nstream = \"tagger.counts\"\nfields = [\"index\", \"AB\", \"C\"]", []string{
			`f.toml:12: output.fields: tagger.counts has no channel "C" (expected A, B, AB; or index, part, t_s, utc_s, time_utc, gate_s, live_s, stream, flags)`}},
		"no list": {tagbox + `coincidences = { of = ["A", "B"], window = "4ns" }`, []string{`f.toml:7: device.counts.coincidences: is written as a single table (write a list of them, as in coincidences = [{ of = ["A", "B"], window = "6ns" }])`}},
	} {
		t.Run(name, func(t *testing.T) {
			config, err := ParseConfig("f.toml", []byte(c.text))
			if err == nil {
				err = config.Validate(taggers())
			}
			var got []string
			if problems, ok := errors.AsType[*ConfigError](err); ok {
				got = strings.Split(problems.Error(), "\n")
			}
			if d := cmp.Diff(got, c.want); d != "" {
				t.Errorf("problems (-got +want):\n%s", d)
			}
		})
	}
}

// Of ticks of 2 ns, 4 ns are up to one tick apart: -1, 0 and 1, which is 6 ns in all;
// 3 ns and less are the same tick, 2 ns in all. A delay of 12.5 ns is 6 ticks and a bit.
func TestCountsText(t *testing.T) {
	config, err := ParseConfig("f.toml", []byte(tagbox+`gate = "50ms"
delay = { A = "12.5ns" }
coincidences = [{ of = ["A", "B"], window = "4ns" }, { of = ["A", "B"], window = "2ns", name = "narrow" }, { of = ["A", "B"], window = "10ns", name = "wide" }]
[[device]]
name = "late"
driver = "latebox"
port = "/dev/y"
[[device.counts]]
[[output]]
kind = "serpy2"
listen = "127.0.0.1:1"
stream = "tagger"
`))
	if err != nil {
		t.Fatal(err)
	}
	if err := config.Validate(taggers()); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"counts tagger.counts: gate 50ms, channels A, B, AB, narrow, wide", "  delay A: 12 ns, 6 ticks (12.5 ns asked for)",
		"  window AB: 6 ns, 3 ticks: up to 2 ns apart, to either side (4 ns asked for)", "  window narrow: 2 ns, 1 tick: within the same tick",
		"  window wide: 10 ns, 5 ticks: up to 4 ns apart, to either side",
	}
	if d := cmp.Diff(config.Devices[0].CountsText(taggers()), want); d != "" {
		t.Errorf("of the tagger (-got +want):\n%s", d)
	}
	want = []string{"counts late.counts: gate 100ms; channels, delays and windows are said when the instrument is open: how long its ticks are is not known before"}
	if d := cmp.Diff(config.Devices[1].CountsText(taggers()), want); d != "" {
		t.Errorf("of one that tells its ticks (-got +want):\n%s", d)
	}
	var warnings []string
	for _, w := range config.Warnings(taggers()) {
		warnings = append(warnings, w.In("f.toml"))
	}
	want = []string{`f.toml:9: device.counts.coincidences.window: 2 ns counts only tags of the very same tick of 2 ns as narrow: those of a pair often fall into two ticks side by side (better window = "4ns": the same tick or the next to either side)`,
		`f.toml:18: output.stream: tagger gives time tags: what is sent is how many came in stretches of some ms (better stream = "tagger.counts", the counts made of them)`}
	if d := cmp.Diff(warnings, want); d != "" {
		t.Errorf("warnings (-got +want):\n%s", d)
	}
}
