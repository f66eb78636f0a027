package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"photongate/sim"
)

func TestParseRate(t *testing.T) {
	for text, want := range map[string]float64{
		"0": 0, "50000": 50000, "50k": 50000, "1.5M": 1.5e6, "250cps": 250, "3Mcps": 3e6, " 7 ": 7,
	} {
		if got, err := sim.ParseRate(text); err != nil || got != want {
			t.Errorf("%q is %g (%v), expected %g", text, got, err, want)
		}
	}
	for _, text := range []string{"", "k", "-1", "many", "5G", "NaN"} {
		if got, err := sim.ParseRate(text); err == nil {
			t.Errorf("%q was taken for %g", text, got)
		}
	}
}

func TestParseRates(t *testing.T) {
	got, err := parseRates("rate", "5k", 3)
	if diff := cmp.Diff(got, []float64{5000, 5000, 5000}); diff != "" || err != nil {
		t.Errorf("one for all (-got +want):\n%s%v", diff, err)
	}
	got, err = parseRates("rate", "1,2,3k", 3)
	if diff := cmp.Diff(got, []float64{1, 2, 3000}); diff != "" || err != nil {
		t.Errorf("a list (-got +want):\n%s%v", diff, err)
	}
	if _, err := parseRates("rate", "1,2", 3); err == nil || !strings.Contains(err.Error(), "2 rates, expected one for all inputs or 3") {
		t.Errorf("too short a list: %v", err)
	}
}

func TestParsePairs(t *testing.T) {
	inputs := []string{"A", "B", "A'", "B'"}
	for text, want := range map[string][]sim.Pair{
		"500":               {{A: 0, B: 1, RateHz: 500}},
		"AB=3k,A'B=1k":      {{A: 0, B: 1, RateHz: 3000}, {A: 2, B: 1, RateHz: 1000}},
		"A'B'=2,AB'=1,BA=4": {{A: 2, B: 3, RateHz: 2}, {A: 0, B: 3, RateHz: 1}, {A: 1, B: 0, RateHz: 4}},
	} {
		got, err := parsePairs(text, inputs)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", text, diff)
		}
	}
	for _, text := range []string{"A=5", "AC=5", "AA=5", "=5", "AB=x", "AB", ""} {
		if got, err := parsePairs(text, inputs); err == nil {
			t.Errorf("%q was taken for %v", text, got)
		}
	}
}

// Pairs fall on inputs whose coincidences the instrument counts, if it is not said
// on which; a single input sees none.
func TestPairsWhenNotSaidWhich(t *testing.T) {
	four := []string{"1", "2", "3", "4"}
	for name, c := range map[string]struct {
		s      settings
		inputs []string
		want   []sim.Pair
	}{
		"the first two":       {settings{}, four, []sim.Pair{{A: 0, B: 1, RateHz: 40}}},
		"others":              {settings{paired: [2]int{0, 2}}, four, []sim.Pair{{A: 0, B: 2, RateHz: 40}}},
		"others, with a rate": {settings{paired: [2]int{0, 2}, pairs: "7"}, four, []sim.Pair{{A: 0, B: 2, RateHz: 7}}},
		"a list":              {settings{paired: [2]int{0, 2}, pairs: "24=7"}, four, []sim.Pair{{A: 1, B: 3, RateHz: 7}}},
		"one input":           {settings{}, four[:1], nil},
	} {
		got, err := c.s.photonPairs([]float64{1000, 2000, 3000, 4000}, c.inputs)
		if diff := cmp.Diff(got, c.want); diff != "" || err != nil {
			t.Errorf("%s (-got +want):\n%s%v", name, diff, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	full := filepath.Join(dir, "full.csv")
	if err := os.WriteFile(full, []byte("index,time_ns\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const tcp = " --tcp 127.0.0.1:0"
	for args, want := range map[string]string{
		"sr500" + tcp:                                 `unknown command "sr500"`,
		"cc1 --units min" + tcp:                       "expected none, ms or s",
		"cc1 --line-end cr" + tcp:                     "expected lf or crlf",
		"cc1 --firmware new" + tcp:                    "expected numbers such as 2.010",
		"sr400 --nn next" + tcp:                       "expected running or finished",
		"sr400 --baud 110" + tcp:                      "expected 300, 600",
		"sr400 --gpib --echo" + tcp:                   "no echo on GPIB",
		"sr400 --trigger x" + tcp:                     "--trigger",
		"tdc1 --separator comma" + tcp:                "expected space, tab or aligned",
		"tdc1 --tail 9999" + tcp:                      "expected 0 to 4096",
		"tdc1 --fault panel@1s" + tcp:                 "tdc1 has no panel",
		"gmc --model GMC" + tcp:                       "expected a text of 13 to 16",
		"gmc --reserved 123456789" + tcp:              "up to 8 hexadecimal digits",
		"gmc --serial xyz" + tcp:                      "up to 14 hexadecimal digits",
		"gmc --pairs 5" + tcp:                         "pair of inputs",
		"cd48 --fault panel@1s" + tcp:                 "cd48 has no panel",
		"cd48":                                        "at least one of the flags in the group [pty tcp usbip] is required",
		"cd48 --pty x --tcp y":                        "none of the others can be",
		"cd48 extra" + tcp:                            "unknown command",
		"cd48 --ack loud" + tcp:                       "expected silent, ok or echo",
		"cd48 --ignore L=0" + tcp:                     "--ignore L=0: expected how often",
		"cd48 --ignore c" + tcp:                       "expected one of the set commands S L V",
		"cd48 --overflow burst" + tcp:                 "--overflow \"burst\": expected wrap or stick",
		"cd48 --rate 5,6" + tcp:                       "expected one for all inputs or 4",
		"cd48 --rate 1k --pairs 2k" + tcp:             "raise its rate or lower the pairs",
		"cd48 --fault meteor@5s" + tcp:                "known are torn, garbage,",
		"cd48 --fault overflow@5s:9" + tcp:            "cd48 has counters 0 to 7",
		"de2ccu --fault overflow@5s" + tcp:            "de2ccu has no overflow",
		"de2ccu --counters 9" + tcp:                   "8 or 15",
		"cd48 --truth " + full + tcp:                  "say --append",
		"cd48 --truth " + dir + "/no/truth.csv" + tcp: "open truth file",
		"cd48 --pty " + full:                          "is no symbolic link",
		"cd48 --tcp nowhere":                          "listen for a host",
	} {
		root := newRoot(io.Discard)
		root.SetArgs(strings.Fields(args))
		root.SetOut(io.Discard)
		err := root.ExecuteContext(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("photonsim %s: got error %v, expected one with %q", args, err, want)
		}
	}
}

func TestHelpNamesEveryInstrumentAndFault(t *testing.T) {
	for args, words := range map[string][]string{
		"--help":        {"cc1", "cd48", "de2ccu", "gmc", "sr400", "tdc1", "umass", "Examples:", "photonsim faults", "SIGUSR1", "SIGUSR2"},
		"--version":     {"photonsim version " + version},
		"faults":        append(sim.FaultKinds(), "KIND", "duration", "1.5s", "byte=N"),
		"cd48 --help":   append(sim.FaultKinds(), "Examples:", "--repeat-on", "--distinct", "photonsim faults", "SIGUSR1", "SIGUSR2"),
		"cc1 --help":    {"Examples:", "--firmware", "--acks", "--ackn-off", "--units", "--firm-unknown", "--left", "--pace"},
		"sr400 --help":  {"Examples:", "--echo", "--gpib", "--nn", "--numbers", "--left", "brownout", "first two inputs"},
		"tdc1 --help":   {"Examples:", "--separator", "--tail", "--left", "lostmarker", "inputs 1 and 3"},
		"gmc --help":    {"Examples:", "--model", "--reserved", "--beating", "--baud", "(default \"0.5\")", "(default 100µs)"},
		"de2ccu --help": append(sim.FaultKinds(), "Examples:", "--counters", "--pace"),
	} {
		var out strings.Builder
		root := newRoot(io.Discard)
		root.SetArgs(strings.Fields(args))
		root.SetOut(&out)
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Error(err)
		}
		for _, word := range words {
			if !strings.Contains(out.String(), word) {
				t.Errorf("photonsim %s does not mention %q", args, word)
			}
		}
	}
}
