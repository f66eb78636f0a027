package all

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"photongate/device"
	"photongate/device/all/internal/listing"
)

func TestListsAreFresh(t *testing.T) {
	for name, generate := range map[string]func() ([]byte, error){
		"drivers.go":  func() ([]byte, error) { return listing.Generate("..") },
		"verified.go": func() ([]byte, error) { return listing.Evidence("../..") },
	} {
		want, err := generate()
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s is stale: run `go generate ./device/all`\n%s", name, want)
		}
	}
}

// The page of a driver has no empty part that somebody has to guess about.
func TestDriversSayWhatTheyAreAbout(t *testing.T) {
	for _, d := range Named() {
		a := d.About
		if len(a.Wiring) == 0 || len(a.Readings) == 0 || len(a.Sources) == 0 || len(a.Unknown) == 0 || len(d.Quirks) == 0 {
			t.Errorf("driver %s does not say how it is wired, what a reading is, where that is from, and what is not known: see device.About", d.Name)
		}
		for _, s := range slices.Concat(a.Wiring, a.Readings, a.Sources, a.Unknown, a.Hardware) {
			if s == "" || strings.HasSuffix(s, ".") {
				t.Errorf("driver %s: %q is no sentence without a full stop", d.Name, s)
			}
		}
		if e := Verified(d.Name); !e.Conformance || len(e.Fuzz) == 0 {
			t.Errorf("driver %s: the conformance suite is run: %t, fuzz targets: %q", d.Name, e.Conformance, e.Fuzz)
		}
	}
}

// Every driver says what a user needs to know of it.
func TestDriversAreComplete(t *testing.T) {
	name := regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)
	seen := map[string]bool{}
	for _, d := range Drivers() {
		if !name.MatchString(d.Name) || seen[d.Name] {
			t.Errorf("driver name %q is no name or is taken", d.Name)
		}
		seen[d.Name] = true
		_, folder := os.Stat("../" + d.Name + "/doc.go")
		_, file := os.Stat("../../instrument/presets/" + d.Name + ".toml")
		if (folder == nil) == (file == nil) {
			t.Errorf("driver %s lives neither in a folder nor in a file of its name, or in both: %v, %v", d.Name, folder, file)
		}
		if d.Title == "" || d.Transport == "" || d.Identity == "" || d.Open == nil {
			t.Errorf("driver %s is incomplete", d.Name)
		}
		if d.Transport == device.Serial && d.Line.Baud == 0 {
			t.Errorf("driver %s has no line settings", d.Name)
		}
		for _, o := range d.Options {
			if o.Name == "" || o.Title == "" || o.Default == "" || o.Kind == "" {
				t.Errorf("driver %s: option %q is incomplete", d.Name, o.Name)
			}
			if (o.Kind == device.Enum) != (len(o.Choices) > 0) {
				t.Errorf("driver %s: option %q: choices belong to words and to nothing else", d.Name, o.Name)
			}
		}
	}
}

// Tests that compare record and truth are found by the names of their functions:
// these are among them, as long as nobody gives them others.
func TestComparisonsAreFound(t *testing.T) {
	for _, name := range []string{"cd48", "de2ccu", "cc1", "sr400", "tdc1", "gmc", "labjack"} {
		if !Verified(name).WholeWay {
			t.Errorf("no test in cmd compares the record of %s with what its twin counted: see comparisons in internal/listing", name)
		}
	}
}

func TestFind(t *testing.T) {
	for _, d := range Drivers() {
		if got, ok := Find(d.Name); !ok || got.Name != d.Name {
			t.Errorf("Find(%q) = %q, %v", d.Name, got.Name, ok)
		}
	}
	if _, ok := Find("no such driver"); ok || slices.ContainsFunc(Drivers(), func(d device.Driver) bool { return d.Name == "" }) {
		t.Error("found a driver that is not there")
	}
}

// What a driver knows of its channels and what it says of time tags go together, under
// every setting that is one of several words: counts are made, or refused, by it.
func TestTagsAndChannelsAgree(t *testing.T) {
	for _, d := range Drivers() {
		tries := []device.Settings{{}}
		for _, o := range d.Options {
			for _, choice := range o.Choices {
				tries = append(tries, device.Settings{o.Name: choice})
			}
		}
		for _, s := range tries {
			if d.Inputs.Known == nil {
				continue
			}
			tags := slices.ContainsFunc(d.Inputs.Known(s), func(c device.Channel) bool { return c.Kind == device.Tag || c.Kind == device.Marker })
			says := false
			if d.Inputs.Tags != nil {
				_, says = d.Inputs.Tags(s)
			}
			if tags != says {
				t.Errorf("%s with %v: channels of tags %v, and it says %v", d.Name, s, tags, says)
			}
		}
	}
}
