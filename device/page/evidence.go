package page

import (
	"fmt"
	"strings"
)

// Evidence is in which ways a driver is tried by the tests, none of them with
// hardware.
type Evidence struct {
	Conformance bool     // the suite that all drivers run
	Tables      bool     // bytes and what they mean, worked out by hand
	Examples    int      // bytes of an instrument file, with the readings they mean
	Fuzz        []string // fuzz targets
	Recordings  []string // conversations that are replayed, and where they are from
	Twin        bool     // photonsim plays it
	WholeWay    bool     // what the twin counted was compared with what was recorded
}

// Sentences says it in full.
func (e Evidence) Sentences() []string {
	var list []string
	if e.Conformance {
		list = append(list, "the conformance suite of all drivers, against an instrument played by answers written by hand from the sources: "+
			"first reading, order, silence, torn bytes and garbage, unplugging, settings after a replug")
	}
	if e.Tables {
		list = append(list, "tables of bytes and what they mean, worked out by hand from the sources (wire_test.go)")
	}
	if e.Examples > 0 {
		list = append(list, fmt.Sprintf("bytes in the form of the source, and the readings they mean: %d", e.Examples))
	}
	if len(e.Fuzz) > 0 {
		list = append(list, "random bytes: "+strings.Join(e.Fuzz, ", "))
	}
	for _, r := range e.Recordings {
		list = append(list, "a conversation that is replayed: "+r)
	}
	switch {
	case e.Examples > 0:
		list = append(list, "photonsim plays it from the same file: that shows mistakes of the program, not of the file")
	case e.Twin:
		list = append(list, "a simulated twin (photonsim), written from the same sources and not from the driver")
	default:
		list = append(list, "simulated twin: none yet")
	}
	if e.WholeWay {
		list = append(list, "the whole way: what the twin counted is what the workstation recorded, row for row")
	} else if e.Twin && e.Examples == 0 {
		list = append(list, "the whole way from the twin to the workstation: not compared row for row yet")
	}
	return list
}

// String says it in a few words.
func (e Evidence) String() string {
	var words []string
	for _, w := range []struct {
		holds bool
		word  string
	}{
		{e.Conformance, "conformance suite"}, {e.Tables, "byte tables"}, {e.Examples > 0, "examples"}, {len(e.Recordings) > 0, "conversations"},
		{e.Twin, "twin"}, {e.WholeWay, "twin to CSV"},
	} {
		if w.holds {
			words = append(words, w.word)
		}
	}
	return strings.Join(words, ", ")
}
