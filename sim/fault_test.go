package sim

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseFault(t *testing.T) {
	for text, want := range map[string]Fault{
		"torn@5s":              {Kind: FaultTorn, After: 5 * time.Second, Byte: -1},
		"garbage@1m30s":        {Kind: FaultGarbage, After: 90 * time.Second, Byte: -1, Count: 8},
		"flood@1s":             {Kind: FaultFlood, After: time.Second, Byte: -1, Count: 4096},
		"garbage@byte=100:3":   {Kind: FaultGarbage, Byte: 100, Count: 3},
		"drop@0s:41":           {Kind: FaultDrop, Byte: -1, Count: 41},
		"lostpacket@2s:62":     {Kind: FaultLostPacket, After: 2 * time.Second, Byte: -1, Count: 62},
		"stall@2s":             {Kind: FaultStall, After: 2 * time.Second, Byte: -1, For: 5 * time.Second},
		"unplug@byte=0:250ms":  {Kind: FaultUnplug, Byte: 0, For: 250 * time.Millisecond},
		"unplug@2s:0s":         {Kind: FaultUnplug, After: 2 * time.Second, Byte: -1},
		"overflow@2s":          {Kind: FaultOverflow, After: 2 * time.Second, Byte: -1, Count: -1},
		"overflow@2s:7":        {Kind: FaultOverflow, After: 2 * time.Second, Byte: -1, Count: 7},
		"brownout@5s":          {Kind: FaultBrownout, After: 5 * time.Second, Byte: -1, For: 300 * time.Millisecond},
		"reboot@0s":            {Kind: FaultReboot, Byte: -1, For: 2 * time.Second},
		"late@2s:2s":           {Kind: FaultLate, After: 2 * time.Second, Byte: -1, For: 2 * time.Second},
		"split@byte=12":        {Kind: FaultSplit, Byte: 12, For: 20 * time.Millisecond},
		"duplicate@byte=12":    {Kind: FaultDuplicate, Byte: 12},
		"junk@byte=12":         {Kind: FaultJunk, Byte: 12},
		"panel@5s":             {Kind: FaultPanel, After: 5 * time.Second, Byte: -1},
		"leak@5s":              {Kind: FaultLeak, After: 5 * time.Second, Byte: -1, RateHz: 3e6},
		"leak@5s:A":            {Kind: FaultLeak, After: 5 * time.Second, Byte: -1, Input: "A", RateHz: 3e6},
		"leak@5s:A'=20k":       {Kind: FaultLeak, After: 5 * time.Second, Byte: -1, Input: "A'", RateHz: 20e3},
		"leak@byte=9:1.5M":     {Kind: FaultLeak, Byte: 9, RateHz: 1.5e6},
		"leak@5s:3e8":          {Kind: FaultLeak, After: 5 * time.Second, Byte: -1, RateHz: 3e8},
		"dead@5s":              {Kind: FaultDead, After: 5 * time.Second, Byte: -1},
		"dead@5s:B":            {Kind: FaultDead, After: 5 * time.Second, Byte: -1, Input: "B"},
		"flip@byte=9999999999": {Kind: FaultFlip, Byte: 9999999999},
	} {
		got, err := ParseFault(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", text, diff)
		}
	}
}

func TestParseFaultRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                   "expected KIND@TIME",
		"torn":               "expected KIND@TIME",
		"explode@5s":         "known are torn, garbage, flood, drop, flip, lostpacket, stall, unplug, overflow, reboot, brownout, late, split, duplicate, junk, refuse, panel, lostmarker, lostclock, leak, dead",
		"Torn@5s":            "there is no \"Torn\"",
		"torn@5":             "expected a duration after the start",
		"torn@-5s":           "expected a duration after the start",
		"torn@byte=-1":       "expected a whole number from 0",
		"torn@byte=x":        "expected a whole number from 0",
		"torn@5s:3":          "torn takes no parameter",
		"garbage@5s:":        "garbage takes a number of bytes",
		"garbage@5s:0":       "garbage takes a number of bytes",
		"drop@5s:9999999999": "drop takes a number of bytes",
		"unplug@5s:3":        "unplug takes a duration",
		"stall@5s:-1s":       "stall takes a duration",
		"leak@5s:":           "leak takes an input and a rate",
		"leak@5s:=3M":        "leak takes an input and a rate",
		"leak@5s:A=-3":       "leak takes an input and a rate",
		"leak@5s:A=":         "leak takes an input and a rate",
		"dead@5s:":           "dead takes the name of an input",
		"dead@5s:A=3":        "dead takes the name of an input",
		"overflow@5s:-1":     "overflow takes the number of a counter",
	} {
		_, err := ParseFault(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, expected one with %q", text, err, want)
		}
	}
}

func FuzzParseFault(f *testing.F) {
	for _, seed := range []string{"torn@5s", "garbage@byte=100:3", "unplug@1m:2s", "overflow@1s:7", "@:", "drop@byte=:"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fault, err := ParseFault(text)
		if err != nil {
			return
		}
		// What is said of a fault must mean the same one again.
		again, err := ParseFault(fault.String())
		if err != nil || again.Kind != fault.Kind || again.After != fault.After || again.Byte != fault.Byte {
			t.Errorf("%q is said as %q, which is %+v (%v)", text, fault, again, err)
		}
	})
}

// What people are told of a fault is what ParseFault does.
func TestFaultFormsAreTrue(t *testing.T) {
	parameters := map[string]string{"": "", "bytes": "3", "counter": "3", "duration": "3s", "input": "A", "input=cps": "A=2M"}
	for _, form := range FaultForms() {
		parameter, known := parameters[form.Parameter]
		if form.Title == "" || !known || (form.Parameter == "") != (form.Default == "") {
			t.Errorf("%+v", form)
		}
		text := string(form.Kind) + "@1s"
		plain, err := ParseFault(text)
		if err != nil {
			t.Error(err)
		}
		if parameter == "" {
			continue
		}
		if _, err := ParseFault(text + ":" + parameter); err != nil {
			t.Error(err)
		}
		if form.Parameter == "counter" || strings.HasPrefix(form.Parameter, "input") {
			continue // its default is said in words
		}
		if same, err := ParseFault(text + ":" + form.Default); err != nil || same != plain {
			t.Errorf("%s:%s is %+v (%v), without parameter it is %+v", text, form.Default, same, err, plain)
		}
	}
}
